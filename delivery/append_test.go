package delivery

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

// file files mails in a mailbox of ann's.
func (r *removal) file(to mailbox.Mailbox, old *mailbox.Spot, mails ...string) ([]mailbox.Placed, error) {
	r.Helper()
	return r.File(r.Context(), r.ann, to, func() (*mailbox.Upload, error) {
		if len(mails) == 0 {
			return nil, io.EOF
		}
		m := mails[0]
		mails = mails[1:]
		if m == "" {
			return nil, errTold
		}
		return &mailbox.Upload{Flags: []string{`\Seen`}, Size: int64(len(m)), Body: strings.NewReader(m)}, nil
	}, old)
}

var errTold = errors.New("what the client said made no sense")

// blobFiles are the files that blobs lie in.
func (r *removal) blobFiles() (n int) {
	filepath.WalkDir(r.Blobs.Dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return nil
	})
	return n
}

func TestUploadsAreFiledTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		r := movingIn(t, db)
		inbox, err := r.Mailboxes.Get(t.Context(), 7, "INBOX")
		if err != nil {
			t.Fatal(err)
		}
		long := "Subject: x\r\n\r\n" + strings.Repeat("a line of more than a blob in the database holds\r\n", 10)
		placed, err := r.file(inbox, nil, "Subject: 1\r\n\r\n", long, "Subject: 3\r\n\r\n")
		if err != nil || len(placed) != 3 || placed[0].UID != 1 || placed[1].UID != 2 || placed[2].UID != 3 || placed[0].Validity != inbox.UIDValidity {
			t.Fatalf("filed %+v, %v", placed, err)
		}
		before := r.blobFiles()
		if before == 0 {
			t.Fatal("the long mail is not in a file, so this test tests less than it says")
		}
		huge := "Subject: x\r\n\r\n" + strings.Repeat("long\r\n", 10_000)
		for name, mails := range map[string][]string{
			"a mistake in the third":    {long, long, ""},
			"the second is far too big": {long, huge},
		} {
			if placed, err := r.file(inbox, nil, mails...); err == nil {
				t.Errorf("%s: filed %+v", name, placed)
			}
		}
		if _, err := r.file(inbox, nil, long, ""); !errors.Is(err, errTold) {
			t.Errorf("the client's mistake became %v", err)
		}
		r.Directory.(*oneMember).quota = int64(2*len(long)) + 100
		if _, err := r.file(inbox, nil, long, long); !mail.Is(err, mail.OverQuota) {
			t.Errorf("above the quota: %v", err)
		}
		if n := len(r.box("INBOX")); n != 3 {
			t.Errorf("%d mails in INBOX", n)
		}
		if n := r.blobFiles(); n != before {
			t.Errorf("%d files, %d of mails that were not filed", n, n-before)
		}
	})
}

func TestAReplacedMailGoesWhenTheOtherComes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		r := movingIn(t, db)
		ctx := t.Context()
		drafts, err := r.Mailboxes.Get(ctx, 7, "Drafts")
		if err != nil {
			t.Fatal(err)
		}
		first, err := r.file(drafts, nil, "Subject: 1\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		old := &mailbox.Spot{Mailbox: drafts.ID, UID: first[0].UID}
		if _, err := r.file(drafts, old, "Subject: 2\r\n\r\n", ""); !errors.Is(err, errTold) {
			t.Errorf("told %v", err)
		}
		if got := r.box("Drafts"); len(got) != 1 || got[0].UID != 1 {
			t.Errorf("after a mistake there is %+v", got)
		}
		if _, err := r.file(drafts, old, "Subject: 2\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if got := r.box("Drafts"); len(got) != 1 || got[0].UID != 2 {
			t.Errorf("after the replacement there is %+v", got)
		}
		if _, err := r.file(drafts, old, "Subject: 3\r\n\r\n"); !mail.Is(err, mail.Gone) {
			t.Errorf("replaced what is gone: %v", err)
		}
		if got := r.box("Drafts"); len(got) != 1 {
			t.Errorf("something came that replaced nothing: %+v", got)
		}
	})
}

// limits are quotas by account.
type limits map[mail.AccountID]int64

func (l limits) Quota(_ context.Context, a mail.AccountID) (int64, error) { return l[a], nil }

func TestWhatIsFiledWithOthersTakesTheirSpace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		r := movingIn(t, db)
		ctx := t.Context()
		r.Quotas = limits{8: 30}
		if err := db.Write(ctx, func(tx *store.Tx) error { return r.Mailboxes.CreateAccount(ctx, tx, 8, "en") }); err != nil {
			t.Fatal(err)
		}
		theirs, err := r.Mailboxes.Get(ctx, 8, "INBOX")
		if err != nil {
			t.Fatal(err)
		}
		const one = "Subject: x\r\n\r\n"
		if _, err := r.file(theirs, nil, one, one); err != nil {
			t.Fatal(err)
		}
		if _, err := r.file(theirs, nil, one); !mail.Is(err, mail.OverQuota) {
			t.Errorf("above their quota: %v", err)
		}
		for account, want := range map[mail.AccountID]int64{7: 0, 8: 28} {
			if used, err := r.Mailboxes.Usage(ctx, account); err != nil || used != want {
				t.Errorf("account %d uses %d (%v), want %d", account, used, err, want)
			}
		}
		drafts, err := r.Mailboxes.Get(ctx, 7, "Drafts")
		if err != nil {
			t.Fatal(err)
		}
		r.Quotas = limits{}
		placed, err := r.file(drafts, nil, one)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.file(theirs, &mailbox.Spot{Mailbox: drafts.ID, UID: placed[0].UID}, one); err != nil {
			t.Errorf("from one account to another: %v", err)
		}
		if n := len(r.box("Drafts")); n != 0 {
			t.Errorf("%d mails were left", n)
		}
	})
}

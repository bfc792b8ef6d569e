package delivery

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
	"colporteur/store/storetest"

	"pgregory.net/rapid"
)

// removal is a member who moves in, and the Door that takes their mail.
type removal struct {
	*testing.T
	*Door
	ann mail.User
}

// oneMember is a directory with ann, who may have quota bytes.
type oneMember struct {
	town
	quota int64
}

func (o *oneMember) Resolve(_ context.Context, a mail.Address) ([]mail.Destination, error) {
	return []mail.Destination{{Where: mail.ToMailbox, Account: 7, Addr: a, Quota: o.quota}}, nil
}

func movingIn(t *testing.T, db *store.DB) *removal {
	t.Helper()
	blobs := &blob.Store{DB: db, Dir: t.TempDir(), Master: make([]byte, 32), Inline: 100}
	messages := &message.Store{DB: db, Blobs: blobs}
	boxes := &mailbox.Store{DB: db, Messages: messages}
	d := &Door{DB: db, Blobs: blobs, Messages: messages, Mailboxes: boxes, Directory: &oneMember{}, Drop: 10_000}
	r := &removal{t, d, mail.User{ID: 1, Account: 7, Address: mail.MustAddress("ann@home.test")}}
	if err := db.Write(t.Context(), func(tx *store.Tx) error { return boxes.CreateAccount(t.Context(), tx, 7, "en") }); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *removal) open(f ImportFolder) ImportPlace {
	r.Helper()
	p, err := r.OpenImport(r.Context(), r.ann, f, false)
	if err != nil {
		r.Fatal(err)
	}
	return p
}

// keep files mails, numbered from first on, and says what became of them: C, H or S each.
func (r *removal) keep(place, first int64, once bool, mails ...string) string {
	r.Helper()
	i := 0
	out, err := r.Import(r.Context(), r.ann, place, func() (*ImportMail, error) {
		if i == len(mails) {
			return nil, io.EOF
		}
		m := &ImportMail{UID: mailbox.UID(first + int64(i)), Size: int64(len(mails[i])), Body: strings.NewReader(mails[i] + "more"), Once: once,
			Flags: []string{`\Seen`, "$Ok", `\Strange`, "no)atom", "", "été"}}
		i++
		return m, nil
	})
	if err != nil {
		r.Fatal(err)
	}
	said := ""
	for _, o := range out {
		said += "CHS"[o.Imported : o.Imported+1]
	}
	return said
}

// box is the entries of a mailbox, and fails if there is none.
func (r *removal) box(name string) []mailbox.Entry {
	r.Helper()
	m, err := r.Mailboxes.Get(r.Context(), 7, name)
	if err != nil {
		r.Fatalf("%s: %v", name, err)
	}
	list, err := r.Mailboxes.Entries(r.Context(), m.ID, 0, 0)
	if err != nil {
		r.Fatal(err)
	}
	return list
}

func letterOf(id string) string {
	return "Message-ID: <" + id + "@far.test>\r\nSubject: x\r\n\r\nBonjour " + id
}

func TestAnImportedMailIsKeptOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := movingIn(t, db)
		folder := ImportFolder{Source: "u@far.test:993", Name: "INBOX.Clients", Validity: 5, Path: "Clients"}
		p := r.open(folder)
		for _, step := range []struct {
			why   string
			place int64
			first int64
			once  bool
			mails []string
			want  string
		}{
			{"the first time", p.ID, 1, false, []string{letterOf("a"), letterOf("b"), "no id", "no id", letterOf("a")}, "CCCCH"},
			{"the same again", p.ID, 1, false, []string{letterOf("a"), letterOf("b"), "no id"}, "HHH"},
			{"a new one between", p.ID, 5, false, []string{letterOf("a"), letterOf("c")}, "HC"},
			{"numbered anew", r.open(ImportFolder{Source: folder.Source, Name: folder.Name, Validity: 6, Path: "Clients"}).ID, 1, false,
				[]string{letterOf("c"), letterOf("d")}, "HC"},
			{"another folder has its own", r.open(ImportFolder{Source: folder.Source, Name: "Copies", Validity: 5, Path: "Copies"}).ID, 1, false,
				[]string{letterOf("a"), letterOf("e")}, "CC"},
			{"a folder of everything", r.open(ImportFolder{Source: folder.Source, Name: "All", Validity: 5, Path: "All"}).ID, 1, true,
				[]string{letterOf("a"), letterOf("e"), letterOf("f")}, "HHC"},
			{"everything of another host", r.open(ImportFolder{Source: "u@other.test:993", Name: "All", Validity: 5, Path: "All"}).ID, 1, true,
				[]string{letterOf("b"), letterOf("f")}, "CC"},
		} {
			if got := r.keep(step.place, step.first, step.once, step.mails...); got != step.want {
				t.Errorf("%s: got %s, want %s", step.why, got, step.want)
			}
		}
		if n := len(r.box("Clients")); n != 6 {
			t.Errorf("Clients has %d mails", n)
		}
		if got := strings.Join(r.box("Clients")[0].Flags, " "); got != `$Ok \Seen` {
			t.Errorf("flags %s", got)
		}
		again := r.open(folder)
		if again.ID != p.ID || len(again.Have) != 1 || again.Have[0] != (mailbox.UIDRange{First: 1, Last: 6}) {
			t.Errorf("opened again: %+v", again)
		}
	})
}

func TestAnImportFollowsWhatTheMemberDoesWithTheMailbox(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := movingIn(t, db)
		sent := ImportFolder{Source: "u@far.test:993", Name: "Envoyés", Validity: 5, Path: "Envoyés", Role: mailbox.Sent}
		below := ImportFolder{Source: "u@far.test:993", Name: "Envoyés/2024", Validity: 5, Path: "Envoyés/2024", Role: mailbox.Sent, Below: "2024", Hidden: true}
		look, err := r.OpenImport(t.Context(), r.ann, below, true)
		if err != nil || look.Mailbox != "Sent/2024" || look.ID != 0 {
			t.Errorf("a look: %+v, %v", look, err)
		}
		if _, err := r.Mailboxes.Get(t.Context(), 7, "Sent/2024"); !mail.Is(err, mail.NotFound) {
			t.Errorf("a look makes the mailbox: %v", err)
		}
		if p := r.open(sent); p.Mailbox != "Sent" {
			t.Errorf("sent mail goes to %s", p.Mailbox)
		}
		p := r.open(below)
		if p.Mailbox != "Sent/2024" {
			t.Errorf("what is below sent mail goes to %s", p.Mailbox)
		}
		if m, err := r.Mailboxes.Get(t.Context(), 7, "Sent/2024"); err != nil || m.Subscribed {
			t.Errorf("subscribed: %v, %v", m.Subscribed, err)
		}
		r.keep(p.ID, 1, false, letterOf("a"))
		if err := r.Mailboxes.Rename(t.Context(), 7, "Sent/2024", "Old"); err != nil {
			t.Fatal(err)
		}
		if again := r.open(below); again.ID != p.ID || again.Mailbox != "Old" {
			t.Errorf("renamed: %+v", again)
		}
		if err := r.Mailboxes.Remove(t.Context(), 7, "Old"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Import(t.Context(), r.ann, p.ID, func() (*ImportMail, error) { return nil, io.EOF }); !mail.Is(err, mail.NotFound) && err != nil {
			t.Errorf("nothing into a mailbox that is gone: %v", err)
		}
		anew := r.open(below)
		if anew.Mailbox != "Sent/2024" || len(anew.Have) != 0 {
			t.Errorf("removed: %+v", anew)
		}
		if got := r.keep(anew.ID, 1, false, letterOf("a")); got != "C" {
			t.Errorf("after its mailbox was removed a mail is %s", got)
		}
	})
}

func TestWhatIsWrongWithOneImportedMailKeepsNoOtherOut(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	r := movingIn(t, db)
	p := r.open(ImportFolder{Source: "u@far.test", Name: "INBOX", Validity: 1, Path: "INBOX"})
	if got := r.keep(p.ID, 1, false, letterOf("a"), strings.Repeat("large\r\n", 5000), letterOf("b")); got != "CSC" {
		t.Errorf("got %s", got)
	}
	if n := len(r.box("INBOX")); n != 2 {
		t.Errorf("%d mails", n)
	}
	// A stream that ends in the middle files nothing of its batch.
	i := 0
	_, err := r.Import(t.Context(), r.ann, p.ID, func() (*ImportMail, error) {
		i++
		return &ImportMail{UID: mailbox.UID(10 + i), Size: 50, Body: strings.NewReader(strings.Repeat("x", 60-10*i))}, nil
	})
	if err == nil || len(r.box("INBOX")) != 2 {
		t.Errorf("%v; %d mails", err, len(r.box("INBOX")))
	}
	r.Directory.(*oneMember).quota = 300
	_, err = r.Import(t.Context(), r.ann, p.ID, func() (*ImportMail, error) {
		return &ImportMail{UID: 20, Size: 250, Body: iotest.ErrReader(io.ErrNoProgress)}, nil
	})
	if !mail.Is(err, mail.OverQuota) {
		t.Errorf("over quota: %v", err)
	}
}

func TestAnImportedMailWithoutADateHasItsOwn(t *testing.T) {
	t.Parallel()
	r := movingIn(t, storetest.SQLite(t))
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	r.Door.Now = func() time.Time { return now }
	p := r.open(ImportFolder{Source: "u@far.test", Name: "INBOX", Validity: 1, Path: "INBOX"})
	r.keep(p.ID, 1, false, "Date: Tue, 3 Feb 2004 10:00:00 +0100\r\n\r\n", "Date: Tue, 3 Feb 2104 10:00:00 +0100\r\n\r\n", "none\r\n")
	for i, want := range []time.Time{time.Date(2004, 2, 3, 9, 0, 0, 0, time.UTC), now, now} {
		if got := r.box("INBOX")[i].Date; !got.Equal(want) {
			t.Errorf("mail %d is of %v, want %v", i, got, want)
		}
	}
}

func TestLinesOfImportedMailEndInCRLF(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "a": "a", "a\n": "a\r\n", "a\r\n": "a\r\n", "\n\n": "\r\n\r\n", "a\r": "a\r", "a\rb\r\r\n\n": "a\rb\r\r\n\r\n"} {
		got, err := io.ReadAll(newCRLF(strings.NewReader(in)))
		if err != nil || string(got) != want {
			t.Errorf("%q: got %q, want %q; %v", in, got, want, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOf(rapid.SampledFrom([]byte("\r\nab"))).Draw(t, "in")
		got, err := io.ReadAll(iotest.OneByteReader(newCRLF(bytes.NewReader(in))))
		bare := bytes.ReplaceAll(got, []byte("\r\n"), nil)
		if err != nil || bytes.Contains(bare, []byte("\n")) || bytes.Count(got, []byte("\n")) != bytes.Count(in, []byte("\n")) {
			t.Fatalf("%q: got %q; %v", in, got, err)
		}
	})
}

package mailbox_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
)

// house is the mailboxes of one account in a fresh database.
type house struct {
	testing.TB
	*mailbox.Store
	account mail.AccountID
	now     time.Time
}

func newHouse(tb testing.TB, db *store.DB) *house {
	tb.Helper()
	h := &house{TB: tb, account: 7, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return h.now }
	blobs := &blob.Store{DB: db, Dir: tb.TempDir(), Master: bytes.Repeat([]byte{1}, 32), Now: clock}
	h.Store = &mailbox.Store{DB: db, Messages: &message.Store{DB: db, Blobs: blobs, Now: clock}, Now: clock}
	h.open(h.account, "en")
	return h
}

func (h *house) open(a mail.AccountID, lang string) {
	h.Helper()
	h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error { return h.CreateAccount(h.Context(), tx, a, lang) }))
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) box(name string) mailbox.Mailbox {
	h.Helper()
	m, err := h.Get(h.Context(), h.account, name)
	if err != nil {
		h.Fatalf("mailbox %q: %v", name, err)
	}
	return m
}

func (h *house) create(name string) mailbox.Mailbox {
	h.Helper()
	m, err := h.Create(h.Context(), h.account, name)
	if err != nil {
		h.Fatalf("create %q: %v", name, err)
	}
	return m
}

// mime makes a mail of header lines and a text.
func mime(head, text string) string {
	return strings.ReplaceAll(strings.TrimSpace(head)+"\n\n"+text+"\n", "\n", "\r\n")
}

// prepare does what the Door does before its transaction.
func (h *house) prepare(ctx context.Context, raw string) (*message.Draft, *mailbox.Incoming, error) {
	w := h.Messages.Blobs.Create()
	defer w.Abort()
	var scan mail.Scanner
	var head mailbox.Heading
	n, err := io.Copy(io.MultiWriter(w, &scan, &head), strings.NewReader(raw))
	if err != nil {
		return nil, nil, err
	}
	sum, text, err := scan.Close()
	if err != nil {
		return nil, nil, err
	}
	w.Beside(mailbox.Keep(&head, sum, text))
	ref, err := w.Commit(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &message.Draft{Size: n, Segments: []message.Segment{{Blob: ref.ID, Length: n}}, Refs: []blob.Ref{ref}, Summary: sum},
		&mailbox.Incoming{Size: n, Summary: sum, Words: mailbox.Sign(sum, text), Date: h.now}, nil
}

// tryDeliver files raw in a mailbox of an account.
func (h *house) tryDeliver(ctx context.Context, a mail.AccountID, to mailbox.ID, raw string, change ...func(*mailbox.Incoming)) (p mailbox.Placed, err error) {
	d, in, err := h.prepare(ctx, raw)
	if err != nil {
		return p, err
	}
	for _, f := range change {
		f(in)
	}
	err = h.DB.Write(ctx, func(tx *store.Tx) error {
		if err := h.Messages.Insert(ctx, tx, d); err != nil {
			return err
		}
		in.Message = d.ID
		p, err = h.Append(ctx, tx, a, to, in)
		return err
	})
	return p, err
}

func (h *house) deliver(name, raw string, change ...func(*mailbox.Incoming)) mailbox.Placed {
	h.Helper()
	p, err := h.tryDeliver(h.Context(), h.account, h.box(name).ID, raw, change...)
	if err != nil {
		h.Fatalf("deliver to %q: %v", name, err)
	}
	return p
}

func flagged(flags ...string) func(*mailbox.Incoming) {
	return func(in *mailbox.Incoming) { in.Flags = flags }
}

func (h *house) entries(name string) []mailbox.Entry {
	h.Helper()
	list, err := h.Entries(h.Context(), h.box(name).ID, 0, 0)
	h.must(err)
	return list
}

// brief is a mailbox in one line: "1[\Seen] 2[]".
func brief(list []mailbox.Entry) string {
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprintf("%d%v", e.UID, e.Flags))
	}
	return strings.Join(out, " ")
}

func (h *house) read(id mailbox.EmailID, offset int64) string {
	h.Helper()
	c, err := h.Content(h.Context(), h.account, id)
	h.must(err)
	r, err := h.Open(h.Context(), c, offset)
	h.must(err)
	defer r.Close()
	b, err := io.ReadAll(r)
	h.must(err)
	return string(b)
}

func (h *house) usage() int64 {
	h.Helper()
	n, err := h.Usage(h.Context(), h.account)
	h.must(err)
	return n
}

func (h *house) wantKind(err error, kind mail.Kind, what string) {
	h.Helper()
	if !mail.Is(err, kind) {
		h.Errorf("%s: got %v (kind %d), want kind %d", what, err, mail.KindOf(err), kind)
	}
}

var letter = mime("From: Ann <ann@home.test>\nTo: bob@far.test\nSubject: Hello\nMessage-ID: <1@home.test>", "Hello Bob.")

type copyFunc = func(context.Context, mailbox.ID, []mailbox.UID, mailbox.ID) (src, dst []mailbox.UID, validity uint32, err error)

package imap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
)

// BenchmarkMailbox asks what mail programs ask of a folder of 10,000 mails.
func BenchmarkMailbox(b *testing.B) {
	const n = 10000
	h := newHost(b)
	ctx := b.Context()
	box, err := h.Mailboxes.Get(ctx, 11, "INBOX")
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < n; i += 500 {
		err := h.files.db.Write(ctx, func(tx *store.Tx) error {
			for j := i; j < i+500; j++ {
				body := []byte(strings.ReplaceAll(fmt.Sprintf("From: a%d@far.test\nTo: ann@home.test\nSubject: Mail %d\nDate: Tue, 14 Jul 2026 10:00:00 +0200\nMessage-ID: <%d@far.test>\n\n%s\n", j%50, j, j, strings.Repeat("Bonjour. ", 300)), "\n", "\r\n"))
				ref, err := h.files.blobs.Put(ctx, body)
				if err != nil {
					return err
				}
				var scan mail.Scanner
				scan.Write(body)
				sum, words, err := scan.Close()
				if err != nil {
					return err
				}
				d := &message.Draft{Size: ref.Size, Segments: []message.Segment{{Blob: ref.ID, Length: ref.Size}}, Refs: []blob.Ref{ref}, Summary: sum}
				if err := h.files.messages.Insert(ctx, tx, d); err != nil {
					return err
				}
				if _, err := h.Mailboxes.Append(ctx, tx, 11, box.ID, &mailbox.Incoming{Message: d.ID, Size: d.Size, Summary: sum, Words: mailbox.Sign(sum, words), Date: time.Now()}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	c := h.login("ann")
	c.SetDeadline(time.Time{})
	c.ok("SELECT INBOX")
	for _, cmd := range []string{
		"STATUS INBOX (MESSAGES)",
		"SELECT INBOX",
		"FETCH 1:* (UID FLAGS)",
		"FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE)",
		"FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)])",
		"UID FETCH 5000 BODY.PEEK[]",
		"UID SEARCH UNSEEN",
		"UID SEARCH SUBJECT 9999",
	} {
		b.Run(cmd, func(b *testing.B) {
			for b.Loop() {
				c.ok(cmd)
			}
		})
	}
}

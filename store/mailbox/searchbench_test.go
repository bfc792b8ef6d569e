package mailbox_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

// office is mail as an office has it: half plain text, a third with HTML, the
// rest with attachments; some words in most mails, some in one of a hundred.
type office struct {
	words []string
	zipf  *rand.Zipf
	r     *rand.Rand
}

func newOffice() *office {
	r := rand.New(rand.NewPCG(7, 7))
	o := &office{r: r}
	seen := map[string]bool{}
	for len(o.words) < 4000 {
		w := strings.TrimSpace(prose(r, 3+r.IntN(9)))
		w = strings.Join(strings.Fields(w), "")
		if len(w) > 2 && !seen[w] {
			seen[w] = true
			o.words = append(o.words, w)
		}
	}
	o.zipf = rand.NewZipf(r, 1.1, 4, uint64(len(o.words)-1))
	return o
}

func (o *office) text(n int, i int) string {
	var b strings.Builder
	for k := range n {
		b.WriteString(o.words[o.zipf.Uint64()])
		b.WriteByte(" \n"[number(k%10 == 9)])
	}
	if i%100 == 42 {
		b.WriteString(" the word is zyzzyva here")
	}
	return b.String()
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (o *office) mail(i int) string {
	who := i * 7919 % 200
	h := fmt.Sprintf("Received: from mx%d.example.test by mail.test with ESMTPS id q%08x; Mon, 23 Nov 2026 08:00:00 +0000\n"+
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.test; s=sel; h=from:to:subject; bh=%s; b=%s\n"+
		"Message-ID: <office.%d@example.test>\nDate: %s\nFrom: \"%s %s\" <sender%d@example.test>\nTo: \"Big User\" <big@home.test>\n",
		who%9, i*40503, base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%032d", i)), base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%0128d", i*31)),
		i, time.Date(2023, 1, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(i)*97*time.Minute).Format(time.RFC1123Z), o.words[who], o.words[who+300], who)
	if i%3 != 0 {
		h += fmt.Sprintf("In-Reply-To: <office.%d@example.test>\nReferences: <office.%d@example.test>\n <office.%d@example.test>\n", i-1, i-2, i-1)
	}
	if i%4 == 0 {
		h += fmt.Sprintf("Cc: cc%d@example.test, team@home.test\n", who)
	}
	subject := o.text(3+o.r.IntN(6), 0)
	if i%50 == 7 {
		subject += " quarterlyreport"
	}
	h += "Subject: " + strings.Join(strings.Fields(subject), " ") + "\n"
	if i%100 == 11 {
		h += "X-Project: alpha7\n"
	}
	n := 150 + o.r.IntN(600)
	switch k := i % 20; {
	case k < 10:
		return mime(h+"Content-Type: text/plain; charset=utf-8", o.text(n, i))
	case k < 16:
		return mime(h+"Content-Type: multipart/alternative; boundary=b", "--b\nContent-Type: text/plain; charset=utf-8\n\n"+o.text(n, i)+
			"\n--b\nContent-Type: text/html; charset=utf-8\n\n<html><body><p>"+o.text(2*n, 0)+"</p></body></html>\n--b--")
	}
	raw := make([]byte, 20<<10+o.r.IntN(30<<10))
	for k := range raw {
		raw[k] = byte(o.r.Uint32())
	}
	enc := base64.StdEncoding.EncodeToString(raw)
	var lines strings.Builder
	for len(enc) > 76 {
		lines.WriteString(enc[:76] + "\n")
		enc = enc[76:]
	}
	return mime(h+"Content-Type: multipart/mixed; boundary=b", "--b\nContent-Type: text/plain; charset=utf-8\n\n"+o.text(n/2, i)+
		"\n--b\nContent-Type: application/pdf; name=doc.pdf\nContent-Disposition: attachment; filename=doc.pdf\nContent-Transfer-Encoding: base64\n\n"+lines.String()+"--b--")
}

// fillOffice delivers n such mails.
func fillOffice(h *house, n int) {
	h.Helper()
	o := newOffice()
	inbox := h.box("INBOX").ID
	for from := 0; from < n; from += 500 {
		var todo []func(tx *store.Tx) error
		for i := from; i < min(n, from+500); i++ {
			d, in, err := h.prepare(context.Background(), o.mail(i))
			h.must(err)
			in.Date = h.now.Add(time.Duration(i) * time.Minute)
			todo = append(todo, func(tx *store.Tx) error {
				if err := h.Messages.Insert(context.Background(), tx, d); err != nil {
					return err
				}
				in.Message = d.ID
				_, err := h.Append(context.Background(), tx, h.account, inbox, in)
				return err
			})
		}
		h.must(h.DB.Write(context.Background(), func(tx *store.Tx) error {
			for _, f := range todo {
				if err := f(tx); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func BenchmarkSearch(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, n := range []int{10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", engine, n), func(b *testing.B) { benchSearch(b, engine, n) })
		}
	}
}

func benchSearch(b *testing.B, engine string, n int) {
	if n > 10_000 && testing.Short() {
		b.Skip("a mailbox of that size takes a minute to fill")
	}
	var db *store.DB
	if engine == "sqlite" {
		db = storetest.SQLite(b)
	} else {
		db = storetest.Open(b, storetest.Postgres(b))
	}
	h := newHouse(b, db)
	h.Messages.Blobs.Inline = 64 << 10
	fillOffice(h, n)
	if engine == "postgres" { // as autovacuum does within a minute
		h.must(db.Write(b.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(b.Context(), "ANALYZE")
			return err
		}))
	}
	snap, err := h.Snapshot(b.Context(), h.box("INBOX").ID)
	h.must(err)
	run := func(name string, least, most int, q *mailbox.Query) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				found := 0
				h.must(h.Search(b.Context(), snap, q, func(mailbox.Entry) bool { found++; return true }))
				if found < least || found > most {
					b.Fatalf("%d found", found)
				}
			}
		})
	}
	b.Run("index", func(b *testing.B) {
		for b.Loop() {
			h.must(h.IndexAccount(b.Context(), h.account))
		}
	})
	rare := n / 100
	run("text", rare, rare, text("zyzzyva"))
	run("body", rare, rare, body("zyzzyva"))
	run("text-3-letters", rare, rare, text("yzz"))
	run("text-common", n/2, n, text("bo"))
	run("subject", n/50, n/50, field("subject", "quarterlyreport"))
	run("from", 0, n/50, field("from", "sender17@"))
	run("header", rare, rare, field("X-Project", "alpha7"))
	run("message-id", 1, 1, field("message-id", "<office.777@example.test>"))
	run("references", 2, 2, field("references", "<office.777@example.test>"))
	run("sent", 0, n, &mailbox.Query{SentSince: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	run("since", 0, n, &mailbox.Query{Since: h.now.Add(time.Hour)})
	run("unseen", n, n, &mailbox.Query{NotFlags: []string{`\Seen`}})
	run("all", n, n, &mailbox.Query{})
	var all []mailbox.Entry
	h.must(h.Search(b.Context(), snap, &mailbox.Query{}, func(e mailbox.Entry) bool { all = append(all, e); return true }))
	for name, by := range map[string]mailbox.SortKey{"subject": mailbox.BySubject, "date": mailbox.ByDate, "from": mailbox.ByFrom} {
		b.Run("sort-"+name, func(b *testing.B) {
			for b.Loop() {
				_, err := h.Sort(b.Context(), snap.Mailbox(), all, []mailbox.Order{{By: by}})
				h.must(err)
			}
		})
	}
}

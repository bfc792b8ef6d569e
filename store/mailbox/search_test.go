package mailbox_test

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"

	"pgregory.net/rapid"
)

func (h *house) search(q *mailbox.Query) string {
	h.Helper()
	found, err := h.Find(h.Context(), h.box("INBOX").ID, q)
	h.must(err)
	var uids []string
	for _, e := range found {
		uids = append(uids, fmt.Sprint(e.UID))
	}
	return strings.Join(uids, " ")
}

func field(name, value string) *mailbox.Query {
	return &mailbox.Query{Header: []mailbox.HeaderQuery{{Field: name, Value: value}}}
}

func text(words ...string) *mailbox.Query { return &mailbox.Query{Text: words} }
func body(words ...string) *mailbox.Query { return &mailbox.Query{Body: words} }

func TestSearchFindsWhatIsThereAndNothingElse(t *testing.T) {
	each(t, func(h *house) {
		paris := time.FixedZone("", 2*3600)
		at := func(d int, flags ...string) func(*mailbox.Incoming) {
			return func(in *mailbox.Incoming) {
				in.Date, in.Flags = time.Date(2026, 5, d, 12, 0, 0, 0, time.UTC), flags
			}
		}
		h.deliver("INBOX", mime("From: \"Léa, of the Board\" <Lea@Home.test>\nTo: Bob <bob@far.test>, carl@far.test\nSubject: =?utf-8?q?R=C3=A9union_d=27=C3=A9t=C3=A9?=\nMessage-ID: <One.1@home.test>\nX-Spam: no way\nDate: Sat, 2 May 2026 00:30:00 +0200\n"+
			"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable", "Le go=C3=BBter est pr=C3=AAt =\n\net cela continue."), at(1, `\Seen`, "$Work"),
			func(in *mailbox.Incoming) { in.Prefix = []byte("Received: from the moon\r\n") })
		h.deliver("INBOX", mime("From: bob@far.test\nSubject: Photos\nDate: Sun, 3 May 2026 10:00:00 +0000\nContent-Type: multipart/mixed; boundary=b",
			"--b\nContent-Type: text/html\n\n<p>We <b>meet</b> at caf&eacute; noon</p><script>hidden</script>\n--b\nContent-Type: image/jpeg; name=\"lac.jpg\"\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--"), at(2, `\Flagged`))
		h.deliver("INBOX", mime("From: carl@far.test\nSubject:\nX-Spam: yes", "A reunion is at noon; bob@far.test comes."), at(3))
		h.deliver("INBOX", mime("Subject: long", prose(rand.New(rand.NewPCG(5, 6)), 30<<10)+" zebra"), at(4))
		h.deliver("INBOX", mime("From: x@y", "no signature, and a zebra"), at(5), func(in *mailbox.Incoming) { in.Words = nil })
		day := func(d int) time.Time { return time.Date(2026, 5, d, 0, 0, 0, 0, time.UTC) }
		size := h.entries("INBOX")[3].Size
		for _, c := range []struct {
			name string
			q    *mailbox.Query
			want string
		}{
			{"everything", &mailbox.Query{}, "1 2 3 4 5"},
			{"accents and case", text("REUNION"), "1 3"},
			{"accents in the query", text("réÜnion"), "1 3"},
			{"the middle of a word", text("oute"), "1"},
			{"words over a line break", text("est prêt et cela"), "1"},
			{"two words", text("reunion", "noon"), "3"},
			{"a short word", text("et"), "1 2 4"},
			{"a file name", text("lac.jpg"), "2"},
			{"html", text("meet at cafe"), "2"},
			{"not a script", text("hidden"), ""},
			{"an address in text", text("bob@far.test"), "1 2 3"},
			{"in the body only", body("bob@far"), "3"},
			{"body, not subject", body("reunion"), "3"},
			{"nothing", text("giraffe"), ""},
			{"without a signature", body("zebra"), "4 5"},
			{"white space only", text("  "), "1 2 3 4 5"},
			{"subject", field("subject", "d'ete"), "1"},
			{"subject, not body", field("SUBJECT", "noon"), ""},
			{"sender by name", field("From", "LEA, OF"), "1"},
			{"sender by name and address", field("from", `of the board" <lea@`), "1"},
			{"sender as a program writes it", field("from", `of the board <lea@home.test>`), "1"},
			{"recipient", field("to", "carl"), "1"},
			{"a field with a value of another", field("from", "noon"), ""},
			{"message id", field("message-id", "<one.1@home.test>"), "1"},
			{"part of a message id", field("Message-ID", "1@HOME"), "1"},
			{"a rare field", field("x-spam", "way"), "1"},
			{"a field of ours", field("Received", "moon"), "1"},
			{"a field that is there", field("x-spam", ""), "1 3"},
			{"a field that is there, empty", field("subject", ""), "1 2 3 4"},
			{"a field that is not there", field("x-none", ""), ""},
			{"flag", &mailbox.Query{Flags: []string{`\seen`, "$WORK"}}, "1"},
			{"not flag", &mailbox.Query{NotFlags: []string{`\Seen`, `\Flagged`}}, "3 4 5"},
			{"since", &mailbox.Query{Since: day(3)}, "3 4 5"},
			{"before", &mailbox.Query{Before: day(3)}, "1 2"},
			{"sent on its own day", &mailbox.Query{SentSince: day(2), SentBefore: day(3)}, "1"},
			{"sent, asked from elsewhere", &mailbox.Query{SentSince: day(2).In(paris), SentBefore: time.Date(2026, 5, 3, 0, 0, 0, 0, paris)}, "1"},
			{"sent, by arrival without a date", &mailbox.Query{SentSince: day(3)}, "2 3 4 5"},
			{"larger", &mailbox.Query{Larger: new(size - 1)}, "4"},
			{"not larger", &mailbox.Query{Larger: new(size)}, ""},
			{"smaller", &mailbox.Query{Smaller: new(size)}, "1 2 3 5"},
			{"uids", &mailbox.Query{UIDs: mailbox.MakeUIDSet(2, 4, 6)}, "2 4"},
			{"modseq", &mailbox.Query{ModSeq: h.entries("INBOX")[3].ModSeq}, "4 5"},
			{"not text", &mailbox.Query{Not: []mailbox.Query{*text("noon")}}, "1 4 5"},
			{"not not", &mailbox.Query{Not: []mailbox.Query{{Not: []mailbox.Query{*text("noon")}}}}, "2 3"},
			{"not of two", &mailbox.Query{Not: []mailbox.Query{{Text: []string{"noon"}, Flags: []string{`\Flagged`}}}}, "1 3 4 5"},
			{"or", &mailbox.Query{Or: [][2]mailbox.Query{{*text("zebra"), *field("to", "bob")}}}, "1 4 5"},
			{"or with a flag", &mailbox.Query{Or: [][2]mailbox.Query{{{Flags: []string{`\Flagged`}}, *body("zebra")}}, Before: day(5)}, "2 4"},
		} {
			if got := h.search(c.q); got != c.want {
				h.Errorf("%s: found %q, want %q", c.name, got, c.want)
			}
		}
	})
}

func TestAMailWhoseBytesAreGoneDoesNotEndASearch(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	h.deliver("INBOX", letter)
	h.deliver("INBOX", mime("Subject: big", strings.Repeat("Hello there. ", 5000))) // over what the database keeps itself
	files := 0
	h.must(filepath.Walk(h.Messages.Blobs.Dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			files++
			return os.Remove(path)
		}
		return err
	}))
	if files != 1 {
		t.Fatalf("%d files", files)
	}
	if got := h.search(text("hello")); got != "1 2" {
		t.Errorf("found %q by what is kept beside the mails", got)
	}
	h.must(h.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE blob SET beside = NULL`)
		return err
	}))
	if got := h.search(text("hello")); got != "1" {
		t.Errorf("found %q by the mails", got)
	}
	if got := h.search(field("received", "hello")); got != "" {
		t.Errorf("found %q by the headers", got)
	}
}

// Ten thousand mails cannot be read for each search: what the signature rules
// out is not looked at.
func TestTheSignatureDecidesWhatIsRead(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	h.deliver("INBOX", letter, func(in *mailbox.Incoming) { in.Words = mailbox.Sign(nil, []byte("something else")) })
	for want, q := range map[string]*mailbox.Query{"": text("bob"), "1": {Not: []mailbox.Query{*body("bob")}}} {
		if got := h.search(q); got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	}
	if got := h.search(field("subject", "hello")); got != "" {
		t.Errorf("found %q by its subject", got)
	}
}

func TestSearchEndsWhenTheCallerLeaves(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	fill(h, h.box("INBOX").ID, 600)
	snap, err := h.Snapshot(t.Context(), h.box("INBOX").ID)
	h.must(err)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	n := 0
	err = h.Search(ctx, snap, text("subject"), func(mailbox.Entry) bool {
		return true
	})
	h.must(err)
	err = h.Search(ctx, snap, &mailbox.Query{}, func(mailbox.Entry) bool {
		if n++; n == 3 {
			leave()
		}
		return true
	})
	h.wantKind(err, mail.Unavailable, "search")
	if n >= 600 {
		t.Errorf("%d mails were found after the caller had left", n)
	}
	n = 0
	h.must(h.Search(t.Context(), snap, &mailbox.Query{}, func(mailbox.Entry) bool { n++; return n < 3 }))
	if n != 3 {
		t.Errorf("%d mails were found after three were enough", n)
	}
}

// Whatever is in a mail, its signature does not rule it out.
func TestASignatureNeverRulesOutWhatIsThere(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	h := newHouse(t, db)
	boxes := 0
	rapid.Check(t, func(rt *rapid.T) {
		boxes++
		box, err := h.Create(t.Context(), h.account, fmt.Sprint("box", boxes))
		if err != nil {
			rt.Fatal(err)
		}
		line := rapid.StringOfN(rapid.RuneFrom([]rune("abcdefé ÀßŒﬁ日本語-.")), 0, 200, -1)
		words, subject := line.Draw(rt, "text"), strings.TrimSpace(line.Draw(rt, "subject"))
		if _, err := h.tryDeliver(t.Context(), h.account, box.ID, mime("Subject: "+subject+"\nMessage-ID: <Zoë@x>\nContent-Type: text/plain; charset=utf-8", words)); err != nil {
			rt.Fatal(err)
		}
		for _, c := range []struct {
			all string
			ask func(string) *mailbox.Query
		}{{words, func(s string) *mailbox.Query { return body(s) }}, {words, func(s string) *mailbox.Query { return text(s) }},
			{subject, func(s string) *mailbox.Query { return text(s) }}, {subject, func(s string) *mailbox.Query { return field("subject", s) }}} {
			r := []rune(c.all)
			from := rapid.IntRange(0, len(r)).Draw(rt, "from")
			to := rapid.IntRange(from, len(r)).Draw(rt, "to")
			if found, err := h.Find(t.Context(), box.ID, c.ask(string(r[from:to]))); err != nil || len(found) != 1 {
				rt.Fatalf("%q is not found in %q: %v", string(r[from:to]), c.all, err)
			}
		}
	})
}

func TestSignaturesAreSmallAndSelective(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{0, 2, 100, 1000, 10_000, 100_000, 1_000_000} {
		sig := mailbox.Sign(&mail.Summary{}, []byte(prose(r, n)))
		if len(sig) < 64 || len(sig) > 4096 || len(sig)&(len(sig)-1) != 0 || n > 0 && len(sig) > max(64, 2*n) {
			t.Errorf("%d octets of text: a signature of %d", n, len(sig))
		}
		set := 0
		for _, b := range sig {
			set += bits.OnesCount8(b)
		}
		if len(sig) < 4096 && set*2 > len(sig)*8 {
			t.Errorf("%d octets of text: %d of %d bits are set", n, set, len(sig)*8)
		}
	}
	if a, b := mailbox.Sign(nil, []byte("some text")), mailbox.Sign(nil, []byte("some text")); string(a) != string(b) {
		t.Error("two signatures of one text differ")
	}
}

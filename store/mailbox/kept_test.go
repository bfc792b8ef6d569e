package mailbox

import (
	"io"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
)

func keepOf(tb testing.TB, raw string, portion int) []byte {
	tb.Helper()
	var scan mail.Scanner
	var head Heading
	for rest := raw; rest != ""; {
		n := min(portion, len(rest))
		if _, err := io.WriteString(io.MultiWriter(&scan, &head), rest[:n]); err != nil {
			tb.Fatal(err)
		}
		rest = rest[n:]
	}
	sum, text, err := scan.Close()
	if err != nil {
		tb.Fatal(err)
	}
	return Keep(&head, sum, text)
}

func TestWhatIsKeptOfAMailComesBack(t *testing.T) {
	t.Parallel()
	raw := strings.ReplaceAll("From: \"Zoë, of far\"\n <zoe@far.test>\nSUBJECT: =?utf-8?q?=C3=89t=C3=A9?=\nX-Link: <https://far.test/key>\nDKIM-Signature: v=1; b=abc\nDate: Mon, 2 Nov 2026 23:30:00 -0500\n"+
		"X-Long: "+strings.Repeat("abcd ", 1000)+"\nX-Tab: a\tb\x01c\n\nNot-A-Field: Some words.\n\nMore.\n", "\n", "\r\n")
	for _, portion := range []int{1, 2, 3, 7, 50, len(raw)} {
		k, err := readKept(keepOf(t, raw, portion))
		if err != nil {
			t.Fatal(err)
		}
		want := "\tfrom:\"zoe, of far\" <zoe@far.test>\tfrom:zoe, of far <zoe@far.test>\tsubject:ete\tx-link:\x01\tdkim-signature:\x01" +
			"\tdate:mon, 2 nov 2026 23:30:00 -0500\tx-long:\x01\tx-tab:a bc"
		if k.fields != want {
			t.Errorf("in portions of %d: fields %q, want %q", portion, k.fields, want)
		}
		if want := "not-a-field: some words. more."; strings.TrimSpace(k.body) != want || !strings.HasPrefix(k.all, "ete\n") {
			t.Errorf("body %q of %q", k.body, k.all)
		}
		if k.date.Format("2 Jan 15:04 -0700") != "2 Nov 23:30 -0500" {
			t.Errorf("date %v", k.date)
		}
	}
	for _, raw := range []string{"", "\r\n", "\r\nbody", "no header at all", "A: b", "A: b\r\n", "A: b\r\n\r\n"} {
		k, err := readKept(keepOf(t, raw, 1))
		if err != nil || strings.HasPrefix(raw, "A: b") != (k.fields == "\ta:b") {
			t.Errorf("%q: %+v, %v", raw, k, err)
		}
	}
}

func TestAHugeHeaderIsKeptInPartAndSaysSo(t *testing.T) {
	t.Parallel()
	began := time.Now()
	keepOf(t, "X-One: a\r\n"+strings.Repeat(" b\r\n", 100_000), 4096)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a field of 100,000 lines: %v", took)
	}
	k, err := readKept(keepOf(t, strings.Repeat("X-Many: value\r\n", 30_000)+"X-Last: here\r\n\r\nbody", 4096))
	if err != nil {
		t.Fatal(err)
	}
	if len(k.fields) > 2*maxKeptFields {
		t.Errorf("%d octets of fields", len(k.fields))
	}
	for name, want := range map[string]verdict{"x-many": yes, "x-last": maybe} {
		if got := hasField(k.fields, &field{name: name, key: "\t" + name + ":"}); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func FuzzReadKept(f *testing.F) {
	f.Add(keepOf(f, "Subject: x\r\n\r\nSome words, some words, some words.", 100))
	f.Add([]byte{keptVersion, 0, 0, 1, 1, 200})
	f.Fuzz(func(t *testing.T, p []byte) {
		if k, err := readKept(p); err == nil && len(k.body) > len(k.all) {
			t.Error("more body than text")
		}
	})
}

func BenchmarkKeep16KB(b *testing.B) {
	raw := "From: Ann <ann@home.test>\r\nTo: bob@far.test\r\nSubject: Hello\r\nMessage-ID: <1@home.test>\r\nReceived: from a by b\r\n\r\n" +
		strings.Repeat("Some words of a letter that somebody wrote to somebody else on a long evening.\r\n", 200)
	var scan mail.Scanner
	var head Heading
	io.WriteString(io.MultiWriter(&scan, &head), raw)
	sum, text, err := scan.Close()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		Keep(&head, sum, text)
	}
}

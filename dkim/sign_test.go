package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"colporteur/mail"
)

// text is a message in memory.
type text string

func (s text) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, string(s))
	return int64(n), err
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pair is an RSA and an Ed25519 key, and the DNS where they stand.
var pair = sync.OnceValues(func() ([]Key, zone) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	keys := []Key{{"home.test", "r1", r}, {"home.test", "e1", e}}
	z := zone{}
	for _, k := range keys {
		record, err := PublicRecord(k.Signer.Public())
		if err != nil {
			panic(err)
		}
		z[KeyName(k.Selector, k.Domain)] = []string{record}
	}
	return keys, z
})

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func sign(t testing.TB, message string) string {
	t.Helper()
	keys, _ := pair()
	fields, err := Sign(context.Background(), keys, now(), text(message))
	if err != nil {
		t.Fatal(err)
	}
	return string(fields) + message
}

func results(rs []mail.DKIMResult) string {
	var s []string
	for _, r := range rs {
		s = append(s, string(r.Result))
	}
	return strings.Join(s, " ")
}

const head = "From: Joe <joe@home.test>\r\nTo: =?utf-8?q?Zo=C3=A9?= <zoe@away.test>\r\n" +
	"Subject: A folded\r\n\t subject\t with  blanks \r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n" +
	"Message-ID: <1@home.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n" +
	"Content-Transfer-Encoding: 8bit\r\nReceived: by somebody; now\r\nReferences: <a@b>\r\n  <c@d>\r\n"

// hard are messages that signers and verifiers have disagreed on.
var hard = map[string]string{
	"plain":                    head + "\r\nHello.\r\n",
	"empty body":               head + "\r\n",
	"no separator":             head,
	"no last line end":         head + "\r\nHello.",
	"blank lines only":         head + "\r\n\r\n\r\n\r\n",
	"blanks only":              head + "\r\n \t \r\n\t\r\n  ",
	"one blank":                head + "\r\n ",
	"trailing blanks":          head + "\r\nHello. \t \r\n  there \t you  \r\n \r\n\t\r\n\r\n",
	"leading blank lines":      head + "\r\n\r\n\r\n  Hello.\r\n",
	"8-bit":                    head + "\r\nÉté à Noël: œuvre\r\n\xff\xfe\x80 raw\r\n",
	"8-bit header":             "From: joe@home.test\r\nSubject: d\u00e9j\u00e0 vu \xe9\r\n\r\nx\r\n",
	"folded to nothing":        "From: joe@home.test\r\nSubject:\r\n \r\nTo:\r\n\ta@b.test\r\nCc: \r\n\r\nx\r\n",
	"name with a blank":        "From : joe@home.test\r\nSUBJECT \t: x\r\n\r\nx\r\n",
	"everything twice":         head + "Subject: again\r\nFrom: other@home.test\r\nTo: a@b.test\r\n\r\nx\r\n",
	"a long line":              head + "\r\n" + strings.Repeat("0123456789 ", 9000) + "\r\n",
	"a long run of blanks":     head + "\r\na" + strings.Repeat(" \t", 70000) + "b\r\n",
	"a line over 1024 at once": head + "\r\n" + strings.Repeat("x", 1024) + "\r\n" + strings.Repeat("y", 1023) + "\r\n\r\n",
	"dots":                     head + "\r\n.\r\n..\r\n.x\r\n",
	"looks like a signature":   "DKIM-Signature: v=1; a=rsa-sha256; d=other.test; s=x; h=from; bh=; b=\r\n" + head + "\r\nx\r\n",
	"b= inside other tags":     head + "X-B: b=abc; bh=def\r\n\r\nb=abc; bh=x;\r\n",
	"large":                    head + "\r\n" + strings.Repeat("VGhpcyBpcyBhIGxhcmdlIG1haWwsIGFzIGJhc2U2NCBsaW5lcyBvZiA3NiBvY3RldHMgZWFjaA==\r\n", 5000),
	"many blank lines":         head + "\r\nx" + strings.Repeat("\r\n", 100_000) + "y" + strings.Repeat("\r\n", 100_000),
}

// neutral ones are those whose own oddities add a result.
func wantFor(name string) string {
	if name == "looks like a signature" {
		return "pass pass neutral"
	}
	return "pass pass"
}

func TestWhatWeSignHolds(t *testing.T) {
	t.Parallel()
	_, z := pair()
	for name, message := range hard {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signed := sign(t, message)
			v := &Verifier{DNS: z, Now: now}
			if rs := verify(t, v, signed); results(rs) != wantFor(name) {
				t.Fatalf("%+v\n%s", rs, signed[:min(len(signed), 3000)])
			}
			for _, line := range strings.Split(signed[:len(signed)-len(message)], crlf) {
				if len(line) > 78 {
					t.Errorf("a line of %d octets: %s", len(line), line)
				}
			}
			// A mail has to survive a relay that ends its last line.
			if message != "" && !strings.HasSuffix(message, crlf) {
				if rs := verify(t, v, signed+crlf); results(rs) != wantFor(name) {
					t.Errorf("with a line end: %+v", rs)
				}
			}
		})
	}
}

func TestGoMsgauthAgreesWithUs(t *testing.T) {
	t.Parallel()
	keys, z := pair()
	lookup := func(name string) ([]string, error) { return z.LookupTXT(context.Background(), name) }
	for name, message := range hard {
		if name == "no separator" { // it cannot read one
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var theirs bytes.Buffer
			theirs.WriteString(message)
			for _, k := range keys {
				for _, c := range []msgauth.Canonicalization{msgauth.CanonicalizationSimple, msgauth.CanonicalizationRelaxed} {
					for _, b := range []msgauth.Canonicalization{msgauth.CanonicalizationSimple, msgauth.CanonicalizationRelaxed} {
						var out bytes.Buffer
						if err := msgauth.Sign(&out, &theirs, &msgauth.SignOptions{Domain: k.Domain, Selector: k.Selector,
							Signer: k.Signer, HeaderCanonicalization: c, BodyCanonicalization: b,
							HeaderKeys: []string{"From", "Subject", "To", "From", "Subject", "To", "Received"}}); err != nil {
							t.Fatal(err)
						}
						theirs = out
					}
				}
			}
			var got []mail.DKIMResult
			x := (&Verifier{DNS: z, Now: now}).Begin(context.Background(), nil)
			x.Write(theirs.Bytes())
			for _, r := range x.Results() {
				if r.Domain == "home.test" && r.Result == mail.Pass {
					got = append(got, r)
				} else if r.Domain == "home.test" && name != "everything twice" {
					t.Errorf("%+v", r)
				}
			}
			if len(got) != 8 && name != "everything twice" {
				t.Errorf("%d of 8 hold", len(got))
			}
			if name == "looks like a signature" {
				return
			}
			vs, err := msgauth.VerifyWithOptions(strings.NewReader(sign(t, message)), &msgauth.VerifyOptions{LookupTXT: lookup})
			if err != nil || len(vs) != 2 {
				t.Fatal(vs, err)
			}
			for _, v := range vs {
				if v.Err != nil {
					t.Errorf("%+v: %v", v, v.Err)
				}
			}
		})
	}
}

// RFC 6376 §3.5: h= may name DKIM-Signature, and means the others.
func TestASignatureOverSignaturesDoesNotCoverItself(t *testing.T) {
	t.Parallel()
	keys, z := pair()
	d, err := Read(t.Context(), text(sign(t, hard["plain"])))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"from", "dkim-signature", "dkim-signature"}
	algorithm, _ := keys[1].Algorithm()
	field, err := keys[1].Append(nil, "DKIM-Signature",
		append(Tags{{Name: "v", Value: "1"}, {Name: "a", Value: algorithm}}, d.tags(keys[1], names, now())...), d.Signed(names))
	if err != nil {
		t.Fatal(err)
	}
	v := &Verifier{DNS: z, Now: now}
	rest := sign(t, hard["plain"])
	if got := results(verify(t, v, string(field)+rest)); got != "pass pass pass" {
		t.Error(got)
	}
	below := strings.Index(rest, "From: Joe")
	if got := results(verify(t, v, rest[:below]+string(field)+rest[below:])); got != "pass pass pass" {
		t.Error("below the others:", got)
	}
}

func TestAChangeAnywhereIsSeen(t *testing.T) {
	t.Parallel()
	_, z := pair()
	signed := sign(t, hard["trailing blanks"])
	v := &Verifier{DNS: z, Now: now}
	for _, c := range []struct{ name, old, new, want string }{
		{"body", "there", "where", "fail fail"},
		{"body longer", "\r\n \r\n\t\r\n\r\n", "\r\n \r\n\t\r\n\r\nmore\r\n", "fail fail"},
		{"blank line inside the body", "Hello. \t \r\n", "Hello. \t \r\n\r\n", "fail fail"},
		{"From", "joe@home.test", "job@home.test", "fail fail"},
		{"Subject", "A folded", "B folded", "fail fail"},
		{"To", "zoe@away.test", "zoe@home.test", "fail fail"},
		{"Content-Type", "text/plain", "text/html", "fail fail"},
		{"a second From", "From: Joe", "From: x@evil.test\r\nFrom: Joe", "fail fail"},
		{"a second Subject below", "\r\n\r\nHello", "\r\nSubject: x\r\n\r\nHello", "fail fail"},
		{"a Cc where there was none", "From: Joe", "Cc: x@evil.test\r\nFrom: Joe", "fail fail"},
		{"a Reply-To where there was none", "From: Joe", "Reply-To: x@evil.test\r\nFrom: Joe", "fail fail"},
		{"t=", "t=1795", "t=1794", "fail fail"},
		{"the name in From", "From: Joe", "From:Joe", "pass pass"},
		{"blanks", "with  blanks", "with blanks", "pass pass"},
		{"refolded", "A folded\r\n\t subject", "A\r\n folded subject", "pass pass"},
		{"upper case name", "Subject: A", "SUBJECT: A", "pass pass"},
		{"a Received above", "DKIM-Signature: v=1; a=rsa", "Received: x\r\nDKIM-Signature: v=1; a=rsa", "pass pass"},
		{"an unsigned field", "From: Joe", "X-Spam: no\r\nFrom: Joe", "pass pass"},
		{"blank line at the end", "\t\r\n\r\n", "\t\r\n\r\n\r\n\r\n", "pass pass"},
		{"a line that is no field", "From: Joe", "Dear reader\r\nFrom: Joe", "policy policy"},
		{"a bare line feed", "From: Joe", "X-A: b\nFrom: Joe", "policy policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(signed, c.old, c.new, 99)
			if changed == signed {
				t.Fatal("nothing was changed")
			}
			if got := results(verify(t, v, changed)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	// One bit anywhere in what was written by us is seen, but for blanks and
	// the case of names.
	fields := strings.Index(signed, "From: Joe")
	for i := 0; i < fields; i++ {
		changed := []byte(signed)
		changed[i] ^= 1
		if got := results(verify(t, v, string(changed))); strings.HasPrefix(got, "pass pass") {
			t.Errorf("octet %d of the fields (%q): %s", i, signed[max(0, i-5):i+5], got)
		}
	}
}

// flow is a message of any size that is nowhere in memory.
type flow struct {
	head, line string
	times      int
}

func (f flow) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, f.head)
	total := int64(n)
	line := []byte(f.line)
	for i := 0; err == nil && i < f.times; i++ {
		n, err = w.Write(line)
		total += int64(n)
	}
	return total, err
}

func TestThirtyMegabytesAreNotKept(t *testing.T) {
	keys, z := pair()
	for _, line := range []string{strings.Repeat("A", 76) + crlf, strings.Repeat(crlf, 40), strings.Repeat(" ", 80)} {
		m := flow{head + crlf, line, 30 << 20 / len(line)}
		var fields []byte
		grew := allocated(t, func() {
			var err error
			if fields, err = Sign(context.Background(), keys, now(), m); err != nil {
				t.Fatal(err)
			}
		})
		if grew > 1<<20 {
			t.Errorf("signing %q took %d octets", line, grew)
		}
		grew = allocated(t, func() {
			x := (&Verifier{DNS: z, Now: now}).Begin(context.Background(), []byte(string(fields)+m.head))
			x.Write(fields)
			m.WriteTo(x)
			if rs := x.Results(); results(rs) != "pass pass" {
				t.Errorf("%+v", rs)
			}
		})
		if grew > 1<<20 {
			t.Errorf("judging %q took %d octets", line, grew)
		}
	}
}

func TestSigningEndsWithItsContext(t *testing.T) {
	t.Parallel()
	keys, _ := pair()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Sign(ctx, keys, now(), text(hard["plain"])); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type odd struct{ crypto.Signer }

func (odd) Public() crypto.PublicKey { return "odd" }

func TestAKeyThatDoesNotFitSignsNothing(t *testing.T) {
	t.Parallel()
	keys, _ := pair()
	for name, k := range map[string]Key{
		"none":         {"home.test", "s", nil},
		"unknown":      {"home.test", "s", odd{}},
		"RSA 1024":     {"home.test", "s", rsaKey(t, 1024)},
		"no domain":    {"", "s", keys[0].Signer},
		"no selector":  {"home.test", "", keys[0].Signer},
		"a tag inside": {"home.test; l=0", "s", keys[0].Signer},
		"upper case":   {"Home.test", "s", keys[0].Signer},
	} {
		if out, err := Sign(t.Context(), []Key{keys[0], k}, now(), text(hard["plain"])); err == nil || out != nil {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
	if out, err := Sign(t.Context(), nil, now(), text(hard["plain"])); err != nil || out != nil {
		t.Errorf("no key: %q, %v", out, err)
	}
	if _, err := Sign(t.Context(), keys, now(), text("X: "+strings.Repeat("x", MaxHeader)+"\r\n\r\n")); err == nil {
		t.Error("a header of a megabyte was signed")
	}
}

func BenchmarkSignASmallMail(b *testing.B) {
	keys, _ := pair()
	message := text(head + "\r\n" + strings.Repeat("Some words of a small mail.\r\n", 50))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Sign(context.Background(), keys[1:], now(), message); err != nil {
			b.Fatal(err)
		}
	}
}

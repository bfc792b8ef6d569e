package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"colporteur/mail"
)

func TestDotsAreDoubledAtTheStartOfLines(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                    "",
		".":                   "..\r\n",
		".\r\n":               "..\r\n",
		"a\r\n.\r\nb\r\n":     "a\r\n..\r\nb\r\n",
		"a.b\r\n..c":          "a.b\r\n...c\r\n",
		"x\r\n\r\n.y\r\n":     "x\r\n\r\n..y\r\n",
		"a\x00":               "a\x00\r\n",
		"a\x00.\r\n":          "a\x00.\r\n",
		"a\r\n.\r\n.\r\n.z..": "a\r\n..\r\n..\r\n..z..\r\n",
	} {
		for _, step := range []int{1, 2, 3, 100} {
			var b bytes.Buffer
			d := &dotWriter{w: bufio.NewWriter(&b)}
			for p := []byte(in); len(p) > 0; {
				k := min(step, len(p))
				if _, err := d.Write(p[:k]); err != nil {
					t.Fatalf("%q: %v", in, err)
				}
				p = p[k:]
			}
			if err := d.finish(); err != nil {
				t.Fatalf("%q: %v", in, err)
			}
			d.w.Flush()
			if b.String() != want {
				t.Errorf("%q by %d: got %q, want %q", in, step, b.String(), want)
			}
		}
	}
}

// The outbound half of SMTP smuggling.
func TestBareNewlinesNeverLeave(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"a\n.\r\nb", "a\r\n.\n", "a\r.\r\n", "a\r", "\n", "a\r\r\n", "x\n\r\n"} {
		for _, step := range []int{1, 100} {
			d := &dotWriter{w: bufio.NewWriter(io.Discard)}
			var err error
			for p := []byte(in); len(p) > 0 && err == nil; {
				k := min(step, len(p))
				_, err = d.Write(p[:k])
				p = p[k:]
			}
			if err == nil {
				err = d.finish()
			}
			if !errors.Is(err, errBareNewline) {
				t.Errorf("%q by %d: got %v", in, step, err)
			}
		}
	}
	n := newInternet(t)
	far := n.site("far.test", nil)
	p := n.relay.attempt(t.Context(), n.mail("bob@far.test"), letter("Subject: x\r\n\r\nfoo\n.\r\nMAIL FROM:<x@y>\r\n"), yes).to[0]
	if !p.lost() || p.last.status != "5.6.0" || len(far.took()) != 0 {
		t.Errorf("got %+v %v", p, p.last)
	}
}

// scanned is a stored message with the structure that was found at delivery.
func scanned(t *testing.T, text string) source {
	t.Helper()
	sc := &mail.Scanner{}
	if _, err := sc.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	sum, _, err := sc.Close()
	if err != nil {
		t.Fatal(err)
	}
	src := letter(text)
	src.summary = func(context.Context) (*mail.Summary, error) { return sum, nil }
	return src
}

func TestEightBitPartsAreReencodedForAnOldPeer(t *testing.T) {
	t.Parallel()
	const text = "Subject: caf\xc3\xa9\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-transfer-ENCODING:\r\n 8bit\r\nX-After: 1\r\n\r\nD\xc3\xa9j\xc3\xa0 \r\nvu = .\r\n" +
		"\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain = text\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
		"Subject: inner\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa0\r\n--b--\r\n"
	const want = "Subject: caf\xc3\xa9\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\nX-After: 1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nD=C3=A9j=C3=A0=20\r\nvu =3D .\r\n" +
		"\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain = text\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" +
		"Subject: inner\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A0\r\n--b--\r\n"
	src := scanned(t, text)
	n := newInternet(t)
	far := n.site("far.test", nil)
	d := n.mail("bob@far.test")
	d.Body, d.Prefix = mail.Body8Bit, nil
	if p := n.relay.attempt(t.Context(), d, src, yes).to[0]; !p.sent {
		t.Fatalf("got %v", p.last)
	}
	if got := far.took()[0].data; got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	// A peer that knows 8BITMIME gets the octets as they are.
	new := n.site("new.test", func(s *sink) { s.ehlo = []string{"8BITMIME"} })
	d = n.mail("bob@new.test")
	d.Body, d.Prefix = mail.Body8Bit, nil
	n.relay.attempt(t.Context(), d, src, yes)
	if got := new.took()[0].data; got != text {
		t.Errorf("got %q\nwant %q", got, text)
	}
}

func TestEightBitMailWithoutMIMEIsReencodedToo(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", nil)
	d := n.mail("bob@far.test")
	d.Prefix = nil
	if p := n.relay.attempt(t.Context(), d, scanned(t, "Subject: x\r\n\r\nD\xe9j\xe0\r\n"), yes).to[0]; !p.sent {
		t.Fatalf("got %v", p.last)
	}
	const want = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nD=E9j=E0\r\n"
	if got := far.took()[0].data; got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestEightBitContentThatCannotBeConvertedBounces(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", nil)
	src := letter(sample + "D\xc3\xa9j\xc3\xa0\r\n") // nobody knows its structure
	if p := n.relay.attempt(t.Context(), n.mail("bob@far.test"), src, yes).to[0]; !p.lost() || p.last.status != "5.6.3" {
		t.Errorf("got %+v %v", p, p.last)
	}
	d := n.mail("bob@far.test")
	d.Body = mail.BodyBinary
	if p := n.relay.attempt(t.Context(), d, letter(sample), yes).to[0]; !p.lost() || p.last.status != "5.6.3" {
		t.Errorf("got %+v %v", p, p.last)
	}
}

func TestOurOwnTroubleIsNotThePeers(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", nil)
	src := letter(sample)
	src.open = func(context.Context, int64) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(sample), iotest.ErrReader(errors.New("disk")))), nil
	}
	d := n.mail("bob@far.test")
	p := n.relay.attempt(t.Context(), d, src, yes).to[0]
	if p.sent || p.lost() {
		t.Errorf("got %+v %v", p, p.last)
	}
	far.ln.Close()
	far.wg.Wait()
	if len(far.took()) != 0 {
		t.Error("half a mail was sent as a whole one")
	}
}

func FuzzReply(f *testing.F) {
	f.Add("250 ok\r\n")
	f.Add("250-a\r\n250 b\r\n")
	f.Add("550 5.1.1 x\n")
	f.Add("220\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		r, err := readReply(bufio.NewReader(strings.NewReader(in)))
		if err != nil {
			return
		}
		if r.code < 200 || r.code > 599 {
			t.Errorf("%q: code %d", in, r.code)
		}
		s := r.String()
		if strings.ContainsAny(s, "\r\n\x00\x1b") || len([]rune(s)) > maxText+10 {
			t.Errorf("%q: got %q", in, s)
		}
		if st := r.status(); st[0] != fmt.Sprint(r.class())[0] {
			t.Errorf("%q: status %q", in, st)
		}
	})
}

func FuzzDots(f *testing.F) {
	f.Add([]byte("a\r\n.\r\nb"), 3)
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		if step < 1 {
			step = 1
		}
		var b bytes.Buffer
		d := &dotWriter{w: bufio.NewWriter(&b)}
		for p := in; len(p) > 0; {
			k := min(step, len(p))
			if _, err := d.Write(p[:k]); err != nil {
				return
			}
			p = p[k:]
		}
		if d.finish() != nil {
			return
		}
		d.w.Flush()
		b.WriteString(".\r\nrest")
		br := bufio.NewReader(&b)
		got, ok := readData(br)
		if rest, _ := io.ReadAll(br); !ok || string(rest) != "rest" {
			t.Fatalf("%q ended early: %q", in, rest)
		}
		if want := strings.TrimSuffix(string(in), "\r\n"); strings.TrimSuffix(got, "\r\n") != want {
			t.Errorf("got %q, want %q", got, in)
		}
	})
}

package delivery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
	"colporteur/store/queue"
)

// testDoor is a real Door over SQLite and files.
func testDoor(t testing.TB, dir Directory) *Door {
	t.Helper()
	folder := t.TempDir()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(folder, "db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	blobs := &blob.Store{DB: db, Dir: filepath.Join(folder, "blobs"), Master: bytes.Repeat([]byte{7}, 32)}
	messages := &message.Store{DB: db, Blobs: blobs}
	return &Door{DB: db, Blobs: blobs, Messages: messages, Mailboxes: &mailbox.Store{DB: db, Messages: messages},
		Queue: &queue.Queue{DB: db}, Directory: dir, Hostname: "mail.home.test"}
}

// lines is base64 of p in lines of width characters.
func lines(p []byte, width int, end string) string {
	s := base64.StdEncoding.EncodeToString(p)
	var b strings.Builder
	for len(s) > width {
		b.WriteString(s[:width] + end)
		s = s[width:]
	}
	return b.String() + s
}

func wrap(parts ...string) string {
	var b strings.Builder
	b.WriteString("From: ann@home.test\r\nSubject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\nA mail.\r\n")
	for _, p := range parts {
		b.WriteString("\r\n--=_b\r\n" + p)
	}
	b.WriteString("\r\n--=_b--\r\n")
	return b.String()
}

func attached(encoding, body string) string {
	return "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"f.bin\"\r\nContent-Transfer-Encoding: " +
		encoding + "\r\n\r\n" + body
}

// spoolAndRead sends raw through the splitter and back.
func spoolAndRead(t *testing.T, d *Door, raw string, chunk int, body mail.Body) (*message.Message, string) {
	t.Helper()
	env := &mail.Envelope{Body: body}
	s, err := d.spoolDrop(t.Context(), env, &chunked{strings.NewReader(raw), chunk})
	if err != nil {
		t.Fatalf("spool: %v", err)
	}
	if err := d.DB.Write(t.Context(), func(tx *store.Tx) error { return d.Messages.Insert(t.Context(), tx, s.draft) }); err != nil {
		t.Fatal(err)
	}
	m, err := d.Messages.Get(t.Context(), s.draft.ID)
	if err != nil {
		t.Fatal(err)
	}
	return m, readAll(t, d, m, 0)
}

func readAll(t *testing.T, d *Door, m *message.Message, offset int64) string {
	t.Helper()
	r, err := d.Messages.OpenMessage(t.Context(), m, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type chunked struct {
	r io.Reader
	n int
}

func (c *chunked) Read(p []byte) (int, error) { return c.r.Read(p[:min(c.n, len(p))]) }

func TestAMailToAProgramIsDecodedAndCanStillBeReadBackExactly(t *testing.T) {
	t.Parallel()
	d := testDoor(t, nil)
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	small, line, big := random(5), random(57), random(57*4000+11)
	cases := []struct {
		name    string
		part    string
		want    []byte
		damaged bool
		stored  bool // large bytes are stored once: the raw lines are not kept
	}{
		{name: "regular", part: attached("base64", lines(big, 76, "\r\n")), want: big, stored: true},
		{name: "regular with a last line end", part: attached("base64", lines(big, 76, "\r\n")+"\r\n"), want: big, stored: true},
		{name: "exactly full lines", part: attached("base64", lines(big[:57*3000], 76, "\r\n")), want: big[:57*3000], stored: true},
		{name: "exactly full lines and a line end", part: attached("base64", lines(big[:57*3000], 76, "\r\n")+"\r\n"), want: big[:57*3000], stored: true},
		{name: "one short line", part: attached("base64", lines(small, 76, "\r\n")), want: small},
		{name: "one full line", part: attached("base64", lines(line, 76, "\r\n")), want: line},
		{name: "lines of 72", part: attached("base64", lines(big, 72, "\r\n")), want: big},
		{name: "one endless line", part: attached("base64", lines(big, 1<<30, "\r\n")), want: big},
		{name: "regular, then short lines", part: attached("base64", lines(big[:57*100], 76, "\r\n")+"\r\n"+lines(big[57*100:], 60, "\r\n")), want: big},
		{name: "padding in the middle", part: attached("base64", lines(small, 76, "\r\n")+"\r\n"+lines(big, 76, "\r\n")), want: append(append([]byte{}, small...), big...)},
		{name: "an empty line in the middle", part: attached("base64", lines(line, 76, "\r\n")+"\r\n\r\n"+lines(line, 76, "\r\n")), want: append(append([]byte{}, line...), line...)},
		{name: "padding missing", part: attached("base64", strings.TrimRight(lines(small, 76, "\r\n"), "=")), want: small, damaged: true},
		{name: "junk between", part: attached("base64", "AAAA%%%%BBBB"), want: []byte{0, 0, 0, 4, 16, 65}, damaged: true},
		{name: "empty", part: attached("base64", ""), want: nil},
		{name: "quoted-printable", part: attached("quoted-printable", "a=3Db=\r\nc\r\nd"), want: []byte("a=bc\r\nd")},
		{name: "8bit", part: attached("8bit", "x\r\n\xe9\r\n"), want: []byte("x\r\n\xe9\r\n")},
	}
	for _, c := range cases {
		for _, chunk := range []int{1 << 20, 4096, 77, 1} {
			if chunk == 1 && len(c.part) > 10_000 {
				continue
			}
			t.Run(fmt.Sprintf("%s in pieces of %d", c.name, chunk), func(t *testing.T) {
				raw := wrap("Content-Type: text/plain\r\n\r\nHello.\r\n", c.part, attached("base64", lines(line, 76, "\r\n")))
				m, got := spoolAndRead(t, d, raw, chunk, mail.Body8Bit)
				if got != raw {
					t.Fatalf("the mail came back otherwise: %d octets, sent %d, first difference at %d", len(got), len(raw), differ(got, raw))
				}
				if m.Size != int64(len(raw)) {
					t.Errorf("size %d, want %d", m.Size, len(raw))
				}
				for _, off := range []int64{1, 77, 78, 79, int64(len(raw)) / 2, int64(len(raw)) - 1, int64(len(raw))} {
					if got := readAll(t, d, m, off); got != raw[off:] {
						t.Fatalf("from offset %d: %d octets, want %d", off, len(got), len(raw)-int(off))
					}
				}
				p := m.Summary.Root.Children[1]
				sum := sha256.Sum256(c.want)
				if p.Decoded != int64(len(c.want)) || p.SHA256 != hex.EncodeToString(sum[:]) && len(c.want) > 0 {
					t.Fatalf("decoded %d octets (%s), want %d", p.Decoded, p.SHA256, len(c.want))
				}
				if p.Damaged != c.damaged {
					t.Errorf("damaged %v, want %v", p.Damaged, c.damaged)
				}
				if id, ok := m.Body(p); ok {
					r, err := d.Blobs.Open(t.Context(), id, 0)
					if err != nil {
						t.Fatal(err)
					}
					defer r.Close()
					if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, c.want) {
						t.Errorf("the blob has %d octets (%v), want %d", len(b), err, len(c.want))
					}
				} else if len(c.want) > 0 {
					t.Error("the attachment has no blob of its own")
				}
				var kept int64
				for _, g := range m.Segments {
					if g.Kind == message.Raw {
						kept += g.Length
					}
				}
				if c.stored && kept > 2000 {
					t.Errorf("%d octets are kept raw beside the decoded bytes", kept)
				}
			})
		}
	}
}

func TestBinaryPartsMayHoldBareNewlinesAndNothingElseMay(t *testing.T) {
	t.Parallel()
	d := testDoor(t, nil)
	raw := wrap("Content-Type: text/plain\r\n\r\nHello.\r\n", attached("binary", "a\nb\rc\r\r\nd"))
	if _, got := spoolAndRead(t, d, raw, 3, mail.BodyBinary); got != raw {
		t.Fatalf("the mail came back otherwise: %q", got)
	}
	for _, bad := range []string{
		wrap("Content-Type: text/plain\r\n\r\nHel\nlo.\r\n", attached("binary", "x")),
		wrap("Content-Type: text/plain\r\n\r\nHel\rlo.\r\n", attached("binary", "x")),
		strings.Replace(raw, "Subject: files\r\n", "Subject: files\n", 1),
	} {
		_, err := d.spoolDrop(context.Background(), &mail.Envelope{Body: mail.BodyBinary}, strings.NewReader(bad))
		if !mail.Is(err, mail.BareNewline) {
			t.Errorf("%q: %v, want BareNewline", bad, err)
		}
	}
}

func TestFilesOverTheLimitAreRefusedInTheMiddleOfTheMail(t *testing.T) {
	t.Parallel()
	d := testDoor(t, nil)
	d.Drop = 100_000
	raw := wrap(attached("base64", lines(make([]byte, 120_000), 76, "\r\n")))
	_, err := d.spoolDrop(t.Context(), &mail.Envelope{}, strings.NewReader(raw))
	if !mail.Is(err, mail.TooBig) {
		t.Fatalf("%v, want TooBig", err)
	}
	raw = wrap(attached("quoted-printable", strings.Repeat("abcdefgh\r\n", 12_000)))
	_, err = d.spoolDrop(t.Context(), &mail.Envelope{}, strings.NewReader(raw))
	if !mail.Is(err, mail.TooBig) {
		t.Fatalf("quoted-printable: %v, want TooBig", err)
	}
}

func differ(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestARefusedMailLeavesNoBytesBehind(t *testing.T) {
	t.Parallel()
	d := testDoor(t, nil)
	d.Drop = 300_000
	one := attached("base64", lines(make([]byte, 200_000), 76, "\r\n"))
	if _, err := d.spoolDrop(t.Context(), &mail.Envelope{}, strings.NewReader(wrap(one, one))); !mail.Is(err, mail.TooBig) {
		t.Fatalf("%v, want TooBig", err)
	}
	err := filepath.WalkDir(d.Blobs.Dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

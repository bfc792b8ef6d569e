package imap

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
)

// benchMail is a mail like those of a working day: half plain text, a third text
// and HTML, the rest with a file; 16 KB on average.
func benchMail(r *rand.Rand, i int) []byte {
	var b bytes.Buffer
	words := func(n int) {
		for k := range n {
			fmt.Fprintf(&b, "%x", r.Uint32N(1<<20))
			b.WriteString(" \n"[min(k%12/11, 1):][:1])
		}
	}
	fmt.Fprintf(&b, "Received: from far.test (far.test [192.0.2.1])\n\tby home.test with ESMTPS id %d\n\tfor <ann@home.test>; Sun, 22 Nov 2026 10:00:00 +0000\nMessage-ID: <%d@far.test>\nReferences: <%d@far.test>\n\t<%d@far.test>\n", i, i, i-1, i-2)
	fmt.Fprintf(&b, "Date: Sun, 22 Nov 2026 10:00:00 +0100\nFrom: \"Person %d\" <p%d@far.test>\nTo: Ann <ann@home.test>, Team <team@home.test>\nSubject: report number %d of the day\nMIME-Version: 1.0\n", i%200, i%200, i)
	switch {
	case i%20 < 10:
		b.WriteString("Content-Type: text/plain; charset=utf-8\n\n")
		words(700)
	case i%20 < 16:
		b.WriteString("Content-Type: multipart/alternative; boundary=\"alt\"\n\n--alt\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n")
		words(500)
		b.WriteString("\n--alt\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<p>")
		words(1000)
		b.WriteString("</p>\n--alt--\n")
	default:
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"mix\"\n\n--mix\nContent-Type: text/plain; charset=utf-8\n\n")
		words(200)
		fmt.Fprintf(&b, "\n--mix\nContent-Type: application/pdf; name=\"doc%d.pdf\"\nContent-Disposition: attachment; filename=\"doc%d.pdf\"\nContent-Transfer-Encoding: base64\n\n", i, i)
		raw := make([]byte, 57)
		for range (20 + r.IntN(60)) * 1024 / 57 {
			for k := range raw {
				raw[k] = byte(r.Uint32())
			}
			b.WriteString(base64.StdEncoding.EncodeToString(raw) + "\n")
		}
		b.WriteString("--mix--\n")
	}
	return bytes.ReplaceAll(b.Bytes(), []byte("\n"), []byte("\r\n"))
}

// fillUp puts n such mails into ann's INBOX.
func (h *host) fillUp(n int) {
	h.t.Helper()
	ctx := h.t.Context()
	m, err := h.Mailboxes.Get(ctx, 11, "INBOX")
	if err != nil {
		h.t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < n; i += 500 {
		var todo []func(tx *store.Tx) error
		for k := i; k < min(n, i+500); k++ {
			raw := benchMail(r, k)
			w := h.files.blobs.Create()
			var scan mail.Scanner
			if _, err := io.MultiWriter(w, &scan).Write(raw); err != nil {
				h.t.Fatal(err)
			}
			sum, text, err := scan.Close()
			if err != nil {
				h.t.Fatal(err)
			}
			ref, err := w.Commit(ctx)
			if err != nil {
				h.t.Fatal(err)
			}
			d := &message.Draft{Size: int64(len(raw)), Segments: []message.Segment{{Blob: ref.ID, Length: int64(len(raw))}}, Refs: []blob.Ref{ref}, Summary: sum}
			in := &mailbox.Incoming{Size: d.Size, Summary: sum, Words: mailbox.Sign(sum, text)}
			if k%2 == 0 {
				in.Flags = []string{`\Seen`}
			}
			todo = append(todo, func(tx *store.Tx) error {
				if err := h.files.messages.Insert(ctx, tx, d); err != nil {
					return err
				}
				in.Message = d.ID
				_, err := h.Mailboxes.Append(ctx, tx, 11, m.ID, in)
				return err
			})
		}
		if err := h.files.db.Write(ctx, func(tx *store.Tx) error {
			for _, f := range todo {
				if err := f(tx); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			h.t.Fatal(err)
		}
	}
}

// BenchmarkFetch10000 is what mail programs ask of a mailbox of ten thousand mails.
// Cold is the first time ever, as far as the server is concerned.
func BenchmarkFetch10000(b *testing.B) {
	h := newHost(b)
	h.fillUp(10_000)
	nc, err := net.Dial("tcp", h.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	br := bufio.NewReaderSize(nc, 1<<20)
	n := 0
	do := func(cmd string) (octets int64) {
		n++
		tag := fmt.Sprintf("t%d ", n)
		fmt.Fprintf(nc, "%s%s\r\n", tag, cmd)
		for {
			line, err := br.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			octets += int64(len(line))
			if bytes.HasPrefix(line, []byte(tag)) {
				if !bytes.HasPrefix(line[len(tag):], []byte("OK")) {
					b.Fatalf("%s: %s", cmd, line)
				}
				return octets
			}
			if k := bytes.LastIndexByte(line, '{'); k > 0 && line[len(line)-3] == '}' {
				size := 0
				fmt.Sscanf(string(line[k+1:]), "%d", &size)
				octets += int64(size)
				if _, err := br.Discard(size); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	do("LOGIN ann@home.test secret")
	do("SELECT INBOX")
	for _, x := range []struct{ name, items string }{
		{"flags", "(UID FLAGS)"},
		{"fast", "(UID FLAGS INTERNALDATE RFC822.SIZE)"},
		{"envelope", "(UID FLAGS ENVELOPE)"},
		{"bodystructure", "(UID BODYSTRUCTURE)"},
		{"list", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"},
		{"fields", "(UID BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID REFERENCES)])"},
		{"odd-fields", "(UID BODY.PEEK[HEADER.FIELDS (X-ODD)])"},
		{"bodies", "(UID BODY.PEEK[])"},
		{"part1", "(UID BODY.PEEK[1])"},
	} {
		for _, cold := range []bool{true, false} {
			if cold && (x.name == "flags" || x.name == "fast" || strings.Contains(x.name, "odd") || x.name == "bodies" || x.name == "part1") {
				continue
			}
			b.Run(x.name+map[bool]string{true: "/cold", false: "/warm"}[cold], func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if cold {
						b.StopTimer()
						h.Mailboxes.ForgetCards()
						b.StartTimer()
					}
					b.SetBytes(do("FETCH 1:* " + x.items))
				}
			})
		}
	}
}

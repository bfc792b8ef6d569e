package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"colporteur/mail"
)

// openDoor takes everything and keeps nothing.
type openDoor struct{ octets atomic.Int64 }

func (d *openDoor) Recipient(_ context.Context, env *mail.Envelope, r mail.Recipient) error {
	env.To = append(env.To, r)
	return nil
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

func (d *openDoor) Accept(_ context.Context, _ *mail.Envelope, body io.Reader) error {
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	for {
		n, err := body.Read(*b)
		d.octets.Add(int64(n))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func tenKilobytes() []byte {
	var b bytes.Buffer
	b.WriteString("From: ann@home.test\r\nTo: x@far.test\r\nSubject: bench\r\nMessage-ID: <1@bench.test>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n")
	for b.Len() < 10<<10 {
		b.WriteString("words that fill a line of some seventy characters, as mails have them.\r\n")
	}
	b.WriteString(".\r\n")
	return b.Bytes()
}

// BenchmarkMails is ten connections, each with one mail after the other, the
// commands in one write and in three.
func BenchmarkMails(b *testing.B) {
	for _, pipelined := range []bool{true, false} {
		b.Run(fmt.Sprintf("pipelined=%v", pipelined), func(b *testing.B) {
			h := start(b, MX, func(s *Server) { s.Door = &openDoor{}; s.Log = nil; s.Limits.Messages = 1 << 30 })
			body := tenKilobytes()
			var left atomic.Int64
			left.Store(int64(b.N))
			peers := make([]*peer, 10)
			for i := range peers {
				peers[i] = h.session(b)
				peers[i].SetDeadline(time.Now().Add(time.Minute))
			}
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for _, p := range peers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if pipelined {
							p.send("MAIL FROM:<a@far.test>\r\nRCPT TO:<ann@home.test>\r\nDATA\r\n")
							skip(b, p.r, 3)
						} else {
							for _, c := range []string{"MAIL FROM:<a@far.test>\r\n", "RCPT TO:<ann@home.test>\r\n", "DATA\r\n"} {
								p.send(c)
								skip(b, p.r, 1)
							}
						}
						p.Conn.Write(body)
						skip(b, p.r, 1)
					}
				})
			}
			wg.Wait()
		})
	}
}

func skip(b *testing.B, r *bufio.Reader, lines int) {
	for range lines {
		if line, err := r.ReadSlice('\n'); err != nil || line[0] > '3' {
			b.Errorf("%q, %v", line, err)
		}
	}
}

// BenchmarkLargeMail is a mail of base64 lines, in the clear and over TLS, with
// DATA and with BDAT.
func BenchmarkLargeMail(b *testing.B) {
	raw := make([]byte, 57)
	var lines bytes.Buffer
	for lines.Len() < 8<<20 {
		lines.WriteString(base64.StdEncoding.EncodeToString(raw) + "\r\n")
	}
	for _, secure := range []bool{false, true} {
		for _, chunked := range []bool{false, true} {
			b.Run(fmt.Sprintf("tls=%v/bdat=%v", secure, chunked), func(b *testing.B) {
				role := MX
				if secure {
					role = Submissions
				}
				h := start(b, role, func(s *Server) { s.Door = &openDoor{}; s.Log = nil })
				p := h.dial(b)
				p.SetDeadline(time.Now().Add(time.Minute))
				if secure {
					c := tls.Client(p.Conn, &tls.Config{InsecureSkipVerify: true})
					p.Conn, p.r = c, bufio.NewReader(c)
				}
				p.expect("220")
				p.say("EHLO x", "250")
				if secure {
					p.say("AUTH PLAIN AGFubkBob21lLnRlc3QAc2VjcmV0", "235")
				}
				p.say("MAIL FROM:<ann@home.test>", "250")
				p.say("RCPT TO:<ann@home.test>", "250")
				if !chunked {
					p.say("DATA", "354")
					p.send("From: ann@home.test\r\n\r\n")
				} else {
					p.send("BDAT 23\r\nFrom: ann@home.test\r\n\r\n")
					p.expect("250")
				}
				b.SetBytes(int64(lines.Len()))
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					if chunked {
						p.send(fmt.Sprintf("BDAT %d\r\n", lines.Len()))
					}
					if _, err := p.Conn.Write(lines.Bytes()); err != nil {
						b.Fatal(err)
					}
					if chunked {
						p.expect("250")
					}
				}
				if chunked {
					p.send("BDAT 0 LAST\r\n")
				} else {
					p.send(".\r\n")
				}
				p.expect("250")
			})
		}
	}
}

// BenchmarkDotReader is the reading alone, from memory.
func BenchmarkDotReader(b *testing.B) {
	line := bytes.Repeat([]byte("QUJD"), 19)
	text := bytes.Repeat(append(line, "\r\n"...), 1<<16)
	b.SetBytes(int64(len(text)))
	p := make([]byte, 64<<10)
	for range b.N {
		s := &Server{}
		s.init()
		d := &dotReader{w: &wire{srv: s, conn: readConn{nil, io.MultiReader(bytes.NewReader(text), bytes.NewReader([]byte(".\r\n")))}, buf: make([]byte, bodyBuffer)}, began: time.Now()}
		for {
			if _, err := d.Read(p); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

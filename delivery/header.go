package delivery

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"colporteur/mail"
)

// maxHeader is how much of a header block we look at before the mail is
// spooled. A longer one passes as it is, save from a member: there a Bcc field
// could hide behind it.
const maxHeader = 256 << 10

// header is what the Door wants to know before it spools.
type header struct {
	deliveredTo []string // keys of addresses it was delivered to before
	missing     []byte   // fields a member's mail program left out

	raw      []byte        // as it came, with its empty line; cut off at maxHeader
	cuts     [][2]int      // of raw: what is kept and not served
	results  []byte        // our Authentication-Results
	verdict  *mail.Verdict // nil: nobody judged
	proof    string        // the same in a few words
	decision decision
}

// header reads the header block, and gives back a body that begins with it
// again, without Bcc when a member sends (RFC 5322 §3.6.3).
func (d *Door) header(env *mail.Envelope, body io.Reader) (*header, io.Reader, error) {
	br := bufio.NewReaderSize(body, 16<<10)
	h := &header{}
	var kept bytes.Buffer
	var seen struct {
		received        int
		date, messageID bool
	}
	skip, last := false, ""
	for kept.Len() < maxHeader {
		line, err := br.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, nil, err
		}
		whole := err == nil
		continued := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
		if !continued || last == "" {
			name, value, ok := bytes.Cut(line, []byte{':'})
			last = ""
			if ok {
				last = strings.ToLower(strings.TrimRight(string(name), " \t"))
			}
			skip = env.Origin == mail.FromMember && last == "bcc"
			switch last {
			case "received":
				seen.received++
			case "date":
				seen.date = true
			case "message-id":
				seen.messageID = true
			case "delivered-to":
				if a, err := mail.ParseAddress(strings.Trim(string(bytes.TrimSpace(value)), "<>")); err == nil {
					h.deliveredTo = append(h.deliveredTo, a.Key())
				}
			}
		}
		if !skip {
			kept.Write(line)
		}
		for !whole && err == bufio.ErrBufferFull && kept.Len() < maxHeader { // the rest of a very long line
			line, err = br.ReadSlice('\n')
			if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
				return nil, nil, err
			}
			if !skip {
				kept.Write(line)
			}
		}
		if whole && len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		if err == io.EOF {
			break
		}
	}
	if seen.received > maxReceived {
		return nil, nil, mail.Refuse(mail.Loop, "kind-loop")
	}
	if env.Origin == mail.FromMember {
		if kept.Len() >= maxHeader {
			return nil, nil, mail.Refuse(mail.BadContent, "header-too-long")
		}
		// RFC 6409 §8: a submission server may add what is missing.
		if !seen.date {
			h.missing = fmt.Appendf(h.missing, "Date: %s\r\n", env.Received.Format(time.RFC1123Z))
		}
		if !seen.messageID {
			h.missing = fmt.Appendf(h.missing, "Message-ID: <%s@%s>\r\n", env.ID, d.Hostname)
		}
	}
	h.raw = kept.Bytes()
	return h, io.MultiReader(bytes.NewReader(h.raw), br), nil
}

// received is the Received field (RFC 5321 §4.4). A member's address and
// machine stay between them and us: it says only that they signed in.
func (d *Door) received(env *mail.Envelope) []byte {
	c := env.Client
	date := env.Received.Format(time.RFC1123Z)
	switch env.Origin {
	case mail.FromSystem:
		return fmt.Appendf(nil, "Received: by %s id %s;\r\n\t%s\r\n", d.Hostname, env.ID, date)
	case mail.FromMember:
		return fmt.Appendf(nil, "Received: by %s (Colporteur) with %s id %s;\r\n\t%s\r\n", d.Hostname, c.Protocol, env.ID, date)
	}
	b := fmt.Appendf(nil, "Received: from %s ([%s])\r\n\tby %s (Colporteur) with %s id %s", helo(c.Helo), c.IP, d.Hostname, c.Protocol, env.ID)
	if c.TLS != "" {
		b = fmt.Appendf(b, "\r\n\t(%s)", c.TLS)
	}
	if len(env.To) == 1 { // with several, it would tell one about the others
		b = fmt.Appendf(b, "\r\n\tfor <%s>", env.To[0].Address)
	}
	return fmt.Appendf(b, ";\r\n\t%s\r\n", date)
}

// helo keeps what a stranger calls itself from breaking the field it stands in.
func helo(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>;,"\`, r) {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "unknown"
	}
	return s[:min(len(s), 255)]
}

// mailboxPrefix is the fields a copy in a mailbox is served with.
func (d *Door) mailboxPrefix(env *mail.Envelope, rcpt mail.Address, received []byte, h *header) []byte {
	b := make([]byte, 0, len(received)+len(h.missing)+len(h.results)+160)
	b = fmt.Appendf(b, "Return-Path: <%s>\r\nDelivered-To: %s\r\n", env.From, rcpt)
	b = append(b, h.results...)
	b = append(b, received...)
	return append(b, h.missing...)
}

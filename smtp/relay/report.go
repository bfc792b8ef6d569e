package relay

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
)

// report is a delivery status notification, ready to be read (RFC 3464).
type report struct {
	body     io.Reader
	closer   io.Closer
	eightBit bool
	utf8     bool
}

func (rep *report) close() {
	if rep.closer != nil {
		rep.closer.Close()
	}
}

// report writes the multipart/report (RFC 6522): words for a person, fields
// for programs, and the mail or its header. Only the last is of any size, and
// it is streamed.
func (r *Relay) report(ctx context.Context, w *work, n *notice, src source, full bool) (*report, error) {
	c := &content{mail: w.Relay, src: src}
	sum, err := c.src.summary(ctx)
	if err != nil {
		return nil, err
	}
	if sum == nil {
		sum = &mail.Summary{}
	}
	head, err := c.header(ctx, 64<<10)
	if err != nil {
		return nil, err
	}
	head = bytes.TrimRight(head, "\r\n")
	rep := &report{utf8: w.UTF8 && c.headerUTF8(ctx)}
	from := r.Postmaster
	if from.IsZero() {
		from = mail.Address{Local: "postmaster", Domain: r.Hostname}
	}
	var status bytes.Buffer
	r.status(&status, w, n)
	m := mail.Report{
		Compose: mail.Compose{
			From:      mail.Mailbox{Name: r.sayAll(w, "relay-from"), Addr: from.String()},
			To:        []mail.Mailbox{{Addr: w.From.String()}},
			Subject:   r.subject(w, n),
			Date:      r.now(),
			MessageID: n.key(w.Mail) + "@" + r.Hostname,
			Auto:      "auto-replied", // RFC 3834 §5
			Text:      r.words(w, n, sum, full),
		},
		Status: status.Bytes(),
		UTF8:   rep.utf8,
	}
	if id := ascii(tidy(sum.MessageID)); id != "" && !strings.ContainsAny(id, "<> ") {
		m.InReplyTo, m.References = id, []string{id}
	}
	if full {
		in, err := c.src.open(ctx, 0)
		if err != nil {
			return nil, err
		}
		rep.closer = in
		m.Original = io.MultiReader(bytes.NewReader(w.Prefix), in)
		m.EightBit = true // it may be, and nobody has looked
		rep.eightBit = true
	} else {
		m.Headers = slices.Concat(w.Prefix, head, []byte("\r\n"))
		rep.eightBit = !isASCII(m.Headers)
	}
	if rep.body, err = m.Reader(); err != nil {
		rep.close()
		return nil, err
	}
	return rep, nil
}

// status is the part for programs.
func (r *Relay) status(b *bytes.Buffer, w *work, n *notice) {
	// Each value is one line of printable ASCII, whatever a stranger put in it.
	field := func(name, value string) { fmt.Fprintf(b, "%s: %s\r\n", name, ascii(value)) }
	field("Reporting-MTA", "dns; "+r.Hostname)
	if w.EnvID != "" {
		field("Original-Envelope-Id", tidy(w.EnvID))
	}
	field("Arrival-Date", w.At.UTC().Format(time.RFC1123Z))
	for _, f := range n.About {
		b.WriteString("\r\n")
		if f.To.ORCPT != "" {
			if kind, addr, ok := strings.Cut(f.To.ORCPT, ";"); ok && isAtom(kind) {
				field("Original-Recipient", kind+"; "+tidy(unxtext(addr)))
			}
		}
		field("Final-Recipient", typed(f.To.Address))
		field("Action", n.Action)
		field("Status", f.Status)
		if f.Host != "" {
			field("Remote-MTA", "dns; "+tidy(f.Host))
		}
		if f.Reply != "" && n.Action != relayed {
			field("Diagnostic-Code", "smtp; "+f.Reply)
		}
		field("Last-Attempt-Date", f.At.UTC().Format(time.RFC1123Z))
		if n.Action == delayed {
			until := f.Until
			if until.IsZero() { // from before it was kept
				until = w.start().Add(giveUp)
			}
			field("Will-Retry-Until", until.UTC().Format(time.RFC1123Z))
		}
	}
}

// typed is an address with its type. One that is not ASCII is written in the
// form that needs no 8-bit transport (RFC 6533 §3, utf-8-addr-xtext).
func typed(a mail.Address) string {
	if a.IsASCII() {
		return "rfc822; " + a.String()
	}
	var b strings.Builder
	for _, c := range a.String() {
		if c > ' ' && c < 0x7f && c != '+' && c != '=' && c != '\\' {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, `\x{%02X}`, c)
		}
	}
	return "utf-8; " + b.String()
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

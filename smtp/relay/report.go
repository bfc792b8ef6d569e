package relay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
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
	mark := sha256.Sum256([]byte(n.key(w.Mail) + w.At.String()))
	boundary := "=_" + hex.EncodeToString(mark[:15]) // no encoded text can contain "=_"

	var tail bytes.Buffer
	returned := io.Reader(io.MultiReader(bytes.NewReader(w.Prefix), bytes.NewReader(head), strings.NewReader("\r\n")))
	kind := "text/rfc822-headers"
	rep.eightBit = !isASCII(head)
	if full {
		in, err := c.src.open(ctx, 0)
		if err != nil {
			return nil, err
		}
		rep.closer = in
		kind = "message/rfc822"
		returned = io.MultiReader(bytes.NewReader(w.Prefix), in)
		rep.eightBit = true // it may be, and nobody has looked
	}
	if rep.utf8 {
		kind = map[string]string{"message/rfc822": "message/global", "text/rfc822-headers": "message/global-headers"}[kind]
	}
	encoding := "7bit"
	if rep.eightBit {
		encoding = "8bit"
	}

	var b bytes.Buffer
	r.header(&b, w, n, sum, boundary, encoding)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", boundary)
	q := quotedprintable.NewWriter(&b)
	io.WriteString(q, strings.ReplaceAll(r.words(w, n, sum, full), "\n", "\r\n"))
	q.Close()
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: message/delivery-status\r\n\r\n", boundary)
	r.status(&b, w, n)
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", boundary, kind, encoding)
	fmt.Fprintf(&tail, "\r\n--%s--\r\n", boundary)
	rep.body = io.MultiReader(&b, returned, &tail)
	return rep, nil
}

// header is that of the notice itself.
func (r *Relay) header(b *bytes.Buffer, w *work, n *notice, sum *mail.Summary, boundary, encoding string) {
	from := r.Postmaster
	if from.IsZero() {
		from = mail.Address{Local: "postmaster", Domain: r.Hostname}
	}
	field := func(name, value string) { fmt.Fprintf(b, "%s: %s\r\n", name, value) }
	field("From", fmt.Sprintf("%s <%s>", encodeWords(r.sayAll(w, "relay-from")), from))
	field("To", "<"+w.From.String()+">")
	field("Subject", encodeWords(r.subject(w, n)))
	field("Date", r.now().Format(time.RFC1123Z))
	field("Message-ID", fmt.Sprintf("<%s@%s>", n.key(w.Mail), r.Hostname))
	if id := ascii(tidy(sum.MessageID)); id != "" && !strings.ContainsAny(id, "<> ") {
		field("In-Reply-To", "<"+id+">")
		field("References", "<"+id+">")
	}
	field("Auto-Submitted", "auto-replied") // RFC 3834 §5
	field("MIME-Version", "1.0")
	field("Content-Type", "multipart/report; report-type=delivery-status;\r\n\tboundary=\""+boundary+"\"")
	field("Content-Transfer-Encoding", encoding)
	b.WriteString("\r\n")
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
			field("Will-Retry-Until", w.At.Add(giveUp).UTC().Format(time.RFC1123Z))
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

// encodeWords is text in a header field (RFC 2047), folded.
func encodeWords(s string) string {
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", s), "?= =?", "?=\r\n =?")
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

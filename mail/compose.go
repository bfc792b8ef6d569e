package mail

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/quotedprintable"
	"slices"
	"strings"
	"time"
)

// Compose is a mail that we write ourselves. The same fields make the same
// octets, so that a job that runs again sends the same mail again.
type Compose struct {
	From       Mailbox
	Sender     Mailbox
	ReplyTo    []Mailbox
	To, Cc     []Mailbox
	Subject    string
	MessageID  string // with or without <>
	InReplyTo  string
	References []string
	Date       time.Time
	Lang       string  // Content-Language
	Auto       string  // Auto-Submitted (RFC 3834 §5): "auto-replied", "auto-generated"; "" for none
	Extra      []Field // in front of the MIME fields, in this order; values are encoded as text
	Bare       []Field // after Extra; values are for programs, such as addresses of pages, and are never encoded

	Text        string // any line ends
	HTML        string // the same for those who like it; "" for none
	Attachments []Attachment

	// Rand makes the boundary, instead of a hash of the fields.
	Rand io.Reader
}

// Attachment is a file that goes with a Compose.
type Attachment struct {
	Name string
	Type string // may bear parameters; "" is application/octet-stream
	ID   string // Content-ID, without <>: the HTML shows it
	Open func() (io.ReadCloser, error)
}

// WriteTo writes the mail, with CRLF line ends and lines of at most 76 octets,
// but for words that are longer. It fails when w, Rand or an attachment does.
func (c *Compose) WriteTo(w io.Writer) (int64, error) {
	o := newOutput(w)
	mark, err := c.mark("")
	if err != nil {
		return 0, err
	}
	var h headerWriter
	c.fields(&h)
	o.text(h.b.String())
	if len(c.Attachments) == 0 {
		c.writeBody(o, mark)
		return o.end()
	}
	o.open("multipart/mixed", mark)
	o.delimiter(mark)
	c.writeBody(o, "=_b"+mark[2:]) // no boundary may begin with another
	for _, a := range c.Attachments {
		o.delimiter(mark)
		if err := a.write(o); err != nil {
			return o.fail(err)
		}
	}
	o.close(mark)
	return o.end()
}

// fields writes the header but for the MIME fields of the body.
func (c *Compose) fields(h *headerWriter) {
	h.addresses("From", c.From)
	h.addresses("Sender", c.Sender)
	h.addresses("Reply-To", c.ReplyTo...)
	h.addresses("To", c.To...)
	h.addresses("Cc", c.Cc...)
	if len(c.To)+len(c.Cc) == 0 {
		h.token("To", "undisclosed-recipients:;")
	}
	h.text("Subject", c.Subject)
	if !c.Date.IsZero() {
		h.token("Date", c.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	}
	h.ids("Message-ID", c.MessageID)
	h.ids("In-Reply-To", c.InReplyTo)
	h.ids("References", c.References...)
	h.token("Auto-Submitted", c.Auto)
	h.token("Content-Language", c.Lang)
	for _, f := range c.Extra {
		if isFieldName(f.Name) {
			h.text(f.Name, f.Value)
		}
	}
	for _, f := range c.Bare {
		if isFieldName(f.Name) {
			h.token(f.Name, f.Value)
		}
	}
	h.token("MIME-Version", "1.0")
}

func isFieldName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == ':' {
			return false
		}
	}
	return s != ""
}

// writeBody writes the text, and its twin in HTML if there is one.
func (c *Compose) writeBody(o *output, mark string) {
	if c.HTML == "" {
		o.quoted("text/plain", c.Text)
		return
	}
	o.open("multipart/alternative", mark)
	o.delimiter(mark)
	o.quoted("text/plain", c.Text)
	o.delimiter(mark)
	o.quoted("text/html", c.HTML)
	o.close(mark)
}

// mark is a boundary that cannot stand in a body we encode: neither base64 nor
// quoted-printable can write "=_".
func (c *Compose) mark(salt string) (string, error) {
	var sum [18]byte
	if c.Rand != nil {
		if _, err := io.ReadFull(c.Rand, sum[:]); err != nil {
			return "", fmt.Errorf("boundary: %w", err)
		}
	} else {
		hash := sha256.New()
		fmt.Fprintf(hash, "%q %q %q %q %q %q %d %q %q %q", salt, c.From, c.To, c.Cc, c.Subject, c.MessageID, c.Date.UnixNano(), c.InReplyTo, c.Text, c.HTML)
		copy(sum[:], hash.Sum(nil))
	}
	return "=_" + hex.EncodeToString(sum[:]), nil
}

func (a *Attachment) write(o *output) error {
	kind, given := parseParams(a.Type)
	if !isType(kind) || strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "message/") {
		kind, given = "application/octet-stream", nil // RFC 2046 §5.2.1: those must not be in base64
	}
	var h headerWriter
	name := FileName(a.Name)
	var names, files, others []string
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if key != "name" {
			others = append(others, param(key, given[key])...)
		}
	}
	if name != "" {
		names, files = param("name", name), param("filename", name)
	}
	h.params("Content-Type", kind, others, names)
	disposition := "attachment"
	if a.ID != "" {
		disposition = "inline"
		h.ids("Content-ID", a.ID)
	}
	h.params("Content-Disposition", disposition, files)
	h.token("Content-Transfer-Encoding", "base64")
	o.text(h.b.String() + "\r\n")
	if a.Open == nil {
		return errors.New("attachment without a source")
	}
	r, err := a.Open()
	if err != nil {
		return fmt.Errorf("attachment %s: %w", name, err)
	}
	defer r.Close()
	if err := o.base64(r); err != nil {
		return fmt.Errorf("attachment %s: %w", name, err)
	}
	return nil
}

// output counts; its buffer remembers the first error of the writer below.
type output struct {
	w *bufio.Writer
	c counted
}

type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func newOutput(w io.Writer) *output {
	o := &output{c: counted{w: w}}
	o.w = bufio.NewWriterSize(&o.c, 16<<10)
	return o
}

func (o *output) text(s string) { o.w.WriteString(s) }

func (o *output) end() (int64, error) {
	err := o.w.Flush()
	return o.c.n, err
}

func (o *output) fail(err error) (int64, error) {
	o.w.Flush()
	return o.c.n, err
}

// open ends the header under way with that of a multipart.
func (o *output) open(kind, mark string, params ...string) {
	var h headerWriter
	h.params("Content-Type", kind, params, []string{`boundary="` + mark + `"`})
	o.text(h.b.String())
}

func (o *output) delimiter(mark string) { o.text("\r\n--" + mark + "\r\n") }

func (o *output) close(mark string) { o.text(closeDelimiter(mark)) }

func closeDelimiter(mark string) string { return "\r\n--" + mark + "--\r\n" }

// quoted ends the header under way with that of a text, and writes the text.
func (o *output) quoted(kind, text string) {
	o.text("Content-Type: " + kind + "; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	q := quotedprintable.NewWriter(o.w)
	io.WriteString(q, strings.ToValidUTF8(text, "\uFFFD"))
	q.Close()
	if text != "" && !strings.HasSuffix(text, "\n") {
		o.text("\r\n")
	}
}

// base64Line is what a line of 76 characters stands for (RFC 2045 §6.8).
const base64Line = 57

// base64 writes r in lines, a few hundred at a time; the last one gets no line end.
func (o *output) base64(r io.Reader) error {
	const lines = 512
	raw := make([]byte, lines*base64Line)
	coded := make([]byte, 0, lines*(76+len("\r\n")))
	for first := true; ; {
		n, err := io.ReadFull(r, raw)
		coded = coded[:0]
		for b := raw[:n]; len(b) > 0; first = false {
			if !first {
				coded = append(coded, "\r\n"...)
			}
			k := min(len(b), base64Line)
			coded = base64.StdEncoding.AppendEncode(coded, b[:k])
			b = b[k:]
		}
		if _, err := o.w.Write(coded); err != nil {
			return err
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return nil
		default:
			return err
		}
	}
}

package mail

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Report is a mail that tells about another one (RFC 6522): a sentence for a
// person, a status for programs, and the mail or its header.
type Report struct {
	Compose        // Text is the part for people; HTML and Attachments are not used
	Kind    string // report-type; "" is delivery-status (RFC 3464)
	Status  []byte // the body of the second part: fields and empty lines, any line ends

	// What it is about: the header alone, or the whole mail. Both empty: left out.
	Headers  []byte
	Original io.Reader
	// EightBit says that Original holds octets that are not ASCII.
	EightBit bool
}

// WriteTo writes the report. It fails when w, Rand or Original does.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	if r.Headers != nil && r.Original != nil {
		return 0, errors.New("report with a header and a whole mail")
	}
	kind := r.Kind
	if kind == "" {
		kind = "delivery-status"
	}
	// The octets of the mail stand as they are. Who wrote it cannot have written
	// the boundary into it: that hangs on our Message-ID and on the status.
	mark, err := r.mark(string(r.Status) + string(r.Headers))
	if err != nil {
		return 0, err
	}
	o := newOutput(w)
	var h headerWriter
	r.fields(&h)
	o.text(h.b.String())
	o.open("multipart/report", mark, "report-type="+kind)
	o.delimiter(mark)
	o.quoted("text/plain", r.Text)
	o.delimiter(mark)
	status := crlf(r.Status)
	if isASCII(status) {
		o.text("Content-Type: message/" + kind + "\r\n\r\n")
	} else { // RFC 6533 §4
		o.text("Content-Type: message/global-" + kind + "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	}
	o.text(status)
	switch {
	case r.Original != nil:
		o.delimiter(mark)
		if r.EightBit {
			o.text("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
		} else {
			o.text("Content-Type: message/rfc822\r\n\r\n")
		}
		if _, err := io.Copy(o.w, r.Original); err != nil {
			return o.fail(fmt.Errorf("original: %w", err))
		}
	case r.Headers != nil:
		o.delimiter(mark)
		headers := crlf(r.Headers)
		if isASCII(headers) {
			o.text("Content-Type: text/rfc822-headers\r\n\r\n")
		} else { // RFC 6533 §6
			o.text("Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
		}
		o.text(headers)
	}
	o.close(mark)
	return o.end()
}

func crlf(b []byte) string {
	s := strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\r", "\n")
	if s = strings.ReplaceAll(s, "\n", "\r\n"); s != "" && !strings.HasSuffix(s, "\r\n") {
		s += "\r\n"
	}
	return s
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

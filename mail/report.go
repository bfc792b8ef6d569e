package mail

import (
	"bytes"
	"errors"
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
	EightBit bool // Original may hold octets that are not ASCII
	UTF8     bool // its header is one of RFC 6532
}

// Reader is the report, ready to be read. Of it, Original alone is of any size,
// and it is read only as the report is. It fails when Rand does.
func (r *Report) Reader() (io.Reader, error) {
	if r.Headers != nil && r.Original != nil {
		return nil, errors.New("report with a header and a whole mail")
	}
	kind := r.Kind
	if kind == "" {
		kind = "delivery-status"
	}
	// The octets of the mail stand as they are. Who wrote it cannot have written
	// the boundary into it: that hangs on our Message-ID and on the status.
	mark, err := r.mark(string(r.Status) + string(r.Headers))
	if err != nil {
		return nil, err
	}
	status, headers := crlf(r.Status), crlf(r.Headers)
	var before bytes.Buffer
	o := newOutput(&before)
	var h headerWriter
	r.fields(&h)
	o.text(h.b.String())
	// RFC 2045 §6.4: a multipart says no less than its parts.
	if r.EightBit && r.Original != nil || !isASCII(status) || !isASCII(headers) {
		o.text(eightBit)
	}
	o.open("multipart/report", mark, "report-type="+kind)
	o.delimiter(mark)
	o.quoted("text/plain", r.Text)
	o.delimiter(mark)
	if isASCII(status) {
		o.part("message/"+kind, false)
	} else { // RFC 6533 §4
		o.part("message/global-"+kind, true)
	}
	o.text(status)
	original := r.Original
	switch {
	case original != nil:
		o.delimiter(mark)
		if r.UTF8 { // RFC 6532 §3.7
			o.part("message/global", r.EightBit)
		} else {
			o.part("message/rfc822", r.EightBit)
		}
	case r.Headers != nil:
		o.delimiter(mark)
		if r.UTF8 { // RFC 6533 §6
			o.part("message/global-headers", !isASCII(headers))
		} else {
			o.part("text/rfc822-headers", !isASCII(headers))
		}
		o.text(headers)
	}
	if original == nil {
		original = strings.NewReader("")
	}
	if _, err := o.end(); err != nil {
		return nil, err
	}
	return io.MultiReader(&before, original, strings.NewReader(closeDelimiter(mark))), nil
}

const eightBit = "Content-Transfer-Encoding: 8bit\r\n"

// part is the header of a part that stands as it is.
func (o *output) part(kind string, high bool) {
	o.text("Content-Type: " + kind + "\r\n")
	if high {
		o.text(eightBit)
	}
	o.text("\r\n")
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

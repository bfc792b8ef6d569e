package dkim

import (
	"bytes"
	"strings"
)

// MaxHeader bounds what is kept of a header while a mail streams past.
const MaxHeader = 1 << 20

// maxFields bounds what the index of a header costs; a mail with a thousand is
// a curiosity.
const maxFields = 20_000

// Field is one header field as it stands in the mail, folds and last CRLF
// included.
type Field []byte

// Name is what stands before the colon, "" when there is none.
func (f Field) Name() string {
	i := bytes.IndexByte(f, ':')
	if i < 0 {
		return ""
	}
	return string(bytes.TrimRight(f[:i], " \t"))
}

// is says whether the field's name is name, without regard to case.
func (f Field) is(name string) bool {
	i := bytes.IndexByte(f, ':')
	if i < len(name) {
		return false
	}
	n := bytes.TrimRight(f[:i], " \t")
	return len(n) == len(name) && strings.EqualFold(string(n), name)
}

// value is what stands after the colon, without the field's own line end.
func (f Field) value() []byte {
	return bytes.TrimSuffix(f[bytes.IndexByte(f, ':')+1:], []byte(crlf))
}

// Value is value with its folds opened and the blanks around it gone.
func (f Field) Value() string {
	return strings.TrimSpace(strings.ReplaceAll(string(f.value()), crlf, ""))
}

// Header is a header block taken apart. Fields are found by name from the
// bottom up, as signatures count them (RFC 6376 §5.4.2).
type Header struct {
	Fields []Field
	// Odd says what in it no two programs read alike, "" when nothing. Such a
	// header must not be believed on a signature's word: what one program takes
	// for an unsigned field is the beginning of the body to another.
	Odd string

	byName map[string][]int
}

// ReadHeader takes a header block apart, with or without the empty line after
// it. It keeps block.
func ReadHeader(block []byte) *Header {
	h := &Header{byName: map[string][]int{}}
	for len(block) > 0 && !bytes.HasPrefix(block, []byte(crlf)) {
		if len(h.Fields) == maxFields {
			h.Odd = "the header has too many fields"
			break
		}
		end := 0
		for {
			i := bytes.Index(block[end:], []byte(crlf))
			if i < 0 {
				end = len(block)
				break
			}
			end += i + 2
			if end == len(block) || block[end] != ' ' && block[end] != '\t' {
				break
			}
		}
		h.add(Field(block[:end:end]))
		block = block[end:]
	}
	return h
}

func (h *Header) add(f Field) {
	name := strings.ToLower(f.Name())
	switch {
	case !isFieldName(name):
		h.Odd = "a header line is not a field" // RFC 6376 §3.8
	case bytes.Count(f, []byte("\n")) != bytes.Count(f, []byte(crlf)):
		h.Odd = "a bare line feed in the header"
	case bytes.IndexByte(f, 0) >= 0:
		h.Odd = "a NUL in the header"
	}
	h.byName[name] = append(h.byName[name], len(h.Fields))
	h.Fields = append(h.Fields, f)
}

func isFieldName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

// Count is how many fields of that name there are. The name is in lower case.
func (h *Header) Count(name string) int { return len(h.byName[name]) }

// All are the fields of that name, in lower case, from the top down.
func (h *Header) All(name string) []Field {
	var out []Field
	for _, i := range h.byName[name] {
		out = append(out, h.Fields[i])
	}
	return out
}

// picker hands out the fields that a list of names means.
type picker struct {
	h    *Header
	own  Field // the signature itself, which it never covers (RFC 6376 §3.5, h=)
	used map[string]int
}

// next is the lowest field of that name that was not handed out yet; nil is
// one that does not exist, which counts as the empty string (RFC 6376 §5.4.2).
func (p *picker) next(name string) Field {
	all := p.h.byName[name]
	for n := p.used[name]; n < len(all); {
		f := p.h.Fields[all[len(all)-1-n]]
		n++
		p.used[name] = n
		if len(p.own) == 0 || &f[0] != &p.own[0] {
			return f
		}
	}
	return nil
}

// Stream takes a mail apart as it is written: the header is kept, up to
// MaxHeader, and the body goes to Body, which may be nil.
type Stream struct {
	Body func([]byte)
	// Keep is false when the header is known already: then none of it is kept.
	Keep bool

	header []byte
	ended  bool
	long   bool
	line   int // octets of the line so far, CR included
	cr     bool
}

// Write never fails.
func (s *Stream) Write(p []byte) (int, error) {
	size := len(p)
	if !s.ended {
		p = s.scan(p)
	}
	if s.ended && len(p) > 0 && s.Body != nil {
		s.Body(p)
	}
	return size, nil
}

// scan takes the part of p that belongs to the header, and returns the rest.
func (s *Stream) scan(p []byte) []byte {
	for i := 0; i < len(p); {
		if s.cr && p[i] == '\n' {
			s.cr = false
			i++
			if s.line == 1 { // nothing but the CR
				s.ended = true
				s.keep(p[:i])
				return p[i:]
			}
			s.line = 0
			continue
		}
		j := bytes.IndexByte(p[i:], '\r')
		if j < 0 {
			s.line, s.cr = s.line+len(p)-i, false
			break
		}
		s.line, s.cr = s.line+j+1, true
		i += j + 1
	}
	s.keep(p)
	return nil
}

func (s *Stream) keep(p []byte) {
	if !s.Keep {
		return
	}
	if len(s.header)+len(p) > MaxHeader {
		s.long = true
		p = p[:MaxHeader-len(s.header)]
	}
	s.header = append(s.header, p...)
}

// Header is what was kept; ok is false when it was too long to be.
func (s *Stream) Header() (block []byte, ok bool) { return s.header, !s.long }

// rest is everything after the colon.
func (f Field) rest() []byte { return f[bytes.IndexByte(f, ':')+1:] }

package imap

import (
	"strconv"
	"strings"

	"colporteur/imap/wire"
	"colporteur/mail"
)

// Bounds of one FETCH, far above what programs ask for.
const (
	maxItems  = 200 // of a FETCH
	maxPath   = 50  // numbers of a part
	maxFields = 200 // names of a HEADER.FIELDS
)

// section is what stands in the brackets of BODY[…] and BINARY[…].
type section struct {
	path   []int
	what   string          // "", HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT, MIME
	names  map[string]bool // of HEADER.FIELDS and .NOT, in lower case
	common bool            // they are all in a Card's Fields
	text   []byte          // as an answer repeats it, without brackets

	partial       bool
	offset, count int64 // <offset.count>
}

// readSection reads "[…]". Those of BINARY have numbers only.
func readSection(d *wire.Decoder, binary bool) (section, error) {
	var s section
	if err := d.Byte('['); err != nil {
		return s, err
	}
	if d.Is(']') {
		return s, nil
	}
	word, err := d.Word()
	if err != nil {
		return s, err
	}
	s.text = append(s.text, word...)
	rest := word
	for rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		var number string
		number, rest, _ = strings.Cut(rest, ".")
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || n == 0 || len(s.path) == maxPath {
			return s, bad("There is no such section")
		}
		s.path = append(s.path, int(n))
	}
	if strings.HasSuffix(word, ".") {
		return s, bad("There is no such section")
	}
	s.what = rest
	switch rest {
	case "":
	case "HEADER", "TEXT":
		err = only(!binary)
	case "MIME":
		err = only(!binary && len(s.path) > 0)
	case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
		if err = only(!binary); err == nil {
			err = s.readNames(d)
		}
	default:
		err = only(false)
	}
	if err != nil {
		return s, err
	}
	return s, d.Byte(']')
}

func only(permitted bool) error {
	if !permitted {
		return bad("There is no such section")
	}
	return nil
}

func (s *section) readNames(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	s.names = map[string]bool{}
	s.text = append(s.text, " ("...)
	s.common = s.what == "HEADER.FIELDS"
	first := true
	err := d.List(func() error {
		name, err := d.AString()
		if err != nil {
			return err
		}
		if len(s.names) == maxFields {
			return &status{"NO", "LIMIT", "Too many header fields"}
		}
		if !first {
			s.text = append(s.text, ' ')
		}
		first = false
		if isFieldName(name) {
			s.text = append(s.text, name...)
		} else {
			s.text = wire.AppendString(s.text, name, d.UTF8)
		}
		s.names[strings.ToLower(name)] = true
		s.common = s.common && mail.IsCommonField(name)
		return nil
	})
	if err == nil && first {
		err = bad("The names of the header fields are missing")
	}
	s.text = append(s.text, ')')
	return err
}

// isFieldName: it can be repeated as an atom.
func isFieldName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return s != "" && !strings.EqualFold(s, "NIL")
}

// readPartial reads "<offset.count>", if it is there.
func (s *section) readPartial(d *wire.Decoder) (err error) {
	if !d.Is('<') {
		return nil
	}
	s.partial = true
	if s.offset, err = d.Number64(); err != nil {
		return err
	}
	if err := d.Byte('.'); err != nil {
		return err
	}
	if s.count, err = d.Number64(); err != nil {
		return err
	}
	if s.count == 0 {
		return bad("A part of no octets")
	}
	return d.Byte('>')
}

// appendLabel writes "BODY[TEXT]<0>", what an answer calls the section.
func (s *section) appendLabel(b []byte, name string) []byte {
	b = append(b, name...)
	b = append(b, '[')
	b = append(b, s.text...)
	b = append(b, ']')
	if s.partial {
		b = append(b, '<')
		b = strconv.AppendInt(b, s.offset, 10)
		b = append(b, '>')
	}
	return append(b, ' ')
}

// span is octets [from, to) of something.
type span struct{ from, to int64 }

func (s span) size() int64 { return max(0, s.to-s.from) }

// narrow applies <offset.count> (RFC 9051 §6.4.5): what lies beyond the end is
// not there.
func (s *section) narrow(all span) span {
	if !s.partial {
		return all
	}
	from := all.from + min(s.offset, all.size())
	return span{from, from + min(s.count, all.to-from)}
}

// shape is what of a message's structure a section needs to be found.
type shape struct {
	prefix int64 // octets of ours before the message
	header int64 // of the message's own header; -1 when nobody asked
	size   int64 // of both and the body
	root   *mail.Part
}

// locate finds a section (RFC 9051 §6.4.5). The header of the message begins
// with the Prefix; the offsets of its parts do not count it.
func (s *section) locate(m *shape) (span, bool) {
	if len(s.path) == 0 {
		body := min(m.prefix+m.header, m.size)
		switch s.what {
		case "":
			return span{0, m.size}, true
		case "TEXT":
			return span{body, m.size}, true
		}
		return span{0, body}, true
	}
	p := findPart(m.root, s.path)
	if p == nil {
		return span{}, false
	}
	at := func(from, to int64) (span, bool) {
		return span{min(m.prefix+from, m.size), min(m.prefix+to, m.size)}, true
	}
	switch s.what {
	case "":
		return at(p.BodyOffset, p.BodyOffset+p.Size)
	case "MIME":
		return at(p.Offset, p.BodyOffset)
	}
	// The others are of the message that the part is.
	if p.Message == nil || p.Message.Root == nil {
		return span{}, false
	}
	inner := p.Message.Root
	if s.what == "TEXT" {
		return at(inner.BodyOffset, p.BodyOffset+p.Size)
	}
	return at(inner.Offset, inner.BodyOffset)
}

// findPart walks a part number. A message whose body is no multipart has one
// part, number 1.
func findPart(root *mail.Part, path []int) *mail.Part {
	p := root // a message's body
	for i, n := range path {
		if p == nil {
			return nil
		}
		many := len(p.Children) > 0
		if i > 0 && p.Message != nil {
			if p = p.Message.Root; p == nil {
				return nil
			}
			many = len(p.Children) > 0
		} else if i > 0 && !many {
			return nil
		}
		switch {
		case many && n <= len(p.Children):
			p = p.Children[n-1]
		case many || n != 1:
			return nil
		}
	}
	return p
}

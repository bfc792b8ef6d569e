package mail

import (
	"bufio"
	"io"
	"strings"
)

// Field is one header field. Value is unfolded and trimmed, not decoded.
type Field struct{ Name, Value string }

// Header is the fields of a header block in their order.
type Header struct{ Fields []Field }

// Get is the first field of that name, decoded to show it (see Words); ""
// when there is none. Case does not matter.
func (h Header) Get(name string) string {
	for _, f := range h.Fields {
		if strings.EqualFold(f.Name, name) {
			return Words(f.Value)
		}
	}
	return ""
}

// Raw is the values of all fields of that name as they were written, unfolded.
func (h Header) Raw(name string) []string {
	var all []string
	for _, f := range h.Fields {
		if strings.EqualFold(f.Name, name) {
			all = append(all, f.Value)
		}
	}
	return all
}

// Has says whether there is a field of that name.
func (h Header) Has(name string) bool {
	for _, f := range h.Fields {
		if strings.EqualFold(f.Name, name) {
			return true
		}
	}
	return false
}

// ParseHeader reads a header block, up to its empty line if it has one. Lines
// that are no field are left out.
func ParseHeader(block []byte) Header {
	var h Header
	for rest := string(block); rest != ""; {
		var line string
		line, rest = cutLine(rest)
		if line == "\n" || line == "\r\n" {
			break
		}
		if name, value, ok := splitField(line); ok {
			h.Fields = append(h.Fields, Field{name, unfold(value)})
		}
	}
	return h
}

// ReadHeader reads a header block from br and leaves br behind its empty line.
// Of a block longer than max octets the first max are returned, with an error
// of kind BadContent; br is behind its empty line then too. A block that ends
// with the input is no error.
func ReadHeader(br *bufio.Reader, max int) (Header, error) {
	var block []byte
	long := false
	for start := true; ; {
		line, err := br.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return ParseHeader(block), err
		}
		if room := max - len(block); len(line) > room {
			long = long || len(strings.Trim(string(line[:min(len(line), 3)]), "\r\n")) > 0
			block = append(block, line[:room]...)
		} else {
			block = append(block, line...)
		}
		if err == io.EOF || start && (string(line) == "\n" || string(line) == "\r\n") {
			break
		}
		start = err == nil
	}
	if long {
		return ParseHeader(block), Refuse(BadContent, "header-too-long")
	}
	return ParseHeader(block), nil
}

// cutLine takes a field with its folded lines, or an empty line, off block.
func cutLine(block string) (line, rest string) {
	for i := 0; ; {
		n := strings.IndexByte(block[i:], '\n')
		if n < 0 {
			return block, ""
		}
		i += n + 1
		if i == len(block) || block[i] != ' ' && block[i] != '\t' || block[:i] == "\n" || block[:i] == "\r\n" {
			return block[:i], block[i:]
		}
	}
}

// splitField cuts a line at its colon; ok is false when it is no field. The
// blanks some programs put before the colon are obsolete, and allowed
// (RFC 5322 §4.5).
func splitField(line string) (name, value string, ok bool) {
	i := strings.IndexByte(line, ':')
	if i <= 0 {
		return "", "", false
	}
	name, value = line[:i], line[i+1:]
	for name[len(name)-1] == ' ' || name[len(name)-1] == '\t' {
		if name = name[:len(name)-1]; name == "" {
			return "", "", false
		}
	}
	for i := 0; i < len(name); i++ {
		if name[i] <= ' ' || name[i] == 0x7f {
			return "", "", false
		}
	}
	return name, value, true
}

// unfold takes the line ends out (RFC 5322 §2.2.3).
func unfold(v string) string {
	v = strings.Trim(v, " \t\r\n")
	if strings.IndexByte(v, '\n') < 0 {
		return v
	}
	var b strings.Builder
	b.Grow(len(v))
	for v != "" {
		i := strings.IndexByte(v, '\n')
		if i < 0 {
			b.WriteString(v)
			break
		}
		b.WriteString(strings.TrimSuffix(v[:i], "\r"))
		v = v[i+1:]
	}
	return b.String()
}

package mail

import "strings"

// Field is one header field. Value is unfolded and trimmed, not decoded.
type Field struct{ Name, Value string }

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

// FieldRanges finds the fields of that name in a header block, however they
// are spelled, each with its folded lines and its last line end.
func FieldRanges(block []byte, name string) (found [][2]int) {
	rest, at := string(block), 0
	for rest != "" {
		var line string
		line, rest = cutLine(rest)
		if strings.Trim(line, "\r\n") == "" {
			return found
		}
		if n, _, ok := splitField(line); ok && strings.EqualFold(n, name) {
			found = append(found, [2]int{at, at + len(line)})
		}
		at += len(line)
	}
	return found
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

package imap

import (
	"bytes"
	"strings"
)

// appendFields appends the fields of a header that names picks, or with not
// those that it does not: as they are, folded lines and all, and the empty line
// (RFC 9051 §6.4.5). A line without a name goes where the field before it goes.
func appendFields(b, header []byte, names map[string]bool, not bool) []byte {
	var low [64]byte
	on := false
	for len(header) > 0 {
		n := bytes.IndexByte(header, '\n') + 1
		if n == 0 {
			n = len(header)
		}
		line := header[:n]
		header = header[n:]
		if len(line) == 1 && line[0] == '\n' || string(line) == "\r\n" {
			break // the end of the header
		}
		if line[0] != ' ' && line[0] != '\t' {
			name, _, ok := bytes.Cut(line, []byte{':'})
			name = bytes.TrimRight(name, " \t")
			if on = ok; on && len(name) <= len(low) {
				for i, c := range name {
					if c >= 'A' && c <= 'Z' {
						c += 'a' - 'A'
					}
					low[i] = c
				}
				on = names[string(low[:len(name)])] != not
			} else if on {
				on = names[strings.ToLower(string(name))] != not
			}
		}
		if on {
			b = append(b, line...)
			if line[len(line)-1] != '\n' {
				b = append(b, "\r\n"...)
			}
		}
	}
	return append(b, "\r\n"...)
}

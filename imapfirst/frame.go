package imap

import (
	"bytes"
	"strconv"
	"strings"
)

// A command is a line, or lines joined by literals: "{5}" at the end of a line
// announces five octets, after which the line goes on (RFC 3501 §4.3, §7.5;
// "{5+}" without waiting, RFC 7888). frame.go reads that frame, and nothing else.

const (
	// The library gives up at 50 KiB of lines in one command, and would take
	// what follows for the next command. It never sees that much.
	maxCommand = 48 << 10
	// A literal anywhere but in APPEND is a name or a search string.
	maxLiteral = 4096
	// Deeper nesting than any program writes.
	maxDepth = 50
)

// literal is what the end of a line announces.
type literal struct {
	size int64
	sync bool // the client waits for "+"
}

// announced reads the literal at the end of line, if there is one. Like the
// library, it permits one space after it. A size that is no int64 is -1.
func announced(line []byte) (literal, bool) {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	line = bytes.TrimSuffix(line, []byte{' '})
	if len(line) == 0 || line[len(line)-1] != '}' {
		return literal{}, false
	}
	i := bytes.LastIndexByte(line, '{')
	if i < 0 {
		return literal{}, false
	}
	digits, plus := bytes.CutSuffix(line[i+1:len(line)-1], []byte{'+'})
	if len(digits) == 0 {
		return literal{}, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return literal{}, false
		}
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		n = -1
	}
	return literal{size: n, sync: !plus}, true
}

// flaw says why a line cannot be part of a command, or "".
//
// The library reads a quoted string across line ends, ends a discarded line at
// a CR alone, and follows NOT and OR as deep as they go.
func flaw(line []byte) string {
	if !bytes.HasSuffix(line, []byte("\r\n")) {
		return "Lines end with CRLF"
	}
	depth, prefix := 0, 0
	quoted := false
	word := 0 // start of the current word
	for i := 0; i < len(line)-2; i++ {
		switch c := line[i]; {
		case c == 0 || c == '\r':
			return "NUL and CR are not allowed"
		case quoted:
			if c == '\\' {
				i++
			} else if c == '"' {
				quoted = false
			}
			continue
		case c == '"':
			quoted = true
		case c == '(':
			if depth++; depth > maxDepth {
				return "Too deeply nested"
			}
		case c == ')':
			depth--
		}
		if c := line[i]; c == ' ' || c == '(' || c == ')' {
			if w := line[word:i]; bytes.EqualFold(w, []byte("NOT")) || bytes.EqualFold(w, []byte("OR")) {
				if prefix++; prefix > 20*maxDepth {
					return "Too deeply nested"
				}
			}
			word = i + 1
		}
	}
	if quoted {
		return "Quoted string without end"
	}
	return ""
}

// words are the tag and the name of the command that begins with line: "UID
// FETCH" is one name, in upper case. The tag is "*" when it cannot be repeated.
func words(line []byte) (tag, name string) {
	line = bytes.TrimRight(line[:min(len(line), 256)], "\r\n")
	tag, rest, _ := strings.Cut(string(line), " ")
	name, rest, _ = strings.Cut(rest, " ")
	name = strings.ToUpper(name)
	if name == "UID" {
		sub, _, _ := strings.Cut(rest, " ")
		name += " " + strings.ToUpper(sub)
	}
	if !isTag(tag) {
		tag = "*"
	}
	return tag, name
}

func isTag(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\+`, c) >= 0 {
			return false
		}
	}
	return true
}

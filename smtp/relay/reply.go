package relay

import (
	"bufio"
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a peer may send us in one reply. A longer text is cut, not refused: a
// 550 with ten kilobytes of advice is still a 550. Only a reply without end is
// an error, for it would fill our memory.
const (
	maxReply = 128 << 10
	maxText  = 400 // characters of a peer's words that we keep and repeat
)

var (
	errEndless  = errors.New("the reply does not end")
	errNotReply = errors.New("not an SMTP reply")
)

// reply is one answer of a peer (RFC 5321 §4.2).
type reply struct {
	code  int
	lines []string // the texts, without code, cut to what is worth keeping
}

func (r reply) class() int { return r.code / 100 }

// text is the peer's words as one line that is safe to repeat anywhere: no
// control characters, no line ends, bounded.
func (r reply) text() string { return tidy(strings.Join(r.lines, " ")) }

// String is the reply as it goes into a Diagnostic-Code.
func (r reply) String() string {
	if t := r.text(); t != "" {
		return strconv.Itoa(r.code) + " " + t
	}
	return strconv.Itoa(r.code)
}

// status is the enhanced code (RFC 3463) when the peer gave one of the same
// class, else the general one of the class.
func (r reply) status() string {
	general := strconv.Itoa(r.class()) + ".0.0"
	if len(r.lines) == 0 {
		return general
	}
	word, _, _ := strings.Cut(r.lines[0], " ")
	parts := strings.Split(word, ".")
	if len(parts) != 3 || parts[0] != general[:1] {
		return general
	}
	for _, p := range parts[1:] {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n > 999 || len(p) > 3 {
			return general
		}
	}
	return word
}

// readReply reads one reply, however many lines it has.
func readReply(br *bufio.Reader) (reply, error) {
	var r reply
	total, kept := 0, 0
	for {
		line, n, err := readLine(br, maxReply-total)
		total += n
		if err != nil {
			return r, err
		}
		if len(line) < 3 || line[0] < '2' || line[0] > '5' {
			return r, errNotReply
		}
		code, err := strconv.Atoi(line[:3])
		if err != nil {
			return r, errNotReply
		}
		more := false
		text := ""
		if len(line) > 3 {
			if line[3] != ' ' && line[3] != '-' {
				return r, errNotReply
			}
			more, text = line[3] == '-', line[4:]
		}
		r.code = code
		if kept < 4096 {
			r.lines = append(r.lines, text)
			kept += len(text) + 1
		}
		if !more {
			return r, nil
		}
	}
}

// readLine reads up to LF, keeps at most a kilobyte, and counts all it read.
func readLine(br *bufio.Reader, limit int) (line string, n int, err error) {
	var b []byte
	for {
		c, err := br.ReadByte()
		if err != nil {
			return "", n, err
		}
		if n++; n > limit {
			return "", n, errEndless
		}
		if c == '\n' {
			return strings.TrimSuffix(string(b), "\r"), n, nil
		}
		if len(b) < 1024 {
			b = append(b, c)
		}
	}
}

// tidy makes a stranger's words fit for a header field, a log line or a page:
// valid UTF-8 on one line, no control or direction characters, bounded.
func tidy(s string) string {
	var b strings.Builder
	n, space := 0, true
	for _, r := range s {
		switch {
		case r == utf8.RuneError, unicode.Is(unicode.Cf, r):
			r = '?'
		case unicode.IsSpace(r) || unicode.IsControl(r):
			r = ' '
		case !unicode.IsPrint(r):
			r = '?'
		}
		if r == ' ' {
			if space {
				continue
			}
			space = true
		} else {
			space = false
		}
		if n++; n > maxText {
			b.WriteString("...")
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// ascii is s for a field that permits nothing else (RFC 3464 §2.1.1).
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}

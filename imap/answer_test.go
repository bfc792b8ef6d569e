package imap

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

// answer is one line from the server, literals included, in its parts: an atom
// is a string, a quoted string or literal a text, a list an []any, NIL nil.
type answer []any

// text is a quoted string or a literal.
type text string

// atom is the i-th part if it is an atom, "" otherwise.
func (a answer) atom(i int) string {
	if i >= len(a) {
		return ""
	}
	s, _ := a[i].(string)
	return s
}

// number is the i-th part if it is a number, -1 otherwise.
func (a answer) number(i int) int {
	n, err := strconv.Atoi(a.atom(i))
	if err != nil {
		return -1
	}
	return n
}

// pairs are the items of a list that names each before its value: a FETCH.
func pairs(list any) map[string]any {
	l, _ := list.([]any)
	m := map[string]any{}
	for i := 0; i+1 < len(l); i += 2 {
		name, _ := l[i].(string)
		m[strings.ToUpper(name)] = l[i+1]
	}
	return m
}

// readAnswer reads one answer. Human text behind OK, NO, BAD and BYE is one
// part, after the response code, which is a list.
func readAnswer(br *bufio.Reader) (answer, error) {
	p := &answerParser{br: br}
	a, err := p.all()
	if err != nil {
		return a, fmt.Errorf("%w in %q", err, p.read.String())
	}
	return a, nil
}

type answerParser struct {
	br   *bufio.Reader
	read strings.Builder
}

func (p *answerParser) next() (byte, error) {
	c, err := p.br.ReadByte()
	if err == nil {
		p.read.WriteByte(c)
	}
	return c, err
}

func (p *answerParser) peek() byte {
	b, err := p.br.Peek(1)
	if err != nil {
		return 0
	}
	return b[0]
}

func (p *answerParser) all() (out answer, err error) {
	for {
		switch c := p.peek(); {
		case c == '\r':
			p.next()
			if c, err := p.next(); err != nil || c != '\n' {
				return out, fmt.Errorf("CR without LF: %w", err)
			}
			return out, nil
		case c == ' ':
			p.next()
			continue
		case c == 0 || c == '\n' || c == ')':
			_, err := p.next()
			if err == nil {
				err = fmt.Errorf("unexpected %q", c)
			}
			return out, err
		}
		if n := len(out); n == 2 && (out[1] == "OK" || out[1] == "NO" || out[1] == "BAD" || out[1] == "BYE") {
			var code []any
			if p.peek() == '[' {
				p.next()
				if code, err = p.list(']'); err != nil {
					return out, err
				}
			}
			line, err := p.br.ReadString('\r')
			p.read.WriteString(line)
			if err != nil {
				return out, err
			}
			p.br.UnreadByte()
			out = append(out, code, text(strings.TrimSpace(strings.TrimSuffix(line, "\r"))))
			continue
		}
		v, err := p.value()
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
}

func (p *answerParser) list(end byte) (out []any, err error) {
	out = []any{}
	for {
		switch c := p.peek(); c {
		case end:
			p.next()
			return out, nil
		case ' ':
			p.next()
			continue
		case 0, '\r', '\n':
			return out, io.ErrUnexpectedEOF
		}
		v, err := p.value()
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
}

func (p *answerParser) value() (any, error) {
	switch p.peek() {
	case '(':
		p.next()
		return p.list(')')
	case '"':
		p.next()
		var b strings.Builder
		for {
			c, err := p.next()
			if err == nil && c == '\\' {
				c, err = p.next()
			} else if c == '"' {
				return text(b.String()), nil
			}
			if err != nil || c == '\r' || c == '\n' || c == 0 {
				return nil, fmt.Errorf("quoted string: %v", err)
			}
			b.WriteByte(c)
		}
	case '{', '~':
		head, err := p.br.ReadString('\n')
		p.read.WriteString(head)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(head, "~"), "{"), "}\r\n"), 10, 32)
		if err != nil {
			return nil, err
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(p.br, b); err != nil {
			return nil, err
		}
		fmt.Fprintf(&p.read, "(%d octets)", n)
		return text(b), nil
	}
	var b strings.Builder
	depth := 0
	for {
		c := p.peek()
		switch {
		case c == '[': // of BODY[HEADER.FIELDS (SUBJECT)]
			depth++
		case c == ']' && depth == 0 && b.Len() > 0, c == 0, c == '\r', c == '\n', depth == 0 && (c == ' ' || c == ')' || c == '('):
			if b.Len() == 0 {
				return nil, fmt.Errorf("unexpected %q", c)
			}
			if strings.EqualFold(b.String(), "NIL") {
				return nil, nil
			}
			return b.String(), nil
		case c == ']':
			depth--
		}
		p.next()
		b.WriteByte(c)
	}
}

func TestAnswersAreReadInParts(t *testing.T) {
	t.Parallel()
	in := "* 3 FETCH (UID 7 FLAGS (\\Seen $x) BODY[HEADER.FIELDS (\"A B\" C)]<3> {5}\r\na\r\nbc ENVELOPE (NIL \"q\\\"\" (())))\r\n" +
		"t1 OK [COPYUID 1 2:3 4,5] all is (well [so\r\n* OK fine\r\n* VANISHED (EARLIER) 1:4\r\n"
	br := bufio.NewReader(strings.NewReader(in))
	for _, want := range []string{
		`imap.answer{"*", "3", "FETCH", []interface {}{"UID", "7", "FLAGS", []interface {}{"\\Seen", "$x"}, "BODY[HEADER.FIELDS (\"A B\" C)]<3>", "a\r\nbc", "ENVELOPE", []interface {}{interface {}(nil), "q\"", []interface {}{[]interface {}{}}}}}`,
		`imap.answer{"t1", "OK", []interface {}{"COPYUID", "1", "2:3", "4,5"}, "all is (well [so"}`,
		`imap.answer{"*", "OK", []interface {}(nil), "fine"}`,
		`imap.answer{"*", "VANISHED", []interface {}{"EARLIER"}, "1:4"}`,
	} {
		got, err := readAnswer(br)
		if s := fmt.Sprintf("%#v", got); err != nil || s != want {
			t.Errorf("got  %s, %v\nwant %s", s, err, want)
		}
	}
	for _, bad := range []string{"* 1 FETCH (\r\n", "* 1 FETCH )\r\n", "* \"a\r\n", "* {9}\r\nx", "* x\n"} {
		if got, err := readAnswer(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

package wire

import (
	"strings"
	"time"
	"unicode/utf8"
)

// expected is the error at the place that was reached. It tells nothing of what
// is there: that may be a password.
func (d *Decoder) expected(what string) error { return syntax("Expected " + what) }

// Peek is the next octet of the line; 0 at its end.
func (d *Decoder) Peek() byte {
	if d.stream != nil || d.pos >= len(d.line) {
		return 0
	}
	return d.line[d.pos]
}

// Ahead is what stands next, n octets of it at most.
func (d *Decoder) Ahead(n int) string {
	if d.stream != nil {
		return ""
	}
	return string(d.line[d.pos:min(len(d.line), d.pos+n)])
}

// Is reads c if it stands next.
func (d *Decoder) Is(c byte) bool {
	if d.Peek() != c || c == 0 {
		return false
	}
	d.pos++
	return true
}

// Byte demands c.
func (d *Decoder) Byte(c byte) error {
	if !d.Is(c) {
		return d.expected(string(rune(c)))
	}
	return nil
}

// SP demands one space.
func (d *Decoder) SP() error {
	if !d.Is(' ') {
		return d.expected("a space")
	}
	return nil
}

// AtEnd says whether the command ends here.
func (d *Decoder) AtEnd() bool { return d.stream == nil && d.pos == len(d.line) }

// End demands the end of the command.
func (d *Decoder) End() error {
	if !d.AtEnd() {
		return syntax("Unexpected arguments")
	}
	return nil
}

// isAtomChar: ATOM-CHAR of RFC 9051, and "]", which clients send in flags.
func isAtomChar(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`(){%*"\`, c) < 0
}

// run reads octets while ok says so.
func (d *Decoder) run(ok func(byte) bool) string {
	from := d.pos
	for d.stream == nil && d.pos < len(d.line) && ok(d.line[d.pos]) {
		d.pos++
	}
	return string(d.line[from:d.pos])
}

// Atom reads an atom.
func (d *Decoder) Atom() (string, error) {
	if s := d.run(isAtomChar); s != "" {
		return s, nil
	}
	return "", d.expected("an atom")
}

// IsWord reads word, in whatever case, if it stands next as a word of its own.
func (d *Decoder) IsWord(word string) bool {
	if d.stream != nil || len(d.line)-d.pos < len(word) || !strings.EqualFold(string(d.line[d.pos:d.pos+len(word)]), word) {
		return false
	}
	if end := d.pos + len(word); end < len(d.line) && isAtomChar(d.line[end]) {
		return false
	}
	d.pos += len(word)
	return true
}

// Word reads an atom in upper case that ends at "[" too: the name of a FETCH
// item, a search key, an option.
func (d *Decoder) Word() (string, error) {
	s := d.run(func(c byte) bool { return isAtomChar(c) && c != '[' && c != ']' && c != '<' })
	if s == "" {
		return "", d.expected("a word")
	}
	return strings.ToUpper(s), nil
}

// Quoted reads a quoted string.
func (d *Decoder) Quoted() (string, error) {
	if !d.Is('"') {
		return "", d.expected("a quoted string")
	}
	var b strings.Builder
	for d.pos < len(d.line) {
		c := d.line[d.pos]
		d.pos++
		switch {
		case c == '"':
			s := b.String()
			if !d.UTF8 || utf8.ValidString(s) {
				return s, nil
			}
			return "", syntax("Not UTF-8")
		case c == '\\':
			if d.pos == len(d.line) {
				return "", syntax("Quoted string without end")
			}
			c = d.line[d.pos]
			d.pos++
		}
		b.WriteByte(c) // 8-bit octets are taken as they are: programs send UTF-8 unasked
	}
	return "", syntax("Quoted string without end")
}

// Rest reads all that is left of the line.
func (d *Decoder) Rest() (string, error) {
	if d.hasLit && d.pos <= d.lit.from {
		return "", syntax("No literal expected")
	}
	return d.run(func(byte) bool { return true }), nil
}

// String reads a quoted string or a literal.
func (d *Decoder) String() (string, error) {
	if d.Peek() == '"' {
		return d.Quoted()
	}
	if _, _, ok := d.AtLiteral(); ok {
		return d.inMemory()
	}
	return "", d.expected("a string")
}

// AString reads an atom or a string.
func (d *Decoder) AString() (string, error) {
	switch c := d.Peek(); {
	case c == '"' || c == '{' || c == '~':
		if _, _, ok := d.AtLiteral(); ok || c == '"' {
			return d.String()
		}
	}
	return d.Atom()
}

// NString reads a string or NIL, which is ok=false.
func (d *Decoder) NString() (s string, ok bool, err error) {
	if d.Peek() == '"' {
		s, err = d.Quoted()
		return s, true, err
	}
	if _, _, lit := d.AtLiteral(); lit {
		s, err = d.inMemory()
		return s, true, err
	}
	s, err = d.Atom()
	if err == nil && strings.EqualFold(s, "NIL") {
		return "", false, nil
	}
	return "", false, d.expected("a string or NIL")
}

// Number reads a number below 2^32.
func (d *Decoder) Number() (uint32, error) {
	n, err := d.Number64()
	if err == nil && n > 1<<32-1 {
		return 0, syntax("Number too large")
	}
	return uint32(n), err
}

// Number64 reads a number below 2^63 (RFC 9051 number64).
func (d *Decoder) Number64() (int64, error) {
	s := d.run(func(c byte) bool { return c >= '0' && c <= '9' })
	if s == "" {
		return 0, d.expected("a number")
	}
	if len(s) > 19 {
		return 0, syntax("Number too large")
	}
	n := uint64(0)
	for i := 0; i < len(s); i++ {
		n = n*10 + uint64(s[i]-'0')
	}
	if n > 1<<63-1 {
		return 0, syntax("Number too large")
	}
	return int64(n), nil
}

// List reads "(item item …)", which may be empty, with f for each item.
func (d *Decoder) List(f func() error) error {
	if err := d.Open(); err != nil {
		return err
	}
	for first := true; ; first = false {
		if d.Close() {
			return nil
		}
		if !first {
			if err := d.SP(); err != nil {
				return err
			}
		}
		if err := f(); err != nil {
			return err
		}
	}
}

// Open reads "(", not too deep; Close reads ")" if it is there.
func (d *Decoder) Open() error {
	if err := d.Byte('('); err != nil {
		return err
	}
	if d.depth++; d.depth > maxDepth {
		return syntax("Too deeply nested")
	}
	return nil
}

func (d *Decoder) Close() bool {
	if !d.Is(')') {
		return false
	}
	d.depth--
	return true
}

// Flag reads a flag or a keyword.
func (d *Decoder) Flag() (string, error) {
	slash := ""
	if d.Is('\\') {
		slash = `\`
	}
	s, err := d.Atom()
	if err != nil {
		return "", d.expected("a flag")
	}
	return slash + s, nil
}

// Flags reads a list of flags.
func (d *Decoder) Flags() (flags []string, err error) {
	err = d.List(func() error {
		f, err := d.Flag()
		flags = append(flags, f)
		return err
	})
	return flags, err
}

// dateLayouts: the day may have one digit (RFC 9051 date-day).
const (
	dateLayout     = "2-Jan-2006"
	dateTimeLayout = "2-Jan-2006 15:04:05 -0700"
)

// Date reads a day: 1-Feb-2026, or quoted. It has no zone.
func (d *Decoder) Date() (time.Time, error) {
	s, err := d.AString()
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(dateLayout, s)
	if err != nil {
		return time.Time{}, syntax("Not a date")
	}
	return t, nil
}

// DateTime reads "17-Jul-1996 02:44:25 -0700".
func (d *Decoder) DateTime() (time.Time, error) {
	s, err := d.Quoted()
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(dateTimeLayout, strings.TrimPrefix(s, " "))
	if err != nil {
		return time.Time{}, syntax("Not a date and time")
	}
	return t, nil
}

// Mailbox reads a mailbox name into UTF-8. A name in modified UTF-7 that is not
// the one spelling of what it says is refused: two names would be one folder.
func (d *Decoder) Mailbox() (string, error) {
	s, err := d.AString()
	if err != nil {
		return "", err
	}
	return d.name(s)
}

// ListMailbox reads a pattern of LIST, in which * and % are wildcards.
func (d *Decoder) ListMailbox() (string, error) {
	s := d.run(func(c byte) bool { return isAtomChar(c) || c == '*' || c == '%' })
	if s == "" {
		var err error
		if s, err = d.String(); err != nil {
			return "", err
		}
	}
	return d.name(s)
}

func (d *Decoder) name(s string) (string, error) {
	plain := true
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			plain = false
		}
	}
	if !plain {
		// Programs send UTF-8 unasked; what else would it be?
		if !utf8.ValidString(s) {
			return "", syntax("Mailbox name is neither modified UTF-7 nor UTF-8")
		}
		if !d.UTF8 {
			s = strings.ReplaceAll(s, "&-", "&") // "&" is the shift still, and go-imap v2 writes it so
		}
		return s, nil
	}
	if d.UTF8 {
		return s, nil
	}
	name, ok := DecodeUTF7(s)
	if !ok {
		return "", syntax("Mailbox name is not modified UTF-7")
	}
	return name, nil
}

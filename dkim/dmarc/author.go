package dmarc

import (
	"bytes"
	"strings"

	"colporteur/mail"
)

// Author is whom a mail says it is from.
type Author struct {
	Domain string // lower case, A-labels; "" when there is not exactly one
	Reason string // then: why
	Nobody bool   // no author is named at all, so nobody is imitated
}

// longHeader without its empty line was cut off by whoever hands it over: another
// From field, or the rest of this one, may follow.
const longHeader = 32 << 10

// ReadAuthor finds the author's domain in a header block (RFC 9989 §5.3.1). It
// is stricter than what shows mail to people: what different programs may take
// for different authors is nobody's.
func ReadAuthor(header []byte) Author {
	fields := mail.FieldRanges(header, "From")
	switch {
	case len(header) >= longHeader && !bytes.HasSuffix(header, []byte("\n\r\n")) && !bytes.HasSuffix(header, []byte("\n\n")):
		return Author{Reason: "the header is too long to be seen whole"}
	case len(fields) == 0:
		return Author{Reason: "there is no From field", Nobody: true}
	case len(fields) > 1:
		return Author{Reason: "there are several From fields"}
	}
	line := string(header[fields[0][0]:fields[0][1]])
	_, value, _ := strings.Cut(line, ":")
	r := fromReader{s: value}
	r.read()
	switch {
	case r.bad != "":
		return Author{Reason: r.bad}
	case len(r.domains) == 0:
		return Author{Reason: "the From field has no address", Nobody: true}
	case len(r.domains) > 1:
		return Author{Reason: "the From field has addresses of several domains"}
	}
	return Author{Domain: r.domains[0]}
}

// fromReader reads an address list (RFC 5322 §3.4) for its domains alone. Names
// in quotes, comments and encoded words are for people and say nothing; an
// address that stands free beside one in angle brackets does.
type fromReader struct {
	s       string
	i       int
	domains []string
	count   int // addresses so far
	bad     string

	free  strings.Builder // outside of angle brackets; a quoted string leaves a mark
	angle string
	has   bool // there was an angle
}

// maxAuthors of one mail; people write some, of one domain.
const maxAuthors = 1000

// mark stands for a quoted string. No address has it unquoted.
const mark = "\x00"

func (r *fromReader) read() {
	for r.i < len(r.s) && r.bad == "" && len(r.domains) < 2 {
		switch c := r.s[r.i]; c {
		case ',', ';':
			r.i++
			r.end()
		case ':':
			r.i++
			if strings.Contains(r.free.String(), "@") {
				r.bad = "the From field cannot be read"
			}
			r.free.Reset() // it was the name of a group
		case '"':
			r.quoted()
			r.free.WriteString(mark)
		case '(':
			r.comment()
			r.free.WriteByte(' ')
		case '<':
			if r.has {
				r.end() // the comma was forgotten
			}
			r.bracket()
		case '=':
			if n := encoded(r.s[r.i:]); n > 0 {
				r.i += n
				r.free.WriteString(mark)
				continue
			}
			r.plain(c)
		case '>':
			r.i++
			if !r.has { // one too many, of a program that quotes twice
				r.bad = "the From field cannot be read"
			}
		case 0:
			r.bad = "the From field cannot be read"
		default:
			r.plain(c)
		}
	}
	if r.bad == "" {
		r.end()
	}
}

func (r *fromReader) plain(c byte) {
	r.i++
	r.free.WriteByte(c)
}

// end is the end of one mailbox. Words without an address are what is left of
// "Doe, John <john@home.test>", whose comma wanted quotes.
func (r *fromReader) end() {
	free := r.free.String()
	r.free.Reset()
	if r.has {
		r.has = false
		if r.angle != "" {
			r.add(r.angle)
		}
		// ceo@bank.test <mallory@evil.test>: some programs show the first.
		for word := range strings.FieldsSeq(free) {
			if i := strings.LastIndexByte(word, '@'); i > 0 {
				if d, err := domain(word[i+1:]); err == nil {
					r.note(d)
				}
			}
			if len(r.domains) > 1 {
				return
			}
		}
		return
	}
	if strings.Contains(free, "@") {
		r.add(strings.Join(strings.Fields(free), ""))
	}
}

func domain(s string) (string, error) { return mail.Domain(strings.TrimSuffix(s, ".")) }

// add takes an addr-spec, without comments and blanks. Its local part is the
// domain's own business: some have two dots in a row.
func (r *fromReader) add(spec string) {
	local, host, ok := strings.Cut(spec, "@")
	d, err := domain(host)
	if !ok || local == "" || err != nil {
		r.bad = "an address of the From field cannot be read"
		return
	}
	r.note(d)
}

func (r *fromReader) note(d string) {
	if r.count++; r.count > maxAuthors {
		r.bad = "the From field has too many addresses"
	}
	if len(r.domains) == 0 || r.domains[0] != d {
		r.domains = append(r.domains, d)
	}
}

func (r *fromReader) quoted() {
	for r.i++; r.i < len(r.s); r.i++ {
		switch r.s[r.i] {
		case '\\':
			r.i++
		case '"':
			r.i++
			return
		}
	}
	r.bad = "the From field cannot be read"
}

func (r *fromReader) comment() {
	depth := 0
	for ; r.i < len(r.s); r.i++ {
		switch r.s[r.i] {
		case '\\':
			r.i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				r.i++
				return
			}
		}
	}
	r.bad = "the From field cannot be read"
}

func (r *fromReader) bracket() {
	var b strings.Builder
	for r.i++; r.i < len(r.s) && r.bad == ""; {
		switch c := r.s[r.i]; c {
		case '>':
			r.i++
			r.angle, r.has = b.String(), true
			return
		case '"':
			r.quoted()
			b.WriteString(mark)
		case '(':
			r.comment()
		case ' ', '\t', '\r', '\n':
			r.i++
		case '<', '\\', 0:
			if r.i++; c != '<' || b.Len() > 0 {
				r.bad = "the From field cannot be read"
			}
		default:
			r.i++
			b.WriteByte(c)
		}
	}
	r.bad = "the From field cannot be read"
}

// encoded is the length of the encoded word (RFC 2047 §2) that s begins with. It
// may hold a comma, which is not allowed, and seen.
func encoded(s string) int {
	if !strings.HasPrefix(s, "=?") {
		return 0
	}
	s = s[:min(len(s), 1000)]
	at := 2
	for range 2 { // charset, encoding
		i := strings.IndexByte(s[at:], '?')
		if i < 0 {
			return 0
		}
		at += i + 1
	}
	i := strings.Index(s[at:], "?=")
	if i < 0 || strings.ContainsAny(s[:at+i], " \t\r\n<>@\"(") {
		return 0
	}
	return at + i + 2
}

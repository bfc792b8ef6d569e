package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
)

// Address is one mailbox name. The zero Address is the null reverse-path "<>".
//
// Domain is always lower-case ASCII (A-labels), so that a U-label and its
// A-label are the same mailbox (RFC 6531 §3.2, RFC 5890). Local is kept as the
// sender wrote it; Key folds it.
type Address struct{ Local, Domain string }

// MaxAddress is the longest address in octets that fits a path of 256
// including its brackets (RFC 5321 §4.5.3.1.3).
const MaxAddress = 254

// ParseAddress reads "local@domain", with a quoted local part if need be, or a
// bare "postmaster" (RFC 5321 §4.5.1) which gets an empty Domain.
// Source routes, address literals and control characters are refused.
// Failure is an *Error of kind BadAddress.
func ParseAddress(s string) (Address, error) {
	bad := func() (Address, error) { return Address{}, Refuse(BadAddress, "bad-address", "Address", printable(s)) }
	if s == "" || len(s) > MaxAddress || !visible(s) {
		return bad()
	}
	local, domain, quoted, ok := cutAddress(s)
	if !ok || len(local) > 64 { // RFC 5321 §4.5.3.1.1
		return bad()
	}
	if !quoted && !isDotAtom(local) {
		return bad()
	}
	if domain == "" {
		if !strings.Contains(s, "@") && strings.EqualFold(local, "postmaster") {
			return Address{Local: local}, nil
		}
		return bad()
	}
	d, err := Domain(domain)
	if err != nil {
		return bad()
	}
	a := Address{Local: local, Domain: d}
	if len(a.String()) > MaxAddress { // A-labels are longer than U-labels
		return bad()
	}
	return a, nil
}

// visible says whether s is UTF-8 that a person can see all of. RFC 6531 would
// let controls, blanks of all widths and marks that turn the direction of
// writing into an address; they only serve to make one look like another.
func visible(s string) bool {
	for i, r := range s {
		if r < utf8.RuneSelf {
			continue // cutAddress and isDotAtom look at these
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// MustAddress is ParseAddress for constants and tests; it panics on bad input.
func MustAddress(s string) Address {
	a, err := ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

// cutAddress splits at the @ after the local part and undoes its quoting.
func cutAddress(s string) (local, domain string, quoted, ok bool) {
	if s[0] != '"' {
		i := strings.LastIndexByte(s, '@')
		if i < 0 {
			return s, "", false, true
		}
		return s[:i], s[i+1:], false, true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && s[i+1] >= ' ' && s[i+1] < 0x7f:
			i++
			b.WriteByte(s[i])
		case c == '"':
			if i+1 >= len(s) || s[i+1] != '@' {
				return "", "", true, false
			}
			return b.String(), s[i+2:], true, true
		case c < ' ' || c == 0x7f || c == '\\': // a quoted pair holds printable ASCII
			return "", "", true, false
		default:
			b.WriteByte(c)
		}
	}
	return "", "", true, false
}

// Domain folds a domain name to lower-case A-labels and checks its form.
func Domain(s string) (string, error) {
	if s == "" || strings.HasSuffix(s, ".") || strings.ContainsAny(s, "[]: \t") {
		return "", Refuse(BadAddress, "bad-domain", "Domain", printable(s))
	}
	d, err := idna.Lookup.ToASCII(s)
	if err != nil {
		// Names in use that IDNA2008 frowns on, such as a label "a--b", are still
		// names. Others than ASCII ones are not: they may hold anything.
		if !isASCII(s) {
			return "", Refuse(BadAddress, "bad-domain", "Domain", printable(s))
		}
		d = strings.ToLower(s)
	}
	if len(d) > 253 {
		return "", Refuse(BadAddress, "bad-domain", "Domain", printable(s))
	}
	for _, label := range strings.Split(d, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", Refuse(BadAddress, "bad-domain", "Domain", printable(s))
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return "", Refuse(BadAddress, "bad-domain", "Domain", printable(s))
			}
		}
	}
	return d, nil
}

const atext = "!#$%&'*+-/=?^_`{|}~"

func isDotAtom(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r >= 0x80 && r != 0xfffd:
		case strings.ContainsRune(atext, r):
		default:
			return false
		}
	}
	return true
}

// String is the address as SMTP writes it between its brackets; "" when null.
func (a Address) String() string {
	if a == (Address{}) {
		return ""
	}
	local := a.Local
	if !isDotAtom(local) {
		local = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(local) + `"`
	}
	if a.Domain == "" {
		return local
	}
	return local + "@" + a.Domain
}

// IsZero reports whether a is the null reverse-path.
func (a Address) IsZero() bool { return a == Address{} }

// Key is the one spelling under which an address is stored and compared: case
// and Unicode form folded (PRECIS UsernameCaseMapped, RFC 8265, which maps
// width and refuses look-alike spaces), so that "Ann", "ann" and "ａｎｎ" are one
// person. A local part outside PRECIS is only lower-cased.
func (a Address) Key() string {
	local := FoldLocal(a.Local)
	if a.Domain == "" {
		return local
	}
	return local + "@" + a.Domain
}

// FoldLocal folds a local part as Key does.
func FoldLocal(local string) string {
	ascii := true
	for i := 0; i < len(local); i++ {
		if local[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(local)
	}
	if k, err := precis.UsernameCaseMapped.String(local); err == nil {
		return k
	}
	return strings.ToLower(local)
}

// IsASCII reports whether the address needs no SMTPUTF8 (RFC 6531).
func (a Address) IsASCII() bool {
	for i := 0; i < len(a.Local); i++ {
		if a.Local[i] >= 0x80 {
			return false
		}
	}
	return true
}

// printable makes stranger's text safe to repeat in a reply: one line, ASCII, bounded.
func printable(s string) string {
	if len(s) > 80 {
		s = s[:80]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}

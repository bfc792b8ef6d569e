package spf

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

const version = "v=spf1"

// isRecord says whether a TXT record is one of SPF (RFC 7208 §4.5).
func isRecord(txt string) bool {
	return len(txt) >= len(version) && strings.EqualFold(txt[:len(version)], version) &&
		(len(txt) == len(version) || txt[len(version)] == ' ')
}

// term is one mechanism.
type term struct {
	qualifier string // "", or one of + - ~ ?
	name      string // lower case
	spec      string // its domain-spec, "" when there is none
	masks     string // as written: "/24//64"
	net       netip.Prefix
}

// record is what one says, apart from exp and what nobody knows.
type record struct {
	terms    []term
	redirect string // a domain-spec
}

// parse reads the whole of a record by the grammar of RFC 7208 §12: an error
// anywhere in it counts (§4.6), even behind a term that matches.
func parse(txt string) (record, error) {
	var rec record
	for i := 0; i < len(txt); i++ {
		if txt[i] < ' ' || txt[i] > '~' { // §3.1
			return rec, errors.New("the record is not plain ASCII")
		}
	}
	seen := map[string]bool{}
	for word := range strings.SplitSeq(txt[len(version):], " ") {
		if word == "" {
			continue
		}
		if name, value, ok := modifier(word); ok {
			switch name {
			case "redirect", "exp":
				if seen[name] { // §6
					return rec, errors.New(name + " stands there twice")
				}
				seen[name] = true
				if err := checkSpec(value); err != nil {
					return rec, faulty(word, err)
				}
				if name == "redirect" {
					rec.redirect = value
				}
			default:
				if _, err := checkMacros(value, true); err != nil {
					return rec, faulty(word, err)
				}
			}
			continue
		}
		t, err := mechanism(word)
		if err != nil {
			return rec, faulty(word, err)
		}
		rec.terms = append(rec.terms, t)
	}
	return rec, nil
}

func faulty(word string, err error) error {
	if len(word) > 60 {
		word = word[:60] + "…"
	}
	return errors.New(word + ": " + err.Error())
}

// modifier cuts name=value (§4.6.1); the name is in lower case.
func modifier(word string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(word, "=")
	if !ok || name == "" || !isAlpha(name[0]) {
		return "", "", false
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; !isAlpha(c) && !isDigit(c) && c != '-' && c != '_' && c != '.' {
			return "", "", false
		}
	}
	return strings.ToLower(name), value, true
}

// masked is what may follow a or mx: a name, which may have slashes in it, and
// the lengths of prefixes.
var masked = regexp.MustCompile(`^(.*?)(?:/([0-9]+))?(?://([0-9]+))?$`)

func mechanism(word string) (term, error) {
	var t term
	if strings.IndexByte("+-~?", word[0]) >= 0 {
		t.qualifier, word = word[:1], word[1:]
	}
	name, rest := word, ""
	if i := strings.IndexAny(word, ":/"); i >= 0 {
		name, rest = word[:i], word[i:]
	}
	t.name = strings.ToLower(name)
	switch t.name {
	case "all":
		if rest != "" {
			return t, errors.New("all stands alone")
		}
		return t, nil
	case "include", "exists":
		if !strings.HasPrefix(rest, ":") {
			return t, errors.New("a domain is missing")
		}
		t.spec = rest[1:]
		return t, checkSpec(t.spec)
	case "ptr":
		if rest == "" {
			return t, nil
		}
		t.spec = rest[1:]
		if rest[0] != ':' {
			return t, errors.New("not a domain")
		}
		return t, checkSpec(t.spec)
	case "a", "mx":
		m := masked.FindStringSubmatch(rest)
		if m == nil || !isMask(m[2], 32) || !isMask(m[3], 128) {
			return t, errors.New("not a length of a prefix")
		}
		t.masks = rest[len(m[1]):]
		if m[1] == "" {
			return t, nil
		}
		if m[1][0] != ':' {
			return t, errors.New("not a domain")
		}
		t.spec = m[1][1:]
		return t, checkSpec(t.spec)
	case "ip4", "ip6":
		return t, t.network(rest)
	}
	return t, errors.New("nobody knows this mechanism")
}

// network reads ":192.0.2.0/24" (§5.6).
func (t *term) network(rest string) error {
	text, length, has := strings.Cut(strings.TrimPrefix(rest, ":"), "/")
	ip, err := netip.ParseAddr(text)
	if err != nil || !strings.HasPrefix(rest, ":") || ip.Zone() != "" || ip.Is4() != (t.name == "ip4") {
		return errors.New("not an address")
	}
	bits := ip.BitLen()
	if has {
		if length == "" || !isMask(length, bits) {
			return errors.New("not a length of a prefix")
		}
		bits, _ = strconv.Atoi(length)
	}
	t.net = netip.PrefixFrom(ip, bits)
	return nil
}

// isMask: §12 has no leading zeros.
func isMask(s string, most int) bool {
	if s == "" {
		return true
	}
	n, err := strconv.Atoi(s)
	return err == nil && n <= most && (s == "0" || s[0] != '0')
}

// checkSpec reads a domain-spec (§7.1): a macro-string that ends in a macro, or
// in a dot and a name that can be at the top.
func checkSpec(s string) error {
	if s == "" {
		return errors.New("a domain is missing")
	}
	macro, err := checkMacros(s, false)
	if err != nil || macro {
		return err
	}
	s = strings.TrimSuffix(s, ".")
	i := strings.LastIndexByte(s, '.')
	if i < 0 || !isTop(s[i+1:]) {
		return errors.New("not a domain")
	}
	return nil
}

// isTop: letters, digits and inner dashes, but not digits alone.
func isTop(label string) bool {
	digits := true
	for i := 0; i < len(label); i++ {
		c := label[i]
		if !isAlpha(c) && !isDigit(c) && (c != '-' || i == 0 || i == len(label)-1) {
			return false
		}
		digits = digits && isDigit(c)
	}
	return label != "" && !digits
}

func isAlpha(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

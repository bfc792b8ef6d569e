package authres

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/unicode/norm"

	"colporteur/mail"
)

// maxName bounds what of a name is looked at.
const maxName = 1000

// Warnings are sentences for a reader about a sender who looks like somebody
// else: whatever a mail proves of its domain, people read names. replyTo are the
// addresses that an answer would go to, if the mail names any. Ordinary names of
// any country raise none.
func Warnings(from mail.Mailbox, replyTo []mail.Mailbox) []mail.Text {
	var out []mail.Text
	domain := addressDomain(from.Addr)
	if domain == "" {
		if from.Addr != "" {
			out = append(out, mail.MakeText("origin-warn-address"))
		}
	} else if _, honest := ShowDomain(domain); !honest {
		out = append(out, mail.MakeText("origin-warn-domain", "Domain", domain))
	}
	name := from.Name[:min(len(from.Name), maxName)]
	if hides(name) {
		out = append(out, mail.MakeText("origin-warn-hidden"))
	}
	if mixes(name) {
		out = append(out, mail.MakeText("origin-warn-letters"))
	}
	if shown := claimed(name, domain); shown != "" && domain != "" {
		real, _ := ShowDomain(domain)
		out = append(out, mail.MakeText("origin-warn-name", "Shown", shown, "Domain", real))
	}
	for _, r := range replyTo {
		if d := addressDomain(r.Addr); d != "" && domain != "" && !related(d, domain) {
			other, _ := ShowDomain(d)
			real, _ := ShowDomain(domain)
			return append(out, mail.MakeText("origin-warn-reply", "Other", other, "Domain", real))
		}
	}
	return out
}

// addressDomain is the domain of an address, "" of what is none.
func addressDomain(s string) string {
	if !strings.Contains(s, "@") {
		return ""
	}
	return domainOf(s)
}

// ShowDomain is a domain as it may be shown: in its own letters when they can
// only be read one way, else as the A-labels that machines use; honest is false
// then.
func ShowDomain(domain string) (shown string, honest bool) {
	if !strings.Contains(domain, "xn--") {
		return domain, true
	}
	u, err := idna.Lookup.ToUnicode(domain)
	if err != nil || u == "" {
		return domain, false
	}
	labels := strings.Split(u, ".")
	top := labels[len(labels)-1]
	for _, l := range labels {
		if !readable(l, top) {
			return domain, false
		}
	}
	return u, true
}

// related says whether two domains are of one organisation.
func related(a, b string) bool { return a == b || organisation(a) == organisation(b) }

func organisation(domain string) string {
	if o, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return o
	}
	return domain
}

// hides says whether a name has characters that nobody sees. Joiners and
// direction marks have their work in scripts that need them, and in emoji.
func hides(name string) bool {
	needs := strings.IndexFunc(name, func(r rune) bool {
		return unicode.IsLetter(r) && !unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic) || unicode.Is(unicode.So, r) || unicode.Is(unicode.Sk, r) && r > 0xffff
	}) >= 0
	for _, r := range name {
		switch {
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200b, r >= 0x2060 && r <= 0x2065, r == 0xfeff, r == 0x034f, r == 0x00ad, r == 0x180e:
			return true
		case r == 0x200c, r == 0x200d, r == 0x200e, r == 0x200f, r == 0x061c, r >= 0xe0000 && r <= 0xe007f:
			if !needs {
				return true
			}
		case unicode.IsControl(r):
			return true
		}
	}
	return false
}

// mixes says whether a word of a name has Latin letters beside others that look
// like Latin ones: "PаyPal" with a Cyrillic а. "αβγ-Lab" has not.
func mixes(name string) bool {
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }) {
		latin, alike, other := false, false, false
		for _, r := range word {
			switch {
			case looksLatin(r):
				alike = true
			case unicode.Is(unicode.Latin, r):
				latin = true
			case unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee):
				other = true
			}
		}
		if latin && alike && !other {
			return true
		}
	}
	return false
}

// addressIn and nameIn find what a name shows as an address or a domain. Of the
// domains, those with an ending that people know, written in one case: "Dr.No"
// and "Anne.Marie" are people.
var (
	addressIn = regexp.MustCompile(`[\pL\pN._%+-]+@([\pL\pN][\pL\pN.-]*)`)
	nameIn    = regexp.MustCompile(`(?i)[\pL\pN-]{2,63}(?:\.[\pL\pN-]{2,63})*\.(?:\pL{2}|com|net|org|info|biz|gouv|gov|edu|online|shop|site|store|top|xyz|app|dev|bank|click|link|live|club)\b`)
)

// claimed is the address or domain that a name shows, when it is not of the
// organisation of domain.
func claimed(name, domain string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, norm.NFKC.String(name)) // "＠" is an @ too
	for _, m := range addressIn.FindAllStringSubmatchIndex(name, 10) {
		shown := strings.Trim(name[m[2]:m[3]], ".-")
		if d := domainOf(shown); d == "" || !related(d, domain) {
			return name[m[0]:m[1]]
		}
	}
	if strings.Contains(name, "@") {
		return "" // the domain in an address of its own
	}
	for _, shown := range nameIn.FindAllString(name, 10) {
		if shown != strings.ToLower(shown) && shown != strings.ToUpper(shown) && !capital(shown) {
			continue
		}
		host := strings.ToLower(shown)
		if suffix, icann := publicsuffix.PublicSuffix(host); !icann || suffix == host {
			continue
		}
		if label, _, _ := strings.Cut(organisation(host), "."); len(label) < 3 {
			continue // "M.de"
		}
		if d := domainOf(host); d != "" && !related(d, domain) {
			return shown
		}
	}
	return ""
}

// capital says whether only the first letter is one: "Amazon.fr", and not "Dr.No".
func capital(s string) bool {
	rest := s[len(string([]rune(s)[:1])):]
	return rest == strings.ToLower(rest)
}

package verify

import (
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/publicsuffix"

	"colporteur/dkim/authres"
	"colporteur/mail"
)

// Bounds of what is looked at in one body, and told of it.
const (
	maxLinks = 2000
	maxText  = 400
	maxTold  = 3
)

// page is what an HTML body would do.
type page struct {
	links    []anchor
	password bool // it asks for one
}

// anchor is a link: where it leads, and what a reader sees of it.
type anchor struct{ target, text string }

func anchors(body string) (p page) {
	z := html.NewTokenizer(strings.NewReader(body))
	z.SetMaxBuf(maxKept)
	open := false
	var text strings.Builder
	for len(p.links) < maxLinks {
		switch z.Next() {
		case html.ErrorToken:
			return p
		case html.TextToken:
			if open && text.Len() < maxText {
				text.Write(z.Text())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			tag := string(name)
			for more {
				var k, v []byte
				k, v, more = z.TagAttr()
				switch {
				case tag == "a" && string(k) == "href", tag == "area" && string(k) == "href", tag == "form" && string(k) == "action":
					p.links = append(p.links, anchor{target: string(v[:min(len(v), 4000)])})
					open = tag == "a"
					text.Reset()
				case tag == "input" && string(k) == "type" && strings.EqualFold(string(v), "password"):
					p.password = true
				}
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == "a" && open {
				open = false
				t := text.String()
				p.links[len(p.links)-1].text = strings.TrimSpace(t[:min(len(t), maxText)])
			}
		}
	}
	return p
}

// sign says what is wrong with a link in a mail from domain from; ok is false
// when nothing is. own says that the mail is proven to be from there: then a link
// that shows the sender's own site and leads to a counter is bad manners only.
func (a anchor) sign(from string, own bool) (sign, bool) {
	target := strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f { // browsers leave these out
			return -1
		}
		return r
	}, a.target))
	scheme, _, _ := strings.Cut(strings.ToLower(target), ":")
	switch scheme {
	case "data", "javascript", "vbscript", "file":
		return say(Danger, "verify-link-code"), true
	case "mailto", "tel", "cid", "sms":
		return sign{}, false
	}
	u, err := url.Parse(strings.ReplaceAll(target, `\`, "/"))
	if err != nil || u.Host == "" {
		return sign{}, false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if u.User != nil {
		return say(Danger, "verify-link-hides", "Target", host), true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return say(Caution, "verify-link-number", "Target", host), true
	}
	if d := domainOf(host); d != "" {
		host = d
	}
	if _, honest := authres.ShowDomain(host); !honest {
		return say(Danger, "verify-link-letters", "Target", host), true
	}
	if shown := named(a.text); shown != "" && !related(shown, host) {
		level := Danger
		if own && related(shown, from) {
			level = Caution
		}
		return say(level, "verify-link-other", "Shown", shown, "Target", host), true
	}
	return sign{}, false
}

// leaves says that a link leads to another organisation's site.
func (a anchor) leaves(from string) bool {
	u, err := url.Parse(strings.TrimSpace(a.target))
	return err == nil && u.Host != "" && !related(strings.ToLower(u.Hostname()), from)
}

// named is the host that the text of a link shows, "" for none.
func named(text string) string {
	words := strings.Fields(text)
	for _, w := range words[:min(len(words), 20)] {
		low := strings.ToLower(strings.Trim(w, "<>()[]«»\"'.,;"))
		rest, isURL := strings.CutPrefix(low, "https://")
		if !isURL {
			rest, isURL = strings.CutPrefix(low, "http://")
		}
		isURL = isURL || strings.HasPrefix(low, "www.")
		if !isURL && len(words) > 1 {
			continue // "M.Dupont" is no host
		}
		host := rest
		if i := strings.IndexAny(host, "/?#:"); i >= 0 {
			host = host[:i]
		}
		if i := strings.LastIndexByte(host, '@'); i >= 0 {
			host = host[i+1:]
		}
		d := domainOf(host)
		if suffix, icann := publicsuffix.PublicSuffix(d); d != "" && suffix != d && (icann || isURL) {
			return d
		}
	}
	return ""
}

// domainOf is the domain of an address or a host, in A-labels; "" of what is none.
func domainOf(s string) string {
	s = s[strings.LastIndexByte(s, '@')+1:]
	if !strings.Contains(s, ".") {
		return ""
	}
	d, err := mail.Domain(strings.TrimSuffix(s, "."))
	if err != nil {
		return ""
	}
	return d
}

// related says whether two domains are of one organisation.
func related(a, b string) bool { return a == b || organisation(a) == organisation(b) }

func organisation(domain string) string {
	if o, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return o
	}
	return domain
}

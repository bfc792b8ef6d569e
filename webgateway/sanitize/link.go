package sanitize

import (
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Misled is a link whose words are another address than the one it leads to.
type Misled struct {
	Shown string `json:"shown"` // the host that it speaks of
	Leads string `json:"leads"` // the host where one comes out
}

// maxMisled is how many links are told; a mail with more is not believed sooner.
const maxMisled = 20

// link is where a link leads, when that is a place that one may go to.
func link(v string) (string, bool) {
	v = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1 // browsers read "java\nscript:" as one word
		}
		return r
	}, v))
	u, err := url.Parse(v)
	if err != nil {
		return "", false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		return u.String(), u.Host != ""
	case "mailto", "tel":
		return u.String(), true
	}
	return "", false // "#…" would lead nowhere in a frame, and the rest is none of ours
}

// misled compares what a link says with where it leads; false when it says no
// address, or that one. Two hosts of one organisation are one place.
func misled(n *html.Node) (Misled, bool) {
	leads := ""
	for _, a := range n.Attr {
		if a.Key != "href" || a.Namespace != "" {
			continue
		}
		to, ok := link(a.Val)
		u, err := url.Parse(to)
		if !ok || err != nil {
			return Misled{}, false
		}
		switch strings.ToLower(u.Scheme) {
		case "http", "https":
			leads = u.Hostname()
			if u.User != nil { // https://bank.example@evil.example/ says one host and leads to another
				return Misled{Shown: u.User.Username(), Leads: plain(leads)}, true
			}
		case "mailto":
			_, leads, _ = strings.Cut(u.Opaque, "@")
		}
		break
	}
	shown := spoken(said(n, 2000))
	if leads == "" || shown == "" || place(shown) == place(leads) {
		return Misled{}, false
	}
	return Misled{Shown: shown, Leads: plain(leads)}, true
}

// address is a text that is nothing but an address of the web or of a person.
var address = regexp.MustCompile(`(?i)^(https?://)?(?:[^\s/@]+@)?((?:[\pL\pN](?:[\pL\pN-]*[\pL\pN])?\.)+\pL[\pL\pN-]*\pL)\.?(?::\d+)?(?:[/?#]\S*)?$`)

// files are endings of files' names that are countries' too: "lisezmoi.md" is no
// address.
var files = map[string]bool{"md": true, "zip": true, "sh": true, "py": true, "rs": true, "mov": true, "ps": true, "ai": true, "pl": true}

// spoken is the host that a link's words name, "" when they are just words.
func spoken(words string) string {
	words = strings.Trim(strings.Join(strings.Fields(words), " "), "<>()[]«»“”\"'.,;: \u00a0")
	if len(words) > 2000 {
		return ""
	}
	m := address.FindStringSubmatch(words)
	if m == nil {
		return ""
	}
	host := strings.ToLower(m[2])
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return ""
	}
	suffix, known := publicsuffix.PublicSuffix(ascii)
	if m[1] == "" && (!known || files[suffix] && !strings.HasPrefix(host, "www.")) {
		return ""
	}
	return host
}

// place is the organisation that a host belongs to.
func place(host string) string {
	host = strings.TrimSuffix(plain(host), ".")
	if p, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return p
	}
	return host
}

// plain is a host in the letters that none of another script can be taken for.
func plain(host string) string {
	if ascii, err := idna.Lookup.ToASCII(strings.ToLower(host)); err == nil {
		return ascii
	}
	return strings.ToLower(host)
}

// said are the first words in an element. It looks at few of its elements: it is
// asked of one within the other, and a mail of nothing but boxes is quickly made.
func said(n *html.Node, most int) string {
	var b strings.Builder
	seen := 0
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if seen++; seen > 100 || b.Len() > most {
			return
		}
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return b.String()
}

// misledStyle makes the note readable whatever the mail says about its own look:
// an important declaration of the element itself wins over any of a sheet.
const misledStyle = "display:inline!important;visibility:visible!important;opacity:1!important;font:bold 14px/1.4 sans-serif!important;" +
	"color:#8c1c2e!important;background:#fff!important;text-indent:0!important;letter-spacing:normal!important;max-height:none!important;max-width:none!important"

// warn writes where a link really leads, after it.
func (c *cleaner) warn(m Misled) {
	if len(c.res.Misled) < maxMisled {
		c.res.Misled = append(c.res.Misled, m)
	}
	if c.o.Misled != nil {
		c.out.WriteString(` <span style="` + misledStyle + `">(` + html.EscapeString(c.o.Misled(m)) + `)</span>`)
	}
}

// Package sanitize makes the HTML of mails harmless, by a list of what is
// allowed: what is not on it is not there any more.
//
// It is the first of three walls. What it makes is shown under a policy that runs
// and loads nothing, in a sandboxed frame; but nothing here relies on that. The
// output is written by us, from a tree, with every text and attribute escaped:
// it is read again as the same tree, so that no reader finds something else in it
// (mutation XSS). So no element is kept whose content is raw text, other than
// style, which has gone through our own CSS filter, and nothing of SVG or MathML.
package sanitize

import (
	"io"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Options say what a mail may show.
type Options struct {
	CID    func(contentID string) (url string, ok bool) // a picture that came with it; nil: none
	Remote func(url string) (proxied string, show bool) // one from elsewhere; nil: none

	MaxBytes int // 0 is 4 MiB
	MaxDepth int // 0 is 200
	MaxNodes int // 0 is 100,000
}

// Result is what is left, and what was taken out.
type Result struct {
	HTML     string
	Remote   []string // hosts that pictures would have come from, sorted
	Trackers []string // those of them whose pictures nobody could see
	Active   int      // scripts, forms, frames and the like that were taken out
	Cut      bool     // the mail was too long, or too deep
}

// HTML makes a mail harmless. An error is the reader's.
func HTML(r io.Reader, o Options) (res Result, err error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 4 << 20
	}
	if o.MaxDepth == 0 {
		o.MaxDepth = 200
	}
	if o.MaxNodes == 0 {
		o.MaxNodes = 100_000
	}
	raw, err := io.ReadAll(io.LimitReader(r, int64(o.MaxBytes)+1))
	if err != nil {
		return res, err
	}
	if len(raw) > o.MaxBytes {
		raw, res.Cut = raw[:o.MaxBytes], true
	}
	text := strings.ReplaceAll(strings.ToValidUTF8(string(raw), "\uFFFD"), "\x00", "")
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil { // nested deeper than a browser would follow: its words
		res.Cut = true
		res.HTML = "<pre>" + html.EscapeString(words(text)) + "</pre>"
		return res, nil
	}
	c := &cleaner{o: o, res: &res, hosts: map[string]bool{}, trackers: map[string]bool{}}
	c.children(doc, 0)
	res.HTML = c.out.String()
	res.Remote, res.Trackers = sorted(c.hosts), sorted(c.trackers)
	return res, nil
}

func sorted(set map[string]bool) (list []string) {
	for s := range set {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

// words are the texts of what cannot be parsed.
func words(s string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(s))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			b.Write(z.Text())
		}
	}
}

// cleaner writes what may stay of a tree.
type cleaner struct {
	o        Options
	res      *Result
	out      strings.Builder
	nodes    int
	hosts    map[string]bool
	trackers map[string]bool
}

func (c *cleaner) children(n *html.Node, depth int) {
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		c.node(child, depth)
	}
}

func (c *cleaner) node(n *html.Node, depth int) {
	if c.nodes++; c.nodes > c.o.MaxNodes || depth > c.o.MaxDepth {
		c.res.Cut = true
		return
	}
	switch n.Type {
	case html.TextNode:
		c.out.WriteString(html.EscapeString(n.Data))
	case html.ElementNode:
		c.element(n, depth)
	case html.DocumentNode:
		c.children(n, depth)
	}
	// Comments are not kept: conditional ones are code, and a reader that ends
	// them elsewhere finds more.
}

func (c *cleaner) element(n *html.Node, depth int) {
	if n.Namespace != "" { // SVG and MathML have rules of their own
		c.res.Active++
		return
	}
	name := n.Data
	switch {
	case gone[name]:
		c.res.Active++
		return
	case name == "style":
		c.style(n)
		return
	case name == "img":
		c.image(n)
		return
	case elements[name] == nil && name != "a":
		c.children(n, depth) // its words stay
		return
	}
	c.out.WriteString("<" + name)
	c.attributes(n)
	c.out.WriteByte('>')
	if void[name] {
		return
	}
	if n.DataAtom == atom.Pre && strings.HasPrefix(text(n), "\n") {
		c.out.WriteByte('\n') // a reader drops the first line end
	}
	c.children(n, depth+1)
	c.out.WriteString("</" + name + ">")
}

// text is what an element begins with, when that is text.
func text(n *html.Node) string {
	if n.FirstChild != nil && n.FirstChild.Type == html.TextNode {
		return n.FirstChild.Data
	}
	return ""
}

func (c *cleaner) attributes(n *html.Node) {
	allowed := elements[n.Data]
	seen := map[string]bool{}
	for _, a := range n.Attr {
		if a.Namespace != "" || seen[a.Key] {
			continue
		}
		seen[a.Key] = true
		v := a.Val
		switch {
		case a.Key == "style":
			if v = inline(v); v == "" {
				continue
			}
		case a.Key == "href" && n.Data == "a":
			var ok bool
			if v, ok = link(v); !ok {
				continue
			}
			c.attribute("target", "_blank")
			c.attribute("rel", "noopener noreferrer nofollow")
		case a.Key == "class" && len(v) > 1000, len(v) > 4000:
			continue
		case slices.Contains(everywhere, a.Key), slices.Contains(allowed, a.Key):
			if strings.ContainsAny(v, "\x00") || looksActive(v) {
				continue
			}
		default:
			continue
		}
		c.attribute(a.Key, v)
	}
}

func (c *cleaner) attribute(key, value string) {
	c.out.WriteString(" " + key + `="` + html.EscapeString(value) + `"`)
}

// looksActive is for attributes that are none but words and numbers: an address
// in one of them is of no use to anybody who means well.
func looksActive(v string) bool {
	v = strings.ToLower(strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, v))
	return strings.Contains(v, "javascript:") || strings.Contains(v, "vbscript:") || strings.HasPrefix(v, "data:")
}

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

// image writes a picture that came with the mail, one from elsewhere when it may
// be shown, or the room of it.
func (c *cleaner) image(n *html.Node) {
	src, hidden := "", false
	for _, a := range n.Attr {
		v := strings.ToLower(strings.TrimSpace(a.Val))
		switch a.Key {
		case "src":
			src = strings.TrimSpace(a.Val)
		case "width", "height":
			hidden = hidden || v == "0" || v == "1" || v == "0px" || v == "1px"
		case "style":
			s := strings.ReplaceAll(v, " ", "")
			hidden = hidden || strings.Contains(s, "display:none") || strings.Contains(s, "width:1px") || strings.Contains(s, "height:1px") || strings.Contains(s, "visibility:hidden")
		}
	}
	shown := ""
	scheme, rest, _ := strings.Cut(src, ":")
	switch strings.ToLower(scheme) {
	case "cid":
		if c.o.CID != nil {
			id, err := url.PathUnescape(rest)
			if err != nil {
				id = rest
			}
			shown, _ = c.o.CID(strings.Trim(id, "<> "))
		}
	case "data":
		if isPicture(rest) {
			shown = src
		}
	case "http", "https":
		u, err := url.Parse(src)
		if err != nil || u.Host == "" {
			break
		}
		host := strings.ToLower(u.Hostname())
		c.hosts[host] = true
		if hidden {
			c.trackers[host] = true
		} else if c.o.Remote != nil {
			if proxied, ok := c.o.Remote(u.String()); ok {
				shown = proxied
			}
		}
	}
	c.out.WriteString("<img")
	if shown != "" {
		c.attribute("src", shown)
	}
	c.attributes(n)
	c.out.WriteByte('>')
}

// isPicture says whether what follows "data:" is a small picture of a kind that
// runs nothing.
func isPicture(rest string) bool {
	head, body, ok := strings.Cut(rest, ",")
	if !ok || len(body) > 512<<10 {
		return false
	}
	switch strings.ToLower(strings.ReplaceAll(head, " ", "")) {
	case "image/png;base64", "image/jpeg;base64", "image/jpg;base64", "image/gif;base64", "image/webp;base64":
		return strings.Trim(body, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \r\n") == ""
	}
	return false
}

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
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Options say what a mail may show.
type Options struct {
	CID    func(contentID string) (url string, ok bool) // a picture that came with it; nil: none
	Remote func(url string) (proxied string, show bool) // one from elsewhere; nil: none
	// Quoted are the words above a quotation that is folded; "" folds nothing.
	Quoted string
	// Scope is what a sheet's rules are held to: a selector of an element that the
	// mail is put into, "#letter"; "" when it has the page for itself.
	Scope string
	// Misled are the words after a link that says another address than its own; nil: none.
	Misled func(Misled) string

	MaxBytes int // 0 is 4 MiB
	MaxDepth int // 0 is 200
	MaxNodes int // 0 is 100,000
}

// Result is what is left, and what was taken out.
type Result struct {
	HTML     string
	Remote   []string // hosts that pictures would have come from, sorted
	Pictures int      // from elsewhere, that somebody would see
	Trackers []string // hosts whose pictures nobody could see: they tell who reads
	Pixels   int      // such pictures
	Misled   []Misled // links that say another address than their own, the first of them
	Quoted   bool     // something is folded
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
	c := &cleaner{o: o, res: &res, hosts: map[string]bool{}, trackers: map[string]bool{}, folds: &folds{}}
	if o.Quoted != "" {
		c.folds = findFolds(doc, o.MaxNodes, o.MaxDepth)
	}
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
	folds    *folds
	unseen   int // elements around this one that hide what is in them
}

func (c *cleaner) children(n *html.Node, depth int) {
	folded := false
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		if c.folds.rest[child] {
			c.fold()
			folded = true
		}
		c.node(child, depth)
	}
	if folded {
		c.unfold()
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
	if c.folds.whole[n] {
		c.fold()
		defer c.unfold()
	}
	if hides(n) {
		c.unseen++
		defer func() { c.unseen-- }()
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
	if name == "a" {
		if m, ok := misled(n); ok {
			c.warn(m)
		}
	}
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
	behind, styled := c.behind(n)
	for _, a := range n.Attr {
		if a.Namespace != "" || seen[a.Key] {
			continue
		}
		seen[a.Key] = true
		v := a.Val
		switch {
		case a.Key == "background" && behind != "" && !styled:
			a.Key, v = "style", behind
		case a.Key == "style":
			if v = strings.Trim(c.inline(v, sizeOf(n))+";"+behind, ";"); v == "" {
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

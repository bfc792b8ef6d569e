package sanitize

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// A quotation is folded when the mail says something before it and nothing after
// it, or when it is longer than what people quote to answer line by line.
const longQuote = 1500 // letters

// passage is where the words of an element stand among all those of the mail.
type passage struct{ from, to int }

// folds finds what is folded: whole elements that are quotations, and elements
// from which on the rest of their parent is one (Outlook puts nothing around it).
type folds struct {
	at    map[*html.Node]passage
	total int
	whole map[*html.Node]bool
	rest  map[*html.Node]bool
}

func findFolds(doc *html.Node, maxNodes, maxDepth int) *folds {
	f := &folds{at: map[*html.Node]passage{}, whole: map[*html.Node]bool{}, rest: map[*html.Node]bool{}}
	nodes := 0
	var measure func(n *html.Node, depth int)
	measure = func(n *html.Node, depth int) {
		if nodes++; nodes > maxNodes || depth > maxDepth {
			return
		}
		from := f.total
		switch {
		case n.Type == html.TextNode:
			f.total += letters(n.Data)
		case n.Type == html.ElementNode && (gone[n.Data] || n.Data == "style" || n.Namespace != "" || hides(n)):
		case n.Type == html.ElementNode && n.Data == "img":
			f.total++ // something to see
		default:
			for c := n.FirstChild; c != nil; c = c.NextSibling {
				measure(c, depth+1)
			}
		}
		if n.Type == html.ElementNode {
			f.at[n] = passage{from, f.total}
		}
	}
	measure(doc, 0)
	var choose func(n *html.Node)
	choose = func(n *html.Node) {
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			p, known := f.at[c]
			if !known {
				continue
			}
			switch {
			case p.from == 0: // nothing was said yet: the quotation is the mail
			case isQuote(c) && (p.to == f.total || p.to-p.from > longQuote):
				f.whole[c] = true
				continue
			case f.opens(c) && f.at[n].to == f.total:
				f.rest[c] = true
				return // what follows is folded with it
			}
			choose(c)
		}
	}
	choose(doc)
	return f
}

// opens says whether an element begins with such a line and has nothing else in
// it: Word puts it in boxes of its own.
func (f *folds) opens(n *html.Node) bool {
	whole := f.at[n]
	for x := n; x != nil && f.at[x] == whole; {
		if beginsQuote(x) {
			return true
		}
		next := x.FirstChild
		for next != nil && next.Type != html.ElementNode {
			next = next.NextSibling
		}
		x = next
	}
	return false
}

func letters(s string) (n int) {
	for _, r := range s {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			n++
		}
	}
	return n
}

// isQuote knows the elements that programs put around what is answered to.
func isQuote(n *html.Node) bool {
	switch n.Data {
	case "blockquote":
		return true
	case "div":
		for _, class := range []string{"gmail_quote", "gmail_extra", "yahoo_quoted", "protonmail_quote", "tutanota_quote", "moz-signature-quote"} {
			if has(n, "class", class) {
				return !forwards(said(n, 60))
			}
		}
		return has(n, "id", "mail-editor-reference-message-container") || has(n, "name", "quote") || has(n, "name", "messageReplySection")
	}
	return false
}

// beginsQuote knows the lines after which everything is quoted: Outlook's header
// of the mail before, the web Outlook's mark, the line under which old ones write.
func beginsQuote(n *html.Node) bool {
	if has(n, "id", "appendonsend") || has(n, "id", "divrplyfwdmsg") || has(n, "id", "stopspelling") {
		return true
	}
	if n.Data == "div" {
		if top := stylesOf(n)["border-top"]; strings.HasPrefix(top, "solid #e1e1e1") || strings.HasPrefix(top, "solid #b5c4df") {
			return true
		}
	}
	if n.Data == "p" || n.Data == "div" || n.Data == "span" {
		s := strings.TrimSpace(said(n, 60))
		for _, line := range []string{"-----Original Message-----", "-----Message d'origine-----", "-----Message d’origine-----"} {
			if strings.HasPrefix(s, line) {
				return true
			}
		}
	}
	return false
}

// forwards says whether quoted words are passed on instead of answered to: they
// are what the mail is about.
func forwards(words string) bool {
	words = strings.TrimSpace(words)
	return strings.HasPrefix(words, "----------") && !strings.HasPrefix(words, "-----------------------")
}

func has(n *html.Node, attr, word string) bool {
	for _, a := range n.Attr {
		if a.Key != attr || a.Namespace != "" {
			continue
		}
		for w := range strings.FieldsSeq(strings.ToLower(a.Val)) {
			if w == word || w == "x_"+word { // Outlook's names for others' names
				return true
			}
		}
	}
	return false
}

func (c *cleaner) fold() {
	c.res.Quoted = true
	c.out.WriteString("<details><summary>" + html.EscapeString(c.o.Quoted) + "</summary>")
}
func (c *cleaner) unfold() { c.out.WriteString("</details>") }

package mail

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// collector gathers the words of a message for search, and its preview.
type collector struct {
	limit int
	out   []byte // folded

	// What a person would read first, by where it was found.
	plain, html, inner string
}

func (c *collector) room() bool { return len(c.out) < c.limit }

// foldChunk bounds how far folding may run past the limit: one character can
// become eighteen.
const foldChunk = 16 << 10

// add folds one entry, a line of its own.
func (c *collector) add(text string) { addText(c, text) }

func addText[T string | []byte](c *collector, text T) {
	if len(text) == 0 || !c.room() {
		return
	}
	before := len(c.out)
	if before > 0 {
		c.out = append(c.out, '\n')
	}
	start := len(c.out)
	c.out = slices.Grow(c.out, min(len(text), c.limit-before)+64)
	for len(text) > 0 && len(c.out) < c.limit {
		n := min(len(text), foldChunk)
		for n < len(text) && n > foldChunk-utf8.UTFMax && !utf8.RuneStart(text[n]) {
			n--
		}
		c.out = appendFold(c.out, start, text[:n])
		text = text[n:]
	}
	if len(c.out) > c.limit {
		c.out = c.out[:c.limit]
		for i := 0; i < utf8.UTFMax && !utf8.Valid(c.out[max(start, len(c.out)-utf8.UTFMax):]) && len(c.out) > start; i++ {
			c.out = c.out[:len(c.out)-1]
		}
	}
	if n := len(c.out); n > start && c.out[start] == ' ' {
		c.out = append(c.out[:start], c.out[start+1:]...)
	}
	if n := len(c.out); n > start && c.out[n-1] == ' ' {
		c.out = c.out[:n-1]
	}
	if len(c.out) == start {
		c.out = c.out[:before]
	}
}

// header adds the words of a message's header.
func (c *collector) header(s *Summary) {
	c.add(s.Subject)
	for _, list := range [...][]Mailbox{s.From, s.Sender, s.ReplyTo, s.To, s.Cc, s.Bcc} {
		for _, m := range list {
			c.add(m.Name)
			c.add(m.Addr)
		}
	}
}

// HeaderWords is the beginning of the text that Scanner.Close returned with s:
// the words of its header fields, without what parts added.
func HeaderWords(s *Summary) []byte {
	c := collector{limit: defaultText}
	c.header(s)
	return c.out
}

// part takes the decoded body of a text part, in UTF-8. inner says that the
// part is of an attached message.
func (c *collector) part(p *Part, text []byte, inner bool) {
	html := p.Type == "text/html"
	if html {
		text = stripHTML(text)
	}
	addText(c, text)
	if p.Disposition == "attachment" || p.Filename != "" {
		return
	}
	var to *string
	switch {
	case inner:
		to = &c.inner
	case html:
		to = &c.html
	case p.Type == "text/plain":
		to = &c.plain
	default:
		return
	}
	if *to == "" {
		*to = preview(text)
	}
}

func (c *collector) preview() string {
	for _, p := range [...]string{c.plain, c.html, c.inner} {
		if p != "" {
			return p
		}
	}
	return ""
}

const (
	maxPreview = 250 // characters
	// previewSource is how far into a text the preview looks for words that are
	// not a quotation.
	previewSource = 64 << 10
	previewHead   = 2 << 10
)

// preview is the first characters a person would read: not what they quoted,
// and not their signature. When there is nothing else, a quotation will do.
func preview(text []byte) string {
	// Most texts say enough at their beginning.
	if len(text) > previewHead {
		head := text[:previewHead]
		if p := previewOf(string(head[:bytes.LastIndexByte(head, '\n')+1]), true); utf8.RuneCountInString(p) == maxPreview {
			return p
		}
	}
	s := string(text[:min(len(text), previewSource)])
	if p := previewOf(s, true); p != "" {
		return p
	}
	return previewOf(s, false)
}

func previewOf(text string, unquoted bool) string {
	b := make([]byte, 0, 2*maxPreview)
	count := 0                // characters in b
	before, markCount := 0, 0 // where the last line began
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "":
			continue
		case unquoted && trimmed[0] == '>':
			if n := len(b); n > 0 && b[n-1] == ':' {
				b, count = b[:before], markCount // "On Monday Ann wrote:"
			}
			continue
		case trimmed == "--": // RFC 3676 §4.3
			if len(b) > 0 {
				return string(b)
			}
			continue
		}
		before, markCount = len(b), count
		for word := range strings.FieldsSeq(line) {
			if word = clean(unseen(bareLink(word))); word == "" {
				continue
			}
			if len(b) > 0 {
				b = append(b, ' ')
				count++
			}
			for _, r := range word {
				if count >= maxPreview { // the blank before the word may be one too many
					return strings.TrimRight(string(b), " ")
				}
				b = utf8.AppendRune(b, r)
				count++
			}
		}
	}
	return string(b)
}

// bareLink shows where a link leads and no more. People skip the rest, and
// previews stand in the clear where links, which may be keys, must not.
func bareLink(word string) string {
	i := strings.Index(word, "://")
	if i < 0 {
		return word
	}
	host := word[i+3:]
	n := strings.IndexAny(host, "/?#")
	if n < 0 || n == len(host)-1 {
		return word
	}
	return word[:i+3] + host[:n] + "/…"
}

// unseen takes out what advertisers pad previews with.
func unseen(word string) string {
	for i := 0; i < len(word); i++ {
		if word[i] >= utf8.RuneSelf {
			return strings.NewReplacer("\u00ad", "", "\u034f", "", "\u200b", "", "\u200c", "", "\u2060", "", "\u2007", "").Replace(word)
		}
	}
	return word
}

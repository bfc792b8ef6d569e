package mail

import (
	"bytes"
	"html"
)

// stripHTML keeps the words of an HTML text, for search and the preview. It is
// no filter: what it returns is text and must be shown as text. A tokenizer
// that knows all of HTML costs ten times as much, on every mail.
func stripHTML(src []byte) []byte {
	out := make([]byte, 0, len(src)/2)
	entity := false
	for len(src) > 0 {
		i := bytes.IndexByte(src, '<')
		if i < 0 {
			i = len(src)
		}
		entity = entity || bytes.IndexByte(src[:i], '&') >= 0
		out = append(out, src[:i]...)
		if src = src[i:]; len(src) < 2 {
			break
		}
		switch c := src[1]; {
		case bytes.HasPrefix(src, []byte("<!--")):
			src = after(src[4:], []byte("-->"))
		case c == '!' || c == '?':
			src = after(src, []byte(">"))
		case c == '/' || isLetter(c):
			var name [maxTag]byte
			var n int
			n, src = cutTag(&name, src[1:])
			switch string(name[:n]) {
			case "script", "style", "title", "noframes", "iframe":
				src = closing(src, name[:n])
				out = append(out, ' ')
			case "p", "/p", "br", "div", "/div", "tr", "/tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
				"/h1", "/h2", "/h3", "/h4", "/h5", "/h6", "table", "/table", "blockquote", "/blockquote", "ul", "ol", "pre", "dt", "dd", "section", "article":
				out = append(out, '\n')
			case "td", "th", "/td", "/th", "option", "img":
				out = append(out, ' ')
			}
		default: // "a < b"
			out = append(out, '<')
			src = src[1:]
		}
	}
	if entity {
		return []byte(html.UnescapeString(string(out)))
	}
	return out
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// after is what follows sep; nothing when it is not there.
func after(b, sep []byte) []byte {
	if i := bytes.Index(b, sep); i >= 0 {
		return b[i+len(sep):]
	}
	return nil
}

const maxTag = 12

// cutTag reads a tag behind its "<": its name in lower case, with a slash if it
// is a closing one. A ">" within a quoted attribute does not end it.
func cutTag(name *[maxTag]byte, b []byte) (length int, rest []byte) {
	n := 0
	for n < len(b) && n < maxTag && (isLetter(b[n]) || b[n] == '/' && n == 0 || b[n] >= '0' && b[n] <= '9') {
		name[n] = b[n]
		if isLetter(b[n]) {
			name[n] |= 0x20
		}
		n++
	}
	length = n
	for value := false; n < len(b); n++ {
		switch c := b[n]; c {
		case '>':
			return length, b[n+1:]
		case '=':
			value = true
		case '"', '\'':
			if value {
				i := bytes.IndexByte(b[n+1:], c)
				if i < 0 {
					return length, after(b[n:], []byte(">")) // a quote forgotten
				}
				n += i + 1
			}
			value = false
		case ' ', '\t', '\r', '\n':
		default:
			value = false
		}
	}
	return length, nil
}

// closing is what follows the end tag of an element whose content is no text.
func closing(b, name []byte) []byte {
	for {
		i := bytes.Index(b, []byte("</"))
		if i < 0 {
			return nil
		}
		b = b[i+2:]
		if len(b) >= len(name) && bytes.EqualFold(b[:len(name)], name) {
			return after(b, []byte(">"))
		}
	}
}

// HTMLText is the words of an HTML text, UTF-8, to be shown as text.
func HTMLText(page string) string { return string(stripHTML([]byte(page))) }

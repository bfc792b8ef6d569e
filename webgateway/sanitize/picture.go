package sanitize

import (
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// image writes a picture that came with the mail, one from elsewhere when it may
// be shown, or the room of it.
func (c *cleaner) image(n *html.Node) {
	src := ""
	for _, a := range n.Attr {
		switch {
		case a.Namespace != "":
		case a.Key == "src" && src == "":
			src = a.Val
		case a.Key == "srcset" && strings.TrimSpace(src) == "":
			src = candidate(a.Val) // some mails have nothing else
		}
	}
	c.out.WriteString("<img")
	if shown, ok := c.picture(src, sizeOf(n)); ok {
		c.attribute("src", shown)
	}
	c.attributes(n)
	c.out.WriteByte('>')
}

// candidate is the first address of a srcset: the others are the same picture in
// other sizes, and which of them is asked for says what screen the reader has.
func candidate(set string) string {
	first := strings.TrimLeft(set, " \t\r\n\f,")
	if i := strings.IndexAny(first, " \t\r\n\f"); i >= 0 {
		first = first[:i]
	}
	return strings.TrimRight(first, ",")
}

// picture is where a picture is had, when it may be shown. It notes those that
// come from elsewhere, and those of them that nobody is meant to see.
func (c *cleaner) picture(src string, s room) (string, bool) {
	src = strings.TrimSpace(src)
	scheme, rest, _ := strings.Cut(src, ":")
	switch strings.ToLower(scheme) {
	case "cid":
		if c.o.CID == nil {
			return "", false
		}
		id, err := url.PathUnescape(rest)
		if err != nil {
			id = rest
		}
		return c.o.CID(strings.Trim(id, "<> "))
	case "data":
		return src, isPicture(rest)
	case "http", "https":
		u, err := url.Parse(src)
		if err != nil || u.Host == "" || u.User != nil {
			return "", false
		}
		host := strings.ToLower(u.Hostname())
		c.hosts[host] = true
		switch {
		case c.unseen > 0, s == pixel, reports(u):
			c.trackers[host] = true
			c.res.Pixels++
		case s == line:
		default:
			c.res.Pictures++
			if c.o.Remote != nil {
				return c.o.Remote(u.String())
			}
		}
	}
	return "", false
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

// room is how much of a picture somebody sees.
type room int

const (
	full  room = iota
	line       // one pixel high or wide: it holds a table open. Nobody misses it, and nobody is accused for it.
	pixel      // nothing: it is there to be asked for
)

func sizeOf(n *html.Node) room {
	width, height := -1, -1 // not said
	for _, a := range n.Attr {
		switch a.Key {
		case "width":
			width = pixels(a.Val, width)
		case "height":
			height = pixels(a.Val, height)
		}
	}
	for name, v := range stylesOf(n) {
		switch name {
		case "width", "max-width":
			width = pixels(v, width)
		case "height", "max-height":
			height = pixels(v, height)
		}
	}
	small := func(v int) bool { return v == 0 || v == 1 }
	switch {
	case hides(n), width == 0, height == 0, small(width) && (height < 3), small(height) && (width < 3):
		return pixel
	case small(width), small(height):
		return line
	}
	return full
}

// hides says whether an element shows nothing of what is in it.
func hides(n *html.Node) bool {
	s := stylesOf(n)
	return s["display"] == "none" || s["visibility"] == "hidden" || s["opacity"] == "0" || s["mso-hide"] == "all" ||
		s["overflow"] == "hidden" && (pixels(s["max-height"], -1) == 0 || pixels(s["height"], -1) == 0 || pixels(s["max-width"], -1) == 0 || pixels(s["width"], -1) == 0)
}

// stylesOf are the declarations of an element's own style, roughly: it is read to
// find what hides, and what is written is decided elsewhere.
func stylesOf(n *html.Node) map[string]string {
	for _, a := range n.Attr {
		if a.Key != "style" || a.Namespace != "" || len(a.Val) > 10_000 {
			continue
		}
		m := map[string]string{}
		for d := range strings.SplitSeq(strings.ToLower(a.Val), ";") {
			name, v, _ := strings.Cut(d, ":")
			m[strings.TrimSpace(name)] = strings.TrimSpace(strings.ReplaceAll(v, "!important", ""))
		}
		return m
	}
	return nil
}

// pixels is a length in pixels; otherwise when it is none.
func pixels(v string, otherwise int) int {
	v = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(v)), "px")
	f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
	if err != nil || f < 0 || f > 1e6 {
		return otherwise
	}
	return int(f)
}

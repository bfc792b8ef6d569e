package sanitize

// everywhere may any element have.
var everywhere = []string{"class", "dir", "lang", "title", "align", "valign", "width", "height", "bgcolor", "color"}

// elements are what a mail may be made of, and what each may have besides.
var elements = func() map[string][]string {
	m := map[string][]string{
		"table": {"border", "cellpadding", "cellspacing", "summary", "role"}, "td": {"colspan", "rowspan", "nowrap", "headers", "scope"},
		"th": {"colspan", "rowspan", "nowrap", "headers", "scope", "abbr"}, "col": {"span"}, "colgroup": {"span"},
		"font": {"face", "size"}, "hr": {"size", "noshade"}, "ol": {"start", "type", "reversed"}, "ul": {"type"}, "li": {"value", "type"},
		"img": {"alt", "border", "hspace", "vspace"}, "time": {"datetime"}, "blockquote": {"type"}, "bdo": {},
	}
	for _, name := range []string{"div", "span", "p", "br", "b", "i", "u", "s", "em", "strong", "small", "big", "sub", "sup", "strike", "del", "ins", "tt", "code", "kbd", "samp",
		"var", "cite", "q", "abbr", "acronym", "address", "center", "pre", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "thead", "tbody", "tfoot", "tr", "caption",
		"article", "section", "header", "footer", "main", "aside", "nav", "figure", "figcaption", "mark", "wbr", "bdi", "dfn", "hgroup", "menu", "dir", "nobr"} {
		m[name] = []string{}
	}
	return m
}()

// void have no content and no end.
var void = map[string]bool{"br": true, "hr": true, "col": true, "wbr": true, "img": true}

// gone are taken out with all that is in them: what they hold is not words for a
// person, or is read by rules of its own.
var gone = map[string]bool{
	"script": true, "noscript": true, "template": true, "iframe": true, "frame": true, "frameset": true, "noframes": true, "object": true, "embed": true, "applet": true,
	"param": true, "svg": true, "math": true, "base": true, "meta": true, "link": true, "title": true, "xml": true, "xmp": true, "plaintext": true, "noembed": true, "listing": true,
	"textarea": true, "select": true, "option": true, "optgroup": true, "input": true, "datalist": true, "canvas": true, "audio": true, "video": true, "source": true,
	"track": true, "picture": false, "map": true, "area": true, "portal": true, "slot": true, "dialog": true, "bgsound": true, "marquee": false, "isindex": true, "keygen": true, "image": true,
}

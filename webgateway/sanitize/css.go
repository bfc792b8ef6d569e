package sanitize

import (
	"strings"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/css"
	"golang.org/x/net/html"
)

// declarations are the properties that a mail may set. None of them loads, none
// draws outside of the mail.
var declarations = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`background-color border-collapse border-spacing border-radius box-sizing caption-side clear color direction display empty-cells
		float font font-family font-size font-stretch font-style font-variant font-weight height letter-spacing line-height list-style-type list-style-position
		max-height max-width min-height min-width mso-line-height-rule mso-table-lspace mso-table-rspace opacity overflow overflow-wrap page-break-after page-break-before page-break-inside
		table-layout text-align text-decoration text-decoration-color text-decoration-line text-decoration-style text-indent text-transform text-overflow unicode-bidi vertical-align
		visibility white-space width word-break word-spacing word-wrap background background-image background-position background-repeat background-size`) {
		m[name] = true
	}
	for _, side := range []string{"", "-top", "-right", "-bottom", "-left"} {
		m["margin"+side], m["padding"+side], m["border"+side] = true, true, true
		for _, what := range []string{"-color", "-style", "-width"} {
			m["border"+side+what] = true
		}
	}
	return m
}()

// functions that a value may have.
var functions = map[string]bool{"rgb(": true, "rgba(": true, "hsl(": true, "hsla(": true}

// seen says where a picture is had that a style names; false when it is not shown.
type seen func(src string) (string, bool)

// value is the text of a declaration's value; false when something in it might
// load, run or be read differently. picture is nil where no picture may be.
func value(tokens []css.Token, picture seen) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		s := string(t.Data)
		switch t.TokenType {
		case css.FunctionToken, css.URLToken:
			if picture != nil {
				if src, n, ok := source(tokens[i:]); ok {
					at, ok := picture(src)
					if !ok || strings.ContainsAny(at, "\"'\\<>(){}; \r\n\t") {
						return "", false
					}
					b.WriteString(`url("` + at + `")`)
					i += n - 1
					continue
				}
			}
			if !functions[strings.ToLower(s)] {
				return "", false
			}
		case css.IdentToken, css.NumberToken, css.PercentageToken, css.DimensionToken, css.HashToken, css.CommaToken, css.WhitespaceToken,
			css.RightParenthesisToken, css.StringToken:
		case css.DelimToken:
			if s != "!" && s != "/" && s != "-" && s != "+" && s != "." {
				return "", false
			}
		default: // url(…), bad ones, blocks
			return "", false
		}
		if t.TokenType == css.DimensionToken && ofWindow(s) {
			return "", false
		}
		// Escapes say in other letters what is on no list.
		if strings.ContainsAny(s, "\\<>{};\x00\r\n") {
			return "", false
		}
		b.WriteString(s)
	}
	v := strings.TrimSpace(b.String())
	return v, v != "" && len(v) <= 500
}

// ofWindow says whether a length is a part of the window's height: the frame of a
// mail is as high as the mail, and one would grow with the other for ever.
func ofWindow(s string) bool {
	unit := strings.ToLower(strings.TrimLeft(s, "+-.0123456789"))
	return strings.HasSuffix(unit, "vh") || strings.HasSuffix(unit, "vmin") || strings.HasSuffix(unit, "vmax") || strings.HasSuffix(unit, "vb")
}

// source is the address of a picture at the beginning of tokens, and how many of
// them it takes.
func source(tokens []css.Token) (src string, n int, ok bool) {
	s := string(tokens[0].Data)
	switch {
	case tokens[0].TokenType == css.URLToken && len(s) > len("url()") && strings.EqualFold(s[:4], "url("):
		src, n = strings.TrimSpace(strings.TrimSuffix(s[4:], ")")), 1
	case tokens[0].TokenType == css.FunctionToken && strings.EqualFold(s, "url("):
		for n = 1; n < len(tokens) && tokens[n].TokenType == css.WhitespaceToken; n++ {
		}
		if n == len(tokens) || tokens[n].TokenType != css.StringToken {
			return "", 0, false
		}
		src = string(tokens[n].Data)
		for n++; n < len(tokens) && tokens[n].TokenType == css.WhitespaceToken; n++ {
		}
		if n == len(tokens) || tokens[n].TokenType != css.RightParenthesisToken {
			return "", 0, false
		}
		n++
	default:
		return "", 0, false
	}
	src = strings.Trim(src, "\"'")
	return src, n, src != "" && !strings.ContainsAny(src, "\\<>{}\"'\x00\r\n")
}

// declaration is one that may stay.
func declaration(name string, tokens []css.Token, picture seen) (string, bool) {
	name = strings.ToLower(name)
	if name != "background" && name != "background-image" {
		picture = nil
	}
	v, ok := value(tokens, picture)
	if !ok && name == "background" { // without its picture the colour stays
		name = "background-color"
		v, ok = colour(tokens)
	}
	if !ok || !declarations[name] {
		return "", false
	}
	low := strings.ToLower(v)
	switch name {
	case "display":
		ok = low == "none" || strings.HasPrefix(low, "block") || strings.HasPrefix(low, "inline") || strings.HasPrefix(low, "table") || strings.HasPrefix(low, "list-item")
	case "background":
		if !strings.Contains(v, `url("`) {
			name = "background-color" // colours are all that is left of it
			ok = !strings.ContainsAny(low, " ,/") || strings.HasPrefix(low, "rgb")
		}
	case "background-image":
		ok = low == "none" || strings.HasPrefix(v, `url("`)
	}
	return name + ":" + v, ok
}

// colour is the colour among what is said of a background.
func colour(tokens []css.Token) (string, bool) {
	for _, t := range tokens {
		if t.TokenType == css.HashToken && !strings.ContainsAny(string(t.Data), "\\<") {
			return string(t.Data), true
		}
	}
	return "", false
}

// behind is the declaration for the picture behind an element that an attribute
// names, as old mails do; styled says whether the element has a style of its own.
func (c *cleaner) behind(n *html.Node) (d string, styled bool) {
	src := ""
	for _, a := range n.Attr {
		switch {
		case a.Key == "style" && a.Namespace == "":
			styled = true
		case a.Key == "background" && a.Namespace == "" && src == "":
			src = a.Val
		}
	}
	if src == "" {
		return "", styled
	}
	at, ok := c.picture(src, sizeOf(n))
	if !ok || strings.ContainsAny(at, "\"'\\<>(){}; \r\n\t") {
		return "", styled
	}
	return `background-image:url("` + at + `")`, styled
}

// inline is a style attribute with what may stay.
func (c *cleaner) inline(s string, r room) string {
	picture := func(src string) (string, bool) { return c.picture(src, r) }
	if len(s) > 10_000 {
		return ""
	}
	p := css.NewParser(parse.NewInputString(s), true)
	var list []string
	for range 1000 {
		g, _, data := p.Next()
		if g == css.ErrorGrammar {
			if p.Err() != nil && !p.HasParseError() {
				break
			}
			continue
		}
		if g != css.DeclarationGrammar {
			continue
		}
		if d, ok := declaration(string(data), p.Values(), picture); ok {
			list = append(list, d)
		}
	}
	return strings.Join(list, ";")
}

// style writes a style element with the rules that may stay: selectors of plain
// names, and @media.
func (c *cleaner) style(n *html.Node) {
	sheet := text(n)
	if len(sheet) > 200_000 {
		return
	}
	out := rules(sheet, c.o.Scope, func(src string) (string, bool) { return c.picture(src, full) })
	if out == "" || strings.ContainsAny(out, "<\\") {
		return
	}
	c.out.WriteString("<style>" + out + "</style>")
}

func rules(sheet, scope string, picture seen) string {
	sheet = strings.NewReplacer("<!--", " ", "-->", " ").Replace(sheet)
	p := css.NewParser(parse.NewInputString(sheet), false)
	var b strings.Builder
	var selectors []string
	depth, skip := 0, 0 // of @media that stay; of at-rules that do not
	open := false       // a rule that stays
	for range 20_000 {
		g, _, data := p.Next()
		switch g {
		case css.ErrorGrammar:
			if p.Err() != nil && !p.HasParseError() {
				if open {
					b.WriteByte('}')
				}
				b.WriteString(strings.Repeat("}", depth))
				return b.String()
			}
		case css.BeginAtRuleGrammar:
			query, ok := prelude(p.Values())
			if skip > 0 || !strings.EqualFold(string(data), "@media") || !ok || depth > 0 {
				skip++
				continue
			}
			depth++
			b.WriteString("@media " + query + "{")
		case css.EndAtRuleGrammar:
			if skip > 0 {
				skip--
			} else if depth > 0 {
				depth--
				b.WriteByte('}')
			}
		case css.QualifiedRuleGrammar, css.BeginRulesetGrammar:
			if s, ok := prelude(p.Values()); ok && skip == 0 {
				for one := range strings.SplitSeq(s, ",") {
					if one = strings.TrimSpace(one); scope != "" {
						one = scope + " " + one
					}
					selectors = append(selectors, one)
				}
			}
			if g == css.BeginRulesetGrammar {
				if open = len(selectors) > 0; open {
					b.WriteString(strings.Join(selectors, ",") + "{")
				}
				selectors = nil
			}
		case css.DeclarationGrammar:
			if d, ok := declaration(string(data), p.Values(), picture); ok && open {
				b.WriteString(d + ";")
			}
		case css.EndRulesetGrammar:
			if open {
				b.WriteByte('}')
			}
			open = false
		}
	}
	return "" // too many
}

// prelude is a selector or a media query of plain words.
func prelude(tokens []css.Token) (string, bool) {
	var b strings.Builder
	for _, t := range tokens {
		s := string(t.Data)
		switch t.TokenType {
		case css.IdentToken, css.HashToken, css.ColonToken, css.CommaToken, css.WhitespaceToken, css.DimensionToken, css.NumberToken, css.LeftParenthesisToken, css.RightParenthesisToken:
		case css.DelimToken:
			if s != "." && s != "*" && s != ">" && s != "+" {
				return "", false
			}
		default: // attribute selectors ask what a mail has; functions are none of a mail's business
			return "", false
		}
		if strings.ContainsAny(s, "\\<{};\"'") {
			return "", false
		}
		b.WriteString(s)
	}
	s := strings.TrimSpace(b.String())
	return s, s != "" && len(s) <= 500
}

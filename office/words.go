package office

import (
	"net/url"
	"regexp"
	"strings"
)

// # Texts of the house
//
// They are plain text: paragraphs with a blank line between them, lines that
// begin with "# " for headings and "- " for lists, addresses of pages. Nothing
// else means anything, so there is nothing to make harmless: what looks like
// HTML is shown as it was typed.

// Block is a heading, a paragraph or a list: the field that is set.
type Block struct {
	Heading string
	Lines   [][]Span // of a paragraph
	Items   [][]Span
}

// Span is some words; with URL they lead there.
type Span struct{ Text, URL string }

// address finds those of pages; what ends a sentence does not belong to them.
var address = regexp.MustCompile(`https?://[^\s<>"']*[^\s<>"'.,;:!?)»]`)

// Spans parts what leads somewhere from other words.
func Spans(s string) (out []Span) {
	for _, at := range address.FindAllStringIndex(s, -1) {
		u, err := url.Parse(s[at[0]:at[1]])
		if err != nil || u.Host == "" {
			continue
		}
		done := 0
		for _, o := range out {
			done += len(o.Text)
		}
		if at[0] > done {
			out = append(out, Span{Text: s[done:at[0]]})
		}
		out = append(out, Span{Text: s[at[0]:at[1]], URL: u.String()})
	}
	done := 0
	for _, o := range out {
		done += len(o.Text)
	}
	if done < len(s) {
		out = append(out, Span{Text: s[done:]})
	}
	return out
}

// Blocks reads a text.
func Blocks(text string) (out []Block) {
	fresh := true // the next line begins a block
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		item, isItem := strings.CutPrefix(line, "- ")
		heading, isHeading := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		isHeading = isHeading && strings.HasPrefix(line, "#")
		last := len(out) - 1
		switch {
		case line == "":
			fresh = true
			continue
		case isHeading:
			out = append(out, Block{Heading: heading})
			fresh = true
			continue
		case isItem && !fresh && out[last].Items != nil:
			out[last].Items = append(out[last].Items, Spans(item))
		case isItem:
			out = append(out, Block{Items: [][]Span{Spans(item)}})
		case !fresh && out[last].Lines != nil:
			out[last].Lines = append(out[last].Lines, Spans(line))
		default:
			out = append(out, Block{Lines: [][]Span{Spans(line)}})
		}
		fresh = false
	}
	return out
}

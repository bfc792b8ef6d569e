// Package vcard turns vCards (RFC 6350; 3.0 of RFC 2426; 2.1 as phones write it)
// into JSContact cards and back, as RFC 9555 has it.
//
// Nothing is lost on the way: properties that have no place in JSContact are kept
// in vCardProps, parameters in vCardParams, and what has no place in vCard is
// written as JSPROP.
package vcard

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// BadError is about one card of a file, which is not read; those behind it are.
type BadError struct{ Why string }

func (e *BadError) Error() string { return e.Why }

// Reader reads the cards of a file, one after the other.
type Reader struct{ lines *lines }

// NewReader reads r.
func NewReader(r io.Reader) *Reader { return &Reader{newLines(r)} }

// Next is the next card; io.EOF after the last. After a *BadError it may be asked
// again.
func (r *Reader) Next() (map[string]any, error) {
	for {
		l, err := r.lines.next()
		if errors.Is(err, errLong) {
			continue // between two cards
		}
		if err != nil {
			return nil, err
		}
		if l.is("BEGIN") {
			return r.card()
		}
	}
}

func (l *line) is(name string) bool {
	return l.name == name && strings.EqualFold(strings.TrimSpace(l.value), "VCARD")
}

// card reads to the END of a card whose BEGIN was read.
func (r *Reader) card() (map[string]any, error) {
	var bad error
	var list []*line
	r.lines.read = 0
	for depth := 1; ; {
		l, err := r.lines.next()
		switch {
		case errors.Is(err, errLong):
			bad = &BadError{"a line of it is too long"}
			continue
		case err == io.EOF:
			return nil, &BadError{"it has no end"}
		case err != nil:
			return nil, err
		case l.is("BEGIN"):
			depth++ // AGENT of vCard 2.1 has a card inside
		case l.is("END"):
			if depth--; depth > 0 {
				continue
			}
			if bad != nil {
				return nil, bad
			}
			return build(list), nil
		case depth == 1 && bad == nil:
			list = append(list, l)
		}
		if r.lines.read > maxCard || len(list) > maxLines {
			bad, list = &BadError{"it is too large"}, nil
		}
	}
}

// builder makes a card of lines.
type builder struct {
	card   map[string]any
	used   map[string]map[string]bool // ids of each property
	labels map[string]string          // X-ABLABEL by group
	places map[string]map[string]any  // addresses by group
	kept   []any                      // vCardProps
	apple  bool
}

func build(list []*line) map[string]any {
	b := &builder{card: map[string]any{"@type": "Card", "version": "1.0"}, used: map[string]map[string]bool{}, labels: map[string]string{}, places: map[string]map[string]any{}}
	sum := sha256.New()
	for _, l := range list {
		fmt.Fprintf(sum, "%s %v %s\n", l.name, l.params, l.value)
		if l.name == "X-ABLABEL" && l.group != "" {
			b.labels[l.group] = appleLabel(unescape(l.value))
		}
	}
	var late []*line
	for _, l := range list {
		switch l.name {
		case "VERSION", "PROFILE":
		case "X-ABLABEL", "X-ABADR", "LABEL", "GEO", "TZ", "BIRTHPLACE", "DEATHPLACE", "JSPROP":
			late = append(late, l) // they are about what others make
		default:
			b.line(l)
		}
	}
	for _, l := range late {
		b.about(l)
	}
	if len(b.kept) > 0 {
		b.card["vCardProps"] = b.kept
	}
	if _, ok := b.card["uid"]; !ok {
		// The same card gets the same uid whenever it is read (RFC 9555 §2.1.1).
		h := sum.Sum(nil)
		h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80 // RFC 9562 §5.8
		b.card["uid"] = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
	}
	return b.card
}

// appleLabel is the word inside of _$!<Word>!$_, which stands for what programs
// translate.
func appleLabel(s string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "_$!<"), ">!$_")
}

// line puts a property in its place, or keeps it as it is.
func (b *builder) line(l *line) {
	f := properties[l.name]
	if f == nil || strings.TrimSpace(l.value) == "" && l.name != "N" || !f(b, l) {
		b.keep(l)
	}
}

// keep puts a line into vCardProps (RFC 9555 §2.15.1), its value unread.
func (b *builder) keep(l *line) {
	if strings.TrimSpace(l.value) == "" {
		return
	}
	params := paramsOf(l)
	if l.group != "" {
		params["group"] = l.group
	}
	b.kept = append(b.kept, []any{strings.ToLower(l.name), params, "unknown", l.value})
}

func paramsOf(l *line) map[string]any {
	out := map[string]any{}
	for name, v := range l.params {
		if len(v) == 1 {
			out[strings.ToLower(name)] = v[0]
			continue
		}
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		out[strings.ToLower(name)] = list
	}
	return out
}

// add puts o into a property that is a map, under the id that the line has or one
// of its own; with what lines of all kinds say beside their value.
func (b *builder) add(property, prefix string, l *line, o map[string]any) map[string]any {
	all, _ := b.card[property].(map[string]any)
	if all == nil {
		all = map[string]any{}
		b.card[property] = all
	}
	id := l.take("PROP-ID")
	for n := len(all) + 1; !validID(id) || all[id] != nil; n++ {
		id = fmt.Sprintf("%s-%d", prefix, n)
	}
	all[id] = o
	return b.beside(l, o)
}

func validID(id string) bool {
	return id != "" && len(id) <= 255 && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// beside adds contexts, pref, label, and the parameters that nobody took.
func (b *builder) beside(l *line, o map[string]any) map[string]any {
	contexts := map[string]any{}
	if l.takeType("home") {
		contexts["private"] = true
	}
	if l.takeType("work") {
		contexts["work"] = true
	}
	if l.takeType("pref") {
		o["pref"] = 1.0
	}
	var n int
	if _, err := fmt.Sscan(l.param("PREF"), &n); err == nil && n >= 1 && n <= 100 {
		l.take("PREF")
		o["pref"] = float64(n)
	}
	switch label := b.labels[l.group]; {
	case l.group == "" || label == "":
	case label == "Home" || label == "Work":
		contexts[map[string]string{"Home": "private", "Work": "work"}[label]] = true
		l.group = ""
	default:
		o["label"] = label
		l.group = ""
	}
	if len(contexts) > 0 {
		o["contexts"] = contexts
	}
	l.take("VALUE")
	if params := paramsOf(l); len(params) > 0 {
		o["vCardParams"] = params
	}
	return o
}

// about reads lines that say something about what other lines have made.
func (b *builder) about(l *line) {
	value := unescape(l.value)
	switch l.name {
	case "X-ABLABEL":
		// Its owner took it, unless that owner was kept.
		for _, k := range b.kept {
			if p, ok := k.([]any)[1].(map[string]any); ok && p["group"] == l.group && l.group != "" {
				b.keep(l)
				return
			}
		}
	case "X-ABADR":
		if a := b.places[l.group]; a != nil && len(strings.TrimSpace(value)) == 2 {
			a["countryCode"] = strings.ToUpper(strings.TrimSpace(value))
			return
		}
		b.keep(l)
	case "LABEL", "GEO", "TZ":
		b.place(l, value)
	case "BIRTHPLACE", "DEATHPLACE":
		kind := map[string]string{"BIRTHPLACE": "birth", "DEATHPLACE": "death"}[l.name]
		all, _ := b.card["anniversaries"].(map[string]any)
		for _, a := range all {
			if a, _ := a.(map[string]any); a["kind"] == kind {
				place := map[string]any{"@type": "Address", "full": value}
				if strings.HasPrefix(value, "geo:") {
					place = map[string]any{"@type": "Address", "coordinates": value}
				}
				a["place"] = place
				return
			}
		}
		b.keep(l)
	case "JSPROP":
		if !b.prop(l) {
			b.keep(l)
		}
	}
}

// prop sets what a JSPROP says (RFC 9555 §3.2.1).
func (b *builder) prop(l *line) bool {
	var v any
	path := strings.Split(l.param("JSPTR"), "/")
	if json.Unmarshal([]byte(unescape(l.value)), &v) != nil || path[0] == "" || len(path) > 8 || !utf8.ValidString(l.value) {
		return false
	}
	for i := range path {
		path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(path[i])
	}
	// A stranger's file must not take away what makes a card one.
	if len(path) == 1 && slices.Contains([]string{"@type", "version", "uid", "id", "addressBookIds", "blobId"}, path[0]) {
		return false
	}
	at := b.card
	for _, step := range path[:len(path)-1] {
		if at[step] == nil {
			at[step] = map[string]any{}
		}
		next, ok := at[step].(map[string]any)
		if !ok {
			return false
		}
		at = next
	}
	at[path[len(path)-1]] = v
	return true
}

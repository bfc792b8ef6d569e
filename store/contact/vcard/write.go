package vcard

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// Version is what is written.
type Version string

const (
	Three Version = "3.0" // for phones and older programs
	Four  Version = "4.0"
)

// Write writes a card; title is what it is called when it has no name of its own.
func Write(w io.Writer, card map[string]any, title string, v Version) error {
	raw, err := json.Marshal(card)
	if err != nil {
		return err
	}
	var own map[string]any // taken apart below
	if err := json.Unmarshal(raw, &own); err != nil {
		return err
	}
	x := &writer{w: bufio.NewWriter(w), four: v == Four}
	x.card(own, title)
	return x.w.Flush()
}

type writer struct {
	w      *bufio.Writer
	four   bool
	groups int
	left   []string // JSPROP lines, for the end
}

func (x *writer) card(c map[string]any, title string) {
	x.write("BEGIN:VCARD")
	version := string(Three)
	if x.four {
		version = string(Four)
	}
	x.write("VERSION:" + version)
	for _, p := range []struct {
		property, name string
		time           bool
	}{{"prodId", "PRODID", false}, {"uid", "UID", false}, {"created", "CREATED", true}, {"updated", "REV", true}, {"language", "LANGUAGE", false}} {
		v := take(c, p.property)
		if p.time && x.four { // RFC 6350 §4.3.5 has times without hyphens
			v = strings.NewReplacer("-", "", ":", "").Replace(v)
		}
		if v != "" {
			x.write(p.name + ":" + escape(v))
		}
	}
	delete(c, "version")
	x.kind(c)
	x.names(c, title)
	x.properties(c)
	if kept, ok := c["vCardProps"].([]any); ok {
		delete(c, "vCardProps")
		for _, k := range kept {
			x.keptLine(k)
		}
	}
	x.rest("", c)
	for _, l := range x.left {
		x.write(l)
	}
	x.write("END:VCARD")
}

// write writes a line, folded at 75 octets, never inside a character.
func (x *writer) write(s string) {
	room := 75
	for len(s) > room {
		n := room
		for n > 1 && !utf8.RuneStart(s[n]) {
			n--
		}
		x.w.WriteString(s[:n])
		x.w.WriteString("\r\n ")
		s, room = s[n:], 74
	}
	x.w.WriteString(s)
	x.w.WriteString("\r\n")
}

// take is a text property, which is gone then.
func take(o map[string]any, name string) string {
	s, ok := o[name].(string)
	if ok {
		delete(o, name)
	}
	return s
}

func takeMap(o map[string]any, name string) map[string]any {
	m, ok := o[name].(map[string]any)
	if ok {
		delete(o, name)
	}
	return m
}

// rest has what is still in o, after all that vCard has a place for was taken,
// written as JSPROP (RFC 9555 §3.2.1).
func (x *writer) rest(path string, o map[string]any) {
	for _, name := range sorted(o) {
		if name != "@type" {
			x.prop(path+pointer(name), o[name])
		}
	}
}

func pointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func (x *writer) prop(path string, v any) {
	raw, err := json.Marshal(v, json.Deterministic(true))
	if err == nil {
		x.left = append(x.left, "JSPROP;JSPTR="+quote(path)+":"+escape(string(raw)))
	}
}

// out is a line on its way.
type out struct {
	name   string
	group  string
	types  []string
	params []string
	extra  []string // lines behind it, of the same group
}

func (l *out) param(name, value string) {
	if value != "" {
		l.params = append(l.params, name+"="+quote(value))
	}
}

// quote writes a parameter's value (RFC 6868).
func quote(v string) string {
	v = strings.NewReplacer("^", "^^", "\r\n", "^n", "\n", "^n", "\r", "^n", `"`, "^'").Replace(v)
	if strings.ContainsAny(v, ",;:^/ ") {
		return `"` + v + `"`
	}
	return v
}

// each calls f for the objects of a map, with a line for each that has what all
// kinds share; f gives it a name and a value, or "" for what has no line.
func (x *writer) each(c map[string]any, property, prefix string, f func(o map[string]any, l *out) (value string)) {
	all := takeMap(c, property)
	for i, id := range sorted(all) {
		o, ok := all[id].(map[string]any)
		if !ok {
			x.prop(property+"/"+pointer(id), all[id])
			continue
		}
		whole := cloned(o)
		l := &out{}
		if id != fmt.Sprintf("%s-%d", prefix, i+1) {
			l.param("PROP-ID", id)
		}
		value := f(o, l)
		if value == "" {
			x.prop(property+"/"+pointer(id), whole)
			continue
		}
		x.beside(o, l)
		x.line(l, value)
		x.rest(property+"/"+pointer(id)+"/", o)
	}
}

func cloned(o map[string]any) map[string]any {
	raw, _ := json.Marshal(o)
	var c map[string]any
	_ = json.Unmarshal(raw, &c) // it was JSON a moment ago
	return c
}

// beside undoes what the builder's does.
func (x *writer) beside(o map[string]any, l *out) {
	contexts := takeMap(o, "contexts")
	var others []string
	for _, name := range sorted(contexts) {
		switch name {
		case "private":
			l.types = append(l.types, "home")
		case "work", "billing", "delivery":
			l.types = append(l.types, name)
		default:
			others = append(others, name)
		}
	}
	if len(others) > 0 { // some have no name there: all are said again
		o["contexts"] = contexts
	}
	if n, ok := o["pref"].(float64); ok {
		delete(o, "pref")
		if n == 1 && !x.four {
			l.types = append(l.types, "pref")
		} else {
			l.param("PREF", fmt.Sprint(n))
		}
	}
	x.params(takeMap(o, "vCardParams"), l)
	if label := take(o, "label"); label != "" {
		x.grouped(l, "X-ABLabel:"+escape(label))
	}
}

// params writes what was kept of a line's parameters.
func (x *writer) params(kept map[string]any, l *out) {
	for _, name := range sorted(kept) {
		var list []string
		switch v := kept[name].(type) {
		case string:
			list = []string{v}
		case []any:
			for _, one := range v {
				if s, ok := one.(string); ok {
					list = append(list, s)
				}
			}
		}
		switch upper := strings.ToUpper(name); {
		case upper == "GROUP":
			if len(list) == 1 && token(list[0]) {
				l.group = list[0]
			}
		case upper == "TYPE":
			l.types = append(l.types, list...)
		case token(name) && len(list) > 0:
			for i := range list {
				list[i] = quote(list[i])
			}
			l.params = append(l.params, upper+"="+strings.Join(list, ","))
		}
	}
}

// token says whether s can be a name (RFC 6350 §3.3). What could end the line
// early would let a card write lines of its own.
func token(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// grouped puts a line of Apple's behind l, tied to it by a group.
func (x *writer) grouped(l *out, behind string) {
	if l.group == "" {
		x.groups++
		l.group = fmt.Sprintf("label%d", x.groups)
	}
	l.extra = append(l.extra, behind)
}

func (x *writer) line(l *out, value string) {
	var b strings.Builder
	if l.group != "" {
		b.WriteString(l.group + ".")
	}
	b.WriteString(l.name)
	if len(l.types) > 0 {
		var types []string
		for _, t := range l.types {
			if !slices.Contains(types, quote(t)) {
				types = append(types, quote(t))
			}
		}
		b.WriteString(";TYPE=" + strings.Join(types, ","))
	}
	for _, p := range l.params {
		b.WriteString(";" + p)
	}
	x.write(b.String() + ":" + value)
	for _, e := range l.extra {
		x.write(l.group + "." + e)
	}
}

// keptLine writes an item of vCardProps: a name, parameters, a type, and values.
func (x *writer) keptLine(k any) {
	item, _ := k.([]any)
	if len(item) < 4 {
		return
	}
	name, _ := item[0].(string)
	kind, _ := item[2].(string)
	params, _ := item[1].(map[string]any)
	if !token(name) || slices.Contains([]string{"BEGIN", "END", "VERSION"}, strings.ToUpper(name)) {
		return
	}
	l := &out{name: strings.ToUpper(name)}
	x.params(params, l)
	var values []string
	for _, v := range item[3:] {
		values = append(values, keptValue(v, kind == "unknown"))
	}
	if kind != "unknown" && kind != "text" && token(kind) {
		l.param("VALUE", kind)
	}
	x.line(l, strings.Join(values, ","))
}

// keptValue is a value of jCard (RFC 7095): one of an unknown type is as it stood
// in the vCard.
func keptValue(v any, raw bool) string {
	switch v := v.(type) {
	case string:
		if raw {
			return strings.NewReplacer("\r\n", `\n`, "\n", `\n`, "\r", `\n`).Replace(v)
		}
		return escape(v)
	case []any:
		var parts []string
		for _, p := range v {
			parts = append(parts, keptValue(p, raw))
		}
		return strings.Join(parts, ";")
	case nil:
		return ""
	}
	return escape(fmt.Sprint(v))
}

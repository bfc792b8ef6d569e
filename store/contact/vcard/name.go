package vcard

import (
	"slices"
	"strings"
)

func (b *builder) nameObject() map[string]any {
	n, _ := b.card["name"].(map[string]any)
	if n == nil {
		n = map[string]any{"@type": "Name"}
		b.card["name"] = n
	}
	return n
}

func (b *builder) fullName(l *line) bool {
	if strings.EqualFold(l.param("DERIVED"), "true") {
		return true // made of N, which says more (RFC 9555 §2.5.1)
	}
	n, _ := b.card["name"].(map[string]any)
	if _, twice := n["full"]; twice {
		return false // in another language
	}
	b.nameObject()["full"] = strings.TrimSpace(unescape(l.value))
	return true
}

// nameKinds are the parts of N, the last two of RFC 9554 §2.2.
var nameKinds = []string{"surname", "given", "given2", "title", "credential", "surname2", "generation"}

func (b *builder) name(l *line) bool {
	if n, _ := b.card["name"].(map[string]any); n["components"] != nil {
		return false
	}
	if strings.EqualFold(l.param("DERIVED"), "true") {
		return true // made of FN by Write
	}
	parts := split(l.value, ';')
	var list []any
	at := func(i int) (all []string) {
		if i < len(parts) {
			all = words(parts[i], ',')
		}
		return all
	}
	for i, kind := range nameKinds {
		for _, w := range at(i) {
			// Who does not know the later parts finds their words in the first too.
			if i == 0 && slices.Contains(at(5), w) || i == 4 && slices.Contains(at(6), w) {
				continue
			}
			list = append(list, map[string]any{"@type": "NameComponent", "kind": kind, "value": w})
		}
	}
	if len(list) == 0 {
		return true
	}
	n := b.nameObject()
	n["components"] = list
	if s := l.params["SORT-AS"]; len(s) > 0 {
		l.take("SORT-AS")
		as := map[string]any{}
		for i, v := range s[:min(len(s), len(nameKinds))] {
			if v != "" {
				as[nameKinds[i]] = v
			}
		}
		n["sortAs"] = as
	}
	if params := paramsOf(l); len(params) > 0 {
		n["vCardParams"] = params
	}
	return true
}

func (b *builder) sortString(l *line) bool {
	n := b.nameObject()
	if n["sortAs"] != nil {
		return false
	}
	n["sortAs"] = map[string]any{"surname": unescape(l.value)}
	return true
}

package vcard

import (
	"slices"
	"strings"
)

// names writes FN, which every card has, and N.
func (x *writer) names(c map[string]any, title string) {
	name := takeMap(c, "name")
	if name == nil {
		name = map[string]any{}
	}
	full := take(name, "full")
	list, _ := name["components"].([]any)
	fn := &out{name: "FN"}
	shown := full
	if full == "" {
		if shown = joined(list); shown == "" {
			shown = title
		}
		fn.param("DERIVED", "TRUE")
	}
	if shown == "" {
		shown = "?" // RFC 6350 §6.2.1: there is one
	}
	x.line(fn, escape(shown))
	n := &out{name: "N"}
	if len(list) > 0 {
		x.params(takeMap(name, "vCardParams"), n)
	}
	as, _ := name["sortAs"].(map[string]any)
	switch surname, given := str(as["surname"]), str(as["given"]); {
	case len(list) == 0 || surname == "":
	case len(as) == 1:
		n.param("SORT-AS", surname)
		delete(name, "sortAs")
	case len(as) == 2 && given != "":
		n.params = append(n.params, "SORT-AS="+quote(surname)+","+quote(given))
		delete(name, "sortAs")
	}
	switch {
	case len(list) > 0:
		value := nameValue(list, x.four)
		x.line(n, value)
		back := &builder{card: map[string]any{}}
		back.name(&line{name: "N", value: value, params: map[string][]string{}})
		got, _ := back.card["name"].(map[string]any)
		if again, _ := got["components"].([]any); samePieces(list, again) {
			delete(name, "components")
		}
	case !x.four:
		n.param("DERIVED", "TRUE") // vCard 3.0 must have N; some programs show nothing else
		x.line(n, ";"+escape(shown)+";;;")
	}
	x.rest("name/", name)
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

// piece is a component of a name or an address.
func piece(v any) (kind, value string) {
	c, _ := v.(map[string]any)
	return str(c["kind"]), str(c["value"])
}

func joined(list []any) string {
	var all []string
	for _, c := range list {
		if kind, value := piece(c); kind != "separator" && value != "" {
			all = append(all, value)
		}
	}
	return strings.Join(all, " ")
}

// samePieces says whether reading again gives all that there was.
func samePieces(a, b []any) bool {
	return slices.EqualFunc(a, b, func(x, y any) bool {
		m, _ := x.(map[string]any)
		for name := range m {
			if name != "@type" && name != "kind" && name != "value" {
				return false
			}
		}
		k, v := piece(x)
		l, w := piece(y)
		return k == l && v == w
	})
}

func nameValue(list []any, four bool) string {
	parts := make([][]string, len(nameKinds))
	for _, c := range list {
		kind, value := piece(c)
		i := slices.Index(nameKinds, kind)
		if i < 0 {
			continue
		}
		parts[i] = append(parts[i], escape(value))
		switch kind { // for who does not know the later parts
		case "surname2":
			parts[0] = append(parts[0], escape(value))
		case "generation":
			parts[4] = append(parts[4], escape(value))
		}
	}
	last := 5
	if four && len(parts[5])+len(parts[6]) > 0 {
		last = 7
	}
	var out []string
	for _, p := range parts[:last] {
		out = append(out, strings.Join(p, ","))
	}
	return strings.Join(out, ";")
}

// slots are where the kinds of an address's components go in the seven parts of
// ADR that every program knows.
var slots = map[string]int{"postOfficeBox": 0, "apartment": 1, "room": 1, "floor": 1, "building": 1, "name": 2, "number": 2, "block": 2, "direction": 2, "landmark": 2,
	"subdistrict": 2, "district": 2, "locality": 3, "region": 4, "postcode": 5, "country": 6}

func addressValue(list []any) string {
	parts, joint := make([][]string, 7), make([]string, 7)
	for _, c := range list {
		kind, value := piece(c)
		i, ok := slots[kind]
		if !ok {
			continue
		}
		parts[i] = append(parts[i], escape(value))
		if joint[i] == "" {
			joint[i] = ","
		}
		if addressKinds[i] != kind {
			joint[i] = " " // "12" and "rue Haute" are one line
		}
	}
	var out []string
	for i, p := range parts {
		out = append(out, strings.Join(p, joint[i]))
	}
	return strings.Join(out, ";")
}

func (x *writer) address(o map[string]any, l *out) string {
	l.name = "ADR"
	list, _ := o["components"].([]any)
	value := addressValue(list)
	back := &builder{card: map[string]any{}, places: map[string]map[string]any{}}
	back.address(&line{name: "ADR", value: value, params: map[string][]string{}})
	all, _ := back.card["addresses"].(map[string]any)
	got, _ := all["ADR-1"].(map[string]any)
	if again, _ := got["components"].([]any); samePieces(list, again) {
		delete(o, "components")
	}
	full := take(o, "full")
	if len(list) == 0 && full != "" && !x.four {
		value = ";;" + escape(full) + ";;;;" // programs of 3.0 show nothing else
	}
	l.param("LABEL", full)
	l.param("GEO", take(o, "coordinates"))
	l.param("TZ", take(o, "timeZone"))
	if cc := take(o, "countryCode"); cc != "" {
		l.param("CC", cc)
		if !x.four && len(cc) == 2 {
			x.grouped(l, "X-ABADR:"+escape(strings.ToLower(cc)))
		}
	}
	return value
}

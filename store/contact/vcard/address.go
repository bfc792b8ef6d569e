package vcard

import "strings"

// addressKinds are the parts of ADR, from the eighth on of RFC 9554 §2.1.
var addressKinds = []string{"postOfficeBox", "apartment", "name", "locality", "region", "postcode", "country",
	"room", "apartment", "floor", "number", "name", "building", "block", "subdistrict", "district", "landmark", "direction"}

func (b *builder) address(l *line) bool {
	parts := split(l.value, ';')
	var list []any
	later := len(parts) > 7 && strings.Trim(strings.Join(parts[7:], ""), " ,") != ""
	for i, part := range parts[:min(len(parts), len(addressKinds))] {
		if later && (i == 1 || i == 2) {
			continue // said more exactly by the later parts
		}
		for _, w := range words(part, ',') {
			list = append(list, map[string]any{"@type": "AddressComponent", "kind": addressKinds[i], "value": w})
		}
	}
	o := map[string]any{"@type": "Address"}
	if len(list) > 0 {
		o["components"] = list
	}
	for _, p := range [][2]string{{"LABEL", "full"}, {"CC", "countryCode"}, {"GEO", "coordinates"}, {"TZ", "timeZone"}} {
		if v := l.take(p[0]); v != "" {
			o[p[1]] = v
		}
	}
	if len(o) == 1 {
		return true
	}
	group := l.group
	b.add("addresses", "ADR", l, o)
	for _, t := range []string{"billing", "delivery"} {
		if l.takeType(t) {
			c, _ := o["contexts"].(map[string]any)
			if c == nil {
				c = map[string]any{}
				o["contexts"] = c
			}
			c[t] = true
		}
	}
	if delete(o, "vCardParams"); len(l.params) > 0 {
		o["vCardParams"] = paramsOf(l)
	}
	if group != "" {
		b.places[group] = o
	}
	return true
}

// place gives an address what stands in a line of its own: LABEL of 2.1 and 3.0,
// GEO and TZ.
func (b *builder) place(l *line, value string) {
	field := map[string]string{"LABEL": "full", "GEO": "coordinates", "TZ": "timeZone"}[l.name]
	if l.name == "GEO" && !strings.HasPrefix(value, "geo:") {
		lat, long, ok := strings.Cut(l.value, ";")
		if !ok {
			b.keep(l)
			return
		}
		value = "geo:" + strings.TrimSpace(lat) + "," + strings.TrimSpace(long)
	}
	if l.name == "TZ" && !strings.Contains(value, "/") { // an offset is no zone
		b.keep(l)
		return
	}
	home, work := l.takeType("home"), l.takeType("work")
	all, _ := b.card["addresses"].(map[string]any)
	for _, id := range sorted(all) {
		a, _ := all[id].(map[string]any)
		c, _ := a["contexts"].(map[string]any)
		if a[field] == nil && a["components"] != nil && (l.name != "LABEL" || c["private"] != nil == home && c["work"] != nil == work) {
			a[field] = value
			return
		}
	}
	o := b.add("addresses", "ADR", l, map[string]any{"@type": "Address", field: value})
	if home || work {
		o["contexts"] = map[string]any{}
		if home {
			o["contexts"].(map[string]any)["private"] = true
		}
		if work {
			o["contexts"].(map[string]any)["work"] = true
		}
	}
}

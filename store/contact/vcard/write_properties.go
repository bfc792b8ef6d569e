package vcard

import (
	"fmt"
	"slices"
	"strings"
)

func (x *writer) kind(c map[string]any) {
	switch kind := take(c, "kind"); {
	case kind == "":
	case kind == "group" && !x.four:
		x.write("X-ADDRESSBOOKSERVER-KIND:group")
	case kind == "org" && !x.four:
		x.write("X-ABShowAs:COMPANY")
	default:
		x.write("KIND:" + escape(kind))
	}
	for _, uid := range sorted(takeMap(c, "members")) {
		if x.four {
			x.write("MEMBER:" + escape(uid))
		} else {
			x.write("X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:" + escape(uid))
		}
	}
}

// simple writes a map of objects that are one value: field, under a name that may
// depend on the kind.
func (x *writer) simple(c map[string]any, property, prefix, field string, uri bool, names map[string]string) {
	x.each(c, property, prefix, func(o map[string]any, l *out) string {
		name, ok := names[str(o["kind"])]
		if !ok {
			if name, ok = names[""]; !ok {
				return ""
			}
		} else {
			delete(o, "kind")
		}
		l.name = name
		if uri {
			l.param("MEDIATYPE", take(o, "mediaType"))
			return uriText(take(o, field))
		}
		return escape(take(o, field))
	})
}

// uriText is a URI as a value: its commas and semicolons are its own.
func uriText(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`).Replace(s)
}

func (x *writer) properties(c map[string]any) {
	x.simple(c, "nicknames", "NICKNAME", "name", false, map[string]string{"": "NICKNAME"})
	x.each(c, "organizations", "ORG", func(o map[string]any, l *out) string {
		l.name = "ORG"
		value := escape(take(o, "name"))
		units, _ := o["units"].([]any)
		plain := true
		for _, u := range units {
			m, _ := u.(map[string]any)
			plain = plain && m["sortAs"] == nil && strings.TrimSpace(str(m["name"])) != ""
			value += ";" + escape(str(m["name"]))
		}
		if plain {
			delete(o, "units")
		}
		l.param("SORT-AS", take(o, "sortAs"))
		return value
	})
	x.simple(c, "titles", "TITLE", "name", false, map[string]string{"": "TITLE", "title": "TITLE", "role": "ROLE"})
	x.each(c, "emails", "EMAIL", func(o map[string]any, l *out) string {
		l.name = "EMAIL"
		if !x.four {
			l.types = append(l.types, "INTERNET")
		}
		return escape(take(o, "address"))
	})
	x.each(c, "phones", "TEL", func(o map[string]any, l *out) string {
		l.name = "TEL"
		features := takeMap(o, "features")
		for _, f := range phoneFeatures[:8] { // the ninth is another word for the eighth
			if features[f[1]] != nil {
				l.types = append(l.types, f[0])
				delete(features, f[1])
			}
		}
		if len(features) > 0 {
			for _, t := range l.types {
				for _, f := range phoneFeatures[:8] {
					if f[0] == t {
						features[f[1]] = true
					}
				}
			}
			o["features"] = features
		}
		return escape(take(o, "number"))
	})
	x.each(c, "addresses", "ADR", x.address)
	x.each(c, "onlineServices", "OS", x.service)
	x.simple(c, "preferredLanguages", "LANG", "language", false, map[string]string{"": "LANG"})
	x.simple(c, "links", "URL", "uri", true, map[string]string{"": "URL", "contact": "CONTACT-URI"})
	x.simple(c, "calendars", "CAL", "uri", true, map[string]string{"calendar": "CALURI", "freeBusy": "FBURL"})
	x.simple(c, "schedulingAddresses", "SCHED", "uri", true, map[string]string{"": "CALADRURI"})
	x.simple(c, "directories", "DIR", "uri", true, map[string]string{"entry": "SOURCE", "directory": "ORG-DIRECTORY"})
	x.each(c, "media", "PHOTO", func(o map[string]any, l *out) string {
		kind := str(o["kind"])
		if l.name = strings.ToUpper(kind); !slices.Contains([]string{"photo", "logo", "sound"}, kind) || str(o["uri"]) == "" {
			return ""
		}
		delete(o, "kind")
		return x.resource(o, l)
	})
	x.each(c, "cryptoKeys", "KEY", func(o map[string]any, l *out) string {
		l.name = "KEY"
		return x.resource(o, l)
	})
	x.each(c, "notes", "NOTE", func(o map[string]any, l *out) string {
		l.name = "NOTE"
		author := takeMap(o, "author")
		l.param("AUTHOR-NAME", str(author["name"]))
		l.param("AUTHOR", str(author["uri"]))
		l.param("CREATED", take(o, "created"))
		return escape(take(o, "note"))
	})
	if words := sorted(takeMap(c, "keywords")); len(words) > 0 {
		for i := range words {
			words[i] = escape(words[i])
		}
		x.write("CATEGORIES:" + strings.Join(words, ","))
	}
	x.anniversaries(c)
	x.each(c, "personalInfo", "PERSONAL", func(o map[string]any, l *out) string {
		l.name = strings.ToUpper(str(o["kind"]))
		if !slices.Contains([]string{"EXPERTISE", "HOBBY", "INTEREST"}, l.name) {
			return ""
		}
		delete(o, "kind")
		level := take(o, "level")
		for word, as := range levels {
			if l.name == "EXPERTISE" && as == level {
				level = word
				break
			}
		}
		l.param("LEVEL", level)
		if n, ok := o["listAs"].(float64); ok {
			delete(o, "listAs")
			l.param("INDEX", fmt.Sprintf("%.0f", n))
		}
		return escape(take(o, "value"))
	})
	x.related(c)
	if s := takeMap(c, "speakToAs"); s != nil {
		if g := take(s, "grammaticalGender"); g != "" {
			x.write("GRAMGENDER:" + escape(g))
		}
		x.each(s, "pronouns", "PRONOUNS", func(o map[string]any, l *out) string {
			l.name = "PRONOUNS"
			return escape(take(o, "pronouns"))
		})
		x.rest("speakToAs/", s)
	}
}

func (x *writer) related(c map[string]any) {
	all := takeMap(c, "relatedTo")
	for _, key := range sorted(all) {
		o, _ := all[key].(map[string]any)
		l := &out{name: "RELATED"}
		l.types = sorted(takeMap(o, "relation"))
		if !strings.Contains(key, ":") {
			l.param("VALUE", "text")
		}
		x.line(l, escape(key))
		x.rest("relatedTo/"+pointer(key)+"/", o)
	}
}

func (x *writer) service(o map[string]any, l *out) string {
	service, uri, user := take(o, "service"), take(o, "uri"), take(o, "user")
	switch {
	case take(o, "vCardName") == "impp" && uri != "":
		l.name = "IMPP"
		l.param(map[bool]string{true: "SERVICE-TYPE", false: "X-SERVICE-TYPE"}[x.four], service)
		l.param("USERNAME", user)
		return uriText(uri)
	case x.four:
		l.name = "SOCIALPROFILE"
		l.param("SERVICE-TYPE", service)
	default:
		l.name = "X-SOCIALPROFILE"
		if token(service) && !slices.Contains([]string{"home", "work", "pref"}, strings.ToLower(service)) {
			l.types = append(l.types, service)
		} else {
			l.param("SERVICE-TYPE", service)
		}
	}
	if uri != "" {
		l.param("USERNAME", user)
		return uriText(uri)
	}
	l.param("VALUE", "text")
	return escape(user)
}

// resource writes a uri; what a data: URI holds stands in a vCard 3.0 as base64.
func (x *writer) resource(o map[string]any, l *out) string {
	uri, mediaType := take(o, "uri"), take(o, "mediaType")
	head, data, ok := strings.Cut(uri, ";base64,")
	said, isData := strings.CutPrefix(head, "data:")
	if x.four || !ok || !isData {
		if !isData || mediaType != said {
			l.param("MEDIATYPE", mediaType)
		}
		if !x.four {
			l.param("VALUE", "uri")
		}
		return uriText(uri)
	}
	if mediaType == "" {
		mediaType = said
	}
	family, sub, _ := strings.Cut(mediaType, "/")
	l.params = append(l.params, "ENCODING=b")
	if want := map[string]string{"PHOTO": "image", "LOGO": "image", "SOUND": "audio", "KEY": "application"}[l.name]; family == want && token(sub) {
		l.types = append(l.types, strings.ToUpper(sub))
	} else {
		l.param("MEDIATYPE", mediaType)
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return -1
		}
		return r
	}, data)
}

func (x *writer) anniversaries(c map[string]any) {
	once := map[string]bool{}
	x.each(c, "anniversaries", "ANNIVERSARY", func(o map[string]any, l *out) string {
		kind := str(o["kind"])
		names := map[string]string{"birth": "BDAY", "wedding": "ANNIVERSARY", "death": "DEATHDATE"}
		d, _ := o["date"].(map[string]any)
		value := dated(d, x.four)
		if l.name = names[kind]; l.name == "" || value == "" || once[kind] && kind != "wedding" || d["calendarScale"] != nil {
			return ""
		}
		once[kind] = true
		if !x.four && strings.HasPrefix(value, "--") && len(value) == 6 { // 3.0 has no date without a year; this is Apple's
			l.param("X-APPLE-OMIT-YEAR", "1604")
			value = "1604-" + value[2:4] + "-" + value[4:]
		}
		if kind == "wedding" && !x.four {
			l.name = "X-ABDATE"
			x.grouped(l, "X-ABLabel:_$!<Anniversary>!$_")
		}
		if place, _ := o["place"].(map[string]any); kind != "wedding" && place != nil {
			full, coordinates := str(place["full"]), str(place["coordinates"])
			n := len(place)
			if place["@type"] != nil {
				n--
			}
			name := map[string]string{"birth": "BIRTHPLACE", "death": "DEATHPLACE"}[kind]
			switch {
			case n == 1 && full != "" && !strings.HasPrefix(full, "geo:"):
				defer x.write(name + ":" + escape(full))
				delete(o, "place")
			case n == 1 && strings.HasPrefix(coordinates, "geo:"):
				defer x.write(name + ";VALUE=uri:" + uriText(coordinates))
				delete(o, "place")
			}
		}
		delete(o, "kind")
		delete(o, "date")
		return value
	})
}

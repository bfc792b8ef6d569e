package vcard

import (
	"slices"
	"strings"
)

// properties puts each property where RFC 9555 §2 has it. A function that says
// false has left its line as it was.
var properties map[string]func(b *builder, l *line) bool

func init() {
	properties = map[string]func(b *builder, l *line) bool{
		"FN": (*builder).fullName, "N": (*builder).name, "SORT-STRING": (*builder).sortString,
		"NICKNAME": (*builder).nicknames, "ORG": (*builder).organization,
		"TITLE": text("titles", "TITLE", "Title", "name", "kind", "title"), "ROLE": text("titles", "TITLE", "Title", "name", "kind", "role"),
		"EMAIL": (*builder).email, "TEL": (*builder).phone, "ADR": (*builder).address,
		"IMPP": (*builder).impp, "SOCIALPROFILE": (*builder).profile, "X-SOCIALPROFILE": (*builder).profile,
		"X-AIM": chat("AIM"), "X-JABBER": chat("Jabber"), "X-SKYPE": chat("Skype"), "X-SKYPE-USERNAME": chat("Skype"), "X-ICQ": chat("ICQ"),
		"X-MSN": chat("MSN"), "X-YAHOO": chat("Yahoo"), "X-GTALK": chat("Google Talk"), "X-GOOGLE-TALK": chat("Google Talk"), "X-QQ": chat("QQ"),
		"LANG": text("preferredLanguages", "LANG", "LanguagePref", "language", "", ""),
		"NOTE": (*builder).note, "CATEGORIES": (*builder).keywords,
		"URL": text("links", "URL", "Link", "uri", "", ""), "CONTACT-URI": text("links", "URL", "Link", "uri", "kind", "contact"),
		"CALURI": text("calendars", "CAL", "Calendar", "uri", "kind", "calendar"), "FBURL": text("calendars", "CAL", "Calendar", "uri", "kind", "freeBusy"),
		"CALADRURI": text("schedulingAddresses", "SCHED", "SchedulingAddress", "uri", "", ""),
		"SOURCE":    text("directories", "DIR", "Directory", "uri", "kind", "entry"), "ORG-DIRECTORY": text("directories", "DIR", "Directory", "uri", "kind", "directory"),
		"PHOTO": media("photo"), "LOGO": media("logo"), "SOUND": media("sound"), "KEY": (*builder).key,
		"BDAY": anniversary("birth"), "ANNIVERSARY": anniversary("wedding"), "X-ANNIVERSARY": anniversary("wedding"), "DEATHDATE": anniversary("death"), "X-ABDATE": (*builder).appleDate,
		"EXPERTISE": personal("expertise"), "HOBBY": personal("hobby"), "INTEREST": personal("interest"),
		"RELATED": (*builder).related, "GRAMGENDER": (*builder).gender, "PRONOUNS": (*builder).pronouns,
		"KIND": (*builder).kind, "X-ADDRESSBOOKSERVER-KIND": (*builder).kind, "MEMBER": (*builder).member, "X-ADDRESSBOOKSERVER-MEMBER": (*builder).member, "X-ABSHOWAS": (*builder).showAs,
		"UID": once("uid"), "PRODID": once("prodId"), "LANGUAGE": once("language"), "REV": at("updated"), "CREATED": at("created"),
	}
}

// text is a property that is one value and, maybe, a kind.
func text(property, prefix, kind, field, name, value string) func(*builder, *line) bool {
	return func(b *builder, l *line) bool {
		o := map[string]any{"@type": kind, field: unescape(l.value)}
		if name != "" {
			o[name] = value
		}
		if t := l.param("MEDIATYPE"); t != "" && field == "uri" {
			o["mediaType"] = l.take("MEDIATYPE")
		}
		b.add(property, prefix, l, o)
		return true
	}
}

func once(property string) func(*builder, *line) bool {
	return func(b *builder, l *line) bool {
		v := strings.TrimSpace(unescape(l.value))
		if _, twice := b.card[property]; twice || len(v) > 1024 {
			return false
		}
		b.card[property] = v
		return true
	}
}

func at(property string) func(*builder, *line) bool {
	return func(b *builder, l *line) bool {
		t := moment(l.value)
		if _, twice := b.card[property]; twice || t == "" {
			return false
		}
		b.card[property] = t
		return true
	}
}

func (b *builder) nicknames(l *line) bool {
	list := words(l.value, ',')
	for _, w := range list {
		one := *l
		one.params = clone(l.params)
		b.add("nicknames", "NICKNAME", &one, map[string]any{"@type": "Nickname", "name": w})
	}
	return true
}

func clone(m map[string][]string) map[string][]string {
	out := make(map[string][]string, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func (b *builder) organization(l *line) bool {
	parts := split(l.value, ';')
	o := map[string]any{"@type": "Organization"}
	if name := strings.TrimSpace(unescape(parts[0])); name != "" {
		o["name"] = name
	}
	var units []any
	for _, u := range parts[1:] {
		if u = strings.TrimSpace(unescape(u)); u != "" {
			units = append(units, map[string]any{"@type": "OrgUnit", "name": u})
		}
	}
	if len(units) > 0 {
		o["units"] = units
	}
	if len(o) == 1 {
		return true
	}
	if s := l.take("SORT-AS"); s != "" {
		o["sortAs"] = s
	}
	b.add("organizations", "ORG", l, o)
	return true
}

func (b *builder) email(l *line) bool {
	l.takeType("internet") // what else would it be
	b.add("emails", "EMAIL", l, map[string]any{"@type": "EmailAddress", "address": strings.TrimPrefix(strings.TrimSpace(unescape(l.value)), "mailto:")})
	return true
}

// phoneFeatures are the types of TEL and what JSContact calls them.
var phoneFeatures = [][2]string{{"voice", "voice"}, {"fax", "fax"}, {"cell", "mobile"}, {"pager", "pager"}, {"text", "text"}, {"textphone", "textphone"}, {"video", "video"}, {"main-number", "main-number"}, {"main", "main-number"}}

func (b *builder) phone(l *line) bool {
	n := strings.TrimSpace(unescape(l.value))
	if rest, ok := strings.CutPrefix(n, "tel:"); ok && strings.Trim(rest, "0123456789+-.()") == "" {
		n = rest
	}
	o := map[string]any{"@type": "Phone", "number": n}
	features := map[string]any{}
	for _, f := range phoneFeatures {
		if l.takeType(f[0]) {
			features[f[1]] = true
		}
	}
	if len(features) > 0 {
		o["features"] = features
	}
	b.add("phones", "TEL", l, o)
	return true
}

func (b *builder) service(l *line, o map[string]any) bool {
	for _, p := range []string{"SERVICE-TYPE", "X-SERVICE-TYPE"} {
		if v := l.take(p); v != "" && o["service"] == nil {
			o["service"] = v
		}
	}
	for _, p := range []string{"USERNAME", "X-USER"} {
		if v := l.take(p); v != "" && o["user"] == nil {
			o["user"] = v
		}
	}
	b.add("onlineServices", "OS", l, o)
	return true
}

func (b *builder) impp(l *line) bool {
	return b.service(l, map[string]any{"@type": "OnlineService", "uri": strings.TrimSpace(unescape(l.value)), "vCardName": "impp"})
}

func (b *builder) profile(l *line) bool {
	field, v := "uri", strings.TrimSpace(unescape(l.value))
	if strings.EqualFold(l.param("VALUE"), "text") || !strings.Contains(v, ":") {
		field = "user"
	}
	o := map[string]any{"@type": "OnlineService", field: v}
	if l.name == "X-SOCIALPROFILE" { // Apple's type is the service
		if t := l.params["TYPE"]; len(t) > 0 && !slices.ContainsFunc(t, func(s string) bool { return slices.Contains([]string{"home", "work", "pref"}, strings.ToLower(s)) }) {
			o["service"] = t[0]
			l.takeType(t[0])
		}
	}
	return b.service(l, o)
}

func chat(service string) func(*builder, *line) bool {
	return func(b *builder, l *line) bool {
		return b.service(l, map[string]any{"@type": "OnlineService", "service": service, "user": strings.TrimSpace(unescape(l.value))})
	}
}

func (b *builder) note(l *line) bool {
	o := map[string]any{"@type": "Note", "note": unescape(l.value)}
	author := map[string]any{"@type": "Author"}
	for _, p := range [][2]string{{"AUTHOR-NAME", "name"}, {"AUTHOR", "uri"}} {
		if v := l.take(p[0]); v != "" {
			author[p[1]] = v
		}
	}
	if len(author) > 1 {
		o["author"] = author
	}
	if t := moment(l.param("CREATED")); t != "" {
		l.take("CREATED")
		o["created"] = t
	}
	b.add("notes", "NOTE", l, o)
	return true
}

func (b *builder) keywords(l *line) bool {
	all, _ := b.card["keywords"].(map[string]any)
	if all == nil {
		all = map[string]any{}
	}
	for _, w := range words(l.value, ',') {
		all[w] = true
	}
	if len(all) > 0 {
		b.card["keywords"] = all
	}
	return true
}

func sorted(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { // EMAIL-2 before EMAIL-10
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return keys
}

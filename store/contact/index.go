package contact

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"colporteur/mail"
	"colporteur/store"
)

// index is what is searched in a card, folded.
type index struct {
	uid, kind                                                            string
	name, given, surname, surname2, nickname, organization, email, phone string
	service, address, note, members                                      string
	created, updated                                                     int64
	emails                                                               []Address
}

// indexOf reads a card that Check has passed.
func indexOf(card map[string]any) *index {
	x := &index{uid: store.Clean(text(card, "uid")), kind: store.Clean(text(card, "kind")), created: moment(card, "created"), updated: moment(card, "updated")}
	if x.kind == "" {
		x.kind = "individual" // RFC 9553 §2.1.4
	}
	name, _ := card["name"].(map[string]any)
	x.given, x.surname, x.surname2 = part(name, "given"), part(name, "surname"), part(name, "surname2")
	x.nickname = gather(card, "nicknames", "name")
	x.organization = gather(card, "organizations", "name") + units(card)
	x.email = gather(card, "emails", "address")
	x.phone = phones(card)
	x.service = gather(card, "onlineServices", "service", "user", "uri")
	x.address = addresses(card)
	x.note = gather(card, "notes", "note")
	x.name = fold(text(name, "full") + " " + components(name))
	members, _ := card["members"].(map[string]any)
	for uid := range members {
		x.members += "\n" + store.Clean(uid)
	}
	x.members += "\n"
	x.emails = emailsOf(card)
	return x
}

func fold(s string) string { return strings.TrimSpace(mail.Fold(store.Clean(s))) }

func text(o map[string]any, name string) string {
	s, _ := o[name].(string)
	return s
}

func moment(o map[string]any, name string) int64 {
	t, err := time.Parse(time.RFC3339, text(o, name))
	if err != nil {
		return 0
	}
	return store.Micros(t)
}

// each calls f for the objects of a map, by rising key.
func each(card map[string]any, name string, f func(o map[string]any)) {
	all, _ := card[name].(map[string]any)
	keys := make([]string, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if o, ok := all[key].(map[string]any); ok {
			f(o)
		}
	}
}

// gather is what fields of the objects of a map say.
func gather(card map[string]any, name string, fields ...string) string {
	var list []string
	each(card, name, func(o map[string]any) {
		for _, f := range fields {
			if s := text(o, f); s != "" {
				list = append(list, s)
			}
		}
	})
	return fold(strings.Join(list, " "))
}

func units(card map[string]any) (all string) {
	each(card, "organizations", func(o map[string]any) {
		list, _ := o["units"].([]any)
		for _, u := range list {
			u, _ := u.(map[string]any)
			all += " " + fold(text(u, "name"))
		}
	})
	return all
}

// phones has each number as written, and its digits alone: people put blanks and
// dots where they like.
func phones(card map[string]any) string {
	var list []string
	each(card, "phones", func(o map[string]any) {
		n := text(o, "number")
		list = append(list, n, strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r == '+' {
				return r
			}
			return -1
		}, n))
	})
	return fold(strings.Join(list, " "))
}

func addresses(card map[string]any) string {
	var list []string
	each(card, "addresses", func(o map[string]any) {
		list = append(list, text(o, "full"), components(o))
	})
	return fold(strings.Join(list, " "))
}

// components are the values of a name's or an address's.
func components(o map[string]any) string {
	list, _ := o["components"].([]any)
	var all []string
	for _, c := range list {
		c, _ := c.(map[string]any)
		if text(c, "kind") != "separator" {
			all = append(all, text(c, "value"))
		}
	}
	return strings.Join(all, " ")
}

// part is a name's components of one kind.
func part(name map[string]any, kind string) string {
	list, _ := name["components"].([]any)
	var all []string
	for _, c := range list {
		c, _ := c.(map[string]any)
		if text(c, "kind") == kind {
			all = append(all, text(c, "value"))
		}
	}
	return fold(strings.Join(all, " "))
}

// Title is what a card is called: by its name, or by what else it has.
func Title(card map[string]any) string {
	name, _ := card["name"].(map[string]any)
	if s := strings.TrimSpace(text(name, "full")); s != "" {
		return s
	}
	if s := strings.TrimSpace(components(name)); s != "" {
		return s
	}
	title := ""
	for _, p := range [][2]string{{"organizations", "name"}, {"nicknames", "name"}, {"emails", "address"}} {
		each(card, p[0], func(o map[string]any) {
			if title == "" {
				title = strings.TrimSpace(text(o, p[1]))
			}
		})
	}
	return title
}

// Address is somebody to write to.
type Address struct {
	Address mail.Address
	Name    string
}

// emailsOf are a card's, each once; what is no address cannot be written to.
func emailsOf(card map[string]any) (list []Address) {
	title := clip(store.Clean(Title(card)), 200)
	each(card, "emails", func(o map[string]any) {
		a, err := mail.ParseAddress(text(o, "address"))
		if err != nil || len(list) >= 100 || slices.ContainsFunc(list, func(h Address) bool { return h.Address.Key() == a.Key() }) {
			return
		}
		name := title
		if strings.EqualFold(name, a.String()) {
			name = ""
		}
		list = append(list, Address{a, name})
	})
	return list
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// Words are those of a text, folded: what a member types is compared with their
// beginnings.
func Words(s string) []string {
	return strings.FieldsFunc(fold(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// words are an address's, each after a blank.
func (a Address) words() string {
	return " " + strings.Join(Words(a.Name+" "+a.Address.String()), " ")
}

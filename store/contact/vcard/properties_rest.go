package vcard

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// resourceURI is where a picture, sound or key is: what it says, or a data: URI of
// what stands in the card.
func resourceURI(l *line, family string) (uri, mediaType string) {
	v := strings.TrimSpace(l.value)
	switch strings.ToLower(l.param("ENCODING")) {
	case "b", "base64":
		v = strings.Join(strings.Fields(v), "")
		raw, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			if raw, err = base64.RawStdEncoding.DecodeString(v); err != nil {
				return "", ""
			}
		}
		l.take("ENCODING")
		l.take("VALUE")
		mediaType = l.take("MEDIATYPE")
		for _, t := range l.params["TYPE"] {
			if mediaType != "" {
				break
			}
			switch lower := strings.ToLower(t); {
			case lower == "home" || lower == "work" || lower == "pref":
				continue
			case strings.Contains(lower, "/"):
				mediaType = lower
			case lower == "jpg":
				mediaType = family + "/jpeg"
			default:
				mediaType = family + "/" + lower
			}
			l.takeType(t)
		}
		if mediaType == "" {
			mediaType = "application/octet-stream"
			if family == "image" {
				mediaType = sniffed(raw)
			}
		}
		return "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(raw), mediaType
	}
	v = unescape(v)
	if !strings.Contains(v, ":") {
		return "", ""
	}
	mediaType = l.take("MEDIATYPE")
	if said, _, ok := strings.Cut(strings.TrimPrefix(v, "data:"), ";base64,"); ok && mediaType == "" && strings.HasPrefix(v, "data:") {
		mediaType = said
	}
	return v, mediaType
}

// sniffed is what a picture without a type is.
func sniffed(b []byte) string {
	switch s := string(b[:min(len(b), 12)]); {
	case strings.HasPrefix(s, "\x89PNG"):
		return "image/png"
	case strings.HasPrefix(s, "GIF8"):
		return "image/gif"
	case strings.HasPrefix(s, "RIFF") && strings.HasSuffix(s, "WEBP"):
		return "image/webp"
	}
	return "image/jpeg"
}

func media(kind string) func(*builder, *line) bool {
	family := "image"
	if kind == "sound" {
		family = "audio"
	}
	return func(b *builder, l *line) bool {
		uri, mediaType := resourceURI(l, family)
		if uri == "" {
			return false
		}
		o := map[string]any{"@type": "Media", "kind": kind, "uri": uri}
		if mediaType != "" {
			o["mediaType"] = mediaType
		}
		b.add("media", "PHOTO", l, o)
		return true
	}
}

func (b *builder) key(l *line) bool {
	uri, mediaType := resourceURI(l, "application")
	if uri == "" {
		return false
	}
	o := map[string]any{"@type": "CryptoKey", "uri": uri}
	if mediaType != "" {
		o["mediaType"] = mediaType
	}
	b.add("cryptoKeys", "KEY", l, o)
	return true
}

func anniversary(kind string) func(*builder, *line) bool {
	return func(b *builder, l *line) bool {
		omitted := l.param("X-APPLE-OMIT-YEAR")
		d := date(unescape(l.value), omitted)
		if d == nil {
			return false
		}
		if kind != "wedding" { // one is born once: the others are in other calendars
			all, _ := b.card["anniversaries"].(map[string]any)
			for _, a := range all {
				if a, _ := a.(map[string]any); a["kind"] == kind {
					return false
				}
			}
		}
		l.take("X-APPLE-OMIT-YEAR")
		b.add("anniversaries", "ANNIVERSARY", l, map[string]any{"@type": "Anniversary", "kind": kind, "date": d})
		return true
	}
}

// appleDate is a wedding day when its label says so.
func (b *builder) appleDate(l *line) bool {
	if !strings.EqualFold(b.labels[l.group], "Anniversary") {
		return false
	}
	delete(b.labels, l.group)
	return anniversary("wedding")(b, l)
}

// levels are those of expertise, and of hobbies and interests (RFC 6715).
var levels = map[string]string{"beginner": "low", "average": "medium", "expert": "high"}

func personal(kind string) func(*builder, *line) bool {
	return func(b *builder, l *line) bool {
		o := map[string]any{"@type": "PersonalInfo", "kind": kind, "value": unescape(l.value)}
		if v := strings.ToLower(l.take("LEVEL")); levels[v] != "" {
			o["level"] = levels[v]
		} else if v != "" {
			o["level"] = v
		}
		if n, err := strconv.Atoi(l.param("INDEX")); err == nil && n > 0 {
			l.take("INDEX")
			o["listAs"] = float64(n)
		}
		b.add("personalInfo", "PERSONAL", l, o)
		return true
	}
}

func (b *builder) related(l *line) bool {
	all, _ := b.card["relatedTo"].(map[string]any)
	if all == nil {
		all = map[string]any{}
		b.card["relatedTo"] = all
	}
	relation := map[string]any{}
	for _, t := range l.params["TYPE"] {
		relation[strings.ToLower(t)] = true
	}
	o := map[string]any{"@type": "Relation"}
	if len(relation) > 0 {
		o["relation"] = relation
	}
	all[unescape(l.value)] = o
	return true
}

func (b *builder) speakTo() map[string]any {
	o, _ := b.card["speakToAs"].(map[string]any)
	if o == nil {
		o = map[string]any{"@type": "SpeakToAs"}
		b.card["speakToAs"] = o
	}
	return o
}

func (b *builder) gender(l *line) bool {
	o := b.speakTo()
	if o["grammaticalGender"] != nil {
		return false
	}
	o["grammaticalGender"] = strings.ToLower(unescape(l.value))
	return true
}

func (b *builder) pronouns(l *line) bool {
	o := b.speakTo()
	all, _ := o["pronouns"].(map[string]any)
	if all == nil {
		all = map[string]any{}
		o["pronouns"] = all
	}
	id := l.take("PROP-ID")
	for n := len(all) + 1; !validID(id) || all[id] != nil; n++ {
		id = "PRONOUNS-" + strconv.Itoa(n)
	}
	all[id] = b.beside(l, map[string]any{"@type": "Pronouns", "pronouns": unescape(l.value)})
	return true
}

func (b *builder) kind(l *line) bool {
	if b.card["kind"] != nil {
		return false
	}
	b.card["kind"] = strings.ToLower(strings.TrimSpace(unescape(l.value)))
	return true
}

func (b *builder) member(l *line) bool {
	all, _ := b.card["members"].(map[string]any)
	if all == nil {
		all = map[string]any{}
		b.card["members"] = all
	}
	uid := strings.TrimSpace(unescape(l.value))
	if l.name == "X-ADDRESSBOOKSERVER-MEMBER" { // Apple's UIDs are without what its members have
		uid = strings.TrimPrefix(uid, "urn:uuid:")
	}
	all[uid] = true
	return true
}

func (b *builder) showAs(l *line) bool {
	if !strings.EqualFold(strings.TrimSpace(l.value), "COMPANY") || b.card["kind"] != nil {
		return false
	}
	b.card["kind"] = "org"
	return true
}

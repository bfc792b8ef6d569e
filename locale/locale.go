// Package locale holds every sentence a person reads, in French and English.
//
// Sentences live in catalog/AREA.fr.toml and catalog/AREA.en.toml, one pair for
// each part of the house, as go-i18n messages: `id = "Text with {{.Name}}"`, or
// a table with `one` and `other` chosen by the argument Count. Ids are unique
// over all areas and begin with their area's name, except the refusals
// ("bad-address", …), which live in area "refusal", and "kind-…", one for each
// mail.Kind. A test holds both languages to the same ids and arguments.
package locale

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"colporteur/mail"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed catalog/*.toml
var catalogs embed.FS

// Langs are the languages, the default first.
var Langs = []string{"fr", "en"}

var bundle = load()

func load() *i18n.Bundle {
	b := i18n.NewBundle(language.French)
	b.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	names, err := fs.Glob(catalogs, "catalog/*.toml")
	if err != nil {
		panic(err)
	}
	for _, n := range names {
		if _, err := b.LoadMessageFileFS(catalogs, n); err != nil {
			panic(fmt.Errorf("catalog %s: %w", n, err))
		}
	}
	return b
}

var localizers = map[string]*i18n.Localizer{
	"fr": i18n.NewLocalizer(bundle, "fr"),
	"en": i18n.NewLocalizer(bundle, "en"),
}

// Printer writes in one language.
type Printer struct{ Lang string }

// For returns the printer of lang; anything but "en" is French.
func For(lang string) Printer {
	if strings.HasPrefix(strings.ToLower(lang), "en") {
		return Printer{"en"}
	}
	return Printer{"fr"}
}

// Match chooses from an Accept-Language header or a Content-Language.
func Match(accept string) Printer {
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err == nil {
		for _, t := range tags {
			base, _ := t.Base()
			switch base.String() {
			case "fr", "en":
				return Printer{base.String()}
			}
		}
		if len(tags) > 0 {
			return Printer{"en"} // somebody who reads neither is likelier to read English
		}
	}
	return Printer{"fr"}
}

// T is the sentence id; args are alternating names and values. Count chooses
// the plural. A missing id is shown as itself: a test finds those.
func (p Printer) T(id string, args ...any) string {
	return p.Text(mail.MakeText(id, args...))
}

// Text is the sentence a mail.Text names.
func (p Printer) Text(t mail.Text) string {
	cfg := &i18n.LocalizeConfig{MessageID: t.ID, TemplateData: t.Args}
	if n, ok := t.Args["Count"]; ok {
		cfg.PluralCount = n
	}
	s, err := localizers[p.Lang].Localize(cfg)
	if err != nil {
		return t.ID
	}
	if p.Lang == "fr" {
		s = unbroken.Replace(s)
	}
	return s
}

// unbroken keeps French punctuation on the line of the word it belongs to, so
// that catalogs can be written with ordinary spaces.
var unbroken = strings.NewReplacer(" :", "\u00a0:", " ;", "\u00a0;", " ?", "\u00a0?", " !", "\u00a0!", " »", "\u00a0»", "« ", "«\u00a0")

// Size is a number of bytes as people write it: "312 Mo", "1.4 GB" (powers of 1000).
func (p Printer) Size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	if p.Lang == "fr" {
		units = []string{"octets", "ko", "Mo", "Go", "To"}
		if n < 2 {
			units[0] = "octet" // in French none and one are singular
		}
	}
	f, i := float64(n), 0
	for f >= 999.5 && i < len(units)-1 {
		f /= 1000
		i++
	}
	s := fmt.Sprintf("%.0f", f)
	if i > 0 && f < 9.95 {
		s = strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0")
	}
	if p.Lang == "fr" {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s + "\u00a0" + units[i]
}

var (
	frDays   = [...]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}
	frMonths = [...]string{"", "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
)

// Date is a day as people write it: "samedi 28 novembre 2026", "Saturday 28 November 2026".
func (p Printer) Date(t time.Time) string {
	if p.Lang == "en" {
		return t.Format("Monday 2 January 2006")
	}
	day := fmt.Sprint(t.Day())
	if day == "1" {
		day = "1er"
	}
	return fmt.Sprintf("%s %s %s %d", frDays[t.Weekday()], day, frMonths[t.Month()], t.Year())
}

// Month is a month as people write it: "novembre 2026", "November 2026".
func (p Printer) Month(t time.Time) string {
	if p.Lang == "en" {
		return t.Format("January 2006")
	}
	return fmt.Sprintf("%s %d", frMonths[t.Month()], t.Year())
}

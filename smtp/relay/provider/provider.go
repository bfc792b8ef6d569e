// Package provider knows what the big providers mean by their refusals.
//
// A reply such as "550 5.7.1 S3150" says little to a person and nothing to a
// program. providers.toml says what it is: whether it is about our address, our
// domain, the mail or its recipient, whether it passes by itself, and where the
// admin may ask to be let in again. New ones are added there.
//
// # Strangers' words
//
// A reply is whatever the other side likes to write. The first 2 KB of it are
// looked at, without quotes and addresses, where words of the mail itself could
// stand. Nothing of it goes into a Diagnosis: names, sentences and links are all
// from the file.
package provider

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/BurntSushi/toml"
)

// Diagnosis is what a refusal means.
type Diagnosis struct {
	Provider string // as people call it; "" when anybody may say such a thing
	// Meaning and Advice are ids of package locale: for the sender, with the
	// arguments Address, Domain (the recipient's), Provider and Form, and for the
	// admin, see Letter. Advice is "" when there is nothing for them to do.
	Meaning string
	Advice  string
	// Scope is what it is about: "ip" (our address, whoever writes), "domain"
	// (ours), "auth" (SPF, DKIM or DMARC of ours), "sender", "recipient",
	// "content", "rate", "greylist", "full" or "tls".
	Scope     string
	Wait      time.Duration // until another attempt is worth while; 0 is not known
	Temporary bool          // it passes by itself, though its code may say for good
	Form      string        // where to ask to be let in again: https: or mailto:
}

//go:embed providers.toml
var file string

// house is a provider of the file.
type house struct {
	Name  string
	Hosts []string
	Form  string
	Lang  string // of whoever reads the form; "" is English
}

// entry is a refusal of the file.
type entry struct {
	By, Name  string
	Class     int
	Enhanced  []string
	Has       []string
	Text      string
	Scope     string
	Meaning   string
	Advice    string
	Wait      time.Duration
	Temporary bool
	Form      string

	house *house // nil: anybody's
	words *regexp.Regexp
	codes []span
}

// span are enhanced codes without their class.
type span struct{ subject, detail [2]int }

type book struct {
	Provider map[string]*house
	Refusal  []*entry
}

// known is the file, read when it is first needed. A mistake in it is found by
// the tests.
var known = sync.OnceValue(func() *book {
	b, err := read(file)
	if err != nil {
		panic(err)
	}
	return b
})

func read(s string) (*book, error) {
	b := &book{}
	meta, err := toml.Decode(s, b)
	if err != nil {
		return nil, fmt.Errorf("providers: %w", err)
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return nil, fmt.Errorf("providers: %s is not known", extra[0])
	}
	for i, e := range b.Refusal {
		if err := e.prepare(b); err != nil {
			return nil, fmt.Errorf("refusal %d (%s, %q): %w", i+1, e.By, e.Has, err)
		}
	}
	return b, nil
}

func (e *entry) prepare(b *book) (err error) {
	if e.By != "" {
		if e.house = b.Provider[e.By]; e.house == nil {
			return fmt.Errorf("there is no provider %s", e.By)
		}
	}
	if len(e.Has) == 0 && len(e.Enhanced) == 0 {
		return fmt.Errorf("it fits everything")
	}
	if e.Text != "" {
		if e.words, err = regexp.Compile(e.Text); err != nil {
			return err
		}
	}
	for _, s := range e.Enhanced {
		c, err := parseSpan(s)
		if err != nil {
			return err
		}
		e.codes = append(e.codes, c)
	}
	return nil
}

// parseSpan reads "7.26", "7.606-649", "0-5.*".
func parseSpan(s string) (out span, err error) {
	subject, detail, ok := strings.Cut(s, ".")
	if !ok {
		return out, fmt.Errorf("%q is no enhanced code without its class", s)
	}
	if out.subject, err = parseRange(subject); err == nil {
		out.detail, err = parseRange(detail)
	}
	return out, err
}

func parseRange(s string) (r [2]int, err error) {
	if s == "*" {
		return [2]int{0, 999}, nil
	}
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		to = from
	}
	if r[0], err = strconv.Atoi(from); err == nil {
		r[1], err = strconv.Atoi(to)
	}
	return r, err
}

// Recognise says what a reply means. host is the name of the server that said
// it, code its SMTP code, enhanced its enhanced code or a general one ("5.0.0"),
// text its words.
func Recognise(host string, code int, enhanced, text string) (Diagnosis, bool) {
	e, words := find(host, code, enhanced, text)
	if e == nil {
		return Diagnosis{}, false
	}
	d := Diagnosis{Provider: e.Name, Meaning: e.Meaning, Advice: e.Advice, Scope: e.Scope, Wait: e.Wait, Form: e.Form, Temporary: e.Temporary || code/100 == 4}
	if e.house != nil {
		d.Provider = e.house.Name
		// A form is where one asks; who has nothing to ask for needs none.
		if d.Form == "" && (e.Scope == "ip" || e.Scope == "domain" || e.Scope == "rate" && e.Advice == "provider-advice-form") {
			d.Form = e.house.Form
		}
	}
	if said := waitSaid(words); said > 0 && (e.Scope == "greylist" || e.Scope == "rate") {
		d.Wait = said
	}
	return d, true
}

func find(host string, code int, enhanced, text string) (*entry, string) {
	if code < 400 || code > 599 {
		return nil, ""
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	subject, detail := split(enhanced)
	words := plain(text)
	for _, e := range known().Refusal {
		if e.Class != 0 && e.Class != code/100 || e.house != nil && !e.house.has(host) {
			continue
		}
		if e.fits(subject, detail, words) {
			return e, words
		}
	}
	return nil, words
}

func (h *house) has(host string) bool {
	for _, s := range h.Hosts {
		if host == s || strings.HasSuffix(host, s) && host[len(host)-len(s)-1] == '.' {
			return true
		}
	}
	return false
}

func (e *entry) fits(subject, detail int, words string) bool {
	return e.fitsCode(subject, detail) && e.hasWords(words) && (e.words == nil || e.words.MatchString(words))
}

func (e *entry) fitsCode(subject, detail int) bool {
	for _, c := range e.codes {
		if subject >= c.subject[0] && subject <= c.subject[1] && detail >= c.detail[0] && detail <= c.detail[1] {
			return true
		}
	}
	return len(e.codes) == 0
}

func (e *entry) hasWords(words string) bool {
	for _, h := range e.Has {
		if strings.Contains(words, h) {
			return true
		}
	}
	return len(e.Has) == 0
}

// split are the numbers of an enhanced code after its class; 0.0 when it is none.
func split(enhanced string) (subject, detail int) {
	if !isEnhanced(enhanced) {
		return 0, 0
	}
	parts := strings.Split(enhanced, ".")
	subject, _ = strconv.Atoi(parts[1])
	detail, _ = strconv.Atoi(parts[2])
	return subject, detail
}

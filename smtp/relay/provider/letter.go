package provider

import (
	"strings"

	"colporteur/mail"
)

// Case is one refusal that the admin is told about.
type Case struct {
	Server string // of theirs, that refused
	Reply  string // its words, on one line
	Host   string // our name
	IP     string // the address that we send from, several with commas; "" is not known
	Domain string // of ours, whose mail was refused; "" is not known
}

// Letter is the one mail that the admin gets about a refusal: what happened,
// what to do first, and what to write where. All its paragraphs but the first
// and the last depend on d. It is called for what has an Advice.
func Letter(d Diagnosis, c Case) (subject mail.Text, paragraphs []mail.Text) {
	who := d.Provider
	if who == "" {
		who = c.Server
	}
	args := []any{"Provider", who, "Server", c.Server, "Reply", c.Reply, "Host", c.Host, "IP", c.IP, "Domain", c.Domain, "Form", strings.TrimPrefix(d.Form, "mailto:")}
	say := func(id string) { paragraphs = append(paragraphs, mail.MakeText(id, args...)) }
	say("provider-letter-what")
	if d.Advice != "" {
		say(d.Advice)
	}
	if d.Form != "" {
		if strings.HasPrefix(d.Form, "mailto:") {
			say("provider-letter-address")
		} else {
			say("provider-letter-form")
		}
		// The words to send are in the language of whoever reads them.
		if lang(d.Provider) == "fr" {
			say("provider-letter-french")
		} else {
			say("provider-letter-english")
		}
	}
	if d.Temporary {
		say("provider-letter-waits")
	} else {
		say("provider-letter-returned")
	}
	return mail.MakeText("provider-letter-subject", args...), paragraphs
}

// lang is the language in which a provider is written to.
func lang(name string) string {
	for _, h := range known().Provider {
		if h.Name == name && h.Lang != "" {
			return h.Lang
		}
	}
	return "en"
}

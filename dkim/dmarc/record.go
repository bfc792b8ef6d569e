package dmarc

import (
	"errors"
	"net/url"
	"strings"

	"colporteur/mail"
)

// Record is what a DMARC policy record says (RFC 9989 §4.7).
type Record struct {
	P      mail.Demand // none when not said
	SP, NP mail.Demand // "" when not said
	// Testing is t=y; RFC 7489 wrote it pct=0.
	Testing               bool
	PSD                   byte // 'y', 'n' or 'u'
	StrictSPF, StrictDKIM bool
	Reports               []string // rua: addresses, without mailto:
	// Broken is why the record must not be applied, "" when it may (§4.10.1).
	Broken string
}

// below is the demand for existing names below the record's.
func (r *Record) below() mail.Demand {
	if r.SP != "" {
		return r.SP
	}
	return r.P
}

const (
	maxRecord  = 4096 // octets; what is longer is cut off after a tag
	maxReports = 20
)

var errNoRecord = errors.New("not a DMARC record")

// Parse reads a record. An error means that it is none, because it does not
// begin with v=DMARC1; errors behind that are read over (§4.7), save those in
// the demands: with an address for reports the record counts as p=none, without
// one it is Broken. Tags of RFC 7489 that are gone (rf, ri, pct but for pct=0)
// are unknown ones, and so are those of later days.
func Parse(txt string) (*Record, error) {
	txt = cut(txt)
	first, rest, _ := strings.Cut(txt, ";")
	name, value, _ := tag(first)
	if name != "v" || value != "DMARC1" || first[0]|0x20 != 'v' {
		return nil, errNoRecord
	}
	r := &Record{PSD: 'u'}
	seen := map[string]bool{}
	uri, zero, tested := false, false, false
	for part := range strings.SplitSeq(rest, ";") {
		name, value, ok := tag(part)
		if !ok || seen[name] { // the first of several counts, as everywhere in DNS practice
			continue
		}
		seen[name] = true
		word := strings.ToLower(value)
		switch name {
		case "p":
			r.demand(&r.P, name, word)
		case "sp":
			r.demand(&r.SP, name, word)
		case "np":
			r.demand(&r.NP, name, word)
		case "t":
			tested = word == "y" || word == "n"
			r.Testing = word == "y"
		case "pct":
			zero = word == "0"
		case "psd":
			if word == "y" || word == "n" {
				r.PSD = word[0]
			}
		case "adkim":
			r.StrictDKIM = word == "s"
		case "aspf":
			r.StrictSPF = word == "s"
		case "rua":
			r.Reports, uri = addresses(value)
		}
	}
	r.Testing = r.Testing || zero && !tested
	if r.Broken != "" && uri {
		r.P, r.SP, r.NP, r.Broken = mail.DemandNone, "", "", ""
	}
	if r.P == "" {
		r.P = mail.DemandNone
	}
	return r, nil
}

func (r *Record) demand(to *mail.Demand, name, word string) {
	switch d := mail.Demand(word); d {
	case mail.DemandNone, mail.DemandQuarantine, mail.DemandReject:
		*to = d
	default:
		r.Broken = "the record's " + name + "= cannot be read"
	}
}

// cut bounds a record, behind a whole tag if there is one.
func cut(txt string) string {
	if len(txt) <= maxRecord {
		return txt
	}
	txt = txt[:maxRecord]
	return txt[:strings.LastIndexByte(txt, ';')+1]
}

// tag reads name=value (§4.8). Names are compared without regard to case, as
// ABNF's strings are; values are printable ASCII.
func tag(s string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(s, "=")
	if !ok {
		return "", "", false
	}
	name, value = strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
	for i := 0; i < len(value); i++ {
		if value[i] < ' ' || value[i] > '~' {
			return "", "", false
		}
	}
	return name, value, name != ""
}

// addresses reads a list of URIs, and says whether any of them is one. Only
// mailto: ones are of use to us. RFC 7489 let "!10m" follow, for the size that is
// welcome.
func addresses(list string) (out []string, uri bool) {
	for s := range strings.SplitSeq(list, ",") {
		s, _, _ = strings.Cut(strings.Trim(s, " \t"), "!")
		u, err := url.Parse(s)
		if err != nil || u.Scheme == "" || u.Opaque == "" && u.Host == "" {
			continue
		}
		if u.Scheme != "mailto" { // url.Parse has made it lower case
			uri = true
			continue
		}
		to, err := url.PathUnescape(u.Opaque)
		if err != nil {
			continue
		}
		a, err := mail.ParseAddress(to)
		if err != nil || a.Domain == "" {
			continue
		}
		uri = true
		if len(out) < maxReports {
			out = append(out, a.String())
		}
	}
	return out, uri
}

// Package records knows everything that a mail domain should have in the DNS:
// as lines to publish, compared with what the DNS says, and put right where we
// may write.
//
// Comparing goes by meaning, not by letters: an SPF record that lets us send is
// good however it is written, and one that says exactly what we would say is
// wrong when there is a second one beside it.
//
// # What is left out
//
// SRV records for services that are not served yet (CalDAV, CardDAV): a record
// that leads to nothing makes programs wait. Nor are there records that say "not here" (a target of "." by RFC 6186
// §3.4) for POP: no program in use asks.
package records

import (
	"colporteur/dkim/keyring"
	"colporteur/dkim/records/zonefile"
	"colporteur/mail"
)

// Need is how much depends on a record.
type Need string

const (
	Required    Need = "required"    // without it mail is not taken, by us or by others
	Recommended Need = "recommended" // without it mail is less believed, or less safe
	Optional    Need = "optional"    // a convenience
)

// Kind is what a record is for, which decides how it is compared.
type Kind string

const (
	MX      Kind = "mx"
	Address Kind = "address"
	SPF     Kind = "spf"
	HostSPF Kind = "spf-host"
	DKIM    Kind = "dkim"
	DMARC   Kind = "dmarc"
	STS     Kind = "sts"
	STSHost Kind = "sts-host"
	Setup   Kind = "setup-host"
	TLSRPT  Kind = "tlsrpt"
	TLSA    Kind = "tlsa"
	CAA     Kind = "caa"
	Service Kind = "service"
	Reverse Kind = "ptr"
)

// Record is one set of records of a name and type, as it should be.
type Record struct {
	Kind Kind
	Name string // lower case, no final dot; "" for a reverse name that is not known
	Type string // "MX", "TXT", …
	// Values are as a zone file has them, texts without quotes. None: what
	// belongs here is not known (an address), or nothing does (an old key).
	Values  []string
	Also    []string `json:",omitempty"` // other values that would serve as well
	Purpose mail.Text
	Need    Need

	Domain string         // the mail domain, or the host, that it is for
	Host   string         // the server that it leads to
	Key    *keyring.Entry `json:",omitempty"` // of DKIM
}

// Lines are what to write into the zone file; none when that is not known.
func (r Record) Lines() []string {
	var out []string
	for _, v := range r.Values {
		if r.Type == "TXT" {
			v = zonefile.Quote(v)
		}
		out = append(out, zonefile.Line(r.Name, r.Type, v))
	}
	return out
}

package records

import (
	"fmt"
	"net/netip"

	mdns "github.com/miekg/dns"

	"colporteur/dkim/keyring"
	"colporteur/mail"
)

// Host is a server that takes mail for domains.
type Host struct {
	Name      string
	Addresses []netip.Addr // public ones, as far as known
	// TLSA are all values that its certificate fits, the one to publish first.
	TLSA []string
	// NewKeys says that each certificate comes with a new key: then TLSA records
	// would be wrong at its first renewal, and are not asked for.
	NewKeys bool
	// CA is the issuer in CAA's words ("letsencrypt.org"); "" when nobody's.
	CA       string
	Services []Port
	// Site says that HTTPS is answered at port 443, which is the one that mail
	// programs ask how to set themselves up.
	Site bool
	// Mail says that Name is a mail domain too: then its SPF record is the domain's.
	Mail bool
}

// Port is a service that is found by SRV.
type Port struct {
	Service string // "_imaps._tcp"
	Port    uint16
	// Priority among services that do the same: the lower, the sooner (RFC 6186 §3.3).
	Priority uint16
}

// Domain is a mail domain on a host.
type Domain struct {
	Name string
	Host Host
	Keys []keyring.Entry
	// STS is the mode of its MTA-STS policy, "testing" or "enforce"; "" when
	// none is served.
	STS string
}

// Addresses of a mail domain that take reports.
const (
	DMARCReports = "dmarc-reports"
	TLSReports   = "tls-reports"
)

// Wanted is all that d should publish, its host's own records first.
func Wanted(d Domain) []Record {
	d.Host.Mail = d.Host.Mail || trim(d.Name) == trim(d.Host.Name)
	return append(OfHost(d.Host), OfDomain(d)...)
}

func purpose(id string, args ...any) mail.Text { return mail.MakeText("records-for-"+id, args...) }

// OfHost is what stands at the server's own name.
func OfHost(h Host) []Record {
	h.Name = trim(h.Name)
	var out []Record
	add := func(k Kind, name, kind string, need Need, why mail.Text, values ...string) {
		out = append(out, Record{Kind: k, Name: name, Type: kind, Values: values, Purpose: why, Need: need, Domain: h.Name, Host: h.Name})
	}
	var four, six []string
	for _, a := range h.Addresses {
		if a = a.Unmap(); a.Is4() {
			four = append(four, a.String())
		} else {
			six = append(six, a.WithZone("").String())
		}
	}
	add(Address, h.Name, "A", Required, purpose("address"), four...)
	if len(six) > 0 {
		add(Address, h.Name, "AAAA", Recommended, purpose("address6"), six...)
	}
	if !h.Mail {
		// The name that we give in EHLO, and bounces have nothing else (RFC 7208
		// §2.3). Nobody forwards those, so the end can be hard.
		add(HostSPF, h.Name, "TXT", Recommended, purpose("spf-host", "Host", h.Name), "v=spf1 a -all")
	}
	for _, a := range h.Addresses {
		out = append(out, reverse(h.Name, a))
	}
	// And for each address that the DNS will know besides.
	add(Reverse, "", "PTR", Required, purpose("ptr", "Host", h.Name), h.Name+".")
	out[len(out)-1].Also = append(four, six...)
	if len(h.TLSA) > 0 {
		add(TLSA, "_25._tcp."+h.Name, "TLSA", Optional, purpose("tlsa"))
		if r := &out[len(out)-1]; h.NewKeys {
			r.Also = h.TLSA
		} else {
			r.Values, r.Also = h.TLSA[:1], h.TLSA[1:]
		}
	}
	if h.CA != "" {
		add(CAA, h.Name, "CAA", Optional, purpose("caa", "CA", h.CA), fmt.Sprintf("0 issue %q", h.CA))
	}
	return out
}

// reverse is the record of an address, which whoever gave it to us publishes.
func reverse(host string, a netip.Addr) Record {
	name, _ := mdns.ReverseAddr(a.Unmap().WithZone("").String())
	return Record{Kind: Reverse, Name: trim(name), Type: "PTR", Values: []string{host + "."}, Domain: host, Host: host,
		Purpose: mail.MakeText("records-for-ptr-of", "Host", host, "Address", a.String()), Need: Required}
}

// OfDomain is what stands at the mail domain's name and below.
func OfDomain(d Domain) []Record {
	d.Name, d.Host.Name = trim(d.Name), trim(d.Host.Name)
	var out []Record
	add := func(k Kind, name, kind string, need Need, why mail.Text, values ...string) {
		out = append(out, Record{Kind: k, Name: name, Type: kind, Values: values, Purpose: why, Need: need, Domain: d.Name, Host: d.Host.Name})
	}
	add(MX, d.Name, "MX", Required, purpose("mx", "Domain", d.Name), "10 "+d.Host.Name+".")
	// ~all, not -all: some servers refuse at MAIL FROM what ends in -all, so mail
	// that another server forwards for our members' friends would be lost although
	// its DKIM signature proves it (RFC 7489 §10.1). What to do with forgeries is
	// for DMARC to say.
	add(SPF, d.Name, "TXT", Required, purpose("spf", "Domain", d.Name), "v=spf1 mx ~all")
	for _, k := range d.Keys {
		out = append(out, ofKey(d, k))
	}
	add(DMARC, "_dmarc."+d.Name, "TXT", Recommended, purpose("dmarc", "Domain", d.Name),
		"v=DMARC1; p=none; rua=mailto:"+DMARCReports+"@"+d.Name)
	if d.STS != "" {
		_, id := STSPolicy([]string{d.Host.Name}, d.STS)
		add(STS, "_mta-sts."+d.Name, "TXT", Recommended, purpose("sts", "Domain", d.Name), "v=STSv1; id="+id)
		add(STSHost, "mta-sts."+d.Name, "CNAME", Recommended, purpose("sts-host"), d.Host.Name+".")
	}
	add(TLSRPT, "_smtp._tls."+d.Name, "TXT", Recommended, purpose("tlsrpt"), "v=TLSRPTv1; rua=mailto:"+TLSReports+"@"+d.Name)
	for _, s := range d.Host.Services {
		add(Service, s.Service+"."+d.Name, "SRV", Optional, purpose("service"),
			fmt.Sprintf("%d 1 %d %s.", s.Priority, s.Port, d.Host.Name))
	}
	if d.Host.Site {
		for _, label := range SetupLabels {
			add(Setup, label+"."+d.Name, "CNAME", Optional, purpose("setup-host"), d.Host.Name+".")
		}
	}
	return out
}

// SetupLabels are the names at a mail domain where Thunderbird (the first) and
// Outlook look before they ask a person for the names of servers.
var SetupLabels = []string{"autoconfig", "autodiscover"}

func ofKey(d Domain, k keyring.Entry) Record {
	r := Record{Kind: DKIM, Name: k.Name(), Type: "TXT", Domain: d.Name, Host: d.Host.Name, Need: Required, Key: &k}
	if v := k.Wanted(); v != "" {
		r.Values = []string{v}
	}
	id := "dkim"
	switch k.State {
	case keyring.Made, keyring.Published:
		id = "dkim-next"
		if !signs(d.Keys, k.Algorithm) {
			id = "dkim"
		} else {
			r.Need = Recommended // the key before it goes on until then
		}
	case keyring.Retired:
		id, r.Need = "dkim-old", Recommended
	case keyring.Revoked:
		id, r.Need = "dkim-revoked", Optional
	case keyring.Gone:
		id, r.Need = "dkim-gone", Optional
	}
	r.Purpose = purpose(id, "Domain", d.Name)
	if k.Algorithm == keyring.Ed25519 && r.Need == Required {
		r.Need = Recommended // who knows only this one is not born yet
	}
	return r
}

func signs(keys []keyring.Entry, algorithm string) bool {
	for _, k := range keys {
		if k.Algorithm == algorithm && k.State == keyring.Active {
			return true
		}
	}
	return false
}

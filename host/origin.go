package host

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"colporteur/config"
	"colporteur/dkim/keyring"
	"colporteur/dkim/records"
	"colporteur/dkim/records/rfc2136"
)

// wireOrigin makes what proves where our mail comes from.
func (h *Host) wireOrigin() {
	h.Keys = &keyring.Ring{DB: h.DB, Key: subkey(h.opt.Key, "dkim"), DNS: h.opt.DNS, Domains: h.Accounts.Domains,
		Notify: h.tellAdmin, Now: h.opt.Now, Log: h.opt.Log}
	if u := h.Config.DNS.Update; u.Server != "" {
		h.Records = &records.Publisher{Zone: u.Zone, Log: h.opt.Log, Provider: &rfc2136.Provider{
			Server: u.Server, KeyName: u.KeyName, Algorithm: u.Algorithm, Secret: rfc2136.SecretFile(u.Secret)}}
		h.Keys.Publisher = h.Records
	}
}

// STSMode is how we ask that our domains' mail be protected (RFC 8461 §3.2), ""
// when nobody could read the policy. With tls.mode "acme" it is enforced: the
// policy can only be read where the authority's certificate for it has come,
// and then the one for the server has too. Other people's certificates may
// lapse, so there it only asks to be told.
func (h *Host) STSMode() string {
	c := h.Config
	switch {
	case c.Profile == config.Dev || len(c.Web.Listen) == 0 || c.TLS.Mode == config.SelfSigned:
		return ""
	case c.TLS.Mode == config.ACME:
		return "enforce"
	}
	return "testing"
}

// STS is the policy of a domain of ours, for the web.
func (h *Host) STS(ctx context.Context, domain string) (body string, ok bool) {
	mode := h.STSMode()
	if mode == "" {
		return "", false
	}
	domains, err := h.Accounts.Domains(ctx)
	if err != nil || !slices.Contains(domains, domain) {
		return "", false
	}
	body, _ = records.STSPolicy([]string{h.Config.Hostname}, mode)
	return body, true
}

// Domain is what a domain of ours should publish, its keys included, which are
// made when there are none. certificate is that of the server; nil leaves out
// what hangs on it.
func (h *Host) Domain(ctx context.Context, name string, certificate *tls.Certificate) (records.Domain, error) {
	d := records.Domain{Name: name, STS: h.STSMode()}
	domains, err := h.Accounts.Domains(ctx)
	if err != nil {
		return d, err
	}
	if d.Keys, err = h.Keys.Ensure(ctx, name); err != nil {
		return d, err
	}
	c := h.Config
	d.Host = records.Host{Name: c.Hostname, Addresses: addresses(c), CA: authority(c), Mail: slices.Contains(domains, strings.ToLower(c.Hostname)),
		// A renewal keeps the key, of files too if whoever renews them does; one of
		// our own making is made anew.
		NewKeys: c.TLS.Mode == config.SelfSigned}
	for _, s := range []struct {
		name     string
		priority uint16
		listen   config.List
	}{
		{"_submissions._tcp", 0, c.SMTP.Submissions}, {"_submission._tcp", 10, c.SMTP.Submission},
		{"_imaps._tcp", 0, c.IMAP.TLS}, {"_imap._tcp", 10, c.IMAP.StartTLS},
	} {
		if port, ok := port(s.listen); ok {
			d.Host.Services = append(d.Host.Services, records.Port{Service: s.name, Port: port, Priority: s.priority})
		}
	}
	if site, err := url.Parse(c.Web.URL); err == nil && site.Scheme == "https" && strings.EqualFold(site.Hostname(), c.Hostname) {
		at, _ := strconv.ParseUint(cmp.Or(site.Port(), "443"), 10, 16)
		for _, service := range []string{"_jmap._tcp", "_autodiscover._tcp"} { // RFC 8620 §2.2; MS-OXDSCLI §3.1.5.1
			d.Host.Services = append(d.Host.Services, records.Port{Service: service, Port: uint16(at)})
		}
		d.Host.Site = at == 443
	}
	if certificate != nil {
		var chain []*x509.Certificate
		for _, der := range certificate.Certificate {
			if one, err := x509.ParseCertificate(der); err == nil {
				chain = append(chain, one)
			}
		}
		d.Host.TLSA = records.TLSAValues(chain)
	}
	return d, nil
}

func port(l config.List) (uint16, bool) {
	if len(l) == 0 {
		return 0, false
	}
	_, p, _ := net.SplitHostPort(l[0])
	n, err := strconv.ParseUint(p, 10, 16)
	return uint16(n), err == nil && n > 0
}

// authority is the certificate authority as CAA names it, "" when we do not know.
func authority(c *config.Config) string {
	if c.TLS.Mode != config.ACME {
		return ""
	}
	u, err := url.Parse(c.TLS.ACMEDirectory)
	if c.TLS.ACMEDirectory == "" || err == nil && (u.Hostname() == "letsencrypt.org" || strings.HasSuffix(u.Hostname(), ".letsencrypt.org")) {
		return "letsencrypt.org"
	}
	return ""
}

// addresses are those of this machine that the Internet reaches, as far as the
// machine knows: behind a translator it does not. Of several IPv6 addresses
// some are there for a day only (RFC 8981), so none is named then.
func addresses(c *config.Config) []netip.Addr {
	if c.Profile == config.Dev || len(c.SMTP.ProxyProtocolFrom) > 0 { // then the proxy has them
		return nil
	}
	var four, six []netip.Addr
	add := func(ip netip.Addr) {
		switch ip = ip.Unmap().WithZone(""); {
		case !ip.IsGlobalUnicast() || ip.IsPrivate() || shared.Contains(ip):
		case ip.Is4():
			four = append(four, ip)
		default:
			six = append(six, ip)
		}
	}
	for _, l := range c.SMTP.MX {
		if ap, err := netip.ParseAddrPort(l); err == nil {
			add(ap.Addr())
		}
	}
	if len(four)+len(six) > 0 {
		return append(four, six...)
	}
	have, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range have {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			add(prefix.Addr())
		}
	}
	if len(six) > 1 {
		six = nil
	}
	return append(four, six...)
}

// shared is what providers translate for all their customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// PublishRecords writes what is missing in the DNS of our domains, where we may.
func (h *Host) PublishRecords(ctx context.Context, domain string, certificate *tls.Certificate) ([]records.Published, error) {
	if h.Records == nil {
		return nil, nil
	}
	d, err := h.Domain(ctx, domain, certificate)
	if err != nil {
		return nil, err
	}
	return h.Records.Publish(ctx, records.Check(ctx, h.opt.DNS, records.Wanted(d))), nil
}

package secure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	mdns "github.com/miekg/dns"

	"colporteur/outward"
)

// Patience with the web server of a policy. RFC 8461 §3.3 suggests a minute; a
// mail waits for this.
const (
	fetchPatience = 15 * time.Second
	dialPatience  = 4 * time.Second
	maxDials      = 4
)

// fetch gets the policy of a domain from its web server. Its error is a *Failure.
//
// The domain is a stranger's, so the request is one that cannot hurt whoever
// gets it: a GET of one fixed path over verified TLS, to an address on the
// Internet, through no proxy; no redirect is followed (RFC 8461 §3.3).
func (f *Finder) fetch(ctx context.Context, domain string) (*Policy, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchPatience)
	defer cancel()
	host := "mta-sts." + domain
	addrs, err := f.addresses(ctx, host)
	if err != nil {
		return nil, &Failure{Type: STSPolicyFetchError, Err: err}
	}
	transport := &http.Transport{
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return f.dial(ctx, addrs) },
		TLSClientConfig:        &tls.Config{ServerName: host, RootCAs: f.Roots, MinVersion: tls.VersionTLS12, Time: f.now},
		DisableKeepAlives:      true,
		DisableCompression:     true, // 64 KB are 64 KB
		MaxResponseHeaderBytes: 32 << 10,
	}
	client := &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	body, err := load(ctx, client, "https://"+host+"/.well-known/mta-sts.txt")
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return nil, &Failure{Type: STSWebPKIInvalid, Err: err}
	case err != nil:
		return nil, &Failure{Type: STSPolicyFetchError, Err: err}
	}
	p, err := ParsePolicy(body)
	if err != nil {
		return nil, &Failure{Type: STSPolicyInvalid, Err: err}
	}
	return p, nil
}

func load(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", "colporteur")
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %d", url, res.StatusCode)
	}
	// Without this, whoever may put files on a site would set its policy.
	kind := res.Header.Get("Content-Type")
	if media, _, _ := mime.ParseMediaType(kind); media != "text/plain" { // its parameters may be damaged
		return "", fmt.Errorf("%s is %.60q, not text/plain", url, kind)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPolicy+1))
	if err != nil {
		return "", err
	}
	if len(body) > maxPolicy {
		return "", errors.New(url + " has more than 64 KB")
	}
	return string(body), nil
}

// addresses are those of host that may be talked to, both families in turn.
func (f *Finder) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	six, err6 := f.DNS.Ask(ctx, host, mdns.TypeAAAA)
	four, err4 := f.DNS.Ask(ctx, host, mdns.TypeA)
	var out []netip.Addr
	refused := 0
	add := func(ip net.IP) {
		a, _ := netip.AddrFromSlice(ip)
		if a = a.Unmap(); !f.AllowPrivate && outward.Forbidden(a) {
			refused++
			return
		}
		out = append(out, a)
	}
	for i := range max(len(six.Records), len(four.Records)) {
		if i < len(six.Records) {
			add(six.Records[i].(*mdns.AAAA).AAAA)
		}
		if i < len(four.Records) {
			add(four.Records[i].(*mdns.A).A)
		}
		if len(out) >= maxDials {
			return out[:maxDials], nil
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case refused > 0:
		return nil, fmt.Errorf("%s has only addresses that are not on the Internet", host)
	case err4 != nil || err6 != nil:
		return nil, errors.Join(err4, err6)
	}
	return nil, errors.New(host + " has no address")
}

// dial calls one after the other. What is forbidden was left out already; the
// check in Control is the last word, whatever comes between some day.
func (f *Finder) dial(ctx context.Context, addrs []netip.Addr) (net.Conn, error) {
	port := f.HTTPS
	if port == 0 {
		port = 443
	}
	d := &net.Dialer{Timeout: dialPatience}
	if !f.AllowPrivate {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			if ap, err := netip.ParseAddrPort(address); err != nil || outward.Forbidden(ap.Addr()) {
				return errors.New(address + " is not an address on the Internet")
			}
			return nil
		}
	}
	var failed error
	for _, a := range addrs {
		conn, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(a, uint16(port)).String())
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

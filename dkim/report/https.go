package report

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// refusal is an answer that another try will not change.
type refusal struct{ error }

const postTimeout = 30 * time.Second

// post brings a TLS report to an address that a stranger's DNS named: over
// HTTPS to a public address on the usual port, and no further.
func (s *Sender) post(ctx context.Context, uri string, data []byte) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Port() != "" && u.Port() != "443" && !s.AllowPrivate {
		return refusal{fmt.Errorf("%.100q is no place for reports", uri)}
	}
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	// The address is looked at when it is connected to: a name may lead
	// elsewhere each time it is asked for.
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !s.AllowPrivate && !public(ap.Addr()) {
			return refusal{errors.New("the address is not a public one")}
		}
		return nil
	}}
	client := &http.Client{
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: 16 << 10, TLSClientConfig: &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(data))
	if err != nil {
		return refusal{err}
	}
	req.Header.Set("Content-Type", "application/tlsrpt+gzip")
	req.Header.Set("User-Agent", generator)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.CopyN(io.Discard, resp.Body, 4<<10)
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode/100 == 5 || resp.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("%s answered %s", u.Host, resp.Status)
	}
	return refusal{fmt.Errorf("%s answered %s", u.Host, resp.Status)}
}

// hidden are networks that are not private by netip's word, and not public either.
var hidden = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this host
	netip.MustParsePrefix("100.64.0.0/10"),   // behind a provider's translation
	netip.MustParsePrefix("192.0.0.0/24"),    // protocols
	netip.MustParsePrefix("192.0.2.0/24"),    // books
	netip.MustParsePrefix("198.18.0.0/15"),   // benches
	netip.MustParsePrefix("198.51.100.0/24"), //
	netip.MustParsePrefix("203.0.113.0/24"),  //
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, broadcast
	netip.MustParsePrefix("64:ff9b::/96"),    // ways into IPv4
	netip.MustParsePrefix("64:ff9b:1::/48"),  //
	netip.MustParsePrefix("2001::/32"),       //
	netip.MustParsePrefix("2002::/16"),       //
	netip.MustParsePrefix("100::/64"),        // nowhere
	netip.MustParsePrefix("2001:db8::/32"),   // books
}

func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, p := range hidden {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

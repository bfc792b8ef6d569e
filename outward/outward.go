// Package outward asks hosts that strangers chose: for the pictures of a mail, for
// leaving a list, for telling a browser that something came.
//
// Whoever writes such an address would like us to ask our own network in their
// place (SSRF). What they write says nothing: a name leads elsewhere a moment
// later, a redirect leads on, an address has many spellings. So the one place
// that decides is the socket, about the address that it is about to be
// connected to.
package outward

import (
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

// Options of a client.
type Options struct {
	// AllowPrivate lets it ask the house's own network too: for tests, and for a
	// host that lives on one.
	AllowPrivate bool
	HTTP         bool          // http is asked as well as https
	AnyPort      bool          // ports beside 80 and 443 as well
	Timeout      time.Duration // of a whole request with its answer; 0 is 20 seconds
	Redirects    int           // that are followed, each checked like the first
	Resolver     *net.Resolver // nil is the system's
	TLS          *tls.Config   // nil trusts whom the system trusts
}

// ErrForbidden is in the chain of every refusal of this package.
var ErrForbidden = errors.New("this address is not asked")

// New makes a client. It sends no cookies, asks through no proxy that the
// environment names, and reads at most 64 KiB of header.
func New(o Options) *http.Client {
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, Resolver: o.Resolver, KeepAlive: -1,
		ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
			return o.mayConnect(network, address)
		}}
	t := &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: o.Timeout,
		MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: o.TLS, ForceAttemptHTTP2: true}
	return &http.Client{Timeout: o.Timeout, Transport: &checked{o, t}, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > o.Redirects {
			return fmt.Errorf("%w: it leads on too often", ErrForbidden)
		}
		r.Header.Del("Referer") // where somebody reads their mail is nobody's business
		return nil
	}}
}

// checked looks at every request, the redirected ones too.
type checked struct {
	o    Options
	next http.RoundTripper
}

func (c *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := c.o.mayAsk(r.URL); err != nil {
		return nil, err
	}
	if r.Header.Get("User-Agent") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", "Colporteur")
	}
	return c.next.RoundTrip(r)
}

// mayAsk is about what an address says; mayConnect about where it leads.
func (o *Options) mayAsk(u *url.URL) error {
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !o.HTTP):
		return fmt.Errorf("%w: scheme %q", ErrForbidden, u.Scheme)
	case u.Hostname() == "":
		return fmt.Errorf("%w: it names no host", ErrForbidden)
	case u.User != nil:
		return fmt.Errorf("%w: it has a name and a password", ErrForbidden)
	}
	if p := u.Port(); p != "" && p != "80" && p != "443" && !o.AnyPort && !o.AllowPrivate {
		return fmt.Errorf("%w: port %s", ErrForbidden, p)
	}
	return nil
}

func (o *Options) mayConnect(network, address string) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: over %s", ErrForbidden, network)
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	if o.AllowPrivate || !Forbidden(at.Addr()) {
		return nil
	}
	return fmt.Errorf("%w: %v is no public address", ErrForbidden, at.Addr())
}

// Read reads an answer's body, and fails when it is longer than most.
func Read(r *http.Response, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("the answer is longer than %d octets", most)
	}
	return b, err
}

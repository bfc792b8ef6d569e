// Package dns asks a resolver, and says how far its answers can be believed.
//
// # Why not net.Resolver
//
// It tells neither "there is no such name" from "the name has no such record"
// (DMARC's np and SPF's void lookups live on the difference), nor whether the
// resolver validated the answer (DANE lives on that), nor how long an answer
// lasts, and it has no TLSA records. The Client here is still one: it has the
// four methods of mail.Resolver with the errors of package net.
//
// # Trust
//
// The AD bit is an assertion of the resolver, so it is worth what the way to
// the resolver is worth (RFC 6698 §A.3, RFC 7672 §2.1): it is believed from a
// resolver on loopback, from another one only when the operator says so.
package dns

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Client asks one or more resolvers. The zero Client asks those of
// /etc/resolv.conf. Its fields are set once, before use.
type Client struct {
	Servers []string // host:port; none: those of /etc/resolv.conf
	// TrustAD believes the AD bit of resolvers that are not on loopback too.
	TrustAD bool
	Timeout time.Duration // of one question to one server; 0 is 4 s
	Now     func() time.Time
	Log     *slog.Logger

	once    sync.Once
	servers []string
	cache   cache
	health  health
}

// Answer is what a resolver knows of one name and one type.
type Answer struct {
	Name    string   // the canonical one, after aliases: lower case, no final dot
	Records []dns.RR // of the type that was asked for, in the order of the answer
	Exists  bool     // the name exists, perhaps without such records
	Secure  bool     // a validating resolver vouches for it (DNSSEC), a denial included
	TTL     time.Duration
}

// ErrBogus says that a resolver refused to answer, as a validating one does
// when signatures do not hold. It is temporary for whoever asks.
var ErrBogus = errors.New("the resolver could not answer (SERVFAIL)")

const (
	timeout   = 4 * time.Second
	maxTTL    = time.Hour
	minTTL    = 5 * time.Second
	maxAlias  = 10 // CNAMEs followed in one answer
	udpBuffer = 1232
)

func (c *Client) setup() {
	c.once.Do(func() {
		c.servers = c.Servers
		if len(c.servers) == 0 {
			c.servers = []string{"127.0.0.1:53"}
			if conf, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil && len(conf.Servers) > 0 {
				c.servers = nil
				for _, s := range conf.Servers {
					c.servers = append(c.servers, net.JoinHostPort(s, conf.Port))
				}
			}
		}
		c.cache.now = c.now
	})
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// Validates says whether an answer of this client can be Secure: its
// resolvers are on loopback, or the operator trusts the way to them.
func (c *Client) Validates() bool {
	c.setup()
	for _, s := range c.servers {
		if !c.believes(s) {
			return false
		}
	}
	return true
}

func (c *Client) believes(server string) bool {
	ap, err := netip.ParseAddrPort(server)
	return c.TrustAD || err == nil && ap.Addr().IsLoopback()
}

// Ask looks name up, absolute with or without its final dot. A name or type
// that does not exist is an Answer without Records. An error means that it is
// not known: it is a *net.DNSError that is temporary, and matches ErrBogus when
// a resolver said SERVFAIL.
func (c *Client) Ask(ctx context.Context, name string, kind uint16) (Answer, error) {
	c.setup()
	name = dns.CanonicalName(name)
	if _, ok := dns.IsDomainName(name); !ok || len(name) > 254 {
		return Answer{Name: strings.TrimSuffix(name, ".")}, nil // what cannot be a name does not exist
	}
	key := question{name, kind}
	if a, ok := c.cache.get(key); ok {
		return a, nil
	}
	a, err := c.ask(ctx, key)
	if err != nil {
		return Answer{}, c.fault(key, err)
	}
	c.cache.put(key, a)
	return a, nil
}

func (c *Client) fault(q question, err error) error {
	return &net.DNSError{UnwrapErr: err, Err: err.Error(), Name: strings.TrimSuffix(q.name, "."),
		IsTimeout: errors.Is(err, context.DeadlineExceeded), IsTemporary: true}
}

// ask tries each server, twice over, unless none has answered for a while.
func (c *Client) ask(ctx context.Context, q question) (Answer, error) {
	if ok, look := c.health.permit(time.Now()); !ok {
		if look {
			go c.probe(q)
		}
		return Answer{}, errSilent
	}
	return c.rounds(ctx, q)
}

// probe looks whether a resolver answers again, so that no mail has to.
func (c *Client) probe(q question) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	c.rounds(ctx, q)
}

func (c *Client) rounds(ctx context.Context, q question) (Answer, error) {
	var last error
	for round := range 2 {
		for _, server := range c.servers {
			a, err := c.exchange(ctx, server, q)
			if err == nil || errors.Is(err, ErrBogus) {
				c.health.answered()
			}
			if err == nil {
				return a, nil
			}
			last = err
			if ctx.Err() != nil {
				if errors.Is(ctx.Err(), context.DeadlineExceeded) { // else whoever asked has left
					c.health.silent(time.Now())
				}
				return Answer{}, ctx.Err()
			}
		}
		if round == 0 && errors.Is(last, ErrBogus) {
			break // it will say so again
		}
	}
	if !errors.Is(last, ErrBogus) {
		c.health.silent(time.Now())
	}
	return Answer{}, last
}

// exchange is one question to one server, over TCP when UDP has no room for
// the answer (RFC 7766).
func (c *Client) exchange(ctx context.Context, server string, q question) (Answer, error) {
	wait := c.Timeout
	if wait == 0 {
		wait = timeout
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.kind)
	m.SetEdns0(udpBuffer, false)
	m.AuthenticatedData = true // RFC 6840 §5.7: tell us whether you validated
	r, err := talk(ctx, &dns.Client{Net: "udp", UDPSize: udpBuffer, Timeout: wait}, m, server)
	if err == nil && r.Truncated || err != nil && isDamaged(err) {
		r, err = talk(ctx, &dns.Client{Net: "tcp", Timeout: wait}, m, server)
	}
	if err != nil {
		return Answer{}, err
	}
	switch r.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	case dns.RcodeServerFailure:
		return Answer{}, ErrBogus
	default:
		return Answer{}, errors.New("the resolver said " + dns.RcodeToString[r.Rcode])
	}
	return read(q, r, r.AuthenticatedData && c.believes(server)), nil
}

// talk is one question over a connection of its own. The library heeds a
// deadline while it waits for the answer, and no other end of ctx.
func talk(ctx context.Context, c *dns.Client, m *dns.Msg, server string) (*dns.Msg, error) {
	conn, err := c.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	r, _, err := c.ExchangeWithConnContext(ctx, m, conn)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return r, err
}

func isDamaged(err error) bool {
	var e *dns.Error
	return errors.As(err, &e)
}

// read takes the answer to q out of a message, along its aliases.
func read(q question, r *dns.Msg, secure bool) Answer {
	a := Answer{Name: q.name, Exists: r.Rcode != dns.RcodeNameError, Secure: secure, TTL: maxTTL}
	last := func(rr dns.RR) { a.TTL = min(a.TTL, time.Duration(rr.Header().Ttl)*time.Second) }
	for range maxAlias {
		next := ""
		for _, rr := range r.Answer {
			if alias, ok := rr.(*dns.CNAME); ok && dns.CanonicalName(alias.Hdr.Name) == a.Name && q.kind != dns.TypeCNAME {
				next = dns.CanonicalName(alias.Target)
				last(rr)
			}
		}
		if next == "" {
			break
		}
		a.Name = next
	}
	for _, rr := range r.Answer {
		if rr.Header().Rrtype == q.kind && dns.CanonicalName(rr.Header().Name) == a.Name {
			a.Records = append(a.Records, rr)
			last(rr)
		}
	}
	if len(a.Records) == 0 {
		// RFC 2308 §5 lets it be three hours; people who add a record look again
		// at once, and the resolver behind us remembers too.
		a.TTL = 10 * time.Second
		for _, rr := range r.Ns {
			if soa, ok := rr.(*dns.SOA); ok {
				a.TTL = min(a.TTL, time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second)
			}
		}
	}
	a.Name = strings.TrimSuffix(a.Name, ".")
	return a
}

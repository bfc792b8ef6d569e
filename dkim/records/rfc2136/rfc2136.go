// Package rfc2136 changes a zone through DNS UPDATE (RFC 2136), signed with
// TSIG (RFC 8945), as the providers of libdns do it.
//
// Each change is one message, which the server does whole or not at all. It
// goes over TCP: an RSA key does not fit a datagram of old. An answer counts
// only when it is signed too, so that nobody in between can say "done".
package rfc2136

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"
	mdns "github.com/miekg/dns"
)

// Provider is one server and the key that it knows us by.
type Provider struct {
	Server    string // host:port
	KeyName   string
	Algorithm string // "hmac-sha256" when ""
	// Secret is read when it is first needed: the key in base64.
	Secret  func() (string, error)
	Timeout time.Duration // of one exchange; 0 is 5 s

	once   sync.Once
	secret string
	err    error
}

var (
	_ libdns.RecordGetter   = (*Provider)(nil)
	_ libdns.RecordAppender = (*Provider)(nil)
	_ libdns.RecordSetter   = (*Provider)(nil)
	_ libdns.RecordDeleter  = (*Provider)(nil)
)

const (
	timeout = 5 * time.Second
	fudge   = 300 // seconds that clocks may differ (RFC 8945 §10)
	ttl     = time.Hour
)

// SecretFile reads the key from a file, which has it in base64.
func SecretFile(path string) func() (string, error) {
	return func() (string, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		s := strings.Join(strings.Fields(string(b)), "")
		if _, err := base64.StdEncoding.DecodeString(s); err != nil || s == "" {
			return "", fmt.Errorf("%s has no key in base64", path) // the cause would quote the key
		}
		return s, nil
	}
}

func (p *Provider) key() (string, error) {
	p.once.Do(func() { p.secret, p.err = p.Secret() })
	return p.secret, p.err
}

func (p *Provider) algorithm() string { return mdns.Fqdn(cmp.Or(p.Algorithm, "hmac-sha256")) }

// exchange signs m, sends it, and believes only a signed answer.
func (p *Provider) exchange(ctx context.Context, m *mdns.Msg) (*mdns.Msg, error) {
	secret, err := p.key()
	if err != nil {
		return nil, fmt.Errorf("tsig key: %w", err)
	}
	name := mdns.CanonicalName(p.KeyName)
	c := &mdns.Client{Net: "tcp", Timeout: cmp.Or(p.Timeout, timeout), TsigSecret: map[string]string{name: secret}}
	m.SetTsig(name, p.algorithm(), fudge, time.Now().Unix())
	r, _, err := c.ExchangeContext(ctx, m, p.Server)
	switch {
	case r != nil && r.Rcode == mdns.RcodeNotAuth && r.IsTsig() != nil && r.IsTsig().Error != 0:
		return nil, fmt.Errorf("%s does not take our signature: %s", p.Server, tsigError(r.IsTsig().Error))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", p.Server, err)
	case r.Rcode != mdns.RcodeSuccess:
		return nil, fmt.Errorf("%s said %s", p.Server, mdns.RcodeToString[r.Rcode])
	case r.IsTsig() == nil:
		return nil, fmt.Errorf("%s: the answer is not signed", p.Server)
	}
	return r, nil
}

func tsigError(code uint16) string {
	switch code {
	case mdns.RcodeBadSig:
		return "another secret (BADSIG)"
	case mdns.RcodeBadKey:
		return "it does not know the key's name or algorithm (BADKEY)"
	case mdns.RcodeBadTime:
		return "the clocks differ by more than five minutes (BADTIME)"
	}
	return mdns.RcodeToString[int(code)]
}

// Zone is the zone that name lies in, when this server has it.
func (p *Provider) Zone(ctx context.Context, name string) (string, error) {
	m := new(mdns.Msg)
	m.SetQuestion(mdns.CanonicalName(name), mdns.TypeSOA)
	m.RecursionDesired = false
	c := &mdns.Client{Net: "tcp", Timeout: cmp.Or(p.Timeout, timeout)}
	r, _, err := c.ExchangeContext(ctx, m, p.Server)
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.Server, err)
	}
	for _, rr := range append(r.Answer, r.Ns...) {
		if soa, ok := rr.(*mdns.SOA); ok && r.Authoritative && mdns.IsSubDomain(soa.Hdr.Name, m.Question[0].Name) {
			return mdns.CanonicalName(soa.Hdr.Name), nil
		}
	}
	return "", fmt.Errorf("%s has no zone for %s (%s)", p.Server, name, mdns.RcodeToString[r.Rcode])
}

// RRset asks the server itself for the records of one name and type: no cache
// stands between, and no right to transfer the zone is needed.
func (p *Provider) RRset(ctx context.Context, name, kind string) ([]libdns.Record, error) {
	m := new(mdns.Msg)
	m.SetQuestion(mdns.CanonicalName(name), mdns.StringToType[kind])
	m.RecursionDesired = false
	c := &mdns.Client{Net: "tcp", Timeout: cmp.Or(p.Timeout, timeout)}
	r, _, err := c.ExchangeContext(ctx, m, p.Server)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Server, err)
	}
	if r.Rcode != mdns.RcodeSuccess && r.Rcode != mdns.RcodeNameError {
		return nil, fmt.Errorf("%s said %s", p.Server, mdns.RcodeToString[r.Rcode])
	}
	var out []libdns.Record
	for _, rr := range r.Answer {
		if mdns.CanonicalName(rr.Header().Name) == mdns.CanonicalName(name) {
			out = append(out, fromWire(rr, ""))
		}
	}
	return out, nil
}

// GetRecords transfers the zone (RFC 5936), which the server must allow for our
// key. Records of DNSSEC are left out.
func (p *Provider) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	secret, err := p.key()
	if err != nil {
		return nil, fmt.Errorf("tsig key: %w", err)
	}
	name := mdns.CanonicalName(p.KeyName)
	m := new(mdns.Msg)
	m.SetAxfr(mdns.CanonicalName(zone))
	m.SetTsig(name, p.algorithm(), fudge, time.Now().Unix())
	wait := cmp.Or(p.Timeout, timeout)
	t := &mdns.Transfer{DialTimeout: wait, ReadTimeout: wait, WriteTimeout: wait, TsigSecret: map[string]string{name: secret}}
	envelopes, err := t.In(m, p.Server)
	if err != nil {
		return nil, fmt.Errorf("transfer of %s: %w", zone, err)
	}
	var out []libdns.Record
	for e := range envelopes {
		if e.Error != nil && err == nil {
			err = e.Error
		}
		if ctx.Err() != nil {
			t.Close()
			err = ctx.Err()
		}
		for _, rr := range e.RR {
			switch rr.Header().Rrtype {
			case mdns.TypeSOA, mdns.TypeRRSIG, mdns.TypeNSEC, mdns.TypeNSEC3, mdns.TypeNSEC3PARAM, mdns.TypeDNSKEY, mdns.TypeCDS, mdns.TypeCDNSKEY:
			default:
				out = append(out, fromWire(rr, zone))
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("transfer of %s: %w", zone, err)
	}
	return out, nil
}

// AppendRecords adds recs beside what is there. To add what is there already
// changes nothing (RFC 2136 §3.4.2.2).
func (p *Provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.update(ctx, zone, recs, func(m *mdns.Msg, rrs []mdns.RR) { m.Insert(rrs) })
}

// SetRecords makes recs the only ones of their names and types, in one message:
// if it fails, nothing has changed.
func (p *Provider) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.update(ctx, zone, recs, func(m *mdns.Msg, rrs []mdns.RR) {
		seen := map[string]bool{}
		for _, rr := range rrs {
			if set := rr.Header().Name + mdns.TypeToString[rr.Header().Rrtype]; !seen[set] {
				seen[set] = true
				m.RemoveRRset([]mdns.RR{rr})
			}
		}
		m.Insert(rrs)
	})
}

// DeleteRecords takes recs away. One without data is all of its name and type,
// one without type all of its name. DNS UPDATE has no use for a TTL here, so it
// is not compared; and it does not say what was there, so that all of recs are
// returned.
func (p *Provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	m := new(mdns.Msg)
	m.SetUpdate(mdns.CanonicalName(zone))
	for _, r := range recs {
		rr := r.RR()
		name := absolute(rr.Name, zone)
		if !mdns.IsSubDomain(mdns.CanonicalName(zone), name) {
			return nil, fmt.Errorf("%s does not lie in %s", name, zone)
		}
		any := &mdns.ANY{Hdr: mdns.RR_Header{Name: name, Rrtype: mdns.StringToType[rr.Type], Class: mdns.ClassINET}}
		switch {
		case rr.Type == "":
			m.RemoveName([]mdns.RR{any})
		case rr.Data == "":
			m.RemoveRRset([]mdns.RR{any})
		default:
			wire, err := toWire(rr, zone)
			if err != nil {
				return nil, err
			}
			m.Remove([]mdns.RR{wire})
		}
	}
	if _, err := p.exchange(ctx, m); err != nil {
		return nil, err
	}
	return recs, nil
}

func (p *Provider) update(ctx context.Context, zone string, recs []libdns.Record, change func(*mdns.Msg, []mdns.RR)) ([]libdns.Record, error) {
	if len(recs) == 0 {
		return nil, nil
	}
	m := new(mdns.Msg)
	m.SetUpdate(mdns.CanonicalName(zone))
	var rrs []mdns.RR
	var out []libdns.Record
	for _, r := range recs {
		rr, err := toWire(r.RR(), zone)
		if err != nil {
			return nil, err
		}
		if !mdns.IsSubDomain(mdns.CanonicalName(zone), rr.Header().Name) {
			return nil, fmt.Errorf("%s does not lie in %s", rr.Header().Name, zone)
		}
		rrs = append(rrs, rr)
		out = append(out, fromWire(rr, zone))
	}
	change(m, rrs)
	if _, err := p.exchange(ctx, m); err != nil {
		return nil, err
	}
	return out, nil
}

func absolute(name, zone string) string {
	return mdns.CanonicalName(libdns.AbsoluteName(name, mdns.CanonicalName(zone)))
}

var errData = errors.New("the record cannot be written")

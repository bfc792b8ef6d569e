package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"colporteur/delivery"
)

// maxTalks is how many hosts may hear the mail's envelope in one attempt. The
// second is for a host that refuses for now; to ask all ten would only teach
// ten greylists.
const maxTalks = 2

// attempt offers the mail once to the hosts of its domain. It knows nothing of
// the queue: confirm is asked before each step that cannot be taken back.
func (r *Relay) attempt(ctx context.Context, d delivery.Relay, src source, confirm func(context.Context) error) *result {
	res := newResult(d.To)
	if len(d.To) == 0 {
		return res
	}
	domain := d.To[0].Domain
	hosts, f := r.route(ctx, domain)
	if f != nil {
		res.all(f)
		return r.end(ctx, res)
	}
	v := &visit{relay: r, ctx: ctx, mail: d, src: src, confirm: confirm, domain: domain, res: res, policy: r.policy(ctx, domain)}
	if d.TLS {
		v.policy = tlsPolicy{require: true, verify: true}
	}
	tried, talks := 0, 0
	for _, h := range hosts {
		addrs, f := r.addresses(ctx, h, !h.trusted && h.name == domain)
		if f != nil {
			res.all(f)
			if f.status == "5.4.6" {
				break // this host is us: those after it are further away
			}
			continue
		}
		for _, a := range addrs {
			if tried++; tried > maxAddresses {
				return r.end(ctx, res)
			}
			talked := v.host(h, a)
			if res.fail != nil || ctx.Err() != nil || len(res.open()) == 0 {
				return r.end(ctx, res)
			}
			if talked {
				talks++
				break // other addresses of the same host are the same host
			}
		}
		if talks >= maxTalks {
			break
		}
	}
	return r.end(ctx, res)
}

// end marks an attempt that was cut short: what it did not find out is not
// held against anybody.
func (r *Relay) end(ctx context.Context, res *result) *result {
	if res.fail == nil && ctx.Err() != nil {
		res.fail = ctx.Err()
	}
	return res
}

// visit is one attempt going from host to host.
type visit struct {
	relay   *Relay
	ctx     context.Context
	mail    delivery.Relay
	src     source
	confirm func(context.Context) error
	domain  string
	policy  tlsPolicy
	res     *result
}

// host offers the mail to one address. talked says that the peer heard the
// envelope, or would never take it.
func (v *visit) host(h host, a netip.Addr) (talked bool) {
	talked, f := v.connect(h, a, false)
	var handshake *errHandshake
	if f != nil && errors.As(f, &handshake) && !v.policy.require && v.ctx.Err() == nil {
		// Opportunistic (RFC 7435): a peer whose encryption is broken gets the
		// mail in clear, as it would if it had not offered any.
		v.relay.log().Info("sent in clear after a failed handshake", "mail", v.mail.Mail, "host", h.name, "ip", a, "err", f)
		talked, f = v.connect(h, a, true)
	}
	if f != nil {
		if f.host == "" {
			f.host = h.name
		}
		v.res.all(f)
	}
	return talked
}

func (v *visit) connect(h host, a netip.Addr, plain bool) (talked bool, f *failure) {
	r := v.relay
	dialing, cancel := context.WithTimeout(v.ctx, r.patience().connect)
	conn, err := r.dial(dialing, h, a)
	cancel()
	if err != nil {
		return false, broken(h.name, "4.4.1", "relay-why-unreachable", err)
	}
	s := newSession(v.ctx, conn, h.name, r.patience())
	defer s.Close()
	if f := s.greet(r.Hostname); f != nil {
		return false, f
	}
	if s.has("STARTTLS") && !plain {
		done, f := s.startTLS(r.tlsConfig(h.name, v.policy), r.Hostname)
		if f != nil {
			s.abort()
			return false, f
		}
		if !done && v.policy.require {
			return false, broken(h.name, "4.7.5", "relay-why-tls", errors.New("STARTTLS was declined"))
		}
	}
	if v.policy.require && s.tls == "" && !v.mail.TLS {
		return false, broken(h.name, "4.7.5", "relay-why-tls", errors.New("STARTTLS is not offered"))
	}
	t := &transaction{session: s, mail: v.mail, confirm: v.confirm, domain: v.domain,
		content: &content{mail: v.mail, src: v.src, sign: r.Sign}}
	f = t.run(v.res)
	for _, p := range v.res.to {
		if p.sent && p.host == h.name && !p.told {
			p.told, p.tls = true, s.tls
			r.log().Info("relayed", "mail", v.mail.Mail, "from", v.mail.From.String(), "to", p.Address.String(),
				"host", h.name, "ip", a, "tls", s.tls, "reply", p.last.reply)
		}
	}
	return true, f
}

// dial opens a connection to an address that was already found fit; the check
// in Control is the last word, in case anything between changed its mind.
func (r *Relay) dial(ctx context.Context, h host, a netip.Addr) (net.Conn, error) {
	addr := net.JoinHostPort(a.String(), strconv.Itoa(h.port))
	if r.Dial != nil {
		return r.Dial(ctx, "tcp", addr)
	}
	d := &net.Dialer{}
	if !r.AllowPrivate && !h.trusted {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || forbidden(ap.Addr()) {
				return fmt.Errorf("%s is not an address on the Internet", address)
			}
			return nil
		}
	}
	return d.DialContext(ctx, "tcp", addr)
}

package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"colporteur/delivery"
	"colporteur/smtp/relay/secure"
)

// maxTalks is how many hosts may hear the mail's envelope in one attempt. The
// second is for a host that refuses for now; to ask all ten would only teach
// ten greylists.
const maxTalks = 2

// attempt offers the mail once to the hosts of its domain. It knows nothing of
// the queue: confirm is asked before each step that cannot be taken back.
func (r *Relay) attempt(ctx context.Context, d delivery.Relay, src source, confirm func(context.Context) error) *result {
	res := newResult(d.To)
	for _, p := range res.to {
		if p.Lost.ID != "" { // known before anybody is called
			p.settle(&failure{permanent: true, status: "5.1.1", why: p.Lost, err: errors.New("gone since the mail was written")})
		}
	}
	if len(res.open()) == 0 {
		return res
	}
	v := &visit{relay: r, ctx: ctx, mail: d, src: src, confirm: confirm, domain: d.To[0].Domain, res: res}
	turn, last, until := r.pacer().enter(v.domain)
	if turn == nil {
		return v.busy(last, until)
	}
	v.turn = turn
	defer func() { turn.end(v.experience) }()
	hosts, f := r.route(ctx, v.domain)
	if f != nil {
		v.all(f)
		return v.end()
	}
	if last, until, ok := turn.move(v.domain, destinationOf(hosts)); !ok {
		return v.busy(last, until)
	}
	v.published = r.policy(ctx, v.domain)
	talks := 0
	for _, h := range r.livelyFirst(hosts) {
		m, f := v.manner(h)
		if f != nil {
			v.all(f)
		} else {
			talked, last := v.host(h, m)
			if talked {
				talks++
			}
			if last {
				break
			}
		}
		if res.fail != nil || ctx.Err() != nil || len(res.open()) == 0 || talks >= maxTalks || v.called >= maxAddresses {
			break
		}
	}
	return v.end()
}

// visit is one attempt going from host to host.
type visit struct {
	relay     *Relay
	ctx       context.Context
	mail      delivery.Relay
	src       source
	confirm   func(context.Context) error
	domain    string
	published secure.Domain // nil: no policy
	res       *result
	turn      *turn
	called    int // addresses

	experience experience
}

// busy is the result of an attempt for which there is no room. What it notes
// is told only if the mail has to be given up, or is late.
func (v *visit) busy(last *failure, until time.Time) *result {
	v.res.busy, v.res.until = true, until
	f := broken("", "4.4.5", "relay-why-busy", errors.New("the destination has no room for more right now"))
	if last != nil {
		copied := *last
		f = &copied
		f.permanent, f.status = false, forNow(f.status)
	}
	v.res.all(f)
	return v.res
}

// end marks an attempt that was cut short: what it did not find out is not
// held against anybody.
func (v *visit) end() *result {
	if v.res.fail == nil && v.ctx.Err() != nil {
		v.res.fail = v.ctx.Err()
	}
	if v.res.fail != nil {
		v.experience.trouble = nil
	}
	return v.res
}

// all notes a failure for whoever is not served yet.
func (v *visit) all(f *failure) {
	v.felt(f)
	v.res.all(f)
}

// felt remembers what a failure says about the destination.
func (v *visit) felt(f *failure) {
	if f == nil {
		return
	}
	if d := f.diagnosis; d != nil && v.relay.Blocked != nil && (d.Scope == "ip" || d.Scope == "domain" || d.Scope == "auth") && v.turn.first() {
		v.relay.Blocked(v.ctx, *d, f.host, f.reply)
	}
	if f.trouble && (v.experience.trouble == nil || f.sense != "") {
		v.experience.trouble = f
	}
}

// host offers the mail to one host. talked says that it heard the envelope;
// last that the hosts after it are of no use.
func (v *visit) host(h host, m *manner) (talked, last bool) {
	key := net.JoinHostPort(h.name, strconv.Itoa(h.port)) + " " + m.key(v.domain)
	if s := v.relay.spare.take(key); s != nil {
		s.bind(v.ctx)
		if s.alive() {
			return v.talk(s, h, key), false
		}
		s.abort() // it died while it waited: that is no attempt
		v.relay.spare.bury(key)
	}
	addrs, f := v.relay.addresses(v.ctx, h)
	if f != nil {
		v.all(f)
		return false, f.status == "5.4.6" // this host is us: those after it are further away
	}
	for len(addrs) > 0 && v.called < maxAddresses && v.ctx.Err() == nil {
		addrs = addrs[:min(len(addrs), maxAddresses-v.called)]
		conn, a, rest, err := v.relay.race(v.ctx, h, addrs)
		v.called += len(addrs) - len(rest)
		addrs = rest
		switch {
		case err != nil && v.ctx.Err() != nil:
			return false, false
		case err != nil:
			v.relay.died(h)
			v.all(broken(h.name, "4.4.1", "relay-why-unreachable", err))
			return false, false
		}
		s, f := v.open(conn, h, a, m)
		if f == nil {
			v.relay.lives(h)
			return v.talk(s, h, key), false // other addresses of the same host are the same host
		}
		if f.host == "" {
			f.host = h.name
		}
		v.all(f)
	}
	return false, false
}

// open greets the peer and encrypts the connection as it must be.
func (v *visit) open(conn net.Conn, h host, a netip.Addr, m *manner) (*session, *failure) {
	s, f := v.greet(conn, h, a, m, false)
	var handshake *errHandshake
	if f == nil || !errors.As(f, &handshake) || !m.clear() || v.ctx.Err() != nil {
		return s, f
	}
	// Opportunistic (RFC 7435): a peer whose encryption is broken gets the mail
	// in clear, as it would if it had not offered any. On a connection of its
	// own: after half a handshake nobody knows what the next octet means.
	v.relay.log().Info("sent in clear after a failed handshake", "mail", v.mail.Mail, "host", h.name, "ip", a, "err", f)
	dialing, cancel := context.WithTimeout(v.ctx, v.relay.patience().connect)
	conn, err := v.relay.dial(dialing, h, a)
	cancel()
	if err != nil {
		return nil, broken(h.name, "4.4.1", "relay-why-unreachable", err)
	}
	return v.greet(conn, h, a, m, true)
}

func (v *visit) greet(conn net.Conn, h host, a netip.Addr, m *manner, plain bool) (*session, *failure) {
	r := v.relay
	s := newSession(v.ctx, conn, h.name, r.patience())
	s.ip, s.recognise = a, r.Recognise
	f := s.greet(r.Hostname)
	v.experience.slowest = max(v.experience.slowest, s.slowest)
	switch {
	case f != nil:
		s.Close()
		return nil, f
	case plain:
		return s, nil
	}
	done, err := false, error(&secure.Failure{Type: secure.StartTLSNotSupported, Err: errors.New("STARTTLS is not offered")})
	if s.has("STARTTLS") {
		var reported error
		done, f = s.startTLS(r.tlsConfig(h.name, m.ServerName), r.Hostname, func(state tls.ConnectionState) (fatal error) {
			fatal, reported = m.check(state)
			return fatal
		})
		switch {
		case reported != nil:
			err = reported
		case done:
			err = nil
		case f != nil:
			err = f.err
		default:
			err = &secure.Failure{Type: secure.StartTLSNotSupported, Err: errors.New("STARTTLS was declined")}
		}
	}
	if v.ctx.Err() == nil {
		v.outcome(m, h, a, err)
	}
	switch {
	case f != nil:
		s.abort()
		var handshake *errHandshake
		if !m.clear() && errors.As(f, &handshake) {
			f = m.unsafe(h.name, "relay-why-policy-tls", f.err)
		}
		return nil, f
	case !done && !m.clear() && (m.enforced || !m.all):
		// What only the sender demands (REQUIRETLS) the transaction sees to: the
		// mail fails for good then. Here somebody may have taken STARTTLS away.
		s.Close()
		return nil, m.unsafe(h.name, "relay-why-policy-tls", err)
	}
	return s, nil
}

// talk has the peer take the mail, and keeps the connection if there is more.
func (v *visit) talk(s *session, h host, key string) bool {
	r := v.relay
	s.mails++
	t := &transaction{session: s, mail: v.mail, confirm: v.confirm, domain: v.domain,
		content: &content{mail: v.mail, src: v.src, sign: r.Sign}}
	f := t.run(v.res)
	for _, p := range v.res.to {
		if p.sent && p.host == h.name && !p.told {
			p.told, p.tls = true, s.tls
			r.log().Info("relayed", "mail", v.mail.Mail, "from", v.mail.From.String(), "to", p.Address.String(),
				"host", h.name, "ip", s.ip, "tls", s.tls, "reply", p.last.reply)
		}
		if !p.sent {
			v.felt(p.last)
		} else {
			v.experience.good = true
		}
	}
	v.experience.slowest = max(v.experience.slowest, s.slowest)
	if f == nil && v.res.fail == nil && v.ctx.Err() == nil {
		v.experience.good = true
		if v.turn.busy() {
			r.spare.put(key, s)
			return true
		}
	}
	s.Close()
	if f != nil {
		if f.host == "" {
			f.host = h.name
		}
		v.all(f)
	}
	return true
}

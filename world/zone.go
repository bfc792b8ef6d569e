package world

import (
	"fmt"

	"colporteur/dns/dnstest"
)

// Zone is the DNS of a world: a real name server that every host of it asks.
type Zone struct{ *dnstest.Zone }

// Point gives domain a mail exchanger at ip, which may also send: connections
// on loopback come from any of its addresses.
func (z *Zone) Point(domain, host, ip string) {
	z.Add(fmt.Sprintf("%s. MX 10 %s.", domain, host), fmt.Sprintf("%s. A %s", host, ip))
	z.TXT(domain, "v=spf1 ip4:127.0.0.0/8 -all")
}

// Publish puts into the DNS what proves a server's mail: its keys, a DMARC
// record with that policy ("p=reject"), and where reports go.
func (s *Server) Publish(policy string) {
	t := s.World.T
	t.Helper()
	keys, err := s.Keys.Ensure(t.Context(), s.Domain)
	if err != nil {
		t.Fatalf("keys of %s: %v", s.Domain, err)
	}
	for _, k := range keys {
		s.World.DNS.TXT(k.Name(), k.Wanted())
	}
	s.World.DNS.TXT("_dmarc."+s.Domain, "v=DMARC1; "+policy+"; rua=mailto:dmarc-reports@"+s.Domain)
	s.World.DNS.TXT("_smtp._tls."+s.Domain, "v=TLSRPTv1; rua=mailto:tls-reports@"+s.Domain)
	if err := s.Keys.Tick(t.Context()); err != nil {
		t.Fatalf("keys of %s: %v", s.Domain, err)
	}
}

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

package rfc2136

import (
	"fmt"
	"strings"
	"time"

	"github.com/libdns/libdns"
	mdns "github.com/miekg/dns"

	"colporteur/dkim/records/zonefile"
)

// toWire is a record of libdns, whose names are relative to zone and whose
// texts are neither quoted nor split.
func toWire(rr libdns.RR, zone string) (mdns.RR, error) {
	if rr.TTL <= 0 {
		rr.TTL = ttl
	}
	data := rr.Data
	if rr.Type == "TXT" {
		data = zonefile.Quote(data)
	}
	if rr.Type == "" || strings.ContainsAny(data, "\r\n") {
		return nil, fmt.Errorf("%s: %w", rr.Name, errData)
	}
	line := fmt.Sprintf("$ORIGIN %s\n%s %d IN %s %s", mdns.CanonicalName(zone), absolute(rr.Name, zone), int(rr.TTL/time.Second), rr.Type, data)
	out, err := mdns.NewRR(line)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rr.Name, err)
	}
	return out, nil
}

// fromWire undoes toWire; zone "" keeps names absolute.
func fromWire(rr mdns.RR, zone string) libdns.Record {
	h := rr.Header()
	name := h.Name
	if zone != "" {
		name = libdns.RelativeName(h.Name, mdns.CanonicalName(zone))
	}
	out := libdns.RR{Name: name, TTL: time.Duration(h.Ttl) * time.Second, Type: mdns.TypeToString[h.Rrtype],
		Data: strings.TrimPrefix(rr.String(), h.String())}
	if txt, ok := rr.(*mdns.TXT); ok {
		return libdns.TXT{Name: out.Name, TTL: out.TTL, Text: zonefile.Unescape(strings.Join(txt.Txt, ""))}
	}
	if parsed, err := out.Parse(); err == nil {
		return parsed
	}
	return out
}

package world

import (
	"context"
	"net"
	"strings"
	"sync"
)

// Zone is the DNS of a world: a mail.Resolver held in memory.
type Zone struct {
	mu  sync.Mutex
	mx  map[string][]*net.MX
	ip  map[string][]net.IPAddr
	txt map[string][]string
}

// Point gives domain a mail exchanger at ip.
func (z *Zone) Point(domain, host, ip string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.mx == nil {
		z.mx, z.ip, z.txt = map[string][]*net.MX{}, map[string][]net.IPAddr{}, map[string][]string{}
	}
	z.mx[domain] = []*net.MX{{Host: host + ".", Pref: 10}}
	z.ip[host] = []net.IPAddr{{IP: net.ParseIP(ip)}}
}

func name(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

func missing(n string) error { return &net.DNSError{Err: "no such host", Name: n, IsNotFound: true} }

func (z *Zone) LookupMX(_ context.Context, n string) ([]*net.MX, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if mx := z.mx[name(n)]; mx != nil {
		return mx, nil
	}
	return nil, missing(n)
}

func (z *Zone) LookupTXT(_ context.Context, n string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if t := z.txt[name(n)]; t != nil {
		return t, nil
	}
	return nil, missing(n)
}

func (z *Zone) LookupIPAddr(_ context.Context, n string) ([]net.IPAddr, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if ip := z.ip[name(n)]; ip != nil {
		return ip, nil
	}
	return nil, missing(n)
}

func (z *Zone) LookupAddr(_ context.Context, n string) ([]string, error) { return nil, missing(n) }

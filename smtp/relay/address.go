package relay

import (
	"net"
	"net/netip"
)

// own are the addresses of this machine. A mail that goes to one of them comes
// back to us, for we would not have relayed it if it were ours.
func own() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out
}

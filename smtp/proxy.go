package smtp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// The PROXY protocol (haproxy.org/download/2.9/doc/proxy-protocol.txt): a load
// balancer says first who the client is.

var (
	proxyV2  = []byte("\r\n\r\n\x00\r\nQUIT\n")
	errProxy = errors.New("no PROXY header")
)

const (
	maxProxyV1 = 107
	maxProxyV2 = 16 + 2048 // the address and whatever TLVs; ours are all ignored
)

// readProxy reads the header octet for octet, so that nothing behind it is lost
// to a buffer. ok is false when it names nobody (LOCAL, UNKNOWN): a health check.
func readProxy(c net.Conn) (ip netip.Addr, ok bool, err error) {
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	defer c.SetReadDeadline(time.Time{})
	head := make([]byte, len(proxyV2), maxProxyV1)
	if _, err := io.ReadFull(c, head); err != nil {
		return ip, false, err
	}
	switch {
	case bytes.Equal(head, proxyV2):
		return readProxyV2(c)
	case bytes.HasPrefix(head, []byte("PROXY ")):
		return readProxyV1(c, head)
	}
	return ip, false, errProxy
}

func readProxyV1(c net.Conn, head []byte) (ip netip.Addr, ok bool, err error) {
	for !bytes.HasSuffix(head, []byte("\r\n")) {
		if len(head) >= maxProxyV1 {
			return ip, false, errProxy
		}
		head = head[:len(head)+1]
		if _, err := io.ReadFull(c, head[len(head)-1:]); err != nil {
			return ip, false, err
		}
	}
	f := strings.Split(strings.TrimSuffix(string(head), "\r\n"), " ")
	switch {
	case len(f) >= 2 && f[1] == "UNKNOWN":
		return ip, false, nil
	case len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6":
		return ip, false, errProxy
	}
	ip, err = netip.ParseAddr(f[2])
	if err != nil || ip.Zone() != "" {
		return ip, false, errProxy
	}
	return ip.Unmap(), true, nil
}

func readProxyV2(c net.Conn) (ip netip.Addr, ok bool, err error) {
	var fixed [4]byte
	if _, err := io.ReadFull(c, fixed[:]); err != nil {
		return ip, false, err
	}
	n := int(binary.BigEndian.Uint16(fixed[2:]))
	if fixed[0]>>4 != 2 || 16+n > maxProxyV2 {
		return ip, false, errProxy
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c, body); err != nil {
		return ip, false, err
	}
	switch {
	case fixed[0]&0xf == 0: // LOCAL
		return ip, false, nil
	case fixed[0]&0xf != 1:
		return ip, false, errProxy
	case fixed[1] == 0x11 && n >= 12: // TCP over IPv4
		return netip.AddrFrom4([4]byte(body[:4])), true, nil
	case fixed[1] == 0x21 && n >= 36: // TCP over IPv6
		return netip.AddrFrom16([16]byte(body[:16])).Unmap(), true, nil
	case fixed[1] == 0:
		return ip, false, nil
	}
	return ip, false, errProxy
}

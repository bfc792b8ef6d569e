package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"colporteur/outward"
)

// stagger is how long an address of a host has for itself before the next one
// is called beside it (RFC 8305 §5).
const stagger = 250 * time.Millisecond

// race calls the addresses of a host, best first, until one answers. The others
// are hung up on. rest are those that were not called, or were still ringing.
func (r *Relay) race(ctx context.Context, h host, addrs []netip.Addr) (conn net.Conn, won netip.Addr, rest []netip.Addr, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.patience().connect)
	type call struct {
		conn net.Conn
		err  error
		i    int
	}
	calls := make(chan call)
	var all sync.WaitGroup
	called, ringing := 0, 0
	next := func() {
		i := called
		called, ringing = called+1, ringing+1
		all.Go(func() {
			c, err := r.dial(ctx, h, addrs[i])
			calls <- call{c, err, i}
		})
	}
	defer func() {
		cancel()
		for range ringing { // they hear of it at once
			if c := <-calls; c.err == nil {
				c.conn.Close()
			}
		}
		all.Wait()
	}()
	tick := time.NewTimer(stagger)
	defer tick.Stop()
	failed := make([]bool, len(addrs))
	for next(); ; {
		select {
		case <-tick.C:
			if called < len(addrs) {
				next()
				tick.Reset(stagger)
			}
			continue
		case c := <-calls:
			ringing--
			if c.err == nil {
				for i, a := range addrs {
					if i != c.i && !failed[i] {
						rest = append(rest, a)
					}
				}
				return c.conn, addrs[c.i], rest, nil
			}
			failed[c.i] = true
			err = errors.Join(err, c.err)
		}
		switch {
		case ctx.Err() != nil, called == len(addrs) && ringing == 0:
			return nil, netip.Addr{}, nil, err
		case called < len(addrs):
			next()
			tick.Reset(stagger)
		}
	}
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
			if err != nil || outward.Forbidden(ap.Addr()) {
				return fmt.Errorf("%s is not an address on the Internet", address)
			}
			return nil
		}
	}
	return d.DialContext(ctx, "tcp", addr)
}

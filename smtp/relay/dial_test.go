package relay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// RFC 8305: an address family that leads nowhere does not cost half a minute.
func TestSecondAddressIsCalledBesideASilentFirst(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.host("far.test", nil)
	z := n.zone["far.test."]
	z.AAAA = []string{"2001:db8::1"}
	n.zone["far.test."] = z
	var mu sync.Mutex
	var order []string
	hung := make(chan struct{})
	n.relay.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		ip, _, _ := net.SplitHostPort(addr)
		mu.Lock()
		order = append(order, ip)
		mu.Unlock()
		if ip == "2001:db8::1" {
			<-ctx.Done() // packets vanish
			close(hung)
			return nil, ctx.Err()
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	start := time.Now()
	if p := n.one(n.mail("bob@far.test")); !p.sent {
		t.Fatal(p.last)
	}
	select {
	case <-hung:
	default:
		t.Error("the loser was not hung up on")
	}
	if took := time.Since(start); took < stagger || took > 4*time.Second {
		t.Errorf("took %v", took)
	}
	if len(order) != 2 || order[0] != "2001:db8::1" || order[1] != far.ip {
		t.Errorf("called %v", order)
	}
}

// A loser that answers at the last moment is closed.
func TestLateWinnerIsClosed(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	ours, theirs := net.Pipe()
	defer theirs.Close()
	second := make(chan struct{})
	n.relay.Dial = func(ctx context.Context, _, addr string) (net.Conn, error) {
		if addr == "192.0.2.1:25" {
			<-ctx.Done()
			return ours, nil
		}
		close(second)
		c, _ := net.Pipe()
		return c, nil
	}
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	conn, won, rest, err := n.relay.race(t.Context(), host{name: "far.test", port: 25}, addrs)
	if err != nil || won != addrs[1] || len(rest) != 1 || rest[0] != addrs[0] {
		t.Fatalf("got %v %v %v", won, rest, err)
	}
	conn.Close()
	<-second
	if _, err := theirs.Read(make([]byte, 1)); err == nil {
		t.Error("the other connection is still open")
	}
}

func TestAddressThatRefusesMakesRoomForTheNextAtOnce(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	calls := 0
	n.relay.Dial = func(context.Context, string, string) (net.Conn, error) { calls++; return nil, errors.New("refused") }
	start := time.Now()
	addrs := make([]netip.Addr, 20)
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
	}
	if _, _, _, err := n.relay.race(t.Context(), host{port: 25}, addrs); err == nil || calls != 20 || time.Since(start) > 4*time.Second {
		t.Errorf("%d calls in %v, %v", calls, time.Since(start), err)
	}
}

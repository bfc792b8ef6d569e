package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

// house is one call of Serve: a listener, its wires, and go-smtp twice, before
// and after TLS, because it says STARTTLS to everybody or to nobody.
type house struct {
	srv    *Server
	role   Role
	ctx    context.Context // of the work: ends when the grace is over
	plain  *feed
	secure *feed

	mu     sync.Mutex
	wires  map[*wire]struct{}
	ending bool
	busy   int           // wires, and mails at the Door
	idle   chan struct{} // closed when busy is 0, once somebody waits
}

// Serve takes connections from ln until ctx ends; then no new ones, 421 to
// those that wait for a command, and a grace for mails that are on their way.
// It returns when all of that is over, and closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener, role Role) error {
	s.init()
	if role == Submissions && s.tls == nil {
		return errors.New("submissions need a certificate")
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	h := &house{srv: s, role: role, ctx: work, wires: make(map[*wire]struct{})}
	h.plain, h.secure = newFeed(ln.Addr()), newFeed(ln.Addr())
	var engines sync.WaitGroup
	for _, f := range []*feed{h.plain, h.secure} {
		engine := h.engine(f == h.plain)
		engines.Go(func() { engine.Serve(f) })
	}
	stop := context.AfterFunc(ctx, func() {
		ln.Close()
		h.endAll(endSoon)
	})
	err := h.acceptAll(ctx, ln)
	stop()
	ln.Close()
	h.endAll(endSoon)
	h.wait(s.Limits.Grace)
	cancel()
	h.endAll(endNow)
	h.wait(time.Second)
	h.closeAll()
	h.plain.Close()
	h.secure.Close()
	engines.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// engine is a go-smtp server over a feed of ours.
func (h *house) engine(plain bool) *gosmtp.Server {
	e := gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		return c.Conn().(*leg).session, nil
	}))
	e.Domain = h.srv.Hostname
	e.MaxLineLength = 0        // the wire's own limit; this one would count in BDAT
	e.AllowInsecureAuth = true // the leg decides
	e.MaxMessageBytes = h.srv.maxWire()
	e.EnableSMTPUTF8 = true
	e.EnableBINARYMIME = true
	e.EnableDSN = true
	e.ErrorLog = engineLog{h.srv}
	if plain && h.srv.tls != nil && h.role != Submissions {
		e.TLSConfig = h.srv.tls // only so that EHLO says STARTTLS
	}
	return e
}

// engineLog takes what go-smtp logs: panics, with their stack.
type engineLog struct{ s *Server }

func (l engineLog) Printf(format string, v ...any) {
	l.s.log().Error("session broke", "err", fmt.Sprintf(format, v...))
}

func (l engineLog) Println(v ...any) { l.s.log().Error("session broke", "err", fmt.Sprint(v...)) }

// acceptAll accepts until ln is closed.
func (h *house) acceptAll(ctx context.Context, ln net.Listener) error {
	pause := time.Duration(0)
	for {
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of file descriptors, most likely: trying at once would only burn
			// the processor.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			h.srv.log().Error("accept", "err", err)
			select {
			case <-ctx.Done():
				return err
			case <-time.After(pause):
			}
			continue
		}
		pause = 0
		h.admit(c)
	}
}

// admit lets a connection in, or says in one line why not.
func (h *house) admit(c net.Conn) {
	ip := addrOf(c.RemoteAddr())
	if h.proxied(ip) {
		h.begin()
		go func() {
			defer h.finish()
			who, named, err := readProxy(c)
			if err != nil {
				h.srv.log().Debug("no proxy header", "ip", ip, "err", err)
				c.Close()
				return
			}
			if named {
				ip = who
			}
			h.enter(c, ip)
		}()
		return
	}
	h.enter(c, ip)
}

func (h *house) proxied(ip netip.Addr) bool {
	for _, p := range h.srv.ProxyFrom {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func (h *house) enter(c net.Conn, ip netip.Addr) {
	if id := h.srv.gate.enter(ip, h.srv.Limits); id != "" {
		h.srv.log().Debug("not let in", "ip", ip, "kind", id)
		if h.role != Submissions { // where TLS comes first, nobody could read it
			c.SetWriteDeadline(time.Now().Add(time.Second))
			c.Write(h.srv.farewell("", id).line())
		}
		c.Close()
		return
	}
	w := newWire(h, c, ip)
	h.mu.Lock()
	if h.ending {
		w.ending, w.why = endSoon, "smtp-shutting-down"
	}
	h.wires[w] = struct{}{}
	h.busy++
	h.mu.Unlock()
	if h.role != Submissions {
		if !h.plain.offer(newLeg(w)) {
			w.close(false)
		}
		return
	}
	go func() {
		if err := w.secure(h.ctx); err != nil {
			h.srv.log().Debug("no tls", "ip", ip, "err", err)
			w.close(false)
			return
		}
		if !h.secure.offer(newLeg(w)) {
			w.close(false)
		}
	}()
}

func newLeg(w *wire) *leg {
	l := &leg{wire: w}
	l.session = &session{leg: l, ctx: w.house.ctx}
	return l
}

// left takes a wire off the books.
func (h *house) left(w *wire) {
	h.mu.Lock()
	delete(h.wires, w)
	h.mu.Unlock()
	h.srv.gate.leave(w.ip)
	h.finish()
}

func (h *house) endAll(e ending) {
	for _, w := range h.all() {
		w.end(e, "smtp-shutting-down")
	}
}

func (h *house) closeAll() {
	for _, w := range h.all() {
		w.mu.Lock()
		w.conn.Close()
		w.mu.Unlock()
	}
}

func (h *house) all() []*wire {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ending = true
	ws := make([]*wire, 0, len(h.wires))
	for w := range h.wires {
		ws = append(ws, w)
	}
	return ws
}

func (h *house) begin() {
	h.mu.Lock()
	h.busy++
	h.mu.Unlock()
}

func (h *house) finish() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy--; h.busy == 0 && h.idle != nil {
		close(h.idle)
		h.idle = nil
	}
}

// wait waits until every wire has gone and every mail is decided, or d is over.
func (h *house) wait(d time.Duration) {
	h.mu.Lock()
	if h.busy == 0 {
		h.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	h.idle = idle
	h.mu.Unlock()
	select {
	case <-idle:
	case <-time.After(d):
	}
}

// feed is the listener that go-smtp accepts legs from.
type feed struct {
	legs chan net.Conn
	done chan struct{}
	once sync.Once
	addr net.Addr
}

func newFeed(a net.Addr) *feed {
	return &feed{legs: make(chan net.Conn), done: make(chan struct{}), addr: a}
}

// offer hands a leg over; false when nobody takes any more.
func (f *feed) offer(l *leg) bool {
	select {
	case f.legs <- l:
		return true
	case <-f.done:
		return false
	}
}

func (f *feed) Accept() (net.Conn, error) {
	select {
	case l := <-f.legs:
		return l, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error {
	f.once.Do(func() { close(f.done) })
	return nil
}

func (f *feed) Addr() net.Addr { return f.addr }

// addrOf is the address of the other end; zero for a pipe.
func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func addrPort(ip netip.Addr) netip.AddrPort { return netip.AddrPortFrom(ip, 0) }

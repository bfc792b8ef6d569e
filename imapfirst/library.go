package imap

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"

	proto "github.com/emersion/go-imap/v2"
)

// handover is the listener the library accepts signed-in connections from.
type handover struct {
	addr   net.Addr
	conns  chan net.Conn
	ready  chan struct{} // closed by the first Accept
	first  sync.Once
	once   sync.Once
	closed chan struct{}
}

func (h *handover) give(w *wire) bool {
	select {
	case h.conns <- w:
		return true
	case <-h.closed:
		return false
	}
}

func (h *handover) Accept() (net.Conn, error) {
	h.first.Do(func() { close(h.ready) })
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error   { h.once.Do(func() { close(h.closed) }); return nil }
func (h *handover) Addr() net.Addr { return h.addr }

// capabilities are those the library needs to be told of. BINARY is served
// (RFC 3516) but not announced: the library leaves the origin out of partial
// responses. IMAP4rev2 is not announced because it includes BINARY.
func capabilities() proto.CapSet {
	return proto.CapSet{
		proto.CapIMAP4rev1:    {},
		proto.CapNamespace:    {},
		proto.CapUIDPlus:      {},
		proto.CapESearch:      {},
		proto.CapSearchRes:    {},
		proto.CapListExtended: {},
		proto.CapListStatus:   {},
		proto.CapMove:         {},
		proto.CapStatusSize:   {},
		proto.CapChildren:     {},
		proto.CapSpecialUse:   {},
		proto.CapLiteralPlus:  {},
	}
}

// libraryLog passes on what the library has to say: a panic is our bug, the
// rest are clients that went away.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(format string, args ...any) {
	err := fmt.Sprintf(format, args...)
	if strings.HasPrefix(format, "panic") {
		l.log.Error("panic in imap session", "err", err)
		return
	}
	l.log.Debug("imap session", "err", err)
}

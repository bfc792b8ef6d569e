package imap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"colporteur/mail"
)

// conn is one client, from accept to close. It sits under TLS and compression
// and gives every read and write its deadline.
type conn struct {
	net.Conn
	ip   netip.Addr
	user mail.User // once signed in; guarded by Server.mu

	mu      sync.Mutex
	stop    context.CancelFunc // ends the session's context
	loginBy time.Time          // zero once signed in
	idleFor time.Duration
	idle    bool   // the session waits for its client, who may be told BYE
	why     string // the sentence of that BYE; "" while nobody wants the session to end
}

// stall is how long a client may make no progress in the middle of something. A
// deadline for all of a large upload would cut it on a slow line.
const stall = 2 * time.Minute

// errLeave: the session ends because the server wants it to.
var errLeave = errors.New("imap: the server ends the session")

func (c *conn) begin(stop context.CancelFunc, loginBy time.Time, idleFor time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop, c.loginBy, c.idleFor = stop, loginBy, idleFor
}

// signedIn lifts the deadline for strangers.
func (c *conn) signedIn(yes bool, loginBy time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loginBy = loginBy; yes {
		c.loginBy = time.Time{}
	}
}

func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	for_ := stall
	if c.idle {
		if c.why != "" {
			c.mu.Unlock()
			return 0, errLeave
		}
		for_ = c.idleFor
	}
	by := time.Now().Add(for_)
	if !c.loginBy.IsZero() && c.loginBy.Before(by) {
		by = c.loginBy // neither slow octets nor many commands prolong it
	}
	c.Conn.SetReadDeadline(by)
	c.mu.Unlock()
	n, err := c.Conn.Read(p)
	if err != nil && c.leaving() != "" && c.isIdle() {
		return n, errLeave
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.Conn.SetWriteDeadline(time.Now().Add(stall))
	return c.Conn.Write(p)
}

// waiting says whether the session waits for its client between two commands.
func (c *conn) waiting(on bool) {
	c.mu.Lock()
	c.idle = on
	c.mu.Unlock()
}

func (c *conn) isIdle() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.idle }

// leaving is the sentence with which the server wants the session to end.
func (c *conn) leaving() string { c.mu.Lock(); defer c.mu.Unlock(); return c.why }

// leave has the session say BYE and end as soon as it runs no command.
func (c *conn) leave(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == "" {
		c.why = why
	}
	if c.idle {
		c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// cut ends it in the middle of whatever it does.
func (c *conn) cut() {
	c.mu.Lock()
	stop := c.stop
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
	c.Close()
}

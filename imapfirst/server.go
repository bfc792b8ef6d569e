// Package imap serves mailboxes to mail programs: IMAP4rev1 (RFC 3501) with
// the extensions that today's programs use.
//
// # How it is built
//
// Everything about mailboxes is in store/mailbox; this package translates. The
// commands after login are parsed by go-imap's imapserver. What that library
// leaves open is closed around it:
//
//   - front.go speaks for itself until a member has signed in, in a few
//     kilobytes for each connection: greeting, CAPABILITY, STARTTLS, LOGIN,
//     AUTHENTICATE. A stranger never reaches the library.
//   - wire.go stands between the library and the socket. It frames commands
//     (lines and literals), so that bytes of a refused literal or of an overlong
//     line are never read as commands, bounds them, gathers the responses into
//     few writes, and has timeouts for progress instead of for whole transfers.
//
// # A session's picture
//
// Sequence numbers belong to a session: view.go keeps the list of UIDs the
// client knows and tells it of changes where RFC 3501 §7.4.1 allows: never an
// EXPUNGE while FETCH, STORE or SEARCH run.
package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"

	"github.com/emersion/go-imap/v2/imapserver"
)

// Accounts checks who somebody is.
type Accounts interface {
	// Login proves a name and a password. Kinds: AuthFailed, Suspended,
	// RateLimited, Unavailable. It may be called again on the same connection.
	Login(ctx context.Context, name, password string, c mail.Client) (mail.User, error)
}

// Appender files a message that a member uploads. It reads r to its end, which
// comes after size octets, and stores as it reads. Kinds: OverQuota, TooBig,
// BareNewline, BadContent, NotFound (the mailbox went away), DiskFull,
// Unavailable.
type Appender interface {
	Append(ctx context.Context, u mail.User, box mailbox.ID, flags []string, date time.Time, r io.Reader, size int64) (mailbox.Placed, error)
}

// Server serves IMAP. Its fields are set before the first Serve.
type Server struct {
	Mailboxes *mailbox.Store
	Accounts  Accounts
	Appender  Appender

	Hostname string      // in the greeting
	TLS      *tls.Config // nil: neither STARTTLS nor implicit TLS

	// InsecureAuthFrom says whether a client at this address may sign in
	// without TLS; nil: nobody may.
	InsecureAuthFrom func(netip.Addr) bool

	MaxAppend int64 // octets of one APPEND; 0 is 64 MiB, and 4 GiB-1 is the most

	PerIP     int           // connections from one address (IPv6: one /64); 0 is 60
	PerMember int           // connections of one member; 0 is 40
	LoginTime time.Duration // to sign in; 0 is one minute
	IdleTime  time.Duration // without a command, after login; 0 is 30 minutes (RFC 3501 §5.4)
	Grace     time.Duration // for commands that run when Serve ends; 0 is 3 seconds

	// Render makes the sentence of t in lang ("" when nobody signed in yet).
	// nil shows the sentence's id.
	Render func(lang string, t mail.Text) string
	Now    func() time.Time // nil is time.Now
	Log    *slog.Logger     // nil discards

	mu    sync.Mutex
	conns map[*conn]struct{}
}

const (
	defaultMaxAppend = 64 << 20
	maxUint32        = 1<<32 - 1
)

func (s *Server) maxAppend() int64 {
	if s.MaxAppend <= 0 {
		return defaultMaxAppend
	}
	return min(s.MaxAppend, maxUint32)
}

func or[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// conn is one client, from accept to close.
type conn struct {
	net.Conn // as accepted
	ip       netip.Addr
	wire     *wire // once signed in; guarded by Server.mu
	user     mail.User
	stop     context.CancelFunc // ends the session's context
}

// Serve takes connections from ln until ctx ends, and returns nil when the last
// of them has ended: those that wait for a command are told BYE, those that run
// one have Grace to finish it. With implicitTLS a connection begins with TLS.
func (s *Server) Serve(ctx context.Context, ln net.Listener, implicitTLS bool) error {
	if implicitTLS && s.TLS == nil {
		return errors.New("imap: no TLS configuration")
	}
	hand := &handover{addr: ln.Addr(), conns: make(chan net.Conn), ready: make(chan struct{}), closed: make(chan struct{})}
	lib := imapserver.New(&imapserver.Options{
		NewSession: s.newSession,
		Caps:       capabilities(),
		Logger:     libraryLog{s.log()},
	})
	var wg sync.WaitGroup
	wg.Go(func() { lib.Serve(hand) })
	<-hand.ready // the library's Close must not overtake its Serve
	defer wg.Wait()
	defer lib.Close()

	quit := context.AfterFunc(ctx, func() { ln.Close() })
	defer quit()

	var clients sync.WaitGroup
	mine := make(map[*conn]struct{}) // guarded by s.mu
	err := s.accept(ctx, ln, func(c *conn) {
		s.mu.Lock()
		mine[c] = struct{}{}
		s.mu.Unlock()
		clients.Go(func() {
			defer func() {
				s.forget(c)
				s.mu.Lock()
				delete(mine, c)
				s.mu.Unlock()
			}()
			s.serve(ctx, c, implicitTLS, hand)
		})
	})
	ln.Close()
	s.drain(mine, &clients)
	return err
}

// accept calls f for every connection that is within the limits.
func (s *Server) accept(ctx context.Context, ln net.Listener, f func(*conn)) error {
	pause := 5 * time.Millisecond
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("imap: %w", err)
		default: // out of file descriptors, usually: others end meanwhile
			s.log().Warn("accept", "err", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			pause = min(2*pause, time.Second)
			continue
		}
		c := &conn{Conn: nc, ip: addrOf(nc.RemoteAddr())}
		if !s.admit(c) {
			s.log().Info("too many connections", "ip", c.ip)
			nc.SetWriteDeadline(time.Now().Add(time.Second))
			// Under implicit TLS this is not TLS; the client only sees a failure, as it should.
			io.WriteString(nc, "* BYE [LIMIT] "+s.render("", mail.MakeText("imap-too-many-connections"))+"\r\n")
			nc.Close()
			continue
		}
		f(c)
	}
}

// drain ends the connections: politely, then not.
func (s *Server) drain(mine map[*conn]struct{}, clients *sync.WaitGroup) {
	each := func(f func(*conn)) {
		s.mu.Lock()
		list := make([]*conn, 0, len(mine))
		for c := range mine {
			list = append(list, c)
		}
		s.mu.Unlock()
		for _, c := range list {
			f(c)
		}
	}
	var leaving sync.WaitGroup // a client that reads nothing holds up its own, until it is closed below
	defer leaving.Wait()
	each(func(c *conn) {
		s.mu.Lock()
		w := c.wire
		s.mu.Unlock()
		if w == nil {
			c.Close() // nobody has signed in: nothing to lose
			return
		}
		leaving.Go(func() { w.leave(s.render(c.user.Lang, mail.MakeText("imap-server-stopping"))) })
	})
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	grace := time.NewTimer(or(s.Grace, 3*time.Second))
	defer grace.Stop()
	select {
	case <-done:
		return
	case <-grace.C:
	}
	each(func(c *conn) {
		s.mu.Lock()
		stop := c.stop
		s.mu.Unlock()
		if stop != nil {
			stop()
		}
		c.Close()
	})
	<-done
}

// serve is the life of one connection.
func (s *Server) serve(ctx context.Context, c *conn, implicitTLS bool, hand *handover) {
	f := &front{srv: s, conn: c}
	if !f.open(ctx, implicitTLS) {
		return
	}
	// The session outlives ctx by Grace, so that an APPEND that was almost
	// through when the server stops is not lost.
	sess, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	w, ok := f.run(ctx, sess, stop)
	if !ok {
		return
	}
	if ctx.Err() != nil { // drain looked before there was a wire
		w.leave(s.render(c.user.Lang, mail.MakeText("imap-server-stopping")))
	}
	if !hand.give(w) {
		return
	}
	<-w.ended // the library called Session.Close: nothing of this session runs any more
}

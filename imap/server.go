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
)

// Accounts checks who somebody is.
type Accounts interface {
	// Login proves a name and a password. Kinds: AuthFailed, Suspended,
	// RateLimited, Unavailable. It may be called again on the same connection.
	Login(ctx context.Context, name, password string, c mail.Client) (mail.User, error)
}

// Server serves IMAP. Its fields are set before the first Serve.
type Server struct {
	Mailboxes *mailbox.Store
	Accounts  Accounts
	Appender  Appender
	Verifiers Verifiers // nil: no SCRAM
	Bearer    Bearer    // nil: no OAUTHBEARER
	Quotas    Quotas    // nil: nothing is limited but the number of mailboxes

	// OfferSCRAM announces SCRAM-SHA-256. It knows app passwords only, and a
	// program that sees it takes nothing else: whoever gives it their own
	// password is refused.
	OfferSCRAM bool

	Hostname string      // in the greeting
	TLS      *tls.Config // nil: neither STARTTLS nor implicit TLS

	// InsecureAuthFrom says whether a client at this address may sign in
	// without TLS; nil: nobody may.
	InsecureAuthFrom func(netip.Addr) bool

	// SignedIn hears of every sign-in; nil hears nothing.
	SignedIn func(ctx context.Context, u mail.User, c mail.Client)

	JMAP string // where the same mail is served over JMAP (RFC 9698); "" is nowhere

	MaxAppend int64 // octets of one APPEND; 0 is 64 MiB

	MessageLimit int // messages one command works on (RFC 9738); 0 is a million

	PerIP     int           // connections from one address (IPv6: one /64); 0 is 60
	PerMember int           // connections of one member; 0 is 40
	LoginTime time.Duration // to sign in; 0 is one minute
	IdleTime  time.Duration // without a command, after login; 0 is 30 minutes (RFC 9051 §5.4)
	Grace     time.Duration // for commands that run when Serve ends; 0 is 3 seconds
	FailDelay time.Duration // before a failed login is answered, more each time; 0 is one second, below 0 none

	// Hidden are capabilities that are not announced to a member, because a
	// program of theirs breaks on them (Outlook's cloud on UIDONLY). nil: none.
	Hidden func(context.Context, mail.User) ([]string, error)

	// Render makes the sentence of t in lang ("" when nobody signed in yet).
	// nil shows the sentence's id.
	Render func(lang string, t mail.Text) string
	Now    func() time.Time // nil is time.Now
	Log    *slog.Logger     // nil discards

	tellEvery time.Duration // that a search goes on; 0 is 10 seconds. Tests are less patient

	mu    sync.Mutex
	conns map[*conn]struct{}
}

const defaultMaxAppend = 64 << 20

func (s *Server) maxAppend() int64 {
	if s.MaxAppend <= 0 {
		return defaultMaxAppend
	}
	return s.MaxAppend
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

// Serve takes connections from ln until ctx ends, and returns nil when the last
// of them has ended: those that wait for a command are told BYE, those that run
// one have Grace to finish it. With implicitTLS a connection begins with TLS.
func (s *Server) Serve(ctx context.Context, ln net.Listener, implicitTLS bool) error {
	if implicitTLS && s.TLS == nil {
		return errors.New("imap: no TLS configuration")
	}
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
			s.serve(ctx, c, implicitTLS)
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
	each(func(c *conn) { c.leave("imap-server-stopping") })
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	grace := time.NewTimer(or(s.Grace, 3*time.Second))
	defer grace.Stop()
	select {
	case <-done:
		return
	case <-grace.C:
	}
	each(func(c *conn) { c.cut() })
	<-done
}

// serve is the life of one connection.
func (s *Server) serve(ctx context.Context, c *conn, implicitTLS bool) {
	// The session outlives ctx by Grace, so that an APPEND that was almost
	// through when the server stops is not lost.
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	c.begin(stop, time.Now().Add(or(s.LoginTime, time.Minute)), or(s.IdleTime, 30*time.Minute))
	if ctx.Err() != nil { // drain looked before there was a connection
		c.leave("imap-server-stopping")
	}
	newSession(s, c, own).run(implicitTLS)
}

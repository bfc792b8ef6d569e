package importer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// Mode is how a connection is protected.
type Mode int

const (
	ImplicitTLS Mode = iota
	StartTLS         // never without: a host that does not offer it is refused
	Clear            // the password can be read on the way
)

// How long the other host may say nothing in the middle of an answer. Some
// compute the sizes of a large folder before they say the first of them.
const (
	silence  = 5 * time.Minute
	greeting = 30 * time.Second // until it has let us in
)

// source is the connection to the other host, made again when it breaks.
type source struct {
	*Importer

	client   *imapclient.Client
	ever     bool // it was connected at least once
	selected string
	validity uint32

	mu    sync.Mutex
	conn  *patient // under client, or under one that is being made
	ended bool     // ctx is over: no connection any more
}

// cut ends what is under way, from another goroutine.
func (s *source) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.conn != nil {
		s.conn.Close()
	}
}

// close closes the connection and not the client: the client waits until
// whoever reads a body has read it, and that may be the caller.
func (s *source) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
	}
	s.conn, s.client, s.selected = nil, nil, ""
}

// connected is a client that is signed in. ErrLogin is final; anything else
// may be tried again.
func (s *source) connected(ctx context.Context) (*imapclient.Client, error) {
	if s.client != nil {
		return s.client, nil
	}
	c, err := s.dial(ctx)
	if err == nil {
		err = c.WaitGreeting()
	}
	if err == nil {
		err = s.login(c)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.conn.silence.Store(int64(silence))
	s.client, s.ever = c, true
	return c, nil
}

func (s *source) dial(ctx context.Context) (*imapclient.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	host, _, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{}
	if s.TLS != nil {
		conf = s.TLS.Clone()
	}
	conf.ServerName = host
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, err
	}
	conn := &patient{Conn: raw}
	conn.silence.Store(int64(greeting))
	s.mu.Lock()
	s.conn = conn
	if s.ended {
		conn.Close()
	}
	s.mu.Unlock()
	opt := &imapclient.Options{TLSConfig: conf}
	switch s.Mode {
	case ImplicitTLS:
		secure := tls.Client(conn, conf)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return imapclient.New(secure, opt), nil
	case StartTLS:
		return imapclient.NewStartTLS(conn, opt)
	}
	return imapclient.New(conn, opt), nil
}

// login signs in with PLAIN where it is offered: LOGIN cannot say every
// password (RFC 9051 §6.2.3 leaves 8-bit ones open).
func (s *source) login(c *imapclient.Client) error {
	if c.State() == imap.ConnStateAuthenticated { // PREAUTH
		return nil
	}
	var err error
	if c.Caps().Has(imap.AuthCap("PLAIN")) {
		err = c.Authenticate(sasl.NewPlainClient("", s.User, s.Password))
	} else {
		err = c.Login(s.User, s.Password).Wait()
	}
	var no *imap.Error
	if errors.As(err, &no) && no.Code != imap.ResponseCodeUnavailable && no.Code != imap.ResponseCodeInUse {
		return fmt.Errorf("%w: %s", ErrLogin, no.Text)
	}
	return err
}

// examine opens a folder. A folder that was numbered anew meanwhile is another one.
func (s *source) examine(ctx context.Context, name string, validity uint32) (*imapclient.Client, *imap.SelectData, error) {
	c, err := s.connected(ctx)
	if err != nil {
		return nil, nil, err
	}
	if s.selected == name && s.validity == validity && validity != 0 {
		return c, nil, nil
	}
	data, err := c.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		s.selected = ""
		return nil, nil, err
	}
	s.selected, s.validity = name, data.UIDValidity
	if validity != 0 && data.UIDValidity != validity {
		return nil, nil, errRenumbered
	}
	return c, data, nil
}

var errRenumbered = errors.New("the folder was numbered anew on the other host meanwhile: start again")

// refusal says whether the other host said no, on a connection that lives on.
func refusal(err error) bool { return errors.As(err, new(*imap.Error)) }

// patient replaces the client's deadlines, one for each answer and each body,
// by one for each read: a large mail over a thin line takes as long as it takes.
type patient struct {
	net.Conn
	silence atomic.Int64
}

func (p *patient) Read(b []byte) (int, error) {
	p.Conn.SetReadDeadline(time.Now().Add(time.Duration(p.silence.Load())))
	return p.Conn.Read(b)
}

func (*patient) SetReadDeadline(time.Time) error { return nil }

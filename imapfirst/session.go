package imap

import (
	"context"
	"strings"
	"sync"

	"colporteur/mail"
	"colporteur/store/mailbox"

	proto "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// session is one signed-in connection: what the library calls for each command.
type session struct {
	srv  *Server
	wire *wire
	user mail.User
	ctx  context.Context // of the connection: the library's calls have none

	// IDLE runs beside the goroutine that reads, and may still do so when
	// Close comes.
	mu    sync.Mutex
	view  *view // nil: nothing is selected
	saved []mailbox.UID
}

var (
	_ imapserver.Session            = (*session)(nil)
	_ imapserver.SessionNamespace   = (*session)(nil)
	_ imapserver.SessionMove        = (*session)(nil)
	_ imapserver.SessionAppendLimit = (*session)(nil)
)

func (s *Server) newSession(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	w := c.NetConn().(*wire)
	return &session{srv: s, wire: w, user: w.conn.user, ctx: w.ctx}, &imapserver.GreetingData{PreAuth: true}, nil
}

func (s *session) Close() error {
	s.mu.Lock()
	s.view = nil
	s.mu.Unlock()
	s.srv.log().Debug("session ended", "ip", s.wire.conn.ip, "user", s.user.Address)
	close(s.wire.ended)
	return nil
}

// Login is front's.
func (s *session) Login(string, string) error { return bad("Signed in already") }

func (s *session) AppendLimit() uint32 { return uint32(s.srv.maxAppend()) }

// fail is what the client is told of err, after the operator was.
func (s *session) fail(err error) error {
	if err == nil {
		return nil
	}
	if pe, ok := err.(*proto.Error); ok {
		return pe
	}
	if ours(err) && s.ctx.Err() == nil {
		s.srv.log().Error("imap command", "cmd", s.wire.name(), "user", s.user.Address, "kind", mail.KindOf(err), "err", err)
	}
	return s.srv.reply(s.user.Lang, err)
}

// refuse is a NO that no Kind stands for.
func (s *session) refuse(code proto.ResponseCode, id string) error {
	return &proto.Error{Type: proto.StatusResponseTypeNo, Code: code, Text: s.srv.render(s.user.Lang, mail.MakeText(id))}
}

// box finds a mailbox by name. create says which answer a client expects that
// would create it and try again (RFC 3501 §7.1 TRYCREATE).
func (s *session) box(name string, create bool) (mailbox.Mailbox, error) {
	mb, err := s.srv.Mailboxes.Get(s.ctx, s.user.Account, name)
	switch {
	case err == nil:
		return mb, nil
	case mail.Is(err, mail.NotFound) && create:
		return mb, s.refuse(proto.ResponseCodeTryCreate, "imap-no-folder")
	case mail.Is(err, mail.NotFound):
		return mb, s.refuse(proto.ResponseCodeNonExistent, "imap-no-folder")
	}
	return mb, s.fail(err)
}

// canonical is how a client means a name: a separator at its end says only that
// it will create folders below (RFC 3501 §6.3.3).
func canonical(name string) string { return strings.TrimSuffix(name, "/") }

// Namespace: everything is the member's own (RFC 2342).
func (s *session) Namespace() (*proto.NamespaceData, error) {
	return &proto.NamespaceData{Personal: []proto.NamespaceDescriptor{{Delim: '/'}}}, nil
}

func (s *session) Create(name string, options *proto.CreateOptions) error {
	if len(options.SpecialUse) > 0 {
		return s.refuse(codeUseAttr, "imap-folder-use")
	}
	name = canonical(name)
	if !nameable(name) {
		return s.refuse(proto.ResponseCodeCannot, "imap-folder-name")
	}
	_, err := s.srv.Mailboxes.Create(s.ctx, s.user.Account, name)
	return s.fail(err)
}

func (s *session) Delete(name string) error {
	if _, err := s.box(name, false); err != nil {
		return err
	}
	return s.fail(s.srv.Mailboxes.Remove(s.ctx, s.user.Account, name))
}

func (s *session) Rename(from, to string, _ *proto.RenameOptions) error {
	if _, err := s.box(from, false); err != nil {
		return err
	}
	to = canonical(to)
	if !nameable(to) {
		return s.refuse(proto.ResponseCodeCannot, "imap-folder-name")
	}
	return s.fail(s.srv.Mailboxes.Rename(s.ctx, s.user.Account, from, to))
}

func (s *session) Subscribe(name string) error {
	if _, err := s.box(name, false); err != nil {
		return err
	}
	return s.fail(s.srv.Mailboxes.Subscribe(s.ctx, s.user.Account, name, true))
}

// Unsubscribe of a name that is not there is no failure: the client wanted it gone.
func (s *session) Unsubscribe(name string) error {
	err := s.srv.Mailboxes.Subscribe(s.ctx, s.user.Account, name, false)
	if mail.Is(err, mail.NotFound) {
		return nil
	}
	return s.fail(err)
}

// nameable: LIST could not name a folder with a wildcard in it, and the rest
// is how somebody tries to leave their own mailboxes. The store checks more.
func nameable(name string) bool {
	if name == "" || len(name) > 1000 || strings.ContainsAny(name, "*%\\\x00\r\n\uFFFD") {
		return false
	}
	for _, level := range strings.Split(name, "/") {
		if level == "" || level == "." || level == ".." {
			return false
		}
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}

func (s *session) Append(name string, r proto.LiteralReader, options *proto.AppendOptions) (*proto.AppendData, error) {
	mb, err := s.box(name, true)
	if err != nil {
		return nil, err
	}
	if r.Size() == 0 {
		return nil, s.refuse(proto.ResponseCodeCannot, "imap-empty-message")
	}
	flags, err := cleanFlags(options.Flags)
	if err != nil {
		return nil, err
	}
	date := options.Time
	if date.IsZero() {
		date = s.srv.now()
	}
	at, err := s.srv.Appender.Append(s.ctx, s.user, mb.ID, flags, date, r, r.Size())
	if mail.Is(err, mail.NotFound) {
		return nil, s.refuse(proto.ResponseCodeTryCreate, "imap-no-folder")
	}
	if err != nil {
		return nil, s.fail(err)
	}
	return &proto.AppendData{UID: proto.UID(at.UID), UIDValidity: mb.UIDValidity}, nil
}

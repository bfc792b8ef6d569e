package smtp

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"colporteur/mail"

	gosmtp "github.com/emersion/go-smtp"
)

// session is go-smtp's backend for one leg. go-smtp has no contexts: ctx is the
// one that ends when the server's grace is over.
//
// With BDAT, Data runs beside the commands: tx changes hands under mu, and
// nothing else is touched from there.
type session struct {
	*leg
	ctx  context.Context
	user mail.User

	mu    sync.Mutex
	tx    *mail.Envelope // the mail under way, from MAIL on
	taken int            // recipients of it
}

var _ gosmtp.AuthSession = (*session)(nil)

func (s *session) lang() string { return s.user.Lang }

// about is a farewell in the member's language.
func (s *session) about(id string) refusal { return s.srv.farewell(s.lang(), id) }

func (s *session) maySend(ctx context.Context, u mail.UserID, a mail.Address) error {
	return s.srv.Accounts.MaySend(ctx, u, a)
}

// client is the other end, with its protocol as RFC 3848 and RFC 6531 §4.3 name it.
func (s *session) client(utf8 bool) mail.Client {
	p := "SMTP"
	if s.esmtp || s.tls != "" { // there is no SMTPS
		p = "ESMTP"
	}
	if utf8 {
		p = "UTF8SMTP"
	}
	if s.tls != "" {
		p += "S"
	}
	if s.user.ID != 0 {
		p += "A"
	}
	return mail.Client{IP: s.ip, Helo: s.helo, Protocol: p, TLS: s.tls}
}

// fail logs that a recipient was refused and makes go-smtp's error of it.
func (s *session) fail(err error, env *mail.Envelope, rcpt string) *gosmtp.SMTPError {
	s.logRefusal(err, env.ID, env.From.String(), rcpt)
	return s.replyTo(err).smtp()
}

func (s *session) logRefusal(err error, id, from, rcpt string) {
	log, kind := s.srv.log().Info, mail.KindOf(err)
	if kind == mail.Internal {
		log = s.srv.log().Error
	}
	log("refused", "mail", id, "from", from, "to", rcpt, "ip", s.ip, "user", s.user.ID, "kind", codes[kind].sentence, "err", err)
}

func (s *session) replyTo(err error) refusal {
	r := s.srv.refuse(s.lang(), err)
	if errors.Is(err, errNeedUTF8) {
		r.code = needUTF8
	}
	return r
}

// busy says whether a mail is under way.
func (s *session) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tx != nil
}

// Mail is MAIL FROM.
func (s *session) Mail(_ string, opts *gosmtp.MailOptions) error {
	cmd := &s.cmd
	member := s.house.role != MX
	switch {
	case s.busy():
		return badSequence.smtp()
	case member && s.user.ID == 0:
		return s.replyTo(mail.Refuse(mail.AuthRequired, "kind-auth-required")).smtp()
	case cmd.bad:
		return badPath.smtp()
	}
	if s.messages++; s.messages > s.srv.Limits.Messages {
		return s.about("smtp-too-many-messages").smtp()
	}
	now := s.srv.now()
	env := &mail.Envelope{
		ID:       newID(now),
		Client:   s.client(opts.UTF8),
		User:     s.user,
		Size:     cmd.size,
		UTF8:     opts.UTF8,
		EnvID:    opts.EnvelopeID,
		Received: now,
	}
	switch at, ok := cmd.hold.at(now); {
	case cmd.hold == (hold{}):
	case !ok || !member:
		return badHold.smtp()
	default:
		env.Release = at
	}
	if env.RequireTLS = cmd.secure; cmd.secure && s.tls == "" { // RFC 8689 §4.2
		return badTLSWish.smtp()
	}
	if member {
		env.Origin = mail.FromMember
	}
	switch opts.Body {
	case gosmtp.Body8BitMIME:
		env.Body = mail.Body8Bit
	case gosmtp.BodyBinaryMIME:
		env.Body = mail.BodyBinary
	}
	switch opts.Return {
	case gosmtp.DSNReturnFull:
		env.Ret = mail.RetFull
	case gosmtp.DSNReturnHeaders:
		env.Ret = mail.RetHeaders
	}
	err := s.sender(env, cmd.path)
	if err == nil && cmd.size > s.srv.maxWire() {
		err = s.srv.tooBig()
	}
	if err != nil {
		s.logRefusal(err, env.ID, cmd.path, "")
		return s.replyTo(err).smtp()
	}
	s.mu.Lock()
	s.tx, s.taken = env, 0
	s.mu.Unlock()
	s.started = true
	s.instead = string(senderOK.line())
	return nil
}

// sender fills in env.From.
func (s *session) sender(env *mail.Envelope, path string) error {
	if path == "" {
		if env.Origin == mail.FromMember { // nobody could be told of a failure, and nobody is answerable
			return mail.Refuse(mail.NotYours, "smtp-null-sender")
		}
		return nil
	}
	from, err := address(path, env.UTF8)
	if err != nil {
		return err
	}
	if from.Domain == "" {
		return mail.Refuse(mail.BadAddress, "bad-address", "Address", from.String())
	}
	env.From = from
	if env.Origin == mail.FromMember {
		return s.maySend(s.ctx, s.user.ID, from)
	}
	return nil
}

// address reads a path. An address literal may be right, but no mail comes from
// or goes to one here: it is refused as relaying, not as a mistake.
func address(path string, utf8 bool) (mail.Address, error) {
	if i := strings.LastIndex(path, "@["); i > 0 && isLiteral(path[i+1:]) {
		return mail.Address{}, mail.Refuse(mail.RelayDenied, "smtp-address-literal")
	}
	if strings.HasPrefix(path, `""@`) { // the empty name is an address, and nobody's
		return mail.Address{}, mail.Refuse(mail.NoSuchUser, "kind-no-such-user")
	}
	a, err := mail.ParseAddress(path)
	if err == nil && !utf8 && !isASCII(path) {
		return a, errNeedUTF8
	}
	return a, err
}

func isLiteral(s string) bool {
	s, ok := strings.CutSuffix(strings.TrimPrefix(s, "["), "]")
	if rest, v6 := strings.CutPrefix(s, "IPv6:"); v6 {
		s = rest
	} else if strings.Contains(s, ":") {
		return false
	}
	return ok && net.ParseIP(s) != nil
}

// Rcpt is RCPT TO.
func (s *session) Rcpt(_ string, opts *gosmtp.RcptOptions) error {
	cmd, l := &s.cmd, s.srv.Limits
	s.mu.Lock()
	env := s.tx
	s.mu.Unlock()
	switch {
	case env == nil:
		return badSequence.smtp()
	case cmd.bad || cmd.path == "":
		return badPath.smtp()
	case s.taken >= l.Recipients:
		return s.fail(mail.Refuse(mail.TooMany, "too-many-recipients", "Max", l.Recipients), env, cmd.path)
	}
	now := s.srv.now()
	stranger := env.Origin == mail.FromMX
	if stranger {
		// Who has asked for fifty people that do not exist is not answered any
		// more: this server is no address book.
		if n, until := s.srv.strange.add(block(s.ip), 0, now); n >= l.UnknownPerIP {
			return s.replyTo(mail.Refuse(mail.RateLimited, "smtp-too-many-unknown", "Minutes", minutes(until.Sub(now)))).smtp()
		}
	} else if n, until := s.srv.sent.add(s.user.ID, 0, now); n >= l.PerMember {
		return s.fail(mail.Refuse(mail.RateLimited, "smtp-member-rate", "Max", l.PerMember, "Minutes", minutes(until.Sub(now))), env, cmd.path)
	}
	to, err := address(cmd.path, env.UTF8)
	if err != nil {
		return s.fail(err, env, cmd.path)
	}
	r := mail.Recipient{Address: to, ORCPT: orcpt(cmd), Notify: notify(opts.Notify)}
	if err := s.srv.Door.Recipient(s.ctx, env, r); err != nil {
		return s.refused(err, env, to, now)
	}
	s.taken++
	if !stranger {
		if n, _ := s.srv.sent.add(s.user.ID, 1, now); n == l.PerMember {
			s.srv.log().Warn("member reached the hourly limit", "user", s.user.ID, "ip", s.ip)
			if s.srv.Alarm != nil {
				s.srv.Alarm(s.user, s.ip, l.PerMember)
			}
		}
	}
	s.instead = string(recipientOK.line())
	return nil
}

// refused answers a recipient that the Door does not take.
func (s *session) refused(err error, env *mail.Envelope, to mail.Address, now time.Time) error {
	if !mail.Is(err, mail.NoSuchUser) {
		return s.fail(err, env, to.String())
	}
	if strings.ContainsAny(to.Local, "%!@") {
		// ann%far.test@here and far.test!ann@here once meant "pass it on".
		err = mail.Refuse(mail.RelayDenied, "relay-denied", "Address", to.String())
	}
	if env.Origin == mail.FromMX {
		s.srv.strange.add(block(s.ip), 1, now)
		if s.unknown++; s.unknown > s.srv.Limits.Unknown {
			return s.about("smtp-stop-guessing").smtp()
		}
	}
	return s.fail(err, env, to.String())
}

func minutes(d time.Duration) int { return max(1, int((d+time.Minute-1)/time.Minute)) }

// orcpt is ORCPT as it was given; go-smtp's own is decoded, and the next server
// wants it encoded (RFC 3461 §5.2.1).
func orcpt(c *command) string { return c.param("ORCPT") }

func notify(values []gosmtp.DSNNotify) (n mail.Notify) {
	for _, v := range values {
		switch v {
		case gosmtp.DSNNotifyNever:
			n |= mail.NotifyNever
		case gosmtp.DSNNotifySuccess:
			n |= mail.NotifySuccess
		case gosmtp.DSNNotifyFailure:
			n |= mail.NotifyFailure
		case gosmtp.DSNNotifyDelayed:
			n |= mail.NotifyDelay
		}
	}
	return n
}

// Reset forgets the mail under way.
func (s *session) Reset() {
	s.mu.Lock()
	s.tx = nil
	s.mu.Unlock()
}

// Logout is the end of the leg.
func (s *session) Logout() error {
	s.Reset()
	return nil
}

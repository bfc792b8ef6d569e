package smtp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"

	"colporteur/mail"

	"github.com/emersion/go-sasl"
)

// maxPassword keeps the hashing of passwords from becoming a way to use us up.
const maxPassword = 1 << 10

// errSASL is a message that its mechanism does not have.
var errSASL = errors.New("not a message of the mechanism")

// authAllowed says whether AUTH is offered: never to other servers, and in the
// clear only from where the operator said so.
func (s *session) authAllowed() bool {
	if s.house.role == MX || s.srv.Accounts == nil {
		return false
	}
	return s.tls != "" || s.srv.InsecureAuthFrom != nil && s.srv.InsecureAuthFrom(s.ip)
}

// beginAuth lets AUTH through to go-smtp only where it is offered: elsewhere the
// credentials that came with it are neither looked at nor kept.
func (l *leg) beginAuth() error {
	switch {
	case l.house.role == MX:
		return l.wrong(notImplemented)
	case !l.session.authAllowed():
		return l.wrong(needTLS)
	case !l.greeted || l.session.busy():
		return l.wrong(badSequence)
	}
	mech, initial, _ := strings.Cut(l.cmd.arg, " ")
	l.cmd.arg = "" // not to be found in memory or a log later on
	if mech == "" {
		return l.wrong(badArgument)
	}
	if initial = strings.TrimSpace(initial); initial != "" && !isBase64(initial) {
		return l.wrong(badBase64)
	}
	if !isASCII(mech) {
		return l.wrong(badArgument)
	}
	l.forward(strings.TrimRight("AUTH "+mech+" "+initial, " "), refusal{})
	return nil
}

// answer is the client's answer to a 334. go-smtp says 454 to bad base64, as if
// it might be better tomorrow; RFC 4954 §4 wants 501.
func (l *leg) answer(text string, refused *refusal) {
	if refused != nil || text != "*" && !isBase64(text) {
		l.forward("*", badBase64)
		return
	}
	l.forward(text, refusal{})
}

func isBase64(s string) bool {
	if s == "=" || s == "" {
		return true
	}
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil
}

// AuthMechanisms is what EHLO shows.
func (s *session) AuthMechanisms() []string {
	switch {
	case !s.authAllowed() || s.user.ID != 0:
		return nil
	case s.srv.Verifiers != nil && s.srv.OfferSCRAM:
		return []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"}
	}
	return []string{"PLAIN", "LOGIN"}
}

// Auth begins an exchange.
func (s *session) Auth(mech string) (sasl.Server, error) {
	if s.badLogins >= s.srv.Limits.BadLogins {
		return nil, s.about("smtp-too-many-logins").smtp()
	}
	x := &exchange{s: s}
	switch mech {
	case "PLAIN":
		x.step = x.plain
	case "LOGIN":
		x.step = x.loginName
	case "SCRAM-SHA-256":
		if s.srv.Verifiers == nil {
			return nil, badMechanism.smtp()
		}
		x.step = (&scram{find: x.verifiers, nonce: newNonce}).start(x)
	default:
		return nil, badMechanism.smtp()
	}
	return x, nil
}

// exchange is one AUTH: a step for each message of the client. A step returns
// the next challenge, or the member who has proved themselves.
type exchange struct {
	s    *session
	step step
}

type step func(response []byte) (challenge []byte, next step, u mail.User, err error)

// Next implements sasl.Server. response is nil when there was no initial one.
func (x *exchange) Next(response []byte) ([]byte, bool, error) {
	challenge, next, u, err := x.step(response)
	s := x.s
	switch {
	case errors.Is(err, errSASL):
		s.badLogins++
		return nil, false, badSASL.smtp()
	case err != nil:
		if !mail.KindOf(err).Temporary() {
			s.badLogins++
		}
		s.srv.log().Info("sign-in refused", "ip", s.ip, "kind", codes[mail.KindOf(err)].sentence, "err", err)
		return nil, false, s.srv.refuseAuth("", err).smtp()
	case next != nil:
		x.step = next
		return challenge, false, nil
	}
	s.user, s.signedIn = u, u.ID
	s.srv.users.add(u, s.wire)
	s.srv.log().Info("signed in", "ip", s.ip, "user", u.ID)
	if s.srv.SignedIn != nil {
		s.srv.SignedIn(s.ctx, u, s.client(false))
	}
	s.instead = string(signedIn.line())
	return nil, true, nil
}

// plain is RFC 4616: authzid NUL authcid NUL password.
func (x *exchange) plain(response []byte) ([]byte, step, mail.User, error) {
	if response == nil {
		return nil, x.plain, mail.User{}, nil
	}
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return nil, nil, mail.User{}, errSASL
	}
	authz, name, password := string(parts[0]), string(parts[1]), string(parts[2])
	if authz != "" && !strings.EqualFold(authz, name) { // nobody speaks for anybody else
		return nil, nil, mail.User{}, mail.Refuse(mail.AuthFailed, "kind-auth-failed")
	}
	u, err := x.login(name, password)
	return nil, nil, u, err
}

// loginName and loginPassword are LOGIN, which Outlook still uses
// (draft-murchison-sasl-login).
func (x *exchange) loginName(response []byte) ([]byte, step, mail.User, error) {
	if response == nil {
		return []byte("Username:"), x.loginName, mail.User{}, nil
	}
	name := string(response)
	return []byte("Password:"), func(response []byte) ([]byte, step, mail.User, error) {
		u, err := x.login(name, string(response))
		return nil, nil, u, err
	}, mail.User{}, nil
}

func (x *exchange) login(name, password string) (mail.User, error) {
	if name == "" || password == "" || len(password) > maxPassword || len(name) > mail.MaxAddress {
		return mail.User{}, mail.Refuse(mail.AuthFailed, "kind-auth-failed")
	}
	return x.s.srv.Accounts.Login(x.s.ctx, name, password, x.s.client(false))
}

func (x *exchange) verifiers(name string) ([]Verifier, error) {
	return x.s.srv.Verifiers.Verifiers(x.s.ctx, name)
}

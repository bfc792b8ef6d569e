package imap

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"colporteur/imap/wire"
	"colporteur/mail"
)

const maxFailed = 4 // logins on one connection

var loginCommands = commands{
	"UNAUTHENTICATE": {in: member, run: (*session).unauthenticate},
	"STARTTLS":       {in: stranger, run: (*session).startTLS},
	"LOGIN":          {in: stranger, run: (*session).login},
	"AUTHENTICATE":   {in: stranger, run: (*session).authenticate},
}

var loginCapabilities = []string{"UNAUTHENTICATE"}

// maySignIn: passwords travel under TLS only (RFC 8314 §3.3), but for a demo on
// the same machine.
func (s *session) maySignIn() bool {
	return s.tls != nil || s.srv.InsecureAuthFrom != nil && s.srv.InsecureAuthFrom(s.conn.ip)
}

// mechanisms are announced as AUTH=….
func (s *session) mechanisms() []string {
	all := []string{"AUTH=PLAIN"}
	if s.srv.Verifiers != nil && s.srv.OfferSCRAM {
		all = append(all, "AUTH=SCRAM-SHA-256")
		if s.bindable() {
			all = append(all, "AUTH=SCRAM-SHA-256-PLUS")
		}
	}
	if s.srv.Bearer != nil {
		all = append(all, "AUTH=OAUTHBEARER")
	}
	return all
}

func (s *session) startTLS(d *wire.Decoder) error {
	if err := d.End(); err != nil {
		return err
	}
	if s.srv.TLS == nil || s.tls != nil {
		return bad("STARTTLS is not available")
	}
	s.e.Raw(s.tag).Raw(" OK Begin TLS negotiation now").CRLF()
	s.answered = true
	// What came with the command came in clear, from whoever (CVE-2011-0411):
	// secure forgets it.
	s.over = s.e.Flush() != nil || !s.secure()
	return nil
}

func (s *session) login(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	name, err := d.AString()
	if err != nil {
		return err
	}
	if err := d.SP(); err != nil {
		return err
	}
	password, err := d.AString()
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	return s.prove(name, password)
}

func (s *session) authenticate(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	mech, err := d.Atom()
	if err != nil {
		return err
	}
	initial, given := "", false
	if d.Is(' ') {
		given = true
		if initial, err = d.Rest(); err != nil {
			return err
		}
	}
	if err := d.End(); err != nil {
		return err
	}
	if !s.maySignIn() { // before the client is asked for its password
		return s.inClear()
	}
	switch mech = strings.ToUpper(mech); {
	case mech == "PLAIN":
		return s.plain(initial, given)
	case mech == "SCRAM-SHA-256" && s.srv.Verifiers != nil:
		return s.scram(initial, given, false)
	case mech == "SCRAM-SHA-256-PLUS" && s.srv.Verifiers != nil && s.bindable():
		return s.scram(initial, given, true)
	case mech == "OAUTHBEARER" && s.srv.Bearer != nil:
		return s.bearer(initial, given)
	}
	return &status{"NO", "CANNOT", "This mechanism is not supported"}
}

// challenge sends a SASL challenge and reads the response, decoded.
func (s *session) challenge(text []byte) ([]byte, error) {
	if err := s.d.Continue(base64.StdEncoding.EncodeToString(text)); err != nil {
		return nil, err
	}
	line, err := s.d.Line()
	if err != nil {
		return nil, err
	}
	return response(line)
}

// response decodes what a client sent; "=" is an empty initial response (RFC 4959).
func response(line string) ([]byte, error) {
	switch line {
	case "*":
		return nil, bad("AUTHENTICATE cancelled")
	case "=":
		return []byte{}, nil
	}
	raw, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		return nil, bad("Not base64")
	}
	return raw, nil
}

// first is what a client begins with: it came with the command, or is asked for.
func (s *session) first(initial string, given bool) ([]byte, error) {
	if given {
		return response(initial)
	}
	return s.challenge(nil)
}

// plain is RFC 4616: authorization identity NUL name NUL password.
func (s *session) plain(initial string, given bool) error {
	raw, err := s.first(initial, given)
	if err != nil {
		return err
	}
	part := strings.Split(string(raw), "\x00")
	if len(part) != 3 || part[1] == "" {
		return bad("Not a PLAIN response")
	}
	if part[0] != "" && !strings.EqualFold(part[0], part[1]) {
		return s.refuse("AUTHORIZATIONFAILED", "imap-identity")
	}
	return s.prove(part[1], part[2])
}

func (s *session) inClear() error { return mail.Refuse(mail.AuthRequired, "imap-tls-required") }

// prove asks whether name and password belong together.
func (s *session) prove(name, password string) error {
	if !s.maySignIn() {
		return s.inClear()
	}
	u, err := s.srv.Accounts.Login(s.ctx, name, password, s.client())
	if err == nil && u.ID == 0 {
		err = errors.New("a member without id")
	}
	return s.enter(name, u, err)
}

// enter is how every attempt to sign in ends: as u, or with err.
func (s *session) enter(name string, u mail.User, err error) error {
	if err == nil && s.srv.Hidden != nil {
		s.hidden, err = s.srv.Hidden(s.ctx, u)
	}
	if err == nil {
		err = s.srv.enter(s.conn, u)
	}
	if err != nil {
		log := s.srv.log().Info
		if ours(err) {
			log = s.srv.log().Error
		}
		log("login refused", "ip", s.conn.ip, "user", name, "kind", mail.KindOf(err), "err", err)
		s.failed++
		// Whoever guesses waits, each time longer.
		delay := s.srv.FailDelay
		if delay == 0 {
			delay = time.Second
		}
		s.pause(time.Duration(s.failed) * delay)
		return err
	}
	if s.srv.SignedIn != nil {
		s.srv.SignedIn(s.ctx, u, s.client())
	}
	s.user, s.failed, s.wrong = u, 0, 0
	s.conn.signedIn(true, time.Time{})
	s.d.Limits = wire.After
	s.srv.log().Info("logged in", "ip", s.conn.ip, "user", u.Address)
	s.code = "CAPABILITY " + s.capability()
	return nil
}

func (s *session) client() mail.Client {
	c := mail.Client{IP: s.conn.ip, Protocol: "IMAP"}
	if s.tls != nil {
		st := s.tls.ConnectionState()
		c.Protocol = "IMAPS"
		c.TLS = strings.ReplaceAll(tls.VersionName(st.Version), " ", "") + " " + tls.CipherSuiteName(st.CipherSuite)
	}
	return c
}

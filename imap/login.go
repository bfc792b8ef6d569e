package imap

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"time"

	"colporteur/mail"

	proto "github.com/emersion/go-imap/v2"
)

// front speaks with a client until a member has signed in. Strangers get no
// more memory than its one small buffer and a line.
type front struct {
	srv    *Server
	conn   *conn
	br     *bufio.Reader
	tls    *tls.Conn // nil in clear
	last   []byte    // the line read last
	failed int       // logins
	wrong  int       // commands
}

const (
	frontLine    = 8 << 10 // RFC 7162 §4 and RFC 2683 §3.2.1.5 name this
	frontLiteral = 1024    // a name or a password
	maxFailed    = 4       // logins on one connection
	maxWrong     = 10      // commands that make no sense
)

var errFront = errors.New("imap: ended before login")

func (f *front) open(ctx context.Context, implicitTLS bool) bool {
	// One deadline for all of it: neither slow octets nor many commands prolong it.
	f.conn.SetDeadline(time.Now().Add(or(f.srv.LoginTime, time.Minute)))
	if implicitTLS {
		if !f.secure(ctx) {
			return false
		}
	} else {
		f.br = bufio.NewReaderSize(f.conn, 4096)
	}
	return f.say("* OK [CAPABILITY "+f.capability()+"] "+ascii(f.srv.Hostname)+" IMAP ready") == nil
}

// secure begins TLS.
func (f *front) secure(ctx context.Context) bool {
	cfg := f.srv.TLS.Clone()
	cfg.NextProtos = []string{"imap"} // refuses a browser that was sent here for another protocol (ALPACA)
	t := tls.Server(f.conn, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		f.srv.log().Debug("tls handshake", "ip", f.conn.ip, "err", err)
		return false
	}
	f.tls = t
	f.br = bufio.NewReaderSize(t, 4096)
	return true
}

func (f *front) say(line string) error {
	var w io.Writer = f.conn
	if f.tls != nil {
		w = f.tls
	}
	_, err := io.WriteString(w, line+"\r\n")
	return err
}

// maySignIn: passwords travel under TLS only (RFC 8314 §3.3), but for a demo on
// the same machine.
func (f *front) maySignIn() bool {
	return f.tls != nil || f.srv.InsecureAuthFrom != nil && f.srv.InsecureAuthFrom(f.conn.ip)
}

func (f *front) capability() string {
	caps := "IMAP4rev1 SASL-IR LITERAL+"
	if f.tls == nil && f.srv.TLS != nil {
		caps += " STARTTLS"
	}
	if f.maySignIn() {
		return caps + " AUTH=PLAIN"
	}
	return caps + " LOGINDISABLED"
}

// run answers commands until somebody has signed in; the answer to that command
// is then the wire's to give.
func (f *front) run(ctx, sess context.Context, stop context.CancelFunc) (*wire, bool) {
	for {
		line, err := f.line()
		if err != nil {
			var ne interface{ Timeout() bool }
			if errors.As(err, &ne) && ne.Timeout() {
				f.conn.SetDeadline(time.Now().Add(time.Second))
				f.bye("imap-login-time")
			}
			return nil, false
		}
		tag, name := words(line)
		if tag == "*" {
			f.bye("kind-bad-syntax")
			return nil, false
		}
		args := arguments(line)
		var user mail.User
		switch name {
		case "CAPABILITY", "NOOP", "LOGOUT", "STARTTLS":
			if args != "" {
				err = bad("No arguments expected")
				break
			}
			switch name {
			case "CAPABILITY":
				f.say("* CAPABILITY " + f.capability())
			case "LOGOUT":
				f.say("* BYE Logging out")
				f.say(tag + " OK LOGOUT completed")
				return nil, false
			case "STARTTLS":
				if f.srv.TLS == nil || f.tls != nil {
					err = bad("STARTTLS is not available")
					break
				}
				f.say(tag + " OK Begin TLS negotiation now")
				// What came with the command came in clear, from whoever (CVE-2011-0411).
				f.br.Discard(f.br.Buffered())
				if !f.secure(ctx) {
					return nil, false
				}
				continue
			}
		case "LOGIN":
			user, err = f.login(ctx, args)
		case "AUTHENTICATE":
			user, err = f.authenticate(ctx, args)
		default:
			err = bad("Please sign in first")
			if !known[name] { // HTTP, or another protocol that a browser was made to speak
				f.say(tag + " BAD [CLIENTBUG] Unknown command")
				f.bye("kind-bad-syntax")
				return nil, false
			}
		}
		if err == nil && user.ID != 0 {
			if w, err2 := f.enter(sess, user, tag, stop); err2 == nil {
				return w, true
			} else {
				err = err2
			}
		}
		if !f.answer(tag, name, err) {
			return nil, false
		}
	}
}

// known are commands that exist, but not before login.
var known = map[string]bool{"SELECT": true, "EXAMINE": true, "CREATE": true, "DELETE": true, "RENAME": true,
	"SUBSCRIBE": true, "UNSUBSCRIBE": true, "LIST": true, "LSUB": true, "STATUS": true, "APPEND": true, "CHECK": true,
	"CLOSE": true, "EXPUNGE": true, "SEARCH": true, "FETCH": true, "STORE": true, "COPY": true, "MOVE": true, "IDLE": true,
	"ENABLE": true, "NAMESPACE": true, "UNSELECT": true, "ID": true, "GETQUOTA": true, "GETQUOTAROOT": true, "COMPRESS": true,
	"UID FETCH": true, "UID STORE": true, "UID SEARCH": true, "UID COPY": true, "UID MOVE": true, "UID EXPUNGE": true}

func arguments(line []byte) string {
	s := strings.TrimRight(string(line), "\r\n")
	_, s, _ = strings.Cut(s, " ")
	_, s, _ = strings.Cut(s, " ")
	return s
}

// answer says how a command ended; false means that the connection has, too.
func (f *front) answer(tag, name string, err error) bool {
	if err == nil {
		return f.say(tag+" OK "+name+" completed") == nil
	}
	var pe *proto.Error
	var me *mail.Error
	switch {
	case errors.As(err, &pe):
	case errors.As(err, &me):
		pe = f.srv.reply("", err)
	default: // the connection
		return false
	}
	code := ""
	if pe.Code != "" {
		code = "[" + string(pe.Code) + "] "
	}
	if f.say(tag+" "+string(pe.Type)+" "+code+pe.Text) != nil {
		return false
	}
	if pe.Type == proto.StatusResponseTypeBad {
		if f.wrong++; f.wrong >= maxWrong {
			f.bye("kind-bad-syntax")
			return false
		}
	} else if name == "LOGIN" || name == "AUTHENTICATE" {
		if f.failed++; f.failed >= maxFailed {
			f.bye("imap-too-many-failures")
			return false
		}
	}
	// A literal that was not asked for is on its way: its octets are no commands.
	lit, ok := announced(f.last)
	return !ok || lit.sync
}

func (f *front) bye(id string) { f.say("* BYE " + f.srv.render("", mail.MakeText(id))) }

// line reads one line, within bounds and without flaws.
func (f *front) line() ([]byte, error) {
	var line []byte
	for {
		part, err := f.br.ReadSlice('\n')
		line = append(line, part...)
		if err == bufio.ErrBufferFull && len(line) < frontLine {
			continue
		}
		if err == bufio.ErrBufferFull || len(line) > frontLine {
			tag, _ := words(line)
			if tag != "*" {
				f.say(tag + " BAD [CLIENTBUG] Command line too long")
			}
			f.bye("kind-bad-syntax")
			return nil, errFront
		}
		if err != nil {
			return nil, err
		}
		if why := flaw(line); why != "" {
			tag, _ := words(line)
			if tag != "*" {
				f.say(tag + " BAD [CLIENTBUG] " + why)
			}
			f.bye("kind-bad-syntax")
			return nil, errFront
		}
		f.last = line
		return line, nil
	}
}

func (f *front) login(ctx context.Context, args string) (mail.User, error) {
	name, args, err := f.astring(args)
	if err != nil {
		return mail.User{}, err
	}
	args, ok := strings.CutPrefix(args, " ")
	if !ok {
		return mail.User{}, bad("LOGIN needs a name and a password")
	}
	password, args, err := f.astring(args)
	if err != nil {
		return mail.User{}, err
	}
	if args != "" {
		return mail.User{}, bad("LOGIN needs a name and a password")
	}
	return f.prove(ctx, name, password)
}

// astring reads an atom, a quoted string, or a literal, for which it reads on
// from the connection. It returns what follows on the line.
func (f *front) astring(s string) (value, rest string, err error) {
	switch {
	case strings.HasPrefix(s, `"`):
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '"':
				return b.String(), s[i+1:], nil
			case '\\':
				if i++; i < len(s) {
					b.WriteByte(s[i])
				}
			default:
				b.WriteByte(s[i])
			}
		}
		return "", "", bad("Quoted string without end")
	case strings.HasPrefix(s, "{"):
		lit, ok := announced([]byte(s))
		if !ok || strings.IndexByte(s, '}') < len(strings.TrimRight(s, " "))-1 {
			return "", "", bad("Not a literal")
		}
		if lit.size < 0 || lit.size > frontLiteral {
			return "", "", mail.Wrap(mail.TooBig, nil)
		}
		if lit.sync {
			if err := f.say("+ Ready for literal data"); err != nil {
				return "", "", err
			}
		}
		buf := make([]byte, lit.size)
		if _, err := io.ReadFull(f.br, buf); err != nil {
			return "", "", err
		}
		line, err := f.line()
		if err != nil {
			return "", "", err
		}
		if bytes.IndexByte(buf, 0) >= 0 {
			return "", "", bad("NUL is not allowed")
		}
		return string(buf), strings.TrimRight(string(line), "\r\n"), nil
	}
	i := strings.IndexAny(s, ` (){%*"\`)
	if i < 0 {
		i = len(s)
	}
	if i == 0 {
		return "", "", bad("LOGIN needs a name and a password")
	}
	return s[:i], s[i:], nil
}

func (f *front) authenticate(ctx context.Context, args string) (mail.User, error) {
	mech, first, given := strings.Cut(args, " ")
	if !strings.EqualFold(mech, "PLAIN") {
		return mail.User{}, &proto.Error{Type: proto.StatusResponseTypeNo, Code: proto.ResponseCodeCannot, Text: "Only PLAIN is supported"}
	}
	if !f.maySignIn() { // before the client is asked for its password
		return mail.User{}, f.inClear()
	}
	if !given {
		if err := f.say("+ "); err != nil {
			return mail.User{}, err
		}
		line, err := f.line()
		if err != nil {
			return mail.User{}, err
		}
		first = strings.TrimRight(string(line), "\r\n")
	}
	if first == "*" {
		return mail.User{}, bad("AUTHENTICATE cancelled")
	}
	raw, err := base64.StdEncoding.DecodeString(first)
	if err != nil {
		return mail.User{}, bad("Not base64")
	}
	// RFC 4616: authorization identity NUL name NUL password.
	part := strings.Split(string(raw), "\x00")
	if len(part) != 3 || part[1] == "" {
		return mail.User{}, bad("Not a PLAIN response")
	}
	if part[0] != "" && !strings.EqualFold(part[0], part[1]) {
		return mail.User{}, &proto.Error{Type: proto.StatusResponseTypeNo, Code: proto.ResponseCodeAuthorizationFailed, Text: f.srv.render("", mail.MakeText("imap-identity"))}
	}
	return f.prove(ctx, part[1], part[2])
}

func (f *front) inClear() error {
	return mail.Refuse(mail.AuthRequired, "imap-tls-required")
}

func (f *front) prove(ctx context.Context, name, password string) (mail.User, error) {
	if !f.maySignIn() {
		return mail.User{}, f.inClear()
	}
	u, err := f.srv.Accounts.Login(ctx, name, password, f.client())
	if err == nil && u.ID == 0 {
		err = mail.Wrap(mail.Internal, errors.New("a member without id"))
	}
	if err != nil {
		log := f.srv.log().Info
		if ours(err) {
			log = f.srv.log().Error
		}
		log("login refused", "ip", f.conn.ip, "user", name, "kind", mail.KindOf(err), "err", err)
		var me *mail.Error
		if !errors.As(err, &me) {
			err = mail.Wrap(mail.Internal, err)
		}
		return mail.User{}, err
	}
	return u, nil
}

func (f *front) client() mail.Client {
	c := mail.Client{IP: f.conn.ip, Protocol: "IMAP"}
	if f.tls != nil {
		st := f.tls.ConnectionState()
		c.Protocol = "IMAPS"
		c.TLS = strings.ReplaceAll(tls.VersionName(st.Version), " ", "") + " " + tls.CipherSuiteName(st.CipherSuite)
	}
	return c
}

// enter turns the connection into a session's wire.
func (f *front) enter(sess context.Context, u mail.User, tag string, stop context.CancelFunc) (*wire, error) {
	w := &wire{Conn: f.conn.Conn, br: f.br, srv: f.srv, conn: f.conn, ended: make(chan struct{}), tag: tag, ctx: sess}
	if f.tls != nil {
		w.Conn = f.tls
	}
	if err := f.srv.enter(f.conn, u, w, stop); err != nil {
		f.srv.log().Info("login refused", "ip", f.conn.ip, "user", u.Address, "kind", mail.KindOf(err), "err", err)
		return nil, err
	}
	f.conn.SetDeadline(time.Time{})
	f.srv.log().Info("logged in", "ip", f.conn.ip, "user", u.Address)
	return w, nil
}

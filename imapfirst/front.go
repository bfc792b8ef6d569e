package imap

import (
	"bufio"
	"context"
	"crypto/tls"
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

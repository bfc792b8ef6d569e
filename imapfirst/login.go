package imap

import (
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

package imap

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"strings"

	"colporteur/mail"
)

// Verifiers finds what SCRAM proofs are checked with.
type Verifiers interface {
	// Verifiers are those of a name, at least one: whoever does not exist has a
	// made-up one with User.ID 0. They share salt and iterations, which SCRAM
	// names before it knows which one the client has.
	Verifiers(ctx context.Context, name string) ([]Verifier, error)
}

// Verifier is what is kept of a password (RFC 5802 §3).
type Verifier struct {
	User       mail.User
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// scram is the server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) for app
// passwords, with and without channel binding.
type scram struct {
	find  func(name string) ([]Verifier, error)
	nonce string
	plus  bool   // this is SCRAM-SHA-256-PLUS
	both  bool   // that was offered
	bound []byte // what names the channel (RFC 9266)

	name      string
	gs2       string // the client's GS2 header, which it repeats in its proof
	bare      string // client-first-message-bare
	said      string // server-first-message
	together  string // both nonces
	verifiers []Verifier
}

// binding is the one type of channel binding here. tls-unique is not defined for
// TLS 1.3, and tls-server-end-point binds to less.
const binding = "tls-exporter"

// bindable says whether this connection can be named (RFC 9266 §4.2).
func (s *session) bindable() bool {
	return s.tls != nil && s.tls.ConnectionState().Version >= tls.VersionTLS13
}

// scram signs in.
func (s *session) scram(initial string, given, plus bool) error {
	c := &scram{nonce: rand.Text(), plus: plus, both: s.bindable(),
		find: func(name string) ([]Verifier, error) { return s.srv.Verifiers.Verifiers(s.ctx, name) }}
	if plus {
		st := s.tls.ConnectionState()
		var err error
		if c.bound, err = st.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32); err != nil {
			return err
		}
	}
	raw, err := s.first(initial, given)
	if err != nil {
		return err
	}
	server, err := c.clientFirst(string(raw))
	if err != nil {
		return s.enter(c.name, mail.User{}, err)
	}
	if raw, err = s.challenge([]byte(server)); err != nil {
		return err
	}
	server, u, err := c.clientFinal(string(raw))
	if err != nil {
		return s.enter(c.name, u, err)
	}
	if raw, err = s.challenge([]byte(server)); err != nil {
		return err
	}
	if len(raw) > 0 { // RFC 5802 §5: the client has nothing to add
		return errSASL
	}
	return s.enter(c.name, u, nil)
}

var (
	errSASL   = bad("Not what the mechanism says")
	errDenied = mail.Refuse(mail.AuthFailed, "kind-auth-failed")
)

// clientFirst reads "n,,n=name,r=nonce" and answers with salt and iterations.
func (c *scram) clientFirst(msg string) (string, error) {
	flag, rest, _ := strings.Cut(msg, ",")
	authz, bare, ok := strings.Cut(rest, ",")
	switch {
	case !ok || len(msg) > 1024:
		return "", errSASL
	case flag == "p="+binding && c.plus, flag == "n" && !c.plus:
	case flag == "y" && !c.plus && !c.both:
	case flag == "y" && !c.plus:
		// The client could bind and was told that we cannot: somebody in between
		// took the mechanism off the list (RFC 5802 §6).
		return "", errDenied
	default:
		return "", errSASL
	}
	c.gs2, c.bare = msg[:len(msg)-len(bare)], bare
	fields := strings.Split(bare, ",")
	if len(fields) < 2 { // a mandatory extension (m=) would stand first and is refused with the rest
		return "", errSASL
	}
	name, isName := strings.CutPrefix(fields[0], "n=")
	nonce, isNonce := strings.CutPrefix(fields[1], "r=")
	name, nameOK := unescapeName(name)
	if !isName || !isNonce || !nameOK || name == "" || nonce == "" || !printable(nonce) {
		return "", errSASL
	}
	c.name = name
	if authz != "" {
		as, ok := strings.CutPrefix(authz, "a=")
		as, decoded := unescapeName(as)
		if !ok || !decoded {
			return "", errSASL
		}
		if !strings.EqualFold(as, name) {
			return "", errDenied
		}
	}
	var err error
	if c.verifiers, err = c.find(name); err != nil {
		return "", err
	}
	if len(c.verifiers) == 0 {
		return "", errDenied
	}
	v := c.verifiers[0]
	c.together = nonce + c.nonce
	c.said = fmt.Sprintf("r=%s,s=%s,i=%d", c.together, base64.StdEncoding.EncodeToString(v.Salt), v.Iterations)
	return c.said, nil
}

// clientFinal reads "c=binding,r=nonces,p=proof" and answers with our own proof.
func (c *scram) clientFinal(msg string) (string, mail.User, error) {
	none := mail.User{}
	i := strings.LastIndex(msg, ",p=")
	if i < 0 {
		return "", none, errSASL
	}
	proof, err := base64.StdEncoding.DecodeString(msg[i+3:])
	fields := strings.Split(msg[:i], ",")
	if err != nil || len(proof) != sha256.Size || len(fields) < 2 {
		return "", none, errSASL
	}
	channel := "c=" + base64.StdEncoding.EncodeToString(append([]byte(c.gs2), c.bound...))
	if fields[0] != channel || fields[1] != "r="+c.together {
		return "", none, errDenied
	}
	auth := []byte(c.bare + "," + c.said + "," + msg[:i])
	// Every verifier is tried, so that the time says nothing about which matched.
	var match *Verifier
	for i := range c.verifiers {
		v := &c.verifiers[i]
		key := mac(v.StoredKey, auth)
		subtle.XORBytes(key, key, proof)
		stored := sha256.Sum256(key)
		if subtle.ConstantTimeCompare(stored[:], v.StoredKey) == 1 && v.User.ID != 0 {
			match = v
		}
	}
	if match == nil {
		return "", none, errDenied
	}
	return "v=" + base64.StdEncoding.EncodeToString(mac(match.ServerKey, auth)), match.User, nil
}

func mac(key, msg []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(msg)
	return h.Sum(nil)
}

// unescapeName undoes =2C and =3D, the only escapes there are (RFC 5802 §5.1).
func unescapeName(s string) (string, bool) {
	out := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(s)
	return out, strings.Count(s, "=") == strings.Count(s, "=2C")+strings.Count(s, "=3D")
}

func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return true
}

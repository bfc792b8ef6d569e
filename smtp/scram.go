package smtp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"colporteur/mail"
)

// scram is the server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) for app
// passwords. Channel binding is not offered.
type scram struct {
	find  func(name string) ([]Verifier, error)
	nonce func() string

	gs2       string // the client's GS2 header, which it repeats in its proof
	bare      string // client-first-message-bare
	first     string // server-first-message
	together  string // both nonces
	verifiers []Verifier
}

func newNonce() string { return rand.Text() }

func (c *scram) start(*exchange) step { return c.clientFirst }

// clientFirst reads "n,,n=name,r=nonce".
func (c *scram) clientFirst(response []byte) ([]byte, step, mail.User, error) {
	none := mail.User{}
	if response == nil {
		return nil, c.clientFirst, none, nil
	}
	msg := string(response)
	flag, rest, _ := strings.Cut(msg, ",")
	authz, bare, ok := strings.Cut(rest, ",")
	// "y" is a client that could bind and thinks that we cannot: right. "p" wants
	// what was not offered.
	if !ok || flag != "n" && flag != "y" {
		return nil, nil, none, errSASL
	}
	c.gs2, c.bare = msg[:len(msg)-len(bare)], bare
	fields := strings.Split(bare, ",")
	if len(fields) < 2 { // a mandatory extension (m=) would stand first and is refused with the rest
		return nil, nil, none, errSASL
	}
	name, isName := strings.CutPrefix(fields[0], "n=")
	nonce, isNonce := strings.CutPrefix(fields[1], "r=")
	name, nameOK := unescapeName(name)
	if !isName || !isNonce || !nameOK || name == "" || nonce == "" || len(msg) > 1024 || !printable(nonce) {
		return nil, nil, none, errSASL
	}
	if authz != "" {
		as, ok := strings.CutPrefix(authz, "a=")
		as, decoded := unescapeName(as)
		if !ok || !decoded {
			return nil, nil, none, errSASL
		}
		if !strings.EqualFold(as, name) {
			return nil, nil, none, mail.Refuse(mail.AuthFailed, "kind-auth-failed")
		}
	}
	var err error
	if c.verifiers, err = c.find(name); err != nil {
		return nil, nil, none, err
	}
	if len(c.verifiers) == 0 {
		return nil, nil, none, mail.Refuse(mail.AuthFailed, "kind-auth-failed")
	}
	v := c.verifiers[0]
	c.together = nonce + c.nonce()
	c.first = fmt.Sprintf("r=%s,s=%s,i=%d", c.together, base64.StdEncoding.EncodeToString(v.Salt), v.Iterations)
	return []byte(c.first), c.clientFinal, none, nil
}

// clientFinal reads "c=binding,r=nonces,p=proof".
func (c *scram) clientFinal(response []byte) ([]byte, step, mail.User, error) {
	none := mail.User{}
	msg := string(response)
	i := strings.LastIndex(msg, ",p=")
	if i < 0 {
		return nil, nil, none, errSASL
	}
	proof, err := base64.StdEncoding.DecodeString(msg[i+3:])
	fields := strings.Split(msg[:i], ",")
	if err != nil || len(proof) != sha256.Size || len(fields) < 2 {
		return nil, nil, none, errSASL
	}
	binding := "c=" + base64.StdEncoding.EncodeToString([]byte(c.gs2))
	if fields[0] != binding || fields[1] != "r="+c.together {
		return nil, nil, none, mail.Refuse(mail.AuthFailed, "kind-auth-failed")
	}
	auth := []byte(c.bare + "," + c.first + "," + msg[:i])
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
		return nil, nil, none, mail.Refuse(mail.AuthFailed, "kind-auth-failed")
	}
	final := "v=" + base64.StdEncoding.EncodeToString(mac(match.ServerKey, auth))
	u := match.User
	return []byte(final), func(response []byte) ([]byte, step, mail.User, error) {
		if len(response) > 0 { // RFC 5802 §5: the client has nothing to add
			return nil, nil, none, errSASL
		}
		return nil, nil, u, nil
	}, none, nil
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

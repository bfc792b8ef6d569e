package imap

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"

	"colporteur/mail"
)

var b64 = base64.StdEncoding

// proofs is a Verifiers with one password for each name.
type proofs map[string]struct {
	user     mail.User
	password string
}

var testSalt, _ = b64.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")

func keys(password string) (client, server []byte) {
	salted, _ := pbkdf2.Key(sha256.New, password, testSalt, 4096, sha256.Size)
	return mac(salted, []byte("Client Key")), mac(salted, []byte("Server Key"))
}

func (p proofs) Verifiers(_ context.Context, name string) ([]Verifier, error) {
	v := Verifier{Salt: testSalt, Iterations: 4096, StoredKey: make([]byte, 32), ServerKey: make([]byte, 32)}
	other := v
	if one, ok := p[name]; ok {
		client, server := keys(one.password)
		stored := sha256.Sum256(client)
		v.User, v.StoredKey, v.ServerKey = one.user, stored[:], server
	}
	return []Verifier{other, v}, nil
}

func TestSCRAMSpeaksTheExampleOfRFC7677(t *testing.T) {
	t.Parallel()
	people := proofs{"user": {mail.User{ID: 1}, "pencil"}}
	c := &scram{nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", find: func(name string) ([]Verifier, error) { return people.Verifiers(t.Context(), name) }}
	said, err := c.clientFirst("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
	if want := "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"; err != nil || said != want {
		t.Fatalf("server-first %q, %v", said, err)
	}
	said, u, err := c.clientFinal("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	if want := "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="; err != nil || said != want || u.ID != 1 {
		t.Fatalf("server-final %q for %d, %v", said, u.ID, err)
	}
}

func TestSCRAMRefusesWhatIsNotItsGrammar(t *testing.T) {
	t.Parallel()
	for _, msg := range []string{"", "n", "n,", "n,,", "n,,n=user", "n,,r=x,n=user", "n,,n=,r=x", "n,,n=user,r=", "n,,n=us=er,r=x", "x,,n=user,r=x",
		"p=tls-exporter,,n=user,r=x", "n,user,n=user,r=x", "n,,m=1,n=user,r=x", "n,,n=user,r=é", "n,,n=user,r=" + strings.Repeat("x", 2000)} {
		c := &scram{nonce: "s", find: func(string) ([]Verifier, error) { return proofs{}.Verifiers(t.Context(), "") }}
		if _, err := c.clientFirst(msg); err != errSASL {
			t.Errorf("first %.40q: %v", msg, err)
		}
	}
	for _, msg := range []string{"", "c=biws,r=xs", "c=biws,p=AAAA", "c=biws,r=xs,p=!", "c=biws,r=xs,p=AAAA", ",p=" + b64.EncodeToString(make([]byte, 32))} {
		c := &scram{nonce: "s", find: func(string) ([]Verifier, error) { return proofs{}.Verifiers(t.Context(), "") }}
		if _, err := c.clientFirst("n,,n=user,r=x"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.clientFinal(msg); err != errSASL {
			t.Errorf("final %q: %v", msg, err)
		}
	}
}

// prove does SCRAM as a client, and returns the tagged answer.
func (c *raw) prove(mech, gs2, name, password string, bound []byte) string {
	c.t.Helper()
	c.send("s AUTHENTICATE " + mech + "\r\n")
	next := func(send string) (said string, done bool) {
		l := c.line()
		if rest, ok := strings.CutPrefix(l, "s "); ok {
			return rest, true
		}
		text, err := b64.DecodeString(strings.TrimPrefix(l, "+ "))
		if err != nil {
			c.t.Fatalf("got %q", l)
		}
		c.send(b64.EncodeToString([]byte(send)) + "\r\n")
		return string(text), false
	}
	bare := "n=" + name + ",r=client"
	if said, done := next(gs2 + bare); done {
		return said
	}
	// The answer to server-first depends on it, so it is read here.
	l := c.line()
	if rest, ok := strings.CutPrefix(l, "s "); ok {
		return rest
	}
	first, _ := b64.DecodeString(strings.TrimPrefix(l, "+ "))
	nonce, _, _ := strings.Cut(string(first), ",")
	without := "c=" + b64.EncodeToString(append([]byte(gs2), bound...)) + "," + nonce
	client, server := keys(password)
	stored := sha256.Sum256(client)
	auth := []byte(bare + "," + string(first) + "," + without)
	proof := make([]byte, 32)
	subtle.XORBytes(proof, client, mac(stored[:], auth))
	c.send(b64.EncodeToString([]byte(without+",p="+b64.EncodeToString(proof))) + "\r\n")
	said, done := next("")
	if !done {
		if want := "v=" + b64.EncodeToString(mac(server, auth)); said != want {
			c.t.Errorf("the server proves %q, want %q", said, want)
		}
		said = strings.TrimPrefix(c.line(), "s ")
	}
	return said
}

func scramHost(t *testing.T) *host {
	return newHost(t, func(s *Server) {
		s.OfferSCRAM = true
		s.Verifiers = proofs{"ann@home.test": {s.Accounts.(people)["ann@home.test"], "app password"}}
	})
}

func (h *host) dialTLS() (*raw, *tls.Conn) {
	h.t.Helper()
	nc, err := net.Dial("tcp", h.tls)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { nc.Close() })
	tc := tls.Client(nc, &tls.Config{RootCAs: h.roots, ServerName: "mail.home.test", NextProtos: []string{"imap"}})
	return talk(h.t, tc), tc
}

func TestSCRAMSignsInWithAndWithoutChannelBinding(t *testing.T) {
	h := scramHost(t)
	for _, c := range []struct {
		what, mech, gs2, name, password string
		bind                            bool
		want                            string
	}{
		{"plain", "SCRAM-SHA-256", "n,,", "ann@home.test", "app password", false, "OK"},
		{"as oneself", "SCRAM-SHA-256", "n,a=ann@home.test,", "ann@home.test", "app password", false, "OK"},
		{"as somebody else", "SCRAM-SHA-256", "n,a=bob@home.test,", "ann@home.test", "app password", false, "NO [AUTHENTICATIONFAILED]"},
		{"wrong password", "SCRAM-SHA-256", "n,,", "ann@home.test", "other", false, "NO [AUTHENTICATIONFAILED]"},
		{"nobody", "SCRAM-SHA-256", "n,,", "nobody@home.test", "x", false, "NO [AUTHENTICATIONFAILED]"},
		{"bound", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "ann@home.test", "app password", true, "OK"},
		{"bound to another channel", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "ann@home.test", "app password", false, "NO [AUTHENTICATIONFAILED]"},
		{"unknown binding", "SCRAM-SHA-256-PLUS", "p=tls-unique,,", "ann@home.test", "app password", true, "BAD"},
		{"downgraded", "SCRAM-SHA-256", "y,,", "ann@home.test", "app password", false, "NO [AUTHENTICATIONFAILED]"},
	} {
		r, tc := h.dialTLS()
		if l := r.line(); !strings.Contains(l, "AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS") {
			t.Fatalf("greeting %s", l)
		}
		bound := make([]byte, 32)
		if c.bind {
			st := tc.ConnectionState()
			bound, _ = st.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		}
		if c.mech == "SCRAM-SHA-256" {
			bound = nil
		}
		if got := r.prove(c.mech, c.gs2, c.name, c.password, bound); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s", c.what, got)
		}
	}
}

func TestWithoutTLSChannelsCannotBeBound(t *testing.T) {
	h := scramHost(t)
	c := h.dial()
	if l := c.line(); !strings.Contains(l, "AUTH=SCRAM-SHA-256") || strings.Contains(l, "PLUS") {
		t.Errorf("greeting %s", l)
	}
	if _, tagged := c.do("AUTHENTICATE SCRAM-SHA-256-PLUS"); !strings.HasPrefix(tagged, "NO") {
		t.Errorf("got %s", tagged)
	}
	if got := c.prove("SCRAM-SHA-256", "y,,", "ann@home.test", "app password", nil); !strings.HasPrefix(got, "OK") {
		t.Errorf("got %s", got)
	}
	c.ok("SELECT INBOX")
}

// tokens is a Bearer with one token, which is ann's.
type tokens struct{ ann mail.User }

func (b tokens) Token(_ context.Context, name, token string, _ mail.Client) (mail.User, error) {
	if token != "good" || name != "" && name != "ann@home.test" {
		return mail.User{}, mail.Refuse(mail.AuthFailed, "kind-auth-failed")
	}
	return b.ann, nil
}

func TestATokenSignsIn(t *testing.T) {
	h := newHost(t, func(s *Server) { s.Bearer = tokens{s.Accounts.(people)["ann@home.test"]} })
	for msg, want := range map[string]string{
		"n,a=ann@home.test,\x01host=x\x01port=143\x01auth=Bearer good\x01\x01": "OK",
		"n,,\x01auth=bearer good\x01\x01":                                      "OK",
		"n,,\x01auth=Bearer bad\x01\x01":                                       "+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=",
		"n,a=bob@home.test,\x01auth=Bearer good\x01\x01":                       "+ eyJ",
		"n,,\x01auth=Basic good\x01\x01":                                       "BAD",
		"p=x,,\x01auth=Bearer good\x01\x01":                                    "BAD",
		"n,,\x01auth=Bearer good\x01":                                          "BAD",
		"n,,\x01auth=Bearer good\x01\x01more":                                  "BAD",
		"n,,\x01\x01":                                                          "BAD",
		"":                                                                     "BAD",
	} {
		c := h.dial()
		if l := c.line(); !strings.Contains(l, "AUTH=OAUTHBEARER") {
			t.Fatalf("greeting %s", l)
		}
		initial := b64.EncodeToString([]byte(msg))
		if msg == "" {
			initial = "="
		}
		c.send(fmt.Sprintf("s AUTHENTICATE OAUTHBEARER %s\r\n", initial))
		got := strings.TrimPrefix(c.line(), "s ")
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s", msg, got)
		}
		if strings.HasPrefix(got, "+") {
			c.send("AQ==\r\n")
			if got := c.line(); !strings.HasPrefix(got, "s NO [AUTHENTICATIONFAILED]") {
				t.Errorf("%q: %s", msg, got)
			}
		}
	}
}

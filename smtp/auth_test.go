package smtp

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"colporteur/mail"
)

// TestScramOfTheRFC is the exchange of RFC 7677 §3.
func TestScramOfTheRFC(t *testing.T) {
	t.Parallel()
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	c := &scram{
		nonce: func() string { return "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0" },
		find: func(name string) ([]Verifier, error) {
			if name != "user" {
				return nil, fmt.Errorf("asked for %q", name)
			}
			return []Verifier{makeVerifier(ann, "another", salt), makeVerifier(ann, "pencil", salt)}, nil
		},
	}
	first, next, _, err := c.clientFirst([]byte("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"))
	if want := "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"; err != nil || string(first) != want {
		t.Fatalf("server first %q, %v", first, err)
	}
	final, next, _, err := next([]byte("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
	if want := "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="; err != nil || string(final) != want {
		t.Fatalf("server final %q, %v", final, err)
	}
	if _, next, u, err := next(nil); next != nil || u != ann || err != nil {
		t.Fatalf("got %v, %v", u, err)
	}
}

func TestScramRefusesWhatIsNotAnExchange(t *testing.T) {
	t.Parallel()
	for _, msg := range []string{
		"", "n", "n,", "n,,", "n,,n=ann", "n,,r=x,n=ann", "n,,n=,r=x", "n,,n=ann,r=", "n,,m=x,n=ann,r=x", "p=tls-unique,,n=ann,r=x",
		"x,,n=ann,r=x", "n,b=x,n=ann,r=x", "n,,n=a=2,r=x", "n,,n=ann,r=\x01", "n,,n=ann,r=" + strings.Repeat("x", 2000),
	} {
		c := &scram{nonce: newNonce, find: func(string) ([]Verifier, error) { return []Verifier{makeVerifier(ann, "x", nil)}, nil }}
		if _, _, _, err := c.clientFirst([]byte(msg)); err != errSASL {
			t.Errorf("%.40q: %v", msg, err)
		}
	}
}

// scramLogin is the client's side.
func (p *peer) scramLogin(name, password string, spoil func(final string) string) string {
	p.t.Helper()
	bare := "n=" + name + ",r=fyko+d2lbbFgONRv9qkxdawL"
	p.send("AUTH SCRAM-SHA-256 " + base64.StdEncoding.EncodeToString([]byte("n,,"+bare)) + "\r\n")
	raw, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(strings.TrimPrefix(p.expect("334 "), "334 ")))
	first := string(raw)
	f := strings.Split(first, ",")
	salt, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(f[1], "s="))
	iter, _ := strconv.Atoi(strings.TrimPrefix(f[2], "i="))
	salted, err := pbkdf2.Key(sha256.New, password, salt, iter, sha256.Size)
	if err != nil {
		p.t.Fatal(err)
	}
	client := hm(salted, "Client Key")
	stored := sha256.Sum256(client)
	final := "c=biws," + f[0]
	sig := hm(stored[:], bare+","+first+","+final)
	subtle.XORBytes(sig, sig, client)
	final += ",p=" + base64.StdEncoding.EncodeToString(sig)
	if spoil != nil {
		final = spoil(final)
	}
	p.send(base64.StdEncoding.EncodeToString([]byte(final)) + "\r\n")
	got, err := p.reply()
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.HasPrefix(got, "334 ") {
		return got
	}
	p.send("\r\n")
	got, err = p.reply()
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

func TestScramSignsInWithAnyAppPassword(t *testing.T) {
	t.Parallel()
	h := start(t, Submission)
	for _, tt := range []struct {
		name, password, want string
		spoil                func(string) string
	}{
		{"ann@home.test", "pencil", "235 2.7.0", nil},
		{"ann@home.test", "rubber", "235 2.7.0", nil},
		{"ann@home.test", "paper", "535-5.7.8", nil},
		{"nobody@home.test", "pencil", "535-5.7.8", nil},
		{"ann@home.test", "pencil", "535-5.7.8", func(s string) string { return strings.Replace(s, "c=biws", "c=eSws", 1) }},
		{"ann@home.test", "pencil", "535-5.7.8", func(s string) string { return strings.Replace(s, "r=fyko", "r=fyk0", 1) }},
		{"ann@home.test", "pencil", "501 5.5.2", func(s string) string { return "rubbish" }},
	} {
		p := h.session(t)
		p.startTLS()
		p.say("EHLO client.test", "250")
		if got := p.scramLogin(tt.name, tt.password, tt.spoil); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %s: got %q, want %q", tt.name, tt.password, got, tt.want)
		} else if ok := strings.HasPrefix(got, "235"); ok {
			p.say("MAIL FROM:<ann@home.test>", "250")
		}
	}
}

// TestPasswordTypedInTheClearIsNeitherTriedNorLogged is B-01.
func TestPasswordTypedInTheClearIsNeitherTriedNorLogged(t *testing.T) {
	t.Parallel()
	h := start(t, Submission)
	p := h.session(t)
	p.say("AUTH PLAIN AGFubkBob21lLnRlc3QAc2VjcmV0", "538 5.7.11")
	p.say("AUTH LOGIN YW5uQGhvbWUudGVzdA==", "538 5.7.11")
	p.say("c2VjcmV0", "500 5.5.2")
	p.say("AUTH SCRAM-SHA-256 biwsbj1hbm4scj14", "538 5.7.11")
	p.say("QUIT", "221")
	p.closed()
	if tried := h.accounts.tried(); len(tried) > 0 {
		t.Errorf("tried %v", tried)
	}
	for _, s := range []string{"AGFub", "c2Vjc", "secret"} {
		if strings.Contains(h.log.String(), s) {
			t.Errorf("%s is in the log:\n%s", s, h.log.String())
		}
	}
}

func TestPasswordsAreNeverLogged(t *testing.T) {
	t.Parallel()
	h := start(t, Submission)
	p := h.member(t)
	p.say("QUIT", "221")
	q := h.session(t)
	q.startTLS()
	q.say("EHLO x", "250")
	q.say("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00ann@home.test\x00sesame")), "535 5.7.8")
	q.say("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00sesame\x00ann@home.test")), "535 5.7.8")
	if log := h.log.String(); strings.Contains(log, "secret") || strings.Contains(log, "sesame") || !strings.Contains(log, "sign-in refused") {
		t.Error(log)
	}
}

// TestBadExchangesDisturbNobody is the rest of B-02: huge tokens, many at once.
func TestBadExchangesDisturbNobody(t *testing.T) {
	t.Parallel()
	h := start(t, Submission)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			p := h.session(t)
			p.startTLS()
			p.say("EHLO client.test", "250")
			p.say("AUTH PLAIN "+strings.Repeat("A", 13_000), "500 5.5.2")
			p.say("AUTH PLAIN", "334")
			p.say(strings.Repeat("A", 13_000), "500 5.5.6")
			p.say("AUTH PLAIN "+strings.Repeat("A", 12_000), "501 5.5.2") // one NUL after the other
			p.say("AUTH PLAIN", "334")
			p.say(base64.StdEncoding.EncodeToString([]byte("\x00ann@home.test\x00"+strings.Repeat("x", 5000))), "535 5.7.8")
			p.say("AUTH LOGIN =", "334 UGFzc3dvcmQ6")
			p.say("=", "535 5.7.8")
			p.say("AUTH LOGIN", "421 4.7.0")
			p.closed()
		})
		wg.Go(func() {
			p := h.member(t)
			p.say("MAIL FROM:<ann@home.test>", "250")
		})
	}
	wg.Wait()
}

func TestAuthInTheMiddleOfAMailIsRefused(t *testing.T) {
	t.Parallel()
	h := start(t, Submission, func(s *Server) { s.Limits.BadLogins = 10 })
	p := h.member(t)
	p.say("MAIL FROM:<ann@home.test>", "250")
	p.say("AUTH PLAIN AGFubkBob21lLnRlc3QAc2VjcmV0", "503")
}

func TestMailSaysWhatItCameBy(t *testing.T) {
	t.Parallel()
	h := start(t, Submission)
	p := h.member(t)
	for _, tt := range []struct{ param, protocol string }{{"", "ESMTPSA"}, {" SMTPUTF8", "UTF8SMTPSA"}} {
		p.say("MAIL FROM:<ann@home.test> RET=HDRS ENVID=a+2Bb"+tt.param, "250")
		p.say("RCPT TO:<x@far.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@far.test", "250")
		p.say("DATA", "354")
		p.send("From: ann@home.test\r\n\r\n.\r\n")
		got := p.expect("250 2.0.0 OK, kept as ")
		mails := h.door.all()
		env := mails[len(mails)-1].env
		if env.ID != strings.TrimSpace(strings.TrimPrefix(got, "250 2.0.0 OK, kept as ")) || len(env.ID) != 16 {
			t.Errorf("id %q, reply %q", env.ID, got)
		}
		if c := env.Client; c.Protocol != tt.protocol || c.Helo != "client.test" || !strings.HasPrefix(c.TLS, "TLS1.3 TLS_") || c.IP.String() != "127.0.0.1" {
			t.Errorf("client %+v", c)
		}
		if env.User != ann || env.Origin != mail.FromMember || env.Ret != mail.RetHeaders || env.EnvID != "a+b" || env.Received.IsZero() {
			t.Errorf("envelope %+v", env)
		}
		if r := env.To[0]; r.Notify != mail.NotifySuccess|mail.NotifyDelay || r.ORCPT != "rfc822;x+2By@far.test" {
			t.Errorf("recipient %+v", r)
		}
	}
}

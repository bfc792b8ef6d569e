package main

import (
	"crypto/tls"
	"regexp"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

func TestTraceTellsAMailAsATimeline(t *testing.T) {
	t.Parallel()
	p := setup(t)
	colporteur(t, "a good pass word\n", "member", "add", "ann@home.test", "--password-stdin", "--no-welcome", "--config", p.config).ends(0)
	p.do("alias", "add", "office@home.test", "ann@home.test").ends(0)
	s := p.serve()
	text := "From: <eve@far.test>\r\nMessage-ID: <hello.1@far.test>\r\nSubject: a secret\r\n\r\nwords\r\n"
	conn, err := smtp.DialStartTLS(s.addr("mx"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SendMail("Eve@far.test", []string{"office@home.test"}, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"eve@far.test", "ann@home.test", "office@home.test", "<hello.1@far.test>", "hello.1@far.test"} {
		r := p.do("trace", what).ends(0, "from eve@far.test, <hello.1@far.test>", "accepted from localhost [127.0.0.1], over TLS",
			"filed in the mailbox of ann@home.test (written to office@home.test)")
		if strings.Contains(r.out, "a secret") {
			t.Errorf("the subject is kept: %s", r.out)
		}
		if !regexp.MustCompile(`(?m)^  \d\d:\d\d:\d\d  accepted`).MatchString(r.out) {
			t.Errorf("no hour: %s", r.out)
		}
	}
	id := regexp.MustCompile(`mail (\w+) from`).FindStringSubmatch(p.do("trace", "ann@home.test").out)[1]
	p.do("trace", id).ends(0, "hello.1@far.test")
	p.do("trace", "nobody@far.test").ends(exitRefused, "no mail from, to or named nobody@far.test was taken in the last 30 days, nor refused for what it claimed to be")
	p.do("trace", id, "--lang", "fr").ends(0, "courrier "+id+" de eve@far.test, <hello.1@far.test>", "reçu de localhost [127.0.0.1], en TLS 1.3",
		"rangé dans la boîte de ann@home.test (écrit à office@home.test)")
	p.do("trace", "nobody@far.test", "--lang", "fr").ends(exitRefused, "aucun courrier de, à ou nommé nobody@far.test")
	p.do("trace", id, "--lang", "de").ends(exitUsage)
	s.stop()
	p.do("trace", id).ends(0, "hello.1@far.test") // and without a server
}

func TestTraceShowsWordsOfStrangersAsText(t *testing.T) {
	t.Parallel()
	if got := tidy("250 \x1b[2Jok\r\n\u202eevil\u009b"); got != "250  [2Jok   evil " {
		t.Errorf("got %q", got)
	}
}

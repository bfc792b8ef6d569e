package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTheDemoFindsItsMembersAgain(t *testing.T) {
	t.Parallel()
	p := setup(t)
	members := func() string {
		s := p.start("demo", "--data", p.data)
		s.stop()
		said := <-s.said
		for _, want := range []string{"send --config " + p.config, "--to envoi@home.test", "curl -s", "http://localhost:8080"} {
			if !strings.Contains(said, want) {
				t.Errorf("the demo does not say %q:\n%s", want, said)
			}
		}
		return strings.Join(regexp.MustCompile(`(ann|bob)@home\.test  \S+`).FindAllString(said, -1), "\n")
	}
	first := members()
	if second := members(); first != second || strings.Count(first, "\n") != 1 {
		t.Errorf("first:\n%s\nthen:\n%s", first, second)
	}
	if info, err := os.Stat(filepath.Join(p.data, "demo.txt")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the passwords: %v, %v, want mode 0600", info, err)
	}
	p.do("member", "list").ends(0, "Anne", "Bob")
}

func TestAMemberSendsAFileAndTheOperatorTakesItBack(t *testing.T) {
	t.Parallel()
	p := setup(t)
	// The sender reads the address from the configuration, so it needs a port with a number.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.edit(func(s string) string {
		return regexp.MustCompile(`(submissions = )\["[^"]*"\]`).ReplaceAllString(s, `$1["`+ln.Addr().String()+`"]`)
	})
	ln.Close()
	s := p.serve()
	colporteur(t, "correct horse\n", "--config", p.config, "member", "add", "ann@home.test", "--password-stdin").ends(0)
	file := filepath.Join(t.TempDir(), "le film.bin")
	if err := os.WriteFile(file, make([]byte, 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	send := []string{"send", "--config", p.config, "--from", "ann@home.test", "--password-stdin", file, "--to"}
	colporteur(t, "wrong horse\n", append(send, "envoi@home.test")...).ends(exitRefused, "signing in as ann@home.test")
	colporteur(t, "correct horse\n", append(send, "nobody@home.test")...).ends(exitRefused, "nobody@home.test", "550")
	colporteur(t, "correct horse\n", append(send, "envoi@home.test")...).ends(0, "Sent to envoi@home.test")
	p.do("send", "--from", "ann@home.test", "--to", "envoi@home.test", file).ends(exitUsage, "--password-stdin")

	list := regexp.MustCompile(`(\d{10,}) +.* 1 +300 kB`)
	var id []string
	for began := time.Now(); id == nil; { // the program works on its own time
		if time.Since(began) > time.Minute {
			t.Fatal("the mail to envoi@ did not become a transfer")
		}
		id = list.FindStringSubmatch(p.do("transfer", "list").ends(0).out)
	}
	p.do("transfer", "recall", id[1]).ends(0, "is gone")
	p.do("transfer", "recall", id[1]).ends(exitRefused, "there is no transfer")
	p.do("transfer", "list").ends(0, "There are none")
	s.stop()
}

package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// directoryStory is what an admin does, whether a server runs or not.
func directoryStory(t *testing.T, p *place) {
	made := p.do("member", "add", "Ann@home.test", "--name", "Anne", "--quota", "5GiB", "--lang", "fr").ends(0, "ann@home.test is a member now", "Password: ", "this once only")
	if !regexp.MustCompile(`Password: [a-z2-7-]{23}\n`).MatchString(made.out) {
		t.Errorf("got %q", made.out)
	}
	p.do("member", "add", "ann@home.test").ends(exitRefused, "belongs to somebody already")
	p.do("member", "add", "zoe@else.test").ends(exitRefused, "is not a domain of this server")
	p.do("member", "add", "not an address").ends(exitRefused, "not a valid address")
	colporteur(t, "short\n", "--config", p.config, "member", "add", "bob@home.test", "--password-stdin").ends(exitRefused, "at least 8")
	given := colporteur(t, "correct horse\r\n", "--config", p.config, "member", "add", "bob@home.test", "--password-stdin").ends(0)
	if strings.Contains(given.out, "horse") || strings.Contains(given.out, "Password") {
		t.Errorf("a password that was given is printed: %q", given.out)
	}
	p.do("member", "list").ends(0, "ann@home.test", "Anne", "5.4 GB", "bob@home.test", "no limit")
	p.do("alias", "add", "bureau@home.test", "ann@home.test", "x@else.test").ends(0, "Mail to bureau@home.test goes to ann@home.test, x@else.test.")
	p.do("alias", "list").ends(0, "bureau@home.test  ann@home.test, x@else.test")
	p.do("alias", "remove", "bureau@home.test", "x@else.test").ends(0)
	p.do("member", "show", "ann@home.test").ends(0, "Alias", "bureau@home.test", "of 5.4 GB")
	p.do("group", "add", "club@home.test", "ann@home.test", "bob@home.test", "--name", "Le club").ends(0, "club@home.test is a group now", "bob@home.test is in club@home.test")
	p.do("group", "leave", "club@home.test", "bob@home.test").ends(0, "is not in club@home.test")
	p.do("group", "list").ends(0, "Le club", "ann@home.test")
	p.do("group", "join", "nobody@home.test", "bob@home.test").ends(exitRefused, "There is no group nobody@home.test")
	p.do("share", "ann@home.test", "bob@home.test", "lrs", "--mailbox", "inbox").ends(0, `bob@home.test has the rights "lrs" on the mailboxes of ann@home.test.`)
	p.do("share", "club@home.test", "bob@home.test", "-").ends(0, "bob@home.test has no rights on the mailboxes of club@home.test.")
	p.do("share", "ann@home.test", "bob@home.test", "xyz").ends(exitRefused, "not access rights")
	p.do("group", "remove", "club@home.test").ends(0, "is gone")
	p.do("member", "notify", "ann@home.test").ends(0, "album       now  default")
	p.do("member", "notify", "ann@home.test", "album", "daily").ends(0, "album       daily  chosen")
	p.do("member", "notify", "ann@home.test", "album", "sometimes").ends(exitRefused, "no choice of that name")
	p.do("member", "notify", "ann@home.test", "weather", "now").ends(exitRefused, "no choice of that name")
	p.do("member", "notify", "ann@home.test", "album").ends(exitUsage, "how soon")
	p.do("member", "notify", "nobody@home.test").ends(exitRefused, "no member")
	p.do("member", "address", "add", "ann@home.test", "ann@work.test").ends(0, "Mail of ann@work.test to programs here is mail of ann@home.test")
	p.do("member", "address", "add", "ann@home.test", "bob@home.test").ends(exitRefused, "is of this server")
	p.do("member", "address", "add", "ann@home.test", "nobody").ends(exitRefused)
	p.do("member", "address", "add", "nobody@home.test", "x@work.test").ends(exitRefused, "no member")
	p.do("member", "address", "list", "ann@home.test").ends(0, "ann@work.test  confirmed 20")
	p.do("member", "address", "remove", "ann@home.test", "ann@work.test").ends(0)
	p.do("member", "address", "remove", "ann@home.test", "ann@work.test").ends(exitRefused, "is not an address of this member")
	p.do("member", "address", "secret", "ann@home.test").ends(0, "envoi.", "+NAME@home.test")
	p.do("member", "second-factor", "ann@home.test", "off").ends(0, "No code is asked of ann@home.test")
	p.do("member", "second-factor", "ann@home.test", "on").ends(exitUsage)
	p.do("member", "second-factor", "nobody@home.test", "off").ends(exitRefused, "no member")
	p.do("member", "outgoing", "ann@home.test", "yes", "--limit", "20MiB").ends(0, "Large files of ann@home.test travel as links")
	p.do("member", "outgoing", "ann@home.test", "no", "--limit", "10KiB").ends(exitUsage, "at least 1MiB")
	p.do("member", "outgoing", "ann@home.test", "perhaps").ends(exitUsage)
	p.do("member", "outgoing", "nobody@home.test", "yes").ends(exitRefused, "no member")
	p.do("member", "suspend", "ann@home.test").ends(0, "is suspended")
	p.do("member", "list").ends(0, "suspended since")
	p.do("member", "resume", "ann@home.test").ends(0)
	p.do("member", "password", "ann@home.test").ends(0, "Password: ")
	p.do("member", "app", "add", "ann@home.test", "téléphone").ends(0, "Password: ")
	shown := p.do("member", "show", "ann@home.test").ends(0, "téléphone")
	id := regexp.MustCompile(`App password (\d+)`).FindStringSubmatch(shown.out)
	if id == nil {
		t.Fatalf("no app password in %q", shown.out)
	}
	p.do("member", "app", "remove", "ann@home.test", id[1]).ends(0)
	p.do("domain", "add", "second.test").ends(0, "MX")
	p.do("domain", "add", "second.test").ends(exitRefused, "already")
	p.do("domain", "list").ends(0, "home.test", "second.test")
	p.do("member", "add", "envoi@second.test").ends(0)
	drops := p.do("drop", "list").ends(0).out
	for _, want := range []string{`envoi@home\.test +envoi`, `envoi@second\.test +none: a member or an alias has this address`} {
		if !regexp.MustCompile(want).MatchString(drops) {
			t.Errorf("drop list does not match %s:\n%s", want, drops)
		}
	}
	colporteur(t, "", "setup", "--data", p.data, "--domain", "second.test").ends(0, "Note: envoi@second.test belongs to a member or an alias and stays theirs")
	p.do("member", "remove", "bob@home.test").ends(0)
	p.do("member", "show", "bob@home.test").ends(exitRefused, "There is no member bob@home.test")
	p.do("queue", "list").ends(0, "There are none")
	p.do("queue", "retry", "12").ends(exitRefused, "there is no mail 12 in the queue")
	p.do("transfer", "list").ends(0, "There are none")
	p.do("transfer", "recall", "12").ends(exitRefused, "there is no transfer 12")
	p.do("check").ends(0, "good   The database (sqlite) answers: 2 domains, 2 members.")
}

func TestTheDirectoryIsKeptWithoutAServer(t *testing.T) {
	t.Parallel()
	p := setup(t)
	directoryStory(t, p)
	p.do("check").ends(0, "note   The server does not run.")
}

func TestTheDirectoryIsKeptWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	p := setup(t)
	s := p.serve()
	directoryStory(t, p)
	p.do("check").ends(0, "good   The server runs.")
	s.stop()
	p.do("member", "list").ends(0, "ann@home.test")
}

func TestSuspendingCutsOpenSessions(t *testing.T) {
	t.Parallel()
	p := setup(t)
	s := p.serve()
	colporteur(t, "correct horse\n", "--config", p.config, "member", "add", "ann@home.test", "--password-stdin").ends(0)
	conn, err := tls.Dial("tcp", s.addr("imaps"), &tls.Config{RootCAs: roots(t, p.data), ServerName: "mail.home.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReader(conn)
	expect(t, r, "* OK")
	fmt.Fprintf(conn, "a login ann@home.test \"correct horse\"\r\n")
	expect(t, r, "a OK")
	p.do("member", "suspend", "ann@home.test").ends(0)
	if _, err := io.Copy(io.Discard, r); err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Error("the session of a suspended member stays open")
		}
	}
	p.do("member", "resume", "ann@home.test").ends(0)
	s.stop()
}

func expect(t testing.TB, r *bufio.Reader, start string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for %q: %v", start, err)
		}
		if strings.HasPrefix(line, start) {
			return
		}
		if strings.HasPrefix(line, "a ") {
			t.Fatalf("got %q, want %q", line, start)
		}
	}
}

func TestRootIsKeptOffSomebodyElsesFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	p := setup(t)
	if err := os.Chown(p.data, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	p.do("member", "list").ends(exitRefused, "belongs to user 65534")
	p.do("serve").ends(exitRefused, "belongs to user 65534")
}

package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/imap/wire"
	"colporteur/mail"
)

func inClear(s *Server) { s.InsecureAuthFrom = nil }

func TestNoPasswordTravelsInClear(t *testing.T) {
	t.Parallel()
	c := newHost(t, inClear).dial()
	if got := c.line(); !strings.Contains(got, " STARTTLS LOGINDISABLED]") || strings.Contains(got, "AUTH=") {
		t.Errorf("greeting %q", got)
	}
	for _, cmd := range []string{
		"LOGIN ann@home.test secret",
		"AUTHENTICATE PLAIN",
		"AUTHENTICATE PLAIN AGFubkBob21lLnRlc3QAc2VjcmV0", // SASL-IR
	} {
		if u, got := c.do(cmd); !strings.HasPrefix(got, "NO [PRIVACYREQUIRED] ") || len(u) > 0 {
			t.Errorf("%s: %q %q", cmd, u, got)
		}
	}
}

func TestCommandsBeforeStartTLSAreForgotten(t *testing.T) {
	t.Parallel()
	h := newHost(t, inClear)
	c := h.dial()
	c.line()
	// CVE-2011-0411: the second command was put there by somebody in between.
	c.send("a1 STARTTLS\r\na2 CAPABILITY\r\n")
	if got := c.line(); !strings.HasPrefix(got, "a1 OK ") {
		t.Fatal(got)
	}
	tc := tls.Client(c.Conn, &tls.Config{RootCAs: h.roots, ServerName: "mail.home.test"})
	s := talk(t, tc)
	s.send("a3 LOGIN bob@home.test secret\r\n")
	if got := s.line(); !strings.HasPrefix(got, "a3 OK [CAPABILITY ") || strings.Contains(got, "STARTTLS") || strings.Contains(got, "LITERAL-") {
		t.Errorf("first answer under TLS: %q", got)
	}
	s.ok("NOOP")
	if _, got := s.do("STARTTLS"); strings.HasPrefix(got, "OK") {
		t.Errorf("a second STARTTLS: %q", got)
	}
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	h := newHost(t, inClear)
	tc, err := tls.Dial("tcp", h.tls, &tls.Config{RootCAs: h.roots, ServerName: "mail.home.test", NextProtos: []string{"imap"}})
	if err != nil {
		t.Fatal(err)
	}
	defer tc.Close()
	c := talk(t, tc)
	if got := c.line(); !strings.Contains(got, " AUTH=PLAIN]") || strings.Contains(got, "STARTTLS") {
		t.Errorf("greeting %q", got)
	}
	c.ok("LOGIN ann@home.test secret")
	c.ok("NOOP")

	// A browser that was made to connect here speaks another protocol (ALPACA).
	if tc, err := tls.Dial("tcp", h.tls, &tls.Config{RootCAs: h.roots, ServerName: "mail.home.test", NextProtos: []string{"h2", "http/1.1"}}); err == nil {
		tc.Close()
		t.Error("TLS for HTTP succeeded")
	}
}

func TestFailedLoginsEndTheConnection(t *testing.T) {
	t.Parallel()
	c := newHost(t).dial()
	c.line()
	for range maxFailed {
		if _, got := c.do("LOGIN ann@home.test wrong"); !strings.HasPrefix(got, "NO [AUTHENTICATIONFAILED]") {
			t.Fatal(got)
		}
	}
	if got := c.rest(); got != "* BYE imap-too-many-failures\r\n" {
		t.Errorf("then %q", got)
	}
}

type broken struct{}

func (broken) Login(context.Context, string, string, mail.Client) (mail.User, error) {
	return mail.User{}, errors.New("dial tcp 10.0.0.7: connection refused")
}

func TestLoginHidesWhatBroke(t *testing.T) {
	t.Parallel()
	c := newHost(t, func(s *Server) { s.Accounts = broken{} }).dial()
	c.line()
	if _, got := c.do("LOGIN ann@home.test secret"); got != "NO [SERVERBUG] kind-internal" {
		t.Error(got)
	}
}

func TestStrangersAreHeardBriefly(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]string{
		"HTTP":                   "POST / HTTP/1.1\r\n",
		"ten thousand brackets":  "a1 " + strings.Repeat("(", 100000) + "\r\n",
		"a line without end":     "a1 LOGIN " + strings.Repeat("x", 100000),
		"a set of many numbers":  "a1 FETCH " + strings.Repeat("1,3,", 25000) + "5 FLAGS\r\n",
		"NUL":                    "a1 LOGIN ann\x00 secret\r\n",
		"a bare newline":         "a1 NOOP\n",
		"no tag":                 "+ NOOP\r\n",
		"a literal for commands": "a1 NOOP {5+}\r\n",
		"a large literal":        "a1 LOGIN {100000+}\r\n",
		"nonsense, ten times":    strings.Repeat("a1 SELECT x\r\n", 12),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newHost(t).dial()
			c.line()
			go io.WriteString(c, send) // the server may close before it is all sent
			if got := c.rest(); strings.Contains(got, " OK ") || !strings.Contains(got, " BAD ") && !strings.Contains(got, "* BYE ") && !strings.Contains(got, " NO ") {
				t.Errorf("answered %.200q", got)
			}
		})
	}
}

func TestRefusedLiteralBeforeLoginIsNoCommand(t *testing.T) {
	t.Parallel()
	c := newHost(t).dial()
	c.line()
	inner := "x1 LOGIN ann@home.test secret\r\n"
	c.send("a1 SELECT {33+}\r\n" + inner + "\r\n")
	if got := c.rest(); strings.Contains(got, "x1") || !strings.HasPrefix(got, "a1 BAD ") {
		t.Errorf("answered %q", got)
	}
}

func TestManyStrangersTakeLittleMemory(t *testing.T) {
	h := newHost(t, func(s *Server) { s.PerIP = 1000 })
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 200
	for range n {
		c := h.dial()
		c.line()
		// As much as the server lets one say without ending the line.
		c.send("a1 LOGIN " + strings.Repeat("x", wire.Before.Line-100))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	// Both ends of every connection live in this process.
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 64<<10 {
		t.Errorf("%d octets for each", each)
	}
}

func TestNobodyMayWaitForeverBeforeLogin(t *testing.T) {
	t.Parallel()
	c := newHost(t, func(s *Server) { s.LoginTime = 200 * time.Millisecond }).dial()
	c.line()
	c.send("a1 NO") // an octet now and then does not help either
	if got := c.rest(); got != "* BYE imap-login-time\r\n" {
		t.Errorf("answered %q", got)
	}
}

func TestConnectionsFromOneAddressAreLimited(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(s *Server) { s.PerIP = 2 })
	first := h.dial()
	first.line()
	h.dial().line()
	if got := h.dial().rest(); got != "* BYE [LIMIT] imap-too-many-connections\r\n" {
		t.Errorf("third: %q", got)
	}
	first.ok("LOGOUT")
	first.rest()
	waitFor(t, func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.conns) == 1 })
	if got := h.dial().line(); !strings.HasPrefix(got, "* OK ") {
		t.Errorf("after one ended: %q", got)
	}
}

func TestNeighboursInOneIPv6NetworkCountTogether(t *testing.T) {
	t.Parallel()
	a, b, c := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff"), netip.MustParseAddr("2001:db8:0:1::1")
	if network(a) != network(b) || network(a) == network(c) {
		t.Error(network(a), network(b), network(c))
	}
	four := netip.MustParseAddr("192.0.2.1")
	if network(four) != four {
		t.Error(network(four))
	}
}

func TestConnectionsOfOneMemberAreLimited(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(s *Server) { s.PerMember = 1 })
	h.login("ann")
	c := h.dial()
	c.line()
	if _, got := c.do("LOGIN ann@home.test secret"); got != "NO [LIMIT] imap-too-many-connections" {
		t.Errorf("second: %q", got)
	}
	c.ok("LOGIN bob@home.test secret")
}

func TestCutEndsTheSessionsOfOneMember(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	idle, busy, bob := h.login("ann"), h.login("ann"), h.login("bob")
	idle.ok("SELECT INBOX")
	idle.send("i IDLE\r\n")
	idle.line()
	busy.ok("NOOP")
	h.Cut(1)
	for _, c := range []*raw{idle, busy} {
		if got := c.rest(); got != "* BYE imap-session-ended\r\n" {
			t.Errorf("ann hears %q", got)
		}
	}
	bob.ok("NOOP")
}

func TestServeEndsWithItsSessions(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	stranger, idle, halfway := h.dial(), h.login("ann"), h.login("bob")
	stranger.line()
	idle.ok("SELECT INBOX")
	idle.send("i IDLE\r\n")
	idle.line()
	// An upload that is under way may finish.
	halfway.send("a1 APPEND INBOX {24}\r\n")
	halfway.line()
	halfway.send("Subject: one\r\n")
	var ended sync.WaitGroup
	ended.Go(h.end)
	if got := idle.rest(); got != "* BYE imap-server-stopping\r\n" {
		t.Errorf("idle hears %q", got)
	}
	if got := stranger.rest(); got != "* BYE imap-server-stopping\r\n" {
		t.Errorf("a stranger hears %q", got)
	}
	halfway.send("\r\ntwo.\r\n\r\n\r\n")
	if got := halfway.rest(); !strings.HasPrefix(got, "a1 OK [APPENDUID ") || !strings.HasSuffix(got, "* BYE imap-server-stopping\r\n") {
		t.Errorf("the upload hears %q", got)
	}
	ended.Wait()
	if c, err := net.Dial("tcp", h.addr); err == nil {
		c.Close()
		t.Error("still listening")
	}
}

// waitFor gives the other side of a socket time to notice.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("it does not happen")
		default:
			runtime.Gosched()
		}
	}
}

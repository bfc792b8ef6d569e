package imap

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// heap is what is in use after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// answered sends a command line and wants BAD or NO within a second, and the
// connection alive.
func (c *raw) answered(name, cmd string) {
	c.t.Helper()
	began, before := time.Now(), heap()
	c.n++
	tag := fmt.Sprintf("t%d", c.n)
	go io.WriteString(c, tag+" "+cmd+"\r\n") // large ones are answered while they are sent
	l := c.line()
	for !strings.HasPrefix(l, tag+" ") {
		l = c.line()
	}
	if !strings.HasPrefix(l, tag+" BAD ") && !strings.HasPrefix(l, tag+" NO ") {
		c.t.Errorf("%s: %s", name, l)
	}
	if took, grew := time.Since(began), heap()-before; took > time.Second || grew > 8<<20 {
		c.t.Errorf("%s: answered in %v with %d KiB more", name, took, grew>>10)
	}
	c.ok("NOOP")
}

// turnedAway sends what a stranger may send: they are told BAD, NO or BYE, or
// the connection ends while they are still sending.
func (h *host) turnedAway(name, cmd string) {
	h.t.Helper()
	c := h.dial()
	c.line()
	began, before := time.Now(), heap()
	go func() {
		io.WriteString(c, "a "+cmd+"\r\nb LOGOUT\r\n")
		c.Conn.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c.br)
	if said := string(got); err == nil && !strings.Contains(said, " BAD ") && !strings.Contains(said, " NO ") && !strings.Contains(said, "* BYE ") {
		h.t.Errorf("a stranger: %s: %q", name, said)
	}
	if took, grew := time.Since(began), heap()-before; took > time.Second || grew > 1<<20 {
		h.t.Errorf("a stranger: %s: %v and %d KiB", name, took, grew>>10)
	}
}

func TestWhatIsTooMuchIsRefusedAtOnce(t *testing.T) { // not parallel: it measures the heap
	h := newHost(t)
	many := func(n int, s string) string { return strings.Repeat(s, n) }
	set := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%d,", 1+2*i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	everywhere := map[string]string{
		"parentheses":            "LOGIN " + many(100_000, "("),
		"nothing but letters":    many(1_000_000, "x"),
		"a literal of 2^32":      "LOGIN {4294967296}",
		"a literal of 2^64":      "LOGIN {18446744073709551616}",
		"a negative literal":     "LOGIN {-1}",
		"a literal without end":  "LOGIN {5",
		"a literal of nothing":   "LOGIN {}",
		"NUL in a small literal": "LOGIN {3+}\r\na\x00b x",
		"a quoted string":        `LOGIN "` + many(100_000, "x") + `" x`,
		"one without end":        `LOGIN "xyz`,
	}
	for name, cmd := range everywhere {
		h.turnedAway(name, cmd)
	}
	ann := h.login("ann")
	for name, cmd := range everywhere {
		ann.answered(name, strings.Replace(cmd, "LOGIN", "SUBSCRIBE", 1))
	}
	h.file(h.Accounts.(people)["ann@home.test"], h.inbox(), 1)
	ann.ok("SELECT INBOX")
	for name, cmd := range map[string]string{
		"SEARCH in parentheses":    "SEARCH " + many(100_000, "(") + "ALL" + many(100_000, ")"),
		"in few parentheses":       "SEARCH " + many(1000, "(") + "ALL" + many(1000, ")"),
		"SEARCH NOT":               "SEARCH " + many(100_000, "NOT ") + "ALL",
		"SEARCH OR":                "SEARCH " + many(100_000, "OR ALL ") + "ALL",
		"a million keys":           "SEARCH " + many(1_000_000, "SEEN ") + "ALL",
		"FETCH in parentheses":     "FETCH 1 " + many(100_000, "("),
		"many sections":            "FETCH 1 (BODY.PEEK[" + many(30_000, "1.") + "1])",
		"THREAD in parentheses":    "THREAD REFERENCES UTF-8 " + many(100_000, "("),
		"SORT in parentheses":      "SORT (ARRIVAL) UTF-8 " + many(100_000, "("),
		"a million numbers":        "FETCH " + set(1_000_000) + " FLAGS",
		"a million numbers, UID":   "UID FETCH " + set(1_000_000) + " FLAGS",
		"a million numbers, STORE": "STORE " + set(1_000_000) + ` +FLAGS (\Seen)`,
		"LIST of wildcards":        `LIST "" ` + many(50_000, "*"),
		"LIST in parentheses":      "LIST " + many(100_000, "("),
		"number 0":                 "FETCH 0 FLAGS",
		"number 2^32":              "FETCH 4294967296 FLAGS",
		"a negative number":        "FETCH -1 FLAGS",
		"a set without end":        "FETCH 1:",
		"a set of nothing":         "FETCH , FLAGS",
		"flags in parentheses":     "STORE 1 FLAGS " + many(100_000, "("),
		"a million flags":          "STORE 1 FLAGS (" + many(1_000_000, "x ") + "x)",
		"a flag of a megabyte":     "STORE 1 FLAGS (" + many(1<<20, "x") + ")",
	} {
		ann.answered(name, cmd)
	}
}

// inbox is ann's.
func (h *host) inbox() mailbox.ID {
	h.t.Helper()
	m, err := h.Mailboxes.Get(h.t.Context(), h.Accounts.(people)["ann@home.test"].Account, "INBOX")
	if err != nil {
		h.t.Fatal(err)
	}
	return m.ID
}

// asked counts attempts to sign in.
type asked struct {
	people
	n atomic.Int32
}

func (a *asked) Login(ctx context.Context, name, password string, c mail.Client) (mail.User, error) {
	a.n.Add(1)
	return a.people.Login(ctx, name, password, c)
}

func TestPasswordsDoNotTravelInClear(t *testing.T) {
	t.Parallel()
	var accounts *asked
	h := newHost(t, func(s *Server) {
		s.InsecureAuthFrom = nil
		accounts = &asked{people: s.Accounts.(people)}
		s.Accounts = accounts
	})
	c := h.dial()
	if greeting := c.line(); !strings.Contains(greeting, " LOGINDISABLED") || strings.Contains(greeting, "AUTH=") {
		t.Errorf("greeting %s", greeting)
	}
	for _, cmd := range []string{"LOGIN ann@home.test secret", "AUTHENTICATE PLAIN AGFubkBob21lLnRlc3QAc2VjcmV0", "AUTHENTICATE PLAIN", "AUTHENTICATE LOGIN"} {
		if _, tagged := c.do(cmd); !strings.HasPrefix(tagged, "NO [PRIVACYREQUIRED] ") {
			t.Errorf("%s: %s", cmd, tagged)
		}
	}
	if n := accounts.n.Load(); n != 0 {
		t.Errorf("%d passwords were looked at", n)
	}
	// Commands in the segment of STARTTLS are somebody else's (CVE-2011-0411).
	c = h.dial()
	c.line()
	c.send("a1 STARTTLS\r\na2 LOGIN ann@home.test secret\r\na3 NOOP\r\n")
	if got := c.line(); got != "a1 OK Begin TLS negotiation now" {
		t.Fatal(got)
	}
	secure := tls.Client(c.Conn, &tls.Config{RootCAs: h.roots, ServerName: "mail.home.test"})
	if err := secure.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	c = talk(t, secure)
	c.send("b1 NOOP\r\n")
	if got := c.line(); got != "b1 OK NOOP completed" {
		t.Errorf("after STARTTLS: %s", got)
	}
	if got := c.ok("CAPABILITY"); !strings.Contains(got[0], "AUTH=PLAIN") || strings.Contains(got[0], "STARTTLS") {
		t.Errorf("capabilities %s", got)
	}
	if _, tagged := c.do("STARTTLS"); !strings.HasPrefix(tagged, "BAD ") {
		t.Errorf("STARTTLS again: %s", tagged)
	}
	c.ok("LOGIN ann@home.test secret")
	if n := accounts.n.Load(); n != 1 {
		t.Errorf("%d passwords were looked at", n)
	}
}

func TestStrangersWhoDripAreCutAtTheirTime(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(s *Server) { s.LoginTime, s.PerIP = 500*time.Millisecond, 200 })
	began := time.Now()
	ended := make(chan time.Duration, 100)
	for i := range cap(ended) {
		c := h.dial()
		c.line()
		go func() {
			for n := 0; ; n++ { // octets, whole commands, or nothing
				var err error
				switch i % 3 {
				case 0:
					_, err = io.WriteString(c, "x")
				case 1:
					_, err = io.WriteString(c, "a NOOP\r\n")
				}
				c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				_, rerr := io.Copy(io.Discard, c)
				if ne, ok := rerr.(net.Error); err != nil || !(ok && ne.Timeout()) {
					ended <- time.Since(began)
					return
				}
			}
		}()
	}
	// Meanwhile a member signs in.
	member := time.Now()
	h.login("ann").ok("NOOP")
	if took := time.Since(member); took > time.Second {
		t.Errorf("a member signs in within %v", took)
	}
	for range cap(ended) {
		if took := <-ended; took > 5*time.Second {
			t.Errorf("one stranger stayed %v", took)
		}
	}
}

func TestConnectionsOfOneAddressAreCounted(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(s *Server) { s.PerIP = 20 })
	var open []*raw
	for range 20 {
		c := h.dial()
		c.line()
		open = append(open, c)
	}
	for range 500 {
		if got := h.dial().rest(); !strings.HasPrefix(got, "* BYE [LIMIT] ") {
			t.Fatalf("one too many hears %q", got)
		}
	}
	// From elsewhere there is room.
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 77)}}
	nc, err := d.DialContext(t.Context(), "tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got := talk(t, nc).line(); !strings.HasPrefix(got, "* OK ") {
		t.Errorf("from elsewhere: %s", got)
	}
	open[0].ok("LOGOUT")
	open[0].rest()
	for { // the server has closed; it counts a moment later
		l := h.dial().line()
		if strings.HasPrefix(l, "* OK ") {
			break
		}
		if !strings.HasPrefix(l, "* BYE [LIMIT] ") {
			t.Fatal(l)
		}
	}
}

func TestAClientThatNeverReadsHoldsUpNobody(t *testing.T) { // not parallel: it measures the heap
	h := newHost(t)
	ann := h.Accounts.(people)["ann@home.test"]
	for n := range 50 {
		h.file(ann, h.inbox(), n)
	}
	before := heap()
	for range 8 {
		c := h.login("ann")
		c.ok("SELECT INBOX")
		// More than the sockets' buffers hold, of commands and of answers.
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		for {
			if _, err := io.WriteString(c, strings.Repeat("a CAPABILITY\r\nb FETCH 1:* (UID FLAGS ENVELOPE)\r\n", 100)); err != nil {
				break
			}
		}
	}
	if grew := heap() - before; grew > 8*256<<10 {
		t.Errorf("8 clients that never read take %d KiB each", grew/8>>10)
	}
	other := h.login("ann")
	began := time.Now()
	other.ok("SELECT INBOX")
	other.ok("NOOP")
	if took := time.Since(began); took > time.Second {
		t.Errorf("another session waits %v", took)
	}
	// The server can stop all the same.
	began = time.Now()
	h.end()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the server stops in %v", took)
	}
}

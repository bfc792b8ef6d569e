package smtp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/mail"
)

func TestConnectionsFromOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	h := start(t, MX, func(s *Server) { s.Limits.PerIP = 3 })
	var open []*peer
	for range 3 {
		open = append(open, h.session(t))
	}
	for range 5 {
		p := h.dial(t)
		if got := p.expect("421 4.7.0 "); !strings.Contains(got, "smtp-too-many-connections") {
			t.Errorf("got %q", got)
		}
		p.closed()
	}
	p := h.dialFrom(t, "127.0.0.2")
	p.expect("220")
	open[0].say("QUIT", "221")
	open[0].closed()
	h.eventually(t, "a place is free again", func() bool {
		p := h.dial(t)
		got, _ := p.reply()
		return strings.HasPrefix(got, "220")
	})
}

// eventually tries until ok, for what has no event to wait for: another
// goroutine of the server that closes.
func (h *host) eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within five seconds", what)
}

func TestConnectionsInAllAreBounded(t *testing.T) {
	t.Parallel()
	h := start(t, MX, func(s *Server) { s.Limits.Connections = 2 })
	h.session(t)
	h.session(t)
	p := h.dialFrom(t, "127.0.0.2")
	p.expect("421 4.3.2")
	p.closed()
}

func TestGateCountsAnIPv6NetworkAsOne(t *testing.T) {
	t.Parallel()
	g := &gate{byNet: map[netip.Addr]int{}}
	l := Limits{PerIP: 2}.withDefaults()
	a, b, c := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8:0:1::1")
	if g.enter(a, l) != "" || g.enter(b, l) != "" || g.enter(a, l) == "" || g.enter(c, l) != "" {
		t.Fatal("not counted by /64")
	}
	g.leave(b)
	if g.enter(a, l) != "" {
		t.Fatal("a place was not given back")
	}
	if block(netip.MustParseAddr("::ffff:192.0.2.1")) != netip.MustParseAddr("192.0.2.1") {
		t.Fatal("a mapped IPv4 address is one address")
	}
}

func TestWindowBeginsAgain(t *testing.T) {
	t.Parallel()
	w := newWindow[int](time.Hour)
	t0 := time.Unix(1_000_000, 0)
	w.add(1, 3, t0)
	w.add(2, 1, t0)
	if n, until := w.add(1, 1, t0.Add(59*time.Minute)); n != 4 || !until.Equal(t0.Add(time.Hour)) {
		t.Errorf("%d until %v", n, until)
	}
	if n, _ := w.add(1, 0, t0.Add(time.Hour)); n != 0 {
		t.Errorf("%d after the hour", n)
	}
	w.add(3, 1, t0.Add(3*time.Hour))
	if len(w.count) != 1 {
		t.Errorf("%d keys are left, the old ones should be gone", len(w.count))
	}
}

// TestGuessingOfAddressesEnds is S-09 over many connections, and the clock.
func TestGuessingOfAddressesEnds(t *testing.T) {
	t.Parallel()
	clock := &clock{now: time.Unix(1_700_000_000, 0)}
	h := start(t, MX, func(s *Server) { s.Now = clock.Now })
	answered, n := 0, 0
	for conn := 0; conn < 30 && answered <= 60; conn++ {
		p := h.session(t)
		p.say("MAIL FROM:<>", "250")
		for {
			n++
			p.send(fmt.Sprintf("RCPT TO:<x%d@home.test>\r\n", n))
			got, err := p.reply()
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(got, "550") {
				answered++
				continue
			}
			if !strings.HasPrefix(got, "421") && !strings.HasPrefix(got, "450") {
				t.Fatalf("got %q", got)
			}
			p.Close()
			break
		}
	}
	if answered == 0 || answered > 50 {
		t.Errorf("%d unknown recipients were answered, at most 50 should be", answered)
	}
	// Not even for people who exist, or the guess would only have to be right.
	p := h.session(t)
	p.say("MAIL FROM:<>", "250")
	p.say("RCPT TO:<ann@home.test>", "450 4.7.1")
	clock.add(11 * time.Minute)
	p.say("RCPT TO:<ann@home.test>", "250")
	q := h.dialFrom(t, "127.0.0.9")
	q.expect("220")
	q.say("EHLO x", "250")
	q.say("MAIL FROM:<>", "250")
	q.say("RCPT TO:<ann@home.test>", "250")
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// TestMembersLimitCountsOverConnections is B-08.
func TestMembersLimitCountsOverConnections(t *testing.T) {
	t.Parallel()
	clock := &clock{now: time.Unix(1_700_000_000, 0)}
	h := start(t, Submission, func(s *Server) { s.Now, s.Limits.PerMember = clock.Now, 5 })
	sent := 0
	for range 3 {
		p := h.member(t)
		p.say("MAIL FROM:<ann@home.test>", "250")
		for range 3 {
			p.send("RCPT TO:<x@far.test>\r\n")
			if got, _ := p.reply(); strings.HasPrefix(got, "250") {
				sent++
			} else if !strings.HasPrefix(got, "450 4.7.1 fr: smtp-member-rate") {
				t.Fatalf("got %q", got)
			}
		}
	}
	if sent != 5 {
		t.Errorf("%d recipients, want 5", sent)
	}
	if !strings.Contains(h.log.String(), "level=WARN") {
		t.Error("nobody was warned")
	}
	clock.add(time.Hour)
	p := h.member(t)
	p.say("MAIL FROM:<ann@home.test>", "250")
	p.say("RCPT TO:<x@far.test>", "250")
}

// TestAThousandRecipients is S-10.
func TestAThousandRecipients(t *testing.T) {
	t.Parallel()
	h := start(t, MX)
	p := h.session(t)
	var burst strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&burst, "RCPT TO:<u%d@home.test>\r\n", i)
	}
	p.say("MAIL FROM:<a@far.test>", "250")
	go p.send(burst.String())
	taken := 0
	for range 1000 {
		got, err := p.reply()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(got, "250") {
			taken++
		} else if !strings.HasPrefix(got, "452-4.5.3") {
			t.Fatalf("got %q", got)
		}
	}
	if taken != 500 {
		t.Errorf("%d taken", taken)
	}
	p.say("DATA", "354")
	p.send("x\r\n.\r\n")
	p.expect("250")
	if mails := h.door.all(); len(mails) != 1 || len(mails[0].env.To) != 500 {
		t.Error("the mail did not come to the 500")
	}
}

// TestTooManyBadCommands is S-16.
func TestTooManyBadCommands(t *testing.T) {
	t.Parallel()
	h := start(t, MX)
	p := h.session(t)
	go func() {
		for range 1000 {
			if _, err := io.WriteString(p.Conn, "XYZZY\r\n"); err != nil {
				return
			}
		}
	}()
	bad := 0
	for {
		got, err := p.reply()
		if err != nil {
			t.Fatalf("after %d: %v", bad, err)
		}
		if strings.HasPrefix(got, "421") {
			break
		}
		if !strings.HasPrefix(got, "500 5.5.2") || strings.Contains(got, "XYZZY") {
			t.Fatalf("got %q", got)
		}
		bad++
	}
	if bad > 20 {
		t.Errorf("%d bad commands were answered", bad)
	}
	p.closed()
}

func TestCommandsThatBringNothingEnd(t *testing.T) {
	t.Parallel()
	h := start(t, MX, func(s *Server) { s.Limits.BadCommands = 2 })
	p := h.session(t)
	for range 3 { // a mail in between shows that there is a point in it
		for range 15 {
			p.say("NOOP", "250")
		}
		p.say("MAIL FROM:<>", "250")
		p.say("RCPT TO:<ann@home.test>", "250")
		p.say("DATA", "354")
		p.send(".\r\n")
		p.expect("250")
	}
	go p.send(strings.Repeat("NOOP\r\n", 30))
	for {
		if got, err := p.reply(); err != nil {
			t.Fatal(err)
		} else if strings.HasPrefix(got, "421-4.7.0") {
			break
		}
	}
	p.closed()
}

// TestWhoSaysNothingIsSentAway is X-01: a byte now and then does not help.
func TestWhoSaysNothingIsSentAway(t *testing.T) {
	t.Parallel()
	h := start(t, MX, func(s *Server) {
		s.Limits.Start, s.Limits.Idle, s.Limits.Data = 150*time.Millisecond, 150*time.Millisecond, 150*time.Millisecond
	})
	drip := func(p *peer) {
		for {
			if _, err := io.WriteString(p.Conn, "x"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond) // the slow client itself
		}
	}
	p := h.dial(t)
	p.expect("220")
	go drip(p)
	p.expect("421 4.4.2")
	p.closed()

	q := h.session(t)
	q.say("MAIL FROM:<a@far.test>", "250")
	go drip(q)
	q.expect("421 4.4.2")

	r := h.session(t)
	r.say("MAIL FROM:<a@far.test>", "250")
	r.say("RCPT TO:<ann@home.test>", "250")
	r.say("DATA", "354")
	r.send("Subject: half\r\n")
	r.expect("421 4.4.2")
	r.closed()
	if n := len(h.door.all()); n != 0 {
		t.Errorf("%d mails kept", n)
	}
}

func TestSlowMailIsGivenTimeAndNotForEver(t *testing.T) {
	t.Parallel()
	l := Limits{}.withDefaults()
	for _, tt := range []struct {
		name  string
		since time.Duration
		n     int64
		want  time.Duration
	}{
		{"at first", 0, 0, 5 * time.Minute},
		{"nothing in nine minutes", 9 * time.Minute, 0, time.Minute},
		{"nothing in an hour", time.Hour, 0, -50 * time.Minute},
		{"3 KB/s for an hour, a slow line", time.Hour, 10 << 20, 5 * time.Minute},
	} {
		if left := time.Until(l.dataLimit(time.Now().Add(-tt.since), tt.n)); left > tt.want || left < tt.want-10*time.Second {
			t.Errorf("%s: %v are left, want %v", tt.name, left, tt.want)
		}
	}
}

func TestHalfAMailIsNoMail(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]string{
		"DATA":               "DATA\r\nSubject: x\r\n\r\nhalf",
		"DATA at a line end": "DATA\r\nSubject: x\r\n\r\nhalf\r\n",
		"DATA before the LF": "DATA\r\nSubject: x\r\n\r\nhalf\r\n.\r",
		"BDAT":               "BDAT 100 LAST\r\nSubject: x\r\n\r\nhalf\r\n",
		"BDAT between":       "BDAT 5\r\nA: b\r",
		"BDAT binary":        "BDAT 100 LAST\r\nSubject: x\r\n\r\nhalf\r\n",
	} {
		h := start(t, MX)
		p := h.session(t)
		p.say("MAIL FROM:<a@far.test> BODY="+map[bool]string{true: "BINARYMIME", false: "8BITMIME"}[strings.HasSuffix(name, "binary")], "250")
		p.say("RCPT TO:<envoi@home.test>", "250")
		p.send(send)
		p.Conn.(*net.TCPConn).CloseWrite()
		rest, _ := io.ReadAll(p.r)
		if strings.Contains(string(rest), "250 2.0.0 OK, kept") {
			t.Errorf("%s: %q", name, rest)
		}
		p.Close()
		h.stop()
		if err := <-h.stopped; err != nil { // every mail is decided by then
			t.Error(err)
		}
		h.stopped <- nil
		if n := len(h.door.all()); n != 0 {
			t.Errorf("%s: %d mails kept", name, n)
		}
	}
}

func TestDoorsRefusalIsTheReplyAndTheNextMailGoesOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{mail.Wrap(mail.DiskFull, errors.New("no space")), "452 4.3.1"},
		{mail.Refuse(mail.Loop, "kind-loop"), "554 5.4.6"},
		{errors.New("who knows"), "451 4.3.0"},
	} {
		h := start(t, MX)
		h.door.fail = tt.err
		p := h.session(t)
		for range 2 {
			p.say("MAIL FROM:<a@far.test>", "250")
			p.say("RCPT TO:<ann@home.test>", "250")
			p.say("DATA", "354")
			p.send("x\r\n.\r\n")
			p.expect(tt.want)
			p.say("MAIL FROM:<a@far.test>", "250")
			p.say("RCPT TO:<ann@home.test>", "250")
			p.send("BDAT 3 LAST\r\nx\r\n")
			p.expect(tt.want)
		}
	}
}

package smtp

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
)

func TestServerThatStopsLetsMailsUnderWayFinish(t *testing.T) {
	t.Parallel()
	h := start(t, MX)
	h.door.entered, h.door.leave = make(chan struct{}, 1), make(chan struct{})
	waiting := h.session(t)
	busy := h.session(t)
	busy.say("MAIL FROM:<a@far.test>", "250")
	busy.say("RCPT TO:<ann@home.test>", "250")
	busy.say("DATA", "354")
	busy.send("Subject: x\r\n")
	<-h.door.entered
	h.stop()
	waiting.expect("421 4.3.2")
	waiting.closed()
	if c, err := net.Dial("tcp", h.addr); err == nil {
		c.Close()
		t.Error("new work was taken")
	}
	busy.send("\r\nrest\r\n.\r\n")
	close(h.door.leave)
	busy.expect("250 2.0.0")
	busy.expect("421 4.3.2")
	busy.closed()
	if err := <-h.stopped; err != nil {
		t.Error(err)
	}
	h.stopped <- nil
	if n := len(h.door.all()); n != 1 {
		t.Errorf("%d mails", n)
	}
}

func TestServerThatStopsDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	h := start(t, MX, func(s *Server) { s.Limits.Grace = 50 * time.Millisecond })
	h.door.entered = make(chan struct{}, 1)
	p := h.session(t)
	p.say("MAIL FROM:<a@far.test>", "250")
	p.say("RCPT TO:<ann@home.test>", "250")
	p.say("DATA", "354")
	<-h.door.entered
	begun := time.Now()
	h.stop()
	p.expect("421 4.3.2")
	if err := <-h.stopped; err != nil {
		t.Error(err)
	}
	h.stopped <- nil
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	if n := len(h.door.all()); n != 0 {
		t.Errorf("%d mails", n)
	}
}

func TestCutEndsAMembersSessionsOnly(t *testing.T) {
	t.Parallel()
	h := start(t, Submission)
	h.door.entered = make(chan struct{}, 1)
	idle, busy, other := h.member(t), h.member(t), h.session(t)
	busy.say("MAIL FROM:<ann@home.test>", "250")
	busy.say("RCPT TO:<x@far.test>", "250")
	busy.say("DATA", "354")
	busy.send("From: ann@home.test\r\n\r\nhalf")
	<-h.door.entered
	h.Cut(ann.ID)
	idle.expect("421 4.7.0 fr: smtp-signed-out")
	busy.expect("421 4.7.0 fr: smtp-signed-out")
	idle.closed()
	busy.closed()
	other.say("NOOP", "250")
	if n := len(h.door.all()); n != 0 {
		t.Errorf("%d mails", n)
	}
	h.eventually(t, "the member is off the books", func() bool { return len(h.users.of(ann.ID)) == 0 })
	h.Cut(ann.ID)
	h.Cut(99)
}

func TestOldTLSAndForeignProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	h := start(t, Submissions)
	for name, cfg := range map[string]*tls.Config{
		"TLS 1.0":   {MaxVersion: tls.VersionTLS10},
		"TLS 1.1":   {MaxVersion: tls.VersionTLS11},
		"CBC":       {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}},
		"a browser": {NextProtos: []string{"h2", "http/1.1"}},
	} {
		cfg.InsecureSkipVerify, cfg.MinVersion = true, tls.VersionTLS10
		if c, err := tls.Dial("tcp", h.addr, cfg); err == nil {
			c.Close()
			t.Errorf("%s was taken", name)
		}
	}
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c, err := tls.Dial("tcp", h.addr, &tls.Config{InsecureSkipVerify: true, MinVersion: v, MaxVersion: v})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

func TestProxyHeaderNamesTheClient(t *testing.T) {
	t.Parallel()
	h := start(t, MX, func(s *Server) { s.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")} })
	v2 := func(command, family byte, body []byte) string {
		b := append([]byte(nil), proxyV2...)
		b = append(b, 0x20|command, family)
		b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
		return string(append(b, body...))
	}
	v4 := []byte{192, 0, 2, 9, 127, 0, 0, 1, 1, 2, 3, 4}
	v6 := append(netip.MustParseAddr("2001:db8::9").AsSlice(), bytes.Repeat([]byte{1}, 20)...)
	for _, tt := range []struct{ name, head, ip string }{
		{"version 1", "PROXY TCP4 192.0.2.7 127.0.0.1 1000 25\r\n", "192.0.2.7"},
		{"version 1, IPv6", "PROXY TCP6 2001:db8::7 ::1 1000 25\r\n", "2001:db8::7"},
		{"version 1, unknown", "PROXY UNKNOWN\r\n", "127.0.0.2"},
		{"version 2", v2(1, 0x11, v4), "192.0.2.9"},
		{"version 2, with more", v2(1, 0x11, append(v4[:12:12], make([]byte, 100)...)), "192.0.2.9"},
		{"version 2, IPv6", v2(1, 0x21, v6), "2001:db8::9"},
		{"version 2, local", v2(0, 0, nil), "127.0.0.2"},
		{"no header", "EHLO far.test\r\nNOOP\r\n", ""},
		{"no address", "PROXY TCP4 x y 1 2\r\n", ""},
		{"too long", "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n", ""},
		{"version 3", strings.Replace(v2(1, 0x11, v4), "\x21\x11", "\x31\x11", 1), ""},
		{"version 2, too long", v2(1, 0x11, make([]byte, 5000)), ""},
		{"version 2, too short", v2(1, 0x11, v4[:4]), ""},
	} {
		p := h.dialFrom(t, "127.0.0.2")
		p.send(tt.head)
		if tt.ip == "" {
			if got, err := io.ReadAll(p.r); len(got) > 0 {
				t.Errorf("%s: got %q, %v", tt.name, got, err)
			}
			continue
		}
		p.expect("220")
		p.say("EHLO x", "250")
		p.say("MAIL FROM:<>", "250")
		p.say("RCPT TO:<ann@home.test>", "250")
		p.say("DATA", "354")
		p.send(".\r\n")
		p.expect("250")
		mails := h.door.all()
		if got := mails[len(mails)-1].env.Client.IP.String(); got != tt.ip {
			t.Errorf("%s: the client is %s, want %s", tt.name, got, tt.ip)
		}
	}
	// From elsewhere it is a command like any other that we do not know.
	p := h.session(t)
	p.say("PROXY TCP4 192.0.2.7 127.0.0.1 1000 25", "500")
}

func TestProxyAndTLSFromTheFirstByte(t *testing.T) {
	t.Parallel()
	h := start(t, Submissions, func(s *Server) { s.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	p := h.dial(t)
	p.send("PROXY TCP4 192.0.2.7 127.0.0.1 1000 465\r\n")
	p.tls()
	p.expect("220")
}

func TestHandshakeThatNeverEndsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	h := start(t, Submissions)
	h.dial(t) // says nothing
	p := h.dial(t)
	p.tls()
	p.expect("220")
}

func TestIDsSortByTime(t *testing.T) {
	t.Parallel()
	last := ""
	for i := range 1000 {
		id := newID(time.UnixMilli(1_700_000_000_000 + int64(i)*7))
		if id <= last || len(id) != 16 {
			t.Fatalf("%q after %q", id, last)
		}
		last = id
	}
}

func TestPanicEndsOneSessionOnly(t *testing.T) {
	t.Parallel()
	h := start(t, MX, func(s *Server) {
		render := s.Render
		s.Limits.BadCommands = 1
		s.Render = func(lang string, t mail.Text) string {
			if t.ID == "smtp-too-many-errors" {
				panic("no such sentence")
			}
			return render(lang, t)
		}
	})
	h.breaks = true
	p, q := h.session(t), h.session(t)
	p.say("XYZZY", "500")
	p.closed()
	q.say("MAIL FROM:<a@far.test>", "250")
	h.stop()
	if err := <-h.stopped; err != nil {
		t.Error(err)
	}
	h.stopped <- nil
}

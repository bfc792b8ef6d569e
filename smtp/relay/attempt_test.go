package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
)

func TestMailArrivesByteForByteAfterOurHeaderLines(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", func(s *sink) { s.ehlo = []string{"PIPELINING", "SIZE 1000000", "8BITMIME"} })
	n.relay.Sign = func(_ context.Context, _ delivery.Relay, m io.WriterTo) ([]byte, error) {
		var b strings.Builder
		if _, err := m.WriteTo(&b); err != nil {
			return nil, err
		}
		return fmt.Appendf(nil, "X-Signed: %d\r\n", b.Len()), nil
	}
	d := n.mail("bob@far.test", "eve@far.test")
	d.Body = mail.Body8Bit
	res := n.attempt(d)
	for _, p := range res.to {
		if !p.sent {
			t.Fatalf("%s: %v", p.Address, p.last)
		}
	}
	got := far.took()
	if len(got) != 1 {
		t.Fatalf("got %d mails, want 1", len(got))
	}
	want := fmt.Sprintf("X-Signed: %d\r\n", len(d.Prefix)+len(sample)) + string(d.Prefix) + sample
	if got[0].data != want {
		t.Errorf("got %q\nwant %q", got[0].data, want)
	}
	if want := fmt.Sprintf("MAIL FROM:<ann@home.test> SIZE=%d BODY=8BITMIME", d.Size); got[0].from != want {
		t.Errorf("got %q, want %q", got[0].from, want)
	}
	if len(got[0].rcpts) != 2 {
		t.Errorf("got recipients %q", got[0].rcpts)
	}
}

//
func TestEachRecipientGetsItsOwnFate(t *testing.T) {
	t.Parallel()
	for _, ext := range [][]string{nil, {"PIPELINING"}} {
		n := newInternet(t)
		far := n.site("far.test", func(s *sink) {
			s.ehlo = ext
			s.answer = func(line string) string {
				switch {
				case strings.HasPrefix(line, "RCPT TO:<grey@"):
					return "450 4.2.0 greylisted"
				case strings.HasPrefix(line, "RCPT TO:<gone@"):
					return "550 5.1.1 no such user"
				}
				return ""
			}
		})
		res := n.attempt(n.mail("ok@far.test", "grey@far.test", "gone@far.test"))
		ok, grey, gone := res.to[0], res.to[1], res.to[2]
		if !ok.sent || grey.sent || grey.lost() || grey.last.sense != senseGrey || gone.sent || !gone.lost() {
			t.Errorf("%v: got %+v %+v %+v", ext, ok, grey, gone)
		}
		if gone.last.status != "5.1.1" || gone.last.why.ID != "relay-why-no-such-user" {
			t.Errorf("got %+v", gone.last)
		}
		if got := far.took(); len(got) != 1 || len(got[0].rcpts) != 1 {
			t.Errorf("%v: got %+v", ext, got)
		}
	}
}

//
func TestRefusalAtEachStageIsForGood(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"banner", "EHLO", "MAIL", "RCPT", "DATA", "."} {
		for _, ext := range [][]string{nil, {"PIPELINING"}} {
			n := newInternet(t)
			n.site("far.test", func(s *sink) {
				s.ehlo = ext
				if stage == "banner" {
					s.banner = "554 5.7.1 go away"
				}
				s.answer = func(line string) string {
					if strings.HasPrefix(line, stage) || stage == "EHLO" && strings.HasPrefix(line, "HELO") {
						return "554 5.7.1 go away"
					}
					return ""
				}
			})
			p := n.one(n.mail("bob@far.test"))
			if !p.lost() || p.last.status != "5.7.1" || p.last.reply != "554 5.7.1 go away" {
				t.Errorf("%s %v: got %+v %v", stage, ext, p, p.last)
			}
		}
	}
}

func TestRefusalForNowAtEachStageIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"451 4.3.0 later", "421 4.3.2 closing"} {
		for _, stage := range []string{"banner", "EHLO", "MAIL", "RCPT", "DATA", "."} {
			n := newInternet(t)
			n.site("far.test", func(s *sink) {
				if stage == "banner" {
					s.banner = code
				}
				s.answer = func(line string) string {
					if strings.HasPrefix(line, stage) {
						return code
					}
					return ""
				}
			})
			p := n.one(n.mail("bob@far.test"))
			if p.lost() || p.sent || p.last == nil || p.last.reply != code {
				t.Errorf("%s %s: got %+v %v", code, stage, p, p.last)
			}
		}
	}
}

func TestRefusalForNowIsTakenToTheNextHostButNotToAll(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	busy := func(s *sink) {
		s.answer = func(line string) string {
			if strings.HasPrefix(line, "MAIL") {
				return "451 4.3.0 busy"
			}
			return ""
		}
	}
	n.host("a.far.test", busy)
	b := n.host("b.far.test", nil)
	n.mx("far.test", net.MX{Host: "a.far.test.", Pref: 1}, net.MX{Host: "b.far.test.", Pref: 2})
	if p := n.one(n.mail("bob@far.test")); !p.sent || len(b.took()) != 1 {
		t.Errorf("got %+v, second host took %d", p, len(b.took()))
	}
	n.host("c.far.test", busy)
	n.mx("far.test", net.MX{Host: "a.far.test.", Pref: 1}, net.MX{Host: "c.far.test.", Pref: 2}, net.MX{Host: "b.far.test.", Pref: 3})
	if p := n.one(n.mail("bob@far.test")); p.sent || p.lost() || len(b.took()) != 1 {
		t.Errorf("a third host was asked: %+v", p)
	}
}

func TestTooManyRecipientsGoInTheNextTransaction(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	count := 0
	far := n.site("far.test", func(s *sink) {
		s.ehlo = []string{"PIPELINING"}
		s.answer = func(line string) string {
			switch {
			case strings.HasPrefix(line, "MAIL"):
				count = 0
			case strings.HasPrefix(line, "RCPT"):
				if count++; count > 40 {
					return "452 4.5.3 too many recipients"
				}
			}
			return ""
		}
	})
	var to []string
	for i := range 130 {
		to = append(to, fmt.Sprintf("m%d@far.test", i))
	}
	res := n.attempt(n.mail(to...))
	for _, p := range res.to {
		if !p.sent {
			t.Fatalf("%s was not served: %v", p.Address, p.last)
		}
	}
	seen := map[string]int{}
	for _, m := range far.took() {
		for _, r := range m.rcpts {
			seen[r]++
		}
	}
	if len(seen) != 130 || far.calls() != 1 {
		t.Errorf("got %d recipients in %d sessions, want 130 in 1", len(seen), far.calls())
	}
	for r, k := range seen {
		if k != 1 {
			t.Errorf("%s was served %d times", r, k)
		}
	}
}

func TestLostReplyToTheFinalDotIsNotSentElsewhere(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.host("a.far.test", func(s *sink) { s.lost = true })
	b := n.host("b.far.test", nil)
	n.mx("far.test", net.MX{Host: "a.far.test.", Pref: 1}, net.MX{Host: "b.far.test.", Pref: 2})
	if p := n.one(n.mail("bob@far.test")); p.sent || p.lost() {
		t.Errorf("got %+v", p)
	}
	if len(b.took()) != 0 {
		t.Error("the second host got a duplicate at once")
	}
}

func TestWithoutItsLeaseTheFinalDotIsNotSent(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", nil)
	res := n.relay.attempt(t.Context(), n.mail("bob@far.test"), letter(sample), func(context.Context) error { return errors.New("somebody else has it") })
	if res.to[0].sent || !errors.Is(res.fail, errLease) {
		t.Errorf("got %+v, fail %v", res.to[0], res.fail)
	}
	far.ln.Close()
	far.wg.Wait()
	if len(far.took()) != 0 {
		t.Error("the mail was sent")
	}
}

func TestShutdownDoesNotHangUpOnAPeerThatIsAboutToAnswer(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	ctx, stop := context.WithCancel(t.Context())
	far := n.site("far.test", func(s *sink) { s.onDot = stop })
	res := n.relay.attempt(ctx, n.mail("bob@far.test"), letter(sample), yes)
	if !res.to[0].sent || len(far.took()) != 1 {
		t.Errorf("got %+v, %v", res.to[0], res.to[0].last)
	}
}

func TestShutdownDoesNotWaitForASilentPeer(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.relay.stages = nil // five minutes
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	n.relay.Smarthost = ln.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		c, err := ln.Accept()
		if err == nil {
			defer c.Close()
			io.WriteString(c, "220 wait for it\r\n")
			br := bufio.NewReader(c)
			br.ReadString('\n') // EHLO: from now on it listens
			stop()
			br.ReadByte()
		}
	}()
	res := n.relay.attempt(ctx, n.mail("bob@far.test"), letter(sample), yes)
	if res.fail == nil || res.to[0].lost() {
		t.Errorf("got %+v, fail %v", res.to[0], res.fail)
	}
}

// A peer that says 552 in the middle of the content and hangs up is believed.
func TestLastWordsOfAPeerAreHeard(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	n.relay.Smarthost = ln.Addr().String()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		// All replies at once: it need not listen to know what it thinks.
		io.WriteString(c, "220 x\r\n250 x\r\n250 x\r\n250 x\r\n354 x\r\n552 5.3.4 that is enough\r\n")
		c.(*net.TCPConn).CloseWrite()
		buf := make([]byte, 64<<10)
		for total := 0; total < 1<<20; {
			k, err := c.Read(buf)
			if err != nil {
				return
			}
			total += k
		}
	}()
	big := strings.Repeat(strings.Repeat("x", 76)+"\r\n", 1<<20)
	res := n.relay.attempt(t.Context(), n.mail("bob@far.test"), letter(sample+big), yes)
	p := res.to[0]
	if p.sent {
		t.Fatal("sent")
	}
	// The kernel may drop the words with the connection; then it is tried again.
	if p.lost() && p.last.status != "5.3.4" || !p.lost() && p.last.status != "4.4.2" {
		t.Errorf("got %+v %v", p, p.last)
	}
}

func TestMailOverThePeersSizeIsNotOffered(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", func(s *sink) { s.ehlo = []string{"SIZE 100"} })
	if p := n.one(n.mail("bob@far.test")); !p.lost() || p.last.status != "5.3.4" || far.said("MAIL") != 0 {
		t.Errorf("got %+v %v", p, p.last)
	}
}

func TestSMTPUTF8IsUsedOnlyWhenNeeded(t *testing.T) {
	t.Parallel()
	utf8 := strings.Replace(sample, "The lake", "Le lac gelé", 1)
	for _, c := range []struct {
		name  string
		ext   []string
		to    string
		flag  bool
		text  string
		sent  bool
		param bool
	}{
		{"flag, but plain", []string{"SMTPUTF8"}, "bob@far.test", true, sample, true, false},
		{"flag, but plain, peer without", nil, "bob@far.test", true, sample, true, false},
		{"header", []string{"SMTPUTF8", "8BITMIME"}, "bob@far.test", true, utf8, true, true},
		{"header, peer without", nil, "bob@far.test", true, utf8, false, false},
		{"address", []string{"SMTPUTF8"}, "rené@far.test", true, sample, true, true},
		{"address, peer without", nil, "rené@far.test", true, sample, false, false},
	} {
		n := newInternet(t)
		far := n.site("far.test", func(s *sink) { s.ehlo = c.ext })
		d := n.mail(c.to)
		d.UTF8 = c.flag
		p := n.relay.attempt(t.Context(), d, letter(c.text), yes).to[0]
		if p.sent != c.sent || !c.sent && (!p.lost() || p.last.status != "5.6.7") {
			t.Errorf("%s: got %+v %v", c.name, p, p.last)
		}
		if c.sent && strings.Contains(far.took()[0].from, "SMTPUTF8") != c.param {
			t.Errorf("%s: got %q", c.name, far.took()[0].from)
		}
	}
}

func TestDeliveryNotificationWishesArePassedOn(t *testing.T) {
	t.Parallel()
	for _, ext := range [][]string{nil, {"DSN"}} {
		n := newInternet(t)
		far := n.site("far.test", func(s *sink) { s.ehlo = ext })
		d := n.mail("bob@far.test")
		d.EnvID, d.Ret = "a+b c", mail.RetHeaders
		d.To[0].ORCPT, d.To[0].Notify = "rfc822;b+2Bob@home.test", mail.NotifySuccess|mail.NotifyDelay
		if p := n.one(d); !p.sent || p.peerDSN != (ext != nil) {
			t.Fatalf("got %+v %v", p, p.last)
		}
		got := far.took()[0]
		from, rcpt := "MAIL FROM:<ann@home.test>", "RCPT TO:<bob@far.test>"
		if ext != nil {
			from += " RET=HDRS ENVID=a+2Bb+20c"
			rcpt += " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bob@home.test"
		}
		if got.from != from || got.rcpts[0] != rcpt {
			t.Errorf("got %q %q\nwant %q %q", got.from, got.rcpts[0], from, rcpt)
		}
	}
}

//
func TestHostileRepliesAreCutAndCleaned(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", func(s *sink) {
		s.answer = func(line string) string {
			if strings.HasPrefix(line, "RCPT") {
				return "550-5.1.1 évil\x00\x1b[31m\x07 \u202etext\xff\r\n550-5.1.1 Subject: x\r\n550 5.1.1 " + strings.Repeat("a", 10<<10)
			}
			return ""
		}
	})
	p := n.one(n.mail("bob@far.test"))
	if !p.lost() || p.last.status != "5.1.1" {
		t.Fatalf("got %+v %v", p, p.last)
	}
	if got := p.last.reply; len(got) > 3*maxText || strings.ContainsAny(got, "\r\n\x00\x1b\x07\u202e") || !strings.HasPrefix(got, "550 5.1.1 évil") {
		t.Errorf("got %q", got)
	}
}

func TestReplyWithoutEndIsNotReadForever(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", func(s *sink) {
		s.banner = strings.Repeat("220-"+strings.Repeat("x", 500)+"\r\n", 1000)
	})
	if p := n.one(n.mail("bob@far.test")); p.sent || p.lost() || !errors.Is(p.last, errEndless) {
		t.Errorf("got %+v %v", p, p.last)
	}
}

func TestSilentPeerIsLeftInTime(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	short := *n.relay.stages
	short.greeting = 50 * time.Millisecond
	n.relay.stages = &short
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	n.relay.Smarthost = ln.Addr().String()
	start := time.Now()
	p := n.one(n.mail("bob@far.test"))
	if p.sent || p.lost() || p.last.status != "4.4.2" || time.Since(start) > 3*time.Second {
		t.Errorf("got %+v %v after %v", p, p.last, time.Since(start))
	}
}

func TestParametersThatAreNoXtextAreLeftOut(t *testing.T) {
	t.Parallel()
	for _, orcpt := range []string{"rfc822;a b", "rfc822;a=b", "rfc822;", "rfc 822;a", "rfc822;a\r\nRSET", "utf-8;ren\u00e9", "none"} {
		n := newInternet(t)
		far := n.site("far.test", func(s *sink) { s.ehlo = []string{"DSN"} })
		d := n.mail("bob@far.test")
		d.To[0].ORCPT = orcpt
		if p := n.one(d); !p.sent || far.took()[0].rcpts[0] != "RCPT TO:<bob@far.test>" {
			t.Errorf("%q: got %+v %+v", orcpt, p, far.took())
		}
	}
}

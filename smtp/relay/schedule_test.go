package relay

import (
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store/queue"
)

func TestReplySaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reply, cmd string
		sense      string
		wait       time.Duration
		first      time.Duration // until the second attempt
	}{
		{"450 4.2.0 <bob@far.test>: Recipient address rejected: Greylisted", "RCPT", senseGrey, 0, time.Minute},
		{"451 4.7.1 Greylisting in action, please come back in 00:05:00", "RCPT", senseGrey, 0, time.Minute},
		{"451 4.7.1 Gray-listed, try again in 300 seconds", "MAIL", senseGrey, 5 * time.Minute, 5 * time.Minute},
		{"450 4.7.1 greylisted, retry after 4 minutes", "RCPT", senseGrey, 4 * time.Minute, 4 * time.Minute},
		{"450 greylist, wait 9999 minutes", "RCPT", senseGrey, time.Hour, time.Hour},
		{"452 4.2.2 mailbox full", "RCPT", senseFull, 0, 30 * time.Minute},
		{"421 4.7.0 too many connections from you", "banner", senseRate, 0, 5 * time.Minute},
		{"451 4.7.0 rate limit exceeded", "MAIL", senseRate, 0, 5 * time.Minute},
		{"421 4.3.2 closing for restart", "banner", "", 0, time.Minute},
		{"451 4.3.0 local error", "DATA", "", 0, time.Minute},
		{"550 5.7.1 rate limit, greylist", "RCPT", "", 0, time.Minute},
	} {
		code := int(c.reply[0]-'0')*100 + int(c.reply[1]-'0')*10 + int(c.reply[2]-'0')
		f := refused("mx.far.test", reply{code: code, lines: []string{c.reply[4:]}}, c.cmd)
		if f.sense != c.sense || f.wait != c.wait {
			t.Errorf("%q: got %q %v", c.reply, f.sense, f.wait)
		}
		if got := pauseAfter(f, 1); got != c.first {
			t.Errorf("%q: comes back after %v, want %v", c.reply, got, c.first)
		}
	}
	if got := pauseAfter(broken("", "4.4.3", "relay-why-dns", nil), 1); got != 2*time.Minute {
		t.Errorf("DNS: %v", got)
	}
	if got := pauseAfter(&failure{sense: senseBlock}, 1); got != 2*time.Hour {
		t.Errorf("block: %v", got)
	}
}

func TestFullMailboxIsGivenThreeDays(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", refuseRcpt("452 4.2.2 mailbox full"))
	w := &work{Relay: n.mail("bob@far.test")}
	start := n.clock
	runs := n.drive(w, letter(sample), nil)
	if last := runs[len(runs)-1]; last != giveUpFull || len(runs) > 25 {
		t.Errorf("%d runs in %v", len(runs), last)
	}
	both := n.notices(2)
	if until := both[0].status[1].Get("Will-Retry-Until"); until != start.Add(giveUpFull).Format(time.RFC1123Z) {
		t.Errorf("will try until %s", until)
	}
	if got := both[1].words; !strings.Contains(got, "pendant trois jours") || !strings.Contains(got, "for three days") || strings.Contains(got, "five") {
		t.Errorf("got\n%s", got)
	}
}

// One recipient's greylist does not wait for the other's full mailbox.
func TestEarliestOfTheRecipientsDecides(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", func(s *sink) {
		s.answer = func(line string) string {
			switch {
			case strings.HasPrefix(line, "RCPT TO:<full@"):
				return "452 4.2.2 full"
			case strings.HasPrefix(line, "RCPT TO:<grey@"):
				return "450 4.2.0 greylisted"
			}
			return ""
		}
	})
	w := &work{Relay: n.mail("full@far.test", "grey@far.test")}
	s := n.relay.run(t.Context(), w, letter(sample), yes)
	if pause := s.at.Sub(n.clock); pause > 2*time.Minute {
		t.Errorf("the next attempt is after %v", pause)
	}
}

func TestDaysOfTryingBeginAtReleaseAndStopInAnOperatorsHands(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	w := work{}
	w.At = at
	j := &queue.Job{Created: at, Due: at.Add(48 * time.Hour)} // to be sent in two days
	w.begin(j)
	if got := w.start(); !got.Equal(j.Due) {
		t.Errorf("began %v, want %v", got, j.Due)
	}
	j.Due, j.Created = at.Add(90*time.Hour), at.Add(24*time.Hour) // later it was held for a day
	w.begin(j)
	if got := w.start(); !got.Equal(at.Add(72 * time.Hour)) {
		t.Errorf("after a day of being held: %v", got)
	}

	n := newInternet(t)
	n.site("far.test", refuseRcpt("451 4.3.0 later"))
	held := &work{Relay: n.mail("bob@far.test"), since: n.clock}
	held.At, held.Warned = n.clock.Add(-6*24*time.Hour), true
	if s := n.relay.run(t.Context(), held, letter(sample), yes); s.ended || len(held.Notices) != 0 || len(held.To) != 1 {
		t.Errorf("a mail that was held for six days is given up: %+v", held.Notices)
	}
}

func TestDomainWithAccentsTravelsAsASCII(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("xn--caf-dma.test", nil) // knows no SMTPUTF8
	d := n.mail("bob@café.test")
	d.UTF8 = true
	if p := n.one(d); !p.sent || far.took()[0].rcpts[0] != "RCPT TO:<bob@xn--caf-dma.test>" {
		t.Errorf("got %v %+v", p.last, far.took())
	}
	d.From = mail.MustAddress("rené@home.test")
	d.UTF8 = false // whoever forgot to say so
	if p := n.one(d); p.sent || p.last.status != "5.6.7" {
		t.Errorf("a sender with an accent was sent to a peer that takes none: %v", p.last)
	}
}

package relay

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"context"
)

// drive runs a job as the queue would, each time at the moment it asked for,
// until it ends or until says to stop. It returns when the runs were, since the
// mail was accepted.
func (n *internet) drive(w *work, src source, until func(step) bool) (runs []time.Duration) {
	n.t.Helper()
	for range 500 {
		payload, err := json.Marshal(w)
		if err != nil {
			n.t.Fatal(err)
		}
		*w = work{}
		if err := json.Unmarshal(payload, w); err != nil {
			n.t.Fatal(err)
		}
		runs = append(runs, n.clock.Sub(w.At))
		s := n.relay.run(n.t.Context(), w, src, yes)
		if s.ended || until != nil && until(s) {
			return runs
		}
		if s.at.Before(n.clock) {
			n.t.Fatalf("next run %v is before now %v", s.at, n.clock)
		}
		n.clock = s.at
	}
	n.t.Fatal("the job does not end")
	return nil
}

func refuseRcpt(reply string) func(*sink) {
	return func(s *sink) {
		s.answer = func(line string) string {
			if strings.HasPrefix(line, "RCPT") {
				return reply
			}
			return ""
		}
	}
}

func (n *internet) notices(want int) []parts {
	n.t.Helper()
	var out []parts
	if len(n.door.mails) != want {
		n.t.Fatalf("got %d notices, want %d", len(n.door.mails), want)
	}
	for _, m := range n.door.mails {
		out = append(out, read(n.t.(*testing.T), m.text))
	}
	return out
}

//
func TestNullSenderIsNeverAnswered(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", refuseRcpt("550 5.1.1 no"))
	w := &work{Relay: n.mail("gone@far.test")}
	w.From = mail.Address{}
	n.drive(w, letter(sample), nil)
	n.notices(0)
}

func TestDeadHostIsTriedForFiveDaysWithOneWarning(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", func(s *sink) { s.banner = "421 4.3.2 no" })
	w := &work{Relay: n.mail("bob@far.test")}
	runs := n.drive(w, letter(sample), nil)
	if last := runs[len(runs)-1]; last != giveUp {
		t.Errorf("the last run was after %v, want %v", last, giveUp)
	}
	tries := n.door.mails
	if len(tries) != 2 {
		t.Fatalf("got %d notices, want a warning and a bounce", len(tries))
	}
	both := n.notices(2)
	if got := both[0].status[1]; got.Get("Action") != "delayed" || got.Get("Status") != "4.3.2" || got.Get("Will-Retry-Until") == "" {
		t.Errorf("got %v", got)
	}
	if at := tries[0].env.Received.Sub(w.At); at != warnAfter {
		t.Errorf("warned after %v", at)
	}
	if got := both[1].status[1]; got.Get("Action") != "failed" || got.Get("Status") != "4.4.7" {
		t.Errorf("got %v", got)
	}
	if !strings.Contains(both[1].words, "cinq jours") || !strings.Contains(both[1].words, "five days") {
		t.Errorf("got\n%s", both[1].words)
	}
	if tries[0].env.Once == tries[1].env.Once {
		t.Error("both notices have one key")
	}
	if len(runs) < 30 || len(runs) > 50 {
		t.Errorf("%d runs in five days: %v", len(runs), runs)
	}
}

func TestPausesGrowAndGreylistsAreMetSooner(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	at := n.clock
	plain, grey := &failure{}, &failure{sense: senseGrey}
	for i, want := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 4 * time.Hour} {
		got := n.relay.next(at, at.Add(-5*time.Hour), pauseAfter(plain, i+1), giveUp, true).Sub(at)
		if got < want*9/10 || got > want*11/10 {
			t.Errorf("after %d attempts: got %v, want about %v", i+1, got, want)
		}
	}
	soon := time.Duration(0)
	for i := range 4 {
		soon += n.relay.next(at, at, pauseAfter(grey, i+1), giveUp, false).Sub(at)
	}
	if soon > 15*time.Minute {
		t.Errorf("four attempts at a greylist take %v", soon)
	}
}

// A crash between the notice and the end of the job runs the job again.
func TestJobThatRunsTwiceBouncesOnce(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", refuseRcpt("550 5.1.1 no"))
	w := &work{Relay: n.mail("gone@far.test", "lost@far.test")}
	n.drive(w, letter(sample), func(step) bool { return len(w.Notices) > 0 })
	payload, _ := json.Marshal(w)
	for range 3 {
		var again work
		if err := json.Unmarshal(payload, &again); err != nil {
			t.Fatal(err)
		}
		if s := n.relay.run(t.Context(), &again, letter(sample), yes); !s.ended {
			t.Errorf("got %+v", s)
		}
	}
	if p := n.notices(1)[0]; len(p.status) != 3 {
		t.Errorf("got %v", p.status)
	}
}

func TestNoticeWaitsForADoorThatIsShut(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", refuseRcpt("550 5.1.1 no"))
	n.door.fail = mail.Wrap(mail.DiskFull, errors.New("full"))
	w := &work{Relay: n.mail("gone@far.test")}
	tries := 0
	n.drive(w, letter(sample), func(step) bool { tries++; return tries == 4 })
	n.door.fail = nil
	n.drive(w, letter(sample), nil)
	n.notices(1)
	// A sender that does not exist is not waited for.
	n.door.fail = mail.Refuse(mail.NoSuchUser, "kind-no-such-user")
	if runs := n.drive(&work{Relay: n.mail("gone@far.test")}, letter(sample), nil); len(runs) != 2 {
		t.Errorf("got %d runs, want 2", len(runs))
	}
}

func TestMessageThatIsGoneEndsTheJob(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", nil)
	gone := source{open: func(context.Context, int64) (io.ReadCloser, error) { return nil, store.ErrNoRows }}
	n.drive(&work{Relay: n.mail("bob@far.test")}, gone, nil)
	if far.calls() != 0 {
		t.Error("the peer was called for nothing")
	}
	n.notices(0)
}

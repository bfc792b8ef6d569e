package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/world"
)

func TestAnOperatorHoldsRetriesAndCancelsAndTheTraceTells(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	w.DNS.Break("dead.test")
	ann.Send("bob@dead.test")
	w.Settle()
	a := &admin{host: home.Host, alive: true}
	change := func(do string, id int64) {
		t.Helper()
		if _, err := a.changeJob(t.Context(), jobChange{do, id}); err != nil {
			t.Fatalf("%s: %v", do, err)
		}
	}
	one := func() job {
		t.Helper()
		jobs, err := a.listQueue(t.Context(), none{})
		if err != nil || len(jobs) != 1 {
			t.Fatalf("%d jobs, %v", len(jobs), err)
		}
		return jobs[0]
	}
	id := one().ID
	change("hold", id)
	change("hold", id) // once is enough for the trace
	if !one().Held {
		t.Error("it is not held")
	}
	if n, err := a.retryDomain(t.Context(), "dead.test"); err != nil || n != 0 {
		t.Errorf("held: %d mails tried, %v", n, err)
	}
	change("release", id)
	change("release", id)
	if n, err := a.retryDomain(t.Context(), "dead.test"); err != nil || n != 1 {
		t.Errorf("%d mails tried, %v", n, err)
	}
	w.Settle()
	change("cancel", id)
	if jobs, _ := a.listQueue(t.Context(), none{}); len(jobs) != 0 {
		t.Errorf("%d jobs after cancel", len(jobs))
	}
	if _, err := a.changeJob(t.Context(), jobChange{"hold", id}); err == nil {
		t.Error("a mail that is gone was held")
	}
	stories, _, err := home.Trace.Find(t.Context(), "bob@dead.test", 10)
	if err != nil || len(stories) != 1 {
		t.Fatalf("%d stories, %v", len(stories), err)
	}
	var told []string
	for _, e := range stories[0] {
		told = append(told, e.What)
	}
	if got := strings.Join(told, " "); got != "accepted delayed held released delayed cancelled" {
		t.Errorf("the trace tells: %s", got)
	}
}

// writeLater has a member write to others, at an hour; the mail's id is "later1".
func writeLater(t *testing.T, home *world.Server, from *world.Member, hour time.Time, to ...string) {
	t.Helper()
	ann := mail.MustAddress(from.Address)
	env := &mail.Envelope{ID: "later1", Origin: mail.FromMember, From: ann, Release: hour, Client: mail.Client{Protocol: "HTTP"},
		User: mail.User{ID: from.Account.ID, Account: from.Account.Account, Address: ann}}
	for _, r := range to {
		if err := home.Door.Recipient(t.Context(), env, mail.Recipient{Address: mail.MustAddress(r)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := home.Door.Accept(t.Context(), env, strings.NewReader("From: <ann@home.test>\r\nSubject: Later\r\n\r\nHere.\r\n")); err != nil {
		t.Fatal(err)
	}
}

func TestTheQueueShowsMailThatWaitsForItsHour(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann"), home.Member("bob")
	hour := w.Clock.Now().Add(6 * time.Hour)
	writeLater(t, home, ann, hour, bob.Address, "carol@far.test")
	w.Settle()
	a := &admin{host: home.Host, alive: true}
	jobs, err := a.listQueue(t.Context(), none{})
	if err != nil || len(jobs) != 1 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	j := jobs[0]
	if j.To != "bob@home.test and 1 more" || !j.Due.Equal(hour.Truncate(time.Microsecond)) || j.Reason != "from ann@home.test: not before its hour" {
		t.Errorf("listed as %+v", j)
	}
	var no refused
	if _, err := a.changeJob(t.Context(), jobChange{"retry", j.ID}); !errors.As(err, &no) || !strings.Contains(no.Error(), moment(hour)) {
		t.Errorf("retry before its hour: %v", err)
	}
	for _, do := range []string{"hold", "release", "cancel"} {
		if _, err := a.changeJob(t.Context(), jobChange{do, j.ID}); err != nil {
			t.Fatalf("%s: %v", do, err)
		}
	}
	w.Advance(7 * time.Hour)
	w.Settle()
	bob.Inbox().Empty()
	stories, _, err := home.Trace.Find(t.Context(), "carol@far.test", 10)
	if err != nil || len(stories) != 1 || len(stories[0]) != 4 {
		t.Fatalf("%d stories, %v: %+v", len(stories), err, stories)
	}
	for i, what := range []string{delivery.Accepted, delivery.Held, delivery.Released, delivery.Cancelled} {
		e := stories[0][i]
		if e.What != what || len(e.To) != 2 || e.To[1].Addr != "carol@far.test" {
			t.Errorf("%s is told as %s for %v", what, e.What, e.To)
		}
	}
}

func TestQueueRetryTakesANumberOrADomain(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.do("queue", "retry", "far.test").ends(exitRefused, "no mail to far.test waits")
	p.do("queue", "retry", "7").ends(exitRefused, "there is no mail 7 in the queue")
	p.do("queue", "retry", "far").ends(exitUsage, `"far" is neither a number nor a domain`)
	p.do("queue", "retry", "far..test").ends(exitRefused)
}

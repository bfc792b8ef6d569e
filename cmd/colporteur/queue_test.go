package main

import (
	"strings"
	"testing"

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
	if !one().Held {
		t.Error("it is not held")
	}
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

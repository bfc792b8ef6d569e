package world_test

import (
	"strings"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/world"
)

// tale is what a server's trace says about an address, one word per event.
func tale(t *testing.T, s *world.Server, what string) string {
	t.Helper()
	stories, _, err := s.Trace.Find(t.Context(), what, 50)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, story := range stories {
		var words []string
		for _, e := range story {
			words = append(words, e.What)
		}
		out = append(out, strings.Join(words, " "))
	}
	return strings.Join(out, "; ")
}

func TestWhereIsMyMailIsAnswered(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob := home.Member("ann"), far.Member("bob")
	ann.Send("bob@far.test")
	w.Settle()
	bob.Inbox().One()
	if got := tale(t, home, "bob@far.test"); got != "accepted relayed" {
		t.Errorf("at home: %q", got)
	}
	if got := tale(t, far, "ann@home.test"); got != "accepted" {
		t.Errorf("far away: %q", got)
	}
	stories, _, _ := home.Trace.Find(t.Context(), "ann@home.test", 1)
	last := stories[0][1]
	if last.Host != "mail.far.test" || !strings.HasPrefix(last.TLS, "TLS 1.3") || !strings.HasPrefix(last.Reply, "250") {
		t.Errorf("handed over: %+v", last)
	}

	ann.Send("nobody@far.test")
	w.Settle()
	if got := tale(t, home, "nobody@far.test"); got != "accepted bounced" {
		t.Errorf("a mail to nobody: %q", got)
	}

	far.Stop()
	ann.Send("bob@far.test")
	w.Settle()
	if got := tale(t, home, "bob@far.test"); got != "accepted relayed; accepted delayed" {
		t.Errorf("while the other is away: %q", got)
	}
	far.Start()
	w.Advance(10 * time.Minute)
	w.Settle()
	if got := tale(t, home, "bob@far.test"); got != "accepted relayed; accepted delayed relayed" {
		t.Errorf("once it is back: %q", got)
	}
}

func TestTheTraceTellsOfProgramsAndKeepsNoToken(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann"), home.Member("bob")
	ann.Send("envoi@home.test", world.Attach("notes.txt", "text/plain", []byte("some bytes")), world.Cc(bob))
	w.Settle()
	stories, _, err := home.Trace.Find(t.Context(), "envoi@home.test", 10)
	if err != nil || len(stories) != 1 || len(stories[0]) != 2 || stories[0][1].What != delivery.Processed {
		t.Fatalf("got %+v, %v", stories, err)
	}
	if to := stories[0][0].To; len(to) != 2 || to[1].Addr != "bob@home.test" || to[1].Where != 0 {
		t.Errorf("the guest gets a link and no mail: %+v", to)
	}
	reply := ann.Inbox().One()
	ann.Send(reply.ReplyTo(), world.Text("RAPPELER\r\n"))
	w.Settle()
	got := tale(t, home, "ann@home.test")
	if !strings.Contains(got, "accepted processed; accepted; accepted processed") && strings.Count(got, "processed") != 2 {
		t.Errorf("got %q", got)
	}
	token := strings.SplitN(strings.TrimPrefix(reply.ReplyTo(), "r."), "@", 2)[0]
	stories, _, _ = home.Trace.Find(t.Context(), "ann@home.test", 50)
	for _, s := range stories {
		for _, e := range s {
			for _, to := range e.To {
				if strings.Contains(to.Addr+to.Via, token) {
					t.Errorf("the token of a reply address is written down: %+v", e)
				}
			}
		}
	}
	if s, _, _ := home.Trace.Find(t.Context(), reply.ReplyTo(), 10); len(s) > 0 {
		t.Errorf("found by its token: %+v", s)
	}
}

package jmap

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"colporteur/mail"
)

// pushed are the types of which news are told.
var pushed = func() []string {
	all := append([]string{}, pushedMail...)
	for _, p := range personal {
		all = append(all, p.types...)
	}
	return all
}()

// pushedMail are those whose state is an account's modseq.
var pushedMail = []string{"Mailbox", "Thread", "Email", "EmailDelivery"}

// personal are those that a member has in their own account alone, with where
// their state is.
var personal = []struct {
	types []string
	state func(ctx context.Context, s *Server, account mail.AccountID) (string, error)
}{
	{[]string{"Identity"}, identitiesState},
	{[]string{"VacationResponse"}, vacationState},
	{[]string{"AddressBook", "ContactCard"}, contactsState},
}

func identitiesState(ctx context.Context, s *Server, account mail.AccountID) (string, error) {
	n, err := s.Identities.IdentityState(ctx, account)
	return countState(n), err
}

func vacationState(ctx context.Context, s *Server, account mail.AccountID) (string, error) {
	_, n, err := s.Absences.Get(ctx, account)
	return countState(n), err
}

func contactsState(ctx context.Context, s *Server, account mail.AccountID) (string, error) {
	if s.Contacts == nil {
		return "", nil
	}
	n, err := s.Contacts.State(ctx, account)
	return contactState(n), err
}

// events tells what changed as it happens (RFC 8620 §7.3). A connection waits for
// commits and costs nothing while there are none.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	u, ok := s.member(w, r)
	if !ok {
		return
	}
	q := r.URL.Query()
	types := pushed
	if t := q.Get("types"); t != "" && t != "*" {
		types = nil
		for name := range strings.SplitSeq(t, ",") {
			if slices.Contains(pushed, name) {
				types = append(types, name)
			}
		}
	}
	ping, err := strconv.Atoi(q.Get("ping"))
	closeAfter := q.Get("closeafter")
	if q.Has("ping") && (err != nil || ping < 0) || closeAfter != "" && closeAfter != "no" && closeAfter != "state" {
		(&problem{Type: "about:blank", Status: http.StatusBadRequest}).write(w)
		return
	}
	leave, ok := s.listening.enter(u.ID, maxEvents)
	if !ok {
		overLimit(http.StatusTooManyRequests, "maxConcurrentRequests").write(w)
		return
	}
	defer leave()
	ctx := r.Context()
	accounts, err := s.Mailboxes.Accounts(ctx, u)
	if err != nil {
		(&problem{Type: "about:blank", Status: kinds[mail.KindOf(err)].status}).write(w)
		return
	}
	woken, done := s.Mailboxes.Watch(accounts...)
	defer done()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that gathers would keep the news
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	known, err := s.states(ctx, accounts)
	if err != nil {
		return
	}
	// Who comes back says what it knew: what changed meanwhile is told at once.
	if last := r.Header.Get("Last-Event-ID"); last != "" && last != eventID(known) {
		if !tell(w, out, known, accounts, nil, types) || closeAfter == "state" {
			return
		}
	} else if _, err := fmt.Fprintf(w, ": colporteur\nid: %s\n\n", eventID(known)); err != nil || out.Flush() != nil {
		return
	}
	every := checkEvery
	if ping > 0 {
		every = min(max(time.Duration(ping)*time.Second, 5*time.Second), checkEvery)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// Signed out, suspended, another password: then this ends too.
			if now, err := s.who(r); err != nil || now.ID != u.ID {
				return
			}
			if ping > 0 {
				if _, err := fmt.Fprintf(w, "event: ping\ndata: {\"interval\":%d}\n\n", int(every.Seconds())); err != nil || out.Flush() != nil {
					return
				}
			}
		case <-woken:
			now, err := s.states(ctx, accounts)
			if err != nil {
				return
			}
			if slices.Equal(now, known) {
				continue
			}
			if !tell(w, out, now, accounts, known, types) || closeAfter == "state" {
				return
			}
			known = now
		}
	}
}

// checkEvery is how often it is asked whether the member may still listen.
const checkEvery = 30 * time.Second

// states are one for each account, then those of the personal types; the
// member's own account is the first.
func (s *Server) states(ctx context.Context, accounts []mail.AccountID) (list []string, err error) {
	for _, a := range accounts {
		m, err := s.Mailboxes.State(ctx, a)
		if err != nil && !mail.Is(err, mail.NotFound) {
			return nil, err
		}
		list = append(list, state(m))
	}
	for _, p := range personal {
		state, err := p.state(ctx, s, accounts[0])
		if err != nil {
			return nil, err
		}
		list = append(list, state)
	}
	return list, nil
}

func eventID(states []string) string { return strings.Join(states, ".") }

// tell writes a StateChange (RFC 8620 §7.1) about the accounts whose state is
// another one than before.
func tell(w http.ResponseWriter, out *http.ResponseController, now []string, accounts []mail.AccountID, before, types []string) bool {
	changed := map[string]map[string]string{}
	for i := range now {
		if before != nil && before[i] == now[i] {
			continue
		}
		a, among := accounts[0], pushedMail
		if i < len(accounts) {
			a = accounts[i]
		} else {
			among = personal[i-len(accounts)].types
		}
		for _, t := range types {
			if !slices.Contains(among, t) {
				continue
			}
			if changed[accountID(a)] == nil {
				changed[accountID(a)] = map[string]string{}
			}
			changed[accountID(a)][t] = now[i]
		}
	}
	if len(changed) == 0 {
		return true
	}
	b, err := json.Marshal(map[string]any{"@type": "StateChange", "changed": changed}, json.Deterministic(true))
	if err != nil {
		return false
	}
	_, err = fmt.Fprintf(w, "event: state\nid: %s\ndata: %s\n\n", eventID(now), b)
	return err == nil && out.Flush() == nil
}

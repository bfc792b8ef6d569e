package absence_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/accounts"
	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
	"colporteur/store/queue"
	"colporteur/store/storetest"
	"colporteur/workflow/absence"
)

// house is ann, who is away, and a letter box for what is answered.
type house struct {
	*testing.T
	*absence.Service
	accounts *accounts.Service
	ann      accounts.Member

	mu     sync.Mutex
	now    time.Time
	once   map[string]bool
	sent   []string // "To: Subject"
	raw    string   // the last one
	fail   error    // of the letter box, before it takes a mail
	forget error    // of the letter box, after it took one
}

func each(t *testing.T, f func(h *house)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &house{T: t, now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), once: map[string]bool{}}
		h.accounts = &accounts.Service{DB: db, Now: h.clock}
		blobs := &blob.Store{DB: db, Dir: t.TempDir(), Master: bytes.Repeat([]byte{1}, 32), Now: h.clock}
		h.Service = &absence.Service{DB: db, Messages: &message.Store{DB: db, Blobs: blobs, Now: h.clock}, Door: h, People: h.accounts, Hostname: "mail.home.test", Now: h.clock}
		h.must(h.accounts.AddDomain(t.Context(), "home.test"))
		var err error
		h.ann, err = h.accounts.AddMember(t.Context(), accounts.NewMember{Address: mail.MustAddress("ann@home.test"), Name: "Ann", Lang: "en"})
		h.must(err)
		h.change(func(a *absence.Absence) { a.On = true })
		f(h)
	})
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) change(f func(a *absence.Absence)) {
	h.Helper()
	_, _, err := h.Change(h.Context(), h.ann.Account, nil, func(a *absence.Absence) error { f(a); return nil })
	h.must(err)
}

// Accept implements workflow.Door.
func (h *house) Accept(_ context.Context, env *mail.Envelope, body io.Reader) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return h.fail
	}
	if env.Once == "" || env.Origin != mail.FromSystem || !env.From.IsZero() || len(env.To) != 1 || env.To[0].Notify != mail.NotifyNever {
		h.Errorf("an answer with the envelope %+v", env)
	}
	if h.once[env.Once] {
		return nil
	}
	h.once[env.Once] = true
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	h.raw = string(raw)
	subject := h.raw[strings.Index(h.raw, "Subject: ")+9:]
	h.sent = append(h.sent, fmt.Sprintf("%s: %s", env.To[0].Address, subject[:strings.Index(subject, "\r\n")]))
	return h.forget
}

// came is a mail that was filed with ann, and its job.
func (h *house) came(from, subject string, change ...func(*mail.Summary)) *queue.Job {
	h.Helper()
	sum := &mail.Summary{Subject: subject, MessageID: subject + "@far.test", From: []mail.Mailbox{{Addr: from}}, To: []mail.Mailbox{{Addr: "ann@home.test"}}}
	for _, f := range change {
		f(sum)
	}
	raw := "Subject: " + subject + "\r\n\r\nx\r\n"
	ref, err := h.Messages.Blobs.Put(h.Context(), []byte(raw))
	h.must(err)
	d := &message.Draft{ID: message.ID(store.NewID()), Size: int64(len(raw)), Refs: []blob.Ref{ref}, Segments: []message.Segment{{Blob: ref.ID, Length: int64(len(raw))}}, Summary: sum}
	h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error { return h.Messages.Insert(h.Context(), tx, d) }))
	p, err := json.Marshal(delivery.Absence{Mail: fmt.Sprint(store.NewID()), Message: d.ID, Account: h.ann.Account, From: mail.MustAddress(from), At: h.clock()})
	h.must(err)
	return &queue.Job{Kind: delivery.JobAbsence, Payload: p, Created: h.clock(), Attempts: 1}
}

// want compares what was answered since it was last asked.
func (h *house) want(want ...string) {
	h.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if got := strings.Join(h.sent, ", "); got != strings.Join(want, ", ") {
		h.Errorf("answered %q, want %q", got, strings.Join(want, ", "))
	}
	h.sent = nil
}

func TestASenderIsAnsweredOnceInFourDays(t *testing.T) {
	each(t, func(h *house) {
		h.Work(t.Context(), h.came("bob@far.test", "one"))
		h.Work(t.Context(), h.came("BOB@far.test", "two"))
		h.Work(t.Context(), h.came("eve@far.test", "three"))
		h.want("bob@far.test: Auto: one", "eve@far.test: Auto: three")
		h.pass(absence.Pause - time.Second)
		h.must(h.Sweep(t.Context()))
		h.Work(t.Context(), h.came("bob@far.test", "four"))
		h.want()
		h.pass(time.Second)
		h.Work(t.Context(), h.came("bob@far.test", "five"))
		h.want("bob@far.test: Auto: five")
	})
}

func TestManyMailsAtOnceGetOneAnswer(t *testing.T) {
	each(t, func(h *house) {
		jobs := make([]*queue.Job, 8)
		for i := range jobs {
			jobs[i] = h.came("bob@far.test", "same")
		}
		var all sync.WaitGroup
		for _, j := range jobs {
			all.Go(func() { h.Work(t.Context(), j) })
		}
		all.Wait()
		h.want("bob@far.test: Auto: same")
	})
}

func TestACrashNeitherLosesNorDoublesAnAnswer(t *testing.T) {
	each(t, func(h *house) {
		// Before the Door has it: the note is there, the answer is not.
		j := h.came("bob@far.test", "one")
		h.fail = mail.Wrap(mail.Unavailable, errors.New("the power is cut"))
		h.Work(t.Context(), j)
		h.want()
		h.fail = nil
		h.Work(t.Context(), h.came("bob@far.test", "two")) // does not take its place
		h.want()
		h.pass(time.Minute)
		h.Work(t.Context(), j)
		h.pass(time.Minute)
		h.Work(t.Context(), j) // and after a crash before the job's end
		h.want("bob@far.test: Auto: one")
		// After the Door had it, and before anybody heard.
		j = h.came("eve@far.test", "three")
		h.forget = mail.Wrap(mail.Unavailable, errors.New("the power is cut"))
		h.Work(t.Context(), j)
		h.forget = nil
		h.pass(time.Minute)
		h.Work(t.Context(), j)
		h.want("eve@far.test: Auto: three")
	})
}

func TestRobotsOneselfAndBlindCopiesAreNotAnswered(t *testing.T) {
	each(t, func(h *house) {
		h.must(h.accounts.AddAlias(t.Context(), mail.MustAddress("treasurer@home.test"), h.ann.Address))
		h.must(h.DB.Write(t.Context(), func(tx *store.Tx) error {
			return h.accounts.AddOutside(t.Context(), tx, h.ann.ID, mail.MustAddress("ann@else.test"))
		}))
		for _, from := range []string{"noreply@far.test", "No-Reply@far.test", "do_not_reply@far.test", "ne-pas-repondre@far.test", "MAILER-DAEMON@far.test", "chess-bounces@far.test",
			"bounces+12=x@far.test", "owner-chess@far.test", "chess-owner@far.test", "chess-request@far.test", "LISTSERV@far.test", "majordomo@far.test", "postmaster@far.test",
			"ann@home.test", "ann+x@home.test", "treasurer@home.test", "ann@else.test"} {
			h.Work(t.Context(), h.came(from, from))
		}
		h.want()
		for name, change := range map[string]func(*mail.Summary){
			"automatic":          func(s *mail.Summary) { s.Auto = "auto-generated" },
			"a robot's author":   func(s *mail.Summary) { s.From[0].Addr = "noreply@far.test" },
			"to somebody else":   func(s *mail.Summary) { s.To[0].Addr = "carl@home.test" },
			"a blind copy":       func(s *mail.Summary) { s.Bcc, s.To = s.To, nil },
			"to nobody readable": func(s *mail.Summary) { s.To[0].Addr = "undisclosed recipients" },
		} {
			h.Work(t.Context(), h.came("bob@far.test", name, change))
		}
		h.want()
		h.Work(t.Context(), h.came("bob@far.test", "a copy", func(s *mail.Summary) {
			s.To, s.Cc = []mail.Mailbox{{Addr: "carl@far.test"}}, []mail.Mailbox{{Addr: "Treasurer@home.test"}}
		}))
		h.want("bob@far.test: Auto: a copy")
		if !strings.Contains(h.raw, "From: Ann <Treasurer@home.test>\r\n") {
			t.Errorf("answered from elsewhere:\n%s", h.raw)
		}
	})
}

func TestAnAbsenceHasABeginningAndAnEnd(t *testing.T) {
	each(t, func(h *house) {
		from := h.clock().Add(time.Hour)
		to := from.Add(time.Hour)
		h.change(func(a *absence.Absence) { a.From, a.To = from, to })
		for _, c := range []struct {
			at   time.Time
			want bool
		}{{from.Add(-time.Microsecond), false}, {from, true}, {to.Add(-time.Microsecond), true}, {to, false}} {
			away, err := h.Away(t.Context(), []mail.AccountID{h.ann.Account, 12345}, c.at)
			h.must(err)
			a, _, err := h.Get(t.Context(), h.ann.Account)
			h.must(err)
			if len(away) == 1 != c.want || a.Covers(c.at) != c.want {
				t.Errorf("at %s: away %v, covered %t, want %t", c.at, away, a.Covers(c.at), c.want)
			}
		}
		// What came in time is answered in time, though the job is late; switched off, it is not.
		h.now = from
		late, never := h.came("bob@far.test", "late"), h.came("eve@far.test", "never")
		h.now = to.Add(time.Hour)
		h.Work(t.Context(), late)
		h.want("bob@far.test: Auto: late")
		h.Work(t.Context(), h.came("carl@far.test", "after the end"))
		h.want()
		h.change(func(a *absence.Absence) { a.On = false })
		h.Work(t.Context(), never)
		h.want()
		away, err := h.Away(t.Context(), []mail.AccountID{h.ann.Account}, from)
		h.must(err)
		if len(away) > 0 {
			t.Error("away, though it is switched off")
		}
	})
}

func TestTheAnswerIsInTheMembersWords(t *testing.T) {
	each(t, func(h *house) {
		text := func(s string) *string { return &s }
		for i, c := range []struct {
			set  absence.Absence
			want []string
		}{
			{absence.Absence{}, []string{"Subject: Auto: Lunch?\r\n", "I am away", "Content-Language: en"}},
			{absence.Absence{Subject: text("Back on Monday"), Text: text("Ask Carl.")}, []string{"Subject: Auto: Back on Monday\r\n", "Ask Carl.", "text/plain"}},
			{absence.Absence{Subject: text("AUTO: gone"), HTML: text("<p>Ask <b>Carl</b>.</p>")}, []string{"Subject: AUTO: gone\r\n", "Ask Carl.", "<b>Carl</b>", "multipart/alternative"}},
			{absence.Absence{Subject: text(" "), Text: text(" \n")}, []string{"Subject: Auto: Lunch?\r\n", "I am away"}},
		} {
			h.change(func(a *absence.Absence) { *a = c.set; a.On = true })
			h.Work(t.Context(), h.came(fmt.Sprintf("bob%d@far.test", i), "Lunch?"))
			for _, want := range append(c.want, "Auto-Submitted: auto-replied\r\n", "In-Reply-To: <Lunch?@far.test>\r\n", "From: Ann <ann@home.test>\r\n", "X-Auto-Response-Suppress: All\r\n") {
				if !strings.Contains(h.raw, want) {
					t.Errorf("%d: no %q in\n%s", i, want, h.raw)
				}
			}
		}
	})
}

func TestWhatIsSaidIsChangedWholeOrNotAtAll(t *testing.T) {
	each(t, func(h *house) {
		renewed := 0
		h.Renewed = func(*store.Tx, mail.AccountID) { renewed++ }
		_, state, err := h.Get(t.Context(), h.ann.Account)
		h.must(err)
		wrong := errors.New("wrong")
		if _, _, err := h.Change(t.Context(), h.ann.Account, nil, func(a *absence.Absence) error { a.On = false; return wrong }); !errors.Is(err, wrong) {
			t.Errorf("got %v", err)
		}
		stale := state - 1
		if _, _, err := h.Change(t.Context(), h.ann.Account, &stale, func(a *absence.Absence) error { a.On = false; return nil }); !mail.Is(err, mail.Conflict) {
			t.Errorf("of an old state: %v", err)
		}
		if a, now, err := h.Get(t.Context(), h.ann.Account); err != nil || !a.On || now != state || renewed != 0 {
			t.Errorf("what was refused changed something: %+v %d, %d told, %v", a, now, renewed, err)
		}
		if before, after, err := h.Change(t.Context(), h.ann.Account, &state, func(a *absence.Absence) error { a.On = false; return nil }); err != nil || before != state || after == state || renewed != 1 {
			t.Errorf("%d to %d, %d told, %v", before, after, renewed, err)
		}
		// Somebody who is gone is not answered for.
		h.change(func(a *absence.Absence) { a.On = true })
		j := h.came("bob@far.test", "x")
		h.must(h.accounts.Remove(t.Context(), h.ann.ID))
		h.Work(t.Context(), j)
		h.want()
		h.must(h.DB.Write(t.Context(), func(tx *store.Tx) error { return h.Removed(t.Context(), tx, h.ann.Account) }))
		if _, now, err := h.Get(t.Context(), h.ann.Account); err != nil || now != 0 {
			t.Errorf("left: %d %v", now, err)
		}
	})
}

package ask_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/workflow/ask"
	"colporteur/workflow/link"
	"colporteur/workflow/workflowtest"
)

// house asks Ann whether a tree may be felled, and hears what she says.
type house struct {
	*workflowtest.House
	t *testing.T

	mu    sync.Mutex
	heard []ask.Answer
	got   ask.Question
	fail  error
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &house{House: workflowtest.New(t, db), t: t}
		h.Questions.To["tree"] = h
		f(t, h)
	})
}

// Answered fells the tree, which is a row: what an error undoes.
func (h *house) Answered(ctx context.Context, tx *store.Tx, q ask.Question, a ask.Answer) (said letter.Letter, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := tx.Exec(ctx, `INSERT INTO notice_rate (recipient, hour, count) VALUES ('tree', 1, 1) ON CONFLICT (recipient, hour) DO UPDATE SET count = notice_rate.count + 1`); err != nil {
		return said, err
	}
	if h.fail != nil {
		return said, h.fail
	}
	h.heard, h.got = append(h.heard, a), q
	if a == ask.Yes {
		said.Para("L'arbre est abattu.")
	}
	return said, nil
}

// felled is how often the answer was acted on, as the database has it.
func (h *house) felled() int {
	return h.Count(`SELECT COALESCE(SUM(count), 0) FROM notice_rate WHERE recipient = 'tree'`)
}

func tree(key string) ask.Question {
	q := ask.Question{Kind: "tree", Ref: 7, Payload: []byte{0, 1, 2}, Member: workflowtest.Ann.ID, To: workflowtest.Ann.Address, ToName: "Ann", Lang: "fr",
		From: mail.MustAddress("aide@home.test"), Yes: "L'abattre", No: "Le laisser", Key: key}
	q.Letter.Subject = "L'arbre"
	q.Letter.Para("Peut-on abattre l'arbre ?")
	return q
}

func (h *house) ask(q ask.Question) error {
	h.t.Helper()
	err := h.DB.Write(h.t.Context(), func(tx *store.Tx) error { return h.Questions.Ask(h.t.Context(), tx, q) })
	h.Settle()
	return err
}

// asked puts the question and returns the mail and the page it leads to.
func (h *house) asked(q ask.Question) (workflowtest.Sent, link.Visit) {
	h.t.Helper()
	if err := h.ask(q); err != nil {
		h.t.Fatal(err)
	}
	m := h.One(q.To)
	page := regexp.MustCompile(`https://mail\.home\.test/c/([a-z2-7]{26})`).FindStringSubmatch(m.Text)
	if page == nil {
		h.t.Fatalf("the question leads nowhere:\n%s", m.Text)
	}
	return m, link.Visit{Token: link.Token(page[1])}
}

func at(m workflowtest.Sent) []string { return []string{strings.Trim(m.Header.Get("Reply-To"), "<>")} }

func (h *house) reply(m workflowtest.Sent, text string) {
	h.t.Helper()
	h.Send(workflowtest.Mail{To: at(m), Subject: "Re: " + m.Subject, Text: text})
}

func (h *house) press(v link.Visit, a ask.Answer) (string, error) {
	said, err := h.Questions.Answer(h.t.Context(), v, a)
	return said.Text(func(int64) string { return "" }), err
}

func TestAQuestionIsAskedOncePerKey(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m, v := h.asked(tree("oak"))
		for _, s := range []string{"Peut-on abattre l'arbre", "OUI", "28 novembre"} {
			if !strings.Contains(m.Text, s) {
				t.Errorf("the question lacks %q:\n%s", s, m.Text)
			}
		}
		if err := h.ask(tree("oak")); err != nil {
			t.Fatal(err)
		}
		h.None()
		if _, err := h.press(v, ask.No); err != nil {
			t.Fatal(err)
		}
		if err := h.ask(tree("oak")); err != nil {
			t.Fatal(err)
		}
		h.None() // not after the answer either
		if err := h.ask(tree("beech")); err != nil {
			t.Fatal(err)
		}
		h.One(workflowtest.Ann.Address)
		q := tree("ash")
		q.Kind = "river"
		if err := h.ask(q); err == nil {
			t.Error("asked what nobody hears the answer of")
		}
		h.None()
	})
}

func TestAnAnswerIsHeardOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Twice = true
		m, v := h.asked(tree("by reply"))
		h.reply(m, "Oui, volontiers.\n\n> Peut-on")
		if said := h.One(workflowtest.Ann.Address); !strings.Contains(said.Text, "L'arbre est abattu.") {
			t.Errorf("said:\n%s", said.Text)
		}
		if len(h.heard) != 1 || h.heard[0] != ask.Yes || h.got.Ref != 7 || string(h.got.Payload) != "\x00\x01\x02" || h.got.Member != workflowtest.Ann.ID || h.got.To != workflowtest.Ann.Address {
			t.Fatalf("heard %v of %+v", h.heard, h.got)
		}
		h.reply(m, "Non")
		if said := h.One(workflowtest.Ann.Address); !strings.Contains(said.Text, "déjà été donnée") {
			t.Errorf("said the second time:\n%s", said.Text)
		}
		if said, err := h.press(v, ask.No); err != nil || !strings.Contains(said, "déjà été donnée") {
			t.Errorf("the button after the reply: %q, %v", said, err)
		}

		m, v = h.asked(tree("by button"))
		if said, err := h.press(v, ask.Yes); err != nil || !strings.Contains(said, "L'arbre est abattu.") {
			t.Errorf("said %q, %v", said, err)
		}
		h.reply(m, "NON")
		h.One(workflowtest.Ann.Address)
		if h.felled() != 2 || len(h.heard) != 2 || h.heard[1] != ask.Yes {
			t.Errorf("heard %v, acted %d times", h.heard, h.felled())
		}
	})
}

func TestTwoAnswersAtOnceAreOne(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		_, v := h.asked(tree("oak"))
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if _, err := h.press(v, ask.Answer(1+i%2)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if h.felled() != 1 {
			t.Errorf("acted %d times", h.felled())
		}
	})
}

func TestAReplyThatSaysNeitherIsAskedAgain(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m, _ := h.asked(tree("oak"))
		for _, text := range []string{"Lequel ?", "", "Je dirais que oui"} {
			h.reply(m, text)
			m := h.One(workflowtest.Ann.Address)
			if !strings.Contains(m.Text, "OUI ou NON") || len(h.heard) != 0 {
				t.Errorf("%q: heard %v, said:\n%s", text, h.heard, m.Text)
			}
		}
		h.reply(m, "Stop")
		if len(h.heard) != 1 || h.heard[0] != ask.No {
			t.Errorf("heard %v", h.heard)
		}
	})
}

func TestSilenceIsHeardOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		q := tree("oak")
		q.Until = h.Now().Add(48 * time.Hour)
		m, v := h.asked(q)
		h.Move(48*time.Hour - time.Second)
		if err := h.Questions.Sweep(t.Context()); err != nil || len(h.heard) != 0 {
			t.Fatalf("heard %v before its time, %v", h.heard, err)
		}
		h.Move(time.Second)
		for range 2 {
			if err := h.Questions.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if h.felled() != 1 || h.heard[0] != ask.Late {
			t.Errorf("heard %v", h.heard)
		}
		if _, err := h.press(v, ask.Yes); !mail.Is(err, mail.NotFound) {
			t.Errorf("the button afterwards: %v", err)
		}
		h.reply(m, "Oui")
		if said := h.One(workflowtest.Ann.Address); !strings.Contains(said.Text, "délai est passé") || h.felled() != 1 {
			t.Errorf("the reply afterwards:\n%s", said.Text)
		}
		h.Move(31 * 24 * time.Hour)
		if err := h.Questions.Sweep(t.Context()); err != nil || h.Count(`SELECT COUNT(*) FROM question`) != 0 {
			t.Errorf("a question of last month is kept: %v", err)
		}
	})
}

// When the time is over and the sweep has not come yet, the answer is late too.
func TestAnAnswerAfterItsTimeIsNotHeard(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m, v := h.asked(tree("oak"))
		h.Move(ask.Patience + time.Second)
		if _, err := h.press(v, ask.Yes); !mail.Is(err, mail.NotFound) {
			t.Errorf("the button: %v", err)
		}
		h.reply(m, "Oui")
		if said := h.One(workflowtest.Ann.Address); !strings.Contains(said.Text, "délai est passé") || len(h.heard) != 0 {
			t.Errorf("heard %v, said:\n%s", h.heard, said.Text)
		}
	})
}

func TestOnlyWhoIsAskedAnswers(t *testing.T) {
	zoe := mail.MustAddress("zoe@far.test")
	each(t, func(t *testing.T, h *house) {
		m, _ := h.asked(tree("oak"))
		h.Send(workflowtest.Mail{User: workflowtest.Bob, To: at(m), Subject: "Re: x", Text: "Yes"})
		h.One(workflowtest.Bob.Address)
		h.SendOutside(workflowtest.Outside{From: workflowtest.Ann.Address, Mail: workflowtest.Mail{To: at(m), Subject: "Re: x", Text: "Oui"}})
		h.None()
		h.Send(workflowtest.Mail{To: at(m), Subject: "Re: x", Text: "Oui", Header: "Auto-Submitted: auto-replied\r\n"})
		h.None()

		q := tree("zoe's")
		q.Member, q.To, q.Lang = 0, zoe, "fr"
		m, _ = h.asked(q)
		h.Send(workflowtest.Mail{To: at(m), Subject: "Re: x", Text: "Oui"})
		h.One(workflowtest.Ann.Address)
		h.SendOutside(workflowtest.Outside{From: zoe, Mail: workflowtest.Mail{To: at(m), Subject: "Re: x", Text: "Oui"}})
		h.SendOutside(workflowtest.Outside{From: mail.MustAddress("max@far.test"), Mail: workflowtest.Mail{To: at(m), Subject: "Re: x", Text: "Oui"}})
		h.None()
		if len(h.heard) != 0 {
			t.Fatalf("heard %v", h.heard)
		}
		h.SendOutside(workflowtest.Outside{From: zoe, Proven: true, Mail: workflowtest.Mail{To: at(m), Subject: "Re: x", Text: "Oui"}})
		if said := h.One(zoe); !strings.Contains(said.Text, "L'arbre est abattu.") || len(h.heard) != 1 {
			t.Errorf("heard %v, said:\n%s", h.heard, said.Text)
		}
	})
}

func TestAnAnswerThatCannotBeActedOnIsNotNoted(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m, v := h.asked(tree("oak"))
		h.mu.Lock()
		h.fail = errors.New("the saw is blunt")
		h.mu.Unlock()
		if _, err := h.press(v, ask.Yes); err == nil {
			t.Error("the error is not told")
		}
		if h.felled() != 0 || h.Count(`SELECT COUNT(*) FROM question WHERE answer <> 0`) != 0 {
			t.Errorf("noted, or acted %d times", h.felled())
		}
		h.reply(m, "Oui") // it will be tried again
		h.None()
		h.mu.Lock()
		h.fail = nil
		h.mu.Unlock()
		h.Move(2 * time.Minute)
		h.Settle()
		h.One(workflowtest.Ann.Address)
		if h.felled() != 1 || len(h.heard) != 1 {
			t.Errorf("heard %v, acted %d times", h.heard, h.felled())
		}
	})
}

func TestOtherLinksAnswerNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m, v := h.asked(tree("oak"))
		reply := link.Token(strings.TrimPrefix(strings.TrimSuffix(at(m)[0], "@home.test"), "r."))
		for _, c := range []struct {
			v link.Visit
			a ask.Answer
		}{{link.Visit{Token: reply}, ask.Yes}, {link.Visit{}, ask.Yes}, {link.Visit{Token: v.Token + "a"}, ask.Yes}, {v, ask.Late}, {v, 0}, {v, 9}} {
			if _, err := h.press(c.v, c.a); !mail.Is(err, mail.NotFound) {
				t.Errorf("answer %d: %v", c.a, err)
			}
		}
		if len(h.heard) != 0 {
			t.Errorf("heard %v", h.heard)
		}
	})
}

package workflow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/workflow"
	"colporteur/workflow/workflowtest"
)

func each(t *testing.T, f func(t *testing.T, h *workflowtest.House)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, workflowtest.New(t, db)) })
}

var question = workflowtest.Mail{To: []string{"help@home.test"}, Subject: "Une question", Text: "?"}

func TestFailingProgramIsTriedForTwoDaysThenTold(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		runs := 0
		h.Program = func(context.Context, *workflow.Inbound) error { runs++; return errors.New("out of order") }
		h.Send(question)
		for range 200 {
			h.Move(30 * time.Minute)
			h.Settle()
			if got := h.Mails(workflowtest.Ann.Address); len(got) > 0 {
				if len(got) != 1 || !strings.Contains(got[0].Text, "deux jours") || strings.Contains(got[0].Text, "out of order") {
					t.Errorf("%d mails:\n%s", len(got), got[0].Text)
				}
				if age := h.Now().Sub(time.Date(2026, 11, 14, 10, 0, 0, 0, time.UTC)); age < 48*time.Hour || age > 55*time.Hour {
					t.Errorf("told after %v", age)
				}
				if runs < 10 || runs > 40 {
					t.Errorf("%d tries", runs)
				}
				return
			}
		}
		t.Error("never told")
	})
}

func TestProgramThatRecoversIsDone(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		runs := 0
		h.Program = func(ctx context.Context, in *workflow.Inbound) error {
			if runs++; runs == 1 {
				panic("a stranger's file")
			}
			var l letter.Letter
			l.Para("fait")
			return in.Reply(ctx, l)
		}
		h.Send(question)
		h.None()
		h.Move(time.Minute)
		h.Settle()
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "fait") || got.Subject != "Re: Une question" {
			t.Errorf("%s\n%s", got.Subject, got.Text)
		}
		if n := h.Count(`SELECT COUNT(*) FROM inbound WHERE state = 'delivered'`); n != 1 {
			t.Errorf("%d delivered mails", n)
		}
	})
}

func TestBounceIsToldInWordsOnce(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Program = func(context.Context, *workflow.Inbound) error {
			return fmt.Errorf("around: %w", &workflow.Bounce{Text: mail.MakeText("workflow-not-yours"), Err: errors.New("secret cause")})
		}
		h.Twice = true
		h.Send(question)
		got := h.One(workflowtest.Ann.Address)
		if !strings.Contains(got.Text, "ne vous concerne pas") || strings.Contains(got.Raw, "secret") {
			t.Errorf("%s", got.Raw)
		}
	})
}

func TestSecondAnswerToOneMailIsNotSent(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Program = func(ctx context.Context, in *workflow.Inbound) error {
			for range 2 {
				var l letter.Letter
				if err := in.Reply(ctx, *l.Para("bonjour")); err != nil {
					return err
				}
			}
			return nil
		}
		h.Send(question)
		h.One(workflowtest.Ann.Address)
	})
}

// A loop that nothing else stops ends here.
func TestNobodyGetsMoreThanAHundredNoticesAnHour(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		send := func(from, n int) (sent int) {
			for i := range n {
				err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
					var l letter.Letter
					ok, err := h.Post.Send(t.Context(), tx, workflow.Notice{Mail: fmt.Sprint(from + i), What: "x", To: mail.MustAddress("Loop@far.test"),
						From: mail.MustAddress("aide@home.test"), Lang: "fr", Letter: *l.Para("encore")})
					if ok {
						sent++
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			return sent
		}
		if n := send(0, 120); n != 100 {
			t.Errorf("%d of 120 were sent, want 100", n)
		}
		h.Move(time.Hour)
		if n := send(200, 5); n != 5 {
			t.Errorf("an hour later %d of 5 were sent", n)
		}
		h.Settle()
		if n := len(h.Mails(mail.MustAddress("loop@far.test"))); n != 105 {
			t.Errorf("%d mails left the house, want 105", n)
		}
	})
}

func TestInboundMailIsForgottenAfterThirtyDays(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Send(question)
		h.Move(29 * 24 * time.Hour)
		sweep := func() int {
			if err := h.Mux.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := h.Queue.Sweep(t.Context(), 24*time.Hour); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Messages.Sweep(t.Context(), 24*time.Hour); err != nil {
				t.Fatal(err)
			}
			return h.Count(`SELECT COUNT(*) FROM message`)
		}
		if n := sweep(); n != 1 {
			t.Errorf("after 29 days %d mails, want one", n)
		}
		h.Move(2 * 24 * time.Hour)
		if n := sweep(); n != 0 {
			t.Errorf("after 31 days %d mails, want none", n)
		}
	})
}

func TestSummaryOfStrangersStaysInItsField(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		m := question
		m.Subject = "x\r\nBcc: all@home.test\r\n\r\nbody " + strings.Repeat("é", 400)
		m.MessageID = "a b>\r\n c"
		m.User = workflowtest.Ann
		m.User.Name = "Ann\r\nX-Evil: 1"
		h.Send(m)
		got := h.One(workflowtest.Ann.Address)
		if got.Header.Get("Bcc") != "" || got.Header.Get("X-Evil") != "" || len([]rune(got.Subject)) > 200 {
			t.Errorf("%s", got.Raw)
		}
	})
}

// A server elsewhere without SMTPUTF8 must be able to take what we write, from
// programs and members whose addresses are not ASCII (RFC 6531).
func TestNoticesAreASCIIUnlessTheRecipientIsNot(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	h := workflowtest.New(t, db)
	ete, rene := mail.MustAddress("album+été@home.test"), mail.MustAddress("rené@home.test")
	for _, to := range []mail.Address{mail.MustAddress("mamie@far.test"), rene} {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			var l letter.Letter
			l.Subject = "L'été à la plage, avec Zoé et François, Noël et l'île d'Oléron, pour les élèves et les aînés"
			_, err := h.Post.Send(t.Context(), tx, workflow.Notice{Mail: "x", What: "y", To: to, From: ete, FromName: `René "le grand" par Colporteur`,
				ReplyTo: &rene, Lang: "fr", InReplyTo: "x@y", References: []string{"a@b", "bad id", "x@y"}, Letter: *l.Para("Ça marche.")})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		h.Settle()
		got := h.One(to)
		from, err := netmail.ParseAddress(got.Header.Get("From"))
		if err != nil || from.Name != `René "le grand" par Colporteur` {
			t.Errorf("From %q: %+v, %v", got.Header.Get("From"), from, err)
			continue
		}
		if to.IsASCII() {
			if from.Address != "aide@home.test" || got.Header.Get("Reply-To") != "" || got.Env.UTF8 {
				t.Errorf("From %s, Reply-To %s, UTF8 %v", from, got.Header.Get("Reply-To"), got.Env.UTF8)
			}
		} else if !got.Env.UTF8 || got.Header.Get("Reply-To") != "rené@home.test" {
			t.Errorf("Reply-To %s, UTF8 %v", got.Header.Get("Reply-To"), got.Env.UTF8)
		}
		if refs := strings.Join(strings.Fields(got.Header.Get("References")), " "); refs != "<a@b> <x@y>" {
			t.Errorf("References %q", refs)
		}
		if !strings.HasPrefix(got.Subject, "L'été à la plage") || got.Text != "Ça marche.\n" {
			t.Errorf("%q\n%q", got.Subject, got.Text)
		}
	}
}

func TestAttachmentsAndTextAreReadAsSent(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		var got []string
		h.Program = func(ctx context.Context, in *workflow.Inbound) error {
			text, err := in.Text(ctx, 100)
			if err != nil {
				return err
			}
			got = append(got, text)
			return in.Attachments(ctx, func(f workflow.File, r io.Reader) error {
				b, err := io.ReadAll(r)
				got = append(got, fmt.Sprintf("%s %s %d %v", f.Name, f.Type, len(b), bytes.Count(b, []byte("x")) == len(b)))
				return err
			})
		}
		m := question
		m.Text = "Bonjour,\nça va ?\n-- \nAnn"
		m.Files = []workflowtest.File{{Name: "a.txt", Type: "text/plain", Bytes: bytes.Repeat([]byte("x"), 100_000)}, {Name: "b.bin", Bytes: []byte("x")}}
		h.Send(m)
		if want := "Bonjour,\nça va ?|a.txt text/plain 100000 true|b.bin application/octet-stream 1 true"; strings.Join(got, "|") != want {
			t.Errorf("got %q, want %q", strings.Join(got, "|"), want)
		}
	})
}

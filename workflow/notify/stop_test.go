package notify_test

import (
	"context"
	"net/mail"
	"regexp"
	"strings"
	"testing"

	ourmail "colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
	"colporteur/workflow/workflowtest"
)

var unsubscribe = regexp.MustCompile(`^<https://mail\.home\.test/n/([a-z2-7]{26})/stop/([a-z]+)>, <mailto:(r\.[a-z2-7]{26}@home\.test)\?subject=STOP>$`)

// button is what a mail program makes of the fields of a mail: the token, what
// it stops, and where the mail for it goes.
func button(t *testing.T, m workflowtest.Sent) (link.Visit, string, string) {
	t.Helper()
	got := unsubscribe.FindStringSubmatch(m.Header.Get("List-Unsubscribe"))
	if got == nil || m.Header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		t.Fatalf("no button:\n%s", m.Raw)
	}
	return link.Visit{Token: link.Token(got[1])}, got[2], got[3]
}

func (h *house) stop(v link.Visit, what string) *notify.Settings {
	h.t.Helper()
	st, err := h.Notify.Stop(h.t.Context(), v, what)
	if err != nil {
		h.t.Fatal(err)
	}
	return st
}

func TestOneClickStopsTheMailsOfAGuest(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.tell(h.toGuest("one"))
		h.evening()
		v, what, _ := button(t, h.One(grandma))
		if st, err := h.Notify.Open(t.Context(), v); err != nil || st.Quiet || st.Choices != nil {
			t.Errorf("looking at it: %+v %v", st, err)
		}
		if st := h.stop(v, what); !st.Quiet {
			t.Errorf("after the click: %+v", st)
		}
		h.stop(v, what)
		h.tell(h.toGuest("two"))
		h.evening()
		h.None()
		if l, err := h.Links.Get(t.Context(), h.guest.ID); err != nil || l.Quiet.IsZero() {
			t.Errorf("the guest's link: %+v %v", l, err)
		}
		if _, err := h.Notify.Resume(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		h.tell(h.toGuest("three"))
		h.evening()
		h.One(grandma)
	})
}

func TestOneClickStopsOneKindOfAMember(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		receipt := h.toAnn("receipt")
		receipt.Kind = notify.Receipt
		h.tell(h.toAnn("one"))
		v, what, _ := button(t, h.One(workflowtest.Ann.Address))
		if what != "album" {
			t.Errorf("the button stops %q", what)
		}
		h.stop(v, what)
		h.tell(h.toAnn("two"), receipt)
		if m := h.One(workflowtest.Ann.Address); !strings.HasSuffix(m.Subject, "receipt") {
			t.Errorf("told: %s", m.Subject)
		}
		h.evening()
		h.None()
	})
}

func TestDailyMailIsStoppedWithAllThatComesInIt(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.choose(notify.Receipt, notify.Daily)
		h.choose(notify.SignIn, notify.Daily)
		receipt, signin := h.toAnn("receipt"), h.toAnn("signin")
		receipt.Kind, signin.Kind = notify.Receipt, notify.SignIn
		h.tell(h.toAnn("one"), h.toAnn("two"), receipt, signin)
		h.Mails(workflowtest.Ann.Address)
		h.evening()
		v, what, _ := button(t, h.One(workflowtest.Ann.Address))
		st := h.stop(v, what)
		for _, c := range st.Choices {
			want := map[notify.Kind]notify.When{notify.Album: notify.Never, notify.Receipt: notify.Never, notify.SignIn: notify.Daily}[c.Kind]
			if want == "" {
				want = notify.Now
			}
			if c.When != want {
				t.Errorf("%s is %s after the daily mail was stopped, want %s", c.Kind, c.When, want)
			}
		}
	})
}

func TestWarningsHaveNoButton(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		n := h.toAnn("signin")
		n.Kind, n.Link, n.Letter.Blocks = notify.SignIn, 0, n.Letter.Blocks[:1]
		h.tell(n)
		m := h.One(workflowtest.Ann.Address)
		if m.Header.Get("List-Unsubscribe") != "" || m.Header.Get("Reply-To") == "" {
			t.Errorf("a warning:\n%s", m.Raw)
		}
		h.tell(h.toAnn("one"))
		v, _, _ := button(t, h.One(workflowtest.Ann.Address))
		for _, what := range []string{"signin", "membership", "admin", "", "other"} {
			if _, err := h.Notify.Stop(t.Context(), v, what); !ourmail.Is(err, ourmail.NotFound) {
				t.Errorf("stop %q: %v", what, err)
			}
		}
	})
}

func TestTokensOfOtherPagesSetNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for _, token := range []link.Token{h.Links.Token(h.ann), h.Links.ReplyToken(h.ann), "", "aaaaaaaaaaaaaaaaaaaaaaaaaa"} {
			v := link.Visit{Token: token}
			if _, err := h.Notify.Open(t.Context(), v); !ourmail.Is(err, ourmail.NotFound) {
				t.Errorf("open: %v", err)
			}
			if _, err := h.Notify.Stop(t.Context(), v, "album"); !ourmail.Is(err, ourmail.NotFound) {
				t.Errorf("stop: %v", err)
			}
			if _, err := h.Notify.Set(t.Context(), v, map[notify.Kind]notify.When{notify.Album: notify.Never}); !ourmail.Is(err, ourmail.NotFound) {
				t.Errorf("set: %v", err)
			}
		}
	})
}

func TestGuestCannotSetWhatMembersChoose(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.tell(h.toGuest("one"))
		h.evening()
		v, _, _ := button(t, h.One(grandma))
		if _, err := h.Notify.Set(t.Context(), v, map[notify.Kind]notify.When{notify.SignIn: notify.Never}); err != nil {
			t.Fatal(err)
		}
		if n := h.Count(`SELECT COUNT(*) FROM notify_choice`); n != 0 {
			t.Errorf("a guest made %d choices", n)
		}
	})
}

func TestMemberSetsByReply(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ann := workflowtest.Ann.Address
		replied := func(to workflowtest.Sent, text string) workflowtest.Sent {
			t.Helper()
			a, err := mail.ParseAddress(to.Header.Get("Reply-To"))
			if err != nil {
				t.Fatal(err)
			}
			h.Send(workflowtest.Mail{To: []string{a.Address}, Subject: "Re: " + to.Subject, Text: text,
				Header: "In-Reply-To: " + to.Header.Get("Message-Id") + "\r\n"})
			return h.One(ann)
		}
		n := h.toAnn("quota")
		n.Kind, n.Link, n.Letter.Blocks = notify.Quota, 0, n.Letter.Blocks[:1]
		h.tell(n)
		told := h.One(ann)
		said := replied(told, "QUOTIDIEN\n\n> Le mail")
		if !strings.Contains(said.Text, "vous recevrez ces messages une fois par jour") {
			t.Errorf("said:\n%s", said.Text)
		}
		n.Key = "quota 2"
		h.tell(n)
		h.None()
		h.evening()
		told = h.One(ann)
		if said := replied(told, "STOP"); !strings.Contains(said.Text, "ne recevrez plus") {
			t.Errorf("said:\n%s", said.Text)
		}
		n.Key = "quota 3"
		h.tell(n)
		h.evening()
		h.None()
		if said := replied(told, "Merci"); !strings.Contains(said.Text, "rien changé") {
			t.Errorf("said:\n%s", said.Text)
		}
		if said := replied(told, "Maintenant"); !strings.Contains(said.Text, "aussitôt") {
			t.Errorf("said:\n%s", said.Text)
		}
		h.write(func(tx *store.Tx) error { return h.Notify.Tell(t.Context(), tx, n) })
		n.Key = "quota 4"
		h.tell(n)
		if n := len(h.Mails(ann)); n != 2 {
			t.Errorf("%d mails at once, want both", n)
		}
	})
}

func TestGuestStopsByReply(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.tell(h.toGuest("one"))
		h.evening()
		_, _, reply := button(t, h.One(grandma))
		token := strings.TrimSuffix(strings.TrimPrefix(reply, "r."), "@home.test")
		h.Program = func(ctx context.Context, in *workflow.Inbound) error { // as for a proven guest
			l, err := h.Links.ByReply(ctx, link.Token(token))
			if err != nil {
				return err
			}
			return h.Notify.Answer(ctx, in, l)
		}
		quiet := func() bool {
			l, err := h.Links.Get(t.Context(), h.guest.ID)
			if err != nil {
				t.Fatal(err)
			}
			return !l.Quiet.IsZero()
		}
		h.Send(workflowtest.Mail{To: []string{"help@home.test"}, Subject: "Re: Un mot", Text: "Quelle belle plage\n\n> Répondez STOP"})
		if h.One(workflowtest.Ann.Address); quiet() {
			t.Error("words that are no command silenced the guest")
		}
		h.Send(workflowtest.Mail{To: []string{"help@home.test"}, Subject: "STOP"}) // the button that writes a mail
		if m := h.One(workflowtest.Ann.Address); !quiet() || !strings.Contains(m.Text, "plus de messages") {
			t.Errorf("quiet %v, said:\n%s", quiet(), m.Text)
		}
		h.tell(h.toGuest("two"))
		h.evening()
		h.None()
	})
}

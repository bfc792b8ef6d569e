package world_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"colporteur/store"
	"colporteur/world"
)

var questions = regexp.MustCompile(`https?://\S+/c/[a-z2-7]{26}`)

// reply is what a guest's mail program sends.
func reply(from, to, subject, id, text string) []byte {
	return fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: Re: %s\r\nMessage-ID: <%s>\r\nDate: Mon, 23 Nov 2026 10:05:00 +0000\r\n\r\n%s\r\n", from, to, subject, id, text)
}

func TestAGuestElsewhereRepliesWithWordsAndAPhoto(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	far.Publish("p=reject")
	ann, mamie := home.Member("ann", "fr"), far.Member("mamie")
	ann.Send("album+vacances@home.test", world.Subject("La mer"), world.Cc(mamie), world.Attach("un.jpg", "image/jpeg", photo(800, 600)))
	w.Settle()
	ann.Inbox().One()
	invitation := mamie.Inbox().One()

	mamie.Send(invitation.ReplyTo(), world.Subject("Re: "+invitation.Subject), world.Text("Quelle belle mer.\r\n"),
		world.Attach("deux.jpg", "image/jpeg", photo(600, 800)))
	w.Settle()
	page := home.Browse(invitation.Link())
	if n := len(photos(page)); n != 2 {
		t.Errorf("the album shows %d photos, want 2", n)
	}
	told := ann.Inbox().Last().Says("Quelle belle mer.", "mamie")
	home.Browse(told.Link()).Sees("Vacances")
	mamie.Inbox().Last().Says("RAPPELER")
	if n := comments(t, home); n != 1 {
		t.Errorf("%d comments, want 1", n)
	}
}

func TestAReplyWithoutAProofIsShownAfterTheOwnersYes(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, mamie := home.Member("ann", "fr"), far.Member("mamie")
	ann.Send("album+vacances@home.test", world.Subject("La mer"), world.Cc(mamie), world.Attach("un.jpg", "image/jpeg", photo(800, 600)))
	w.Settle()
	invitation := mamie.Inbox().One()

	// Her provider signs nothing.
	raw := reply(mamie.Address, invitation.ReplyTo(), invitation.Subject, "one@far.test", "Quelle belle mer.")
	for range 2 { // and tries twice
		if err := home.FromOutside(mamie.Address, []string{invitation.ReplyTo()}, raw); err != nil {
			t.Fatal(err)
		}
	}
	w.Settle()
	if n := comments(t, home); n != 0 {
		t.Fatalf("%d comments before the yes", n)
	}
	asked := ann.Inbox()
	if len(asked.All) != 2 {
		t.Fatalf("ann has %d mails, want the receipt and one question", len(asked.All))
	}
	question := asked.Last().Says("mamie@far.test", "Quelle belle mer.", "OUI")
	home.Browse(questions.FindString(question.Text)).Sees("Quelle belle mer.", "Non, effacer ce mail") // a scanner looks
	w.Settle()
	if n := comments(t, home); n != 0 {
		t.Fatal("looking at the question answered it")
	}
	for range 2 {
		ann.Send(question.ReplyTo(), world.Subject("Re: "+question.Subject), world.Text("OUI\r\n"))
		w.Settle()
	}
	if n := comments(t, home); n != 1 {
		t.Errorf("%d comments after the yes, want 1", n)
	}
	mamie.Inbox().Last().SaysNot("OUI")
}

func TestReplyAddressesOfOthersDoNothingFromOutside(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	far.Publish("p=reject")
	ann, mamie, zoe := home.Member("ann", "fr"), far.Member("mamie"), far.Member("zoe")
	ann.Send("album+vacances@home.test", world.Subject("La mer"), world.Cc(mamie, zoe), world.Attach("un.jpg", "image/jpeg", photo(800, 600)))
	w.Settle()
	receipt, invitation := ann.Inbox().One(), mamie.Inbox().One()

	zoe.Send(invitation.ReplyTo(), world.Subject("Re: x"), world.Text("Je suis mamie.\r\n"))
	zoe.Send(receipt.ReplyTo(), world.Subject("Re: x"), world.Text("RAPPELER\r\n"))
	// Who only says to be ann: our own domain, and nobody signed in.
	err := home.FromOutside("x@far.test", []string{receipt.ReplyTo()}, reply(ann.Address, receipt.ReplyTo(), "x", "two@far.test", "RAPPELER"))
	if err == nil || !strings.Contains(err.Error(), "5") {
		t.Errorf("ann's own word from outside: %v", err)
	}
	// Who only says to be mamie: her domain says that it signs all.
	err = home.FromOutside("x@stranger.test", []string{invitation.ReplyTo()}, reply(mamie.Address, invitation.ReplyTo(), "x", "three@far.test", "Achetez"))
	if err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("a forgery of mamie's: %v", err)
	}
	w.Settle()
	home.Browse(invitation.Link()).Sees("Vacances")
	ann.Inbox().One() // asked nothing
	if n := comments(t, home); n != 0 {
		t.Errorf("%d comments", n)
	}
}

func comments(t *testing.T, s *world.Server) (n int) {
	t.Helper()
	if err := s.DB.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM photo_comment`).Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

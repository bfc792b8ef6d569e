package workflow_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/workflowtest"
)

var mamie = mail.MustAddress("mamie@far.test")

// lake is Ann's album, to which mamie has a link; the mail that brought it, and
// the link.
func lake(t *testing.T, h *workflowtest.House) (invited workflowtest.Sent, l link.Link) {
	t.Helper()
	h.Send(workflowtest.Mail{To: []string{"album+lac@home.test", "mamie@far.test"}, Subject: "Le lac",
		Files: []workflowtest.File{{Name: "a.jpg", Type: "image/jpeg", Bytes: photo(t, 300)}}})
	h.Mails(workflowtest.Ann.Address)
	invited = h.One(mamie)
	l, err := h.Links.Open(t.Context(), link.Visit{Token: invited.Tokens()[0]})
	if err != nil {
		t.Fatal(err)
	}
	return invited, l
}

func photo(t *testing.T, width int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, width, 200)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// to is where replies to a mail go.
func to(m workflowtest.Sent) []string { return []string{strings.Trim(m.Header.Get("Reply-To"), "<>")} }

// words are the comments of an album, and how many photos it has.
func words(t *testing.T, h *workflowtest.House, l link.Link) (said []string, photos int) {
	t.Helper()
	v, err := h.Albums.Open(t.Context(), link.Visit{Token: h.Links.Token(l)})
	if err != nil {
		t.Fatal(err)
	}
	all, err := h.Albums.Words(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	ps, err := h.Albums.Page(t.Context(), v, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ps {
		all = append(all, p.Comments...)
	}
	for _, c := range all {
		said = append(said, c.Text)
	}
	return said, v.Count
}

func TestAProvenGuestsReplyIsTakenAtOnce(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Twice = true
		invited, l := lake(t, h)
		h.SendOutside(workflowtest.Outside{From: mail.MustAddress("Mamie@FAR.test"), Proven: true, Mail: workflowtest.Mail{To: to(invited), Subject: "Re: Le lac",
			Text: "Quel beau lac\n", Files: []workflowtest.File{{Name: "b.jpg", Type: "image/jpeg", Bytes: photo(t, 310)}}}})
		if said, n := words(t, h, l); len(said) != 1 || said[0] != "Quel beau lac" || n != 2 {
			t.Errorf("the album has the words %q and %d photos", said, n)
		}
		if thanks := h.One(mamie); !strings.Contains(thanks.Text, "RAPPELER") {
			t.Errorf("thanks:\n%s", thanks.Text)
		}
		h.Mails(workflowtest.Ann.Address)
		h.None()
		if n := h.Count(`SELECT COUNT(*) FROM question`); n != 0 {
			t.Errorf("%d questions", n)
		}
	})
}

func TestAnUnprovenReplyWaitsForTheOwnersYes(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Twice = true
		invited, l := lake(t, h)
		m := workflowtest.Outside{From: mamie, Mail: workflowtest.Mail{To: to(invited), Subject: "Re: Le lac", MessageID: "one@far.test",
			Text: "Quel beau lac\n" + strings.Repeat("mot ", 200), Files: []workflowtest.File{{Name: "b.jpg", Type: "image/jpeg", Bytes: photo(t, 310)}}}}
		h.SendOutside(m)
		if said, n := words(t, h, l); len(said) != 0 || n != 1 {
			t.Fatalf("shown before the yes: %q, %d photos", said, n)
		}
		q := h.One(workflowtest.Ann.Address)
		for _, s := range []string{"mamie@far.test", "Quel beau lac", "OUI", "Un fichier"} {
			if !strings.Contains(q.Text, s) {
				t.Errorf("the question lacks %q:\n%s", s, q.Text)
			}
		}
		if strings.Count(q.Text, "mot ") > 80 {
			t.Errorf("the question shows too much:\n%s", q.Text)
		}
		h.SendOutside(m) // its server tries again
		h.None()         // neither asked again nor answered: who wrote is not known

		h.Move(13 * 24 * time.Hour)
		if err := h.Mux.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Messages.Sweep(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		h.Send(workflowtest.Mail{To: to(q), Subject: "Re: " + q.Subject, Text: "Oui"})
		said, n := words(t, h, l)
		if len(said) != 1 || !strings.HasPrefix(said[0], "Quel beau lac") || n != 2 {
			t.Errorf("after the yes: %q, %d photos", said, n)
		}
		h.One(mamie) // thanks go to the guest alone
		h.Mails(workflowtest.Ann.Address)
		h.Send(workflowtest.Mail{To: to(q), Subject: "Re: " + q.Subject, Text: "Oui"})
		h.SendOutside(m)
		m.Proven = true
		h.SendOutside(m)
		if said, n := words(t, h, l); len(said) != 1 || n != 2 {
			t.Errorf("the same mail again: %q, %d photos", said, n)
		}
	})
}

func TestAProvenMailIsNotHeldUpByAForgedOne(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		invited, l := lake(t, h)
		m := workflowtest.Outside{From: mamie, Mail: workflowtest.Mail{To: to(invited), Subject: "Re: Le lac", MessageID: "one@far.test", Text: "Faux"}}
		h.SendOutside(m)
		m.Proven, m.Text = true, "Vrai"
		h.SendOutside(m)
		if said, _ := words(t, h, l); len(said) != 1 || said[0] != "Vrai" {
			t.Errorf("the words %q", said)
		}
	})
}

func TestAnUnprovenReplyIsGoneAfterANo(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(h *workflowtest.House, q workflowtest.Sent) error
	}{
		{"no", func(h *workflowtest.House, q workflowtest.Sent) error {
			h.Send(workflowtest.Mail{To: to(q), Subject: "Re: " + q.Subject, Text: "Non"})
			return nil
		}},
		{"silence", func(h *workflowtest.House, q workflowtest.Sent) error {
			h.Move(15 * 24 * time.Hour)
			return h.Questions.Sweep(t.Context())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, h *workflowtest.House) {
				invited, l := lake(t, h)
				messages := h.Count(`SELECT COUNT(*) FROM message`)
				h.SendOutside(workflowtest.Outside{From: mamie, Mail: workflowtest.Mail{To: to(invited), Subject: "Re: Le lac", Text: "Quel beau lac"}})
				if err := c.answer(h, h.One(workflowtest.Ann.Address)); err != nil {
					t.Fatal(err)
				}
				h.Settle()
				if said, n := words(t, h, l); len(said) != 0 || n != 1 {
					t.Errorf("%q, %d photos", said, n)
				}
				if n := h.Count(`SELECT COUNT(*) FROM inbound WHERE member = 0`); n != 0 {
					t.Errorf("%d dropped mails are kept", n)
				}
				if n := h.Count(`SELECT COUNT(*) FROM message`) - messages; c.name == "silence" && n != 0 || n > 1 { // the owner's no is one
					t.Errorf("%d more messages", n)
				}
				h.Mails(workflowtest.Ann.Address)
				h.None()
			})
		})
	}
}

func TestAnOwnerIsNotAskedWithoutEnd(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		invited, _ := lake(t, h)
		for range 8 {
			h.SendOutside(workflowtest.Outside{From: mamie, Mail: workflowtest.Mail{To: to(invited), Subject: "Re: Le lac", Text: "Achetez"}})
		}
		if n := len(h.Mails(workflowtest.Ann.Address)); n != 5 {
			t.Errorf("asked %d times in a day", n)
		}
		if n := h.Count(`SELECT COUNT(*) FROM inbound WHERE member = 0`); n != 5 {
			t.Errorf("%d mails wait", n)
		}
	})
}

func TestReplyAddressesOfOthersDoNothing(t *testing.T) {
	zoe := mail.MustAddress("zoe@far.test")
	each(t, func(t *testing.T, h *workflowtest.House) {
		invited, l := lake(t, h)
		h.Send(workflowtest.Mail{To: []string{"album+lac@home.test", "zoe@far.test"}, Subject: "Encore", Text: "x",
			Files: []workflowtest.File{{Name: "c.jpg", Type: "image/jpeg", Bytes: photo(t, 320)}}})
		manage := to(h.One(workflowtest.Ann.Address))
		h.One(zoe)
		h.Mails(mamie)
		r := "Re: Le lac"
		// Proven, but somebody else: refused in the same words as an unknown address.
		for _, at := range [][]string{to(invited), manage, {"r." + strings.Repeat("a", 26) + "@home.test"}} {
			h.SendOutside(workflowtest.Outside{From: zoe, Proven: true, Mail: workflowtest.Mail{To: at, Subject: r, Text: "RAPPELER"}})
			if m := h.One(zoe); !strings.Contains(m.Text, "ne vous concerne pas") {
				t.Errorf("refused so:\n%s", m.Text)
			}
			// Not proven: nobody is answered, or asked.
			h.SendOutside(workflowtest.Outside{From: zoe, Mail: workflowtest.Mail{To: at, Subject: r, Text: "RAPPELER"}})
			h.None()
		}
		// Another member here.
		h.Send(workflowtest.Mail{User: workflowtest.Bob, To: to(invited), Subject: r, Text: "RAPPELER"})
		h.One(workflowtest.Bob.Address)
		// Who says to be the owner is not the owner.
		h.SendOutside(workflowtest.Outside{From: workflowtest.Ann.Address, Mail: workflowtest.Mail{To: manage, Subject: r, Text: "RAPPELER"}})
		// A machine of the guest's.
		h.SendOutside(workflowtest.Outside{From: mamie, Proven: true, Mail: workflowtest.Mail{To: to(invited), Subject: r, Text: "Absente", Header: "Auto-Submitted: auto-replied\r\n"}})
		h.SendOutside(workflowtest.Outside{From: mamie, Proven: true, Mail: workflowtest.Mail{To: to(invited), Subject: r, Text: "Absente", NullFrom: true}})
		h.None()
		if said, n := words(t, h, l); len(said) != 0 || n != 2 {
			t.Errorf("%q, %d photos", said, n)
		}
		// A guest whose link was revoked.
		if err := h.DB.Write(t.Context(), func(tx *store.Tx) error { return h.Links.RevokeOne(t.Context(), tx, l.ID) }); err != nil {
			t.Fatal(err)
		}
		h.SendOutside(workflowtest.Outside{From: mamie, Mail: workflowtest.Mail{To: to(invited), Subject: r, Text: "Encore moi"}})
		h.None()
		h.SendOutside(workflowtest.Outside{From: mamie, Proven: true, Mail: workflowtest.Mail{To: to(invited), Subject: r, Text: "Encore moi"}})
		if m := h.One(mamie); !strings.Contains(m.Text, "ne vous concerne pas") {
			t.Errorf("a revoked guest reads:\n%s", m.Text)
		}
		h.None()
	})
}

func TestAnApprovalDoesNotOutliveTheLink(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		invited, l := lake(t, h)
		h.SendOutside(workflowtest.Outside{From: mamie, Mail: workflowtest.Mail{To: to(invited), Subject: "Re: Le lac", Text: "Quel beau lac"}})
		q := h.One(workflowtest.Ann.Address)
		v, err := h.Albums.Open(t.Context(), link.Visit{Token: h.Links.Token(l)})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Albums.RevokeGuest(t.Context(), album.ID(l.Thing), link.Member(workflowtest.Ann.ID), l.ID); err != nil {
			t.Fatal(err)
		}
		h.Send(workflowtest.Mail{To: to(q), Subject: "Re: " + q.Subject, Text: "Oui"})
		if all, err := h.Albums.Words(t.Context(), v); err == nil && len(all) != 0 {
			t.Errorf("the words of a revoked guest: %v", all)
		}
	})
}

func TestAGuestOfATransferReplies(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Twice = true
		h.Send(workflowtest.Mail{To: []string{"envoi+7j@home.test", "mamie@far.test"}, Subject: "Le film", Text: "voici",
			Files: []workflowtest.File{{Name: "film.mp4", Bytes: []byte("film")}}})
		h.Mails(workflowtest.Ann.Address)
		h.One(mamie)
		h.Move(5*24*time.Hour + time.Hour)
		if _, err := h.Transfers.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.Settle()
		h.Move(12 * time.Hour) // guests are told once a day
		h.Settle()
		reminder := h.One(mamie)
		h.Mails(workflowtest.Ann.Address)

		h.SendOutside(workflowtest.Outside{From: mamie, Proven: true, Mail: workflowtest.Mail{To: to(reminder), Subject: "Re: Le film",
			Text: "Merci, je le prends demain.\n\n> Le film", Files: []workflowtest.File{{Name: "x.pdf", Bytes: []byte("x")}}}})
		told := h.One(workflowtest.Ann.Address)
		if !strings.Contains(told.Text, "| Merci, je le prends demain.") || !strings.Contains(told.Text, "Un fichier était joint") ||
			to(told)[0] != "mamie@far.test" || strings.Contains(told.Text, "> Le film") {
			t.Errorf("the owner gets, with replies to %s:\n%s", to(told), told.Text)
		}
		if m := h.One(mamie); !strings.Contains(m.Text, "Vos fichiers ne l'ont pas été") {
			t.Errorf("the guest reads:\n%s", m.Text)
		}
		h.SendOutside(workflowtest.Outside{From: mamie, Proven: true, Mail: workflowtest.Mail{To: to(reminder), Subject: "Re: Le film", Text: "Merci beaucoup"}})
		h.One(workflowtest.Ann.Address)
		h.None()
		h.SendOutside(workflowtest.Outside{From: mamie, Proven: true, Mail: workflowtest.Mail{To: to(reminder), Subject: "Re: Le film", Text: "Stop"}})
		if m := h.One(mamie); !strings.Contains(m.Text, "plus de mail") {
			t.Errorf("the guest reads:\n%s", m.Text)
		}
		h.None()
		if n := h.Count(`SELECT COUNT(*) FROM link WHERE quiet > 0 AND person = 'mamie@far.test'`); n != 1 {
			t.Errorf("%d silent links", n)
		}
	})
}

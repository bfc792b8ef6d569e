package album_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/workflow"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/workflowtest"
)

// shared is an album of Ann's that Bob and mamie have links to, and what the
// three were told.
type shared struct {
	*workflowtest.House
	t                  *testing.T
	ann, bob           link.Token // ann: manage
	public             link.Token
	bobs               link.Link
	receipt, invited   workflowtest.Sent
	grandmas           link.Token
	grandmasInvitation workflowtest.Sent
}

func share(t *testing.T, h *workflowtest.House) *shared {
	t.Helper()
	m := lake(t)
	m.To = append(m.To, "mamie@far.test")
	h.Send(m)
	s := &shared{House: h, t: t, receipt: h.One(workflowtest.Ann.Address), grandmasInvitation: h.One(mamie)}
	s.public, s.ann = s.receipt.Tokens()[0], s.receipt.Tokens()[1]
	s.invite()
	s.invited = h.One(workflowtest.Bob.Address)
	s.bob, s.grandmas = s.invited.Tokens()[0], s.grandmasInvitation.Tokens()[0]
	l, err := h.Links.Open(t.Context(), link.Visit{Token: s.bob})
	if err != nil {
		t.Fatal(err)
	}
	s.bobs = l
	return s
}

// invite has Ann invite Bob, on her page.
func (s *shared) invite() {
	s.t.Helper()
	v := s.view(s.ann)
	if err := s.Albums.Invite(s.t.Context(), v.ID, link.Holder(v.Link), []album.Guest{{Address: workflowtest.Bob.Address}}); err != nil {
		s.t.Fatal(err)
	}
	s.Settle()
}

// reply is a mail of Bob's that answers what he was sent.
func (s *shared) reply(to workflowtest.Sent, text string, files ...workflowtest.File) {
	s.t.Helper()
	s.Program = func(ctx context.Context, in *workflow.Inbound) error { return s.Albums.Answer(ctx, in, s.bobs) }
	s.Send(workflowtest.Mail{User: workflowtest.Bob, To: []string{"help@home.test"}, Subject: "Re: " + to.Subject, Text: text, Files: files,
		Header: "In-Reply-To: " + to.Header.Get("Message-Id") + "\r\n"})
}

func (s *shared) view(token link.Token) *album.View {
	v, _ := seen(s.t, s.House, token)
	return v
}

func (s *shared) rule(change func(*link.Rules)) {
	s.t.Helper()
	v := s.view(s.ann)
	r := v.Rules
	change(&r)
	if err := s.Albums.SetRules(s.t.Context(), v.ID, link.Holder(v.Link), r); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shared) words(token link.Token) (all []album.Comment) {
	s.t.Helper()
	v, ps := seen(s.t, s.House, token)
	all, err := s.Albums.Words(s.t.Context(), v)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range ps {
		all = append(all, p.Comments...)
	}
	return all
}

func (s *shared) evening() {
	s.t.Helper()
	s.Move(9 * time.Hour)
	s.Settle()
}

func TestGuestsReplyIsACommentAndTheirPhotosJoin(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		h.Twice = true
		s.reply(s.invited, "Quel beau lac !\n\nOn Sat, 14 Nov 2026 Ann Petit\n<ann@home.test> wrote:\n> Ann Petit shares",
			workflowtest.File{Name: "IMG_9.jpg", Type: "image/jpeg", Bytes: photo(t, 320, 200)})
		thanks := h.One(workflowtest.Bob.Address)
		if !strings.Contains(thanks.Text, "RECALL") && !strings.Contains(thanks.Text, "RAPPELER") {
			t.Errorf("thanks do not say how to undo:\n%s", thanks.Text)
		}
		told := h.One(workflowtest.Ann.Address)
		if !strings.Contains(told.Text, "| Quel beau lac !") || !strings.Contains(told.Text, "bob@home.test a ajouté une photo") || strings.Contains(told.Text, "wrote") {
			t.Errorf("the owner is told:\n%s", told.Text)
		}
		h.None() // other guests hear of it once a day
		v, ps := seen(t, h, s.grandmas)
		if len(ps) != 3 || v.Count != 3 {
			t.Fatalf("%d photos, want 3", len(ps))
		}
		for _, p := range ps {
			if p.Name != "IMG_9.jpg" {
				continue
			}
			if p.By != "bob" || p.ByLink != s.bobs.ID || len(p.Comments) != 1 || p.Comments[0].Text != "Quel beau lac !" || p.Comments[0].Name != "bob" {
				t.Errorf("the guest's photo: %+v", p)
			}
		}
		s.evening()
		digest := h.One(mamie)
		if !strings.Contains(digest.Text, "bob a ajouté une photo à l'album Vacances") || strings.Contains(digest.Raw, "bob@home.test") {
			t.Errorf("the digest of another guest:\n%s", digest.Text)
		}
		h.None()
	})
}

func TestGuestWhoMayNotIsHeardButNotShown(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		s.rule(func(r *link.Rules) { r.Add, r.Comment = false, false })
		s.reply(s.invited, "Quel beau lac !", workflowtest.File{Name: "IMG_9.jpg", Type: "image/jpeg", Bytes: photo(t, 320, 200)})
		h.One(workflowtest.Bob.Address)
		if told := h.One(workflowtest.Ann.Address); !strings.Contains(told.Text, "| Quel beau lac !") {
			t.Errorf("the owner is told:\n%s", told.Text)
		}
		if v := s.view(s.bob); v.Count != 2 || v.MayAdd || v.MayComment || len(s.words(s.bob)) != 0 {
			t.Errorf("it is shown: %+v, %v", v, s.words(s.bob))
		}
		s.evening()
		h.None()
		if err := h.Albums.Comment(t.Context(), link.Visit{Token: s.bob}, 0, "Non ?"); !mail.Is(err, mail.Policy) {
			t.Errorf("a comment on the page: %v", err)
		}
	})
}

func TestStopByReplySilencesOneGuest(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		s.reply(s.invited, "Stop, quelle photo !\n") // words, not a command
		h.One(workflowtest.Bob.Address)
		h.One(workflowtest.Ann.Address)
		s.reply(s.invited, "STOP\n\n> Ann Petit shares")
		h.One(workflowtest.Bob.Address)
		if n := len(s.words(s.ann)); n != 1 {
			t.Errorf("%d comments, want the one", n)
		}
		s.evening()
		h.One(mamie)
		s.invite()
		more := lake(t)
		more.Files = []workflowtest.File{{Name: "IMG_7.JPG", Type: "image/jpeg", Bytes: photo(t, 330, 200)}}
		h.Send(more)
		h.One(workflowtest.Ann.Address)
		s.evening()
		s.evening()
		s.evening()
		if got := h.Mails(workflowtest.Bob.Address); len(got) > 0 {
			t.Errorf("Bob said STOP and got %s", got[0].Subject)
		}
		h.One(mamie)
		if v := s.view(s.bob); v.Count != 3 {
			t.Errorf("his link shows %d photos", v.Count)
		}
	})
}

func TestGuestTakesBackWhatOneMailBrought(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		file := func(name string, w int) workflowtest.File {
			return workflowtest.File{Name: name, Type: "image/jpeg", Bytes: photo(t, w, 200)}
		}
		s.reply(s.invited, "Un", file("a.jpg", 310))
		first := h.One(workflowtest.Bob.Address)
		s.reply(s.invited, "Deux", file("b.jpg", 320))
		h.One(workflowtest.Bob.Address)
		before := h.Count(`SELECT COUNT(*) FROM blob`)
		s.reply(first, "RECALL")
		h.One(workflowtest.Bob.Address)
		_, ps := seen(t, h, s.ann)
		var names []string
		for _, p := range ps {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); strings.Contains(got, "a.jpg") || !strings.Contains(got, "b.jpg") || len(ps) != 3 {
			t.Errorf("left: %s", got)
		}
		if ws := s.words(s.ann); len(ws) != 1 || ws[0].Text != "Deux" {
			t.Errorf("words left: %+v", ws)
		}
		if n := h.Count(`SELECT COUNT(*) FROM blob`); n >= before {
			t.Errorf("%d blobs before, %d after", before, n)
		}
		s.reply(first, "RECALL") // nothing is left of that mail: his other one goes
		h.One(workflowtest.Bob.Address)
		if v := s.view(s.ann); v.Count != 2 {
			t.Errorf("%d photos, want Ann's two", v.Count)
		}
		s.reply(first, "RECALL")
		h.One(workflowtest.Bob.Address)
		if v := s.view(s.ann); v.Count != 2 {
			t.Errorf("a guest took off %d photos of Ann's", 2-v.Count)
		}
	})
}

func TestAutomaticAnswersOfGuestsAreIgnored(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		done := 0
		s.Program = func(ctx context.Context, in *workflow.Inbound) error {
			done++
			return s.Albums.Answer(ctx, in, s.bobs)
		}
		h.Send(workflowtest.Mail{User: workflowtest.Bob, To: []string{"help@home.test"}, Subject: "Absent", Text: "Je suis absent.", Header: "Auto-Submitted: auto-replied\r\n"})
		if done == 0 || len(s.words(s.ann)) != 0 {
			t.Errorf("asked %d times, words %v", done, s.words(s.ann))
		}
		h.None()
	})
}

func TestMemberAddsToTheAlbumTheyWereInvitedTo(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		m := workflowtest.Mail{User: workflowtest.Bob, To: []string{"album+vacances@home.test", "jean@far.test"}, Files: []workflowtest.File{
			{Name: "IMG_9.jpg", Type: "image/jpeg", Bytes: photo(t, 320, 200)}}}
		h.Send(m)
		if got := h.One(workflowtest.Bob.Address); !strings.Contains(got.Text, "Ann Petit") {
			t.Errorf("the receipt does not say whose album it is:\n%s", got.Text)
		}
		h.One(workflowtest.Ann.Address)
		h.None() // who sees the album is Ann's choice: jean is not invited
		if v := s.view(s.ann); v.Count != 3 {
			t.Errorf("%d photos, want 3", v.Count)
		}
		// An album of his own of that name comes first.
		if err := h.Albums.RevokeGuest(t.Context(), s.view(s.ann).ID, link.Member(workflowtest.Ann.ID), s.bobs.ID); err != nil {
			t.Fatal(err)
		}
		m.MessageID, m.To = "", m.To[:1]
		h.Send(m)
		if v := s.view(h.One(workflowtest.Bob.Address).Tokens()[1]); v.From != "Bob" || v.Count != 1 {
			t.Errorf("after the link was revoked: %+v", v)
		}
		if v := s.view(s.ann); v.Count != 3 {
			t.Errorf("Ann's album has %d photos, want 3", v.Count)
		}
	})
}

func TestCommentsOnThePage(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		_, ps := seen(t, h, s.grandmas)
		say := func(token link.Token, id album.PhotoID, text string) error {
			return h.Albums.Comment(t.Context(), link.Visit{Token: token}, id, text)
		}
		if err := say(s.grandmas, ps[0].ID, "Très\u202e beau\x00 !\r\n\n\n\n<b>"); err != nil {
			t.Fatal(err)
		}
		if err := say(s.grandmas, 0, strings.Repeat("é", 5000)); err != nil {
			t.Fatal(err)
		}
		if err := say(s.grandmas, 0, " \n\u202e "); err != nil || len(s.words(s.ann)) != 2 {
			t.Errorf("nothing said: %v, %d", err, len(s.words(s.ann)))
		}
		for name, err := range map[string]error{"the public link": say(s.public, 0, "moi"), "a photo that is not": say(s.bob, ps[0].ID+12345, "moi"),
			"no link": say("", 0, "moi")} {
			if !mail.Is(err, mail.Policy) && !mail.Is(err, mail.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		h.Settle()
		ws := s.words(s.bob)
		if len(ws) != 2 || len([]rune(ws[0].Text)) != 2000 || ws[1].Text != "Très beau !\n\n<b>" || ws[1].Name != "mamie" {
			t.Fatalf("words: %.200v", ws)
		}
		// A guest takes back their own, the owner any.
		if err := h.Albums.RemoveComment(t.Context(), link.Visit{Token: s.bob}, ws[0].ID); !mail.Is(err, mail.NotFound) {
			t.Errorf("another guest took it back: %v", err)
		}
		if err := h.Albums.RemoveComment(t.Context(), link.Visit{Token: s.public}, ws[0].ID); !mail.Is(err, mail.NotFound) {
			t.Errorf("nobody in particular took it back: %v", err)
		}
		for token, w := range map[link.Token]album.Comment{s.grandmas: ws[0], s.ann: ws[1]} {
			if err := h.Albums.RemoveComment(t.Context(), link.Visit{Token: token}, w.ID); err != nil {
				t.Errorf("removed: %v", err)
			}
		}
		if len(s.words(s.bob)) != 0 {
			t.Error("words are left")
		}
		// Nobody fills an album with words.
		for i := range 60 {
			if err := say(s.bob, 0, strings.Repeat("a", i+1)); err != nil {
				t.Fatalf("word %d: %v", i, err)
			}
		}
		if err := say(s.bob, 0, "one more"); !mail.Is(err, mail.TooMany) {
			t.Errorf("one more: %v", err)
		}
		if err := say(s.grandmas, 0, "Moi aussi"); err != nil {
			t.Errorf("another guest: %v", err)
		}
	})
}

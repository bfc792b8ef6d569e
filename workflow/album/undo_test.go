package album_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/workflowtest"
)

func TestRecallOfAReceiptTakesOffWhatThatMailBrought(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		more := lake(t)
		more.Files = []workflowtest.File{{Name: "IMG_7.JPG", Type: "image/jpeg", Bytes: photo(t, 330, 200)}}
		h.Send(more)
		second := h.One(workflowtest.Ann.Address)
		say := func(to workflowtest.Sent, text string) workflowtest.Sent {
			t.Helper()
			h.Send(workflowtest.Mail{To: []string{to.Header.Get("Reply-To")}, Subject: "Re: " + to.Subject, Text: text,
				Header: "In-Reply-To: " + to.Header.Get("Message-Id") + "\r\n"})
			return h.One(workflowtest.Ann.Address)
		}
		got := say(second, "RAPPELER\n\n> Une photo a rejoint")
		if !strings.Contains(got.Text, "une photo de l'album") || !strings.Contains(got.Text, "restent") {
			t.Errorf("confirmation:\n%s", got.Text)
		}
		if _, ps := seen(t, h, s.bob); len(ps) != 2 || ps[0].Name == "IMG_7.JPG" || ps[1].Name == "IMG_7.JPG" {
			t.Errorf("left: %+v", ps)
		}
		// A reply to the confirmation is about the album.
		if got = say(got, "RAPPELER"); !strings.Contains(got.Text, "PROLONGER") {
			t.Errorf("confirmation:\n%s", got.Text)
		}
		gone(t, h, "recalled", s.bob, s.public, s.grandmas)
		say(s.receipt, "PROLONGER")
		// The first mail brought all that is left: with its photos the album goes.
		if got = say(s.receipt, "RAPPELER"); !strings.Contains(got.Text, "PROLONGER") {
			t.Errorf("confirmation:\n%s", got.Text)
		}
		gone(t, h, "recalled", s.bob)
	})
}

func TestAlbumOfATakenNameComesBackWithANumber(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		first := s.view(s.ann)
		if err := h.Albums.Recall(t.Context(), first.ID, link.Member(workflowtest.Ann.ID)); err != nil {
			t.Fatal(err)
		}
		h.Send(lake(t))
		h.Mails(workflowtest.Ann.Address)
		h.Send(workflowtest.Mail{To: []string{s.receipt.Header.Get("Reply-To")}, Subject: "Re:", Text: "PROLONGER"})
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "rétabli") {
			t.Errorf("brought back:\n%s", got.Text)
		}
		if v := s.view(s.bob); v.Name != "Vacances (2)" || v.Count != 2 {
			t.Errorf("%+v", v)
		}
	})
}

func TestAlbumEndsAfterItsLastDayAndItsOwnerIsTold(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		v := s.view(s.ann)
		if err := h.Albums.Expire(t.Context(), v.ID, link.Holder(v.Link), h.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		sweep := func() {
			t.Helper()
			if _, err := h.Albums.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.Settle()
		}
		sweep()
		s.view(s.bob)
		h.Move(time.Hour)
		gone(t, h, "expired", s.bob, s.public, s.grandmas) // before any sweep
		h.Move(album.Grace)
		sweep()
		sweep()
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "PROLONGER") {
			t.Errorf("told:\n%s", got.Text)
		}
		// Grace runs from when its owner was told.
		h.Move(album.Grace - time.Hour)
		sweep()
		if v := s.view(s.ann); !v.Over || v.Count != 2 {
			t.Errorf("before the grace is over: %+v", v)
		}
		h.Move(2 * time.Hour)
		sweep()
		gone(t, h, "swept", s.ann)
		if n := h.Count(`SELECT COUNT(*) FROM blob`); n != 0 {
			t.Errorf("%d blobs are left", n)
		}
	})
}

// What is taken away is gone for guests at the next request, in every form, and
// for answers that are under way.
func TestRevokedIsGoneAtOnceInEveryForm(t *testing.T) {
	ann := link.Member(workflowtest.Ann.ID)
	for name, change := range map[string]func(s *shared, v *album.View, id album.PhotoID) error{
		"the photo is taken off": func(s *shared, v *album.View, id album.PhotoID) error {
			return s.Albums.RemovePhoto(s.t.Context(), v.ID, id, ann)
		},
		"the guest": func(s *shared, v *album.View, _ album.PhotoID) error {
			return s.Albums.RevokeGuest(s.t.Context(), v.ID, ann, s.bobs.ID)
		},
		"recalled": func(s *shared, v *album.View, _ album.PhotoID) error {
			return s.Albums.Recall(s.t.Context(), v.ID, ann)
		},
		"the folder is deleted": func(s *shared, v *album.View, _ album.PhotoID) error {
			return s.DB.Write(s.t.Context(), func(tx *store.Tx) error { return s.Albums.EndIn(s.t.Context(), tx, v.ID) })
		},
		"a password": func(s *shared, v *album.View, _ album.PhotoID) error {
			return s.Albums.SetRules(s.t.Context(), v.ID, ann, link.Rules{Password: "argon2id"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *workflowtest.House) {
				s := share(t, h)
				v, ps := seen(t, h, s.bob)
				id, by := ps[0].ID, link.Visit{Token: s.bob}
				forms := []album.Form{album.Small, album.Medium, album.Large, album.SmallW, album.MediumW, album.LargeW, album.Clean, album.FilmMP4, album.Source, "moving", "", "../source"}
				for _, f := range forms[:7] {
					if _, err := h.Albums.Photo(t.Context(), by, id, f); err != nil {
						t.Fatalf("%s before: %v", f, err)
					}
				}
				if err := change(s, v, id); err != nil {
					t.Fatal(err)
				}
				refused := func(what string, err error) {
					t.Helper()
					var locked *link.Locked
					if !mail.Is(err, mail.NotFound) && !errors.As(err, &locked) {
						t.Errorf("%s: %v", what, err)
					}
				}
				for _, f := range forms {
					_, err := h.Albums.Photo(t.Context(), by, id, f)
					refused(fmt.Sprintf("form %q", f), err)
				}
				refused("Still", h.Albums.Still(t.Context(), by, id))
				refused("Comment", h.Albums.Comment(t.Context(), by, id, "moi"))
				if name == "the photo is taken off" {
					if all, _, err := h.Albums.All(t.Context(), by); err != nil || len(all) != 1 {
						t.Errorf("all: %v, %d", err, len(all))
					}
					if err := h.Albums.RestorePhoto(t.Context(), v.ID, id, ann); err != nil {
						t.Error(err)
					}
					if _, err := h.Albums.Photo(t.Context(), by, id, album.Large); err != nil {
						t.Errorf("brought back: %v", err)
					}
					return
				}
				_, _, err := h.Albums.All(t.Context(), by)
				refused("All", err)
				refused("Still of all", h.Albums.Still(t.Context(), by, 0))
			})
		})
	}
}

func TestOnlyTheOwnerChangesAnAlbum(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		v, ps := seen(t, h, s.ann)
		id := ps[0].ID
		other := lake(t)
		other.User, other.To = workflowtest.Bob, []string{"album+autre@home.test"}
		h.Send(other)
		theirs := s.view(h.One(workflowtest.Bob.Address).Tokens()[1])
		for name, by := range map[string]link.Caller{"nobody": {}, "a guest": link.Holder(s.bobs), "another member": link.Member(workflowtest.Bob.ID),
			"the owner of another album": link.Holder(theirs.Link), "the public link": link.Holder(s.view(s.public).Link)} {
			for what, err := range map[string]error{
				"RemovePhoto":  h.Albums.RemovePhoto(t.Context(), v.ID, id, by),
				"RestorePhoto": h.Albums.RestorePhoto(t.Context(), v.ID, id, by),
				"SetCaption":   h.Albums.SetCaption(t.Context(), v.ID, id, by, "moi"),
				"Invite":       h.Albums.Invite(t.Context(), v.ID, by, []album.Guest{{Address: mail.MustAddress("eve@far.test")}}),
				"RevokeGuest":  h.Albums.RevokeGuest(t.Context(), v.ID, by, s.bobs.ID),
				"SetPublic":    h.Albums.SetPublic(t.Context(), v.ID, by, false),
				"SetRules":     h.Albums.SetRules(t.Context(), v.ID, by, link.Rules{Place: true}),
				"Expire":       h.Albums.Expire(t.Context(), v.ID, by, h.Now()),
				"Recall":       h.Albums.Recall(t.Context(), v.ID, by),
				"Restore":      h.Albums.Restore(t.Context(), v.ID, by),
			} {
				if !mail.Is(err, mail.NotFound) {
					t.Errorf("%s: %s: %v", name, what, err)
				}
			}
		}
		// Nor does the owner of one album change another's photos and guests by it.
		for what, err := range map[string]error{
			"RemovePhoto": h.Albums.RemovePhoto(t.Context(), theirs.ID, id, link.Holder(theirs.Link)),
			"SetCaption":  h.Albums.SetCaption(t.Context(), theirs.ID, id, link.Holder(theirs.Link), "moi"),
			"RevokeGuest": h.Albums.RevokeGuest(t.Context(), theirs.ID, link.Holder(theirs.Link), s.bobs.ID),
		} {
			if !mail.Is(err, mail.NotFound) {
				t.Errorf("by another album: %s: %v", what, err)
			}
		}
		h.Settle()
		h.None()
	})
}

func TestPublicLinkIsTurnedOffAndIsAnotherOneWhenOnAgain(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		v := s.view(s.ann)
		set := func(on bool) *album.View {
			t.Helper()
			if err := h.Albums.SetPublic(t.Context(), v.ID, link.Holder(v.Link), on); err != nil {
				t.Fatal(err)
			}
			return s.view(s.ann)
		}
		if now := set(false); now.Share != "" {
			t.Errorf("still there: %s", now.Share)
		}
		gone(t, h, "off", s.public)
		more := lake(t)
		more.Files = []workflowtest.File{{Name: "IMG_7.JPG", Type: "image/jpeg", Bytes: photo(t, 330, 200)}}
		h.Send(more) // does not turn it on again
		if got := h.One(workflowtest.Ann.Address); len(got.Tokens()) != 1 || got.Tokens()[0] != s.ann {
			t.Errorf("a receipt with the links %v", got.Tokens())
		}
		now := set(true)
		if now.Share == "" || now.Share == s.public {
			t.Error("the old link opens again")
		}
		s.view(now.Share)
		gone(t, h, "off", s.public)
		s.view(s.bob)
	})
}

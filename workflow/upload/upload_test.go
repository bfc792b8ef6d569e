package upload_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net/mail"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	cmail "colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/workflow/link"
	"colporteur/workflow/upload"
	"colporteur/workflow/workflowtest"
)

type house struct {
	*workflowtest.House
	t         *testing.T
	pass, own link.Visit
}

// each is a house in which Ann has a place.
func each(t *testing.T, f func(t *testing.T, h *house)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &house{House: workflowtest.New(t, db), t: t}
		h.pass, h.own = h.place("Fête")
		f(t, h)
	})
}

func (h *house) place(title string) (pass, own link.Visit) {
	h.t.Helper()
	h.Send(workflowtest.Mail{To: []string{"depot@home.test"}, Subject: title, Text: "Bonjour.\n"})
	ts := h.One(workflowtest.Ann.Address).Tokens()
	return link.Visit{Token: ts[0]}, link.Visit{Token: ts[1]}
}

func (h *house) announce(n int64) upload.Secret {
	h.t.Helper()
	_, k, err := h.Places.Announce(h.t.Context(), h.pass, upload.Announced{Length: n, Name: "a.bin"})
	if err != nil {
		h.t.Fatal(err)
	}
	return k
}

func (h *house) files() int { return h.Count(`SELECT count(*) FROM blob`) }

func TestTheSameMailTwiceOpensOnePlace(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m := workflowtest.Mail{To: []string{"collect@home.test"}, Subject: "Re: Les comptes", Text: "Vos comptes.\n", MessageID: "same@x"}
		h.Send(m)
		h.Send(m)
		if a := h.One(workflowtest.Ann.Address); a.Subject == "" || len(a.Tokens()) != 2 {
			t.Errorf("the answer: %s\n%s", a.Subject, a.Text)
		}
		if n := h.Count(`SELECT count(*) FROM place`); n != 2 {
			t.Errorf("%d places, want this one and the first", n)
		}
	})
}

func TestAnAutomaticMailOpensNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Send(workflowtest.Mail{To: []string{"depot@home.test"}, Subject: "Absent", Header: "Auto-Submitted: auto-replied\r\n"})
		h.None()
		if n := h.Count(`SELECT count(*) FROM place`); n != 1 {
			t.Errorf("%d places", n)
		}
	})
}

func TestOwnerExtendsAndClosesByReply(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Send(workflowtest.Mail{To: []string{"depot@home.test"}, Subject: "Le film"})
		m := h.One(workflowtest.Ann.Address)
		at, err := mail.ParseAddress(m.Header.Get("Reply-To"))
		if err != nil {
			t.Fatal(err)
		}
		visit := link.Visit{Token: m.Tokens()[0]}
		say := func(word string) string {
			h.Send(workflowtest.Mail{To: []string{at.Address}, Subject: "Re: Le film", Text: word + "\n"})
			return h.One(workflowtest.Ann.Address).Text
		}
		h.Move(25 * 24 * time.Hour)
		say("PROLONGER")
		h.Move(20 * 24 * time.Hour)
		if v, err := h.Places.Open(t.Context(), visit); err != nil || v.Title != "Le film" {
			t.Errorf("after PROLONGER: %+v, %v", v, err)
		}
		say("RAPPELER")
		if _, err := h.Places.Open(t.Context(), visit); !cmail.Is(err, cmail.NotFound) {
			t.Errorf("after RAPPELER: %v, want NotFound", err)
		}
		say("PROLONGER") // says that it is over, and opens nothing
		if _, err := h.Places.Open(t.Context(), visit); !cmail.Is(err, cmail.NotFound) {
			t.Errorf("after another PROLONGER: %v, want NotFound", err)
		}
	})
}

func TestWhatABrokenConnectionBroughtUnderAChecksumIsNotKept(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		k := h.announce(200_000)
		before := h.files()
		body := bytes.Repeat([]byte("abcd"), 50_000)
		sum := sha256.Sum256(body)
		broken := errors.New("the line broke")
		for name, c := range map[string]struct {
			r    io.Reader
			want error
		}{
			"broken": {io.MultiReader(bytes.NewReader(body[:150_000]), iotest.ErrReader(broken)), broken},
			"short":  {bytes.NewReader(body[:150_000]), upload.ErrChecksum},
		} {
			_, err := h.Places.Receive(t.Context(), h.pass, k, 0, c.r, &upload.Checksum{Algorithm: "sha256", Sum: sum[:]})
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if u, err := h.Places.Get(t.Context(), h.pass, k); err != nil || u.Received != 0 || h.files() != before {
				t.Errorf("%s: %+v, %v, %d blobs", name, u, err, h.files()-before)
			}
		}
		u, err := h.Places.Receive(t.Context(), h.pass, k, 0, bytes.NewReader(body), &upload.Checksum{Algorithm: "sha256", Sum: sum[:]})
		if err != nil || !u.Whole() || u.SHA256 != fmt.Sprintf("%x", sum) {
			t.Errorf("at last: %+v, %v", u, err)
		}
	})
}

func TestWhatASenderWhoWentAwayBroughtIsKept(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		k := h.announce(200_000)
		ctx, cancel := context.WithCancel(t.Context())
		gone := errors.New("gone")
		r := io.MultiReader(bytes.NewReader(make([]byte, 150_000)), readerFunc(func([]byte) (int, error) { cancel(); return 0, gone }))
		if _, err := h.Places.Receive(ctx, h.pass, k, 0, r, nil); !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
		if u, err := h.Places.Get(t.Context(), h.pass, k); err != nil || u.Received != 150_000 {
			t.Errorf("kept %+v, %v; want 150000 bytes", u, err)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestPlaceClosedWhileAFileComesKeepsNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		before := h.files()
		k := h.announce(200_000)
		r := io.MultiReader(bytes.NewReader(make([]byte, 100_000)), readerFunc(func([]byte) (int, error) {
			if err := h.Places.Close(t.Context(), h.own); err != nil {
				t.Error(err)
			}
			return 0, io.EOF
		}))
		if _, err := h.Places.Receive(t.Context(), h.pass, k, 0, r, nil); !cmail.Is(err, cmail.NotFound) {
			t.Errorf("got %v, want NotFound", err)
		}
		if n := h.files() - before; n != 0 {
			t.Errorf("%d blobs are left", n)
		}
	})
}

func TestSweepKeepsWhatIsOnItsWayAndForgetsTheRest(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		whole, half := h.announce(100_000), h.announce(100_000)
		for k, n := range map[upload.Secret]int{whole: 100_000, half: 60_000} {
			if _, err := h.Places.Receive(t.Context(), h.pass, k, 0, bytes.NewReader(make([]byte, n)), nil); err != nil {
				t.Fatal(err)
			}
		}
		h.Move(23 * time.Hour)
		if _, err := h.Places.Receive(t.Context(), h.pass, half, 60_000, bytes.NewReader(make([]byte, 10)), nil); err != nil {
			t.Fatal(err)
		}
		h.Move(2 * time.Hour)
		// The sweeper of bytes runs too: what is 25 hours old and named stays.
		if n, err := h.Places.Sweep(t.Context()); err != nil || n != 1 {
			t.Errorf("swept %d, %v; want the whole one that nobody handed in", n, err)
		}
		if _, err := h.Blobs.Sweep(t.Context(), 24*time.Hour); err != nil {
			t.Fatal(err)
		}
		u, err := h.Places.Receive(t.Context(), h.pass, half, 60_010, bytes.NewReader(make([]byte, 39_990)), nil)
		if err != nil || !u.Whole() {
			t.Errorf("the one that still comes: %+v, %v", u, err)
		}
		if want := fmt.Sprintf("%x", sha256.Sum256(make([]byte, 100_000))); u.SHA256 != want || fmt.Sprintf("%x", sha256.Sum256(h.Read(u.Blob))) != want {
			t.Errorf("its bytes are not those that were sent")
		}
		h.Move(65 * 24 * time.Hour)
		for range 2 { // uploads first, then their place
			if _, err := h.Places.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := h.Count(`SELECT count(*) FROM place`) + h.Count(`SELECT count(*) FROM upload`) + h.Count(`SELECT count(*) FROM blob_piece`); n != 0 {
			t.Errorf("%d rows are left after all", n)
		}
	})
}

func TestPlaceGoesWithItsAccount(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		k := h.announce(100)
		err := h.DB.Write(t.Context(), func(tx *store.Tx) error { return h.Places.Removed(t.Context(), tx, workflowtest.Ann.Account) })
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []link.Visit{h.pass, h.own} {
			if _, err := h.Places.Open(t.Context(), v); !cmail.Is(err, cmail.NotFound) {
				t.Errorf("Open: %v", err)
			}
		}
		if _, err := h.Places.Get(t.Context(), h.pass, k); !cmail.Is(err, cmail.NotFound) {
			t.Errorf("Get: %v", err)
		}
	})
}

// snapshot is a small picture.
func snapshot(t *testing.T) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsHandedInForAnAlbumJoinsIt(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		// A mail with a link to photos instead of photos is answered with a place.
		h.Send(workflowtest.Mail{To: []string{"album+vacances@home.test"}, Subject: "Photos", Text: "https://www.icloud.com/attachment/?u=abc\n"})
		m := h.One(workflowtest.Ann.Address)
		if len(m.Tokens()) != 1 {
			t.Fatalf("the answer has the links %v\n%s", m.Tokens(), m.Text)
		}
		at := link.Visit{Token: m.Tokens()[0]}
		v, err := h.Places.Open(t.Context(), at)
		if err != nil || v.Album == 0 || v.Manage {
			t.Fatalf("the place: %+v, %v", v, err)
		}
		photo := snapshot(t)
		before := h.files()
		give := func(once string) {
			g := &upload.Gift{Once: once, Giver: "Mamie", Message: "Bonjour à tous"}
			for _, f := range []upload.Given{{Name: "IMG_1.jpg", Type: "image/jpeg"}, {Name: "lisez-moi.txt", Type: "text/plain"}} {
				body := photo
				if f.Type == "text/plain" {
					body = []byte("pas une photo")
				}
				ref, err := h.Blobs.Put(t.Context(), body)
				if err != nil {
					t.Fatal(err)
				}
				f.Size, f.Blob, f.Ref, f.SHA256 = int64(len(body)), ref.ID, &ref, fmt.Sprintf("%x", sha256.Sum256(body))
				g.Files = append(g.Files, f)
			}
			if d, err := h.Places.Give(t.Context(), at, g); err != nil || d.Files != 2 || d.Share != "" {
				t.Fatalf("%+v, %v", d, err)
			}
			h.Settle()
		}
		give("1")
		give("1")
		if n := h.Count(`SELECT count(*) FROM photo WHERE by_name = 'Mamie'`); n != 1 {
			t.Errorf("%d photos by Mamie, want one", n)
		}
		h.Move(24 * time.Hour) // the second news of a day waits for the digest
		h.Settle()
		told := map[string]bool{}
		for _, m := range h.Mails(workflowtest.Ann.Address) {
			told[m.Subject] = true
			if strings.Contains(m.Text, "n'ont pas pu le rejoindre") {
				told["unfit"] = true
			}
			if strings.Contains(m.Text, "Mamie") && strings.Contains(m.Text, "Bonjour à tous") {
				told["joined"] = true
			}
		}
		if !told["unfit"] || !told["joined"] {
			t.Errorf("the owner was told %v", told)
		}
		give("2") // the same picture again
		if n := h.Count(`SELECT count(*) FROM photo`); n != 1 {
			t.Errorf("%d photos, want one", n)
		}
		if n := h.Count(`SELECT count(*) FROM album_handed`) + h.Count(`SELECT count(*) FROM transfer`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		if n := h.Count(`SELECT count(*) FROM photo_form`) + before - h.files(); n != 0 {
			t.Errorf("%d forms, but %d blobs came: what is no photo stays", h.Count(`SELECT count(*) FROM photo_form`), h.files()-before)
		}
	})
}

func TestOwnersQuotaBoundsWhatComes(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Places.Room = func(context.Context, *upload.Place) (int64, error) { return 1000, nil }
		h.announce(600)
		if _, _, err := h.Places.Announce(t.Context(), h.pass, upload.Announced{Length: 401}); !cmail.Is(err, cmail.OverQuota) {
			t.Errorf("got %v, want OverQuota", err)
		}
		ref, err := h.Blobs.Put(t.Context(), make([]byte, 401))
		if err != nil {
			t.Fatal(err)
		}
		g := &upload.Gift{Files: []upload.Given{{Name: "a", Size: 401, Blob: ref.ID, Ref: &ref}}}
		if _, err := h.Places.Give(t.Context(), h.pass, g); !cmail.Is(err, cmail.OverQuota) {
			t.Errorf("by the form: %v, want OverQuota", err)
		}
	})
}

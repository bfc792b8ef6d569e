package album_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"strings"
	"testing"
	"time"

	_ "golang.org/x/image/webp"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/picture"
	"colporteur/workflow/workflowtest"
)

var mamie = mail.MustAddress("mamie@far.test")

func each(t *testing.T, f func(t *testing.T, h *workflowtest.House)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, workflowtest.New(t, db)) })
}

// plain is each where the photos are pictures of nothing in particular and Go
// alone makes their sizes: libvips is some ten processes for each.
func plain(t *testing.T, f func(t *testing.T, h *workflowtest.House)) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Albums.Pictures = &picture.Maker{Dir: h.Pictures, Tool: "none", Films: "none", Hurry: true}
		f(t, h)
	})
}

const place = "GPSPLACE-48.0742"

// photo is a JPEG with a place in a comment and behind its end, and an EXIF
// block that has it turned by orientation 6.
func photo(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = 0xff
	}
	img.Set(1, 1, color.Black)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00" + place
	j := b.Bytes()
	out := append([]byte{}, j[:2]...)
	out = append(append(out, 0xff, 0xe1, 0, byte(len(exif)+2)), exif...)
	return append(append(out, j[2:]...), place...)
}

// seen is an album and its photos as a link shows them.
func seen(t testing.TB, h *workflowtest.House, token link.Token) (*album.View, []album.Photo) {
	t.Helper()
	v, err := h.Albums.Open(t.Context(), link.Visit{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	ps, err := h.Albums.Page(t.Context(), v, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return v, ps
}

func gone(t testing.TB, h *workflowtest.House, why string, tokens ...link.Token) {
	t.Helper()
	for _, token := range tokens {
		if v, err := h.Albums.Open(t.Context(), link.Visit{Token: token}); !mail.Is(err, mail.NotFound) {
			t.Errorf("%s: a link still opens: %+v, %v", why, v, err)
		}
	}
}

func lake(t *testing.T) workflowtest.Mail {
	return workflowtest.Mail{To: []string{"album+Vacances@home.test"}, Subject: "Le lac", Files: []workflowtest.File{
		{Name: "IMG_1.JPG", Type: "image/jpeg", Bytes: photo(t, 600, 400)},
		{Name: "IMG_2.jpeg", Type: "application/octet-stream", Bytes: photo(t, 500, 300)},
	}}
}

func TestPhotoMailBecomesAnAlbum(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		m := lake(t)
		m.To = append(m.To, "mamie@far.test")
		h.Send(m)
		got := h.One(workflowtest.Ann.Address)
		if got.Subject != "Votre album\u00a0: Vacances" || !strings.Contains(got.Text, "2 photos ont rejoint votre album Vacances") || !strings.Contains(got.Text, "mamie@far.test reçoit un lien personnel") {
			t.Errorf("receipt: %s\n%s", got.Subject, got.Text)
		}
		invited := h.One(mamie)
		if invited.Subject != "Ann Petit partage un album avec vous\u00a0: Vacances" || len(invited.Tokens()) != 1 {
			t.Errorf("invitation: %s\n%s", invited.Subject, invited.Text)
		}
		for i, token := range append(got.Tokens(), invited.Tokens()...) {
			v, ps := seen(t, h, token)
			if v.Name != "Vacances" || v.From != "Ann Petit" || len(ps) != 2 || v.Count != 2 || v.Manage != (i == 1) {
				t.Fatalf("link %d: %+v, %d photos", i, v, len(ps))
			}
			if p := ps[0]; p.Name != "IMG_1.JPG" || p.Width != 400 || p.Height != 600 || len(p.Hash) == 0 || !p.Finished {
				t.Errorf("photo: %+v; want it turned, hashed, finished", p)
			}
			for _, form := range []album.Form{album.Small, album.Medium, album.Large, album.SmallW, album.MediumW, album.LargeW, album.Clean} {
				f, err := h.Albums.Photo(t.Context(), link.Visit{Token: token}, ps[0].ID, form)
				if err != nil || f.Form != form {
					t.Fatalf("photo %s: %+v, %v", form, f, err)
				}
				b := h.Read(f.Blob)
				if cfg, _, err := image.DecodeConfig(bytes.NewReader(b)); err != nil || cfg.Width > cfg.Height || bytes.Contains(b, []byte(place)) {
					t.Errorf("%s: %+v, %v, place %v", form, cfg, err, bytes.Contains(b, []byte(place)))
				}
			}
			source, err := h.Albums.Photo(t.Context(), link.Visit{Token: token}, ps[0].ID, album.Source)
			switch {
			case i != 1 && !mail.Is(err, mail.NotFound):
				t.Errorf("link %d gets the source: %v", i, err)
			case i == 1 && (err != nil || !bytes.Equal(h.Read(source.Blob), m.Files[0].Bytes)):
				t.Errorf("the owner's original is not what was sent: %v", err)
			}
			if _, err := h.Albums.Photo(t.Context(), link.Visit{Token: token}, ps[0].ID+1, album.Small); !mail.Is(err, mail.NotFound) {
				t.Errorf("a photo that is not: got %v, want NotFound", err)
			}
		}
		h.None()
		// The mail itself is gone: what is left are the owner's originals and what
		// was made of them.
		if n := h.Count(`SELECT COUNT(*) FROM message`); n != 0 {
			t.Errorf("%d mails are kept", n)
		}
		if n := h.Count(`SELECT COUNT(*) FROM blob`); n != 2*8 {
			t.Errorf("%d blobs for two photos in eight forms", n)
		}
		if left, err := os.ReadDir(h.Pictures); err != nil || len(left) > 0 {
			t.Errorf("left in the pictures' folder: %v, %v", left, err)
		}
	})
}

func TestMorePhotosJoinTheAlbumOfThatName(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		m := lake(t)
		m.MessageID = "first@phone.test"
		m.To = append(m.To, "mamie@far.test")
		h.Send(m)
		first, mamies := h.One(workflowtest.Ann.Address), h.One(mamie)
		h.Send(m) // W-02
		h.None()

		more := lake(t)
		more.Files[0].Bytes, more.Files[1].Bytes = photo(t, 610, 400), photo(t, 510, 300)
		more.To = []string{"ALBUM-vacances@home.test", "mamie@far.test", "jean@far.test"}
		h.Send(more)
		second := h.One(workflowtest.Ann.Address)
		if first.Tokens()[0] != second.Tokens()[0] || first.Tokens()[1] != second.Tokens()[1] || first.Header.Get("Reply-To") != second.Header.Get("Reply-To") {
			t.Error("the album's links changed")
		}
		news := h.One(mamie)
		if news.Tokens()[0] != mamies.Tokens()[0] || !strings.Contains(news.Text, "a ajouté 2 photos") {
			t.Errorf("news:\n%s", news.Text)
		}
		h.One(mail.MustAddress("jean@far.test"))
		h.None()
		if v, ps := seen(t, h, news.Tokens()[0]); len(ps) != 4 || v.Name != "Vacances" {
			t.Errorf("%+v, %d photos", v, len(ps))
		}

		// The same bytes by another mail are the same photos.
		again := lake(t)
		again.MessageID = "again@phone.test"
		h.Send(again)
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "inchangé") {
			t.Errorf("the receipt of photos that were there:\n%s", got.Text)
		}
		if _, ps := seen(t, h, news.Tokens()[0]); len(ps) != 4 {
			t.Errorf("%d photos, want 4", len(ps))
		}

		bob := lake(t)
		bob.User = workflowtest.Bob
		h.Send(bob)
		if v, ps := seen(t, h, h.One(workflowtest.Bob.Address).Tokens()[1]); len(ps) != 2 {
			t.Errorf("another member's album of that name: %+v", v)
		}
	})
}

func TestFilesThatAreNoPhotosAreNamed(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		good := photo(t, 60, 40)
		m := workflowtest.Mail{To: []string{"album+lac@home.test"}, Files: []workflowtest.File{
			{Name: "notes.txt", Type: "text/plain", Bytes: []byte("not a picture")},
			{Name: "cassée.jpg", Type: "image/jpeg", Bytes: good[:len(good)/2]},
			{Name: "bombe.png", Type: "image/png", Bytes: bomb()},
			{Name: "dessin.svg", Type: "image/svg+xml", Bytes: []byte("<svg/>")},
			{Name: "abîmée.jpg", Type: "image/jpeg", Base64: "/9j/4AAQSkZJRg$$$$ABAQAAAQ!"},
			{Name: "bonne.jpg", Type: "image/jpeg", Bytes: good},
		}}
		h.Send(m)
		got := h.One(workflowtest.Ann.Address)
		for _, s := range []string{"Une photo a rejoint", "notes.txt", "4 images", "cassée.jpg\n  L'image n'a pas pu être lue", "bombe.png\n  L'image est trop grande",
			"dessin.svg\n  Ce genre d'image", "abîmée.jpg\n  Le fichier est arrivé abîmé"} {
			if !strings.Contains(got.Text, s) {
				t.Errorf("the receipt lacks %q:\n%s", s, got.Text)
			}
		}
		if _, ps := seen(t, h, got.Tokens()[0]); len(ps) != 1 || ps[0].Name != "bonne.jpg" {
			t.Errorf("%+v", ps)
		}

		m.Files = m.Files[:3]
		h.Send(m)
		got = h.One(workflowtest.Ann.Address)
		if len(got.Tokens()) != 0 || !strings.Contains(got.Text, "Aucune photo") || !strings.Contains(got.Text, "cassée.jpg") {
			t.Errorf("nothing usable:\n%s", got.Text)
		}
		if n := h.Count(`SELECT COUNT(*) FROM message`); n != 0 {
			t.Errorf("%d mails are kept", n)
		}
		m.Files = nil
		m.To = []string{"album+vide@home.test"}
		h.Send(m)
		h.One(workflowtest.Ann.Address)
		if n := h.Count(`SELECT COUNT(*) FROM album`); n != 1 {
			t.Errorf("%d albums, want one", n)
		}
	})
}

// bomb says that it is a PNG of 65535 by 65535 pixels.
func bomb() []byte {
	var b bytes.Buffer
	png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1)))
	p := b.Bytes()
	copy(p[16:24], "\x00\x00\xff\xff\x00\x00\xff\xff")
	// The checksum of the header, so that it is the dimensions that are refused.
	copy(p[29:33], crc(p[12:29]))
	return p
}

func TestReplyTakesTheAlbumOff(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		m := lake(t)
		m.To = append(m.To, "mamie@far.test")
		h.Send(m)
		receipt, guest := h.One(workflowtest.Ann.Address), h.One(mamie)
		say := func(u mail.User, text string) {
			h.Send(workflowtest.Mail{User: u, To: []string{receipt.Header.Get("Reply-To")}, Subject: "Re: " + receipt.Subject, Text: text})
		}
		for text, want := range map[string]string{"PROLONGER": "pas de date de fin", "AIDE": "d'un mot", "Merci": "pas compris", "STOP": "plus de l'activité"} {
			say(workflowtest.Ann, text)
			if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, want) {
				t.Errorf("%s: want %q in\n%s", text, want, got.Text)
			}
		}
		say(workflowtest.Bob, "RECALL")
		h.One(workflowtest.Bob.Address)
		if _, err := h.Albums.Open(t.Context(), link.Visit{Token: guest.Tokens()[0]}); err != nil {
			t.Fatalf("Bob took it off: %v", err)
		}
		say(workflowtest.Ann, "RAPPELER")
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "C'est retiré") {
			t.Errorf("confirmation:\n%s", got.Text)
		}
		gone(t, h, "recalled", receipt.Tokens()[0], guest.Tokens()[0])
		if v, _ := seen(t, h, receipt.Tokens()[1]); !v.Over {
			t.Error("its owner is not told that it is over")
		}
		// Its owner brings it back, and takes it off for good.
		say(workflowtest.Ann, "PROLONGER")
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "rétabli") {
			t.Errorf("brought back:\n%s", got.Text)
		}
		seen(t, h, guest.Tokens()[0])
		say(workflowtest.Ann, "RAPPELER")
		h.One(workflowtest.Ann.Address)
		h.Move(album.Grace + time.Hour)
		if n, err := h.Albums.Sweep(t.Context()); n != 1 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
		gone(t, h, "swept", append(receipt.Tokens(), guest.Tokens()...)...)
		for _, q := range []string{`SELECT COUNT(*) FROM photo_form`, `SELECT COUNT(*) FROM photo`, `SELECT COUNT(*) FROM album_mail`, `SELECT COUNT(*) FROM album WHERE name <> '' OR sender <> '' OR ended = 0`} {
			if n := h.Count(q); n != 0 {
				t.Errorf("%s: %d", q, n)
			}
		}
		// The name is free again.
		h.Send(lake(t))
		if v, ps := seen(t, h, h.One(workflowtest.Ann.Address).Tokens()[0]); len(ps) != 2 {
			t.Errorf("a new album of that name: %+v", v)
		}
	})
}

func TestRecallFromPage(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		for range 2 { // an album of that name may come and go
			h.Send(lake(t))
			tokens := h.One(workflowtest.Ann.Address).Tokens()
			share, ps := seen(t, h, tokens[0])
			manage, _ := seen(t, h, tokens[1])
			for name, by := range map[string]link.Caller{"the link to pass on": link.Holder(share.Link), "Bob": link.Member(workflowtest.Bob.ID), "nobody": {}} {
				if err := h.Albums.Recall(t.Context(), share.ID, by); !mail.Is(err, mail.NotFound) {
					t.Errorf("%s: got %v, want NotFound", name, err)
				}
			}
			if err := h.Albums.Recall(t.Context(), manage.ID, link.Holder(manage.Link)); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Albums.Photo(t.Context(), link.Visit{Token: tokens[0]}, ps[0].ID, album.Small); !mail.Is(err, mail.NotFound) {
				t.Errorf("a photo is still found: %v", err)
			}
			h.Settle()
			h.One(workflowtest.Ann.Address)
		}
	})
}

// One mail, two programs: the transfer shares the bytes as they are, so the mail
// stays until the transfer goes.
func TestMailToAlbumAndTransferServesBoth(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		m := lake(t)
		m.To = []string{"album+lac@home.test", "envoi@home.test", "album+autre@home.test"}
		h.Send(m)
		got := h.Mails(workflowtest.Ann.Address)
		if len(got) != 3 {
			t.Fatalf("%d receipts, want three", len(got))
		}
		albums := 0
		for _, r := range got {
			if v, err := h.Albums.Open(t.Context(), link.Visit{Token: r.Tokens()[0]}); err == nil {
				albums++
				if v.Count != 2 {
					t.Errorf("%d photos in %s", v.Count, v.Name)
				}
				continue
			}
			v, err := h.Transfers.Open(t.Context(), link.Visit{Token: r.Tokens()[0]})
			if err != nil || len(v.Files) != 2 || !bytes.Contains(h.Read(v.Files[0].Blob), []byte(place)) {
				t.Errorf("transfer: %+v, %v", v, err)
			}
		}
		if albums != 2 {
			t.Errorf("%d albums, want two", albums)
		}
		// Two albums and nothing else: the last of them forgets the mail.
		m.To, m.MessageID = []string{"album+lac@home.test", "album+autre@home.test"}, "two@phone.test"
		before := h.Count(`SELECT COUNT(*) FROM message`)
		h.Send(m)
		if n := len(h.Mails(workflowtest.Ann.Address)); n != 2 {
			t.Errorf("%d receipts, want two", n)
		}
		if n := h.Count(`SELECT COUNT(*) FROM message`); n != before {
			t.Errorf("%d mails are kept, want %d", n, before)
		}
	})
}

func TestPhotoJobThatRunsTwiceHappensOnce(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		h.Twice = true
		m := lake(t)
		m.To = append(m.To, "mamie@far.test")
		h.Send(m)
		h.One(mamie)
		if v, ps := seen(t, h, h.One(workflowtest.Ann.Address).Tokens()[0]); len(ps) != 2 {
			t.Errorf("%+v", v)
		}
		h.None()
	})
}

func crc(b []byte) []byte {
	return binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b))
}

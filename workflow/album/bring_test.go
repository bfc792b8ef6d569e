package album_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/workflowtest"
)

// film makes a short QuickTime film that says where it was.
func film(t *testing.T, seconds string) []byte {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is missing: make deps installs it")
	}
	out := filepath.Join(t.TempDir(), "f.mov")
	if said, err := exec.CommandContext(t.Context(), ffmpeg, "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=10:duration="+seconds,
		"-c:v", "mpeg4", "-metadata", "location="+place, "-metadata", "com.apple.quicktime.location.ISO6709=+48.0742-001.0/", "-movflags", "use_metadata_tags", out).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, said)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFilmOfALivePhotoIsKeptWithItsStill(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		moving, alone := film(t, "2"), film(t, "3")
		m := workflowtest.Mail{To: []string{"album+vacances@home.test"}, Files: []workflowtest.File{
			{Name: "img_1.mov", Type: "video/quicktime", Bytes: moving},
			{Name: "IMG_1.JPG", Type: "image/jpeg", Bytes: photo(t, 600, 400)},
			{Name: "IMG_2.MOV", Type: "video/quicktime", Bytes: alone},
		}}
		h.Send(m)
		token := h.One(workflowtest.Ann.Address).Tokens()
		_, ps := seen(t, h, token[0])
		if len(ps) != 2 {
			t.Fatalf("%d photos, want the still and the other film", len(ps))
		}
		for _, p := range ps {
			if still := p.Name == "IMG_1.JPG"; still != (p.Film == 0) || !p.Plays || !p.Finished {
				t.Errorf("%+v", p)
			}
			for _, visit := range token {
				f, err := h.Albums.Photo(t.Context(), link.Visit{Token: visit}, p.ID, album.FilmMP4)
				if err != nil || f.MediaType != "video/mp4" {
					t.Fatalf("the film of %s: %+v, %v", p.Name, f, err)
				}
				if b := h.Read(f.Blob); bytes.Contains(b, []byte(place)) || bytes.Contains(b, []byte("48.0742")) {
					t.Errorf("the film of %s says where it was", p.Name)
				}
			}
			for _, visit := range token {
				if _, err := h.Albums.Photo(t.Context(), link.Visit{Token: visit}, p.ID, "moving"); !mail.Is(err, mail.NotFound) {
					t.Errorf("the film as it came: %v", err)
				}
			}
			f, err := h.Albums.Photo(t.Context(), link.Visit{Token: token[0]}, p.ID, album.Clean)
			if err != nil {
				t.Fatal(err)
			}
			if b := h.Read(f.Blob); bytes.Contains(b, []byte("48.0742")) {
				t.Errorf("the full size of %s says where it was", p.Name)
			}
		}
		if n := h.Count(`SELECT COUNT(*) FROM message`); n != 0 {
			t.Errorf("%d mails are kept", n)
		}
	})
}

func TestOwnerMayLetGuestsHaveThePlace(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		s := share(t, h)
		_, ps := seen(t, h, s.bob)
		says := func(f album.Form) bool {
			t.Helper()
			file, err := h.Albums.Photo(t.Context(), link.Visit{Token: s.bob}, ps[0].ID, f)
			if err != nil {
				t.Fatal(err)
			}
			return bytes.Contains(h.Read(file.Blob), []byte(place))
		}
		if says(album.Clean) {
			t.Fatal("before the owner wanted it")
		}
		s.rule(func(r *link.Rules) { r.Place = true })
		if !says(album.Clean) || says(album.Large) {
			t.Error("the owner wants guests to have what the camera wrote, in the full size")
		}
		if _, err := h.Albums.Photo(t.Context(), link.Visit{Token: s.bob}, ps[0].ID, album.Source); !mail.Is(err, mail.NotFound) {
			t.Errorf("the source by its own name: %v", err)
		}
		s.rule(func(r *link.Rules) { r.Place = false })
		if says(album.Clean) {
			t.Error("after the owner changed their mind")
		}
	})
}

func TestCaptionsComeFromTheMail(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		file := func(name string, w int) workflowtest.File {
			return workflowtest.File{Name: name, Type: "image/jpeg", Bytes: photo(t, w, 200)}
		}
		for name, c := range map[string]struct {
			text  string
			files []workflowtest.File
			want  []string
		}{
			"one":     {"Le lac au matin\n-- \nAnn", []workflowtest.File{file("IMG_1.JPG", 310)}, []string{"Le lac au matin"}},
			"phone":   {"Au lac\n\nEnvoyé de mon iPhone", []workflowtest.File{file("IMG_1.JPG", 310)}, []string{"Au lac"}},
			"several": {"Voici :\nimg_1: le lac\nIMG_2.JPG : la forêt\nIMG_9: rien", []workflowtest.File{file("IMG_1.JPG", 310), file("IMG_2.JPG", 320), file("IMG_3.JPG", 330)}, []string{"le lac", "la forêt", ""}},
			"none":    {"", []workflowtest.File{file("IMG_1.JPG", 310)}, []string{""}},
			"long":    {strings.Repeat("é", 900), []workflowtest.File{file("IMG_1.JPG", 310)}, []string{strings.Repeat("é", 499) + "…"}},
		} {
			h.Send(workflowtest.Mail{To: []string{"album+" + name + "@home.test"}, Text: c.text, Files: c.files})
			token := h.One(workflowtest.Ann.Address).Tokens()
			v, ps := seen(t, h, token[0])
			for i, p := range ps {
				if p.Caption != c.want[i] {
					t.Errorf("%s: photo %d: %q, want %q", name, i, p.Caption, c.want[i])
				}
			}
			if err := h.Albums.SetCaption(t.Context(), v.ID, ps[0].ID, link.Member(workflowtest.Ann.ID), " Autre\x00 chose "); err != nil {
				t.Fatal(err)
			}
			if _, ps = seen(t, h, token[0]); ps[0].Caption != "Autre chose" {
				t.Errorf("changed: %q", ps[0].Caption)
			}
		}
	})
}

func TestLinkInPlaceOfPhotosIsAnsweredWithAPage(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		h.Send(workflowtest.Mail{To: []string{"album+vacances@home.test"}, Subject: "Photos",
			Text: "Cliquez pour télécharger :\nhttps://www.icloud.com/attachment/?u=https%3A%2F%2Fcvws.icloud-content.com%2FB%2Fabc&uk=x\n"})
		got := h.One(workflowtest.Ann.Address)
		if !strings.Contains(got.Text, "Mail Drop") || len(got.Tokens()) != 1 || !strings.Contains(got.Text, "/d/"+string(got.Tokens()[0])) {
			t.Fatalf("answer:\n%s", got.Text)
		}
		if v, err := h.Places.Open(t.Context(), link.Visit{Token: got.Tokens()[0]}); err != nil || v.Album == 0 {
			t.Errorf("the page: %+v, %v", v, err)
		}
		if n := h.Count(`SELECT COUNT(*) FROM album`); n != 1 {
			t.Errorf("%d albums", n)
		}
		// Photos and such a link: the photos are there, nothing is missing.
		m := lake(t)
		m.Text = "https://drive.google.com/file/d/abc/view"
		h.Send(m)
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "2 photos ont rejoint") {
			t.Errorf("answer:\n%s", got.Text)
		}
		// Neither: nothing is made.
		h.Send(workflowtest.Mail{To: []string{"album+rien@home.test"}, Text: "https://example.net/icloud.com/attachment"})
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "Aucune photo") || len(got.Tokens()) != 0 {
			t.Errorf("answer:\n%s", got.Text)
		}
	})
}

func TestPhotosWithinOneMailAreKnownByTheirBytes(t *testing.T) {
	plain(t, func(t *testing.T, h *workflowtest.House) {
		m := lake(t)
		m.Files = append(m.Files, m.Files[0])
		h.Send(m)
		if _, ps := seen(t, h, h.One(workflowtest.Ann.Address).Tokens()[0]); len(ps) != 2 {
			t.Errorf("%d photos, want 2", len(ps))
		}
	})
}

package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"colporteur/world"
)

// handing is what the script in Node is told.
type handing struct {
	Chromium string `json:"chromium"`
	Base     string `json:"base"`
	Shots    string `json:"shots"`
	Pass     string `json:"pass"` // path of the place to pass on
	Own      string `json:"own"`  // the owner's
	Small    string `json:"small"`
	Empty    string `json:"empty"`
	Film     string `json:"film"`
	SmallSum string `json:"smallSum"`
	FilmSum  string `json:"filmSum"`
}

// TestFilesAreHandedInInARealBrowser keeps its screenshots in $COLPORTEUR_SHOTS, if that is set.
func TestFilesAreHandedInInARealBrowser(t *testing.T) {
	t.Parallel()
	ready(t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: install Debian's package chromium (make deps does)")
	}
	if _, err := os.Stat("../../webgateway/page/assets/built/upload.js"); err != nil {
		t.Skip("the page's script was not built: run make build with npm at hand")
	}
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	ann.Send("depot@home.test", world.Subject("Les photos et films de la fête de la Saint-Jean"), world.Text("Merci d'avance pour vos plus belles images.\r\n"))
	w.Settle()
	links := regexp.MustCompile(`/d/[a-z2-7]{26}`).FindAllString(ann.Inbox().Last().Text, -1)
	if len(links) != 2 {
		t.Fatalf("the answer has the links %v", links)
	}
	dir := t.TempDir()
	film := make([]byte, 24<<20)
	rand.NewChaCha8([32]byte{9}).Read(film)
	s := handing{Chromium: chromium, Base: "http://" + home.Addr("http"), Shots: os.Getenv("COLPORTEUR_SHOTS"), Pass: links[0], Own: links[1]}
	for name, body := range map[*string][]byte{&s.Small: []byte("quelques mots"), &s.Empty: nil, &s.Film: film} {
		*name = filepath.Join(dir, map[*string]string{&s.Small: "Une lettre à lire.txt", &s.Empty: "vide.txt", &s.Film: "film.mp4"}[name])
		if err := os.WriteFile(*name, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.SmallSum, s.FilmSum = print256([]byte("quelques mots")), print256(film)
	if s.Shots == "" {
		s.Shots = t.TempDir()
	}
	in, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "upload.mjs")
	cmd.Stdin = bytes.NewReader(in)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the browser has many processes, and all must go
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "ok ") {
			t.Log(strings.TrimSpace(line))
		} else {
			t.Error(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Error(err)
	}
	w.Settle()
	for giver, want := range map[string]string{"Claire": "film.mp4", "Glisser": "un.txt", "Sans script": "Une lettre à lire.txt"} {
		var m *world.Mail
		for _, got := range ann.Inbox().All {
			if strings.HasPrefix(got.Subject, giver+" ") {
				m = got
			}
		}
		if m == nil {
			t.Errorf("ann was not told of what %s handed in", giver)
			continue
		}
		m.Says(want).SaysNot("deux.txt")
		if giver == "Claire" {
			got := home.Browse(m.Link() + "/f/0/film.mp4").Body
			if print256([]byte(got)) != print256(film) {
				t.Errorf("the film came as %d other bytes", len(got))
			}
		}
	}
}

// Package browser_test opens the guests' pages in a real browser, as people do:
// without JavaScript, with a keyboard alone, in two languages, in the dark.
package browser_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"net/http"
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

// site is what the script in Node is told.
type site struct {
	Chromium string            `json:"chromium"`
	Base     string            `json:"base"`
	Shots    string            `json:"shots"`
	Pages    map[string]string `json:"pages"` // name → path
	Download download          `json:"download"`
	Recall   []recall          `json:"recall"`

	Large      string `json:"large"` // an album of more photos than one page has
	LargeCount int    `json:"largeCount"`
	Small      recall `json:"small"` // an album of one photo, to be locked and emptied
	SmallName  string `json:"smallName"`
}

type download struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Name   string `json:"name"`
}

// recall is an owner's page and the guest's page that must go with it.
type recall struct {
	Owner string `json:"owner"`
	Guest string `json:"guest"`
}

// TestPagesInARealBrowser keeps its screenshots in $COLPORTEUR_SHOTS, if that is set.
func TestPagesInARealBrowser(t *testing.T) {
	t.Parallel()
	ready(t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: install Debian's package chromium (make deps does)")
	}
	w := world.New(t)
	home := w.Server("home.test")
	ann, elsewhere := home.Member("ann"), home.Member("mamie")

	film := bytes.Repeat([]byte("un film assez long, "), 100_000)
	for i := range film {
		film[i] ^= byte(rand.Uint32())
	}
	ann.Send("envoi@home.test", world.Subject("Le film de la fête"), world.Cc(elsewhere),
		world.Text("Chers amis,\r\n\r\nvoici le film de samedi, et le programme de l'an prochain.\r\nBien à vous,\r\nAnn\r\n"),
		world.Attach("film.mp4", "video/mp4", film))
	w.Settle()
	one := path(elsewhere.Inbox().Last().Link())
	ann.Send("envoi@home.test", world.Subject("Assemblée générale du 28 novembre : comptes et documents"), world.Cc(elsewhere),
		world.Text("Bonjour à tous.\r\n"),
		world.Attach("Comptes 2026.pdf", "application/pdf", film[:812_345]),
		world.Attach("rapport-moral-de-la-presidente-version-definitive-relue-et-corrigee-2.odt", "application/vnd.oasis.opendocument.text", film[:34_567]),
		world.Attach("photo.jpg", "image/jpeg", photo(1)))
	w.Settle()
	many := path(elsewhere.Inbox().Last().Link())
	manage := owners(t, home, ann)

	options := []world.Option{world.Subject("La mer"), world.Cc(elsewhere), world.Text("IMG_00: Le port au petit matin\r\nIMG_01: Mamie et le chien, avant la pluie. On voit le phare au fond, et le bateau de Jean qui rentre avec sa pêche\r\nIMG_04: Le phare\r\n")}
	for i := range 14 {
		options = append(options, world.Attach(fmt.Sprintf("IMG_%02d.jpg", i), "image/jpeg", photo(i)))
	}
	ann.Send("album+vacances@home.test", append(options, pictures()...)...)
	w.Settle()
	album := path(elsewhere.Inbox().Last().Link())
	albumManage := owners(t, home, ann, manage...)
	large := large(w, ann, elsewhere)
	if len(manage) != 2 || len(albumManage) != 1 {
		t.Fatalf("ann has %d pages of transfers and %d of albums, want 2 and 1", len(manage), len(albumManage))
	}
	known := append(manage, albumManage...)
	known = append(known, owners(t, home, ann, known...)...) // and the large one
	ann.Send("album+potager@home.test", world.Subject("Salades"), world.Cc(elsewhere), world.Attach("salades.jpg", "image/jpeg", photo(3)))
	w.Settle()
	small := owners(t, home, ann, known...)
	if len(small) != 1 {
		t.Fatalf("the last album has %d pages of its owner, want one", len(small))
	}
	look := regexp.MustCompile(`/a/[a-z2-7]+/p/\d+`).FindAllString(home.Browse("http://x"+album).Body, -1)

	base := "http://" + home.Addr("http")
	s := site{Chromium: chromium, Base: base, Shots: os.Getenv("COLPORTEUR_SHOTS"), Pages: map[string]string{
		"home": "/", "mail": "/mail", "gone": "/t/aaaaaaaaaaaaaaaaaaaaaaaaaa", "transfer": one, "files": many, "owner": manage[0],
		"album": album, "photo": look[len(look)/2], "print": album + "/print", "albumowner": albumManage[0]},
		Large: large, LargeCount: largeCount, Small: recall{Owner: small[0], Guest: path(elsewhere.Inbox().Last().Link())}, SmallName: "Potager",
		Download: download{Path: one, SHA256: print256(film), Name: "film.mp4"},
		Recall:   []recall{{Owner: manage[0], Guest: one}, {Owner: albumManage[0], Guest: album}}}
	if home.Browse("http://x"+s.Recall[0].Owner).Sees("<h1>").Status != http.StatusOK {
		t.Fatal("the owner's page does not open")
	}
	if strings.Contains(home.Browse("http://x"+manage[1]).Body, "Le film") {
		s.Recall[0].Owner = manage[1]
	}
	if s.Shots == "" {
		s.Shots = t.TempDir()
	}
	in, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "run.mjs")
	cmd.Stdin = bytes.NewReader(in)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the browser has many processes, and all must go
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the browser's checks: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		if said, ok := strings.CutPrefix(strings.TrimSpace(line), "ok "); ok {
			t.Log(said)
		} else {
			t.Error(strings.TrimSpace(line))
		}
	}
	for _, r := range s.Recall {
		home.Browse("http://x" + r.Guest).Gone()
	}
	home.Browse("http://x" + many).Sees("Comptes 2026.pdf") // only what was taken down is gone
}

const largeCount = 64

// large is an album of many small photos.
func large(w *world.World, ann, guest *world.Member) string {
	options := []world.Option{world.Subject("Toute l'année"), world.Cc(guest)}
	for i := range largeCount {
		options = append(options, world.Attach(fmt.Sprintf("IMG_%03d.jpg", i), "image/jpeg", hills(i, 240, 160)))
	}
	ann.Send("album+annee@home.test", options...)
	w.Settle()
	return path(guest.Inbox().Last().Link())
}

// ready installs the browser's driver at the pinned versions.
func ready(t *testing.T) {
	t.Helper()
	for _, p := range []string{"node", "npm"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%s is missing: the browser's checks need Node 20 or newer", p)
		}
	}
	have, _ := os.ReadFile("node_modules/.package-lock.json")
	if strings.Contains(string(have), "playwright-core") && strings.Contains(string(have), "jmap-jam") {
		return
	}
	if out, err := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund").CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// path is a link without the host.
func path(link string) string {
	_, rest, _ := strings.Cut(link, "://")
	return rest[strings.Index(rest, "/"):]
}

// owners are the member's own pages, those with the button, without known ones.
func owners(t *testing.T, home *world.Server, m *world.Member, known ...string) (list []string) {
	t.Helper()
	seen := map[string]bool{}
	for _, k := range known {
		seen[k] = true
	}
	for _, mail := range m.Inbox().All {
		for _, l := range world.Links(mail.Text) {
			p := path(l)
			if !seen[p] && strings.Contains(home.Browse(l).Body, "/recall\"") {
				list = append(list, p)
			}
			seen[p] = true
		}
	}
	return list
}

func print256(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// photo is a picture that looks like hills at some hour of the day, in some format.
func photo(n int) []byte {
	if n%3 == 1 {
		return hills(n, 800, 1200)
	}
	return hills(n, 1200, 800)
}

func hills(n, w, h int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for x := range w {
		near := float64(h)*0.75 + 60*math.Sin(float64(x+n*200)/170)
		far := float64(h)*0.55 + 90*math.Sin(float64(x+n*77)/260)
		for y := range h {
			c := color.RGBA{uint8(120 + 9*n), uint8(200 - y*80/h), uint8(250 - 8*n), 255}
			switch {
			case float64(y) > near:
				c = color.RGBA{uint8(30 + 3*n), 80, 60, 255}
			case float64(y) > far:
				c = color.RGBA{90, uint8(120 + 4*n), 130, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// pictures are real ones, if the corpora are beside the checkout.
func pictures() (list []world.Option) {
	dir := filepath.Join("..", "..", "..", "shared", "corpora", "images", "exif-orientation")
	for i := 1; i <= 4; i++ {
		if p := filepath.Join(dir, fmt.Sprintf("Landscape_%d.jpg", i)); exists(p) {
			list = append(list, world.Photo(p))
		}
	}
	return list
}

func exists(p string) bool { _, err := os.Stat(p); return err == nil }

package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"colporteur/world"
)

// sending is what the script in Node is told.
type sending struct {
	Chromium string            `json:"chromium"`
	Base     string            `json:"base"`
	Shots    string            `json:"shots"`
	Pages    map[string]string `json:"pages"` // name → path
	Files    string            `json:"files"` // a guest's page with something to look at of every kind
	Owner    string            `json:"owner"` // its owner's
	Locked   string            `json:"locked"`
	Title    string            `json:"title"` // what a locked page does not say
	Password string            `json:"password"`
	Sum      string            `json:"sum"` // SHA-256 of the first file
}

// TestTransfersInARealBrowser keeps its screenshots in $COLPORTEUR_SHOTS, if that is set.
func TestTransfersInARealBrowser(t *testing.T) {
	t.Parallel()
	ready(t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: install Debian's package chromium (make deps does)")
	}
	w := world.New(t)
	home := w.Server("home.test")
	ann, mamie := home.Member("ann"), home.Member("mamie")
	var known []string
	send := func(subject string, more ...world.Option) (guest, owner string) {
		ann.Send("envoi@home.test", append([]world.Option{world.Subject(subject), world.Cc(mamie), world.Text("Bonne lecture.\r\n")}, more...)...)
		w.Settle()
		owners := owners(t, home, ann, known...)
		if len(owners) != 1 {
			t.Fatalf("%q has %d pages of its owner, want one", subject, len(owners))
		}
		known = append(known, owners...)
		return path(mamie.Inbox().Last().Link()), owners[0]
	}
	press := func(path string, fields url.Values) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+home.Addr("http")+path, strings.NewReader(fields.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("POST %s answers %d", path, resp.StatusCode)
		}
	}
	s := sending{Chromium: chromium, Base: "http://" + home.Addr("http"), Shots: os.Getenv("COLPORTEUR_SHOTS"), Password: "trois petits mots", Title: "Comptes rendus"}
	picture := photo(3)
	s.Sum = print256(picture)
	files, owner := send("Le dossier de la fête",
		world.Attach("plage.jpg", "image/jpeg", picture),
		world.Attach("Programme de la fête, version relue par le bureau et par la mairie.pdf", "application/pdf", pdf("Programme")),
		world.Attach("lisez-moi.txt", "text/plain", []byte(strings.Repeat("Bonjour à tous, voici comment venir. ", 400))),
		world.Attach("chanson.wav", "audio/wav", wave()),
		world.Attach("notes.odt", "application/vnd.oasis.opendocument.text", []byte("odt")))
	s.Files, s.Owner = files, owner
	single, _ := send("Une photo", world.Attach("phare.jpg", "image/jpeg", photo(4)))
	var counted, over string
	counted, limits := send("Un film", world.Attach("film.mp4", "video/mp4", []byte("film")))
	press(limits+"/rules", url.Values{"downloads": {"1"}})
	s.Locked, over = send(s.Title, world.Attach("bilan.txt", "text/plain", []byte("secret")))
	press(over+"/rules", url.Values{"password": {s.Password}})
	byCode, codeOwner := send("À code", world.Attach("bilan.txt", "text/plain", []byte("secret")))
	press(codeOwner+"/rules", url.Values{"code": {"on"}})
	_, ended := send("Repris", world.Attach("bilan.txt", "text/plain", []byte("secret")))
	press(ended+"/recall", nil)
	s.Pages = map[string]string{"t-files": files, "t-one": single, "t-counted": counted, "t-locked": s.Locked, "t-code": byCode, "t-owner": owner, "t-limits": limits, "t-ended": ended}
	if s.Shots == "" {
		s.Shots = t.TempDir()
	}
	in, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "transfer.mjs")
	cmd.Stdin = bytes.NewReader(in)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the browser has many processes, and all must go
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if said, ok := strings.CutPrefix(strings.TrimSpace(line), "ok "); ok {
			t.Log(said)
		} else {
			t.Error(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// pdf is a sheet of A4 with a word on it.
func pdf(word string) []byte {
	var b bytes.Buffer
	var at []int
	object := func(s string) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(at), s)
	}
	b.WriteString("%PDF-1.4\n")
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>")
	object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>")
	text := "BT /F 48 Tf 72 700 Td (" + word + ") Tj ET"
	object(fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(text), text))
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
	begin := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, n := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", n)
	}
	fmt.Fprintf(&b, "trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, begin)
	return b.Bytes()
}

// wave is a tenth of a second of silence.
func wave() []byte {
	b := []byte("RIFF\x44\x03\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x20\x03\x00\x00")
	return append(b, bytes.Repeat([]byte{128}, 800)...)
}

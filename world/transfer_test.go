package world_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"colporteur/config"
	"colporteur/world"
)

// film is bytes that do not compress, and that no other test has.
func film(n int) []byte {
	r := rand.New(rand.NewPCG(rand.Uint64(), 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func print256(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func code(err error) int {
	var e *smtp.SMTPError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestAFileByMailBecomesALink(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob := home.Member("ann"), far.Member("bob", "en")
	movie, words := film(3_000_000), []byte("Des mots.\r\n")

	ann.Send("envoi@home.test", world.Subject("Le film"), world.Text("Pour vous.\r\n"), world.Cc(bob),
		world.Attach("film.mp4", "video/mp4", movie), world.Attach("lisez moi.txt", "text/plain", words))
	w.Settle()

	receipt := ann.Inbox().One().Says("film.mp4", "3\u00a0Mo", print256(movie), "lisez moi.txt", print256(words), "PROLONGER", "RAPPELER", bob.Address)
	invitation := bob.Inbox().One().Says("Pour vous.").SaysNot(print256(movie)[:20] + "nothing")
	if len(invitation.Files) > 0 || strings.Contains(invitation.Raw, "=_world") {
		t.Errorf("the guest got the raw mail")
	}
	if receipt.Link() == invitation.Link() {
		t.Error("the guest's link is the owner's")
	}
	page := home.Browse(invitation.Link()).Sees("Le film", "film.mp4", "lisez moi.txt", "Pour vous.")
	page.SeesNot("Retirer", "Take this link down")

	got := home.Browse(invitation.Link() + "/f/0/film.mp4")
	if got.Status != http.StatusOK || got.Body != string(movie) {
		t.Fatalf("the file came as %d, %d bytes", got.Status, len(got.Body))
	}
	if cd := got.Header.Get("Content-Disposition"); !strings.HasPrefix(cd, "attachment;") {
		t.Errorf("Content-Disposition %q", cd)
	}
	part := home.Browse(invitation.Link()+"/f/0/film.mp4", "Range: bytes=1000000-", "If-Range: "+got.Header.Get("ETag"))
	if part.Status != http.StatusPartialContent || part.Body != string(movie[1_000_000:]) {
		t.Errorf("resuming gave %d, %d bytes", part.Status, len(part.Body))
	}
}

func TestRecallByReplyTakesEveryByteAway(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, eve := home.Member("ann"), home.Member("eve")
	ann.Send("envoi@home.test", world.Subject("Secret"), world.Cc("mamie@elsewhere.invalid"), world.Attach("a.bin", "application/octet-stream", film(200_000)))
	w.Settle()
	receipt := ann.Inbox().All[0]
	link := receipt.Link()
	home.Browse(link).Sees("Secret")
	if n := files(t, filepath.Join(home.Dir, "blobs")); n == 0 {
		t.Fatal("no bytes are on the disk: the test looks in the wrong place")
	}

	// Somebody else who learns the reply address cannot use it.
	eve.Send(receipt.ReplyTo(), world.Subject("Re: Secret"), world.Text("RAPPELER\r\n"))
	w.Settle()
	home.Browse(link).Sees("Secret")

	ann.Send(receipt.ReplyTo(), world.Subject("Re: Secret"), world.Text("RAPPELER\r\n\r\n> cité\r\n"))
	w.Settle()
	home.Browse(link).Gone().SeesNot("Secret", "a.bin")
	home.Browse(link + "/f/0/a.bin").Gone()
	// She may want it back for a fortnight; then every byte is gone.
	w.Advance(15 * 24 * time.Hour)
	if err := home.Host.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if n := files(t, filepath.Join(home.Dir, "blobs")); n != 0 {
		t.Errorf("%d files are left on the disk", n)
	}
	if last := ann.Inbox().Last(); last.Subject == receipt.Subject {
		t.Error("nobody told ann that it is gone")
	}
}

// files counts what lies below a folder.
func files(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheButtonRecallsAndLookingDoesNot(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann", "en")
	ann.Send("send@home.test", world.Subject("Plans"), world.Cc("bob@elsewhere.invalid"), world.Attach("plan.pdf", "application/pdf", film(50_000)))
	w.Settle()
	var manage string
	for _, m := range ann.Inbox().All {
		for _, l := range world.Links(m.Text) {
			if strings.Contains(home.Browse(l).Body, "Take this link down") {
				manage = l
			}
		}
	}
	if manage == "" {
		t.Fatal("ann has no page with the button")
	}
	for range 20 { // a scanner tries everything it sees
		home.Browse(manage + "/recall")
		home.Browse(manage)
	}
	home.Browse(manage).Sees("Plans")
	if p := home.Browse(manage+"/recall", "X-HTTP-Method-Override: POST"); p.Status < 400 {
		t.Errorf("GET of the button's address gave %d", p.Status)
	}
	home.Press(manage+"/recall", url.Values{}).Sees("The link is gone")
	// Nobody but her sees it, and she can bring it back.
	home.Browse(manage).Sees("Bring this link back")
	home.Press(manage+"/restore", url.Values{}).Sees("The link is back", "Take this link down")
}

func TestAButtonPressedFromAnotherSiteDoesNothing(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	ann.Send("envoi@home.test", world.Attach("a.bin", "application/octet-stream", film(1000)))
	w.Settle()
	for _, l := range world.Links(ann.Inbox().One().Text) {
		req, _ := http.NewRequest(http.MethodPost, "http://"+home.Addr("http")+l[strings.Index(l, "/t/"):]+"/recall", nil)
		req.Header.Set("Origin", "https://evil.invalid")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("a foreign form was answered with %d", resp.StatusCode)
		}
		if p := home.Browse(l); p.Status != http.StatusOK {
			t.Errorf("the link answers %d", p.Status)
		}
	}
}

func TestStrangersAreRefusedAtTheDropDuringSMTP(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	raw := (&world.Draft{To: []string{"envoi@home.test"}, Files: []world.File{{Name: "x", Type: "application/zip", Body: []byte("x")}}}).Message(ann.Address)
	for _, from := range []string{"stranger@elsewhere.invalid", ann.Address, ""} {
		err := home.FromOutside(from, []string{"envoi@home.test"}, raw)
		if c := code(err); c < 500 || c > 559 {
			t.Errorf("from <%s>: %v, want 5xx", from, err)
		}
	}
	w.Settle()
	ann.Inbox().Empty() // no bounce, no receipt, to the person who was forged
}

func TestMailToTheDropWithoutAFileIsAnsweredWithHowTo(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	ann.Send("envoi@home.test", world.Subject("Et alors"), world.Text("J'ai oublié.\r\n"))
	w.Settle()
	m := ann.Inbox().One()
	if len(world.Links(m.Text)) > 0 {
		t.Error("a link to nothing")
	}
	m.Says("aucun fichier", "Joignez")
}

func TestTheSameMailThreeTimesIsOneTransfer(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	raw := (&world.Draft{To: []string{"envoi@home.test"}, Header: []string{"Message-ID: <once@home.test>"},
		Files: []world.File{{Name: "x.bin", Type: "application/octet-stream", Body: film(1000)}}}).Message(ann.Address)
	for range 3 {
		if err := ann.Submit([]string{"envoi@home.test"}, raw); err != nil {
			t.Fatal(err)
		}
		w.Settle()
	}
	ts, err := home.Transfers.ListByMember(t.Context(), ann.Account.ID)
	if err != nil || len(ts) != 1 {
		t.Fatalf("%d transfers (%v), want one", len(ts), err)
	}
	ann.Inbox().One()
}

func TestDamagedFilesAreNotShared(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	raw := bytes.ReplaceAll((&world.Draft{To: []string{"envoi@home.test"}, Files: []world.File{
		{Name: "good.bin", Type: "application/octet-stream", Body: film(3000)}, {Name: "bad.bin", Type: "application/octet-stream", Body: []byte("0123456789")}}}).Message(ann.Address),
		[]byte("MDEyMzQ1Njc4OQ=="), []byte("MDEy\x01$$$1Njc4OQ"))
	if err := ann.Submit([]string{"envoi@home.test"}, raw); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	m := ann.Inbox().One().Says("good.bin", "bad.bin")
	home.Browse(m.Link()).Sees("good.bin").SeesNot("bad.bin")
}

func TestFilesOverTheLimitAreRefusedWithTheWayOut(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test", func(c *config.Config) { c.Limits.Drop, c.Limits.Message = 2_000_000, 1_000_000 })
	ann := home.Member("ann")
	err := ann.TrySend("envoi@home.test", world.Attach("big.bin", "application/octet-stream", film(2_500_000)))
	if code(err) != 552 || !strings.Contains(err.Error(), home.Config.Web.URL) {
		t.Errorf("over the limit of the drop: %v, want 552 that names the upload page", err)
	}
	err = ann.TrySend("bob@elsewhere.invalid", world.Attach("big.bin", "application/octet-stream", film(1_500_000)))
	if code(err) != 552 || !strings.Contains(err.Error(), "envoi@home.test") {
		t.Errorf("over the limit of mail: %v, want 552 that names the drop", err)
	}
	w.Settle()
	ann.Inbox().Empty()
}

func TestATransferEndsWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	ann.Send("envoi+7j@home.test", world.Subject("Bref"), world.Attach("a.bin", "application/octet-stream", film(100_000)))
	w.Settle()
	link := ann.Inbox().One().Link()
	w.Advance(6 * 24 * time.Hour)
	home.Browse(link).Sees("Bref")
	ann.Send(ann.Inbox().One().ReplyTo(), world.Text("Prolonger\r\n"))
	w.Settle()
	w.Advance(6 * 24 * time.Hour)
	home.Browse(link).Sees("Bref")
	w.Advance(3 * 24 * time.Hour)
	home.Browse(link).Gone()
	w.Advance(15 * 24 * time.Hour) // in which she could have had it back
	for range 2 {
		if err := home.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := files(t, filepath.Join(home.Dir, "blobs")); n != 0 {
		t.Errorf("%d files are left on the disk", n)
	}
}

func TestNoTokenIsKeptInTheDatabaseOrTheLog(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	ann.Send("envoi@home.test", world.Attach("a.bin", "application/octet-stream", film(1000)))
	w.Settle()
	link := ann.Inbox().One().Link()
	token := link[strings.LastIndex(link, "/")+1:]
	home.Stop()
	for _, name := range []string{"colporteur.db", "colporteur.db-wal"} {
		b, err := os.ReadFile(filepath.Join(home.Dir, name))
		if err == nil && bytes.Contains(b, []byte(token)) {
			t.Errorf("%s holds the token", name)
		}
	}
}

package world_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colporteur/workflow/link"
	"colporteur/world"
)

// paperOf is the text of the paper that a mail brings.
func paperOf(t *testing.T, m *world.Mail) string {
	t.Helper()
	var pdf []byte
	for _, f := range m.Files {
		if f.Type == "application/pdf" && strings.HasSuffix(f.Name, ".pdf") {
			pdf = f.Body
		}
	}
	if pdf == nil {
		t.Fatalf("%q brings no paper", m.Subject)
	}
	path := filepath.Join(t.TempDir(), "paper.pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := exec.Command("pdfinfo", path).CombinedOutput()
	if err != nil || !strings.Contains(string(info), "(A4)") {
		t.Errorf("%v: %s", err, info)
	}
	text, err := exec.Command("pdftotext", "-layout", path, "-").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return string(text)
}

// Grandmother gets the month's photos as a paper, because she asked: once, and no
// more when she says so or the album is gone.
func TestThePaperComesOnceAMonthToWhoAskedForIt(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test", secure), w.Server("far.test")
	ann, mamie, paul := home.Member("ann"), far.Member("mamie"), far.Member("paul")
	ann.Send("album+plage@home.test", world.Cc(mamie, paul), world.Text("La marée basse\n"), world.Attach("un.jpg", "image/jpeg", photo(400, 300)))
	w.Settle()
	mine := mamie.Inbox().One().Link()
	home.Browse(mine).Sees("Recevoir le journal")
	home.Browse(mine + "/gazette") // a look asks for nothing
	home.Press(mine+"/gazette", url.Values{"on": {"1"}})
	home.Browse(mine).Sees("Vous recevez le journal")
	// Ann asks by mail, in a word.
	ann.Send(ann.Inbox().One().ReplyTo(), world.Subject("Re: votre album"), world.Text("GAZETTE\n"))
	w.Settle()
	ann.Inbox().Last().Says("vous recevrez son journal")
	// Paul never asked.

	before := len(mamie.Inbox().All)
	month := func() {
		t.Helper()
		now := w.Clock.Now()
		w.Advance(time.Date(now.Year(), now.Month()+1, 1, 6, 0, 0, 0, time.Local).Sub(now))
		for range 2 {
			if err := home.Host.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.Settle()
		}
	}
	month()
	got := mamie.Inbox()
	if len(got.All) != before+1 {
		t.Fatalf("mamie has %d mails, had %d", len(got.All), before)
	}
	if text := paperOf(t, got.Last()); !strings.Contains(text, "La marée basse") || !strings.Contains(text, "Plage") {
		t.Errorf("the paper says\n%s", text)
	}
	paperOf(t, ann.Inbox().Last())
	if n := len(paul.Inbox().All); n != 1 {
		t.Errorf("paul has %d mails", n)
	}
	month() // in which there was no photo
	if n := len(mamie.Inbox().All); n != before+1 {
		t.Errorf("an empty paper came: %d mails", n)
	}

	// A second month; mamie stopped it, and ann's album still tells her other news.
	ann.Send("album+plage@home.test", world.Text("Le retour\n"), world.Attach("deux.jpg", "image/jpeg", photo(300, 300)))
	w.Settle()
	home.Press(mine+"/gazette", url.Values{"on": {"0"}})
	before, had := len(mamie.Inbox().All), len(ann.Inbox().All)
	month()
	for _, m := range mamie.Inbox().All[before:] {
		if strings.Contains(m.Subject, "journal") {
			t.Errorf("mamie gets %q", m.Subject)
		}
	}
	if n := len(ann.Inbox().All); n != had+1 {
		t.Errorf("ann has %d mails, had %d", n, had)
	}
	if text := paperOf(t, ann.Inbox().Last()); !strings.Contains(text, "Le retour") || strings.Contains(text, "La marée basse") {
		t.Errorf("the second paper says\n%s", text)
	}

	// A link that was taken back gets none, though it had asked.
	home.Press(mine+"/gazette", url.Values{"on": {"1"}})
	ann.Send("album+plage@home.test", world.Attach("trois.jpg", "image/jpeg", photo(310, 300)))
	w.Settle()
	v, err := home.Albums.Open(t.Context(), link.Visit{Token: tokenOf(mine)})
	if err != nil {
		t.Fatal(err)
	}
	if err := home.Albums.RevokeGuest(t.Context(), v.ID, link.Member(ann.Account.ID), linkOf(t, home, link.Album, int64(v.ID), mamie.Address)); err != nil {
		t.Fatal(err)
	}
	before = len(mamie.Inbox().All)
	month()
	for _, m := range mamie.Inbox().All[before:] {
		t.Errorf("mamie gets %q after all", m.Subject)
	}
}

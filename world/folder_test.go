package world_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"colporteur/world"
)

var photoID = regexp.MustCompile(`/a/[a-z2-7]+/p/(\d+)/400\.jpg`)

// shownIn are the photos that an album's page shows, each once.
func shownIn(p *world.Page) (ids []string) {
	for _, m := range photoID.FindAllStringSubmatch(p.Body, -1) {
		if !slices.Contains(ids, m[1]) {
			ids = append(ids, m[1])
		}
	}
	return ids
}

func shows(t *testing.T, why string, p *world.Page, n int) []string {
	t.Helper()
	ids := shownIn(p)
	if len(ids) != n {
		t.Errorf("%s: the page shows %d photos, want %d", why, len(ids), n)
	}
	return ids
}

// at selects a folder.
func at(t *testing.T, c *imapclient.Client, name string) *imap.SelectData {
	t.Helper()
	sel, err := c.Select(name, nil).Wait()
	if err != nil {
		t.Fatalf("select %s: %v", name, err)
	}
	return sel
}

func TestAnAlbumIsAFolderAndItsPhotosAreMessages(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, mamie := home.Member("ann"), far.Member("mamie")
	original := photo(800, 600)
	ann.Send("album+vacances@home.test", world.Cc(mamie), world.Attach("un.jpg", "image/jpeg", original),
		world.Attach("deux.jpg", "image/jpeg", photo(600, 800)), world.Attach("trois.jpg", "image/jpeg", photo(500, 500)))
	w.Settle()
	guest := mamie.Inbox().One().Link()
	shows(t, "at first", home.Browse(guest), 3)
	mails := ann.Folder("Albums/Vacances").All
	if len(mails) != 3 {
		t.Fatalf("the folder has %d messages, want one for each of 3 photos", len(mails))
	}
	i := slices.IndexFunc(mails, func(m *world.Mail) bool { return len(m.Files) == 1 && m.Files[0].Name == "un.jpg" })
	if i < 0 || !bytes.Equal(mails[i].Files[0].Body, original) {
		t.Error("the owner's own original is not in the folder, byte for byte")
	}

	c := ann.IMAP()
	defer c.Close()
	at(t, c, "Albums/Vacances")
	one := imap.SeqSetNum(1)

	// \Deleted hides, and unmarked it is back.
	if err := c.Store(one, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	shows(t, "marked", home.Browse(guest), 2)
	if err := c.Store(one, &imap.StoreFlags{Op: imap.StoreFlagsDel, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	before := shows(t, "unmarked", home.Browse(guest), 3)

	// Moved to the wastebasket, its bytes are gone before the OK; moved back, it is back.
	moved, err := c.Move(one, "Corbeille").Wait()
	if err != nil {
		t.Fatal(err)
	}
	after := shows(t, "in the wastebasket", home.Browse(guest), 2)
	for _, id := range before {
		if !slices.Contains(after, id) {
			home.Browse(guest + "/p/" + id + "/400.jpg").Gone()
			home.Browse(guest + "/p/" + id + "/2048.jpg").Gone()
		}
	}
	at(t, c, "Corbeille")
	if _, err := c.Move(moved.DestUIDs, "Albums/Vacances").Wait(); err != nil {
		t.Fatal(err)
	}
	shows(t, "moved back", home.Browse(guest), 3)
	w.Settle()
	if n := len(ann.Folder("Albums/Vacances").All); n != 3 {
		t.Errorf("the folder has %d messages, want 3", n)
	}

	// Expunged: gone.
	at(t, c, "Albums/Vacances")
	if err := c.Store(one, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	shows(t, "expunged", home.Browse(guest), 2)

	// A mail with photos that is dropped there joins, a message for each.
	draft := &world.Draft{To: []string{ann.Address}, Subject: "de la carte", Files: []world.File{{Name: "quatre.jpg", Type: "image/jpeg", Body: photo(300, 400)}, {Name: "cinq.jpg", Type: "image/jpeg", Body: photo(400, 300)}}}
	raw := draft.Message(ann.Address)
	put := func(folder string) error {
		cmd := c.Append(folder, int64(len(raw)), nil)
		cmd.Write(raw)
		cmd.Close()
		_, err := cmd.Wait()
		return err
	}
	if err := put("Albums/Vacances"); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	shows(t, "dropped", home.Browse(guest), 4)
	for _, m := range ann.Folder("Albums/Vacances").All {
		if len(m.Files) != 1 {
			t.Errorf("%q has %d files: the dropped mail did not make room for a message per photo", m.Subject, len(m.Files))
		}
	}
	if err := put("Albums"); err == nil || !strings.Contains(err.Error(), "album") {
		t.Errorf("a photo above all albums was not refused in words: %v", err)
	}

	// The folder renamed, the album is.
	if err := c.Rename("Albums/Vacances", "Albums/Bretagne", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	home.Browse(guest).Sees("Bretagne").SeesNot("Vacances")

	// The folder deleted, the album is gone at once.
	harvest := home.Harvest(guest)
	if len(harvest) < 10 {
		t.Fatalf("only %d addresses were harvested", len(harvest))
	}
	if err := c.Unselect().Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete("Albums/Bretagne").Wait(); err != nil {
		t.Fatal(err)
	}
	home.Replay("folder deleted", harvest)
}

func TestAFolderMadeBelowAlbumsIsANewAlbum(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	c := ann.IMAP()
	defer c.Close()
	if err := c.Create("Albums/Fête", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	draft := &world.Draft{To: []string{ann.Address}, Subject: "x", Files: []world.File{{Name: "a.jpg", Type: "image/jpeg", Body: photo(300, 400)}}}
	raw := draft.Message(ann.Address)
	cmd := c.Append("Albums/Fête", int64(len(raw)), nil)
	cmd.Write(raw)
	cmd.Close()
	if _, err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	shows(t, "new", home.Browse(ann.Inbox().Last().Link()), 1)
	if n := len(ann.Folder("Albums/Fête").All); n != 1 {
		t.Errorf("the folder has %d messages, want 1", n)
	}
	for _, bad := range []string{"Albums/" + strings.Repeat("x", 60)} {
		if err := c.Create(bad, nil).Wait(); err == nil {
			t.Errorf("an album of the name %q was made", bad)
		}
	}
}

func TestATransferIsAMessageInEnvois(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob := home.Member("ann"), far.Member("bob")
	ann.Send("envoi@home.test", world.Subject("Le film"), world.Cc(bob), world.Attach("film.mp4", "video/mp4", bytes.Repeat([]byte("film "), 50_000)))
	w.Settle()
	guest := bob.Inbox().One().Link()
	home.Browse(guest).Sees("Le film")
	ann.Folder("Envois").One().Says("film.mp4", "bob")
	harvest := home.Harvest(guest)
	c := ann.IMAP()
	defer c.Close()
	at(t, c, "Envois")
	moved, err := c.Move(imap.SeqSetNum(1), "Corbeille").Wait()
	if err != nil {
		t.Fatal(err)
	}
	home.Replay("message moved away", harvest)
	at(t, c, "Corbeille")
	if _, err := c.Move(moved.DestUIDs, "Envois").Wait(); err != nil {
		t.Fatal(err)
	}
	home.Browse(guest).Sees("Le film")

	// A mail with a file that is dropped there is shared.
	draft := &world.Draft{To: []string{ann.Address}, Subject: "Les comptes", Files: []world.File{{Name: "comptes.pdf", Type: "application/pdf", Body: bytes.Repeat([]byte("%PDF "), 9000)}}}
	raw := draft.Message(ann.Address)
	cmd := c.Append("Envois", int64(len(raw)), nil)
	cmd.Write(raw)
	cmd.Close()
	if _, err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	home.Browse(ann.Inbox().Last().Link()).Sees("Les comptes")
	all := ann.Folder("Envois").All
	if len(all) != 2 {
		t.Fatalf("Envois has %d messages, want 2", len(all))
	}
	all[1].Says("comptes.pdf")
	if len(all[1].Files) != 0 {
		t.Error("the message of a transfer carries its files: a mail program would fetch gigabytes")
	}
}

package world_test

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"colporteur/store"
	"colporteur/world"
)

// heavy is a photo of some 600 kB: nothing in it repeats.
func heavy(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	m := image.NewRGBA(image.Rect(0, 0, 640, 640))
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32())
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// archive puts mails of other years into a member's folders, as a program does
// that moves a mailbox here.
func archive(t *testing.T, m *world.Member, folder string, date time.Time, raw []byte, flags ...imap.Flag) {
	t.Helper()
	c := m.IMAP()
	defer c.Close()
	cmd := c.Append(folder, int64(len(raw)), &imap.AppendOptions{Time: date, Flags: flags})
	cmd.Write(raw)
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Wait(); err != nil {
		t.Fatalf("append to %s: %v", folder, err)
	}
}

func TestOldPhotosMoveFromAFullMailboxIntoAlbumsByOneYes(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test", secure)
	ann := home.Member("ann", "fr")
	home.Member("bob", "fr")
	one, two, three, four := heavy(1), heavy(2), heavy(3), heavy(4)
	broken := append([]byte{0xff, 0xd8, 0xff, 0xe0}, film(500_000)...)
	july := time.Date(w.Clock.Now().Year()-3, 7, 14, 10, 0, 0, 0, time.UTC)
	mail := func(subject string, files ...world.File) []byte {
		d := &world.Draft{To: []string{ann.Address}, Subject: subject, Text: "Des mots à garder : " + subject + ".\r\n", Files: files, Header: []string{"Message-ID: <" + subject + "@far.test>"}}
		return d.Message("bob@far.test")
	}
	jpg := func(name string, b []byte) world.File { return world.File{Name: name, Type: "image/jpeg", Body: b} }
	c := ann.IMAP()
	if err := c.Create("Famille", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	archive(t, ann, "INBOX", july, mail("plage", jpg("un.jpg", one), world.File{Name: "plan.pdf", Type: "application/pdf", Body: film(60_000)}, jpg("deux.jpg", two)), imap.FlagFlagged, imap.FlagSeen, "$garde")
	archive(t, ann, "Famille", july.AddDate(1, 0, 0), mail("noel", jpg("trois.jpg", three), jpg("deux.jpg", two)), imap.FlagSeen)
	archive(t, ann, "INBOX", july, mail("abime", jpg("rien.jpg", broken)))
	archive(t, ann, "INBOX", w.Clock.Now().AddDate(0, -2, 0), mail("recent", jpg("quatre.jpg", four)))
	archive(t, ann, "Corbeille", july, mail("jete", jpg("quatre.jpg", four)))
	signed := strings.Replace(strings.Replace(string(mail("signe", jpg("quatre.jpg", four))), "multipart/mixed;", "multipart/signed; protocol=\"application/pgp-signature\";", 1),
		"\r\n--world--", "\r\n--world\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--world--", 1)
	archive(t, ann, "INBOX", july, []byte(signed))
	archive(t, ann, "INBOX", july, mail("double", jpg("quatre.jpg", four)))
	c = ann.IMAP()
	at(t, c, "INBOX")
	if _, err := c.Copy(imap.SeqSetNum(5), "Famille").Wait(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	// An album of that name is Ann's already, and Bob sees it: nothing comes into it.
	ann.Send(fmt.Sprintf("album+souvenirs_%d@home.test", july.Year()), world.Cc("bob@home.test"), world.Attach("vu.jpg", "image/jpeg", photo(300, 200)))
	w.Settle()

	used := func() int64 {
		t.Helper()
		n, err := home.Mailboxes.Usage(t.Context(), ann.Account.Account)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := used()
	ann.Quota(before * 100 / 85)
	if err := home.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	inbox := ann.Inbox()
	q := inbox.Last().Says("remplie à 85", "5 photos dans des courriers d'avant le", "OUI", "Souvenirs", "postmaster@home.test")
	unchanged := len(inbox.All)
	ann.Send(q.ReplyTo(), world.Subject("Re: "+q.Subject), world.Text("OUI\r\n"), func(d *world.Draft) { d.Header = append(d.Header, "In-Reply-To: "+q.Header.Get("Message-Id")) })
	home.Stop() // in the midst of it, or before, or after
	home.Start()
	w.Settle()

	inbox = ann.Inbox()
	done := inbox.Last().Says("4 photos sont rangées", fmt.Sprintf("Souvenirs %d (2)", july.Year()), fmt.Sprintf("Souvenirs %d", july.Year()+1), "2 courriers ont été récrits")
	by := func(box world.Mails, subject string) *world.Mail {
		t.Helper()
		for _, m := range box.All {
			if m.Subject == subject {
				return m
			}
		}
		t.Fatalf("no mail %q any more", subject)
		return nil
	}
	sees := func(m *world.Mail, names ...string) {
		t.Helper()
		var have []string
		for _, f := range m.Files {
			have = append(have, f.Name)
		}
		if !slices.Equal(have, names) {
			t.Errorf("%s has the files %q, want %q", m.Subject, have, names)
		}
		if !strings.Contains(m.Text, "Des mots à garder : "+m.Subject) {
			t.Errorf("%s lost its words: %q", m.Subject, m.Text)
		}
	}
	beach := by(inbox, "plage").Says("un.jpg", "deux.jpg", fmt.Sprintf("Souvenirs %d (2)", july.Year()))
	sees(beach, "plan.pdf")
	if len(world.Links(beach.Text)) > 0 {
		t.Errorf("the mail has a link in it that opens the album for whoever gets the mail:\n%s", beach.Text)
	}
	sees(by(ann.Folder("Famille"), "noel"))
	for subject, file := range map[string]string{"abime": "rien.jpg", "recent": "quatre.jpg", "double": "quatre.jpg"} {
		sees(by(inbox, subject), file)
	}
	if got := by(inbox, "signe").Raw; !strings.HasSuffix(got, signed) {
		t.Error("a signed mail was changed")
	}
	sees(by(ann.Folder("Corbeille"), "jete"), "quatre.jpg")

	// What the mail was besides its photos, it is.
	c = ann.IMAP()
	defer c.Close()
	at(t, c, "INBOX")
	found, err := c.Search(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "plage"}}}, nil).Wait()
	if err != nil || len(found.AllSeqNums()) != 1 {
		t.Fatalf("%v %v", found, err)
	}
	got, err := c.Fetch(imap.SeqSetNum(found.AllSeqNums()...), &imap.FetchOptions{Flags: true, InternalDate: true, BodyStructure: &imap.FetchItemBodyStructure{}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	if m := got[0]; !m.InternalDate.Equal(july) || !slices.Contains(m.Flags, imap.FlagFlagged) || !slices.Contains(m.Flags, imap.FlagSeen) || !slices.Contains(m.Flags, imap.Flag("$garde")) {
		t.Errorf("flags %v, date %v", m.Flags, m.InternalDate)
	}

	// The photos are what they were, each once, and seen by Ann alone.
	for folder, want := range map[string][][]byte{fmt.Sprintf("Albums/Souvenirs %d (2)", july.Year()): {one, two}, fmt.Sprintf("Albums/Souvenirs %d", july.Year()+1): {two, three}} {
		all := ann.Folder(folder).All
		if len(all) != len(want) {
			t.Errorf("%s has %d photos, want %d", folder, len(all), len(want))
		}
		for _, b := range want {
			if !slices.ContainsFunc(all, func(m *world.Mail) bool { return len(m.Files) == 1 && bytes.Equal(m.Files[0].Body, b) }) {
				t.Errorf("%s lacks a photo as it came", folder)
			}
		}
	}
	home.Browse(done.Link()).Sees(fmt.Sprintf("Souvenirs %d (2)", july.Year()))
	if n := used(); n > before-int64(len(one)+2*len(two)+len(three)) {
		t.Errorf("%d octets are used, %d were: the room was not won", n, before)
	}
	if n := len(inbox.All); n != unchanged+2 {
		t.Errorf("%d mails in the INBOX, want %d: an answer, a letter, and nothing lost", n, unchanged+2)
	}
	for _, table := range []string{"tidy", "tidy_album"} {
		var n int
		if err := home.DB.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n)
		}); err != nil || n != 0 {
			t.Errorf("%d rows stay in %s: %v", n, table, err)
		}
	}
}

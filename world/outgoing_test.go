package world_test

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"colporteur/world"
)

// thunderbird is a mail as Mozilla's program writes it: text and its HTML twin,
// and a file in lines of 72.
func thunderbird(to string, movie []byte) []byte {
	var b bytes.Buffer
	b.WriteString("Message-ID: <film@phone.test>\r\nDate: Sat, 14 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nUser-Agent: Mozilla Thunderbird\r\n" +
		"From: Ann <ann@home.test>\r\nTo: " + to + "\r\nSubject: =?UTF-8?Q?No=C3=ABl?=\r\n" +
		"Content-Type: multipart/mixed; boundary=\"------------0ABC\"\r\n\r\nThis is a multi-part message in MIME format.\r\n" +
		"--------------0ABC\r\nContent-Type: multipart/alternative;\r\n boundary=\"------------0DEF\"\r\n\r\n" +
		"--------------0DEF\r\nContent-Type: text/plain; charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\nVoilà le film.\r\n\r\n" +
		"--------------0DEF\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<html><body><p>Voilà le <b>film</b>.</p></body></html>\r\n\r\n" +
		"--------------0DEF--\r\n" +
		"--------------0ABC\r\nContent-Type: video/mp4; name=\"=?UTF-8?Q?No=C3=ABl=2Emp4?=\"\r\nContent-Disposition: attachment; filename*=UTF-8''No%C3%ABl.mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for len(movie) > 0 {
		n := min(54, len(movie))
		b.WriteString(base64.StdEncoding.EncodeToString(movie[:n]) + "\r\n")
		movie = movie[n:]
	}
	b.WriteString("--------------0ABC--\r\n")
	return b.Bytes()
}

// file files a mail as the member's program does after it was sent.
func file(t *testing.T, m *world.Member, folder string, raw []byte) {
	t.Helper()
	c := m.IMAP()
	defer c.Close()
	cmd := c.Append(folder, int64(len(raw)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}})
	if _, err := cmd.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// large counts the files of more than a megabyte below a folder.
func large(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if f, err := d.Info(); err == nil && f.Size() > 1<<20 {
				n++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAMailTooLargeForOthersTravelsAsALink(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far, loin := w.Server("home.test"), w.Server("far.test"), w.Server("loin.test")
	home.Publish("p=reject")
	ann, eve, bob, claire := home.Member("ann"), home.Member("eve"), far.Member("bob"), loin.Member("claire")
	movie := film(20_000_000)
	raw := thunderbird("Bob <bob@far.test>, claire@loin.test", movie)
	if err := ann.Submit([]string{bob.Address, claire.Address, eve.Address}, raw); err != nil {
		t.Fatal(err)
	}
	w.Settle()

	// The first one waits for ann; who lives here has it as it is.
	bob.Inbox().Empty()
	if here := eve.Inbox().One(); len(here.Files) != 1 || !bytes.Equal(here.Files[0].Body, movie) {
		t.Errorf("eve's copy: %d files", len(here.Files))
	}
	question := ann.Inbox().One().Says("Noël", "OUI", "48 heures")
	file(t, ann, "Envoyés", raw)
	ann.Send(question.ReplyTo(), world.Subject("Re: "+question.Subject), world.Text("Oui\r\n"))
	w.Settle()

	got, other := bob.Inbox().One(), claire.Inbox().One()
	for _, m := range []*world.Mail{got, other} {
		m.Says("Voilà le film.", "Noël.mp4")
		if len(m.Files) > 0 || len(m.Raw) > 20_000 {
			t.Errorf("a mail of %d octets with %d files", len(m.Raw), len(m.Files))
		}
		if !strings.Contains(m.Raw, "dkim=pass") {
			t.Errorf("it is not signed:\n%s", m.Raw[:2000])
		}
	}
	if got.Link() == other.Link() {
		t.Error("two recipients have one link")
	}
	if page := home.Browse(got.Link() + "/f/0/No%C3%ABl.mp4"); page.Status != http.StatusOK || page.Body != string(movie) {
		t.Errorf("the file came as %d, %d bytes", page.Status, len(page.Body))
	}
	if n := large(t, filepath.Join(home.Dir, "blobs")); n != 2 { // eve's mail; the film of the transfer and of ann's own copy
		t.Errorf("%d large files on the disk, want 2", n)
	}

	// The next one asks nobody, and a recall leaves ann's copy.
	receipt := ann.Inbox().Last().Says("Bob", "claire@loin.test", "RAPPELER")
	ann.Send(receipt.ReplyTo(), world.Subject("Re: "+receipt.Subject), world.Text("RAPPELER\r\n"))
	w.Settle()
	home.Browse(got.Link()).Gone()
	home.Browse(other.Link() + "/f/0/No%C3%ABl.mp4").Gone()
	if own := ann.Folder("Envoyés").One(); own.Raw != string(raw) {
		t.Errorf("ann's own copy is another: %d octets, want %d", len(own.Raw), len(raw))
	}
	if err := ann.Submit([]string{bob.Address, eve.Address}, thunderbird("bob@far.test", film(60_000_000))); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	// It is over what we take for a mailbox of ours: eve gets a link too.
	for _, m := range []*world.Member{bob, eve} {
		if last := m.Inbox().Last(); len(m.Inbox().All) != 2 || len(last.Raw) > 20_000 || len(last.Files) > 0 {
			t.Errorf("the second mail to %s: %d octets", m.Address, len(last.Raw))
		}
	}
	if bob.Inbox().Last().Link() == eve.Inbox().Last().Link() {
		t.Error("bob and eve have one link")
	}
}

func TestSignedMailTravelsAsItIsOrIsRefused(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob := home.Member("ann"), far.Member("bob")
	signed := func(n int) []byte {
		inner := thunderbird("bob@far.test", film(n))
		i := bytes.Index(inner, []byte("Content-Type: multipart/mixed"))
		return bytes.Join([][]byte{inner[:i], []byte("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=sig\r\n\r\n--sig\r\n"),
			inner[i:], []byte("\r\n--sig\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\nMIAGCSqGSIb3DQEHAqCAMIAC\r\n--sig--\r\n")}, nil)
	}
	raw := signed(17_000_000)
	if err := ann.Submit([]string{bob.Address}, raw); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if got := bob.Inbox().One(); !strings.HasSuffix(got.Raw, string(raw)) {
		t.Error("a signed mail was changed")
	}
	ann.Inbox().Empty()
	if err := ann.Submit([]string{bob.Address}, signed(60_000_000)); code(err) != 552 {
		t.Errorf("a signed mail over our own limit: %v", err)
	}
}

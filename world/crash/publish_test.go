package crash

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"

	"colporteur/world"
)

// blows is how often the server is killed between the 250 and the published
// photo; COLPORTEUR_CRASH_BLOWS changes it.
func blows() int {
	if n, err := strconv.Atoi(os.Getenv("COLPORTEUR_CRASH_BLOWS")); err == nil {
		return n
	}
	return 200
}

// snapshot is a photo unlike all others.
func snapshot(t testing.TB, i int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 320, 240))
	for y := range 240 {
		for x := range 320 {
			m.Set(x, y, color.RGBA{uint8(x + i), uint8(y * i), uint8(i), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// attach is a mail of a member's with one attachment.
func attach(from, subject, to, name, mediaType string, file []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Message-ID: <%s@home.test>\r\nSubject: %s\r\nFrom: <%s>\r\nTo: <%s>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: %s; name=%s\r\nContent-Disposition: attachment; filename=%s\r\nContent-Transfer-Encoding: base64\r\n\r\n",
		subject, subject, from, to, mediaType, name, name)
	enc := base64.StdEncoding.EncodeToString(file)
	for len(enc) > 76 {
		b.WriteString(enc[:76] + "\r\n")
		enc = enc[76:]
	}
	return b.String() + enc + "\r\n"
}

func submit(p *world.Process, from string, to []string, raw string) error {
	c, err := smtp.Dial(p.Ports["submission"])
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Auth(plain{from, "storm pass"}); err != nil {
		return err
	}
	return c.SendMail(from, to, strings.NewReader(raw))
}

// plain is SASL PLAIN for the dev profile's loopback.
type plain struct{ user, password string }

func (a plain) Start() (string, []byte, error) {
	return "PLAIN", []byte("\x00" + a.user + "\x00" + a.password), nil
}

func (a plain) Next([]byte) ([]byte, error) { return nil, fmt.Errorf("PLAIN asks nothing") }

var pageLink = regexp.MustCompile(`/[at]/[a-z2-7]{26}`)

// TestEveryAcceptedMailIsPublishedExactlyOnceHoweverOftenTheServerIsKilled sends
// a photo or a file, and kills the server somewhere between its 250 and the page.
func TestEveryAcceptedMailIsPublishedExactlyOnceHoweverOftenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	p := world.Setup(t, filepath.Join(t.TempDir(), "data"))
	p.Member("bob@home.test", "storm pass")
	// Nobody is told of more than a hundred things in an hour.
	senders := []string{"ann@home.test", "carla@home.test", "dirk@home.test", "eve@home.test"}
	for _, who := range senders {
		p.Member(who, "storm pass")
	}
	sender := func(i int) string { return senders[i/4%len(senders)] }
	n := blows()
	for i := range n {
		p.Start()
		var err error
		if i%4 == 3 {
			err = submit(p, sender(i), []string{"envoi@home.test", "bob@home.test"}, attach(sender(i), fmt.Sprintf("file%d", i), "envoi@home.test", fmt.Sprintf("file%d.bin", i), "application/octet-stream", snapshot(t, i)))
		} else {
			err = submit(p, sender(i), []string{"album+storm@home.test"}, attach(sender(i), fmt.Sprintf("photo%d", i), "album+storm@home.test", fmt.Sprintf("photo%d.jpg", i), "image/jpeg", snapshot(t, i)))
		}
		if err != nil {
			t.Fatalf("blow %d: %v\n%s", i, err, p.Log())
		}
		// The blow may fall at any moment from now until everything is done.
		time.Sleep(time.Duration(rand.IntN(350)) * time.Millisecond)
		p.Kill()
	}
	p.Start()
	photos, files := n-n/4, n/4
	answered := map[string][]string{}
	for k, who := range senders {
		mine := 0
		for i := range n {
			if i/4%len(senders) == k {
				mine++
			}
		}
		maps.Copy(answered, settled(t, p, who, "In-Reply-To: <", mine))
	}
	invited := settled(t, p, "bob@home.test", "Subject: ", files)
	for i := range n {
		kind := "photo"
		if i%4 == 3 {
			kind = "file"
			if got := invited[fmt.Sprintf("file%d", i)]; len(got) != 1 {
				t.Errorf("file%d was announced to its guest %d times", i, len(got))
			}
		}
		if got := answered[fmt.Sprintf("%s%d@home.test>", kind, i)]; len(got) != 1 {
			t.Errorf("%s%d was answered %d times", kind, i, len(got))
		}
	}
	seen := map[string]int{}
	for first := 0; first < n && first < 4*len(senders); first += 4 { // each one's first photo
		album := ""
		for _, m := range answered[fmt.Sprintf("photo%d@home.test>", first)] {
			album = pageLink.FindString(m)
		}
		if album == "" {
			t.Fatalf("%s's receipt has no link", sender(first))
		}
		for _, name := range zipped(t, p, album) {
			seen[name]++
		}
	}
	for i := range n {
		if i%4 == 3 {
			continue
		}
		if got := seen[fmt.Sprintf("photo%d.jpg", i)]; got != 1 {
			t.Errorf("photo%d.jpg is in the album %d times", i, got)
		}
	}
	if len(seen) != photos {
		t.Errorf("the album has %d photos of different names, %d were accepted", len(seen), photos)
	}
	if strings.Contains(p.Log(), "panic") {
		t.Errorf("a panic in the log:\n%s", p.Log())
	}
	t.Logf("%d kills: %d photos and %d transfers, each published once", n, photos, files)
}

// settled waits until n mails of a member have different values of a header
// field and no job is left, and returns the mails by that value.
func settled(t *testing.T, p *world.Process, who, field string, n int) map[string][]string {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		have := map[string][]string{}
		for _, raw := range inbox(t, p, who) {
			if _, v, ok := strings.Cut(raw, "\r\n"+field); ok {
				v, _, _ = strings.Cut(v, "\r\n")
				have[v] = append(have[v], raw)
			}
		}
		if len(have) >= n || time.Now().After(deadline) {
			return have
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func inbox(t *testing.T, p *world.Process, who string) (raw []string) {
	t.Helper()
	c, err := imapclient.DialInsecure(p.Ports["imap"], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(who, "storm pass").Wait(); err != nil {
		t.Fatal(err)
	}
	sel, err := c.Select("INBOX", nil).Wait()
	if err != nil || sel.NumMessages == 0 {
		return nil
	}
	var all imap.SeqSet
	all.AddRange(1, sel.NumMessages)
	section := &imap.FetchItemBodySection{Peek: true}
	msgs, err := c.Fetch(all, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range msgs {
		raw = append(raw, string(m.FindBodySection(section)))
	}
	return raw
}

// zipped are the names in an album's zip, as its page leads there.
func zipped(t *testing.T, p *world.Process, album string) (names []string) {
	t.Helper()
	page := fetch(t, p, album)
	m := regexp.MustCompile(regexp.QuoteMeta(album) + `/[^"/]+\.zip`).FindString(string(page))
	if m == "" {
		t.Fatalf("the page has no link to the whole:\n%s", page)
	}
	raw := fetch(t, p, m)
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	return names
}

func fetch(t *testing.T, p *world.Process, path string) []byte {
	t.Helper()
	res, err := http.Get("http://" + p.Ports["http"] + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path[:3], res.Status, err)
	}
	return b
}

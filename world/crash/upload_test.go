package crash

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"colporteur/world"
)

var placeLink = regexp.MustCompile(`/d/[a-z2-7]{26}`)

// speak asks in the upload protocol's tongue; an error is a connection that broke.
func speak(p *world.Process, method, path string, body io.Reader, length int64, header ...string) (*http.Response, error) {
	req, err := http.NewRequest(method, "http://"+p.Ports["http"]+path, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = length
	req.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Dial: net.Dial}, Timeout: time.Minute}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	res.Body.Close()
	return res, nil
}

// slow hands out bytes so that a file takes a while, and a blow falls in it.
type slow struct {
	io.Reader
	rest time.Duration
}

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(s.rest) // the pace of a line, not a wait for something
	return s.Reader.Read(p[:min(len(p), 256<<10)])
}

// TestAnUploadGoesOnAfterEveryKill kills the server in the middle of a file,
// again and again: what was acknowledged is there, and the whole is what was sent.
func TestAnUploadGoesOnAfterEveryKill(t *testing.T) {
	t.Parallel()
	p := world.Setup(t, filepath.Join(t.TempDir(), "data"))
	p.Member("ann@home.test", "storm pass")
	p.Start()
	if err := submit(p, "ann@home.test", []string{"depot@home.test"}, "Message-ID: <p@home.test>\r\nSubject: Le film\r\nFrom: <ann@home.test>\r\nTo: <depot@home.test>\r\n\r\nBonjour.\r\n"); err != nil {
		t.Fatal(err)
	}
	place := ""
	for _, m := range settled(t, p, "ann@home.test", "In-Reply-To: <", 1)["p@home.test>"] {
		place = placeLink.FindString(m)
	}
	if place == "" {
		t.Fatal("the answer has no link")
	}
	film := make([]byte, 120<<20)
	rand.NewChaCha8([32]byte{5}).Read(film)
	sum := sha256.Sum256(film)
	res, err := speak(p, "POST", place+"/u", nil, 0, "Upload-Length", fmt.Sprint(len(film)), "Upload-Metadata", "filename ZmlsbS5tcDQ=")
	if err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("create: %v %v", res, err)
	}
	up := res.Header.Get("Location")

	acked, kills, kept := int64(0), 0, map[int64]bool{}
	for acked < int64(len(film)) {
		res, err := speak(p, "HEAD", up, nil, 0)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("after %d kills HEAD says %v, %v\n%s", kills, res, err, p.Log())
		}
		at, err := strconv.ParseInt(res.Header.Get("Upload-Offset"), 10, 64)
		if err != nil || at < acked {
			t.Fatalf("after %d kills the upload stands at %d; %d were acknowledged", kills, at, acked)
		}
		kept[at], acked = true, at
		// Some requests are small enough to be answered between two kills.
		n := min(int64(len(film))-at, []int64{1 << 20, 5 << 20, int64(len(film))}[rand.IntN(3)])
		done := make(chan error, 1)
		go func() {
			res, err := speak(p, "PATCH", up, slow{bytes.NewReader(film[at : at+n]), time.Millisecond}, n,
				"Upload-Offset", fmt.Sprint(at), "Content-Type", "application/offset+octet-stream")
			if err == nil && res.StatusCode == http.StatusNoContent {
				acked, err = strconv.ParseInt(res.Header.Get("Upload-Offset"), 10, 64)
			}
			done <- err
		}()
		if kills < 25 {
			select {
			case err = <-done:
			case <-time.After(time.Duration(rand.IntN(400)) * time.Millisecond):
				p.Kill()
				kills++
				err = <-done
				p.Start()
			}
			continue
		}
		if err := <-done; err != nil {
			t.Fatalf("without a kill: %v", err)
		}
	}
	if kills < 5 || len(kept) < 4 {
		t.Errorf("only %d kills, at %d places: the test shows nothing", kills, len(kept))
	}
	form, err := http.PostForm("http://"+p.Ports["http"]+place, url.Values{"giver": {"Claire"}, "upload": {up[len(place+"/u/"):]}})
	if err != nil || form.StatusCode != http.StatusOK {
		t.Fatalf("the form: %v %v", form, err)
	}
	form.Body.Close()
	p.Kill() // and right after the thanks: what was handed in is there
	p.Start()
	told := settled(t, p, "ann@home.test", "Subject: ", 2)
	owner := ""
	for _, ms := range told {
		for _, m := range ms {
			if l := pageLink.FindString(m); l != "" {
				owner = l
			}
		}
	}
	if owner == "" {
		t.Fatalf("the owner was not told: %d mails", len(told))
	}
	got := sha256.Sum256(fetch(t, p, owner+"/f/0/film.mp4"))
	if got != sum {
		t.Errorf("SHA-256 %s, want %s", hex.EncodeToString(got[:]), hex.EncodeToString(sum[:]))
	}
	if out := p.Run("verify", "--config", p.Config); !regexp.MustCompile(`good\s+Every byte could be read`).MatchString(out) {
		t.Errorf("verify: %s", out)
	}
	t.Logf("%d kills; went on from %d different places", kills, len(kept))
}

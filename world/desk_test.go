package world_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"colporteur/world"
)

// tus is one request of the protocol (tus 1.0).
func tus(t *testing.T, method, address string, body []byte, want int, header ...string) http.Header {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != want {
		t.Fatalf("%s %s: %s, want %d\n%s", method, address, resp.Status, want, b)
	}
	return resp.Header
}

// A file that is too large for a mail goes up piece by piece, through a restart of
// the server, and leaves as a link that stands in the letter.
func TestALargeFileGoesUpInPiecesAndBecomesALink(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann", "fr"), home.Member("bob")
	c, b := sharer(ann), sharer(bob)
	at := func(address string) string { // the site is elsewhere than where it calls itself
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return "http://" + home.Addr("http") + u.Path
	}
	desk := c.Call("Transfer/uploadTo", world.Args{})
	if again := c.Call("Transfer/uploadTo", world.Args{}); again.Text("url") != desk.Text("url") || desk.At("maxSize").(float64) < 1<<30 {
		t.Errorf("two desks: %v, %v", desk, again)
	}
	film := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	chunk := []string{"Content-Type", "application/offset+octet-stream", "Upload-Offset", "0"}
	file := at(tus(t, "POST", at(desk.Text("url")), nil, http.StatusCreated, "Upload-Length", fmt.Sprint(len(film)), "Upload-Metadata", "filename ZmlsbS5tcDQ=,filetype dmlkZW8vbXA0").Get("Location"))
	tus(t, "PATCH", file, film[:300_000], http.StatusNoContent, chunk...)
	share := func(c *world.JMAP, files ...any) world.Answer {
		t.Helper()
		return c.Call("Transfer/set", world.Args{"create": world.Args{"n": world.Args{"title": "Le film", "quiet": true, "days": 7, "files": files}}})
	}
	if a := share(c, world.Args{"upload": file}); a.Text("notCreated/n/type") == "" {
		t.Errorf("half a file was taken: %v", a)
	}

	path := strings.TrimPrefix(file, "http://"+home.Addr("http"))
	home.Stop()
	home.Start()
	file = "http://" + home.Addr("http") + path
	c, b = sharer(ann), sharer(bob)
	if got := tus(t, "HEAD", file, nil, http.StatusOK).Get("Upload-Offset"); got != "300000" {
		t.Errorf("after a restart it stands at %s", got)
	}
	chunk[3] = "300000"
	tus(t, "PATCH", file, film[300_000:], http.StatusNoContent, chunk...)
	if a := share(b, world.Args{"upload": file}); a.Text("notCreated/n/type") != "invalidProperties" {
		t.Errorf("another member took it: %v", a)
	}
	var up struct{ BlobID string }
	c.Do("POST", "/jmap/upload/"+c.Account+"/", "text/plain", []byte("texte"), http.StatusCreated, &up)
	a := share(c, world.Args{"upload": file}, world.Args{"blobId": up.BlobID, "name": "film.mp4"})
	id := a.Text("created/n/id")
	if id == "" {
		t.Fatalf("%v", a)
	}
	o := get(t, c, "Transfer", id)
	files := o["files"].([]any)
	if len(files) != 2 || files[1].(map[string]any)["name"] == files[0].(map[string]any)["name"] || files[1].(map[string]any)["type"] != "video/mp4" {
		t.Errorf("its files: %v", files)
	}
	var got []byte
	c.Do("GET", "/jmap/download/"+c.Account+"/"+files[1].(map[string]any)["blobId"].(string)+"/film", "", nil, http.StatusOK, &got)
	if !bytes.Equal(got, film) {
		t.Errorf("%d octets came back, want %d", len(got), len(film))
	}
	home.Browse(o["url"].(string)).Sees("Le film")
	if a := share(c, world.Args{"upload": file}); a.Text("notCreated/n/type") != "invalidProperties" {
		t.Errorf("it was taken twice: %v", a)
	}
	w.Settle()
	if n := len(ann.Inbox().All); n != 0 {
		t.Errorf("%d mails tell her what she just did", n)
	}
	if why := set(c, "Transfer", id, world.Args{"recalled": true}); why != "" {
		t.Errorf("recalled: %s", why)
	}
	home.Browse(o["url"].(string)).Gone()
}

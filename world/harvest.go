package world

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Harvested is an address that answered, and what it answered.
type Harvested struct {
	Path  string // with its query
	Type  string
	ETag  string
	Bytes int
}

// Harvest is everything that the holder of a link can get: it follows every
// address below the link that a page names, in whatever attribute, and presses
// the buttons that lead to a download.
func (s *Server) Harvest(link string) (all []Harvested) {
	t := s.World.T
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	base := u.Path // /a/TOKEN
	mentioned := regexp.MustCompile(regexp.QuoteMeta(base) + `[^\s"'<>,\\)]*`)
	seen, todo := map[string]bool{base: true}, []string{base}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		method := http.MethodGet
		if rest, ok := strings.CutPrefix(path, "POST "); ok {
			method, path = http.MethodPost, rest
		}
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr("http")+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if resp.StatusCode != http.StatusOK {
			continue // the address of a form, which nobody gets
		}
		at := resp.Request.URL.RequestURI() // a button leads elsewhere
		all = append(all, Harvested{Path: at, Type: resp.Header.Get("Content-Type"), ETag: resp.Header.Get("ETag"), Bytes: len(body)})
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			continue
		}
		for _, m := range mentioned.FindAllString(html.UnescapeString(string(body)), -1) {
			next := m
			if strings.HasPrefix(m, base+"/get/") {
				next = "POST " + m
			}
			if !seen[next] && (m == base || strings.HasPrefix(m, base+"/") || strings.HasPrefix(m, base+"?")) {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	return all
}

// Replay asks for what was harvested again, in every way that a cache, a browser
// or a download program would, and fails the test for each that is not gone.
func (s *Server) Replay(why string, all []Harvested) {
	t := s.World.T
	t.Helper()
	for _, h := range all {
		for _, header := range []string{"", "Range: bytes=0-0", "Range: bytes=-1", "If-None-Match: " + h.ETag, "If-None-Match: *",
			"If-Range: " + h.ETag + "\nRange: bytes=0-0", "Accept: application/json", "Cache-Control: only-if-cached"} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr("http")+h.Path, nil)
				if err != nil {
					t.Fatal(err)
				}
				for line := range strings.SplitSeq(header, "\n") {
					if k, v, ok := strings.Cut(line, ": "); ok {
						req.Header.Set(k, v)
					}
				}
				resp, err := http.DefaultTransport.RoundTrip(req) // no redirect is followed: there must be none
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusNotFound {
					t.Errorf("%s: %s %s (%s) answers %d, want 404", why, method, h.Path, header, resp.StatusCode)
				}
				if got := resp.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
					t.Errorf("%s: %s may be kept: %q", why, h.Path, got)
				}
			}
		}
	}
}

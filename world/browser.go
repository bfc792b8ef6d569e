package world

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Page is what a browser shows.
type Page struct {
	t      testing.TB
	URL    string
	Status int
	Body   string
	Header http.Header
}

// Browse opens a link of this server without an account and without JavaScript.
// Links are made of the public address; the test's sockets are elsewhere.
func (s *Server) Browse(link string, header ...string) *Page {
	s.World.T.Helper()
	return s.do(http.MethodGet, link, nil, header)
}

// Press posts a form to a link, as its button does.
func (s *Server) Press(link string, form url.Values) *Page {
	s.World.T.Helper()
	return s.do(http.MethodPost, link, strings.NewReader(form.Encode()), []string{"Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin"})
}

func (s *Server) do(method, link string, body io.Reader, header []string) *Page {
	t := s.World.T
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	u.Scheme, u.Host = "http", s.Addr("http")
	req, err := http.NewRequestWithContext(t.Context(), method, u.String(), body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &Page{t: t, URL: link, Status: resp.StatusCode, Body: string(b), Header: resp.Header}
}

// Sees fails the test when the page lacks one of the words.
func (p *Page) Sees(words ...string) *Page {
	p.t.Helper()
	for _, w := range words {
		if !strings.Contains(p.Body, w) {
			p.t.Errorf("%s (%d) does not show %q:\n%.2000s", p.URL, p.Status, w, p.Body)
		}
	}
	return p
}

// SeesNot is the opposite.
func (p *Page) SeesNot(words ...string) *Page {
	p.t.Helper()
	for _, w := range words {
		if strings.Contains(p.Body, w) {
			p.t.Errorf("%s (%d) shows %q", p.URL, p.Status, w)
		}
	}
	return p
}

// Gone fails the test when anything is left at the link.
func (p *Page) Gone() *Page {
	p.t.Helper()
	if p.Status != http.StatusNotFound {
		p.t.Errorf("%s answers %d, want 404", p.URL, p.Status)
	}
	return p
}

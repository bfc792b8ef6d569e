// Package page draws the pages that work without JavaScript, and turns errors
// into them.
package page

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"

	"colporteur/locale"
	"colporteur/mail"
)

//go:embed templates/*.html
var files embed.FS

var templates = template.Must(template.New("").ParseFS(files, "templates/*.html"))

// Pages draws for one host.
type Pages struct {
	Log *slog.Logger
}

// View is what a template sees.
type View struct {
	locale.Printer
	Title  string
	Wide   bool
	Script string // name of the page's own script, "album"; the page is complete without it
	Foot   *Foot
	Data   any

	chosen bool // the language is the reader's own choice
	get    bool // the page can be had again in the other language
	gzip   bool // the reader takes it compressed
}

// Foot is what a guest can always do, at the bottom of the page.
type Foot struct {
	Report string // mailto: of whoever looks into complaints; "" shows none
	Quiet  string // where a POST ends the mails about this thing, or begins them again; "" shows none
	Silent bool   // they have ended
}

// See begins a view in the reader's language: their own choice (?lang=), else
// the one the link was made in, else the browser's.
func See(r *http.Request, made string) View {
	v := View{get: r.Method != http.MethodPost, gzip: takesGzip(r)}
	switch l := r.URL.Query().Get("lang"); {
	case l == "fr", l == "en":
		v.Printer, v.chosen = locale.For(l), true
	case made != "":
		v.Printer = locale.For(made)
	default:
		v.Printer = locale.Match(r.Header.Get("Accept-Language"))
	}
	return v
}

// Keep is what an address of this site ends with, so that the next page is in
// the language that was chosen for this one.
func (v View) Keep() string {
	if v.chosen {
		return "?lang=" + v.Lang
	}
	return ""
}

// Other is the language this page can also be read in; "" when it cannot.
func (v View) Other() string {
	switch {
	case !v.get:
		return ""
	case v.Lang == "fr":
		return "en"
	}
	return "fr"
}

// Write draws the template name. The page is made whole before its first byte
// leaves, so an error in the middle is still an error page.
func (p *Pages) Write(w http.ResponseWriter, status int, name string, v View) error {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, v); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Lang)
	if v.Module() != "" {
		h.Set("Content-Security-Policy", scripted)
	}
	out := b.Bytes()
	// A guessed secret cannot be read off the length (BREACH): whoever could have
	// the page asked for again and again knows its address, and that is the secret.
	h.Set("Vary", "Accept-Encoding")
	if v.gzip && len(out) > 4<<10 {
		h.Set("Content-Encoding", "gzip")
		out = squeeze(out, gzip.BestSpeed)
	}
	w.WriteHeader(status)
	_, err := w.Write(out)
	return err
}

// What a page may do. A script is the site's own file and speaks to the site
// alone; the pictures it makes itself are in data: and blob: addresses.
const (
	strict   = "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	scripted = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

// Headers sets on every answer what keeps a page from leaking where it was
// read, from being framed, kept or indexed. A handler may replace Cache-Control.
func Headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", strict)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
		h.Set("Cache-Control", "private, no-store")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// Handler is an HTTP handler that may fail.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Handle makes an http.Handler of h: a failure is logged with its cause and
// answered with a kind page.
func (p *Pages) Handle(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := &watched{ResponseWriter: w}
		err := h(begun, r)
		if err == nil {
			return
		}
		if errors.Is(err, http.ErrAbortHandler) {
			panic(http.ErrAbortHandler) // the reader went away: nothing to say, and nobody to say it to
		}
		if r.Context().Err() == nil && (mail.KindOf(err) == mail.Internal || mail.Is(err, mail.Unavailable)) {
			p.log().ErrorContext(r.Context(), "page failed", "path", redacted(r.URL.Path), "err", err)
		}
		if begun.begun {
			// The status is gone; cutting the connection is the only honest end.
			panic(http.ErrAbortHandler)
		}
		p.Fail(w, r, err)
	})
}

// Fail answers with the page for an error.
func (p *Pages) Fail(w http.ResponseWriter, r *http.Request, err error) {
	for _, k := range []string{"Content-Disposition", "Content-Encoding", "Content-Length", "Etag", "Accept-Ranges", "Last-Modified"} {
		w.Header().Del(k)
	}
	v := See(r, "")
	status := Status(err)
	name := "gone.html"
	v.Title = v.T("web-gone-title")
	if status != http.StatusNotFound {
		name = "sorry.html"
		v.Title = v.T("web-sorry-title")
		text := mail.MakeText("kind-internal")
		var e *mail.Error
		if errors.As(err, &e) {
			if text = e.Text; text.ID == "" {
				text = mail.MakeText(KindText(e.Kind))
			}
		}
		v.Data = v.Text(text)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	if err := p.Write(w, status, name, v); err != nil {
		p.log().ErrorContext(r.Context(), "error page failed", "err", err)
	}
}

func (p *Pages) log() *slog.Logger {
	if p.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.Log
}

// watched knows whether the answer has begun.
type watched struct {
	http.ResponseWriter
	begun bool
}

func (w *watched) WriteHeader(status int) { w.begun = true; w.ResponseWriter.WriteHeader(status) }

func (w *watched) Write(p []byte) (int, error) { w.begun = true; return w.ResponseWriter.Write(p) }

func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// redacted is a path for the log: what is long enough to be a token, or the
// name of somebody's file, is not in it.
func redacted(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if i > 1 && len(p) > 12 {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, "/")
}

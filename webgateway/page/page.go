// Package page draws the pages that work without JavaScript, and turns errors
// into them.
package page

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"colporteur/locale"
	"colporteur/mail"
)

//go:embed templates/*.html
var files embed.FS

//go:embed assets
var assets embed.FS

var templates = template.Must(template.New("").ParseFS(files, "templates/*.html"))

// Pages draws for one host.
type Pages struct {
	Log *slog.Logger
}

// View is what a template sees.
type View struct {
	locale.Printer
	Title string
	Wide  bool
	Data  any
}

// Long is a date and an hour, for a moment that matters.
func (v View) Long(t time.Time) string { return v.Date(t) }

// Language is the reader's: their own choice (?lang=), else the one the link
// was made in, else the browser's.
func Language(r *http.Request, made string) locale.Printer {
	if l := r.URL.Query().Get("lang"); l == "fr" || l == "en" {
		return locale.For(l)
	}
	if made != "" {
		return locale.For(made)
	}
	return locale.Match(r.Header.Get("Accept-Language"))
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
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// Headers sets on every answer what keeps a page from leaking where it was
// read, from being framed, kept or indexed. A handler may replace Cache-Control.
func Headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
		h.Set("Cache-Control", "private, no-store")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
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
		if r.Context().Err() == nil && mail.KindOf(err) == mail.Internal || mail.Is(err, mail.Unavailable) {
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
	for _, k := range []string{"Content-Disposition", "Content-Length", "Etag", "Accept-Ranges", "Last-Modified"} {
		w.Header().Del(k)
	}
	v := View{Printer: Language(r, "")}
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

// redacted is a path for the log, without the token in it.
func redacted(path string) string {
	parts := strings.SplitN(path, "/", 4)
	if len(parts) > 2 && len(parts[2]) >= 20 {
		parts[2] = "…"
	}
	return strings.Join(parts, "/")
}

// Assets serves the site's own static files.
func Assets() http.Handler {
	sub, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err)
	}
	h := http.StripPrefix("/assets/", http.FileServerFS(sub))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=86400")
		h.ServeHTTP(w, r)
	})
}

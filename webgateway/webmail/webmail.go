// Package webmail is the member's mail in a browser: an application that is a
// JMAP client like any other, and the pages that it needs from us.
//
// The application is made by Vite into dist, which is not kept with the source;
// a host that was built without npm says so instead.
package webmail

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"colporteur/mail"
	"colporteur/webgateway/jmap"
	"colporteur/webgateway/page"
	"colporteur/webgateway/session"
)

//go:embed all:dist
var dist embed.FS

//go:embed shell.html
var shellText string

var shell = template.Must(template.New("shell").Parse(shellText))

// Webmail serves the application.
type Webmail struct {
	Pages *page.Pages
	Doors *session.Pages
	JMAP  *jmap.Server
	Title string // what the browser's window is called
	// Administers says whether a member runs the host, and is shown the way to its
	// office; nil: nobody is. The office itself asks again.
	Administers func(ctx context.Context, u mail.UserID) (bool, error)

	Pictures Pictures
	// Proven says whether the author of a mail is who it says, by what we wrote
	// before it when it came; nil: of no mail.
	Proven func(prefix []byte, author mail.Address) bool
	Fetch  Fetcher // asks other hosts for pictures; nil: none are shown
	Key    []byte  // seals the addresses of pictures; the same on every node

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards

	queue queue
}

func (m *Webmail) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

func (m *Webmail) log() *slog.Logger {
	if m.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return m.Log
}

// what the application may do: it is our own files, speaks to us alone, and
// shows mails in frames that we serve.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
	"frame-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// Built says whether the application is in this binary.
func Built() bool { return len(entry.File) > 0 }

// entry is what the page loads.
var entry = func() (e struct {
	File string   `json:"file"`
	CSS  []string `json:"css"`
}) {
	b, err := dist.ReadFile("dist/manifest.json")
	if err != nil {
		return e
	}
	all := map[string]json.RawMessage{}
	if json.Unmarshal(b, &all) != nil || json.Unmarshal(all["src/main.ts"], &e) != nil {
		return e
	}
	return e
}()

// Routes adds the application to mux.
func (m *Webmail) Routes(mux *http.ServeMux) {
	mux.Handle("GET /mail", m.Doors.Require(m.app))
	mux.Handle("GET /mail/{$}", m.Doors.Require(m.app))
	mux.Handle("GET /mail/message/{email}", m.Doors.Require(m.message))
	mux.Handle("POST /mail/message/{email}/pictures", m.Doors.Require(m.choose))
	mux.Handle("POST /mail/message/{email}/alarm", m.Doors.Require(m.alarm))
	mux.Handle("GET /mail/picture", m.Pages.Handle(m.picture))
	mux.Handle("GET /mail/file/{blob}/{name}", m.Doors.Require(m.file))
	mux.HandleFunc("GET /mail/assets/{name}", asset)
	mux.HandleFunc("GET /mail/assets.json", built)
	mux.Handle("GET /mail/manifest.webmanifest", m.Doors.Require(m.manifest))
	for name := range files {
		mux.HandleFunc("GET /mail/"+name, file)
	}
}

func (m *Webmail) app(w http.ResponseWriter, r *http.Request, u mail.User) error {
	office := false
	if m.Administers != nil {
		var err error
		if office, err = m.Administers(r.Context(), u.ID); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := shell.Execute(&b, map[string]any{"Lang": language(u), "Office": office, "Title": m.Title, "Script": "/mail/" + entry.File, "Styles": entry.CSS}); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	_, err := b.WriteTo(w)
	return err
}

// language is the application's for u.
func language(u mail.User) string {
	if u.Lang == "en" {
		return "en"
	}
	return "fr"
}

// asset serves a file of the application; its name changes with it.
func asset(w http.ResponseWriter, r *http.Request) {
	name := "dist/assets/" + path.Base(r.PathValue("name"))
	f, ok := packed(name)
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	switch path.Ext(name) {
	case ".js":
		h.Set("Content-Type", "text/javascript; charset=utf-8")
	case ".css":
		h.Set("Content-Type", "text/css; charset=utf-8")
	default:
		h.Set("Content-Type", "application/octet-stream")
	}
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		w.Write(f)
		return
	}
	z, err := gzip.NewReader(bytes.NewReader(f))
	if err == nil {
		io.Copy(w, z)
	}
}

var (
	packing sync.Mutex
	done    = map[string][]byte{}
)

// packed is a file, compressed once.
func packed(name string) ([]byte, bool) {
	packing.Lock()
	defer packing.Unlock()
	if b, ok := done[name]; ok {
		return b, true
	}
	raw, err := fs.ReadFile(dist, name)
	if err != nil {
		return nil, false
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	z.Write(raw)
	z.Close()
	done[name] = b.Bytes()
	return done[name], true
}

package webmail

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"

	"colporteur/mail"
)

// What a phone or a computer needs to keep the application among its own.

// files of the application that do not change their names.
var files = map[string]string{"sw.js": "text/javascript; charset=utf-8", "icon-192.png": "image/png", "icon-512.png": "image/png"}

// file serves one of them; it is asked for anew each time, so that a new
// application is had at once.
func file(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	b, err := dist.ReadFile("dist/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", files[name])
	h.Set("Cache-Control", "no-cache")
	h.Set("Service-Worker-Allowed", "/mail") // the application's own address has no slash behind it
	// A worker has the policy that it came with, not that of the page.
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; img-src 'self'")
	w.Write(b)
}

// manifest is what the application is called and how it opens
// (W3C, Web Application Manifest).
func (m *Webmail) manifest(w http.ResponseWriter, r *http.Request, u mail.User) error {
	icon := func(size string) map[string]string {
		return map[string]string{"src": "/mail/icon-" + size + ".png", "sizes": size + "x" + size, "type": "image/png", "purpose": "any maskable"}
	}
	w.Header().Set("Content-Type", "application/manifest+json")
	return json.NewEncoder(w).Encode(map[string]any{"id": "/mail", "name": m.Title, "short_name": "Colporteur", "lang": language(u), "start_url": "/mail", "scope": "/mail",
		"display": "standalone", "background_color": "#faf7f0", "theme_color": "#0f4f47", "icons": []any{icon("192"), icon("512")}})
}

// built are the addresses of all files of the application, for a device that
// keeps it.
func built(w http.ResponseWriter, _ *http.Request) {
	list := []string{}
	entries, _ := dist.ReadDir("dist/assets")
	for _, e := range entries {
		list = append(list, "/mail/assets/"+e.Name())
	}
	slices.Sort(list)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	json.NewEncoder(w).Encode(list)
}

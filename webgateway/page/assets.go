package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// The scripts under assets/built are made from webgateway/guest; a host that was
// built without npm has none, and pages that are complete all the same.
//
//go:embed assets
var assets embed.FS

// address is where an asset is had: it changes with what is in it, so that nobody
// sees a new page in old clothes. "" when there is no such asset.
func address(name string) string { return addresses[name] }

var addresses = func() map[string]string {
	found := map[string]string{}
	err := fs.WalkDir(assets, "assets", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := assets.ReadFile(p)
		if err != nil {
			return err
		}
		h := sha256.Sum256(b)
		found[strings.TrimPrefix(p, "assets/")] = "/" + p + "?v=" + hex.EncodeToString(h[:6])
		return nil
	})
	if err != nil {
		panic(err)
	}
	return found
}()

// Style is the address of the style sheet.
func (View) Style() string { return address("style.css") }

// Module is the address of the page's script, "" when there is none.
func (v View) Module() string { return address("built/" + v.Script + ".js") }

// ModuleStyle is the address of what the script needs to be drawn.
func (v View) ModuleStyle() string { return address("built/" + v.Script + ".css") }

// types are what assets are, whatever the machine's own table of types says.
var types = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8"}

// Assets serves the site's own static files.
func Assets() http.Handler {
	sub, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err)
	}
	small := map[string][]byte{} // what is worth compressing, compressed once
	for name := range addresses {
		if ext := path.Ext(name); ext == ".css" || ext == ".js" {
			b, err := fs.ReadFile(sub, name)
			if err != nil {
				panic(err)
			}
			small[name] = squeeze(b, gzip.BestCompression)
		}
	}
	h := http.StripPrefix("/assets/", http.FileServerFS(sub))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/assets/")
		if addresses[name] == "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=86400")
		w.Header().Set("Content-Type", types[path.Ext(name)])
		if b, ok := small[name]; ok {
			w.Header().Set("Vary", "Accept-Encoding")
			if takesGzip(r) {
				w.Header().Set("Content-Encoding", "gzip")
				w.Write(b)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

func takesGzip(r *http.Request) bool {
	for v := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(v, ";")
		if strings.TrimSpace(name) == "gzip" && strings.TrimSpace(weight) != "q=0" {
			return true
		}
	}
	return false
}

func squeeze(b []byte, level int) []byte {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		panic(err) // a level that does not exist
	}
	z.Write(b)
	z.Close()
	return out.Bytes()
}

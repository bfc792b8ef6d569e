package webmail

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"colporteur/mail"
	"colporteur/webgateway/sanitize"
)

// What the page of a mail may do: nothing but be drawn. Its pictures are those
// that came with it; frames of our own application may show it.
const mailPolicy = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; font-src 'none'; form-action 'none'; base-uri 'none'; " +
	"frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"

// message draws the HTML of a mail, for a frame. It is made harmless here, is
// shown under a policy that runs and loads nothing, and in a sandbox.
func (m *Webmail) message(w http.ResponseWriter, r *http.Request, u mail.User) error {
	page, err := m.JMAP.Page(r.Context(), u, r.PathValue("email"))
	if err != nil {
		return err
	}
	out, err := sanitize.HTML(strings.NewReader(page.HTML), sanitize.Options{
		CID: func(id string) (string, bool) {
			blob, ok := page.Inline[id]
			return "/jmap/download/" + url.PathEscape(page.Account) + "/" + url.PathEscape(blob) + "/image?accept=" + url.QueryEscape(page.Types[id]), ok
		},
		Remote: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", mailPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	fmt.Fprintf(w, "<!doctype html><html><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><style>%s</style></head><body>", base)
	_, err = io.WriteString(w, out.HTML+"</body></html>")
	return err
}

// base is how a mail looks that says nothing about it.
const base = `html{background:#fff;color:#1f241f}body{margin:12px;font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}img{max-width:100%;height:auto}table{max-width:100%}pre{white-space:pre-wrap}blockquote{margin:8px 0 8px 4px;padding-left:12px;border-left:3px solid #ddd6c6;color:#454b45}a{color:#0f4f47}`

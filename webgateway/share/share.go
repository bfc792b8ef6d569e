// Package share serves what guests open with a link: transfers and albums,
// complete without JavaScript and without an account.
//
// Every request asks the service that owns the thing whether the link still
// opens it; nothing is remembered between requests. GET and HEAD change
// nothing: link scanners and previews fetch every address they see.
package share

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store/blob"
	"colporteur/webgateway/page"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// Share is the guests' pages of one host.
type Share struct {
	Pages     *page.Pages
	Transfers *transfer.Service
	Albums    *album.Service
	Blobs     *blob.Store
	URL       string                       // the public address of this site, for links that are shown
	Domain    func(context.Context) string // whose abuse@ looks into complaints; nil: pages name none
	Recheck   time.Duration                // how often a long answer asks whether it may go on; 0 is a second
}

// Routes adds the guests' paths to mux.
func (s *Share) Routes(mux *http.ServeMux) {
	handle := func(pattern string, h page.Handler) { mux.Handle(pattern, s.Pages.Handle(s.lockable(h))) }
	handle("GET /t/{token}", s.transfer)
	handle("GET /t/{token}/f/{seq}/{name}", s.file)
	handle("GET /t/{token}/{zip}", s.zip)
	handle("POST /t/{token}/get/{what}", s.press)
	handle("GET /t/{token}/g/{grant}/{name}", s.granted)
	handle("GET /t/{token}/v/{seq}", s.peek)
	handle("POST /t/{token}/unlock", s.unlock)
	handle("POST /t/{token}/code", s.code)
	handle("POST /a/{token}/unlock", s.unlock)
	handle("POST /a/{token}/code", s.code)
	handle("POST /t/{token}/recall", s.recallTransfer)
	handle("POST /t/{token}/restore", s.restoreTransfer)
	handle("POST /t/{token}/extend", s.extendTransfer)
	handle("POST /t/{token}/public", s.publishTransfer)
	handle("POST /t/{token}/invite", s.inviteToTransfer)
	handle("POST /t/{token}/guest/{guest}/revoke", s.revokeFromTransfer)
	handle("POST /t/{token}/rules", s.ruleTransfer)
	s.albumRoutes(handle)
}

func token(r *http.Request) link.Token { return link.Token(r.PathValue("token")) }

// visit is what the request shows.
func visit(r *http.Request) link.Visit {
	v := link.Visit{Token: token(r)}
	for _, name := range [...]string{byPassword, byCode} {
		if c, err := r.Cookie(name); err == nil {
			v.Keys = append(v.Keys, c.Value)
		}
	}
	return v
}

func notFound() error { return mail.Refuse(mail.NotFound, "kind-not-found") }

// number reads a path element that must be a plain number: "+1" and "01" are
// other addresses than "1", and other addresses show nothing.
func number(r *http.Request, name string) (int64, error) {
	v := r.PathValue(name)
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != v {
		return 0, notFound()
	}
	return n, nil
}

// answer is how bytes go out.
type answer struct {
	tag   string               // names them: other bytes have another
	still func() error         // nil while they may go on
	took  func(from, to int64) // hears which went out; nil: nobody counts
}

// blob answers with a blob, or a range of it.
func (s *Share) blob(w http.ResponseWriter, r *http.Request, id blob.ID, a answer) error {
	f, _, err := s.Blobs.OpenSeeker(r.Context(), id)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.serve(w, r, f, a)
}

func (s *Share) serve(w http.ResponseWriter, r *http.Request, f io.ReadSeeker, a answer) error {
	w.Header().Set("ETag", `"`+a.tag+`"`)
	if strings.Contains(r.Header.Get("Range"), ",") {
		// Many ranges in one answer serve nobody who downloads, and somebody who
		// wants us to work (CVE-2011-3192): the whole is a correct answer too.
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	}
	out := s.flow(w, a)
	// No Last-Modified: the ETag is the better validator for resuming.
	http.ServeContent(out, r, "", noTime, f)
	out.note()
	return out.err // ServeContent keeps it to itself, and the reader would wait for the rest
}

func (s *Share) flow(w http.ResponseWriter, a answer) *flow {
	f := newFlow(w)
	f.still, f.took = a.still, a.took
	if s.Recheck > 0 {
		f.every = s.Recheck
	}
	return f
}

// attachment names a download so that every browser saves it and none shows
// it: an HTML file of a stranger must never run on this site's address
// (RFC 6266; the plain name is for old browsers).
func attachment(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f || r == '"' || r == '\\' || r == '%' || r == '/' || r == ';' {
			return '_'
		}
		return r
	}, name)
	v := fmt.Sprintf(`attachment; filename="%s"`, ascii)
	if ascii != name {
		v += "; filename*=UTF-8''" + percent(name)
	}
	return v
}

// percent encodes all but attr-char (RFC 8187 §3.2.1).
func percent(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// safeType is the type a download is served with: what the sender said when it
// is a type, and never one that a browser would run.
func safeType(t string) string {
	m, _, err := mime.ParseMediaType(t)
	if err != nil || strings.HasPrefix(m, "text/") || strings.Contains(m, "html") || strings.Contains(m, "xml") ||
		strings.Contains(m, "javascript") || strings.Contains(m, "svg") {
		return "application/octet-stream"
	}
	return m
}

package upload

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/webgateway/page"
	"colporteur/workflow/upload"
)

// What we say of ourselves (tus 1.0.0, https://tus.io/protocols/resumable-upload).
const (
	version    = "1.0.0"
	extensions = "creation,creation-with-upload,expiration,checksum,concatenation,termination"

	statusChecksum = 460 // Checksum Mismatch
	chunk          = "application/offset+octet-stream"
)

// tus speaks the protocol: an address of a place's uploads, or of one of them.
func (s *Upload) tus(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Tus-Resumable", version)
	method := r.Method
	// For networks that know GET and POST alone; the cross-origin guard has seen
	// a POST, which it guards like all others.
	if m := r.Header.Get("X-HTTP-Method-Override"); m != "" && method == http.MethodPost {
		method = m
	}
	if method == http.MethodOptions {
		h.Set("Tus-Version", version)
		h.Set("Tus-Extension", extensions)
		h.Set("Tus-Max-Size", strconv.FormatInt(s.Places.Limit(), 10))
		h.Set("Tus-Checksum-Algorithm", upload.Algorithms)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if r.Header.Get("Tus-Resumable") != version {
		h.Set("Tus-Version", version)
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	one := r.PathValue("upload") != ""
	var err error
	switch {
	case method == http.MethodPost && !one:
		err = s.create(w, r)
	case method == http.MethodHead && one:
		err = s.head(w, r)
	case method == http.MethodPatch && one:
		err = s.patch(w, r)
	case method == http.MethodDelete && one:
		if err = s.Places.Terminate(r.Context(), visit(r), secret(r)); err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
	if err != nil {
		s.refuse(w, r, err)
	}
}

func secret(r *http.Request) upload.Secret { return upload.Secret(r.PathValue("upload")) }

// create announces a file; its first bytes may come along.
func (s *Upload) create(w http.ResponseWriter, r *http.Request) error {
	a, err := described(r)
	if err != nil {
		return err
	}
	concat := r.Header.Get("Upload-Concat")
	if rest, ok := strings.CutPrefix(concat, "final;"); ok {
		return s.join(w, r, rest, a)
	}
	a.Partial = concat == "partial"
	if concat != "" && !a.Partial {
		return malformed()
	}
	if a.Length, err = number(r, "Upload-Length"); err != nil {
		return err // Upload-Defer-Length is not offered
	}
	u, secret, err := s.Places.Announce(r.Context(), visit(r), a)
	if err != nil {
		return err
	}
	w.Header().Set("Location", s.at(r, secret))
	if r.Header.Get("Content-Type") == chunk && u.Length > 0 {
		// creation-with-upload. What of it fails is asked for again by HEAD.
		if now, err := s.receive(w, r, secret, 0); now != nil {
			if u = now; errors.Is(err, upload.ErrChecksum) {
				return err
			}
		}
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.Received, 10))
	}
	expires(w, u)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// join answers a final upload, made of partial ones.
func (s *Upload) join(w http.ResponseWriter, r *http.Request, list string, a upload.Announced) error {
	var secrets []upload.Secret
	own := "/d/" + r.PathValue("token") + "/u/"
	for address := range strings.FieldsSeq(list) {
		_, k, ok := strings.Cut(address, own) // absolute or not: what stands before is ours, or not looked at
		if !ok || strings.Contains(k, "/") {
			return malformed()
		}
		secrets = append(secrets, upload.Secret(k))
	}
	if r.Header.Get("Upload-Length") != "" {
		return malformed()
	}
	u, secret, err := s.Places.Join(r.Context(), visit(r), secrets, a)
	if err != nil {
		return err
	}
	w.Header().Set("Location", s.at(r, secret))
	expires(w, u)
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (s *Upload) head(w http.ResponseWriter, r *http.Request) error {
	u, err := s.Places.Get(r.Context(), visit(r), secret(r))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Upload-Offset", strconv.FormatInt(u.Received, 10))
	h.Set("Upload-Length", strconv.FormatInt(u.Length, 10))
	if u.Partial {
		h.Set("Upload-Concat", "partial")
	}
	expires(w, u)
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Upload) patch(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("Content-Type") != chunk {
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return nil
	}
	offset, err := number(r, "Upload-Offset")
	if err != nil {
		return err
	}
	u, err := s.receive(w, r, secret(r), offset)
	if err != nil {
		return err
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(u.Received, 10))
	expires(w, u)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Upload) receive(w http.ResponseWriter, r *http.Request, k upload.Secret, offset int64) (*upload.Upload, error) {
	sum, err := checksum(r)
	if err != nil {
		return nil, err
	}
	return s.Places.Receive(r.Context(), visit(r), k, offset, s.patient(w, r.Body), sum)
}

// checksum reads "sha1 BASE64"; nil when there is none.
func checksum(r *http.Request) (*upload.Checksum, error) {
	v := r.Header.Get("Upload-Checksum")
	if v == "" {
		return nil, nil
	}
	name, sum, ok := strings.Cut(v, " ")
	b, err := base64.StdEncoding.DecodeString(sum)
	sizes := map[string]int{"sha1": 20, "sha256": 32}
	if !ok || err != nil || sizes[name] == 0 || len(b) != sizes[name] {
		return nil, malformed()
	}
	return &upload.Checksum{Algorithm: name, Sum: b}, nil
}

// described reads what the sender says of a file: "filename BASE64,filetype BASE64".
func described(r *http.Request) (a upload.Announced, err error) {
	v := r.Header.Get("Upload-Metadata")
	if v == "" {
		return a, nil
	}
	for pair := range strings.SplitSeq(v, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		b, err := base64.StdEncoding.DecodeString(value)
		if err != nil || key == "" {
			return a, malformed()
		}
		switch key {
		case "filename", "name":
			a.Name = string(b)
		case "filetype", "type":
			a.Type = string(b)
		case "seal":
			a.Seal = string(b)
		}
	}
	return a, nil
}

func (s *Upload) at(r *http.Request, k upload.Secret) string {
	return "/d/" + r.PathValue("token") + "/u/" + string(k)
}

// expires says when an upload that nobody goes on with is forgotten.
func expires(w http.ResponseWriter, u *upload.Upload) {
	if !u.Whole() || u.Partial {
		w.Header().Set("Upload-Expires", u.Expires.UTC().Format(http.TimeFormat))
	}
}

func malformed() error { return mail.Refuse(mail.BadSyntax, "upload-malformed") }

// number reads a header that must be a plain number.
func number(r *http.Request, name string) (int64, error) {
	v := r.Header.Get(name)
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != v {
		return 0, malformed()
	}
	return n, nil
}

// refuse answers an error in the protocol's codes, with a sentence that the
// script shows.
func (s *Upload) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := page.Status(err)
	switch {
	case errors.Is(err, upload.ErrOffset), errors.Is(err, upload.ErrNotWhole):
		status = http.StatusConflict
	case errors.Is(err, upload.ErrChecksum):
		status = statusChecksum
	case errors.Is(err, upload.ErrTooLong), errors.Is(err, upload.ErrPieces):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, upload.ErrFinal):
		status = http.StatusForbidden
	case mail.Is(err, mail.OverQuota):
		status = http.StatusRequestEntityTooLarge // a client comes again and again after 5xx
	}
	if r.Context().Err() != nil {
		return // nobody reads it
	}
	s.patient(w, nil).move(time.Now()) // whoever is refused and drips the rest of a body holds nothing for long
	if status >= 500 {
		s.log().ErrorContext(r.Context(), "upload failed", "err", err)
	}
	var e *mail.Error
	text := ""
	if errors.As(err, &e) && e.Text.ID != "" {
		text = locale.Match(r.Header.Get("Accept-Language")).Text(e.Text)
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		h.Set("Retry-After", "30")
	}
	w.WriteHeader(status)
	w.Write([]byte(text))
}

package jmap

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// upload takes a file (RFC 8620 §6.1). It streams into the store, and waits
// there a day for something that names it.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	u, ok := s.member(w, r)
	if !ok {
		return
	}
	c := &Call{User: u, srv: s, ctx: r.Context(), name: "upload"}
	leave, ok := s.uploading.enter(u.ID, maxConcurrentUpload)
	if !ok {
		overLimit(http.StatusTooManyRequests, "maxConcurrentUpload").write(w)
		return
	}
	defer leave()
	account, err := c.account(r.Context(), r.PathValue("account"))
	if err != nil || s.Uploads == nil {
		(&problem{Type: "about:blank", Status: http.StatusNotFound}).write(w)
		return
	}
	if r.ContentLength > maxSizeUpload {
		overLimit(http.StatusRequestEntityTooLarge, "maxSizeUpload").write(w)
		return
	}
	t := "application/octet-stream"
	if known, params, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil {
		if full := mime.FormatMediaType(known, params); full != "" && len(full) <= 255 {
			t = full
		}
	}
	f, err := s.Uploads.Add(r.Context(), account, u.ID, t, r.Body, maxSizeUpload)
	switch {
	case mail.Is(err, mail.TooBig):
		overLimit(http.StatusRequestEntityTooLarge, "maxSizeUpload").write(w)
		return
	case errors.Is(err, io.ErrUnexpectedEOF):
		(&problem{Type: "about:blank", Status: http.StatusBadRequest}).write(w)
		return
	case err != nil:
		if k := mail.KindOf(err); ours(k) && r.Context().Err() == nil {
			s.log().ErrorContext(r.Context(), "jmap upload", "user", u.ID, "err", err)
		}
		(&problem{Type: "about:blank", Status: kinds[mail.KindOf(err)].status, Detail: c.sentence(err)}).write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	json.MarshalWrite(w, object{"accountId": accountID(account), "blobId": mailbox.ObjectID('u', f.ID), "type": f.Type, "size": f.Size}, json.Deterministic(true))
}

package jmap

import (
	"context"
	"io"
	"net/http"
	"time"

	"colporteur/mail"
)

// File is a blob to be looked at.
type File struct {
	Type string // as its sender said
	Size int64  // below 0: not known before it was read
	s    *stream
}

// Look finds a blob of the member's; kind NotFound when they see no such blob.
func (s *Server) Look(ctx context.Context, u mail.User, id string) (*File, error) {
	c := &Call{User: u, srv: s, ctx: ctx, name: "look"}
	b, err := c.blob(ctx, u.Account, id)
	if err != nil {
		return nil, err
	}
	return &File{Type: b.mediaType, Size: b.size, s: b}, nil
}

// Open reads it from its beginning.
func (f *File) Open(ctx context.Context) (io.ReadCloser, error) { return f.s.open(ctx, 0) }

// Serve sends it, or the range that is asked for; the header is the caller's.
func (f *File) Serve(w http.ResponseWriter, r *http.Request) error {
	if f.Size >= 0 {
		http.ServeContent(w, r, "", time.Time{}, &seeker{ctx: r.Context(), b: f.s})
		return nil
	}
	in, err := f.Open(r.Context())
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	return err
}

package jmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
)

// # Blob ids
//
//	Me…        the whole mail with that email id, as it came
//	Me…-2-1    a part of it, decoded: the second part's first
//	Me…-2_1    of the mail that the second part is, the first part
//	u…         an upload
//	p…         a picture of a card
//	T…-0       a file of a transfer: the first
//	P…         a photo of an album, as it came
//
// A blob of a mail is whoever's who sees the mail, asked each time; one of a
// transfer or an album is its owner's, while it is not over.

func mailBlob(id mailbox.EmailID) string { return "M" + emailID(id) }

// maxNested is how deep mails in mails are looked into.
const maxNested = 5

// stream is a blob that the member may read.
type stream struct {
	id        string
	mediaType string
	size      int64 // below 0: not known before it was read
	open      func(ctx context.Context, offset int64) (io.ReadCloser, error)
	of        *letter // the mail that it is, when that is known already
	ref       blob.ID // of an upload
}

func noBlob(id string) error {
	return mail.Wrap(mail.NotFound, fmt.Errorf("no blob %s", quoted(id)))
}

// blob finds what an id stands for; kind NotFound, also when it is not the
// member's.
func (c *Call) blob(ctx context.Context, account mail.AccountID, id string) (*stream, error) {
	switch {
	case strings.HasPrefix(id, "u"):
		return c.uploaded(ctx, account, id)
	case strings.HasPrefix(id, "p"):
		return c.picture(ctx, account, id)
	case account == c.User.Account && strings.HasPrefix(id, string(transferKind)):
		return c.transferBlob(ctx, id)
	case account == c.User.Account && strings.HasPrefix(id, string(photoKind)):
		return c.photoBlob(ctx, id)
	}
	rest, ok := strings.CutPrefix(id, "M")
	if !ok {
		return nil, noBlob(id)
	}
	steps := strings.Split(rest, "_")
	if len(steps) > maxNested {
		return nil, noBlob(id)
	}
	whole, path, inside := strings.Cut(steps[0], "-")
	n, ok := number[mailbox.EmailID]('e', whole)
	if !ok {
		return nil, noBlob(id)
	}
	letters, err := c.letters(ctx, account, []mailbox.EmailID{n}, true)
	if err != nil {
		return nil, err
	}
	l := letters[0]
	if l == nil {
		return nil, noBlob(id)
	}
	b := &stream{id: mailBlob(n), mediaType: "message/rfc822", size: l.size, open: l.open, of: l}
	if !inside {
		return b, nil
	}
	for i, path := range append([]string{path}, steps[1:]...) {
		if i > 0 {
			if l, err = b.letter(ctx); err != nil {
				return nil, err
			}
		}
		if l == nil {
			return nil, noBlob(id)
		}
		p := l.at(path)
		if p == nil || len(p.Children) > 0 {
			return nil, noBlob(id)
		}
		b = partStream(l, p, i > 0)
	}
	return b, nil
}

func partStream(l *letter, p *spot, nested bool) *stream {
	join := "-"
	if nested {
		join = "_"
	}
	b := &stream{id: l.blob + join + p.path, mediaType: p.Type, size: -1}
	if p.Encoding == "" || p.Encoding == "7bit" || p.Encoding == "8bit" || p.Encoding == "binary" {
		b.size = p.Size
	} else if p.Blob != 0 && !p.Damaged {
		b.size = p.Decoded
	}
	b.open = func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		r, dec, err := l.file(ctx, p)
		if err != nil {
			return nil, err
		}
		if _, err := io.CopyN(io.Discard, dec, offset); err != nil && err != io.EOF {
			r.Close()
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{dec, r}, nil
	}
	return b
}

// letter reads a blob as a mail; nil when it is none.
func (b *stream) letter(ctx context.Context) (*letter, error) {
	if b.of != nil {
		return b.of, nil
	}
	r, err := b.open(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	scan := &mail.Scanner{}
	n, err := io.Copy(scan, r)
	if err != nil {
		return nil, err
	}
	sum, _, err := scan.Close()
	if err != nil || sum == nil || sum.Root == nil || sum.Root.BodyOffset == 0 {
		return nil, err // without a header it is no mail
	}
	return &letter{blob: b.id, size: n, sum: sum, open: b.open}, nil
}

// download serves a blob (RFC 8620 §6.2).
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	u, ok := s.member(w, r)
	if !ok {
		return
	}
	c := &Call{User: u, srv: s, ctx: r.Context(), name: "download"}
	err := c.serve(w, r)
	if err == nil || r.Context().Err() != nil {
		return
	}
	k := mail.KindOf(err)
	var f *failure
	if errors.As(err, &f) {
		k = mail.NotFound
	}
	if ours(k) {
		s.log().ErrorContext(r.Context(), "jmap download", "user", u.ID, "err", err)
	}
	(&problem{Type: "about:blank", Status: kinds[k].status, Detail: c.sentence(err)}).write(w)
}

func (c *Call) serve(w http.ResponseWriter, r *http.Request) error {
	account, err := c.account(r.Context(), r.PathValue("account"))
	if err != nil {
		return err
	}
	b, err := c.blob(r.Context(), account, r.PathValue("blob"))
	if err != nil {
		return err
	}
	h := w.Header()
	// Whatever a stranger mailed is never a page of ours: a file to be saved, and
	// if a browser shows it all the same, in a sandbox.
	h.Set("Content-Type", harmless(r.URL.Query().Get("accept"), b.mediaType))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": mail.FileName(r.PathValue("name"))}))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-store")
	if b.size >= 0 && b.open != nil {
		http.ServeContent(w, r, "", time.Time{}, &seeker{ctx: r.Context(), b: b})
		return nil
	}
	in, err := b.open(r.Context(), 0)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	if err != nil && r.Context().Err() == nil {
		c.srv.log().WarnContext(r.Context(), "jmap download", "user", c.User.ID, "err", err)
		panic(http.ErrAbortHandler) // the reader sees that it is not whole
	}
	return nil
}

// harmless is the type that a browser is told: what the client asked for, unless
// a browser would run it.
func harmless(asked, known string) string {
	t, params, err := mime.ParseMediaType(asked)
	if err != nil {
		t, params, err = mime.ParseMediaType(known)
	}
	if err != nil || strings.Contains(t, "html") || strings.Contains(t, "xml") || strings.Contains(t, "svg") || strings.Contains(t, "script") || strings.HasPrefix(t, "multipart/") {
		return "application/octet-stream"
	}
	return mime.FormatMediaType(t, params)
}

// seeker is a stream for http.ServeContent; it opens where reading begins.
type seeker struct {
	ctx context.Context
	b   *stream
	at  int64
	in  io.ReadCloser
}

func (k *seeker) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += k.at
	case io.SeekEnd:
		offset += k.b.size
	}
	if offset < 0 {
		return 0, errors.New("before the beginning")
	}
	if offset != k.at && k.in != nil {
		k.in.Close()
		k.in = nil
	}
	k.at = offset
	return offset, nil
}

func (k *seeker) Read(p []byte) (int, error) {
	if k.in == nil {
		if k.at >= k.b.size {
			return 0, io.EOF
		}
		in, err := k.b.open(k.ctx, k.at)
		if err != nil {
			return 0, err
		}
		k.in = in
	}
	n, err := k.in.Read(p)
	k.at += int64(n)
	return n, err
}

// uploaded finds an upload of the member.
func (c *Call) uploaded(ctx context.Context, account mail.AccountID, id string) (*stream, error) {
	n, ok := mailbox.ParseObjectID('u', id)
	if !ok || c.srv.Uploads == nil {
		return nil, noBlob(id)
	}
	up, err := c.srv.Uploads.Find(ctx, account, c.User.ID, n)
	if errors.Is(err, store.ErrNoRows) {
		return nil, noBlob(id)
	}
	if err != nil {
		return nil, err
	}
	return &stream{id: id, mediaType: up.Type, size: up.Size, ref: up.Blob, open: c.opener(up.Blob)}, nil
}

func (c *Call) opener(id blob.ID) func(context.Context, int64) (io.ReadCloser, error) {
	return func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return c.srv.Blobs.Open(ctx, id, offset)
	}
}

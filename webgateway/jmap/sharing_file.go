package jmap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/workflow"
)

// room is how many octets more the member may keep.
func (c *Call) room(ctx context.Context) (int64, error) {
	return c.srv.Room(ctx, c.User.Account, c.User.ID)
}

// held has the bytes of what a blob id stands for as a blob that a transfer or an
// album can name: an upload as it is; of a part of a mail, a copy. They take their
// share of room. Kind OverQuota when it is too little.
func (c *Call) held(ctx context.Context, id string, room *int64) (k workflow.Kept, mediaType string, err error) {
	b, err := c.blob(ctx, c.User.Account, c.idOf(id))
	if absent(err) {
		err = &setError{Type: "blobNotFound", NotFound: []string{id}}
	}
	if err != nil {
		return k, "", err
	}
	stream, err := b.open(ctx, 0)
	if err != nil {
		return k, "", err
	}
	defer stream.Close()
	// One more than there is room for tells that it does not fit.
	in := io.LimitReader(stream, min(*room, math.MaxInt64-1)+1)
	h := sha256.New()
	if b.ref != 0 {
		k.Blob = b.ref
		if k.Size, err = io.Copy(h, in); err == nil && k.Size > *room {
			err = mail.Refuse(mail.OverQuota, "sharing-no-room")
		}
	} else {
		w := c.srv.Blobs.Create()
		defer w.Abort()
		if k.Size, err = io.Copy(io.MultiWriter(w, h), in); err != nil {
			return k, "", err
		}
		if k.Size > *room {
			return k, "", mail.Refuse(mail.OverQuota, "sharing-no-room")
		}
		var ref blob.Ref
		ref, err = w.Commit(ctx)
		k.Blob, k.Ref = ref.ID, &ref
	}
	*room -= k.Size
	k.SHA256 = hex.EncodeToString(h.Sum(nil))
	return k, b.mediaType, err
}

// loose is the id of what can be read again and again before anything names it,
// as pictures are made of it: that of an upload, for a part of a mail.
func (c *Call) loose(ctx context.Context, id string, room int64) (string, error) {
	b, err := c.blob(ctx, c.User.Account, c.idOf(id))
	if absent(err) {
		err = &setError{Type: "blobNotFound", NotFound: []string{id}}
	}
	if err != nil || b.ref != 0 {
		return id, err
	}
	stream, err := b.open(ctx, 0)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	f, err := c.srv.Uploads.Add(ctx, c.User.Account, c.User.ID, b.mediaType, stream, min(room, maxSizeUpload))
	if mail.Is(err, mail.TooBig) {
		err = mail.Refuse(mail.OverQuota, "sharing-no-room")
	}
	return mailbox.ObjectID('u', f.ID), err
}

// let forgets copies that nothing came to name.
func (c *Call) let(list ...workflow.Kept) {
	for _, k := range list {
		if k.Ref != nil {
			c.srv.Blobs.Discard(*k.Ref)
		}
	}
}

// fileNames are names that files can have beside each other: each one path
// element, none twice.
func fileNames(said []string, types []string) []string {
	parts := make([]*mail.Part, len(said))
	for i := range said {
		parts[i] = &mail.Part{Filename: store.Clean(said[i]), Type: types[i]}
	}
	return workflow.Names(parts, locale.For(""))
}

// line is what somebody typed as one line of at most n characters, without marks
// that turn the words beside them round.
func line(s string, n int) string {
	s = strings.Join(strings.FieldsFunc(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, store.Clean(s)), func(r rune) bool { return unicode.IsControl(r) || r == ' ' }), " ")
	if utf8.RuneCountInString(s) > n {
		s = string([]rune(s)[:n-1]) + "…"
	}
	return s
}

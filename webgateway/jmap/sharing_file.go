package jmap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow"
)

// held has the bytes of what a blob id stands for as a blob that a transfer or an
// album can name: an upload as it is; of a part of a mail, a copy.
func (c *Call) held(ctx context.Context, account mail.AccountID, id string) (k workflow.Kept, mediaType string, err error) {
	b, err := c.blob(ctx, account, c.idOf(id))
	if absent(err) {
		err = &setError{Type: "blobNotFound", NotFound: []string{id}}
	}
	if err != nil {
		return k, "", err
	}
	in, err := b.open(ctx, 0)
	if err != nil {
		return k, "", err
	}
	defer in.Close()
	h := sha256.New()
	if b.ref != 0 {
		k.Blob = b.ref
		k.Size, err = io.Copy(h, in)
	} else {
		w := c.srv.Blobs.Create()
		defer w.Abort()
		if k.Size, err = io.Copy(io.MultiWriter(w, h), in); err != nil {
			return k, "", err
		}
		var ref blob.Ref
		ref, err = w.Commit(ctx)
		k.Blob, k.Ref = ref.ID, &ref
	}
	k.SHA256 = hex.EncodeToString(h.Sum(nil))
	return k, b.mediaType, err
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

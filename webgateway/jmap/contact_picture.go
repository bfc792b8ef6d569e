package jmap

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/contact"
)

// mediaOf are the media of a card that are objects.
func mediaOf(o map[string]any) (list []map[string]any) {
	media, _ := o["media"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(media)) {
		if m, ok := media[key].(map[string]any); ok {
			list = append(list, m)
		}
	}
	return list
}

// blobIDs are those that a card names.
func blobIDs(o map[string]any) (ids []string) {
	for _, m := range mediaOf(o) {
		if id, ok := m["blobId"].(string); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// pictures finds the blobs that a card names and does not have yet: uploads, files
// of mails, pictures of other cards. The card names its own then.
func (c *Call) pictures(ctx context.Context, account mail.AccountID, o map[string]any, had []string) (list []contact.Picture, replaced bool, err error) {
	for _, m := range mediaOf(o) {
		id, ok := m["blobId"].(string)
		if !ok || slices.Contains(had, id) {
			continue
		}
		b, err := c.blob(ctx, account, c.idOf(id))
		if mail.Is(err, mail.NotFound) {
			return nil, false, &setError{Type: "blobNotFound", NotFound: []string{id}}
		}
		if err != nil {
			return nil, false, err
		}
		p := contact.Picture{ID: store.NewID(), Type: b.mediaType, Size: b.size, Blob: b.ref}
		if said, ok := m["mediaType"].(string); ok {
			p.Type = said
		}
		if b.size > contact.MaxPicture {
			return nil, false, &setError{Type: "tooLarge", Description: "a picture has at most ten megabytes", Properties: []string{"media"}}
		}
		if b.ref == 0 {
			in, err := b.open(ctx, 0)
			if err != nil {
				return nil, false, err
			}
			p, err = c.keepPicture(ctx, p, in)
			in.Close()
			if err != nil {
				return nil, false, err
			}
		}
		m["blobId"], m["mediaType"] = contact.PictureID(p.ID), p.Type
		list, replaced = append(list, p), true
	}
	return list, replaced, nil
}

// keepPicture makes a blob of what r has. If no card comes to name it, the sweeper
// takes it away.
func (c *Call) keepPicture(ctx context.Context, p contact.Picture, r io.Reader) (contact.Picture, error) {
	w := c.srv.Blobs.Create()
	defer w.Abort()
	n, err := io.Copy(w, io.LimitReader(r, contact.MaxPicture+1))
	if err != nil {
		return p, err
	}
	if n > contact.MaxPicture {
		return p, &setError{Type: "tooLarge", Description: "a picture has at most ten megabytes", Properties: []string{"media"}}
	}
	ref, err := w.Commit(ctx)
	p.Size, p.Blob, p.Ref = n, ref.ID, &ref
	return p, err
}

// outOfURIs turns pictures that stand in a card into blobs: one has no place in a
// card of 256 KiB.
func (c *Call) outOfURIs(ctx context.Context, o map[string]any) (list []contact.Picture, err error) {
	for _, m := range mediaOf(o) {
		uri, _ := m["uri"].(string)
		head, data, ok := strings.Cut(uri, ";base64,")
		mediaType, isData := strings.CutPrefix(head, "data:")
		if !ok || !isData {
			continue
		}
		p := contact.Picture{ID: store.NewID(), Type: mediaType}
		if p, err = c.keepPicture(ctx, p, base64.NewDecoder(base64.StdEncoding, strings.NewReader(data))); err != nil {
			return nil, err
		}
		delete(m, "uri")
		m["blobId"] = contact.PictureID(p.ID)
		list = append(list, p)
	}
	return list, nil
}

// intoURIs undoes it, for a file that leaves.
func (c *Call) intoURIs(ctx context.Context, account mail.AccountID, o map[string]any) error {
	for _, m := range mediaOf(o) {
		id, ok := m["blobId"].(string)
		if !ok {
			continue
		}
		p, err := c.srv.Contacts.Picture(ctx, account, id)
		if errors.Is(err, store.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		in, err := c.srv.Blobs.Open(ctx, p.Blob, 0)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		b.WriteString("data:" + p.Type + ";base64,")
		w := base64.NewEncoder(base64.StdEncoding, &b)
		_, err = io.Copy(w, in)
		err = errors.Join(err, w.Close(), in.Close())
		if err != nil {
			return err
		}
		delete(m, "blobId")
		m["uri"] = b.String()
	}
	return nil
}

// picture is a card's, as a blob.
func (c *Call) picture(ctx context.Context, account mail.AccountID, id string) (*stream, error) {
	if c.srv.Contacts == nil || account != c.User.Account {
		return nil, noBlob(id)
	}
	p, err := c.srv.Contacts.Picture(ctx, account, id)
	if errors.Is(err, store.ErrNoRows) {
		return nil, noBlob(id)
	}
	if err != nil {
		return nil, err
	}
	return &stream{id: id, mediaType: p.Type, size: p.Size, ref: p.Blob, open: func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return c.srv.Blobs.Open(ctx, p.Blob, offset)
	}}, nil
}

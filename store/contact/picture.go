package contact

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
)

// Picture is a file that a card names: a photo, a logo, a sound.
type Picture struct {
	ID   int64 // from store.NewID; PictureID of it is what the card says
	Type string
	Size int64
	Blob blob.ID
	// Ref has bytes that are to be inserted; nil: the blob is there already, and
	// gets one more name.
	Ref *blob.Ref
}

// PictureID writes the id of a picture as cards do.
func PictureID(id int64) string { return "p" + strconv.FormatInt(id, 36) }

func pictureID(s string) (int64, bool) {
	rest, ok := strings.CutPrefix(s, "p")
	n, err := strconv.ParseInt(rest, 36, 64)
	return n, ok && err == nil && PictureID(n) == s
}

// maxOfCard is how large the pictures of one card are together.
const maxOfCard = 2 * MaxPicture

func weight(list []Picture) (n int64) {
	for _, p := range list {
		n += p.Size
	}
	return n
}

// blobIDs are those that a card names (RFC 9610 §3: a media resource has a blobId
// in place of its uri).
func blobIDs(card map[string]any) (ids []string) {
	media, _ := card["media"].(map[string]any)
	for _, m := range media {
		m, _ := m.(map[string]any)
		if id, ok := m["blobId"].(string); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// pictures makes the rows of a card's pictures what its draft names. Kind
// NotFound: it names one that is nowhere.
func (c *Change) pictures(ctx context.Context, card CardID, d *Draft) error {
	had, sizes := map[int64]blob.ID{}, map[int64]int64{}
	rows, err := c.tx.Query(ctx, `SELECT id, blob, size FROM contact_picture WHERE card = $1`, int64(card))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id, size int64
		var b blob.ID
		err := scan(&id, &b, &size)
		had[id], sizes[id] = b, size
		return err
	})
	if err != nil {
		return err
	}
	named := map[int64]bool{}
	var fresh []Picture
	var kept int64
	for _, s := range blobIDs(d.Card) {
		id, ok := pictureID(s)
		at := slices.IndexFunc(d.Pictures, func(p Picture) bool { return p.ID == id })
		switch {
		case ok && named[id]:
		case ok && had[id] != 0:
			named[id] = true
			kept += sizes[id]
		case ok && at >= 0:
			named[id] = true
			fresh = append(fresh, d.Pictures[at])
		default:
			return mail.Wrap(mail.NotFound, fmt.Errorf("no picture %q", s))
		}
	}
	// An export has all pictures of a card in memory at once.
	if all := weight(fresh) + kept; all > maxOfCard {
		return mail.Wrap(mail.TooBig, fmt.Errorf("pictures of %d octets on one card", all))
	}
	// What exists is held before anything is written: a refusal leaves no trace.
	for _, p := range fresh {
		if p.Ref != nil {
			continue
		}
		if err := c.s.Blobs.Keep(ctx, c.tx, p.Blob); errors.Is(err, store.ErrNoRows) {
			return mail.Wrap(mail.NotFound, err)
		} else if err != nil {
			return err
		}
	}
	for _, p := range fresh {
		if p.Ref != nil {
			if err := c.s.Blobs.Insert(ctx, c.tx, *p.Ref); err != nil {
				return err
			}
		}
		if _, err := c.tx.Exec(ctx, `INSERT INTO contact_picture (id, account, card, media_type, size, blob) VALUES ($1, $2, $3, $4, $5, $6)`,
			p.ID, int64(c.account), int64(card), store.Clean(p.Type), p.Size, int64(p.Blob)); err != nil {
			return err
		}
		c.used += p.Size
	}
	var unnamed []blob.ID
	for id, b := range had {
		if named[id] {
			continue
		}
		if _, err := c.tx.Exec(ctx, `DELETE FROM contact_picture WHERE id = $1`, id); err != nil {
			return err
		}
		c.used -= sizes[id]
		unnamed = append(unnamed, b)
	}
	slices.Sort(unnamed)
	return c.s.Blobs.DeleteUnnamed(ctx, c.tx, unnamed...)
}

// Picture finds an account's picture by what its card calls it; store.ErrNoRows.
func (s *Store) Picture(ctx context.Context, account mail.AccountID, name string) (p Picture, err error) {
	id, ok := pictureID(name)
	if !ok {
		return p, store.ErrNoRows
	}
	p.ID = id
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT media_type, size, blob FROM contact_picture WHERE id = $1 AND account = $2`, id, int64(account)).Scan(&p.Type, &p.Size, &p.Blob)
	})
	return p, err
}

package folder

import (
	"context"
	"strings"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
)

// albums is the folder above all albums.
type albums struct{ *Service }

var (
	_ mailbox.Program = (*albums)(nil)
	_ mailbox.Parent  = (*albums)(nil)
)

// Arrive refuses: here are albums, and no photos.
func (a *albums) Arrive(context.Context, *store.Tx, mailbox.Mailbox, mailbox.How, []mailbox.Entry) error {
	return mail.Refuse(mail.Policy, "folder-choose-album")
}

func (a *albums) Leave(context.Context, *store.Tx, mailbox.Mailbox, mailbox.How, []mailbox.Entry, mailbox.ID) error {
	return nil
}

func (a *albums) Mark(context.Context, *store.Tx, mailbox.Mailbox, []mailbox.Entry, bool) error {
	return nil
}

func (a *albums) Rename(context.Context, *store.Tx, mailbox.Mailbox, string) error { return nil }

func (a *albums) Delete(context.Context, *store.Tx, mailbox.Mailbox) error { return nil }

// Child is a new album, or the one of that name which has no folder yet.
func (a *albums) Child(ctx context.Context, tx *store.Tx, _, box mailbox.Mailbox) (string, int64, error) {
	u, err := a.Owner(ctx, tx, box.Account)
	if err != nil {
		return "", 0, err
	}
	id, err := a.Albums.MakeIn(ctx, tx, u, lastName(box.Name))
	if err != nil {
		return "", 0, err
	}
	if _, err := a.Mailboxes.OfProgram(ctx, tx, box.Account, programAlbum, int64(id)); err == nil {
		return "", 0, mail.Refuse(mail.Policy, "folder-album-has-one", "Name", lastName(box.Name))
	} else if !mail.Is(err, mail.NotFound) {
		return "", 0, err
	}
	if err := a.later(ctx, tx, box); err != nil {
		return "", 0, err
	}
	return programAlbum, int64(id), nil
}

func lastName(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// photos is the folder of one album.
type photos struct{ *Service }

var _ mailbox.Program = (*photos)(nil)

// Arrive: what stood for a photo of this album shows it again, anything else
// is a mail whose photos are to join.
func (a *photos) Arrive(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, _ mailbox.How, mails []mailbox.Entry) error {
	for _, e := range mails {
		what, known, err := meaning(ctx, tx, e.Email)
		if err != nil {
			return err
		}
		if known && what.kind == link.Album && what.thing == box.Ref {
			if err := a.Albums.Unhide(ctx, tx, album.PhotoID(what.item)); err != nil && !mail.Is(err, mail.NotFound) {
				return err
			} else if err == nil {
				continue
			}
			// It was taken off for good: its message still has its bytes.
		}
		sum, err := a.summary(ctx, tx, e)
		if err != nil {
			return err
		}
		if !hasFiles(sum) {
			return mail.Refuse(mail.Policy, "folder-no-photo")
		}
		name, err := a.Albums.NameOf(ctx, tx, album.ID(box.Ref))
		if err != nil {
			return err
		}
		if err := a.drop(ctx, tx, box, e, link.Album, box.Ref, "album+{name}", "album+"+strings.ReplaceAll(name, " ", "_")); err != nil {
			return err
		}
	}
	return nil
}

func (a *photos) Leave(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, _ mailbox.How, mails []mailbox.Entry, _ mailbox.ID) error {
	return a.hide(ctx, tx, box, mails)
}

func (a *photos) Mark(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, mails []mailbox.Entry, deleted bool) error {
	if deleted {
		return a.hide(ctx, tx, box, mails)
	}
	for _, e := range mails {
		what, known, err := meaning(ctx, tx, e.Email)
		if err != nil {
			return err
		}
		if known && what.thing == box.Ref {
			if err := a.Albums.Unhide(ctx, tx, album.PhotoID(what.item)); err != nil && !mail.Is(err, mail.NotFound) {
				return err
			}
		}
	}
	return nil
}

// hide takes photos off whose messages are not in the folder any more.
func (a *photos) hide(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, mails []mailbox.Entry) error {
	for _, e := range mails {
		what, known, err := meaning(ctx, tx, e.Email)
		if err != nil {
			return err
		}
		if !known || what.thing != box.Ref {
			continue
		}
		if there, err := still(ctx, tx, box.ID, e.Email); err != nil {
			return err
		} else if there {
			continue
		}
		if err := a.Albums.Hide(ctx, tx, album.PhotoID(what.item)); err != nil && !mail.Is(err, mail.NotFound) {
			return err
		}
	}
	return nil
}

func (a *photos) Rename(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, from string) error {
	if lastName(box.Name) == lastName(from) {
		return nil // moved to below another parent
	}
	return a.Albums.RenameIn(ctx, tx, album.ID(box.Ref), lastName(box.Name))
}

func (a *photos) Delete(ctx context.Context, tx *store.Tx, box mailbox.Mailbox) error {
	err := a.Albums.EndIn(ctx, tx, album.ID(box.Ref))
	if mail.Is(err, mail.NotFound) {
		return nil
	}
	return err
}

package folder

import (
	"context"
	"fmt"
	"strings"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// atOnce is how many messages are filed in one transaction: others' mail waits
// for a long one.
const atOnce = 20

// largest is the most bytes of a photo or film that its message carries. A mail
// program fetches whole folders; of what is larger it gets the picture that the
// page shows.
const largest = 25 << 20

// arrange brings the folder of an album up to date.
func (s *Service) arrange(ctx context.Context, p shelf) error {
	var (
		a       *album.Album
		photos  []album.Shelved
		have    map[stands]showing
		box     mailbox.ID
		waiting bool
	)
	u, err := s.owner(ctx, p.Account)
	if mail.Is(err, mail.NotFound) {
		return nil // the account is gone
	}
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		a, photos, err = s.Albums.Shelve(ctx, tx, album.ID(p.Thing), largest)
		if mail.Is(err, mail.NotFound) {
			a = nil
			m, err := s.Mailboxes.OfProgram(ctx, tx, p.Account, programAlbum, p.Thing)
			box = m.ID
			if mail.Is(err, mail.NotFound) {
				return nil
			}
			return err
		}
		if err != nil {
			return err
		}
		if box, err = s.albumBox(ctx, tx, p.Account, a); err != nil {
			return err
		}
		if waiting, err = s.settle(ctx, tx, box, func(_ int64, key string) (bool, error) {
			return s.Albums.Took(ctx, tx, a.ID, key)
		}); err != nil {
			return err
		}
		have, err = shown(ctx, tx, box, link.Album)
		return err
	})
	switch {
	case err != nil:
		return err
	case a == nil && box == 0:
		return nil
	case a == nil:
		return s.remove(ctx, p.Account, box)
	}
	living := map[stands]bool{}
	var missing []album.Shelved
	for _, f := range photos {
		k := stands{link.Album, p.Thing, int64(f.ID)}
		living[k] = true
		if _, ok := have[k]; !ok {
			missing = append(missing, f)
		}
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		for k, e := range have {
			if !living[k] && !e.deleted {
				if err := s.withdraw(ctx, tx, box, e.email); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for len(missing) > 0 && err == nil {
		some := missing[:min(len(missing), atOnce)]
		missing = missing[len(some):]
		err = s.file(ctx, p, u, box, a, some)
	}
	if err == nil && waiting {
		err = errWaiting
	}
	return err
}

// albumBox is the folder of an album. A member's own folder of the name Albums
// becomes the parent of all.
func (s *Service) albumBox(ctx context.Context, tx *store.Tx, account mail.AccountID, a *album.Album) (mailbox.ID, error) {
	above, err := s.box(ctx, tx, account, albumsName, programAlbums, 0)
	if err != nil {
		return 0, err
	}
	m, err := s.Mailboxes.OfProgram(ctx, tx, account, programAlbums, 0)
	if err != nil {
		return above, err
	}
	return s.box(ctx, tx, account, m.Name+"/"+strings.ReplaceAll(a.Name, "/", "-"), programAlbum, int64(a.ID))
}

// file makes messages of photos and files those that are still wanted.
func (s *Service) file(ctx context.Context, p shelf, u mail.User, box mailbox.ID, a *album.Album, photos []album.Shelved) error {
	ready := make([]*laid, len(photos))
	for i, f := range photos {
		var err error
		if ready[i], err = s.lay(ctx, s.photoMail(u, a, f), []attached{{f.Name, f.MediaType, f.Blob, f.Size}}); err != nil {
			return fmt.Errorf("photo %d: %w", f.ID, err)
		}
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		have, err := shown(ctx, tx, box, link.Album)
		if err != nil {
			return err
		}
		for i, f := range photos {
			k := stands{link.Album, p.Thing, int64(f.ID)}
			if _, ok := have[k]; ok {
				continue
			}
			if there, err := s.Albums.Shows(ctx, tx, f.ID); err != nil || !there {
				if err != nil {
					return err
				}
				continue // taken off while its message was made
			}
			if err := s.place(ctx, tx, p.Account, box, ready[i], k); err != nil {
				return err
			}
		}
		return nil
	})
}

// photoMail is the message of a photo, but for the photo.
func (s *Service) photoMail(u mail.User, a *album.Album, f album.Shelved) *mail.Compose {
	say := locale.For(u.Lang)
	date := f.Taken
	if date.IsZero() {
		date = f.Created
	}
	subject := f.Caption
	if subject == "" {
		subject = f.Name
	}
	by := f.By
	if by == "" {
		by = a.From
	}
	return &mail.Compose{From: mail.Mailbox{Name: by, Addr: u.Address.String()}, To: []mail.Mailbox{{Name: u.Name, Addr: u.Address.String()}},
		Subject: subject, MessageID: s.name("photo", int64(f.ID)), Date: date, Lang: say.Lang, Auto: "auto-generated",
		Text: say.T("folder-photo", "Album", a.Name, "Name", by)}
}

// remove deletes the folder of a thing that has ended.
func (s *Service) remove(ctx context.Context, account mail.AccountID, box mailbox.ID) error {
	ctx = mailbox.Acting(ctx, box)
	m, err := s.Mailboxes.ByID(ctx, box)
	if err == nil {
		err = s.Mailboxes.Remove(ctx, account, m.Name)
	}
	if mail.Is(err, mail.Policy) {
		// It has children of the member's own: it stays, as an ordinary folder.
		return s.DB.Write(ctx, func(tx *store.Tx) error { return s.Mailboxes.Adopt(ctx, tx, box, "", 0) })
	}
	if mail.Is(err, mail.NotFound) {
		return nil
	}
	return err
}

// list brings Envois up to date with one transfer, or with the mails that were
// dropped there when the transfer is 0.
func (s *Service) list(ctx context.Context, p shelf) error {
	u, err := s.owner(ctx, p.Account)
	if mail.Is(err, mail.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var t *transfer.Shelved
	var ready *laid
	if p.Thing != 0 {
		err := s.DB.Read(ctx, func(tx *store.Tx) error {
			t, err = s.Transfers.Shelve(ctx, tx, transfer.ID(p.Thing))
			return err
		})
		if mail.Is(err, mail.NotFound) {
			t = nil
		} else if err != nil {
			return err
		}
	}
	if t != nil {
		if ready, err = s.lay(ctx, s.transferMail(u, t), nil); err != nil {
			return fmt.Errorf("transfer %d: %w", p.Thing, err)
		}
	}
	waiting := false
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		box, err := s.box(ctx, tx, p.Account, transfersName(u.Lang), programTransfers, 0)
		if err != nil {
			return err
		}
		if waiting, err = s.settle(ctx, tx, box, func(_ int64, key string) (bool, error) {
			return s.Transfers.Took(ctx, tx, u.ID, key)
		}); err != nil || p.Thing == 0 {
			return err
		}
		have, err := shown(ctx, tx, box, link.Transfer)
		if err != nil {
			return err
		}
		k := stands{link.Transfer, p.Thing, 0}
		e, ok := have[k]
		_, err = s.Transfers.Shelve(ctx, tx, transfer.ID(p.Thing))
		over := mail.Is(err, mail.NotFound)
		switch {
		case err != nil && !over:
			return err
		case over && ok && !e.deleted:
			return s.withdraw(ctx, tx, box, e.email)
		case !over && !ok && ready != nil:
			return s.place(ctx, tx, p.Account, box, ready, k)
		}
		return nil
	})
	if err == nil && waiting {
		err = errWaiting
	}
	return err
}

// transferMail is the message of a transfer: what is in it, for whom, until when,
// and its link. The files are not: a mail program that fetches the folder would
// fetch gigabytes.
func (s *Service) transferMail(u mail.User, t *transfer.Shelved) *mail.Compose {
	say := locale.For(u.Lang)
	var b strings.Builder
	b.WriteString(say.T("folder-transfer", "Date", say.Date(t.Expires)) + "\n\n")
	if t.Share != "" {
		b.WriteString(s.WebURL(link.Transfer, t.Share) + "\n\n")
	}
	for _, f := range t.Files {
		b.WriteString("* " + f.Name + " (" + say.Size(f.Size) + ")\n")
	}
	if len(t.People) > 0 {
		b.WriteString("\n" + say.T("folder-transfer-people", "Names", strings.Join(t.People, ", ")) + "\n")
	}
	b.WriteString("\n" + say.T("folder-transfer-delete") + "\n")
	return &mail.Compose{From: mail.Mailbox{Name: t.From, Addr: u.Address.String()}, To: []mail.Mailbox{{Name: u.Name, Addr: u.Address.String()}},
		Subject: t.Subject, MessageID: s.name("transfer", int64(t.ID)), Date: t.Created, Lang: say.Lang, Auto: "auto-generated", Text: b.String()}
}

package transfer

import (
	"context"
	"fmt"
	"time"

	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// Outgoing is the files that were taken out of a member's mail to others.
type Outgoing struct {
	Mail    string // our id of it
	Sender  mail.User
	From    mail.Address // envelope sender
	Lang    string
	Subject string
	Created time.Time
	Expires time.Time
	Files   []File
	Refs    []blob.Ref // pairwise with Files: their bytes, which no row names yet

	// Links are the recipients' own, with their ids: mails that hold their
	// tokens were written before. The rest of each is filled in here.
	Links []link.Link

	// Receipt is what the owner is told, by way of their manage link.
	Receipt func(t *Transfer, manage link.Link) letter.Letter
}

// MakeOutgoing makes a transfer of o in tx.
func (s *Service) MakeOutgoing(ctx context.Context, tx *store.Tx, o *Outgoing) (*Transfer, error) {
	t := &Transfer{ID: ID(store.NewID()), Member: o.Sender.ID, Account: o.Sender.Account, From: o.Sender.Name, Subject: o.Subject,
		Created: o.Created, Expires: o.Expires, Files: append([]File(nil), o.Files...)}
	if t.From == "" {
		t.From = o.From.String()
	}
	if t.Subject == "" && len(t.Files) > 0 {
		t.Subject = t.Files[0].Name
	}
	if _, err := tx.Exec(ctx, `INSERT INTO transfer (id, account, member, sender, key, subject, note, mail, message, created, expires, ended, recalled)
		VALUES ($1, $2, $3, $4, $5, $6, '', $7, 0, $8, $9, 0, 0)`, int64(t.ID), int64(t.Account), int64(t.Member), store.Clean(t.From),
		outgoingKey+o.Mail, store.Clean(t.Subject), o.Mail, store.Micros(t.Created), store.Micros(t.Expires)); err != nil {
		return nil, err
	}
	for i := range t.Files {
		f := &t.Files[i]
		f.Seq = i
		if err := s.oneCopy(ctx, tx, t.Account, f, o.Refs[i]); err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO transfer_file (transfer, seq, name, media_type, size, sha256, blob)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, int64(t.ID), f.Seq, f.Name, f.MediaType, f.Size, f.SHA256, int64(f.Blob)); err != nil {
			return nil, err
		}
	}
	own := link.Link{Kind: link.Transfer, Thing: int64(t.ID), Owner: t.Member, Person: o.Sender.Address, Lang: o.Lang, Created: t.Created, Expires: t.Expires}
	share := own
	share.Public = true
	if _, _, err := s.Links.Add(ctx, tx, share); err != nil {
		return nil, err
	}
	own.Manage, own.Expires = true, t.Expires.Add(Grace)
	manage, _, err := s.Links.Add(ctx, tx, own)
	if err != nil {
		return nil, err
	}
	for _, l := range o.Links {
		l.Kind, l.Thing, l.Owner, l.Created, l.Expires = link.Transfer, int64(t.ID), t.Member, t.Created, t.Expires
		if _, _, err := s.Links.Add(ctx, tx, l); err != nil {
			return nil, err
		}
	}
	if s.Shelf != nil {
		if err := s.Shelf.Made(ctx, tx, t); err != nil {
			return nil, err
		}
	}
	if o.Receipt == nil {
		return t, nil
	}
	_, err = s.Post.Send(ctx, tx, workflow.Notice{Mail: name(t.ID), What: "outgoing", To: o.Sender.Address, ToName: o.Sender.Name,
		From: mail.Address{Local: "envoi", Domain: o.Sender.Address.Domain}, ReplyLink: int64(manage.ID), Lang: o.Lang, Letter: o.Receipt(t, manage)})
	return t, err
}

// oneCopy gives f the blob that the account has of it already, else the one of ref.
func (s *Service) oneCopy(ctx context.Context, tx *store.Tx, account mail.AccountID, f *File, ref blob.Ref) error {
	id, err := s.Messages.Once(ctx, tx, account, message.Body{SHA256: f.SHA256, Size: f.Size}, ref.ID)
	if err != nil {
		return fmt.Errorf("file %d: %w", f.Seq, err)
	}
	f.Blob = id
	if id == ref.ID {
		return s.Blobs.Insert(ctx, tx, ref)
	}
	tx.AfterCommit(func() { s.Blobs.Discard(ref) })
	return nil
}

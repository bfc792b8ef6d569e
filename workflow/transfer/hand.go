package transfer

import (
	"context"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// HandIn is files that came through a page and not by mail. Their bytes have
// rows already.
type HandIn struct {
	Key     string // the same twice is an error: store.ErrUnique
	Owner   mail.User
	Domain  string // of the addresses in letters
	From    string // how guests read who sent it; "" is the owner
	Subject string // "": the first file's name
	Note    string
	Days    int // 0 is DefaultDays
	Files   []File
	Guests  []mail.Address // each gets a link of their own by mail
	Sealed  bool           // only who has the key can read the files: no link is mailed, for it would lack it
	Quiet   bool           // somebody else tells the owner
}

// Taken is what became of a hand-in.
type Taken struct {
	*Transfer
	Share  link.Link // to pass on
	Manage link.Link // the owner's own
}

// Take makes a transfer of files in tx.
func (s *Service) Take(ctx context.Context, tx *store.Tx, h *HandIn) (*Taken, error) {
	now := s.now()
	days := h.Days
	if days < 1 {
		days = DefaultDays
	}
	t := &Transfer{ID: ID(store.NewID()), Member: h.Owner.ID, Account: h.Owner.Account, From: h.From, Subject: h.Subject, Note: h.Note,
		Created: now, Expires: now.AddDate(0, 0, min(days, MaxDays)), Files: h.Files}
	if t.From == "" {
		t.From = h.Owner.Name
	}
	if t.From == "" {
		t.From = h.Owner.Address.String()
	}
	if t.Subject == "" && len(t.Files) > 0 {
		t.Subject = t.Files[0].Name
	}
	if _, err := tx.Exec(ctx, `INSERT INTO transfer (id, account, member, sender, key, subject, note, mail, message, created, expires, ended, recalled)
		VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0, $8, $9, 0, 0)`, int64(t.ID), int64(t.Account), int64(t.Member), store.Clean(t.From),
		store.Clean(h.Key), store.Clean(t.Subject), store.Clean(t.Note), store.Micros(t.Created), store.Micros(t.Expires)); err != nil {
		return nil, err
	}
	for i := range t.Files {
		f := &t.Files[i]
		f.Seq = i
		if _, err := tx.Exec(ctx, `INSERT INTO transfer_file (transfer, seq, name, media_type, size, sha256, blob, seal)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, int64(t.ID), f.Seq, f.Name, f.MediaType, f.Size, f.SHA256, int64(f.Blob), f.Seal); err != nil {
			return nil, err
		}
	}
	out := &Taken{Transfer: t}
	own := link.Link{Public: true, Kind: link.Transfer, Thing: int64(t.ID), Owner: t.Member, Person: h.Owner.Address, Lang: h.Owner.Lang, Expires: t.Expires}
	var err error
	if out.Share, _, err = s.Links.Add(ctx, tx, own); err != nil {
		return nil, err
	}
	own.Public, own.Manage, own.Expires = false, true, t.Expires.Add(Grace)
	if out.Manage, _, err = s.Links.Add(ctx, tx, own); err != nil {
		return nil, err
	}
	if s.Shelf != nil {
		if err := s.Shelf.Made(ctx, tx, t); err != nil {
			return nil, err
		}
	}
	guests, err := s.inviteByHand(ctx, tx, t, h)
	if err != nil || h.Quiet || h.Sealed {
		return out, err
	}
	_, err = s.Post.Send(ctx, tx, workflow.Notice{Mail: name(t.ID), What: "receipt", To: h.Owner.Address, ToName: h.Owner.Name,
		From: mail.Address{Local: "envoi", Domain: h.Domain}, ReplyLink: int64(out.Manage.ID), Lang: h.Owner.Lang,
		Letter: receipt(locale.For(h.Owner.Lang), t, out.Share, out.Manage, guests, nil)})
	return out, err
}

func (s *Service) inviteByHand(ctx context.Context, tx *store.Tx, t *Transfer, h *HandIn) ([]guest, error) {
	var invited []guest
	if h.Sealed {
		return nil, nil
	}
	for _, a := range h.Guests {
		g := guest{addr: a, name: a.String(), lang: h.Owner.Lang}
		l, _, err := s.Links.Add(ctx, tx, link.Link{Kind: link.Transfer, Thing: int64(t.ID), Owner: t.Member, Person: a, Lang: g.lang, Expires: t.Expires})
		if err != nil {
			return nil, err
		}
		p := locale.For(g.lang)
		sent, err := s.Post.Send(ctx, tx, workflow.Notice{Mail: name(t.ID), What: "invitation", To: a,
			From: mail.Address{Local: "envoi", Domain: h.Domain}, FromName: p.T("workflow-on-behalf", "Name", t.From),
			ReplyTo: &h.Owner.Address, Lang: g.lang, Letter: invitation(p, t, l)})
		if err != nil {
			return nil, err
		}
		if sent {
			invited = append(invited, g)
		}
	}
	return invited, nil
}

// Sealed says that only who has the key can read the files.
func (t *Transfer) Sealed() bool {
	for _, f := range t.Files {
		if f.Seal != "" {
			return true
		}
	}
	return false
}

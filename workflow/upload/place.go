package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
)

// PlaceID names a place. It grants nothing.
type PlaceID int64

// Place is where files are handed in.
type Place struct {
	ID      PlaceID
	Member  mail.UserID
	Account mail.AccountID
	Title   string
	Note    string
	Domain  string // of the addresses in letters about it
	Album   int64  // what it feeds; 0: each hand-in is a transfer of its own
	Total   int64  // how many bytes it takes in all
	Taken   int64
	Created time.Time
	Expires time.Time
	Ended   time.Time // zero while it is open
}

// Handed is one hand-in, for the owner's list.
type Handed struct {
	Giver   string
	Message string
	Files   int
	Size    int64
	Created time.Time
}

// View is a place as the holder of a link sees it.
type View struct {
	Place
	Link   link.Link
	Owner  mail.User
	Manage bool       // it is theirs: uploads become transfers of their own, and they may close it
	Share  link.Token // Manage only: the link to pass on
	Handed []Handed   // Manage only: newest first
}

// Open finds the place of a visit; kind NotFound for whatever reason.
func (s *Service) Open(ctx context.Context, by link.Visit) (*View, error) {
	var v View
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		l, p, err := s.open(ctx, tx, by, "")
		if err != nil {
			return err
		}
		v = View{Place: *p, Link: l, Manage: link.Holder(l).May(link.Manage, link.Hand, l.Thing, p.Member)}
		if !v.Manage {
			return nil
		}
		all, err := s.Links.In(ctx, tx, link.Hand, l.Thing)
		if err != nil {
			return err
		}
		for _, other := range all {
			if other.Public {
				v.Share = s.Links.Token(other)
			}
		}
		rows, err := tx.Query(ctx, `SELECT giver, message, files, size, created FROM handed WHERE place = $1 ORDER BY id DESC LIMIT 100`, int64(p.ID))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var h Handed
			var at int64
			err := scan(&h.Giver, &h.Message, &h.Files, &h.Size, &at)
			h.Created = store.Time(at)
			v.Handed = append(v.Handed, h)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	v.Owner, err = s.Member(ctx, v.Place.Member)
	return &v, err
}

// open is where the right to a place is decided: whoever has its link may hand
// files in, for that is what it was passed on for.
func (s *Service) open(ctx context.Context, tx *store.Tx, by link.Visit, lock string) (link.Link, *Place, error) {
	l, err := s.Links.OpenIn(ctx, tx, by)
	var locked *link.Locked
	if errors.As(err, &locked) {
		return l, nil, mail.Wrap(mail.NotFound, err) // places have no passwords
	}
	if err != nil {
		return l, nil, err
	}
	p, err := place(ctx, tx, PlaceID(l.Thing), lock)
	if errors.Is(err, store.ErrNoRows) {
		return l, nil, mail.Wrap(mail.NotFound, err)
	}
	if err != nil {
		return l, nil, err
	}
	if !link.Holder(l).May(link.Read, link.Hand, int64(p.ID), p.Member) {
		return l, nil, mail.Wrap(mail.NotFound, fmt.Errorf("place %d is not theirs", p.ID))
	}
	if !p.Ended.IsZero() || !p.Expires.After(s.now()) {
		return l, nil, mail.Wrap(mail.NotFound, fmt.Errorf("place %d is closed", p.ID))
	}
	return l, p, nil
}

func place(ctx context.Context, tx *store.Tx, id PlaceID, lock string) (*Place, error) {
	var p Place
	var created, expires, ended int64
	err := tx.QueryRow(ctx, `SELECT id, member, account, title, note, domain, album, total, taken, created, expires, ended
		FROM place WHERE id = $1`+lock, int64(id)).Scan(&p.ID, &p.Member, &p.Account, &p.Title, &p.Note, &p.Domain, &p.Album,
		&p.Total, &p.Taken, &created, &expires, &ended)
	p.Created, p.Expires, p.Ended = store.Time(created), store.Time(expires), store.Time(ended)
	return &p, err
}

// Make opens a place in tx, with the link to pass on and the owner's own. The
// same key twice is the same place, open for as long again.
func (s *Service) Make(ctx context.Context, tx *store.Tx, owner mail.User, key string, p Place) (pass, own link.Link, err error) {
	var id int64
	err = tx.QueryRow(ctx, `SELECT id FROM place WHERE member = $1 AND key = $2 FOR UPDATE`, int64(owner.ID), key).Scan(&id)
	if err != nil && err != store.ErrNoRows {
		return pass, own, err
	}
	now := s.now()
	until := now.AddDate(0, 0, PlaceDays)
	if err == nil {
		old, err := place(ctx, tx, PlaceID(id), "")
		if err != nil {
			return pass, own, err
		}
		if old.Ended.IsZero() && old.Expires.After(now) {
			return s.again(ctx, tx, old, until)
		}
		key = fmt.Sprintf("%s/%d", key, store.NewID()) // the old one is over, and stays so
	}
	p.ID = PlaceID(store.NewID())
	if p.Total == 0 {
		p.Total = PlaceTotal
	}
	_, err = tx.Exec(ctx, `INSERT INTO place (id, account, member, title, note, domain, album, total, taken, key, created, expires, ended)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11, 0)`, int64(p.ID), int64(owner.Account), int64(owner.ID),
		store.Clean(p.Title), store.Clean(p.Note), p.Domain, p.Album, p.Total, store.Clean(key), store.Micros(now), store.Micros(until))
	if err != nil {
		return pass, own, fmt.Errorf("place: %w", err)
	}
	l := link.Link{Kind: link.Hand, Thing: int64(p.ID), Owner: owner.ID, Person: owner.Address, Lang: owner.Lang, Expires: until, Public: true}
	if pass, _, err = s.Links.Add(ctx, tx, l); err != nil {
		return pass, own, err
	}
	l.Public, l.Manage = false, true
	own, _, err = s.Links.Add(ctx, tx, l)
	return pass, own, err
}

// again gives the links of a place that is open already, which stays so longer.
func (s *Service) again(ctx context.Context, tx *store.Tx, p *Place, until time.Time) (pass, own link.Link, err error) {
	if _, err = tx.Exec(ctx, `UPDATE place SET expires = $1 WHERE id = $2`, store.Micros(until), int64(p.ID)); err != nil {
		return pass, own, err
	}
	if err = s.Links.Extend(ctx, tx, link.Hand, int64(p.ID), until, 0); err != nil {
		return pass, own, err
	}
	ls, err := s.Links.In(ctx, tx, link.Hand, int64(p.ID))
	for _, l := range ls {
		switch {
		case l.Manage:
			own = l
		case l.Public:
			pass = l
		}
	}
	return pass, own, err
}

// HandInto gives a link under which whoever has it adds photos to an album: for
// a mail that brought a link to photos instead of photos.
func (s *Service) HandInto(ctx context.Context, tx *store.Tx, owner mail.User, album int64, title, domain string) (link.Link, error) {
	pass, _, err := s.Make(ctx, tx, owner, fmt.Sprintf("album/%d", album), Place{Title: title, Domain: domain, Album: album})
	return pass, err
}

// Close ends a place at once: its links, and what was on its way in. What was
// handed in stays. Kind NotFound when there is none, or it is not the caller's.
func (s *Service) Close(ctx context.Context, by link.Visit) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		l, p, err := s.open(ctx, tx, by, ` FOR UPDATE`)
		if err != nil {
			return err
		}
		if !link.Holder(l).May(link.Manage, link.Hand, l.Thing, p.Member) {
			return mail.Wrap(mail.NotFound, fmt.Errorf("place %d is not theirs", p.ID))
		}
		return s.close(ctx, tx, p.ID)
	})
}

func (s *Service) close(ctx context.Context, tx *store.Tx, id PlaceID) error {
	if _, err := tx.Exec(ctx, `UPDATE place SET ended = $1 WHERE id = $2`, store.Micros(s.now()), int64(id)); err != nil {
		return err
	}
	if err := s.Links.Revoke(ctx, tx, link.Hand, int64(id)); err != nil {
		return err
	}
	us, err := uploads(ctx, tx, `place = $1`, int64(id))
	if err != nil {
		return err
	}
	for _, u := range us {
		if err := s.drop(ctx, tx, &u); err != nil {
			return err
		}
	}
	return nil
}

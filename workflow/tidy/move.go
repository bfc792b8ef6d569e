package tidy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
	"colporteur/workflow"
	"colporteur/workflow/album"
	"colporteur/workflow/lighten"
)

// row is how far a job is.
type row struct {
	id              int64
	account         mail.AccountID
	lang            string
	before, started time.Time
	at              mailbox.Spot // all mails up to here were looked at
	mails, photos   int
	freed           int64
}

func read(ctx context.Context, tx *store.Tx, id int64) (*row, error) {
	r := &row{id: id}
	var before, started int64
	err := tx.QueryRow(ctx, `SELECT account, lang, before_date, started, box, uid, mails, photos, freed FROM tidy WHERE id = $1`, id).
		Scan(&r.account, &r.lang, &before, &started, &r.at.Mailbox, &r.at.UID, &r.mails, &r.photos, &r.freed)
	r.before, r.started = store.Time(before), store.Time(started)
	return r, err
}

// work moves what is left to move. Whatever stops it, it goes on where it was.
func (s *Service) work(ctx context.Context, id int64) error {
	var r *row
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		r, err = read(ctx, tx, id)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := s.find(ctx, r.account, r.before, r.started)
	if mail.Is(err, mail.NotFound) {
		return nil // the account is gone
	}
	if err != nil {
		return err
	}
	for _, c := range list {
		if cmp.Or(cmp.Compare(c.Mailbox, r.at.Mailbox), cmp.Compare(c.UID, r.at.UID)) <= 0 {
			continue
		}
		if err := s.move(ctx, r, &c); err != nil {
			return fmt.Errorf("mail %d of mailbox %d: %w", c.UID, c.Mailbox, err)
		}
	}
	return nil
}

// move takes the photos of one mail into an album, and then out of the mail.
func (s *Service) move(ctx context.Context, r *row, c *candidate) error {
	m, err := s.Messages.Get(ctx, c.entry.Message)
	if errors.Is(err, store.ErrNoRows) {
		return s.pass(ctx, r, c)
	}
	if err != nil {
		return err
	}
	parts := photos(m.Summary)
	// Whether the mail can be written anew is known before anything moves.
	if _, err := lighten.Plan(ctx, s.Messages, m, parts); errors.Is(err, lighten.ErrShape) || errors.Is(err, lighten.ErrSealed) {
		return s.pass(ctx, r, c)
	} else if err != nil {
		return err
	}
	files, took, err := s.files(ctx, r, m, parts)
	if err != nil {
		return err
	}
	has, err := s.Albums.Bring(ctx, c.entry.Date, files, func(ctx context.Context, tx *store.Tx) (album.ID, error) {
		return s.album(ctx, tx, r, c.entry.Date.Year())
	})
	if err != nil {
		return err
	}
	var take []*mail.Part
	for i, f := range files {
		if has[f.SHA256] {
			take = append(take, took[i])
		}
	}
	if len(take) == 0 {
		return s.pass(ctx, r, c)
	}
	return s.rewrite(ctx, r, c, m, take)
}

// files are the photos of a mail as files, and the parts they are. What is
// damaged stays where it is.
func (s *Service) files(ctx context.Context, r *row, m *message.Message, parts []*mail.Part) (files []album.HandedFile, took []*mail.Part, err error) {
	names := workflow.Names(parts, locale.For(r.lang))
	for i, p := range parts {
		f := album.HandedFile{Name: names[i], Type: p.Type}
		if id, ok := m.Body(p); ok && p.SHA256 != "" {
			if p.Damaged {
				continue
			}
			f.Kept = workflow.Kept{Blob: id, Size: p.Decoded, SHA256: p.SHA256}
		} else if f.Kept, err = lighten.File(ctx, s.Messages, m, p); errors.Is(err, lighten.ErrDamaged) {
			continue
		} else if err != nil {
			return nil, nil, err
		} else if err := s.DB.Write(ctx, func(tx *store.Tx) error { return s.Messages.Blobs.Insert(ctx, tx, *f.Ref) }); err != nil {
			return nil, nil, err
		}
		f.Ref = nil // it has a row, and goes with the next sweep if nothing names it then
		files, took = append(files, f), append(took, p)
	}
	return files, took, nil
}

// album finds this job's album of a year, or makes it.
func (s *Service) album(ctx context.Context, tx *store.Tx, r *row, year int) (id album.ID, err error) {
	err = tx.QueryRow(ctx, `SELECT album FROM tidy_album WHERE tidy = $1 AND year = $2`, r.id, year).Scan(&id)
	if err == nil {
		_, _, err := s.Albums.Own(ctx, tx, id)
		if err == nil || !mail.Is(err, mail.NotFound) {
			return id, err
		}
		// Taken off by its owner while we work: what still comes goes into another.
	} else if !errors.Is(err, store.ErrNoRows) {
		return 0, err
	}
	u, err := s.Owner(ctx, tx, r.account)
	if err != nil {
		return 0, err
	}
	if id, err = s.Albums.MakeNew(ctx, tx, u, locale.For(r.lang).T("tidy-album", "Year", fmt.Sprint(year))); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO tidy_album (tidy, year, album) VALUES ($1, $2, $3) ON CONFLICT (tidy, year) DO UPDATE SET album = excluded.album`, r.id, year, int64(id))
	return id, err
}

func (s *Service) albums(ctx context.Context, tx *store.Tx, id int64) (list []album.ID, err error) {
	rows, err := tx.Query(ctx, `SELECT album FROM tidy_album WHERE tidy = $1 ORDER BY year`, id)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var a album.ID
		err := scan(&a)
		list = append(list, a)
		return err
	})
	return list, err
}

// rewrite puts the mail without the parts in the place of the mail.
func (s *Service) rewrite(ctx context.Context, r *row, c *candidate, m *message.Message, take []*mail.Part) error {
	edits, err := lighten.Plan(ctx, s.Messages, m, take)
	if err != nil {
		return err
	}
	p := locale.For(r.lang)
	var name string
	if err := s.DB.Read(ctx, func(tx *store.Tx) error {
		var id album.ID
		if err := tx.QueryRow(ctx, `SELECT album FROM tidy_album WHERE tidy = $1 AND year = $2`, r.id, c.entry.Date.Year()).Scan(&id); err != nil {
			return err
		}
		name, _, err = s.Albums.Own(ctx, tx, id)
		return err
	}); err != nil {
		return err
	}
	// No address: the mail may be passed on, and the owner's link is a key.
	b := lighten.Block{Heading: p.T("tidy-block", "Count", len(take), "Name", name)}
	for _, n := range workflow.Names(take, p) {
		b.Lines = append(b.Lines, n)
	}
	d, words, err := s.write(ctx, m, edits, b)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		fresh := *d // the transaction may run again
		if err := s.Messages.Insert(ctx, tx, &fresh); err != nil {
			return err
		}
		in := mailbox.Incoming{Message: fresh.ID, Size: d.Size, Summary: d.Summary, Words: words, Prefix: c.content.Prefix}
		if _, err := s.Mailboxes.Amend(ctx, tx, r.account, c.entry.Email, in, c.Spot); err != nil {
			return err
		}
		return s.note(ctx, tx, r, c, len(take), m.Size-d.Size)
	})
	if mail.Is(err, mail.Gone) || mail.Is(err, mail.NotFound) { // moved or thrown away meanwhile: that is theirs
		s.Messages.Blobs.Discard(d.Refs...)
		return s.pass(ctx, r, c)
	}
	return err
}

// write is the lightened mail, durable and as mailboxes want it.
func (s *Service) write(ctx context.Context, m *message.Message, edits []lighten.Edit, b lighten.Block) (*message.Draft, []byte, error) {
	w := s.Messages.Blobs.Create()
	defer w.Abort()
	scan, heading, size := &mail.Scanner{}, &mailbox.Heading{}, new(counter)
	if err := lighten.Write(ctx, io.MultiWriter(w, scan, heading, size), s.Messages, m, edits, b); err != nil {
		return nil, nil, err
	}
	sum, text, err := scan.Close()
	if err != nil {
		return nil, nil, err
	}
	w.Beside(mailbox.Keep(heading, sum, text))
	ref, err := w.Commit(ctx)
	if err != nil {
		return nil, nil, err
	}
	n := int64(*size)
	return &message.Draft{Size: n, Summary: sum, Refs: []blob.Ref{ref}, Segments: []message.Segment{{Kind: message.Raw, Blob: ref.ID, Length: n}}},
		mailbox.Sign(sum, text), nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// pass leaves a mail as it is.
func (s *Service) pass(ctx context.Context, r *row, c *candidate) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error { return s.note(ctx, tx, r, c, 0, 0) })
}

// note remembers that a mail was looked at, and what came of it.
func (s *Service) note(ctx context.Context, tx *store.Tx, r *row, c *candidate, photos int, freed int64) error {
	_, err := tx.Exec(ctx, `UPDATE tidy SET box = $1, uid = $2, mails = mails + $3, photos = photos + $4, freed = freed + $5 WHERE id = $6`,
		int64(c.Mailbox), int64(c.UID), min(photos, 1), photos, freed, r.id)
	return err
}

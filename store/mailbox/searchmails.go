package mailbox

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
)

// askMails asks the mails themselves: what is kept beside them, and then, for
// fields that are not kept, their headers.
func (g *searching) askMails(ctx context.Context, list []candidate, some []int) error {
	// Who is in a block was asked for all fields that are kept.
	needs := func(c *candidate) bool { return c.block == nil || len(g.c.texts) > 0 || g.c.sent }
	var ids []message.ID
	for _, i := range some {
		if needs(&list[i]) {
			ids = append(ids, list[i].Message)
		}
	}
	sealed, err := g.s.sealed(ctx, ids)
	if err != nil {
		return err
	}
	return g.each(ctx, some, func(i int) (err error) {
		c := &list[i]
		if needs(c) {
			if c.kept, err = g.s.kept(ctx, c.Message, sealed[c.Message]); err != nil {
				return err
			}
			c.v = g.c.judge(c)
		}
		if c.v == maybe {
			if err := g.readHeader(ctx, c); err != nil {
				return err
			}
			if c.v = g.c.judge(c); c.v == maybe {
				c.v = no // what is asked for went while we looked
			}
		}
		c.kept, c.header = nil, ""
		return nil
	})
}

// keptWith is the blob that a message's text is kept beside: its only one, or
// the one its header is in.
const keptWith = `CASE WHEN message.blob IS NOT NULL THEN message.blob
	ELSE (SELECT g.blob FROM segment g WHERE g.message = message.id AND g.seq = 0) END`

// sealed reads what is kept beside messages.
func (s *Store) sealed(ctx context.Context, ids []message.ID) (map[message.ID]blob.Sealed, error) {
	found := make(map[message.ID]blob.Sealed, len(ids))
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		for ids := range slices.Chunk(ids, atOnce) {
			of := make(map[blob.ID]message.ID, len(ids))
			blobs := make([]blob.ID, 0, len(ids))
			set, args := in(nil, ids)
			rows, err := tx.Query(ctx, `SELECT id, `+keptWith+` FROM message WHERE id IN `+set, args...)
			err = store.Each(rows, err, func(scan func(...any) error) error {
				var m message.ID
				var b *int64
				err := scan(&m, &b)
				if b != nil {
					of[blob.ID(*b)] = m
					blobs = append(blobs, blob.ID(*b))
				}
				return err
			})
			if err != nil {
				return err
			}
			sealed, err := s.Messages.Blobs.SealedBeside(ctx, tx, blobs)
			if err != nil {
				return err
			}
			for b, v := range sealed {
				found[of[b]] = v
			}
		}
		return nil
	})
	return found, err
}

// kept opens what is kept beside a message. Without anything there, or when it
// is damaged, it is made of the message; of a message that is damaged or gone
// nothing is: one of them must not make a mailbox unsearchable.
func (s *Store) kept(ctx context.Context, m message.ID, b blob.Sealed) (*kept, error) {
	if p, err := s.Messages.Blobs.OpenBeside(b); err == nil {
		if k, err := readKept(p); err == nil {
			return k, nil
		}
	}
	k := &kept{}
	err := unlessDamaged(func() error {
		r, err := s.Messages.Open(ctx, m, 0)
		if err != nil {
			return err
		}
		defer r.Close()
		var scan mail.Scanner
		var head Heading
		if _, err := io.Copy(io.MultiWriter(&scan, &head), r); err != nil {
			return err
		}
		sum, words, err := scan.Close()
		if err != nil {
			return err
		}
		k = keep(&head, sum, words)
		return nil
	})
	return k, err
}

func unlessDamaged(f func() error) error {
	if err := f(); err != nil && !errors.Is(err, blob.ErrDamaged) && !errors.Is(err, store.ErrNoRows) {
		return err
	}
	return nil
}

// readHeader reads the header of the mail itself, for the fields that are not kept.
func (g *searching) readHeader(ctx context.Context, c *candidate) error {
	c.header = "\n"
	return unlessDamaged(func() error {
		content, err := g.s.Content(ctx, g.account, c.Email)
		if mail.Is(err, mail.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		r, err := g.s.Open(ctx, content, 0)
		if err != nil {
			return err
		}
		defer r.Close()
		fields, err := readHeader(r)
		if err != nil {
			return err
		}
		var b []byte
		for _, f := range fields {
			b = appendField(b, f)
		}
		c.header = string(append(b, '\n'))
		return nil
	})
}

// hasField looks for a value in a header field.
func (c *candidate) hasField(f *field) verdict {
	switch {
	case c.header != "":
		return hasField(c.header[:len(c.header)-1], f)
	case c.block != nil:
		a := c.block.fields[f.id]
		switch {
		case a == nil:
		case bit(a.yes, c.at):
			return yes
		case !bit(a.may, c.at):
			return no
		}
		return maybe
	case c.kept != nil:
		return max(hasField(c.prefix, f), hasField(c.kept.fields, f))
	case len(c.sig) > 0:
		for _, w := range f.signed {
			if !w.mayBeIn(c.sig) {
				return no
			}
		}
	}
	return maybe
}

// hasWord looks for a word in the text, or in the text and the header.
func (c *candidate) hasWord(w *word, header bool) verdict {
	switch {
	case c.kept != nil && header:
		return verdictOf(w.in(c.kept.all))
	case c.kept != nil:
		return verdictOf(w.in(c.kept.body))
	case c.block != nil:
		if set := c.block.bits[w.id]; set != nil && !bit(set, c.at) {
			return no
		}
	case len(c.sig) > 0 && !w.mayBeIn(c.sig):
		return no
	}
	return maybe
}

// sentDate is the Date field, once it is known.
func (c *candidate) sentDate() (t time.Time, ok bool) {
	switch {
	case c.kept != nil:
		return c.kept.date, true
	case c.block != nil:
		return c.block.sentAt(c.at)
	}
	return t, false
}

// readHeader reads the header of a message.
func readHeader(r io.Reader) ([]headerField, error) {
	h := &Heading{}
	b := make([]byte, 4<<10)
	for !h.ended {
		n, err := r.Read(b)
		h.Write(b[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return headerFields(h.raw), nil
}

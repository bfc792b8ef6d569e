package album

import (
	"context"
	"fmt"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

var (
	_ workflow.Commanded  = (*Service)(nil)
	_ workflow.Answerable = (*Service)(nil)
)

// Answer takes in what a guest replied to a mail about the album: words become a
// comment under their name, photos join if the owner lets guests add. Everybody
// the guest sent a copy to is left alone: who sees the album is the owner's choice.
func (s *Service) Answer(ctx context.Context, in *workflow.Inbound, l link.Link) error {
	if in.Automatic() {
		in.Forget()
		return nil
	}
	text, err := in.Text(ctx, commentLimit)
	if err != nil {
		return err
	}
	said := workflow.Words(text)
	inc := &incoming{taken: &taken{}, text: text}
	may := link.Holder(l).May(link.Add, link.Album, l.Thing, l.Owner)
	if may && len(in.Files()) > 0 {
		files, err := s.offered(ctx, in, "")
		if err != nil {
			return err
		}
		if inc.taken, err = s.take(ctx, files); err != nil {
			return err
		}
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		first, err := in.Settle(ctx, tx)
		if err != nil || !first {
			return err
		}
		p := locale.For(l.Lang)
		// Read again: the owner may have changed their mind since.
		now, err := s.Links.GetIn(ctx, tx, l.ID)
		if err != nil && !mail.Is(err, mail.NotFound) {
			return err
		}
		a, aerr := s.lock(ctx, tx, ID(l.Thing))
		if aerr != nil && aerr != store.ErrNoRows {
			return aerr
		}
		if err != nil || aerr != nil || a.over(s.now()) || !now.Rules.Frozen.IsZero() {
			in.Forget()
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-ended-guest"), 0)
		}
		word := workflow.None
		if len(in.Files()) == 0 {
			word = workflow.Lone(in.Summary.Subject, text)
		}
		if letter, ok, err := s.paper(ctx, tx, in, a, now, word); err != nil || ok {
			if in.Forget(); err != nil {
				return err
			}
			return in.ReplyIn(ctx, tx, letter, int64(l.ID))
		}
		switch word {
		case workflow.Recall:
			in.Forget()
			n, err := s.takeBack(ctx, tx, a, now, in.Answers())
			if err != nil {
				return err
			}
			if n == 0 {
				return in.ReplyIn(ctx, tx, workflow.Said(p, "album-guest-recalled-none", "Name", a.Name), int64(l.ID))
			}
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-guest-recalled", "Name", a.Name, "Count", n), int64(l.ID))
		case workflow.Stop:
			in.Forget()
			if err := s.Links.Silence(ctx, tx, l.ID, true); err != nil {
				return err
			}
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-silenced", "Name", a.Name, "From", a.From), 0)
		case workflow.Help:
			in.Forget()
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-guest-commands", "Name", a.Name, "From", a.From), int64(l.ID))
		}
		c := link.Holder(now)
		var added []Photo
		if may && c.May(link.Add, link.Album, l.Thing, a.Member) {
			if added, err = s.first(ctx, tx, in, inc, a, now); err != nil {
				return err
			}
		}
		words := ""
		if c.May(link.Comment, link.Album, l.Thing, a.Member) {
			words = said
		}
		about := PhotoID(0)
		if len(added) == 1 {
			about = added[0].ID // one photo and some words: the words are about it
		}
		if words != "" {
			if err := s.note(ctx, tx, a, now, about, "mail "+in.Key(), words); err != nil {
				return err
			}
		}
		if said != "" || len(added) > 0 {
			// Words that are not shown still reach who they are for.
			if err := s.tellOwner(ctx, tx, a, in.Key(), now.Called(), said, added); err != nil {
				return err
			}
		}
		if err := s.tellGuests(ctx, tx, a, in.Key(), shownAs(now), words, added, []guest{{addr: now.Person}}); err != nil {
			return err
		}
		in.Forget()
		return in.ReplyIn(ctx, tx, thanks(p, a, inc, len(added), words != "", len(in.Files()) > 0 && !may, now), int64(l.ID))
	})
}

// Command does what the owner replied to a notice; see workflow.Commanded.
// Photos that come with it join the album.
func (s *Service) Command(ctx context.Context, in *workflow.Inbound, l link.Link, w workflow.Word) error {
	inc := &incoming{taken: &taken{}}
	if w == workflow.None && len(in.Files()) > 0 {
		text, err := in.Text(ctx, 4000)
		if err != nil {
			return err
		}
		inc.text = workflow.Words(text)
		files, err := s.offered(ctx, in, inc.text)
		if err != nil {
			return err
		}
		if inc.taken, err = s.take(ctx, files); err != nil {
			return err
		}
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		first, err := in.Settle(ctx, tx)
		if err != nil || !first {
			return err
		}
		p := locale.For(in.Lang())
		a, err := s.allowed(ctx, tx, link.Member(in.Sender.ID), link.Manage, ID(l.Thing))
		if mail.Is(err, mail.NotFound) {
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-ended"), 0)
		}
		if err != nil {
			return err
		}
		inc.name = a.Name
		if !a.over(s.now()) {
			if letter, ok, err := s.paper(ctx, tx, in, a, l, w); err != nil || ok {
				if err != nil {
					return err
				}
				return in.ReplyIn(ctx, tx, letter, int64(l.ID))
			}
		}
		switch w {
		case workflow.Recall:
			if a.over(s.now()) {
				return in.ReplyIn(ctx, tx, workflow.Said(p, "album-ended"), 0)
			}
			n, err := s.undo(ctx, tx, a, in.Answers())
			if err != nil {
				return err
			}
			if n > 0 {
				return in.ReplyIn(ctx, tx, recalledSome(p, a, n, l), int64(l.ID))
			}
			if err := s.end(ctx, tx, a); err != nil {
				return err
			}
			s.log().InfoContext(ctx, "recalled", "mail", in.Mail, "user", in.Sender.ID, "kind", link.Album)
			return in.ReplyIn(ctx, tx, recalled(p, a), int64(l.ID))
		case workflow.Extend:
			if !a.over(s.now()) {
				return in.ReplyIn(ctx, tx, workflow.Said(p, "album-no-end", "Name", a.Name), int64(l.ID))
			}
			if err := s.restore(ctx, tx, a); err != nil {
				return err
			}
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-restored", "Name", a.Name), int64(l.ID))
		case workflow.Stop:
			if err := s.Links.Silence(ctx, tx, l.ID, true); err != nil {
				return err
			}
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-stopped", "Name", a.Name), int64(l.ID))
		case workflow.Help:
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-commands", "Name", a.Name), int64(l.ID))
		}
		if len(inc.photos)+len(inc.problems) > 0 && !a.over(s.now()) {
			added, err := s.first(ctx, tx, in, inc, a, link.Link{})
			if err != nil {
				return err
			}
			if err := s.tellGuests(ctx, tx, a, in.Key(), a.From, "", added, nil); err != nil {
				return err
			}
			share, manage, err := s.ownLinks(ctx, tx, a, in.Sender, in.Lang())
			if err != nil {
				return err
			}
			in.Forget()
			return in.ReplyIn(ctx, tx, receipt(p, a, inc, len(added), share, manage, nil), int64(l.ID))
		}
		return in.ReplyIn(ctx, tx, workflow.Said(p, "album-not-understood", "Name", a.Name), int64(l.ID))
	})
}

// note is say without telling the owner, who hears of the whole mail.
func (s *Service) note(ctx context.Context, tx *store.Tx, a *Album, l link.Link, id PhotoID, key, text string) error {
	_, err := tx.Exec(ctx, `INSERT INTO photo_comment (id, album, photo, link, key, name, text, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (album, key) DO NOTHING`, store.NewID(), int64(a.ID), int64(id), int64(l.ID), key, shownAs(l), readable(text), store.Micros(s.now()))
	if err != nil {
		return fmt.Errorf("comment: %w", err)
	}
	return nil
}

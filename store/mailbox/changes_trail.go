package mailbox

import (
	"context"
	"maps"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

// trail is where one email was that changed since a state, as far as the member sees it.
type trail struct {
	email  EmailID
	thread ThreadID
	stays  []stay
}

// stay is a time in one mailbox.
type stay struct {
	born, turned ModSeq
	changed      ModSeq // when it ended, for one that is over
	over         bool
	hidden       bool // it waits for EXPUNGE, or did when it ended
}

// at says whether the email was seen there at a state.
func (s *stay) at(state ModSeq) verdict {
	switch {
	case state < s.born || s.over && state >= s.changed:
		return no
	case state < s.turned:
		return maybe
	}
	return verdictOf(!s.hidden)
}

func (t *trail) seen(state ModSeq) (v verdict) {
	for i := range t.stays {
		v = max(v, t.stays[i].at(state))
	}
	return v
}

// first is the first modseq after since at which something is known to have happened.
func (t *trail) first(since ModSeq) (first ModSeq) {
	for _, s := range t.stays {
		for _, m := range [...]ModSeq{s.born, s.turned, s.changed} {
			if m > since && (first == 0 || m < first) {
				first = m
			}
		}
	}
	return first
}

// trails reads what happened in the mailboxes that u may read.
func (s *Store) trails(ctx context.Context, u mail.User, account mail.AccountID, since ModSeq, f func(context.Context, *store.Tx, *view, map[EmailID]*trail) error) error {
	v, err := s.viewer(ctx, u, account)
	if err != nil {
		return err
	}
	return s.read(ctx, func(tx *store.Tx) error {
		if err := v.look(ctx, tx); err != nil {
			return err
		}
		if since < v.floor || since > v.state {
			return mail.Wrap(mail.Gone, errCannotTell)
		}
		trails := map[EmailID]*trail{}
		if since < v.state {
			if err := v.follow(ctx, tx, since, trails); err != nil {
				return err
			}
		}
		return f(ctx, tx, v, trails)
	})
}

// follow finds the emails that changed, and all of their stays that matter.
func (v *view) follow(ctx context.Context, tx *store.Tx, since ModSeq, trails map[EmailID]*trail) error {
	boxes := v.readable(since)
	for some := range slices.Chunk(boxes, atOnce) {
		set, args := in([]any{int64(since)}, some)
		if err := v.stays(ctx, tx, trails, `placement WHERE modseq > $1 AND mailbox IN `+set, args...); err != nil {
			return err
		}
	}
	gone, err := v.goneBoxes(ctx, tx, since, RightLookup+RightRead)
	if err != nil {
		return err
	}
	for _, g := range gone {
		boxes = append(boxes, g.id)
	}
	for some := range slices.Chunk(boxes, atOnce) {
		set, args := in([]any{int64(since)}, some)
		if err := v.ends(ctx, tx, trails, `tombstone WHERE modseq > $1 AND email > 0 AND mailbox IN `+set, args...); err != nil {
			return err
		}
	}
	// And where else they are.
	for some := range slices.Chunk(slices.Sorted(maps.Keys(trails)), atOnce) {
		set, args := in([]any{int64(since)}, some)
		if err := v.stays(ctx, tx, trails, `placement WHERE modseq <= $1 AND email IN `+set, args...); err != nil {
			return err
		}
	}
	return nil
}

func (v *view) stays(ctx context.Context, tx *store.Tx, trails map[EmailID]*trail, from string, args ...any) error {
	rows, err := tx.Query(ctx, `SELECT email, thread, mailbox, born, turned, modseq, flags FROM `+from, args...)
	return store.Each(rows, err, func(scan func(...any) error) error {
		var e EmailID
		var t ThreadID
		var box ID
		var s stay
		var flags string
		if err := scan(&e, &t, &box, &s.born, &s.turned, &s.changed, &flags); err != nil || !v.reads(box) {
			return err
		}
		s.hidden = isHidden(flags)
		add(trails, e, t, s)
		return nil
	})
}

func (v *view) ends(ctx context.Context, tx *store.Tx, trails map[EmailID]*trail, from string, args ...any) error {
	rows, err := tx.Query(ctx, `SELECT email, thread, born, turned, modseq, flags FROM `+from, args...)
	return store.Each(rows, err, func(scan func(...any) error) error {
		var e EmailID
		var t ThreadID
		s := stay{over: true}
		var flags string
		if err := scan(&e, &t, &s.born, &s.turned, &s.changed, &flags); err != nil {
			return err
		}
		s.hidden = isHidden(flags)
		add(trails, e, t, s)
		return nil
	})
}

func add(trails map[EmailID]*trail, e EmailID, t ThreadID, s stay) {
	if trails[e] == nil {
		trails[e] = &trail{email: e, thread: t}
	}
	trails[e].stays = append(trails[e].stays, s)
}

// moved is the first modseq after since at which the email may have been seen
// when it was not before, or the other way round; 0 for none.
func (t *trail) moved(since ModSeq) ModSeq {
	var at []ModSeq
	for _, s := range t.stays {
		if at = append(at, s.born, s.turned); s.over {
			at = append(at, s.changed)
		}
	}
	slices.Sort(at)
	was := t.seen(since)
	for _, m := range at {
		if m > since && t.seen(m) != was {
			return m
		}
	}
	return 0
}

// goneBox is a row of mailbox_gone.
type goneBox struct {
	id           ID
	born, modseq ModSeq
}

// goneBoxes are the mailboxes that went after a modseq and on which the member
// had these rights.
func (v *view) goneBoxes(ctx context.Context, tx *store.Tx, since ModSeq, need Rights) (list []goneBox, err error) {
	rows, err := tx.Query(ctx, `SELECT id, born, modseq, readers FROM mailbox_gone WHERE account = $1 AND modseq > $2`, int64(v.account), int64(since))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var g goneBox
		var readers string
		err := scan(&g.id, &g.born, &g.modseq, &readers)
		if v.own() || readWritten(readers, v.who).Has(need) {
			list = append(list, g)
		}
		return err
	})
	return list, err
}

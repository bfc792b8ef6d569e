package mailbox

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

// Changes is what happened since a state. Each id is in one list.
type Changes[T any] struct {
	Created, Updated, Destroyed []T
	To                          ModSeq // the state after it
	More                        bool   // To is not the last state
}

// # How changes are told
//
// Of every mail the database knows where it is and was, from which modseq to
// which (placement.born, tombstone.born and its modseq): so whether a member saw
// it at a state is a question of comparing numbers, for all states since the
// account's floor. One thing is not known: how often a mail was hidden by
// \Deleted before it last was hidden or shown (turned). Then it may have been
// seen, and the client is told what is right in either case: that it was
// created, or destroyed (RFC 8620 §5.2 permits both of what a client has, or not).
//
// A portion ends between two modseqs. What changed in it and is gone since is
// left out: the portion in which it goes tells that.

var errCannotTell = errors.New("what changed since then cannot be told")

// EmailChanges is what changed since a state in the emails of an account that u
// sees. With most > 0 it has no more than that many ids, and leads to a state on the
// way. Kind Gone: it cannot be told, and the caller begins anew. That happens
// after a restore; when the state is very old; to others than the owner, when
// rights changed; and when one change alone is more than that.
func (s *Store) EmailChanges(ctx context.Context, u mail.User, account mail.AccountID, since ModSeq, most int) (c Changes[EmailID], err error) {
	err = s.trails(ctx, u, account, since, func(ctx context.Context, tx *store.Tx, v *view, trails map[EmailID]*trail) error {
		all := slices.Collect(maps.Values(trails))
		var err error
		if c.To, err = cut(v.state, most, all, func(t *trail) ModSeq { return t.first(since) }); err != nil {
			return err
		}
		c.More = c.To < v.state
		for _, t := range all {
			if t.first(since) <= c.To {
				c.add(t.email, t.seen(since), t.seen(c.To), t.seen(v.state), true)
			}
		}
		return nil
	})
	slices.Sort(c.Created)
	slices.Sort(c.Updated)
	slices.Sort(c.Destroyed)
	return c, err
}

// ThreadChanges is the same for threads: one changes when an email is in it that
// was not, or the other way round.
func (s *Store) ThreadChanges(ctx context.Context, u mail.User, account mail.AccountID, since ModSeq, most int) (c Changes[ThreadID], err error) {
	err = s.trails(ctx, u, account, since, func(ctx context.Context, tx *store.Tx, v *view, trails map[EmailID]*trail) error {
		threads, err := v.threadTrails(ctx, tx, trails, since)
		if err != nil {
			return err
		}
		if c.To, err = cut(v.state, most, threads, func(t *threadTrail) ModSeq { return t.first }); err != nil {
			return err
		}
		c.More = c.To < v.state
		for _, t := range threads {
			before, after, now, changed := no, no, no, false
			if t.stays {
				before, after, now = yes, yes, yes
			}
			for _, m := range t.mails {
				was, is := m.seen(since), m.seen(c.To)
				before, after, now = max(before, was), max(after, is), max(now, m.seen(v.state))
				changed = changed || was != is
			}
			if t.first <= c.To {
				c.add(t.id, before, after, now, changed)
			}
		}
		return nil
	})
	slices.Sort(c.Created)
	slices.Sort(c.Updated)
	slices.Sort(c.Destroyed)
	return c, err
}

// add puts id into the list that it belongs to: by whether it was seen before,
// is after, and is now.
func (c *Changes[T]) add(id T, before, after, now verdict, changed bool) {
	switch {
	case before == no && after == no:
	case after == no:
		c.Destroyed = append(c.Destroyed, id)
	case now != yes: // it is told when it goes
	case before == yes:
		if changed {
			c.Updated = append(c.Updated, id)
		}
	case after == yes:
		c.Created = append(c.Created, id)
	}
}

// cut is the last state up to which no more than most things change; first says
// when each does for the first time.
func cut[T any](state ModSeq, most int, all []T, first func(T) ModSeq) (ModSeq, error) {
	if most <= 0 || len(all) <= most {
		return state, nil
	}
	when := make([]ModSeq, len(all))
	for i, t := range all {
		when[i] = first(t)
	}
	slices.Sort(when)
	if when[0] == when[most] {
		return 0, mail.Wrap(mail.Gone, errCannotTell)
	}
	return when[most] - 1, nil
}

// threadTrail is a thread, of which some mails may have come or gone.
type threadTrail struct {
	id    ThreadID
	mails []*trail
	stays bool   // another mail of it is seen all the time
	first ModSeq // when the first of them came or went
}

// threadTrails gathers what changed by thread. Where nothing but flags did,
// nothing did to the thread.
func (v *view) threadTrails(ctx context.Context, tx *store.Tx, trails map[EmailID]*trail, since ModSeq) ([]*threadTrail, error) {
	of := map[ThreadID]*threadTrail{}
	for _, t := range trails {
		if of[t.thread] == nil {
			of[t.thread] = &threadTrail{id: t.thread}
		}
		at := of[t.thread]
		at.mails = append(at.mails, t)
		if m := t.moved(since); m > 0 && (at.first == 0 || m < at.first) {
			at.first = m
		}
	}
	maps.DeleteFunc(of, func(_ ThreadID, t *threadTrail) bool { return t.first == 0 })
	for some := range slices.Chunk(slices.Sorted(maps.Keys(of)), atOnce) {
		err := v.inThreads(ctx, tx, some, func(t ThreadID, e EmailID, _ ID, _ int64) {
			if trails[e] == nil {
				of[t].stays = true
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.SortedFunc(maps.Values(of), func(a, b *threadTrail) int { return cmp.Compare(a.id, b.id) }), nil
}

package mailbox

import (
	"context"
	"maps"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

// MailboxChanges are Changes of mailboxes.
type MailboxChanges struct {
	Changes[ID]
	CountsOnly bool // of those updated nothing changed but how many mails they have
}

// MailboxChanges is EmailChanges for the mailboxes that u sees. One changes with
// its name, role, subscription and rights, and with its counts: because unread
// threads are counted, also when a mail of such a thread is read elsewhere.
func (s *Store) MailboxChanges(ctx context.Context, u mail.User, account mail.AccountID, since ModSeq, most int) (c MailboxChanges, err error) {
	err = s.trails(ctx, u, account, since, func(ctx context.Context, tx *store.Tx, v *view, trails map[EmailID]*trail) error {
		when, err := v.counted(ctx, tx, trails)
		if err != nil {
			return err
		}
		revised := map[ID]ModSeq{}
		rows, err := tx.Query(ctx, `SELECT id, born, highest, revised FROM mailbox WHERE account = $1`, int64(account))
		var all []*boxTrail
		err = store.Each(rows, err, func(scan func(...any) error) error {
			b, high, rev := &boxTrail{}, ModSeq(0), ModSeq(0)
			if err := scan(&b.id, &b.born, &high, &rev); err != nil || v.rights[b.id] == "" {
				return err
			}
			revised[b.id] = rev
			if b.changed = max(high, when[b.id]); b.changed > since {
				all = append(all, b)
			}
			return nil
		})
		if err != nil {
			return err
		}
		gone, err := v.goneBoxes(ctx, tx, since, RightLookup)
		if err != nil {
			return err
		}
		for _, g := range gone {
			if g.born <= since {
				all = append(all, &boxTrail{id: g.id, born: g.born, changed: g.modseq, gone: true})
			}
		}
		first := func(b *boxTrail) ModSeq {
			if b.born > since {
				return b.born
			}
			return b.changed
		}
		if c.To, err = cut(v.state, most, all, first); err != nil {
			return err
		}
		c.More, c.CountsOnly = c.To < v.state, true
		for _, b := range all {
			if first(b) <= c.To {
				c.add(b.id, verdictOf(b.born <= since), verdictOf(!b.gone), verdictOf(!b.gone), true)
			}
		}
		for _, id := range c.Updated {
			c.CountsOnly = c.CountsOnly && revised[id] <= since
		}
		return nil
	})
	slices.Sort(c.Created)
	slices.Sort(c.Updated)
	slices.Sort(c.Destroyed)
	return c, err
}

// boxTrail is a mailbox that changed since a state.
type boxTrail struct {
	id            ID
	born, changed ModSeq // changed is when it did for the last time
	gone          bool
}

// counted says where something that is counted changed, and when for the last
// time: in all mailboxes that have a mail of a thread of one that changed.
func (v *view) counted(ctx context.Context, tx *store.Tx, trails map[EmailID]*trail) (map[ID]ModSeq, error) {
	threads := map[ThreadID]ModSeq{}
	for _, t := range trails {
		for _, s := range t.stays {
			threads[t.thread] = max(threads[t.thread], s.born, s.changed)
		}
	}
	when := map[ID]ModSeq{}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(threads)), atOnce) {
		err := v.inThreads(ctx, tx, some, func(t ThreadID, _ EmailID, box ID, _ int64) {
			when[box] = max(when[box], threads[t])
		})
		if err != nil {
			return nil, err
		}
	}
	return when, nil
}

package mailbox_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

// A state that a client was given stands for all that was committed up to it,
// also while others commit at the same moment: nothing may come to light below
// it later.
func TestAStateNeverLiesWhileOthersWrite(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		boxes := []mailbox.ID{h.box("INBOX").ID, h.box("Archive").ID, h.box("Sent").ID}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(w), 1))
				if err := scribble(context.Background(), h, r, boxes); err != nil {
					t.Error(err)
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		know := map[mailbox.EmailID]string{}
		since, rounds := mailbox.ModSeq(0), 0
		for last := false; !last; rounds++ {
			select {
			case <-done:
				last = true
			default:
			}
			c, err := h.changes(me, 7, since)
			h.must(err)
			for _, id := range c.Destroyed {
				delete(know, id)
			}
			ids := append(c.Created, c.Updated...)
			list, err := h.Emails(t.Context(), me, 7, ids)
			h.must(err)
			for i, m := range list {
				if delete(know, ids[i]); m != nil { // it may have gone since
					know[m.ID] = fmt.Sprint(inWords(m))
				}
			}
			since = c.To
		}
		there := map[mailbox.EmailID]string{}
		for _, box := range boxes {
			entries, err := h.Entries(t.Context(), box, 0, 0)
			h.must(err)
			for _, e := range entries {
				if m := h.one(me, 7, e.Email); m != nil {
					there[m.ID] = fmt.Sprint(inWords(m))
				}
			}
		}
		if fmt.Sprint(know) != fmt.Sprint(there) || len(there) == 0 {
			t.Errorf("after %d rounds the client knows\n%v\nthere is\n%v", rounds, know, there)
		}
	})
}

// scribble changes mails at random.
func scribble(ctx context.Context, h *house, r *rand.Rand, boxes []mailbox.ID) error {
	for range 40 {
		box := pickOne(r, boxes)
		entries, err := h.Entries(ctx, box, 0, 0)
		if err != nil {
			return err
		}
		if len(entries) == 0 || r.IntN(4) == 0 {
			if _, err := h.tryDeliver(ctx, 7, box, letter); err != nil {
				return err
			}
			continue
		}
		e := pickOne(r, entries)
		uids := []mailbox.UID{e.UID}
		switch r.IntN(5) {
		case 0:
			_, _, err = h.SetFlags(ctx, box, uids, mailbox.FlagOp(r.IntN(3)), []string{pickOne(r, []string{`\Seen`, `\Deleted`})}, 0)
		case 1:
			_, _, _, err = h.Move(ctx, box, uids, pickOne(r, boxes))
		case 2:
			_, _, _, err = h.Copy(ctx, box, uids, pickOne(r, boxes))
		case 3:
			_, err = h.Expunge(ctx, box, uids, false)
		case 4:
			_, _, _, err = h.Patch(ctx, me, 7, nil, []mailbox.EmailPatch{{ID: e.Email, Only: []mailbox.ID{pickOne(r, boxes)}, Set: []string{`\Flagged`}}})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// One message may be two emails of one account, and come to another account
// twice: there it is one, with one date of arrival.
func TestAnEmailArrivedOnce(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		d, in, err := v.prepare(ctx, letter)
		v.must(err)
		inbox := v.box("INBOX")
		v.must(v.DB.Write(ctx, func(tx *store.Tx) error {
			if err := v.Messages.Insert(ctx, tx, d); err != nil {
				return err
			}
			for _, age := range []time.Duration{0, time.Hour} {
				one := *in
				one.Message, one.Date = d.ID, v.now.Add(-age)
				if _, err := v.Append(ctx, tx, 7, inbox.ID, &one); err != nil {
					return err
				}
			}
			return nil
		}))
		to, err := v.Get(ctx, 8, "INBOX")
		v.must(err)
		for _, uid := range []mailbox.UID{1, 2} {
			v.must(v.Grant(ctx, inbox, 8, "lr"))
			_, _, _, err = v.CopyAs(ctx, v.bob, inbox, []mailbox.UID{uid}, to, mailbox.AllRights, false)
			v.must(err)
		}
		list, err := v.Entries(ctx, to.ID, 0, 0)
		v.must(err)
		if len(list) != 2 || list[0].Email != list[1].Email || !list[0].Date.Equal(list[1].Date) {
			v.Errorf("it is there as %+v", list)
		}
	})
}

package mailbox

import (
	"context"
	"runtime"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"colporteur/mail"
	"colporteur/store"
)

// candidate is a mail that a search has not ruled out, with what it has read of
// it: nothing more is read than is needed to decide.
type candidate struct {
	Entry
	v      verdict
	block  *evidence // nil: it is in none
	at     int       // its place in the block
	sig    []byte    // without a block, its own signature
	prefix string    // without a block, the folded fields of ours
	kept   *kept     // then what is kept beside the mail
	header string    // then its header itself: folded fields, all of them
}

// Search yields the matching entries of a snapshot by rising UID, until yield
// says false.
//
// What a listing knows is asked first. Then the blocks rule out nearly all
// mails that do not have the words, and decide about header fields. Only of what
// is still undecided more is read.
func (s *Store) Search(ctx context.Context, snap *Snapshot, q *Query, yield func(Entry) bool) error {
	g := &searching{s: s, c: compile(q), account: snap.Mailbox().Account}
	window := make([]candidate, 0, 256)
	decide := func() (more bool, err error) {
		if err := ctx.Err(); err != nil {
			return false, kinded(err)
		}
		if err := g.decide(ctx, window); err != nil {
			return false, kinded(err)
		}
		for i := range window {
			if window[i].v == yes && !yield(window[i].Entry) {
				return false, nil
			}
		}
		g.done += len(window)
		if cap(window) < 4096 { // the first come soon, then it is done in larger portions
			window = make([]candidate, 0, 4*cap(window))
		}
		window = window[:0]
		return true, nil
	}
	for i := range snap.Len() {
		c := candidate{Entry: snap.At(i)}
		if c.v = g.c.judge(&c); c.v == no {
			if g.done++; i&0xfff == 0 && ctx.Err() != nil {
				return kinded(ctx.Err())
			}
			continue
		}
		if window = append(window, c); len(window) == cap(window) {
			if more, err := decide(); err != nil || !more {
				return err
			}
		}
	}
	_, err := decide()
	return err
}

// Find is Search of a mailbox as it is now, collected.
func (s *Store) Find(ctx context.Context, box ID, q *Query) (found []Entry, err error) {
	snap, err := s.Snapshot(ctx, box)
	if err != nil {
		return nil, err
	}
	err = s.Search(ctx, snap, q, func(e Entry) bool {
		found = append(found, e)
		return true
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// searching is one search under way.
type searching struct {
	s       *Store
	c       *compiled
	account mail.AccountID
	blocks  []*evidence // of the account; nil until they are needed
	looked  bool
	lost    int // mails that should be in a block and are not
	done    int // mails decided about
}

// undecided are the places of those that may match.
func undecided(list []candidate, but func(*candidate) bool) (places []int) {
	for i := range list {
		if list[i].v == maybe && !but(&list[i]) {
			places = append(places, i)
		}
	}
	return places
}

// decide leaves no candidate undecided. Each step costs more than the one before
// and has fewer to ask.
func (g *searching) decide(ctx context.Context, list []candidate) error {
	any := func(*candidate) bool { return false }
	if len(undecided(list, any)) == 0 {
		return nil
	}
	if err := g.s.DB.Read(ctx, func(tx *store.Tx) error {
		if err := g.askBlocks(ctx, tx, list); err != nil {
			return err
		}
		return g.askSignatures(ctx, tx, list)
	}); err != nil {
		return err
	}
	for some := range slices.Chunk(undecided(list, any), 64) {
		if err := g.askMails(ctx, list, some); err != nil {
			return err
		}
		if g.c.Progress != nil {
			g.c.Progress(g.done)
		}
	}
	return nil
}

// each shares work among the cores.
func (g *searching) each(ctx context.Context, places []int, f func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	work := func() {
		for failed.Load() == nil {
			k := int(next.Add(1)) - 1
			if k >= len(places) {
				return
			}
			err := ctx.Err()
			if err == nil {
				err = f(places[k])
			}
			if err != nil {
				failed.Store(&err)
			}
		}
	}
	for range min(runtime.GOMAXPROCS(0), 4, len(places)/4) {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// askBlocks asks the blocks that hold the undecided.
func (g *searching) askBlocks(ctx context.Context, tx *store.Tx, list []candidate) error {
	if !g.looked {
		g.looked = true
		blocks, err := blocksOf(ctx, tx, g.account)
		if err != nil {
			return err
		}
		g.blocks = make([]*evidence, len(blocks))
		for i, b := range blocks {
			g.blocks[i] = &evidence{block: b, fields: make([]*answer, len(g.c.fields))}
		}
	}
	// Which blocks may have them, and then which have.
	at, in := -1, map[*evidence]bool{}
	of := make([]*evidence, len(list))
	for i := range list {
		c := &list[i]
		if c.v != maybe {
			continue
		}
		if at < 0 || c.Email < g.blocks[at].first || c.Email > g.blocks[at].last {
			at = sort.Search(len(g.blocks), func(k int) bool { return g.blocks[k].last >= c.Email })
			if at == len(g.blocks) || g.blocks[at].first > c.Email {
				at = -1
				continue
			}
		}
		of[i] = g.blocks[at]
		in[of[i]] = true
	}
	var asked []*block
	for _, v := range g.blocks {
		if in[v] && v.emails == "" {
			asked = append(asked, v.block)
		}
	}
	emails, err := g.s.column(ctx, tx, emailColumn, asked)
	if err != nil {
		return err
	}
	for v := range in {
		if v.emails == "" {
			v.emails = emails[v.id]
		}
		if err := v.askMatrix(ctx, tx, g.c.texts); err != nil {
			return err
		}
	}
	for i := range list {
		c := &list[i]
		if of[i] == nil {
			continue
		}
		hint := 0
		if i > 0 && list[i-1].block == of[i] {
			hint = list[i-1].at + 1
		}
		if at, ok := of[i].find(c.Email, hint); ok {
			c.block, c.at = of[i], at
			c.v = g.c.judge(c)
		}
	}
	return g.askColumns(ctx, tx, list)
}

// askColumns asks for header fields, where there is still somebody to ask for.
func (g *searching) askColumns(ctx context.Context, tx *store.Tx, list []candidate) error {
	if len(g.c.fields) == 0 && !g.c.sent {
		return nil
	}
	in := map[*evidence]bool{}
	var ask []*block
	for i := range list {
		if v := list[i].block; v != nil && list[i].v == maybe && !in[v] {
			in[v] = true
			ask = append(ask, v.block)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	for _, f := range g.c.fields {
		data, err := g.s.column(ctx, tx, columnOf(f), ask)
		if err != nil {
			return err
		}
		for v := range in {
			if v.fields[f.id] == nil {
				v.askColumn(f, data[v.id])
			}
		}
	}
	if g.c.sent {
		data, err := g.s.column(ctx, tx, sentColumn, ask)
		if err != nil {
			return err
		}
		for v := range in {
			v.sent = data[v.id]
		}
	}
	for i := range list {
		if c := &list[i]; c.v == maybe && c.block != nil {
			c.v = g.c.judge(c)
		}
	}
	return nil
}

// askSignatures asks those that are in no block by what their rows have.
func (g *searching) askSignatures(ctx context.Context, tx *store.Tx, list []candidate) error {
	ask := undecided(list, func(c *candidate) bool { return c.block != nil })
	if g.lost += len(ask); g.lost >= smallBlock {
		g.s.indexer.wake(g.account)
	}
	for some := range slices.Chunk(ask, atOnce) {
		if err := ctx.Err(); err != nil {
			return err
		}
		ids := make([]EmailID, len(some))
		at := make(map[EmailID][]int, len(some))
		for k, i := range some {
			ids[k] = list[i].Email
			at[ids[k]] = append(at[ids[k]], i)
		}
		set, args := in(nil, ids)
		rows, err := tx.Query(ctx, `SELECT id, sig, prefix FROM email WHERE id IN `+set, args...)
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var id EmailID
			var sig, prefix []byte
			if err := scan(&id, &sig, &prefix); err != nil {
				return err
			}
			for _, i := range at[id] {
				c := &list[i]
				if c.sig = sig; len(g.c.fields) > 0 {
					c.prefix = string(foldFields(nil, prefix))
				}
				c.v = g.c.judge(c)
				c.sig = nil
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

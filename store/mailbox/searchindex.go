package mailbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// smallBlock is how many new mails are worth a block of their own. Small blocks
// become part of a large one when there are enough mails; so each mail is
// written to blocks twice at most.
const smallBlock = 128

// linger is how long new mails are waited for before a small block is made: in
// a burst large ones are made at once.
const linger = 2 * time.Second

// indexer knows which accounts have mails that are in no block.
type indexer struct {
	mu     sync.Mutex
	counts map[mail.AccountID]int
	ready  map[mail.AccountID]bool
	signal chan struct{}
}

func (x *indexer) bell() chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.signal == nil {
		x.signal = make(chan struct{}, 1)
	}
	return x.signal
}

// arrived counts a new mail, after its commit.
func (x *indexer) arrived(account mail.AccountID) {
	x.mu.Lock()
	if x.counts == nil {
		x.counts = map[mail.AccountID]int{}
	}
	x.counts[account]++
	enough := x.counts[account] >= smallBlock
	x.mu.Unlock()
	if enough {
		x.wake(account)
	}
}

// wake has the account's blocks looked at soon.
func (x *indexer) wake(account mail.AccountID) {
	bell := x.bell()
	x.mu.Lock()
	if x.ready == nil {
		x.ready = map[mail.AccountID]bool{}
	}
	x.ready[account] = true
	delete(x.counts, account)
	x.mu.Unlock()
	select {
	case bell <- struct{}{}:
	default:
	}
}

func (x *indexer) take() []mail.AccountID {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := slices.Sorted(maps.Keys(x.ready))
	x.ready = nil
	return list
}

// Index makes mails ready for search as they come, until ctx ends. Search works
// without it, and is slow then. failed hears of what did not work; it is tried
// again when more mails come.
func (s *Store) Index(ctx context.Context, failed func(error)) error {
	bell := s.indexer.bell()
	all, err := s.accounts(ctx)
	if err != nil && ctx.Err() == nil {
		failed(err)
	}
	for {
		for _, a := range all {
			if err := s.IndexAccount(ctx, a); ctx.Err() != nil {
				return nil
			} else if err != nil {
				failed(fmt.Errorf("search index of account %d: %w", a, err))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-bell:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(linger):
		}
		all = s.indexer.take()
	}
}

func (s *Store) accounts(ctx context.Context) (all []mail.AccountID, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT account FROM mailbox_account ORDER BY account`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var a mail.AccountID
			err := scan(&a)
			all = append(all, a)
			return err
		})
	})
	return all, err
}

// IndexAccount makes blocks of what is in none, down to a few mails.
func (s *Store) IndexAccount(ctx context.Context, account mail.AccountID) error {
	for {
		var blocks []*block
		var fresh int
		err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
			if blocks, err = blocksOf(ctx, tx, account); err != nil {
				return err
			}
			fresh, err = countAfter(ctx, tx, account, lastOf(blocks))
			return err
		})
		if err != nil || fresh < smallBlock {
			return err
		}
		var small []*block
		have := fresh
		for i := len(blocks) - 1; i >= 0 && blocks[i].mails < blockMails; i-- {
			small = append(small, blocks[i])
			have += blocks[i].mails
		}
		from := lastOf(blocks) + 1
		if have >= blockMails && len(small) > 0 {
			from = small[len(small)-1].first
		} else {
			small = nil
		}
		if err := s.rebuild(ctx, account, from, 1<<63-1, small); err != nil {
			return err
		}
	}
}

func lastOf(blocks []*block) EmailID {
	if len(blocks) == 0 {
		return 0
	}
	return blocks[len(blocks)-1].last
}

// countAfter counts emails above an id, up to a full block.
func countAfter(ctx context.Context, tx *store.Tx, account mail.AccountID, after EmailID) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT id FROM email WHERE account = $1 AND id > $2 LIMIT $3) AS fresh`,
		int64(account), int64(after), blockMails).Scan(&n)
	return n, err
}

// Tidy makes blocks anew of which mails were purged: their subjects and
// addresses must be gone with them. Blocks that were left small are joined.
func (s *Store) Tidy(ctx context.Context) error {
	all, err := s.accounts(ctx)
	for _, a := range all {
		if err == nil {
			err = s.tidy(ctx, a)
		}
	}
	return kinded(err)
}

func (s *Store) tidy(ctx context.Context, account mail.AccountID) error {
	var blocks []*block
	alive := map[int64]int{}
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if blocks, err = blocksOf(ctx, tx, account); err != nil {
			return err
		}
		for _, b := range blocks {
			var n int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM email WHERE account = $1 AND id >= $2 AND id <= $3`,
				int64(account), int64(b.first), int64(b.last)).Scan(&n); err != nil {
				return err
			}
			alive[b.id] = n
		}
		return nil
	})
	for i := 0; err == nil && i < len(blocks); {
		run, n, dirty := 0, 0, false
		for i+run < len(blocks) && (run == 0 || n+alive[blocks[i+run].id] <= blockMails) {
			b := blocks[i+run]
			if run > 0 && !dirty && b.mails == alive[b.id] {
				break
			}
			n, dirty, run = n+alive[b.id], dirty || b.mails != alive[b.id], run+1
		}
		if dirty {
			err = s.rebuild(ctx, account, blocks[i].first, blocks[i+run-1].last, blocks[i:i+run])
		}
		i += run
	}
	return err
}

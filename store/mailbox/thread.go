package mailbox

import (
	"context"
	"hash/fnv"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

// thread finds the thread of a new email: that of the newest message it refers
// to, else of an earlier copy of itself or an answer that came before it, else
// a new one. Threads never merge: an id belongs to the first that named it.
func thread(ctx context.Context, tx *store.Tx, account mail.AccountID, e EmailID, sum *mail.Summary) (ThreadID, error) {
	t := ThreadID(e)
	if sum == nil {
		return t, nil
	}
	refs := references(sum)
	own := int64(0)
	ask := refs
	if sum.MessageID != "" {
		own = threadHash(sum.MessageID)
		if len(refs) > 0 {
			ask = append(slices.Clip(refs), own)
		}
	}
	known := false
	if len(ask) > 0 {
		found, ok, err := lookup(ctx, tx, account, ask)
		if err != nil {
			return 0, err
		}
		if known = ok; known {
			t = found
		}
	}
	name := []int64(nil)
	if own != 0 {
		name = append(name, own)
	}
	if !known {
		// So that other answers to a mail we never saw meet here. In one order:
		// two mails that refer to each other must not wait in a circle.
		name = append(name, refs...)
		slices.Sort(name)
		name = slices.Compact(name)
	}
	n, err := refer(ctx, tx, account, t, name...)
	if err != nil {
		return 0, err
	}
	if int(n) < len(name) && !known {
		// An earlier copy, or a relation that came at the same moment.
		if found, ok, err := lookup(ctx, tx, account, append(slices.Clip(refs), name...)); err != nil {
			return 0, err
		} else if ok {
			t = found
		}
	}
	return t, nil
}

// refer says that message ids belong to thread t, unless they have one, and how many did not.
func refer(ctx context.Context, tx *store.Tx, account mail.AccountID, t ThreadID, hashes ...int64) (n int64, err error) {
	err = bulk(hashes, 3, func(args []any, h int64) []any {
		return append(args, int64(account), h, int64(t))
	}, func(values string, args []any) error {
		k, err := tx.Exec(ctx, `INSERT INTO thread_ref (account, hash, thread) VALUES `+values+` ON CONFLICT (account, hash) DO NOTHING`, args...)
		n += k
		return err
	})
	return n, err
}

// references are the hashes of what a mail refers to, newest first.
func references(sum *mail.Summary) []int64 {
	var hashes []int64
	add := func(ids []string) {
		for i := len(ids) - 1; i >= 0; i-- {
			h := threadHash(ids[i])
			for _, have := range hashes {
				if have == h {
					h = 0
				}
			}
			if h != 0 {
				hashes = append(hashes, h)
			}
		}
	}
	add(sum.InReplyTo[:min(len(sum.InReplyTo), 5)])
	add(sum.References)
	return hashes
}

// lookup finds the thread of the first of hashes that is known.
func lookup(ctx context.Context, tx *store.Tx, account mail.AccountID, hashes []int64) (t ThreadID, ok bool, err error) {
	set, args := in([]any{int64(account)}, hashes)
	best := len(hashes)
	rows, err := tx.Query(ctx, `SELECT hash, thread FROM thread_ref WHERE account = $1 AND hash IN `+set, args...)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var hash, thread int64
		if err := scan(&hash, &thread); err != nil {
			return err
		}
		for i, h := range hashes[:best] {
			if h == hash {
				best, t = i, ThreadID(thread)
				break
			}
		}
		return nil
	})
	return t, best < len(hashes), err
}

// threadHash is never 0.
func threadHash(id string) int64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return int64(h.Sum64() | 1)
}

package mailbox

import (
	lists "container/list"
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"

	"colporteur/store"
)

// cacheLimit is how many octets the snapshots of all mailboxes may take: a
// hundred mailboxes of 10,000 mails.
const cacheLimit = 64 << 20

// live keeps the snapshots of mailboxes that are looked at. The one asked for
// longest ago goes first.
type live struct {
	mu    sync.Mutex
	boxes map[ID]*liveBox
	order lists.List // of *liveBox; the front was asked for last
	size  int64
}

// liveBox is one of them. mu is held while it is brought up to date, so that
// whatever the number of sessions the database is asked once.
type liveBox struct {
	id      ID
	element *lists.Element
	size    int64 // as counted in live; guarded by live.mu

	mu         sync.Mutex
	snap       *Snapshot // nil: not read yet
	generation uint64    // of the account, from before snap was last compared with the database
	flags      map[string]*[]string
	keywords   []string
}

// box finds or makes one; with peek, it only finds.
func (l *live) box(id ID, peek bool) *liveBox {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.boxes[id]
	if b != nil {
		l.order.MoveToFront(b.element)
		return b
	}
	if peek {
		return nil
	}
	if l.boxes == nil {
		l.boxes = map[ID]*liveBox{}
	}
	b = &liveBox{id: id, flags: map[string]*[]string{}}
	b.element = l.order.PushFront(b)
	l.boxes[id] = b
	return b
}

// weigh notes how large b is now, and makes room. The largest mailbox may be
// larger than the limit: it stays until another is asked for.
func (l *live) weigh(b *liveBox, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.boxes[b.id] != b {
		return // it was dropped meanwhile
	}
	l.size += size - b.size
	b.size = size
	for l.size > cacheLimit && l.order.Len() > 1 {
		l.remove(l.order.Back().Value.(*liveBox))
	}
}

func (l *live) drop(b *liveBox) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.boxes[b.id] == b {
		l.remove(b)
	}
}

func (l *live) remove(b *liveBox) {
	l.order.Remove(b.element)
	delete(l.boxes, b.id)
	l.size -= b.size
}

// Snapshot is the mailbox as it is now. When nothing changed since somebody
// asked last, it costs no query; when something did, only that is read.
func (s *Store) Snapshot(ctx context.Context, box ID) (*Snapshot, error) {
	b := s.live.box(box, false)
	b.mu.Lock()
	defer b.mu.Unlock()
	return s.refresh(ctx, b)
}

// refresh is called with b.mu held.
func (s *Store) refresh(ctx context.Context, b *liveBox) (*Snapshot, error) {
	was := b.snap
	generation := uint64(0)
	if was != nil {
		var sure bool
		if generation, sure = s.generation(was.box.Account); sure && generation == b.generation {
			return was, nil
		}
	}
	next, err := s.load(ctx, b)
	if err != nil {
		s.live.drop(b)
		return nil, err
	}
	if was == nil {
		// What is committed from now on raises it; what was before is in next.
		generation, _ = s.generation(next.box.Account)
		b.snap, b.generation = next, generation
		if next, err = s.load(ctx, b); err != nil { // and what happened in between
			s.live.drop(b)
			return nil, err
		}
	}
	b.snap, b.generation = next, generation
	s.live.weigh(b, next.size())
	return next, nil
}

// load reads what changed since b.snap, or all.
func (s *Store) load(ctx context.Context, b *liveBox) (next *Snapshot, err error) {
	was := b.snap
	err = s.read(ctx, func(tx *store.Tx) error {
		m, err := byID(ctx, tx, b.id)
		switch {
		case err != nil:
			return err
		case was == nil || was.box.UIDValidity != m.UIDValidity || m.HighestMod < was.box.HighestMod:
			rows, err := b.rows(ctx, tx, `mailbox = $1 ORDER BY uid`, m.Total, int64(b.id))
			next = newSnapshot(m, rows, b.keywords)
			return err
		case m.HighestMod == was.box.HighestMod:
			if next = was; m != was.box { // a name, a subscription
				same := *was
				same.box = m
				next = &same
			}
			return nil
		}
		since := was.box.HighestMod
		rows, err := b.rows(ctx, tx, `mailbox = $1 AND modseq > $2 ORDER BY uid`, 0, int64(b.id), int64(since))
		if err != nil {
			return err
		}
		gone, err := vanished(ctx, tx, b.id, since)
		next = was.with(m, rows, gone, b.keywords)
		return err
	})
	return next, err
}

// rows reads rows that a condition on placement names.
func (b *liveBox) rows(ctx context.Context, tx *store.Tx, where string, expect int, args ...any) ([]row, error) {
	list := make([]row, 0, expect)
	rows, err := tx.Query(ctx, `SELECT `+entryColumns+`, saved FROM placement WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	var r row
	var saved int64
	var flags sql.RawBytes
	to := []any{&r.uid, &r.email, &r.message, &r.thread, &r.modseq, &r.date, &r.size, &flags, &saved}
	err = store.Each(rows, nil, func(scan func(...any) error) error {
		if err := scan(to...); err != nil {
			return err
		}
		r.flags, r.saved = b.intern(flags), uint32(saved/1e6)
		list = append(list, r)
		return nil
	})
	return list, err
}

// maxKeywords is how many keywords of a mailbox are announced.
const maxKeywords = 200

// maxFlagSets bounds what somebody who invents keywords can have us remember.
const maxFlagSets = 4096

// intern makes one list of each set of flags: few are in use at a time.
func (b *liveBox) intern(flags []byte) *[]string {
	if have := b.flags[string(flags)]; have != nil {
		return have
	}
	if len(b.flags) >= maxFlagSets {
		clear(b.flags) // those in use are held by their rows
	}
	made := strings.Fields(string(flags))
	b.flags[string(flags)] = &made
	fresh := b.keywords
	for _, f := range made {
		if !strings.HasPrefix(f, `\`) && !slices.Contains(fresh, f) && len(fresh) < maxKeywords {
			fresh = append(slices.Clip(fresh), f)
		}
	}
	if len(fresh) > len(b.keywords) {
		slices.Sort(fresh)
		b.keywords = fresh
	}
	return &made
}

// News is what happened in a mailbox since somebody looked.
type News struct {
	Box      Mailbox
	UIDs     *UIDSet // what is there now; the same pointer when that is what was known
	Changed  []Entry // came, or have other flags; by rising UID
	Keywords []string
}

// News is what a snapshot has that is new since a modseq.
func (n *Snapshot) News(since ModSeq) News {
	news := News{Box: n.box, UIDs: n.uids, Keywords: n.keywords}
	if n.box.HighestMod > since {
		n.Changed(since, func(e Entry) bool { news.Changed = append(news.Changed, e); return true })
	}
	return news
}

// News compares a mailbox with what somebody knows of it: which mails, and
// changes up to which modseq. A mailbox that no command has read for a while is
// not read whole for it: thousands wait in IDLE for their next mail. Kind
// NotFound when the mailbox is gone.
func (s *Store) News(ctx context.Context, box ID, known *UIDSet, since ModSeq) (n News, err error) {
	if b := s.live.box(box, true); b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.snap != nil {
			now, err := s.refresh(ctx, b)
			if err != nil {
				return n, err
			}
			return now.News(since), nil
		}
	}
	err = s.read(ctx, func(tx *store.Tx) error {
		n = News{UIDs: known}
		if n.Box, err = byID(ctx, tx, box); err != nil || n.Box.HighestMod <= since {
			return err
		}
		if n.Changed, err = list(ctx, tx, `mailbox = $1 AND modseq > $2 ORDER BY uid`, int64(box), int64(since)); err != nil {
			return err
		}
		gone, err := vanished(ctx, tx, box, since)
		if err != nil {
			return err
		}
		if gone = gone.And(known); gone.Len() > 0 {
			n.UIDs = known.Minus(gone)
		}
		var fresh []UID
		for _, e := range n.Changed {
			if !known.Contains(e.UID) {
				fresh = append(fresh, e.UID)
			}
			for _, f := range e.Flags {
				if !strings.HasPrefix(f, `\`) && !slices.Contains(n.Keywords, f) {
					n.Keywords = append(n.Keywords, f)
				}
			}
		}
		if len(fresh) > 0 {
			n.UIDs = n.UIDs.Or(MakeUIDSet(fresh...))
		}
		return nil
	})
	return n, err
}

package mailbox

import (
	"slices"
	"sort"
	"time"

	"colporteur/store"
	"colporteur/store/message"
)

// Snapshot is a mailbox at one moment. It is immutable and shared by all who
// look at the mailbox; nobody keeps one for longer than a command runs.
//
// It is made of chunks: a new mail or a changed flag makes one chunk anew, and
// the next snapshot shares the others with this one.
type Snapshot struct {
	box      Mailbox
	chunks   []*chunk
	start    []int // how many rows stand before each chunk
	uids     *UIDSet
	keywords []string
	latest   *latest // made when somebody asks; shared by snapshots with the same mails
}

// chunkRows is how many rows a chunk has at most.
const chunkRows = 256

type chunk struct {
	rows []row  // by rising UID; never none
	high ModSeq // the highest of them
}

// row is an Entry without what can be shared: 64 octets in place of 104.
type row struct {
	uid     UID
	saved   uint32    // seconds; beside uid, it takes no room of its own
	flags   *[]string // interned
	email   EmailID
	message message.ID
	thread  ThreadID
	modseq  ModSeq
	date    int64
	size    int64
}

const rowSize = 64

func (r *row) entry() Entry {
	e := Entry{UID: r.uid, Email: r.email, Message: r.message, Thread: r.thread, ModSeq: r.modseq,
		Flags: *r.flags, Date: store.Time(r.date), Size: r.size}
	if r.saved != 0 {
		e.Saved = time.Unix(int64(r.saved), 0).UTC()
	}
	return e
}

func makeChunk(rows []row) *chunk {
	c := &chunk{rows: rows}
	for i := range rows {
		c.high = max(c.high, rows[i].modseq)
	}
	return c
}

// newSnapshot takes rows by rising UID.
func newSnapshot(box Mailbox, rows []row, keywords []string) *Snapshot {
	n := &Snapshot{box: box, keywords: keywords, latest: &latest{}}
	var b uidSetBuilder
	for some := range slices.Chunk(rows, chunkRows) {
		n.chunks = append(n.chunks, makeChunk(slices.Clip(some)))
	}
	for i := range rows {
		b.add(rows[i].uid, rows[i].uid)
	}
	n.uids = b.set()
	n.count()
	return n
}

func (n *Snapshot) count() {
	n.start = make([]int, len(n.chunks))
	at := 0
	for i, c := range n.chunks {
		n.start[i] = at
		at += len(c.rows)
	}
}

// with is the snapshot after changed rows came or were changed, and gone left.
// Both may name what the snapshot knows already.
func (n *Snapshot) with(box Mailbox, changed []row, gone *UIDSet, keywords []string) *Snapshot {
	next := &Snapshot{box: box, keywords: keywords, uids: n.uids, latest: &latest{}}
	gone = gone.And(n.uids)
	fresh := make([]UID, 0, len(changed))
	for i := range changed {
		if !n.uids.Contains(changed[i].uid) {
			fresh = append(fresh, changed[i].uid)
		}
	}
	if gone.Len() > 0 || len(fresh) > 0 {
		next.uids = n.uids.Minus(gone).Or(MakeUIDSet(fresh...))
	}
	same := next.uids == n.uids && n.sameMarks(changed)
	for i, c := range n.chunks {
		// The rows of this chunk's stretch of UIDs; the last chunk has no end.
		k := len(changed)
		if i+1 < len(n.chunks) {
			k = sort.Search(len(changed), func(k int) bool { return changed[k].uid >= n.chunks[i+1].rows[0].uid })
		}
		some := changed[:k]
		changed = changed[k:]
		first, last := c.rows[0].uid, c.rows[len(c.rows)-1].uid
		if len(some) == 0 && gone.And(RangeSet(UIDRange{first, last})).Len() == 0 {
			next.chunks = append(next.chunks, c)
			continue
		}
		next.add(merge(c.rows, some, gone))
	}
	if len(changed) > 0 { // the mailbox was empty
		next.add(merge(nil, changed, gone))
	}
	next.count()
	if same {
		next.latest = n.latest
	}
	return next
}

// sameMarks says whether of these rows, which n has, none got \Deleted or lost it.
func (n *Snapshot) sameMarks(changed []row) bool {
	return !slices.ContainsFunc(changed, func(r row) bool {
		was, ok := n.Find(r.uid)
		return !ok || isMarked(was.Flags) != isMarked(*r.flags)
	})
}

// merge puts changed into rows and takes gone out.
func merge(rows, changed []row, gone *UIDSet) []row {
	out := make([]row, 0, len(rows)+len(changed))
	for len(rows) > 0 || len(changed) > 0 {
		var r row
		switch {
		case len(changed) == 0 || len(rows) > 0 && rows[0].uid < changed[0].uid:
			r, rows = rows[0], rows[1:]
		case len(rows) > 0 && rows[0].uid == changed[0].uid:
			rows = rows[1:]
			fallthrough
		default:
			r, changed = changed[0], changed[1:]
		}
		if !gone.Contains(r.uid) {
			out = append(out, r)
		}
	}
	return out
}

// add appends rows as chunks. Small neighbours become one.
func (n *Snapshot) add(rows []row) {
	if len(rows) == 0 {
		return
	}
	if k := len(n.chunks) - 1; k >= 0 && len(n.chunks[k].rows)+len(rows) <= chunkRows/2 {
		rows = slices.Concat(n.chunks[k].rows, rows)
		n.chunks = n.chunks[:k]
	}
	for some := range slices.Chunk(rows, chunkRows) {
		n.chunks = append(n.chunks, makeChunk(slices.Clone(some)))
	}
}

// Mailbox is its row as of then.
func (n *Snapshot) Mailbox() Mailbox { return n.box }

// Len is how many mails are in it.
func (n *Snapshot) Len() int { return n.uids.Len() }

// At is the i-th entry by rising UID, from 0 on. Its Flags are not to be written to.
func (n *Snapshot) At(i int) Entry {
	k := sort.Search(len(n.start), func(k int) bool { return n.start[k] > i }) - 1
	return n.chunks[k].rows[i-n.start[k]].entry()
}

// UIDs are those of all entries.
func (n *Snapshot) UIDs() *UIDSet { return n.uids }

// Find is the entry of uid.
func (n *Snapshot) Find(uid UID) (Entry, bool) {
	k := sort.Search(len(n.chunks), func(k int) bool { return n.chunks[k].rows[0].uid > uid }) - 1
	if k < 0 {
		return Entry{}, false
	}
	rows := n.chunks[k].rows
	i := sort.Search(len(rows), func(i int) bool { return rows[i].uid >= uid })
	if i == len(rows) || rows[i].uid != uid {
		return Entry{}, false
	}
	return rows[i].entry(), true
}

// Each yields the entries of set, by rising UID: for long lists quicker than Find.
func (n *Snapshot) Each(set *UIDSet, yield func(Entry) bool) {
	ranges := set.Ranges()
	for _, c := range n.chunks {
		for len(ranges) > 0 && ranges[0].Last < c.rows[0].uid {
			ranges = ranges[1:]
		}
		if len(ranges) == 0 {
			return
		}
		if ranges[0].First > c.rows[len(c.rows)-1].uid {
			continue
		}
		at := ranges
		for i := range c.rows {
			uid := c.rows[i].uid
			for len(at) > 0 && at[0].Last < uid {
				at = at[1:]
			}
			if len(at) == 0 {
				break
			}
			if at[0].First <= uid && !yield(c.rows[i].entry()) {
				return
			}
		}
	}
}

// Changed yields the entries whose modseq is above since, by rising UID.
func (n *Snapshot) Changed(since ModSeq, yield func(Entry) bool) {
	for _, c := range n.chunks {
		if c.high <= since {
			continue
		}
		for i := range c.rows {
			if c.rows[i].modseq > since && !yield(c.rows[i].entry()) {
				return
			}
		}
	}
}

// Keywords are all keywords in use, and perhaps some that were, sorted.
func (n *Snapshot) Keywords() []string { return n.keywords }

func (n *Snapshot) size() int64 {
	return int64(len(n.chunks))*96 + int64(n.uids.Len())*rowSize + int64(len(n.uids.Ranges()))*16
}

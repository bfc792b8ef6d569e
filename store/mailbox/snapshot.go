package mailbox

import (
	"context"
	"slices"
	"strings"

	"colporteur/store"
)

// Snapshot is a mailbox at one moment. It is immutable and shared by all who
// look at the mailbox; nobody keeps one for longer than a command runs.
type Snapshot struct {
	box      Mailbox
	entries  []Entry
	uids     *UIDSet
	keywords []string
}

// Snapshot is the mailbox as it is now. When nothing changed since somebody
// asked last, it costs no query.
func (s *Store) Snapshot(ctx context.Context, box ID) (*Snapshot, error) {
	n := &Snapshot{}
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		if n.box, err = byID(ctx, tx, box); err != nil {
			return err
		}
		n.entries, err = list(ctx, tx, `mailbox = $1 ORDER BY uid`, int64(box))
		return err
	})
	if err != nil {
		return nil, err
	}
	uids := make([]UID, len(n.entries))
	for i, e := range n.entries {
		uids[i] = e.UID
		for _, f := range e.Flags {
			if !strings.HasPrefix(f, `\`) && !slices.Contains(n.keywords, f) {
				n.keywords = append(n.keywords, f)
			}
		}
	}
	slices.Sort(n.keywords)
	n.uids = MakeUIDSet(uids...)
	return n, nil
}

// Mailbox is its row as of then.
func (n *Snapshot) Mailbox() Mailbox { return n.box }

// Len is how many mails are in it.
func (n *Snapshot) Len() int { return n.uids.Len() }

// At is the i-th entry by rising UID, from 0 on. Its Flags are not to be written to.
func (n *Snapshot) At(i int) Entry { return n.entries[i] }

// UIDs are those of all entries.
func (n *Snapshot) UIDs() *UIDSet { return n.uids }

// Find is the entry of uid.
func (n *Snapshot) Find(uid UID) (Entry, bool) {
	i := n.uids.Rank(uid)
	if i == 0 {
		return Entry{}, false
	}
	return n.entries[i-1], true
}

// Changed yields the entries whose modseq is above since, by rising UID.
func (n *Snapshot) Changed(since ModSeq, yield func(Entry) bool) {
	for _, e := range n.entries {
		if e.ModSeq > since && !yield(e) {
			return
		}
	}
}

// Keywords are all keywords in use, sorted.
func (n *Snapshot) Keywords() []string { return n.keywords }

package mailbox

import (
	"encoding/binary"
	"sync"

	"colporteur/mail"
)

// packUIDs writes how many UIDs are skipped and how many are in, by turns.
func packUIDs(set *UIDSet) []byte {
	b := []byte{}
	at := uint64(0)
	for _, r := range set.Ranges() {
		b = binary.AppendUvarint(b, uint64(r.First)-at)
		b = binary.AppendUvarint(b, uint64(r.Last)-uint64(r.First)+1)
		at = uint64(r.Last) + 1
	}
	return b
}

// unpackUIDs never returns nil: nobody's set is empty, not absent.
func unpackUIDs(b []byte) *UIDSet {
	var ranges []UIDRange
	at := uint64(0)
	for len(b) > 0 {
		skip, n := binary.Uvarint(b)
		size, k := binary.Uvarint(b[max(n, 0):])
		if n <= 0 || k <= 0 || size == 0 || at+skip+size > 1<<32 {
			break // a damaged row is mail to be read again, and nothing worse
		}
		b = b[n+k:]
		at += skip
		ranges = append(ranges, UIDRange{UID(at), UID(at + size - 1)})
		at += size
	}
	return RangeSet(ranges...)
}

// seenCache keeps sets that sessions ask for with each command.
type seenCache struct {
	mu   sync.Mutex
	sets map[seenKey]seenAt
}

type seenKey struct {
	box    ID
	viewer mail.AccountID
}

type seenAt struct {
	high ModSeq // of the mailbox, when the set was read
	set  *UIDSet
}

const seenCached = 2000

func (c *seenCache) get(k seenKey, high ModSeq) (*UIDSet, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.sets[k]
	return at.set, ok && at.high == high
}

func (c *seenCache) put(k seenKey, high ModSeq, set *UIDSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sets == nil || len(c.sets) >= seenCached {
		c.sets = map[seenKey]seenAt{}
	}
	c.sets[k] = seenAt{high, set}
}

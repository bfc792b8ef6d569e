package mailbox

import "math/bits"

// idMap numbers ids: a hash table of a fixed size without anything else, because
// a list of 100,000 mails that is made anew with every mail has no time for more.
type idMap struct {
	ids   []int64 // by number
	slots []int32 // a number and one; 0: free
	shift int
}

// newIDMap has room for n ids and no more.
func newIDMap(n int) *idMap {
	size := bits.Len(uint(2*n + 1))
	return &idMap{ids: make([]int64, 0, n), slots: make([]int32, 1<<size), shift: 64 - size}
}

// number is the one of id, which gets the next when it is fresh.
func (m *idMap) number(id int64) (n int32, fresh bool) {
	// Ids of a burst differ in their last bits; multiplied, in their first ones.
	at := int(uint64(id) * 0x9e3779b97f4a7c15 >> m.shift)
	for m.slots[at] != 0 {
		if n := m.slots[at] - 1; m.ids[n] == id {
			return n, false
		}
		at = (at + 1) & (len(m.slots) - 1)
	}
	m.ids = append(m.ids, id)
	m.slots[at] = int32(len(m.ids))
	return m.slots[at] - 1, true
}

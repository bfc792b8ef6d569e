package mailbox

import (
	"slices"
	"sort"
)

// UIDSet is a set of UIDs, kept as ranges: a mailbox of 100,000 mails without
// holes takes a few octets. It is immutable, and so can be shared by every
// session that knows the same mails. The zero value and nil are empty.
type UIDSet struct {
	ranges []UIDRange
	before []int // before[i] UIDs stand before ranges[i]
	n      int
}

// UIDRange is First..Last, both included.
type UIDRange struct{ First, Last UID }

// MakeUIDSet makes the set of uids, in whatever order.
func MakeUIDSet(uids ...UID) *UIDSet {
	if !slices.IsSorted(uids) {
		uids = slices.Clone(uids)
		slices.Sort(uids)
	}
	var b uidSetBuilder
	for _, u := range uids {
		b.add(u, u)
	}
	return b.set()
}

// RangeSet makes the set of ranges, in whatever order and overlapping.
func RangeSet(ranges ...UIDRange) *UIDSet {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b UIDRange) int { return int(int64(a.First) - int64(b.First)) })
	var b uidSetBuilder
	for _, r := range ranges {
		if r.First <= r.Last && r.First > 0 {
			b.add(r.First, r.Last)
		}
	}
	return b.set()
}

// uidSetBuilder takes ranges by rising First.
type uidSetBuilder struct{ ranges []UIDRange }

func (b *uidSetBuilder) add(first, last UID) {
	if n := len(b.ranges); n > 0 && uint64(first) <= uint64(b.ranges[n-1].Last)+1 {
		b.ranges[n-1].Last = max(b.ranges[n-1].Last, last)
		return
	}
	b.ranges = append(b.ranges, UIDRange{first, last})
}

func (b *uidSetBuilder) set() *UIDSet {
	s := &UIDSet{ranges: slices.Clip(b.ranges), before: make([]int, len(b.ranges))}
	for i, r := range s.ranges {
		s.before[i] = s.n
		s.n += int(r.Last-r.First) + 1
	}
	return s
}

// Len is how many UIDs are in it.
func (s *UIDSet) Len() int {
	if s == nil {
		return 0
	}
	return s.n
}

// Ranges are its ranges, rising, not touching one another; not to be written to.
func (s *UIDSet) Ranges() []UIDRange {
	if s == nil {
		return nil
	}
	return s.ranges
}

// find is the first range that ends at or after uid.
func (s *UIDSet) find(uid UID) int {
	return sort.Search(len(s.ranges), func(i int) bool { return s.ranges[i].Last >= uid })
}

// Contains says whether uid is in it.
func (s *UIDSet) Contains(uid UID) bool { return s.Rank(uid) > 0 }

// Rank is the place of uid, from 1 on: its sequence number. 0: it is not in it.
func (s *UIDSet) Rank(uid UID) int {
	if s == nil {
		return 0
	}
	i := s.find(uid)
	if i == len(s.ranges) || s.ranges[i].First > uid {
		return 0
	}
	return s.before[i] + int(uid-s.ranges[i].First) + 1
}

// At is the n-th UID, from 1 on; 0 when there are fewer.
func (s *UIDSet) At(n int) UID {
	if s == nil || n < 1 || n > s.n {
		return 0
	}
	i := sort.Search(len(s.before), func(i int) bool { return s.before[i] >= n }) - 1
	return s.ranges[i].First + UID(n-1-s.before[i])
}

// Last is the highest UID, 0 of an empty set.
func (s *UIDSet) Last() UID {
	if s.Len() == 0 {
		return 0
	}
	return s.ranges[len(s.ranges)-1].Last
}

// All yields every UID, rising.
func (s *UIDSet) All(yield func(UID) bool) {
	for _, r := range s.Ranges() {
		for u := r.First; ; u++ {
			if !yield(u) {
				return
			}
			if u == r.Last {
				break
			}
		}
	}
}

// Minus is what is in s and not in o.
func (s *UIDSet) Minus(o *UIDSet) *UIDSet { return s.combine(o, false) }

// And is what is in both.
func (s *UIDSet) And(o *UIDSet) *UIDSet { return s.combine(o, true) }

func (s *UIDSet) combine(o *UIDSet, both bool) *UIDSet {
	var b uidSetBuilder
	theirs := o.Ranges()
	for _, r := range s.Ranges() {
		at := uint64(r.First) // the next UID to decide about; a UID of 2^32-1 has a successor here
		for len(theirs) > 0 && theirs[0].Last < r.First {
			theirs = theirs[1:]
		}
		for _, t := range theirs {
			if t.First > r.Last {
				break
			}
			if !both && uint64(t.First) > at {
				b.add(UID(at), t.First-1)
			}
			if both {
				b.add(max(t.First, r.First), min(t.Last, r.Last))
			}
			at = max(at, uint64(t.Last)+1)
		}
		if !both && at <= uint64(r.Last) {
			b.add(UID(at), r.Last)
		}
	}
	return b.set()
}

// Or is what is in either.
func (s *UIDSet) Or(o *UIDSet) *UIDSet {
	switch {
	case o.Len() == 0 && s != nil:
		return s
	case s.Len() == 0 && o != nil:
		return o
	}
	return RangeSet(append(slices.Clone(s.Ranges()), o.Ranges()...)...)
}

// Above is what is in s and above uid.
func (s *UIDSet) Above(uid UID) *UIDSet {
	if uid == 1<<32-1 {
		return nil
	}
	return s.And(RangeSet(UIDRange{uid + 1, 1<<32 - 1}))
}

// Pick is the UIDs at the given places, from 1 on: sequence numbers to UIDs.
func (s *UIDSet) Pick(places *UIDSet) *UIDSet {
	var b uidSetBuilder
	i := 0
	for _, p := range places.Ranges() {
		for at, last := int(p.First), min(int(p.Last), s.Len()); at <= last; {
			for s.before[i]+int(s.ranges[i].Last-s.ranges[i].First)+1 < at {
				i++
			}
			first := s.ranges[i].First + UID(at-1-s.before[i])
			n := min(int(s.ranges[i].Last-first)+1, last-at+1)
			b.add(first, first+UID(n-1))
			at += n
		}
	}
	return b.set()
}

package imap

import (
	"slices"

	"colporteur/store/mailbox"

	proto "github.com/emersion/go-imap/v2"
)

// pick returns the UIDs of the view that set names, rising. Numbers nobody has
// are no failure (RFC 3501 §6.4.8 says so for UIDs). The set is never
// enumerated: "1:4294967295" is one range.
func (s *session) pick(v *view, set proto.NumSet) []mailbox.UID {
	if len(v.uids) == 0 {
		return nil
	}
	if proto.IsSearchRes(set) { // RFC 5182
		var out []mailbox.UID
		for _, uid := range s.saved {
			if v.seq(uid) != 0 {
				out = append(out, uid)
			}
		}
		return out
	}
	spans := v.spans(set)
	if len(spans) == 1 {
		return v.uids[spans[0][0]:spans[0][1]:spans[0][1]]
	}
	var out []mailbox.UID
	for i, on := range v.mark(spans) {
		if on {
			out = append(out, v.uids[i])
		}
	}
	return out
}

// spans are the index ranges [from, to) of the view that set covers.
func (v *view) spans(set proto.NumSet) (spans [][2]int) {
	n := len(v.uids)
	if n == 0 {
		return nil
	}
	add := func(from, to int) {
		if from < to {
			spans = append(spans, [2]int{from, to})
		}
	}
	switch set := set.(type) {
	case proto.SeqSet:
		for _, r := range set {
			a, b := order(r.Start, r.Stop, uint32(n))
			add(int(min(a, uint32(n+1)))-1, int(min(b, uint32(n))))
		}
	case proto.UIDSet:
		for _, r := range set {
			a, b := order(uint32(r.Start), uint32(r.Stop), uint32(v.uids[n-1]))
			from, _ := slices.BinarySearch(v.uids, mailbox.UID(a))
			to, exact := slices.BinarySearch(v.uids, mailbox.UID(b))
			if exact {
				to++
			}
			add(from, to)
		}
	}
	return spans
}

// order puts the ends of a range in order; 0 is "*", the last one there is, so
// that "9:*" in a mailbox of three is 3:9 and names message 3.
func order(a, b, last uint32) (uint32, uint32) {
	if a == 0 {
		a = last
	}
	if b == 0 {
		b = last
	}
	return min(a, b), max(a, b)
}

func (v *view) mark(spans [][2]int) []bool {
	on := make([]bool, len(v.uids))
	for _, s := range spans {
		for i := s[0]; i < s[1]; i++ {
			on[i] = true
		}
	}
	return on
}

// uidSet writes rising UIDs as a set.
func uidSet(uids []mailbox.UID) proto.UIDSet {
	set := proto.UIDSet{}
	for _, uid := range uids {
		if n := len(set); n > 0 && set[n-1].Stop+1 == proto.UID(uid) {
			set[n-1].Stop = proto.UID(uid)
		} else {
			set = append(set, proto.UIDRange{Start: proto.UID(uid), Stop: proto.UID(uid)})
		}
	}
	return set
}

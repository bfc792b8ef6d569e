package mailbox

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestAUIDSetIsWhatAListOfUIDsIs(t *testing.T) {
	uids := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) UID { return UID(rapid.IntRange(1, 40).Draw(t, "uid")) }), 0, 40)
	rapid.Check(t, func(t *rapid.T) {
		list := func(label string) ([]UID, *UIDSet) {
			l := uids.Draw(t, label)
			s := MakeUIDSet(l...)
			l = slices.Clone(l)
			slices.Sort(l)
			return slices.Compact(l), s
		}
		a, sa := list("a")
		b, sb := list("b")
		in := func(l []UID) func(UID) bool { return func(u UID) bool { return slices.Contains(l, u) } }
		filter := func(l []UID, keep func(UID) bool) []UID {
			return slices.DeleteFunc(slices.Clone(l), func(u UID) bool { return !keep(u) })
		}
		same := func(what string, got *UIDSet, want []UID) {
			t.Helper()
			if l := slices.Collect(got.All); !slices.Equal(l, want) || got.Len() != len(want) {
				t.Fatalf("%s of %v and %v: %v, want %v", what, a, b, l, want)
			}
			for i, r := range got.Ranges() {
				if r.First > r.Last || i > 0 && got.Ranges()[i-1].Last+1 >= r.First {
					t.Fatalf("%s: ranges %v", what, got.Ranges())
				}
			}
		}
		same("a", sa, a)
		same("minus", sa.Minus(sb), filter(a, func(u UID) bool { return !in(b)(u) }))
		same("and", sa.And(sb), filter(a, in(b)))
		both := append(slices.Clone(a), b...)
		slices.Sort(both)
		same("or", sa.Or(sb), slices.Compact(both))
		same("above", sa.Above(7), filter(a, func(u UID) bool { return u > 7 }))
		var picked []UID
		for _, n := range b {
			if int(n) <= len(a) {
				picked = append(picked, a[n-1])
			}
		}
		same("pick", sa.Pick(sb), picked)
		for i, u := range a {
			if sa.Rank(u) != i+1 || sa.At(i+1) != u {
				t.Fatalf("%v: %d is %d-th, and the %d-th %d", a, u, sa.Rank(u), i+1, sa.At(i+1))
			}
		}
		for u := UID(0); u < 50; u++ {
			if sa.Contains(u) != in(a)(u) {
				t.Fatalf("%v contains %d: %v", a, u, sa.Contains(u))
			}
		}
		if sa.At(0) != 0 || sa.At(len(a)+1) != 0 {
			t.Fatal("places that are not there")
		}
	})
}

func TestTheHighestUIDHasNoSuccessor(t *testing.T) {
	const top = UID(1<<32 - 1)
	all := RangeSet(UIDRange{1, top})
	if got := all.Minus(MakeUIDSet(top)); got.Last() != top-1 {
		t.Errorf("without the highest: %v", got.Ranges())
	}
	if got := all.Above(top).Len(); got != 0 {
		t.Errorf("above the highest: %d", got)
	}
	n := 0
	for range MakeUIDSet(top).All {
		n++
	}
	if n != 1 {
		t.Errorf("%d", n)
	}
	var none *UIDSet
	if none.Or(none).Len() != 0 || none.Minus(all).Len() != 0 || none.And(all).Len() != 0 || all.And(none).Len() != 0 || none.Pick(all).Len() != 0 {
		t.Error("nil is not the empty set")
	}
}

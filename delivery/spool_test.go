package delivery

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestWhatIsCutIsLeftOutHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "mail")
		var cuts [][2]int
		var want []byte
		at := 0
		for range rapid.IntRange(0, 4).Draw(t, "cuts") {
			from := rapid.IntRange(at, len(all)).Draw(t, "from")
			to := rapid.IntRange(from, len(all)).Draw(t, "to")
			want = append(want, all[at:from]...)
			cuts, at = append(cuts, [2]int{from, to}), to
		}
		want = append(want, all[at:]...)
		var got bytes.Buffer
		a := &around{w: &got, cuts: cuts}
		for rest := all; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "write")
			if k, err := a.Write(rest[:n]); k != n || err != nil {
				t.Fatalf("wrote %d of %d: %v", k, n, err)
			}
			rest = rest[n:]
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("cuts %v of %q: got %q, want %q", cuts, all, got.Bytes(), want)
		}
		var read []byte
		for _, p := range pieces(1, int64(len(all)), cuts) {
			read = append(read, all[p.Start:p.Start+p.Length]...)
		}
		if !bytes.Equal(read, want) {
			t.Fatalf("cuts %v of %q: the pieces read %q, want %q", cuts, all, read, want)
		}
	})
}

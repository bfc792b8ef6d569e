package mailbox

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestWhatIsSqueezedComesBack(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 4, 11, 12, 13, 17, 100, 255, 256, 270, 5000, 70_000, 300_000} {
		for letters := 1; letters <= 256; letters *= 4 {
			in := make([]byte, n)
			for i := range in {
				in[i] = byte(r.IntN(letters))
			}
			if n > 1000 {
				copy(in[n/2:], in[:n/3])
			}
			packed := squeeze([]byte("before"), in)
			out, err := unsqueeze([]byte("x"), packed[6:], n)
			if err != nil || !bytes.Equal(out[1:], in) {
				t.Fatalf("%d octets of %d letters: %v", n, letters, err)
			}
			if letters == 1 && n > 1000 && len(packed) > n/100 {
				t.Errorf("%d equal octets take %d", n, len(packed))
			}
		}
	}
}

func FuzzUnsqueeze(f *testing.F) {
	f.Add(squeeze(nil, bytes.Repeat([]byte("ab cd "), 50)), 300)
	f.Add([]byte{10, 255, 255}, 10)
	f.Add([]byte{0x0f, 0, 0}, 10)
	f.Fuzz(func(t *testing.T, p []byte, size int) {
		size &= 1<<20 - 1
		if out, err := unsqueeze(nil, p, size); err == nil && len(out) != size {
			t.Errorf("%d octets instead of %d", len(out), size)
		}
		if out, err := unsqueeze(nil, squeeze(nil, p), len(p)); err != nil || !bytes.Equal(out, p) {
			t.Errorf("not what was packed: %v", err)
		}
	})
}

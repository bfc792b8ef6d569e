package share

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
)

func TestFlowKeepsEveryByteInItsPlace(t *testing.T) {
	for _, n := range []int{0, 1, block - 1, block, block + 1, 2 * block, 5*block + 7} {
		b := make([]byte, n)
		rand.Read(b)
		for name, src := range map[string]io.Reader{"plain": bytes.NewReader(b), "halves": iotest.HalfReader(bytes.NewReader(b)), "end with data": iotest.DataErrReader(bytes.NewReader(b))} {
			w := httptest.NewRecorder()
			f := newFlow(w)
			m, err := io.CopyN(f, src, int64(n))
			if err != nil || m != int64(n) || f.err != nil || !bytes.Equal(w.Body.Bytes(), b) {
				t.Errorf("%d bytes, %s: copied %d of %d, %v, %v", n, name, m, w.Body.Len(), err, f.err)
			}
		}
	}
}

// A file that is damaged or deleted under a download must not end like a whole one.
func TestFlowTellsWhyTheSourceEnded(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int{100, block, 3*block + 9} {
		for _, most := range []int64{block, 10 * block} {
			w := httptest.NewRecorder()
			f := newFlow(w)
			_, err := io.CopyN(f, io.MultiReader(bytes.NewReader(make([]byte, n)), iotest.ErrReader(broken)), most)
			if int64(n) < most && (!errors.Is(err, broken) || !errors.Is(f.err, broken)) {
				t.Errorf("broken after %d of %d: %v, %v", n, most, err, f.err)
			}
		}
	}
}

// gone is a reader who hung up.
type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestFlowOfAReaderWhoHungUpEndsQuietly(t *testing.T) {
	for _, most := range []int64{10, 10 * block} {
		f := newFlow(gone{httptest.NewRecorder()})
		src := &closing{t: t, r: bytes.NewReader(make([]byte, 20*block))}
		if _, err := io.CopyN(f, src, most); !errors.Is(err, http.ErrAbortHandler) || !errors.Is(f.err, http.ErrAbortHandler) {
			t.Errorf("%v, %v", err, f.err)
		}
		src.closed = true // a read from here on would be of a closed file, and a race
	}
}

type closing struct {
	t      *testing.T
	r      io.Reader
	closed bool
}

func (c *closing) Read(p []byte) (int, error) {
	if c.closed {
		c.t.Error("read after the copy ended")
	}
	return c.r.Read(p)
}

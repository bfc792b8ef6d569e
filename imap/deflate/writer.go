package deflate

import (
	"bufio"
	"compress/flate"
	"io"
	"sync"
)

// Writer compresses. During a burst it borrows a compressor; Flush ends the
// burst and gives it back, so that a connection which waits holds none. Each
// burst begins with an empty window, at an octet's boundary: to the other side
// it is one stream, somewhat longer than it could be.
type Writer struct {
	w io.Writer
	c *compressor // nil between two bursts
}

type compressor struct {
	*flate.Writer
	gather *bufio.Writer // flate writes 240 octets at a time
}

// level 1 is twice as quick as the library's default, for a few hundredths more.
const level = 1

var compressors = sync.Pool{New: func() any {
	c := &compressor{gather: bufio.NewWriterSize(nil, 16<<10)}
	c.Writer, _ = flate.NewWriter(c.gather, level) // fails for an impossible level only
	return c
}}

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

func (z *Writer) Write(p []byte) (int, error) {
	if z.c == nil {
		z.c = compressors.Get().(*compressor)
		z.c.gather.Reset(z.w)
		z.c.Reset(z.c.gather)
	}
	return z.c.Write(p)
}

// Flush sends all that was written (Z_SYNC_FLUSH).
func (z *Writer) Flush() error {
	c := z.c
	if c == nil {
		return nil
	}
	z.c = nil
	err := c.Writer.Flush()
	if err == nil {
		err = c.gather.Flush()
	}
	c.gather.Reset(nil)
	compressors.Put(c)
	return err
}

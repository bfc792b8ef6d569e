// Package picture makes what an album shows of a photo or a film: upright,
// without what the camera wrote, in the sizes that pages use.
//
// # Two steps
//
// Make is quick: three JPEG files that every browser shows, all of one decoding,
// and the full size where that costs no decoding. Finish makes the rest, later:
// WebP, the other full sizes, the film.
//
// # Private metadata
//
// Sizes are encoded anew from pixels alone. The full size of a JPEG, PNG, GIF or
// WebP that stands upright is the photo's own coded data without every segment
// that is not known to be needed for its colours (strip.go): nothing is lost, and
// what is unknown does not pass.
//
// # Bombs
//
// Dimensions are read before anything is decoded, by code that allocates nothing
// for them. Decoding happens in processes of their own (libvips, ffmpeg) with
// limits on memory, time and files; where libvips is missing, in pure Go.
package picture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// What is wrong with a file. Any other error is ours, and may pass.
var (
	ErrKind       = errors.New("not a picture of a kind we take")
	ErrTooBig     = errors.New("too many pixels or bytes")
	ErrUnreadable = errors.New("the picture cannot be read")
)

// Limits of one file.
const (
	MaxPixels = 100_000_000
	MaxSide   = 30_000
	MaxBytes  = 200 << 20 // of a picture
	MaxFilm   = 3 << 30   // of a film
)

// Sides are the longer sides of what is made, in pixels; nothing is enlarged.
var Sides = [3]int{400, 1024, 2048}

// JPEG is the media type of the three sizes.
const JPEG = "image/jpeg"

// Maker makes pictures. Its fields are set before use; the zero Maker works.
type Maker struct {
	Dir     string        // of its own, for files that last as long as one picture; "" is the system's
	Tool    string        // libvips' command; "" looks for "vips", "none" has pure Go do it
	Films   string        // ffmpeg's command; "" looks for "ffmpeg", "none" makes no film
	Slots   int           // pictures at once; 0 is 2
	Hurry   bool          // tools run like everything else, and not when nothing else does
	Timeout time.Duration // of the processor for each step of a picture; 0 is 30 s
	Log     *slog.Logger  // nil discards

	waiting                         waiting
	once                            sync.Once
	slots, later                    chan struct{}
	vips, ffmpeg, ffprobe, jpegtran string
	err                             error
}

// Picture is what Make made. Its files go with Close.
type Picture struct {
	Source        string    // media type of what came, whatever its sender called it
	Width, Height int       // of the full size, upright
	Taken         time.Time // the camera's clock as if it were UTC; zero when not known
	Caption       string    // that its metadata gives it
	Place         bool      // its metadata says where it was
	Hash          []byte    // thumbhash: what is shown until the picture is there
	JPEG          [3]string // paths, by Sides
	Video         bool
	Duration      time.Duration // of a video, when that is known

	dir string
}

// Close removes the files.
func (p *Picture) Close() error { return os.RemoveAll(p.dir) }

func (m *Maker) start() {
	m.once.Do(func() {
		n := m.Slots
		if n == 0 {
			n = 2
		}
		m.slots, m.later = make(chan struct{}, n), make(chan struct{}, 1)
		if m.Dir != "" {
			// What a crash left lying about has places in it.
			left, _ := filepath.Glob(filepath.Join(m.Dir, "picture-*"))
			for _, dir := range left {
				os.RemoveAll(dir)
			}
			m.err = os.MkdirAll(m.Dir, 0o700)
		}
		m.vips = tool(m.Tool, "vips")
		m.jpegtran = tool(m.Tool, "jpegtran")
		if m.ffmpeg = tool(m.Films, "ffmpeg"); m.ffmpeg != "" {
			m.ffprobe, _ = exec.LookPath("ffprobe")
		}
	})
}

// tool is the path of a command; "" when there is none, or none is to be used.
func tool(set, name string) string {
	switch {
	case set == "none":
		return ""
	case set != "" && (name == "vips" || name == "ffmpeg"):
		return set
	}
	path, _ := exec.LookPath(name)
	return path
}

// opened is a file of a stranger's in a folder of its own.
type opened struct {
	*os.File
	dir, path string
	kind      kind
	w, h      int // as stored
}

// open takes a slot, and saves and looks at what r reads. close gives the slot
// back and removes the source; the folder stays.
func (m *Maker) open(ctx context.Context, slots func() chan struct{}, r io.Reader) (o *opened, done func(), err error) {
	if m.start(); m.err != nil {
		return nil, nil, m.err
	}
	select {
	case slots() <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	f := &opened{}
	end := func() {
		if f.File != nil {
			f.Close()
		}
		// What has the hour and the place is needed no longer than this.
		os.Remove(f.path)
		<-slots()
	}
	defer func() {
		if err != nil {
			end()
			os.RemoveAll(f.dir)
		}
	}()
	if err = m.fill(f, r); err != nil {
		return nil, nil, err
	}
	return f, end, nil
}

// fill saves what r reads, and looks at it.
func (m *Maker) fill(o *opened, r io.Reader) (err error) {
	if o.dir, err = os.MkdirTemp(m.Dir, "picture-"); err != nil {
		return err
	}
	o.path = filepath.Join(o.dir, "in")
	if err := save(o.path, r); err != nil {
		return err
	}
	if o.File, err = os.Open(o.path); err != nil {
		return err
	}
	if o.kind, o.w, o.h, err = probe(o.File); err != nil {
		return err
	}
	if o.w > MaxSide || o.h > MaxSide || int64(o.w)*int64(o.h) > MaxPixels {
		return fmt.Errorf("%w: %d by %d", ErrTooBig, o.w, o.h)
	}
	return nil
}

// Make reads one file and makes what is shown first. Errors of the file wrap
// ErrKind, ErrTooBig or ErrUnreadable.
func (m *Maker) Make(ctx context.Context, r io.Reader) (p *Picture, err error) {
	m.waiting.begin()
	defer m.waiting.end()
	f, done, err := m.open(ctx, func() chan struct{} { return m.slots }, r)
	if err != nil {
		return nil, err
	}
	defer done()
	p = &Picture{dir: f.dir, Source: f.kind.mediaType()}
	for i, side := range Sides {
		p.JPEG[i] = filepath.Join(f.dir, fmt.Sprintf("%d.jpg", side))
	}
	defer func() {
		if err != nil {
			os.RemoveAll(f.dir)
		}
	}()
	if f.kind.film() {
		return p, m.poster(ctx, f, p)
	}
	meta := readMeta(f.File, f.kind)
	p.Taken, p.Caption, p.Place = meta.taken, meta.caption, meta.place
	p.Width, p.Height = f.w, f.h
	if meta.orientation >= 5 {
		p.Width, p.Height = f.h, f.w
	}
	if err := m.sizes(ctx, f, meta.orientation, p); err != nil {
		return nil, err
	}
	if f.kind == kindHEIC || f.kind == kindAVIF {
		// They turn by a property of their own, which only their decoder follows.
		if w, h, err := size(p.JPEG[2]); err == nil && (w > h) != (p.Width > p.Height) {
			p.Width, p.Height = p.Height, p.Width
		}
	}
	return p, nil
}

func save(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	head := make([]byte, SniffLength)
	k, err := io.ReadFull(r, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	most := int64(MaxBytes)
	if sniff(head[:k]).film() {
		most = MaxFilm
	}
	n := int64(0)
	if err == nil {
		_, err = f.Write(head[:k])
	}
	if err == nil {
		n, err = io.Copy(f, io.LimitReader(r, most+1))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && n > most {
		return fmt.Errorf("%w: over %d bytes", ErrTooBig, most)
	}
	return err
}

// size reads the dimensions of a file of our own making.
func size(path string) (w, h int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	_, w, h, err = probe(f)
	return w, h, err
}

func (m *Maker) log() *slog.Logger {
	if m.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return m.Log
}

func (m *Maker) timeout() time.Duration {
	if m.Timeout == 0 {
		return 30 * time.Second
	}
	return m.Timeout
}

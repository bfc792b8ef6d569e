// Package picture makes what an album shows of a photo: upright, without
// metadata, in three sizes.
//
// Nothing of the file a stranger sent reaches the results but its pixels: each is
// encoded anew, so no place, no camera, no embedded second picture can hide in a
// segment we did not know. The one thing read from the metadata is the hour.
//
// # Bombs
//
// The dimensions are read before anything is decoded, by code that allocates
// nothing for them. Decoding happens in a process of its own (libvips) with
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

// What is wrong with a file. Any other error of Make is ours, and may pass.
var (
	ErrKind       = errors.New("not a picture of a kind we take")
	ErrTooBig     = errors.New("too many pixels or bytes")
	ErrUnreadable = errors.New("the picture cannot be read")
)

// Limits of one picture.
const (
	MaxPixels = 100_000_000
	MaxSide   = 30_000
	MaxBytes  = 200 << 20
)

// Longer sides of what is made.
const (
	LargeSide = 2048
	ThumbSide = 400
)

// JPEG is the media type of everything made but the full size of a PNG.
const (
	JPEG = "image/jpeg"
	PNG  = "image/png"
)

// Maker makes pictures. Its fields are set before use; the zero Maker works.
type Maker struct {
	Dir     string        // of its own, for files that last as long as one picture; "" is the system's
	Tool    string        // libvips' command; "" looks for "vips", "none" has pure Go do it
	Slots   int           // pictures at once; 0 is 2
	Timeout time.Duration // for each step; 0 is 30 s
	Log     *slog.Logger  // nil discards

	once  sync.Once
	slots chan struct{}
	vips  string
	err   error
}

// Picture is what was made of one photo. Its files go with Close.
type Picture struct {
	Width, Height int       // upright, of the full size
	MediaType     string    // of Original; the others are JPEG
	Taken         time.Time // the camera's clock as if it were UTC; zero when not known
	Original      string    // paths of files
	Large         string
	Thumb         string

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
		m.slots = make(chan struct{}, n)
		if m.Dir != "" {
			// What a crash left lying about has places in it.
			left, _ := filepath.Glob(filepath.Join(m.Dir, "picture-*"))
			for _, dir := range left {
				os.RemoveAll(dir)
			}
			m.err = os.MkdirAll(m.Dir, 0o700)
		}
		switch m.Tool {
		case "none":
		case "":
			m.vips, _ = exec.LookPath("vips")
		default:
			m.vips = m.Tool
		}
	})
}

// Make reads one photo and makes its pictures. Errors of the file wrap ErrKind,
// ErrTooBig or ErrUnreadable.
func (m *Maker) Make(ctx context.Context, r io.Reader) (p *Picture, err error) {
	if m.start(); m.err != nil {
		return nil, m.err
	}
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	dir, err := os.MkdirTemp(m.Dir, "picture-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	in := filepath.Join(dir, "in")
	if err := save(in, r); err != nil {
		return nil, err
	}
	// What has the hour and the place is needed no longer than this.
	defer os.Remove(in)
	f, err := os.Open(in)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	kind, w, h, err := probe(f)
	if err != nil {
		return nil, err
	}
	if w > MaxSide || h > MaxSide || int64(w)*int64(h) > MaxPixels {
		return nil, fmt.Errorf("%w: %d by %d", ErrTooBig, w, h)
	}
	meta := readMeta(f, kind)
	p = &Picture{dir: dir, MediaType: JPEG, Taken: meta.taken, Original: filepath.Join(dir, "original.jpg"),
		Large: filepath.Join(dir, "large.jpg"), Thumb: filepath.Join(dir, "thumb.jpg")}
	if kind == kindPNG {
		p.MediaType, p.Original = PNG, filepath.Join(dir, "original.png")
	}
	if m.vips != "" {
		err = m.runVips(ctx, in, p)
	}
	// The libheif of older systems cannot read what newer telephones write.
	if m.vips == "" || kind == kindHEIC && errors.Is(err, ErrUnreadable) {
		err = m.pure(f, kind, meta.orientation, p)
	}
	if err != nil {
		return nil, err
	}
	if p.Width, p.Height, err = size(p.Original); err != nil {
		return nil, err
	}
	return p, nil
}

func save(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(r, MaxBytes+1))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && n > MaxBytes {
		return fmt.Errorf("%w: over %d bytes", ErrTooBig, MaxBytes)
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

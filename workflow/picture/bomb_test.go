package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// wide is a PNG of so many black pixels that they fill memory when all are there
// at once: interlaced, of 16 bits, transparent.
func wide(t testing.TB, side uint32) []byte {
	t.Helper()
	var b, pixels bytes.Buffer
	z := zlib.NewWriter(&pixels)
	row := make([]byte, 1+8*side)
	for range side { // about as many bytes as its seven passes have; a decoder needs no more to fill its memory
		z.Write(row)
	}
	z.Close()
	chunk := func(kind string, body []byte) {
		binary.Write(&b, binary.BigEndian, uint32(len(body)))
		body = append([]byte(kind), body...)
		b.Write(body)
		binary.Write(&b, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk("IHDR", append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, side), side), 16, 6, 0, 0, 1))
	chunk("IDAT", pixels.Bytes())
	chunk("IEND", nil)
	return b.Bytes()
}

// long is a GIF of very many pictures.
func long(t testing.TB, frames int) []byte {
	t.Helper()
	var g gif.GIF
	frame := image.NewPaletted(image.Rect(0, 0, 1000, 1000), color.Palette{color.Black, color.White})
	dot := image.NewPaletted(image.Rect(0, 0, 1, 1), frame.Palette)
	g.Image, g.Delay = append(g.Image, frame), append(g.Delay, 0)
	for range frames {
		g.Image, g.Delay = append(g.Image, dot), append(g.Delay, 0)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// deep is a progressive JPEG whose last refinement comes again and again: little
// to send, and each time all of the picture is gone through.
func deep(t testing.TB, times int) []byte {
	t.Helper()
	dir := t.TempDir()
	do(t, dir, "vips", "black", "in.jpg", "6000", "6000")
	do(t, dir, "jpegtran", "-progressive", "-outfile", "out.jpg", "in.jpg")
	b, err := os.ReadFile(filepath.Join(dir, "out.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(b, []byte{0xff, 0xda})
	scan := b[at : len(b)-2]
	return append(append(b[:at:at], bytes.Repeat(scan, times)...), 0xff, 0xd9)
}

// many is a TIFF of very many pages, all of the same pixels.
func many(pages int) []byte {
	var b bytes.Buffer
	b.WriteString("II*\x00")
	at := uint32(8 + 3000)
	binary.Write(&b, binary.LittleEndian, at)
	b.Write(make([]byte, 3000))
	for i := range pages {
		w := func(tag, kind uint16, n, v uint32) {
			binary.Write(&b, binary.LittleEndian, []uint16{tag, kind})
			binary.Write(&b, binary.LittleEndian, []uint32{n, v})
		}
		binary.Write(&b, binary.LittleEndian, uint16(8))
		w(256, 3, 1, 100)
		w(257, 3, 1, 30)
		w(258, 3, 1, 8)
		w(259, 3, 1, 1)
		w(262, 3, 1, 1)
		w(273, 4, 1, 8)
		w(278, 3, 1, 30)
		w(279, 4, 1, 3000)
		at += 2 + 8*12 + 4
		if i == pages-1 {
			at = 0
		}
		binary.Write(&b, binary.LittleEndian, at)
	}
	return b.Bytes()
}

// W-06: what is within the limits and still too much, ten at once: every one ends
// in time, within the memory of its process, and the next photo is fine.
func TestBombsWithinTheLimitsEndInTimeAndMemory(t *testing.T) {
	t.Parallel()
	m := &Maker{Hurry: true, Dir: t.TempDir()}
	brief := &Maker{Hurry: true, Dir: t.TempDir(), Timeout: 900 * time.Millisecond}
	for _, c := range []struct {
		name string
		file []byte
		must bool // be a picture in the end
	}{
		{"a PNG of 400 MB", wide(t, 7000), false},
		{"a GIF of 20,000 pictures", long(t, 20_000), true},
		{"a JPEG gone through 3,000 times", deep(t, 3000), false},
		{"a TIFF of 5,000 pages", many(5_000), true},
	} {
		start := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				by := brief
				if c.must {
					by = m
				}
				p, err := by.Make(t.Context(), bytes.NewReader(c.file))
				if err == nil {
					p.Close()
				} else if c.must || !errors.Is(err, ErrUnreadable) {
					t.Errorf("%s: %v", c.name, err)
				}
			})
		}
		wg.Wait()
		t.Logf("%s, %d bytes: ten in %v", c.name, len(c.file), time.Since(start).Round(time.Millisecond))
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		t.Fatal(err)
	}
	t.Logf("the largest process had %d MiB", u.Maxrss>>10)
	if u.Maxrss > 1<<20 { // KiB
		t.Errorf("a process had %d MiB", u.Maxrss>>10)
	}
	p, err := m.Make(t.Context(), bytes.NewReader(asJPEG(t, photo(60, 40))))
	if err != nil {
		t.Fatalf("the next photo: %v", err)
	}
	p.Close()
	empty(t, m.Dir)
	empty(t, brief.Dir)
}

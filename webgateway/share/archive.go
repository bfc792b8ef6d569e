package share

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"time"
)

// archive is a zip that is nowhere: its headers are in memory, its files where
// they always are. Since files are stored in it as they are and their sums are
// known, every byte of it has its place before the first is read, so that a
// download can be taken up again in the middle. archive/zip writes a stream and
// cannot begin there.
//
// Formats: PKWARE APPNOTE 6.3, 4.3.7 (local header), 4.3.12 (directory), 4.3.14
// to 4.3.16 (its end, with Zip64 when something does not fit 32 bits).
type archive struct {
	size int64
	tag  string                                            // names the bytes
	open func(e entry, offset int64) (r reader, err error) // a file of it

	parts []part
	at    int64
	now   reader // of the part that contains at; nil: none is open

}

type reader = io.ReadCloser

// part is a piece of the whole: bytes of ours, or a file.
type part struct {
	at   int64
	ours []byte
	file *entry
}

func (p part) len() int64 {
	if p.file != nil {
		return p.file.size
	}
	return int64(len(p.ours))
}

const (
	zip64     = 45      // version needed where there is Zip64
	stored    = 20      // and where there is none
	utf8Names = 1 << 11 // general purpose flag
)

// newArchive lays files out.
func newArchive(files []entry) *archive {
	z := &archive{}
	seen := map[string]int{}
	var dir []byte
	add := func(p part) {
		p.at = z.size
		z.parts = append(z.parts, p)
		z.size += p.len()
	}
	for i := range files {
		f := files[i]
		f.name = unique(f.name, seen)
		head := z.size
		add(part{ours: f.local()})
		add(part{file: &f})
		dir = f.central(dir, head)
	}
	begin := z.size
	add(part{ours: append(dir, ending(len(files), begin, int64(len(dir)))...)})
	h := sha256.New()
	for _, p := range z.parts {
		h.Write(p.ours) // names, sizes and sums of all files
	}
	z.tag = hex.EncodeToString(h.Sum(nil)[:16])
	return z
}

// local is what stands before a file.
func (f *entry) local() []byte {
	need, extra, size := uint16(stored), f.stamp(), uint32(f.size)
	if f.size >= math.MaxUint32 {
		need, size = zip64, math.MaxUint32
		extra = binary.LittleEndian.AppendUint16(extra, 1)
		extra = binary.LittleEndian.AppendUint16(extra, 16)
		extra = binary.LittleEndian.AppendUint64(extra, uint64(f.size))
		extra = binary.LittleEndian.AppendUint64(extra, uint64(f.size))
	}
	b := binary.LittleEndian.AppendUint32(nil, 0x04034b50)
	b = binary.LittleEndian.AppendUint16(b, need)
	b = f.common(b, size, len(extra))
	return append(append(b, f.name...), extra...)
}

// common is what the local header and the directory say alike.
func (f *entry) common(b []byte, size uint32, extra int) []byte {
	day, clock := dos(f.modified)
	for _, v := range []uint16{utf8Names, 0 /* stored */, clock, day} {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	for _, v := range []uint32{f.crc, size, size} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(f.name)))
	return binary.LittleEndian.AppendUint16(b, uint16(extra))
}

// central is the file's row of the directory; head is where its header stands.
func (f *entry) central(b []byte, head int64) []byte {
	need, extra, size, offset := uint16(stored), f.stamp(), uint32(f.size), uint32(head)
	var long []byte
	if f.size >= math.MaxUint32 {
		size = math.MaxUint32
		long = binary.LittleEndian.AppendUint64(long, uint64(f.size))
		long = binary.LittleEndian.AppendUint64(long, uint64(f.size))
	}
	if head >= math.MaxUint32 {
		offset = math.MaxUint32
		long = binary.LittleEndian.AppendUint64(long, uint64(head))
	}
	if long != nil {
		need = zip64
		extra = binary.LittleEndian.AppendUint16(extra, 1)
		extra = binary.LittleEndian.AppendUint16(extra, uint16(len(long)))
		extra = append(extra, long...)
	}
	b = binary.LittleEndian.AppendUint32(b, 0x02014b50)
	b = binary.LittleEndian.AppendUint16(b, 3<<8|need) // made on Unix: the attributes below are a mode
	b = binary.LittleEndian.AppendUint16(b, need)
	b = f.common(b, size, len(extra))
	for range 3 { // no remark, disk 0, no kind of content
		b = binary.LittleEndian.AppendUint16(b, 0)
	}
	b = binary.LittleEndian.AppendUint32(b, 0o100644<<16)
	b = binary.LittleEndian.AppendUint32(b, offset)
	return append(append(b, f.name...), extra...)
}

// ending is the end of a directory of n rows that begins at begin.
func ending(n int, begin, length int64) []byte {
	var b []byte
	rows, size, offset := uint16(min(n, math.MaxUint16)), uint32(min(length, math.MaxUint32)), uint32(min(begin, math.MaxUint32))
	if n >= math.MaxUint16 || length >= math.MaxUint32 || begin >= math.MaxUint32 {
		b = binary.LittleEndian.AppendUint32(b, 0x06064b50)
		b = binary.LittleEndian.AppendUint64(b, 44) // what follows of this record
		b = binary.LittleEndian.AppendUint16(b, 3<<8|zip64)
		b = binary.LittleEndian.AppendUint16(b, zip64)
		b = binary.LittleEndian.AppendUint64(b, 0) // disks
		for _, v := range []int64{int64(n), int64(n), length, begin} {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
		b = binary.LittleEndian.AppendUint32(b, 0x07064b50)
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = binary.LittleEndian.AppendUint64(b, uint64(begin+length))
		b = binary.LittleEndian.AppendUint32(b, 1)
	}
	b = binary.LittleEndian.AppendUint32(b, 0x06054b50)
	b = binary.LittleEndian.AppendUint32(b, 0) // disks
	b = binary.LittleEndian.AppendUint16(b, rows)
	b = binary.LittleEndian.AppendUint16(b, rows)
	b = binary.LittleEndian.AppendUint32(b, size)
	b = binary.LittleEndian.AppendUint32(b, offset)
	return binary.LittleEndian.AppendUint16(b, 0)
}

// dos is a time as MS-DOS has it: two seconds apart, from 1980 on.
func dos(t time.Time) (day, clock uint16) {
	t = t.UTC()
	if t.Year() < 1980 || t.Year() > 2107 {
		return 1<<5 | 1, 0
	}
	return uint16((t.Year()-1980)<<9 | int(t.Month())<<5 | t.Day()), uint16(t.Hour()<<11 | t.Minute()<<5 | t.Second()/2)
}

// stamp is the time exactly, in an extra field that all programs of today read.
func (f *entry) stamp() []byte {
	if f.modified.IsZero() {
		return nil
	}
	b := binary.LittleEndian.AppendUint16(nil, 0x5455)
	b = binary.LittleEndian.AppendUint16(b, 5)
	return binary.LittleEndian.AppendUint32(append(b, 1), uint32(f.modified.Unix()))
}

func (z *archive) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += z.at
	case io.SeekEnd:
		offset += z.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	if offset != z.at {
		z.Close()
		z.at = offset
	}
	return offset, nil
}

func (z *archive) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if z.at >= z.size {
		return 0, io.EOF
	}
	i := sort.Search(len(z.parts), func(i int) bool { return z.parts[i].at+z.parts[i].len() > z.at })
	p := z.parts[i]
	if p.file == nil {
		n := copy(b, p.ours[z.at-p.at:])
		z.at += int64(n)
		return n, nil
	}
	if z.now == nil {
		var err error
		if z.now, err = z.open(*p.file, z.at-p.at); err != nil {
			return 0, err
		}
	}
	n, err := z.now.Read(b[:min(int64(len(b)), p.at+p.len()-z.at)])
	z.at += int64(n)
	done := z.at == p.at+p.len()
	switch {
	case done:
		z.Close()
		return n, nil
	case err == io.EOF:
		return n, fmt.Errorf("%s ended %d bytes early: %w", p.file.name, p.at+p.len()-z.at, io.ErrUnexpectedEOF)
	}
	return n, err
}

// Close closes the file that is being read.
func (z *archive) Close() error {
	if z.now == nil {
		return nil
	}
	err := z.now.Close()
	z.now = nil
	return err
}

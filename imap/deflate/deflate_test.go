package deflate

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"io"
	"math/rand"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// What zlib writes for "a1 NOOP" and "a2 NOOP", each with its line end and
// followed by Z_PARTIAL_FLUSH, as K-9 and neomutt do.
var partial = [2]string{"4a3454f0f3f70fe0e50208", "a04423280320"}

func TestACommandIsReadBeforeTheNextOneComes(t *testing.T) {
	pr, pw := io.Pipe()
	z := NewReader(pr)
	for i, want := range []string{"a1 NOOP\r\n", "a2 NOOP\r\n"} {
		raw, _ := hex.DecodeString(partial[i])
		go pw.Write(raw)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(z, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	pw.Close()
	if _, err := z.Read(make([]byte, 1)); err == nil {
		t.Error("it does not end")
	}
}

// samples are what mail looks like, and what it does not.
func samples() map[string][]byte {
	r := rand.New(rand.NewSource(1))
	noise := make([]byte, 200_000)
	r.Read(noise)
	var words strings.Builder
	for words.Len() < 300_000 {
		words.WriteString([]string{"FETCH ", "the ", "(FLAGS (\\Seen)) ", "\r\n", "mail ", "UID "}[r.Intn(6)])
	}
	return map[string][]byte{
		"nothing": nil, "one octet": {'x'}, "noise": noise, "words": []byte(words.String()),
		"a long run": bytes.Repeat([]byte{'a'}, 1<<20), "a far copy": append(append(bytes.Clone(noise[:32<<10]), noise[:32<<10]...), noise[:300]...),
	}
}

func TestWhatTheLibraryWritesIsRead(t *testing.T) {
	for name, data := range samples() {
		for level := flate.HuffmanOnly; level <= 9; level++ {
			var packed bytes.Buffer
			w, _ := flate.NewWriter(&packed, level)
			w.Write(data)
			w.Close()
			for how, r := range map[string]io.Reader{"at once": bytes.NewReader(packed.Bytes()), "octet by octet": iotest.OneByteReader(bytes.NewReader(packed.Bytes()))} {
				got, err := io.ReadAll(NewReader(r))
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s, level %d, %s: %d octets of %d, %v", name, level, how, len(got), len(data), err)
				}
			}
		}
	}
}

func TestBurstsAreOneStreamToTheOtherSide(t *testing.T) {
	var packed bytes.Buffer
	w := NewWriter(&packed)
	var want []byte
	for range 3 {
		for _, data := range samples() {
			w.Write(data)
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if w.c != nil {
				t.Fatal("it keeps a compressor")
			}
			want = append(want, data...)
		}
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(packed.Bytes())), got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the library reads something else: %v", err)
	}
	got = make([]byte, len(want))
	if _, err := io.ReadFull(NewReader(bytes.NewReader(packed.Bytes())), got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("our reader reads something else: %v", err)
	}
}

func TestAWaitingStreamIsSmall(t *testing.T) {
	const n = 200
	raw, _ := hex.DecodeString(partial[0])
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	readers := make([]*Reader, n)
	writers := make([]*Writer, n)
	for i := range readers {
		readers[i] = NewReader(bytes.NewReader(raw))
		readers[i].Read(make([]byte, 100))
		writers[i] = NewWriter(io.Discard)
		writers[i].Write(bytes.Repeat([]byte("x"), 10_000))
		writers[i].Flush()
	}
	runtime.GC()
	runtime.GC() // what is in a pool survives one
	runtime.ReadMemStats(&after)
	if each := int64(after.HeapAlloc-before.HeapAlloc) / n; each > 10<<10 {
		t.Errorf("each holds %d octets", each)
	}
	runtime.KeepAlive(readers)
	runtime.KeepAlive(writers)
}

func TestWhatIsCorruptIsNoStream(t *testing.T) {
	for name, in := range map[string]string{
		"a reserved block":          "07",
		"a stored block that lies":  "01050000000000",
		"a copy from before it all": "030200",
	} {
		raw, _ := hex.DecodeString(in)
		_, err := io.ReadAll(NewReader(bytes.NewReader(raw)))
		if err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

// FuzzReader: what the library reads we read alike, and neither panics nor
// gives out more than it should.
func FuzzReader(f *testing.F) {
	for _, s := range partial {
		raw, _ := hex.DecodeString(s)
		f.Add(raw)
	}
	for _, data := range samples() {
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, 6)
		w.Write(data[:min(len(data), 2000)])
		w.Close()
		f.Add(packed.Bytes())
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		const most = 1 << 20
		want, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(in)), most))
		got, oursErr := io.ReadAll(io.LimitReader(NewReader(bytes.NewReader(in)), most))
		if err == nil && (oursErr != nil || !bytes.Equal(got, want)) {
			t.Fatalf("the library reads %d octets, we %d, %v", len(want), len(got), oursErr)
		}
		var corrupt flate.CorruptInputError
		if errors.As(err, &corrupt) && oursErr == nil {
			t.Fatalf("the library says %v, we read %d octets", err, len(got))
		}
	})
}

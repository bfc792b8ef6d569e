package blob_test

import (
	"io"
	"testing"

	"colporteur/store/storetest"
)

const benchSize = 64 << 20

func BenchmarkWrite(b *testing.B) {
	s := blobs(b, storetest.SQLite(b))
	p := random(1 << 20)
	b.SetBytes(benchSize)
	for b.Loop() {
		w := s.Create()
		for n := 0; n < benchSize; n += len(p) {
			if _, err := w.Write(p); err != nil {
				b.Fatal(err)
			}
		}
		ref, err := w.Commit(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		s.Discard(ref)
	}
}

func BenchmarkRead(b *testing.B) {
	s := blobs(b, storetest.SQLite(b))
	id := put(b, s, random(benchSize))
	for name, w := range map[string]io.Writer{"WriteTo": io.Discard, "Read": struct{ io.Writer }{io.Discard}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				r, err := s.Open(b.Context(), id, 0)
				if err != nil {
					b.Fatal(err)
				}
				var from io.Reader = r
				if name == "Read" { // as http.ServeContent does, 32 KiB at a time
					from = io.LimitReader(r, benchSize)
				}
				if n, err := io.Copy(w, from); err != nil || n != benchSize {
					b.Fatal(n, err)
				}
				r.Close()
			}
		})
	}
}

func BenchmarkSmall(b *testing.B) {
	s := blobs(b, storetest.SQLite(b))
	s.Inline = 16 << 10
	p := random(10 << 10)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Put(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
}

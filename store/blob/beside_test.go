package blob_test

import (
	"bytes"
	"errors"
	"testing"

	"colporteur/store"
	"colporteur/store/blob"
)

func besideOf(tb testing.TB, s *blob.Store, ids ...blob.ID) (found map[blob.ID]blob.Sealed) {
	tb.Helper()
	if err := s.DB.Read(tb.Context(), func(tx *store.Tx) (err error) {
		found, err = s.SealedBeside(tb.Context(), tx, ids)
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	return found
}

func TestWhatIsKeptBesideABlobIsReadWithoutIt(t *testing.T) {
	each(t, func(t *testing.T, s *blob.Store) {
		var ids []blob.ID
		beside := [][]byte{[]byte("few words"), nil, random(blob.MaxBeside), random(blob.MaxBeside + 1), []byte("of a file")}
		for i, b := range beside {
			w := s.Create()
			if _, err := w.Write(random(10 + i*500)); err != nil {
				t.Fatal(err)
			}
			w.Beside(b)
			ref, err := w.Commit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			insert(t, s, ref)
			ids = append(ids, ref.ID)
		}
		found := besideOf(t, s, append(ids, 1, 2)...)
		for i, want := range beside {
			b, ok := found[ids[i]]
			if kept := i != 1 && i != 3; ok != kept {
				t.Errorf("%d octets are kept: %v", len(want), ok)
				continue
			} else if !kept {
				continue
			}
			if got, err := s.OpenBeside(b); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d octets come back as %d: %v", len(want), len(got), err)
			}
			if got, err := read(t, s, ids[i], 0); err != nil || !bytes.Equal(got, random(10+i*500)) {
				t.Errorf("the blob itself: %v", err)
			}
		}
		// A new master key wraps it with the blob's own.
		s.Older = map[int64][]byte{1: s.Master}
		s.Master, s.Version = bytes.Repeat([]byte{8}, 32), 2
		if _, err := s.Rewrap(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Older = nil
		if got, err := s.OpenBeside(besideOf(t, s, ids[0])[ids[0]]); err != nil || string(got) != "few words" {
			t.Errorf("after a rotation: %q, %v", got, err)
		}
		// Rows cannot be given what is another's.
		if err := s.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE blob SET beside = (SELECT o.beside FROM blob AS o WHERE o.id = $1) WHERE id = $2`, int64(ids[0]), int64(ids[4]))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.OpenBeside(besideOf(t, s, ids[4])[ids[4]]); !errors.Is(err, blob.ErrDamaged) {
			t.Errorf("what is another's opens: %v", err)
		}
		remove(t, s, ids...)
		if left := besideOf(t, s, ids...); len(left) != 0 {
			t.Errorf("%d are left of deleted blobs", len(left))
		}
	})
}

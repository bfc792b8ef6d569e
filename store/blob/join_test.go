package blob_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"colporteur/store"
	"colporteur/store/blob"
)

// join makes one blob of new ones of these sizes, and says what it holds.
func join(tb testing.TB, s *blob.Store, sizes ...int) (id blob.ID, want []byte, pieces []blob.Piece) {
	tb.Helper()
	for i, n := range sizes {
		b := random(n + i)[i:]
		want = append(want, b...)
		pieces = append(pieces, blob.Piece{ID: put(tb, s, b), Size: int64(n)})
	}
	err := s.DB.Write(tb.Context(), func(tx *store.Tx) error {
		j, err := s.Join(tb.Context(), tx, pieces)
		if id = j.ID; err == nil && j.Size != int64(len(want)) {
			tb.Errorf("joined %d bytes, want %d", j.Size, len(want))
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return id, want, pieces
}

func TestJoinedBlobReadsAsOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *blob.Store) {
		for name, sizes := range map[string][]int{
			"one":        {3 * packageSize},
			"small ones": {1, 2, 3, 4, 5},
			"mixed":      {10, 2*packageSize + 17, inline, inline + 1, 5, packageSize},
			"with empty": {0, 10, 0, 0, packageSize + 1, 0},
			"nothing":    {0},
		} {
			id, want, _ := join(t, s, sizes...)
			r, size, err := s.OpenSeeker(t.Context(), id)
			if err != nil || size != int64(len(want)) {
				t.Errorf("%s: %d bytes, %v", name, size, err)
				continue
			}
			// iotest seeks to everywhere and back, and reads in odd pieces.
			if err := iotest.TestReader(r, want); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for range 30 {
				if len(want) == 0 {
					break
				}
				at := rand.IntN(len(want))
				n := rand.IntN(len(want) - at + 1)
				got := make([]byte, n)
				if _, err := r.Seek(int64(at), io.SeekStart); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want[at:at+n]) {
					t.Fatalf("%s: %d bytes from %d on differ, %v", name, n, at, err)
				}
			}
			r.Close()
			if got, err := read(t, s, id, int64(len(want)/2)); err != nil || !bytes.Equal(got, want[len(want)/2:]) {
				t.Errorf("%s: from the middle on: %d bytes, %v", name, len(got), err)
			}
			if n, err := s.Size(t.Context(), id); err != nil || n != int64(len(want)) {
				t.Errorf("%s: Size %d, %v", name, n, err)
			}
			var row *blob.Row
			err = s.DB.Read(t.Context(), func(tx *store.Tx) error {
				return s.Rows(t.Context(), tx, []blob.ID{id}, func(_ blob.ID, r *blob.Row) { row = r })
			})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.AppendClear(t.Context(), []byte("before"), row); err != nil || !bytes.Equal(got, append([]byte("before"), want...)) {
				t.Errorf("%s: AppendClear: %d bytes, %v", name, len(got), err)
			}
		}
	})
}

func TestPiecesLiveAsLongAsTheirJoinAndNoLonger(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *blob.Store) {
		var ahead time.Duration
		s.Now = func() time.Time { return time.Now().Add(ahead) }
		id, want, pieces := join(t, s, 10, 2*packageSize, 3*packageSize)
		forgotten, _, lost := join(t, s, packageSize, 20)
		if err := s.DB.Write(t.Context(), func(tx *store.Tx) error { return name(t, s, tx, id) }); err != nil {
			t.Fatal(err)
		}
		ahead = 25 * time.Hour
		if n, err := s.Sweep(t.Context(), 24*time.Hour); err != nil || n != 1 {
			t.Errorf("swept %d, %v; want the join that nothing names", n, err)
		}
		if got, err := read(t, s, id, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("after the sweep: %d bytes, %v", len(got), err)
		}
		for _, gone := range append(lost, blob.Piece{ID: forgotten}) {
			if _, err := s.Size(t.Context(), gone.ID); !errors.Is(err, store.ErrNoRows) {
				t.Errorf("blob %d outlived its join: %v", gone.ID, err)
			}
		}
		r, err := s.Open(t.Context(), id, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		io.CopyN(io.Discard, r, 100)
		remove(t, s, id)
		if _, err := r.Read(make([]byte, 10)); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("a reader of a deleted join: %v", err)
		}
		for _, p := range pieces {
			if _, err := s.Size(t.Context(), p.ID); !errors.Is(err, store.ErrNoRows) {
				t.Errorf("piece %d is still there: %v", p.ID, err)
			}
		}
		if got := files(t, s.Dir); len(got) != 0 {
			t.Errorf("on the disk: %v", got)
		}
	})
}

func TestJoinTakesNothingTwiceAndNothingThatIsNotThere(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *blob.Store) {
		id, want, pieces := join(t, s, 10, 20)
		free := blob.Piece{ID: put(t, s, random(5)), Size: 5}
		for name, ps := range map[string][]blob.Piece{
			"nothing":            nil,
			"a piece of another": {free, pieces[0]},
			"one piece twice":    {free, free},
			"a join":             {free, {ID: id, Size: 30}},
			"another size":       {{ID: free.ID, Size: 6}},
			"one unknown":        {free, {ID: 4711, Size: 1}},
		} {
			err := s.DB.Write(t.Context(), func(tx *store.Tx) error {
				_, err := s.Join(t.Context(), tx, ps)
				return err
			})
			if err == nil {
				t.Errorf("%s was joined", name)
			}
		}
		if got, err := read(t, s, id, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the first join: %v", err)
		}
	})
}

func TestJoinsAreCopiedVerifiedAndMissedLikeOthers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *blob.Store) {
		id, want, pieces := join(t, s, 100, 2*packageSize, packageSize)
		err := s.DB.Write(t.Context(), func(tx *store.Tx) error { return name(t, s, tx, id) })
		if err != nil {
			t.Fatal(err)
		}
		var copied blob.Copied
		dir := t.TempDir()
		err = s.DB.Read(t.Context(), func(tx *store.Tx) error {
			copied, err = s.CopyFiles(t.Context(), tx, filepath.Join(dir, "copy"))
			return err
		})
		if err != nil || copied.Blobs != 4 || copied.Files != 2 || copied.Missing != nil || copied.Damaged != nil {
			t.Errorf("copied %+v, %v", copied, err)
		}
		was := s.Dir
		s.Dir = filepath.Join(dir, "copy")
		v, err := s.Verify(t.Context(), func(id blob.ID, err error) { t.Errorf("blob %d: %v", id, err) })
		if err != nil || v.Blobs != 4 || v.Bytes != 2*int64(len(want)) || v.Unnamed != 0 {
			t.Errorf("verified %+v, %v", v, err)
		}
		s.Dir = was
		err = s.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `DELETE FROM blob WHERE id = $1`, int64(pieces[1].ID))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(t, s, id, 0); !errors.Is(err, blob.ErrDamaged) || strings.Contains(err.Error(), "no rows") {
			t.Errorf("with a piece missing: %v", err)
		}
		var missed []blob.ID
		err = s.Dangling(t.Context(), func(table string, id blob.ID) {
			if table != "blob_piece" {
				t.Errorf("missed by %q", table)
			}
			missed = append(missed, id)
		})
		if err != nil || len(missed) != 1 || missed[0] != pieces[1].ID {
			t.Errorf("missed %v, %v", missed, err)
		}
		bad := map[blob.ID]bool{}
		if _, err := s.Verify(t.Context(), func(id blob.ID, err error) { bad[id] = true }); err != nil || len(bad) != 1 || !bad[id] {
			t.Errorf("Verify: %v, %v", bad, err)
		}
		// The others of its pieces go all the same.
		remove(t, s, id)
		if _, err := s.Size(t.Context(), pieces[2].ID); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("after the delete: %v", err)
		}
	})
}

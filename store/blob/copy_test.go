package blob_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"colporteur/store"
	"colporteur/store/blob"
)

func TestWhatIsTakenBackWhileABackupRunsIsMissingAndNothingElse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *blob.Store) {
		small, kept, recalled := put(t, s, random(500)), put(t, s, random(200_000)), put(t, s, random(70_000))
		dir, copied := t.TempDir(), blob.Copied{}
		err := s.DB.Snapshot(t.Context(), filepath.Join(t.TempDir(), "copy"), func(tx *store.Tx) error {
			gone := make(chan error)
			go func() {
				gone <- s.DB.Write(t.Context(), func(tx *store.Tx) error { return s.Delete(t.Context(), tx, recalled) })
			}()
			if err := <-gone; err != nil {
				return err
			}
			var err error
			copied, err = s.CopyFiles(t.Context(), tx, filepath.Join(dir, "blobs"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if copied.Blobs != 3 || copied.Files != 1 || !slices.Equal(copied.Missing, []blob.ID{recalled}) || copied.Damaged != nil {
			t.Errorf("got %+v", copied)
		}
		if _, err := s.Size(t.Context(), recalled); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("the one taken back: %v", err)
		}
		// The copies are the blobs: read from there.
		s.Dir = filepath.Join(dir, "blobs")
		v, err := s.Verify(t.Context(), func(id blob.ID, err error) { t.Errorf("blob %d: %v", id, err) })
		if err != nil || v.Blobs != 2 || v.Bytes != 200_500 || v.Unnamed != 0 {
			t.Errorf("blobs %d and %d: %+v, %v", small, kept, v, err)
		}
	})
}

func TestVerifyCountsWhatNothingNamesAndFindsWhatIsNotThere(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *blob.Store) {
		put(t, s, random(100_000))
		if _, err := s.Put(t.Context(), random(80_000)); err != nil { // no row
			t.Fatal(err)
		}
		v, err := s.Verify(t.Context(), func(id blob.ID, err error) { t.Errorf("blob %d: %v", id, err) })
		if err != nil || v.Blobs != 1 || v.Unnamed != 1 {
			t.Errorf("got %+v, %v", v, err)
		}
		err = s.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO message (id, size, blob, summary, created) VALUES (1, 1, 4711, $1, 1), (2, 1, NULL, $1, 1)`, []byte("{}"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var named []blob.ID
		err = s.Dangling(t.Context(), func(table string, id blob.ID) {
			if table != "message" {
				t.Errorf("named by %q", table)
			}
			named = append(named, id)
		})
		if err != nil || !slices.Equal(named, []blob.ID{4711}) {
			t.Errorf("got %v, %v", named, err)
		}
	})
}

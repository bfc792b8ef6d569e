package loose_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/loose"
	"colporteur/store/storetest"
)

type house struct {
	*testing.T
	*loose.Store
	now time.Time
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &house{T: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
		now := func() time.Time { return h.now }
		h.Store = &loose.Store{DB: db, Now: now, Blobs: &blob.Store{DB: db, Dir: t.TempDir(), Master: bytes.Repeat([]byte{7}, 32), Inline: 1 << 10, Named: []string{loose.Named}, Now: now}}
		f(t, h)
	})
}

func (h *house) add(member mail.UserID, n int) (loose.File, error) {
	return h.Add(h.Context(), 42, member, "image/jpeg", strings.NewReader(strings.Repeat("x", n)), 1<<20)
}

func TestAnUploadIsItsMembersAloneAndForADay(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		f, err := h.add(41, 5000)
		if err != nil || f.Size != 5000 {
			t.Fatalf("%+v %v", f, err)
		}
		got, err := h.Find(t.Context(), 42, 41, f.ID)
		if err != nil || got.Type != "image/jpeg" || got.Size != 5000 {
			t.Errorf("%+v %v", got, err)
		}
		r, err := h.Blobs.Open(t.Context(), got.Blob, 4990)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != "xxxxxxxxxx" {
			t.Errorf("%q %v", b, err)
		}
		r.Close()
		for _, c := range []struct {
			account mail.AccountID
			member  mail.UserID
		}{{42, 51}, {52, 41}, {52, 51}} {
			if _, err := h.Find(t.Context(), c.account, c.member, f.ID); !errors.Is(err, store.ErrNoRows) {
				t.Errorf("%v finds it: %v", c, err)
			}
		}
		// Nothing else takes it away before its day is over.
		h.now = h.now.Add(23 * time.Hour)
		if _, err := h.Blobs.Sweep(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := h.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Find(t.Context(), 42, 41, f.ID); err != nil {
			t.Errorf("gone after 23 hours: %v", err)
		}
		h.now = h.now.Add(2 * time.Hour)
		if err := h.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Find(t.Context(), 42, 41, f.ID); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("there after 25 hours: %v", err)
		}
		if _, err := h.Blobs.Open(t.Context(), f.Blob, 0); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("its bytes are there: %v", err)
		}
	})
}

func TestWhatIsTooLargeLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if _, err := h.add(41, 1<<20+1); !mail.Is(err, mail.TooBig) {
			t.Errorf("%v", err)
		}
		if f, err := h.add(41, 1<<20); err != nil || f.Size != 1<<20 {
			t.Errorf("just as large as may be: %+v %v", f, err)
		}
		cut := errors.New("cut off")
		if _, err := h.Add(t.Context(), 42, 41, "x/y", io.MultiReader(strings.NewReader("half"), failing{cut}), 1<<20); !errors.Is(err, cut) {
			t.Errorf("%v", err)
		}
		var n int
		if err := h.DB.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM loose`).Scan(&n)
		}); err != nil || n != 1 {
			t.Errorf("%d rows %v, want the one that fits", n, err)
		}
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAMembersUploadsHaveABound(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		old, err := h.add(41, 100)
		if err != nil {
			t.Fatal(err)
		}
		// As if nearly a gigabyte waited.
		if err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE loose SET size = $1`, int64(loose.Room-10))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.add(41, 100); !mail.Is(err, mail.OverQuota) {
			t.Errorf("beyond the bound: %v", err)
		}
		if _, err := h.add(51, 100); err != nil {
			t.Errorf("another member: %v", err)
		}
		h.now = h.now.Add(61 * time.Minute)
		if _, err := h.add(41, 100); err != nil {
			t.Errorf("when the oldest may go: %v", err)
		}
		if _, err := h.Find(t.Context(), 42, 41, old.ID); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("the oldest stays: %v", err)
		}
	})
}

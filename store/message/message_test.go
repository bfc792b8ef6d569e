package message_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
	"colporteur/store/storetest"
)

// vault is messages in a fresh database, named as a host names them.
type vault struct {
	testing.TB
	*message.Store
	now time.Time
}

func newVault(tb testing.TB, db *store.DB) *vault {
	v := &vault{TB: tb, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return v.now }
	blobs := &blob.Store{DB: db, Dir: tb.TempDir(), Master: bytes.Repeat([]byte{1}, 32), Inline: 1 << 10, Now: clock,
		Named: []string{`SELECT 1 FROM message WHERE blob = $1`, `SELECT 1 FROM segment WHERE blob = $1`}}
	v.Store = &message.Store{DB: db, Blobs: blobs, Now: clock, Named: []string{`SELECT 1 FROM email WHERE message = $1`}}
	return v
}

func (v *vault) must(err error) {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
}

func (v *vault) put(p []byte) blob.Ref {
	v.Helper()
	ref, err := v.Blobs.Put(v.Context(), p)
	v.must(err)
	return ref
}

func (v *vault) insert(d *message.Draft) message.ID {
	v.Helper()
	if d.Summary == nil {
		d.Summary = &mail.Summary{}
	}
	v.must(v.DB.Write(v.Context(), func(tx *store.Tx) error { return v.Insert(v.Context(), tx, d) }))
	return d.ID
}

// whole is a message in one blob.
func (v *vault) whole(p []byte) message.ID {
	v.Helper()
	ref := v.put(p)
	return v.insert(&message.Draft{Size: int64(len(p)), Refs: []blob.Ref{ref}, Segments: []message.Segment{{Blob: ref.ID, Length: int64(len(p))}}})
}

// name files the message in an account, as far as the sweeper is concerned.
func name(ctx context.Context, tx *store.Tx, id message.ID) error {
	_, err := tx.Exec(ctx, `INSERT INTO email (id, account, message, thread, size, expunged, prefix, sig) VALUES ($1, 7, $2, $1, 0, 0, $3, $3)`,
		store.NewID(), int64(id), []byte{})
	return err
}

func (v *vault) rows(table string) (n int) {
	v.Helper()
	v.must(v.DB.Read(v.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(v.Context(), `SELECT count(*) FROM `+table).Scan(&n)
	}))
	return n
}

func (v *vault) files() (n int) {
	v.Helper()
	v.must(filepath.WalkDir(v.Blobs.Dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	}))
	return n
}

// wantRows checks what is left, of rows and of files.
func (v *vault) wantRows(when string, messages, segments, blobs, files int) {
	v.Helper()
	got := [4]int{v.rows("message"), v.rows("segment"), v.rows("blob"), v.files()}
	if want := [4]int{messages, segments, blobs, files}; got != want {
		v.Errorf("%s: %v messages, segments, blobs and files, want %v", when, got, want)
	}
}

func (v *vault) read(id message.ID, offset int64) []byte {
	v.Helper()
	r, err := v.Open(v.Context(), id, offset)
	v.must(err)
	defer r.Close()
	b, err := io.ReadAll(r)
	v.must(err)
	return b
}

// lines is base64 as mail programs write it, made another way than the package does.
func lines(p []byte) []byte {
	s := base64.StdEncoding.EncodeToString(p)
	var out []string
	for len(s) > 76 {
		out, s = append(out, s[:76]), s[76:]
	}
	return []byte(strings.Join(append(out, s), "\r\n"))
}

func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return p
}

func TestAMessageIsReadBackFromEveryOffset(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := newVault(t, db)
		head, big := v.put([]byte("Subject: x\r\n\r\n--b\r\n")), v.put(pattern(57*5+20))
		tail := v.put([]byte("skipped\r\n--b--\r\nkept not"))
		want := joined([]byte("Subject: x\r\n\r\n--b\r\n"), lines(pattern(57*5)), []byte("\r\n--b--\r\n"), lines(pattern(57*5 + 20)[57*2:]))
		id := v.insert(&message.Draft{Size: int64(len(want)), Refs: []blob.Ref{head, big, tail}, Segments: []message.Segment{
			{Blob: head.ID, Length: head.Size},
			{Kind: message.Base64, Blob: big.ID, Length: 57 * 5},
			{Kind: message.Base64, Blob: big.ID}, // of nothing: an attachment may be empty
			{Blob: tail.ID, Start: 7, Length: 9},
			{Kind: message.Base64, Blob: big.ID, Start: 57 * 2, Length: 57*3 + 20},
		}})
		m, err := v.Get(t.Context(), id)
		v.must(err)
		var size int64
		for _, g := range m.Segments {
			size += g.Size()
		}
		if size != int64(len(want)) || m.Size != size || !m.Created.Equal(v.now) {
			t.Errorf("%+v of %d octets, want %d", m, size, len(want))
		}
		for offset := range len(want) + 3 {
			if got := v.read(id, int64(offset)); !bytes.Equal(got, want[min(offset, len(want)):]) {
				t.Fatalf("from %d: %q, want %q", offset, got, want[min(offset, len(want)):])
			}
		}
	})
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestAnySegmentsReadBackAsTheirBytes(t *testing.T) {
	t.Parallel()
	v := newVault(t, storetest.SQLite(t))
	src := pattern(200_000) // larger than the encoder's buffer and than a sealed package
	ref := v.put(src)
	v.insert(&message.Draft{Size: ref.Size, Refs: []blob.Ref{ref}, Segments: []message.Segment{{Blob: ref.ID, Length: ref.Size}}})
	rapid.Check(t, func(rt *rapid.T) {
		m := &message.Message{}
		var want []byte
		for range rapid.IntRange(0, 5).Draw(rt, "segments") {
			g := message.Segment{Kind: message.Kind(rapid.IntRange(0, 1).Draw(rt, "kind")), Blob: ref.ID}
			if g.Kind == message.Base64 {
				g.Start = 57 * rapid.Int64Range(0, 200).Draw(rt, "line")
			} else {
				g.Start = rapid.Int64Range(0, 100_000).Draw(rt, "start")
			}
			g.Length = rapid.OneOf(rapid.Int64Range(0, 200), rapid.Int64Range(0, 100_000)).Draw(rt, "length")
			m.Segments = append(m.Segments, g)
			part := src[g.Start : g.Start+g.Length]
			if g.Kind == message.Base64 {
				part = lines(part)
			}
			if g.Size() != int64(len(part)) {
				rt.Fatalf("%+v stands for %d octets, want %d", g, g.Size(), len(part))
			}
			want = append(want, part...)
		}
		offset := rapid.Int64Range(0, int64(len(want))).Draw(rt, "offset")
		r, err := v.OpenMessage(t.Context(), m, offset)
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Close()
		got, err := io.ReadAll(sips{r, rapid.IntRange(1, 5000).Draw(rt, "at once")})
		if err != nil || !bytes.Equal(got, want[offset:]) {
			rt.Fatalf("%+v from %d: %d octets, want %d: %v", m.Segments, offset, len(got), len(want)-int(offset), err)
		}
	})
}

// sips reads a few octets at a time.
type sips struct {
	r io.Reader
	n int
}

func (s sips) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), s.n)]) }

func TestWhatIsNotThereSaysSo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := newVault(t, db)
		if _, err := v.Get(t.Context(), 77); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("get: %v", err)
		}
		if _, err := v.Open(t.Context(), 77, 0); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("open: %v", err)
		}
		v.must(db.Write(t.Context(), func(tx *store.Tx) error { return v.Delete(t.Context(), tx, 77) }))
	})
}

func TestARecallLeavesNoRowAndNoFile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := newVault(t, db)
		kept := v.whole(pattern(5000))
		recalled := v.whole(pattern(6000))
		head, body, decoded := v.put([]byte("Subject: x\r\n\r\n")), v.put(pattern(57*100)), v.put(pattern(4000))
		pieces := v.insert(&message.Draft{Size: 14 + 7798, Refs: []blob.Ref{head, body, decoded},
			Segments: []message.Segment{{Blob: head.ID, Length: 14}, {Kind: message.Base64, Blob: body.ID, Length: 57 * 100}},
			Summary:  &mail.Summary{Root: &mail.Part{Children: []*mail.Part{{Blob: int64(body.ID)}, {Blob: int64(decoded.ID)}}}}})
		v.wantRows("before", 3, 2, 5, 4) // the head is small: no file

		failed := errors.New("the caller changed its mind")
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			v.must(v.Delete(t.Context(), tx, recalled, pieces))
			return failed
		}); !errors.Is(err, failed) {
			t.Fatal(err)
		}
		v.wantRows("after a recall that was rolled back", 3, 2, 5, 4)
		v.must(db.Write(t.Context(), func(tx *store.Tx) error { return v.Delete(t.Context(), tx, recalled, pieces) }))
		v.wantRows("after the recall", 1, 0, 1, 1)
		if got := v.read(kept, 0); !bytes.Equal(got, pattern(5000)) {
			t.Error("another message was damaged")
		}
	})
}

func TestSweepsTakeWhatNothingNamesAndIsOld(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := newVault(t, db)
		named := v.whole(pattern(5000))
		v.must(db.Write(t.Context(), func(tx *store.Tx) error { return name(t.Context(), tx, named) }))
		v.whole(pattern(6000))
		v.now = v.now.Add(25 * time.Hour)
		young := v.whole(pattern(7000))
		sweep := func() (m, b int) {
			m, err := v.Sweep(t.Context(), 24*time.Hour)
			v.must(err)
			b, err = v.Blobs.Sweep(t.Context(), 24*time.Hour)
			v.must(err)
			return m, b
		}
		if m, b := sweep(); m != 1 || b != 1 {
			t.Errorf("%d messages and %d blobs swept, want 1 and 1", m, b)
		}
		v.wantRows("after the sweep", 2, 0, 2, 2)
		if got := v.read(named, 0); len(got) != 5000 {
			t.Errorf("%d octets of a named message", len(got))
		}
		if got := v.read(young, 0); len(got) != 7000 {
			t.Errorf("%d octets of a young message", len(got))
		}
		v.now = v.now.Add(25 * time.Hour)
		v.must(db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `DELETE FROM email`)
			return err
		}))
		v.Store.Named = nil
		if n, err := v.Sweep(t.Context(), 0); n != 0 || err != nil {
			t.Errorf("%d swept without knowing who names messages: %v", n, err)
		}
		v.Store.Named = []string{`SELECT 1 FROM email WHERE message = $1`}
		sweep()
		v.wantRows("when nothing is named", 0, 0, 0, 0)
	})
}

func TestMoreThanOnePageIsSwept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := newVault(t, db)
		const n = 1203
		v.must(db.Write(t.Context(), func(tx *store.Tx) error {
			for i := range n {
				d := &message.Draft{Size: 0, Summary: &mail.Summary{}}
				if err := v.Insert(t.Context(), tx, d); err != nil {
					return err
				}
				if i%3 == 0 {
					if err := name(t.Context(), tx, d.ID); err != nil {
						return err
					}
				}
			}
			return nil
		}))
		v.now = v.now.Add(time.Hour)
		if got, err := v.Sweep(t.Context(), time.Minute); err != nil || got != n-n/3 {
			t.Errorf("%d swept, want %d: %v", got, n-n/3, err)
		}
		if got := v.rows("message"); got != n/3 {
			t.Errorf("%d left, want %d", got, n/3)
		}
	})
}

// Recalls happen while the sweeper works; it must not stop at one.
func TestASweepGoesOnWhenAMessageIsRecalledUnderIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := newVault(t, db)
		var ids []message.ID
		for i := range 200 {
			ids = append(ids, v.whole([]byte(fmt.Sprint(i))))
		}
		v.now = v.now.Add(time.Hour)
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, id := range ids {
				if err := db.Write(context.Background(), func(tx *store.Tx) error { return v.Delete(context.Background(), tx, id) }); err != nil {
					t.Error(err)
				}
			}
		})
		for i := 0; i < 40; i++ {
			if _, err := v.Sweep(t.Context(), time.Minute); err != nil {
				t.Errorf("sweep: %v", err)
				break
			}
		}
		wg.Wait()
	})
}

// What is filed while the sweeper looks stays, or its filing fails: a mail
// without its bytes is not allowed.
func TestWhatIsNamedDuringASweepStays(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := newVault(t, db)
		ctx := context.Background()
		var ids []message.ID
		for i := range 150 {
			ids = append(ids, v.whole([]byte(fmt.Sprint(i))))
		}
		v.now = v.now.Add(time.Hour)
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				for i := len(ids) - 1 - w; i >= 0; i -= 3 {
					err := db.Write(ctx, func(tx *store.Tx) error {
						if err := v.Keep(ctx, tx, ids[i]); err != nil {
							return err
						}
						return name(ctx, tx, ids[i])
					})
					if err != nil && !errors.Is(err, store.ErrNoRows) {
						t.Error(err)
					}
				}
			})
		}
		for range 5 {
			if _, err := v.Sweep(ctx, time.Minute); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
		var dangling int
		v.must(db.Read(ctx, func(tx *store.Tx) error {
			return tx.QueryRow(ctx, `SELECT count(*) FROM email WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.id = email.message)`).Scan(&dangling)
		}))
		if dangling > 0 {
			t.Errorf("%d mails name a message that is gone", dangling)
		}
	})
}

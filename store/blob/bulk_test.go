package blob

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"colporteur/store"
	"colporteur/store/storetest"
)

func TestManyBlobsAreReadWithOneQuery(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		s := &Store{DB: db, Dir: t.TempDir(), Master: bytes.Repeat([]byte{1}, 32)}
		var ids []ID
		want := map[ID][]byte{}
		for _, n := range []int{0, 1, DefaultInline, DefaultInline + 1, clearPackage - 1, clearPackage, clearPackage + 1, 5 * clearPackage} {
			b := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
			ref, err := s.Put(ctx, b)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Write(ctx, func(tx *store.Tx) error { return s.Insert(ctx, tx, ref) }); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, ref.ID)
			want[ref.ID] = b
		}
		rows := map[ID]*Row{}
		if err := db.Read(ctx, func(tx *store.Tx) error {
			return s.Rows(ctx, tx, append(ids, 12345), func(id ID, r *Row) { rows[id] = r })
		}); err != nil {
			t.Fatal(err)
		}
		if len(rows) != len(ids) {
			t.Fatalf("%d rows of %d blobs", len(rows), len(ids))
		}
		for id, r := range rows {
			got, err := s.AppendClear(ctx, []byte("before"), r)
			if err != nil || !bytes.Equal(got, append([]byte("before"), want[id]...)) || r.Size() != int64(len(want[id])) {
				t.Errorf("%d octets of %d, %v", len(got), len(want[id]), err)
			}
		}

		// Damage is never served, wherever it is.
		last := rows[ids[len(ids)-1]]
		data, err := s.unwrap(last.id, last.key, last.master)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(s.Dir, fileName(last.id, data)[:2], fileName(last.id, data))
		sealed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, broken := range [][]byte{
			sealed[:len(sealed)-1], append(bytes.Clone(sealed), 0), sealed[:sealedPackage], nil,
			flip(sealed, 0), flip(sealed, 3), flip(sealed, 20), flip(sealed, len(sealed)-1), flip(sealed, 2*sealedPackage),
			append(bytes.Clone(sealed[sealedPackage:2*sealedPackage]), sealed[sealedPackage:]...), // one package twice
		} {
			if err := os.WriteFile(path, broken, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := s.AppendClear(ctx, nil, last); !errors.Is(err, ErrDamaged) || len(got) != 0 {
				t.Errorf("%d octets, %v", len(got), err)
			}
		}
		small := *rows[ids[2]]
		small.inline = flip(small.inline, 5)
		if got, err := s.AppendClear(ctx, nil, &small); !errors.Is(err, ErrDamaged) || len(got) != 0 {
			t.Errorf("%d octets, %v", len(got), err)
		}
		small = *rows[ids[2]]
		small.key = flip(small.key, 30)
		if _, err := s.AppendClear(ctx, nil, &small); !errors.Is(err, ErrDamaged) {
			t.Errorf("a damaged key: %v", err)
		}

		if err := db.Write(ctx, func(tx *store.Tx) error { return s.Delete(ctx, tx, last.id) }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.AppendClear(ctx, nil, last); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("deleted meanwhile: %v", err)
		}
	})
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 0x10
	return b
}

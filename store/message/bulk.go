package message

import (
	"context"

	"colporteur/store"
	"colporteur/store/blob"
)

// Whole is a message in one piece with what it takes to read its bytes: no
// further query.
type Whole struct {
	row  *blob.Row
	size int64
}

// Wholes reads what it takes to read many messages at once: blobs says which
// blob each is in. Those whose blob is gone are missing.
func (s *Store) Wholes(ctx context.Context, tx *store.Tx, blobs map[ID]blob.ID) (map[ID]*Whole, error) {
	rows := make(map[blob.ID]*blob.Row, len(blobs))
	ids := make([]blob.ID, 0, len(blobs))
	for _, id := range blobs {
		ids = append(ids, id)
	}
	if err := s.Blobs.Rows(ctx, tx, ids, func(id blob.ID, r *blob.Row) { rows[id] = r }); err != nil {
		return nil, err
	}
	out := make(map[ID]*Whole, len(blobs))
	for id, b := range blobs {
		if r := rows[b]; r != nil {
			out[id] = &Whole{row: r, size: r.Size()}
		}
	}
	return out, nil
}

// Append appends the message's bytes to dst.
func (s *Store) Append(ctx context.Context, dst []byte, w *Whole) ([]byte, error) {
	return s.Blobs.AppendClear(ctx, dst, w.row)
}

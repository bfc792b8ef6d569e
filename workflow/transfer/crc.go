package transfer

import (
	"context"
	"hash/crc32"
	"io"

	"colporteur/store"
)

// CRC is the CRC-32 of a file's bytes, which a zip asks for ahead of them. The
// first who wants a zip waits while the file is read; then it is known.
func (s *Service) CRC(ctx context.Context, id ID, f File) (uint32, error) {
	if f.crc >= 0 {
		return uint32(f.crc), nil
	}
	r, err := s.Blobs.Open(ctx, f.Blob, 0)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	h := crc32.NewIEEE()
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	sum := h.Sum32()
	return sum, s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE transfer_file SET crc = $1 WHERE transfer = $2 AND seq = $3 AND blob = $4`, int64(sum), int64(id), f.Seq, int64(f.Blob))
		return err
	})
}

package blob

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"strconv"
	"strings"

	"colporteur/store"
)

// MaxBeside is how much can be kept beside a blob: it lives in the blob's row.
const MaxBeside = 256 << 10

// Beside keeps a few octets about the blob in its row, sealed under a key that
// is derived from the blob's own: they are read without the blob, and are gone
// with it. What search wants of a mail is kept so. It is called once, before
// Commit; more than MaxBeside is not kept, and neither is nothing.
func (w *Writer) Beside(p []byte) {
	if len(p) > 0 && len(p) <= MaxBeside {
		w.beside = p
	}
}

// besideCipher: the blob's own key seals nothing else, hence a derived one. It
// seals one thing once, hence the nonce of zeros.
func besideCipher(data []byte) (cipher.AEAD, error) {
	m := hmac.New(sha256.New, data)
	m.Write([]byte("beside"))
	return gcm(m.Sum(nil))
}

func sealBeside(data, clear []byte) ([]byte, error) {
	a, err := besideCipher(data)
	if err != nil {
		return nil, err
	}
	return a.Seal(nil, zeroNonce[:], clear, nil), nil
}

// Sealed is what is kept beside a blob, as it was read.
type Sealed struct {
	id     ID
	key    []byte
	master int64
	sealed []byte
}

// SealedBeside reads what is kept beside the blobs, for those that have
// something, with one query; at most 256 ids. Opening it is work that needs no
// transaction and can be shared among cores.
func (s *Store) SealedBeside(ctx context.Context, tx *store.Tx, ids []ID) (map[ID]Sealed, error) {
	found := make(map[ID]Sealed, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	var set strings.Builder
	n := 1
	for n < len(ids) {
		n *= 2 // prepared statements stay few
	}
	args := make([]any, n)
	for i := range args {
		args[i] = int64(ids[min(i, len(ids)-1)])
		set.WriteString(",$" + strconv.Itoa(i+1))
	}
	rows, err := tx.Query(ctx, `SELECT id, key, master, beside FROM blob WHERE beside IS NOT NULL AND id IN (`+set.String()[1:]+`)`, args...)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var b Sealed
		if err := scan(&b.id, &b.key, &b.master, &b.sealed); err != nil {
			return err
		}
		found[b.id] = b
		return nil
	})
	return found, err
}

// OpenBeside opens it; ErrDamaged when it is not what was kept.
func (s *Store) OpenBeside(b Sealed) ([]byte, error) {
	data, err := s.unwrap(b.id, b.key, b.master)
	if err != nil {
		return nil, err
	}
	a, err := besideCipher(data)
	if err != nil {
		return nil, err
	}
	clear, err := a.Open(nil, zeroNonce[:], b.sealed, nil)
	if err != nil {
		return nil, ErrDamaged
	}
	return clear, nil
}

package blob

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/minio/sio"

	"colporteur/store"
)

const keySize = 32

// newKey makes a data key.
func newKey() []byte {
	k := make([]byte, keySize)
	rand.Read(k)
	return k
}

func gcm(key []byte) (cipher.AEAD, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("a key of %d bytes instead of %d", len(key), keySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (s *Store) version() int64 {
	if s.Version == 0 {
		return 1
	}
	return s.Version
}

func (s *Store) master(version int64) (cipher.AEAD, error) {
	key := s.Master
	if version != s.version() {
		if key = s.Older[version]; key == nil {
			return nil, fmt.Errorf("master key %d is not at hand", version)
		}
	}
	if a, ok := s.ciphers.Load(string(key)); ok { // making one costs as much as a small mail
		return a.(cipher.AEAD), nil
	}
	a, err := gcm(key)
	if err != nil {
		return nil, fmt.Errorf("master key %d: %w", version, err)
	}
	s.ciphers.Store(string(key), a)
	return a, nil
}

// bound is what a wrapped key is bound to: its blob and its master key.
func bound(id ID, version int64) []byte {
	b := append(make([]byte, 0, 32), "blob key"...)
	b = binary.BigEndian.AppendUint64(b, uint64(id))
	return binary.BigEndian.AppendUint64(b, uint64(version))
}

// wrap seals the data key of a blob under today's master key: nonce, sealed key, tag.
func (s *Store) wrap(id ID, data []byte) (key []byte, version int64, err error) {
	version = s.version()
	a, err := s.master(version)
	if err != nil {
		return nil, 0, err
	}
	nonce := make([]byte, a.NonceSize(), a.NonceSize()+keySize+a.Overhead())
	rand.Read(nonce)
	return a.Seal(nonce, nonce, data, bound(id, version)), version, nil
}

func (s *Store) unwrap(id ID, key []byte, version int64) ([]byte, error) {
	a, err := s.master(version)
	if err != nil {
		return nil, err
	}
	if len(key) < a.NonceSize() {
		return nil, fmt.Errorf("key of blob %d: %w", id, ErrDamaged)
	}
	data, err := a.Open(nil, key[:a.NonceSize()], key[a.NonceSize():], bound(id, version))
	if err != nil {
		return nil, fmt.Errorf("key of blob %d does not open with master key %d: %w", id, version, ErrDamaged)
	}
	return data, nil
}

// fileName depends on the data key and not on the master key, so that a
// rotation renames nothing.
func fileName(id ID, data []byte) string {
	m := hmac.New(sha256.New, data)
	m.Write([]byte("file name"))
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(id)))
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// The nonce of inline bytes is zero: their key seals this one thing, once.
var zeroNonce [12]byte

func sealInline(data, clear []byte) ([]byte, error) {
	a, err := gcm(data)
	if err != nil {
		return nil, err
	}
	return a.Seal(nil, zeroNonce[:], clear, nil), nil
}

func openInline(data, sealed []byte) ([]byte, error) {
	a, err := gcm(data)
	if err != nil {
		return nil, err
	}
	clear, err := a.Open(nil, zeroNonce[:], sealed, nil)
	if err != nil {
		return nil, ErrDamaged
	}
	return clear, nil
}

// dare is the format of files: packages of 64 KiB, each sealed with AES-256-GCM
// and bound to its place, so reading can start anywhere.
func dare(data []byte) sio.Config {
	return sio.Config{
		MinVersion:   sio.Version20,
		MaxVersion:   sio.Version20,
		CipherSuites: []byte{sio.AES_256_GCM},
		Key:          data,
	}
}

const (
	clearPackage  = 64 << 10          // bytes of a DARE package
	sealedPackage = clearPackage + 32 // with its header and tag
)

// sealedSize is how long the file of size clear bytes is.
func sealedSize(size int64) int64 {
	n := size / clearPackage * sealedPackage
	if rest := size % clearPackage; rest > 0 {
		n += rest + sealedPackage - clearPackage
	}
	return n
}

// Rewrap wraps the keys of all blobs that an older master key holds under
// Master, and says how many. It works in small steps beside everything else.
func (s *Store) Rewrap(ctx context.Context) (n int, err error) {
	after := int64(0)
	for {
		done := 0
		last := after
		err := s.DB.Write(ctx, func(tx *store.Tx) error {
			done, last = 0, after // the transaction may run again
			type row struct {
				id, master int64
				key        []byte
			}
			var page []row
			rows, err := tx.Query(ctx, `SELECT id, master, key FROM blob WHERE id > $1 AND master <> $2 ORDER BY id LIMIT 500 FOR UPDATE`, after, s.version())
			err = store.Each(rows, err, func(scan func(...any) error) error {
				var r row
				err := scan(&r.id, &r.master, &r.key)
				page = append(page, r)
				return err
			})
			if err != nil {
				return err
			}
			for _, r := range page {
				data, err := s.unwrap(ID(r.id), r.key, r.master)
				if err != nil {
					return err
				}
				key, version, err := s.wrap(ID(r.id), data)
				if err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, `UPDATE blob SET key = $1, master = $2 WHERE id = $3`, key, version, r.id); err != nil {
					return err
				}
				done, last = done+1, r.id
			}
			return nil
		})
		if err != nil {
			return n, fmt.Errorf("rewrap: %w", err)
		}
		if done == 0 {
			return n, nil
		}
		n, after = n+done, last
	}
}

// CheckKey says whether Master opens what is stored: a host started with
// another key must stop at once and not when somebody reads a mail. Nothing
// stored yet is well.
func (s *Store) CheckKey(ctx context.Context) error {
	var id, master int64
	var key []byte
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT id, key, master FROM blob ORDER BY id DESC LIMIT 1`).Scan(&id, &key, &master)
	})
	if errors.Is(err, store.ErrNoRows) {
		_, err := s.master(s.version())
		return err
	}
	if err != nil {
		return err
	}
	_, err = s.unwrap(ID(id), key, master)
	return err
}

package upload

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"strings"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow/link"
)

// Secret is what the address of an upload ends with. Only its hash is kept.
type Secret string

func (k Secret) hash() []byte {
	h := sha256.Sum256([]byte(k))
	return h[:]
}

func newSecret() Secret {
	var b [16]byte
	rand.Read(b[:])
	return Secret(strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])))
}

// Announced is a file that is to come.
type Announced struct {
	Length  int64
	Name    string
	Type    string
	Partial bool // to be joined with others

	// Seal marks a file that was sealed before it left the browser: its name and
	// type, sealed like its bytes, in base64. The key never comes here.
	Seal string
}

const maxSeal = 4 << 10

// Announce makes room for a file. Kinds: TooBig, OverQuota, TooMany (are on
// their way), NotFound.
func (s *Service) Announce(ctx context.Context, by link.Visit, a Announced) (*Upload, Secret, error) {
	u := &Upload{Name: store.Clean(a.Name), Type: store.Clean(a.Type), Seal: a.Seal, Partial: a.Partial, Length: a.Length}
	if err := s.fits(a); err != nil {
		return nil, "", err
	}
	left, err := s.left(ctx, by)
	if err != nil {
		return nil, "", err
	}
	secret := newSecret()
	var empty *blob.Ref
	if a.Length == 0 && !a.Partial {
		ref, err := s.Blobs.Put(ctx, nil)
		if err != nil {
			return nil, "", err
		}
		empty, u.Blob, u.SHA256 = &ref, ref.ID, hex.EncodeToString(sha256.New().Sum(nil))
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		// The place is locked: two files at once do not fit where one does.
		_, p, err := s.open(ctx, tx, by, ` FOR UPDATE`)
		if err != nil {
			return err
		}
		if err := s.room(ctx, tx, p, left, a.Length, 0); err != nil {
			return err
		}
		if empty != nil {
			if err := s.Blobs.Insert(ctx, tx, *empty); err != nil {
				return err
			}
		}
		u.Place = p.ID
		return s.insert(ctx, tx, u, secret)
	})
	if err != nil {
		return nil, "", err
	}
	return u, secret, nil
}

func (s *Service) fits(a Announced) error {
	if a.Length < 0 || len(a.Seal) > maxSeal || len(a.Name) > 1000 || len(a.Type) > 200 {
		return mail.Refuse(mail.BadSyntax, "upload-malformed")
	}
	if a.Length > s.Limit() {
		return mail.Refuse(mail.TooBig, "upload-too-big", "Limit", megabytes(s.Limit()))
	}
	return nil
}

// left is how many bytes the owner of a place may still keep.
func (s *Service) left(ctx context.Context, by link.Visit) (int64, error) {
	var p *Place
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		_, p, err = s.open(ctx, tx, by, "")
		return err
	})
	if err != nil || s.Room == nil {
		return math.MaxInt64, err
	}
	return s.Room(ctx, p)
}

// room says whether n bytes more may come into p, whose owner may keep as many
// as left; less is how many of those on their way n stands for.
func (s *Service) room(ctx context.Context, tx *store.Tx, p *Place, left, n, less int64) error {
	var files, waiting int64
	err := tx.QueryRow(ctx, `SELECT count(*), CAST(coalesce(sum(length), 0) AS BIGINT) FROM upload WHERE place = $1 AND expires > $2`,
		int64(p.ID), store.Micros(s.now())).Scan(&files, &waiting)
	if err != nil {
		return err
	}
	waiting += n - less
	switch {
	case files >= maxWaiting:
		return mail.Refuse(mail.TooMany, "upload-too-many")
	case p.Taken+waiting > p.Total:
		return mail.Refuse(mail.OverQuota, "upload-place-full")
	case waiting > left:
		return mail.Refuse(mail.OverQuota, "upload-owner-full")
	}
	return nil
}

func (s *Service) insert(ctx context.Context, tx *store.Tx, u *Upload, secret Secret) error {
	u.ID, u.Expires = store.NewID(), s.now().Add(patience)
	partial := 0
	if u.Partial {
		partial = 1
	}
	_, err := tx.Exec(ctx, `INSERT INTO upload (id, place, secret, name, media_type, seal, partial, length, received, pieces, state, sha256, blob, created, expires)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, NULL, $10, $11, $12, $13)`, u.ID, int64(u.Place), secret.hash(), u.Name, u.Type, u.Seal,
		partial, u.Length, u.Received, u.SHA256, int64(u.Blob), store.Micros(s.now()), store.Micros(u.Expires))
	return err
}

// Get finds an upload by its secret; kind NotFound. Looking changes nothing.
func (s *Service) Get(ctx context.Context, by link.Visit, secret Secret) (u *Upload, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		u, err = s.get(ctx, tx, by, secret, "")
		return err
	})
	return u, err
}

func (s *Service) get(ctx context.Context, tx *store.Tx, by link.Visit, secret Secret, lock string) (*Upload, error) {
	_, p, err := s.open(ctx, tx, by, "")
	if err != nil {
		return nil, err
	}
	return s.of(ctx, tx, p, secret, lock)
}

// of finds an upload into p.
func (s *Service) of(ctx context.Context, tx *store.Tx, p *Place, secret Secret, lock string) (*Upload, error) {
	us, err := uploads(ctx, tx, `secret = $1 AND place = $2 AND expires > $3`+lock, secret.hash(), int64(p.ID), store.Micros(s.now()))
	if err != nil {
		return nil, err
	}
	if len(us) == 0 {
		return nil, mail.Refuse(mail.NotFound, "kind-not-found")
	}
	return &us[0], nil
}

func uploads(ctx context.Context, tx *store.Tx, where string, args ...any) (us []Upload, err error) {
	rows, err := tx.Query(ctx, `SELECT id, place, name, media_type, seal, partial, length, received, pieces, state, sha256, blob, expires
		FROM upload WHERE `+where, args...)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var u Upload
		var partial, expires int64
		err := scan(&u.ID, &u.Place, &u.Name, &u.Type, &u.Seal, &partial, &u.Length, &u.Received, &u.pieces, &u.state, &u.SHA256, &u.Blob, &expires)
		u.Partial, u.Expires = partial != 0, store.Time(expires)
		us = append(us, u)
		return err
	})
	return us, err
}

// Terminate ends an upload: its bytes are gone at once.
func (s *Service) Terminate(ctx context.Context, by link.Visit, secret Secret) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		u, err := s.get(ctx, tx, by, secret, ` FOR UPDATE`)
		if err != nil {
			return err
		}
		return s.drop(ctx, tx, u)
	})
}

// drop forgets an upload with its bytes.
func (s *Service) drop(ctx context.Context, tx *store.Tx, u *Upload) error {
	ps, err := pieces(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	ids := make([]blob.ID, 0, len(ps)+1)
	for _, p := range ps {
		ids = append(ids, p.ID)
	}
	if u.Blob != 0 {
		ids = append(ids, u.Blob)
	}
	if err := s.forget(ctx, tx, u.ID); err != nil {
		return err
	}
	return s.Blobs.Delete(ctx, tx, ids...)
}

// forget removes the rows of an upload whose bytes belong to something else now.
func (s *Service) forget(ctx context.Context, tx *store.Tx, id int64) error {
	if _, err := tx.Exec(ctx, `DELETE FROM upload_piece WHERE upload = $1`, id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM upload WHERE id = $1`, id)
	return err
}

func pieces(ctx context.Context, tx *store.Tx, id int64) (ps []blob.Piece, err error) {
	rows, err := tx.Query(ctx, `SELECT piece, size FROM upload_piece WHERE upload = $1 ORDER BY seq`, id)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var p blob.Piece
		err := scan(&p.ID, &p.Size)
		ps = append(ps, p)
		return err
	})
	return ps, err
}

// resumed is SHA-256 as it stood after what was received.
func (u *Upload) resumed() (hash.Hash, error) {
	h := sha256.New()
	if len(u.state) == 0 {
		return h, nil
	}
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(u.state); err != nil {
		return nil, fmt.Errorf("upload %d: %w", u.ID, err)
	}
	return h, nil
}

func stateOf(h hash.Hash) ([]byte, error) { return h.(encoding.BinaryMarshaler).MarshalBinary() }

func megabytes(n int64) int64 { return n / 1_000_000 }

package upload

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow/link"
)

// Checksum is what the sender says of the bytes of one request.
type Checksum struct {
	Algorithm string // "sha1", "sha256"
	Sum       []byte
}

// Algorithms are those a checksum may have.
const Algorithms = "sha1,sha256"

func (c *Checksum) hash() hash.Hash {
	if c.Algorithm == "sha1" { // against broken lines, not against people: the protocol asks for it
		return sha1.New()
	}
	return sha256.New()
}

// afterwards is how long what a broken connection brought may take to be kept.
const afterwards = time.Minute

// Receive takes the bytes from offset on, and returns where the upload stands
// when it is over. What came before r failed is kept, and r's error returned
// with it; with a checksum all of it is kept or nothing. ErrOffset: the upload
// stands elsewhere, maybe because another connection of the same sender wrote.
func (s *Service) Receive(ctx context.Context, by link.Visit, secret Secret, offset int64, r io.Reader, sum *Checksum) (*Upload, error) {
	u, err := s.Get(ctx, by, secret)
	if err != nil {
		return nil, err
	}
	if u.pieces == 0 && u.Blob != 0 && u.Length > 0 {
		return u, ErrFinal
	}
	if u.Received != offset {
		return u, ErrOffset
	}
	h, err := u.resumed()
	if err != nil {
		return u, err
	}
	in := &incoming{Service: s, by: by, secret: secret, u: u, hash: h, src: r}
	if sum != nil {
		in.check = sum.hash()
		in.staged = []part{}
	}
	rerr := in.run(ctx)
	// The sender may have gone: what they sent is theirs all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	if sum != nil {
		if rerr == nil && subtle.ConstantTimeCompare(in.check.Sum(nil), sum.Sum) != 1 {
			rerr = ErrChecksum
		}
		if rerr != nil {
			in.discard()
			return u, rerr
		}
		rerr = in.keep(ctx, in.staged...)
	}
	return u, rerr
}

// part is a piece whose bytes are durable and that no row names yet.
type part struct {
	ref   blob.Ref
	state []byte // of SHA-256 after it
}

// incoming is one request's bytes on their way into an upload.
type incoming struct {
	*Service
	by     link.Visit
	secret Secret
	u      *Upload // moves on with what is kept
	hash   hash.Hash
	check  hash.Hash // of the request, when it has a checksum
	staged []part    // not nil: kept at the end, together
	src    io.Reader
}

// run takes pieces until the source or the room ends. While one is made durable
// the next is received.
func (in *incoming) run(ctx context.Context) error {
	type filled struct {
		w     *blob.Writer
		state []byte
	}
	full, kept := make(chan filled), make(chan error, 1)
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), 24*time.Hour)
	defer cancel()
	go func() {
		var err error
		for f := range full {
			if err != nil {
				f.w.Abort()
				continue
			}
			err = in.commit(own, f.w, f.state)
		}
		kept <- err
	}()
	left := in.u.Length - in.u.Received
	var rerr error
	for n := 0; left > 0 && rerr == nil; n++ {
		if in.u.pieces+n >= maxPieces {
			rerr = ErrPieces
			break
		}
		w := in.Blobs.Create()
		var got int64
		got, rerr = in.fill(w, min(left, pieceSize))
		if got == 0 {
			w.Abort()
			break
		}
		left -= got
		state, err := stateOf(in.hash)
		if err != nil {
			w.Abort()
			rerr = err
			break
		}
		full <- filled{w, state}
	}
	close(full)
	kerr := <-kept
	switch {
	case kerr != nil:
		return kerr
	case rerr == io.EOF:
		return nil
	case rerr != nil:
		return rerr
	}
	if n, _ := io.ReadFull(in.src, make([]byte, 1)); n > 0 {
		return ErrTooLong
	}
	return nil
}

// fill reads up to n bytes into w; io.EOF when the source ended well before.
func (in *incoming) fill(w *blob.Writer, n int64) (int64, error) {
	buf := make([]byte, 256<<10)
	var sum int64
	for sum < n {
		k, err := in.src.Read(buf[:min(int64(len(buf)), n-sum)])
		if k > 0 {
			in.hash.Write(buf[:k])
			if in.check != nil {
				in.check.Write(buf[:k])
			}
			if _, err := w.Write(buf[:k]); err != nil {
				return 0, err
			}
			sum += int64(k)
		}
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// commit makes a piece durable, and has it kept unless a checksum is awaited.
func (in *incoming) commit(ctx context.Context, w *blob.Writer, state []byte) error {
	ref, err := w.Commit(ctx)
	if err != nil {
		return err
	}
	p := part{ref, state}
	if in.staged != nil {
		in.staged = append(in.staged, p)
		return nil
	}
	return in.keep(ctx, p)
}

func (in *incoming) discard() {
	for _, p := range in.staged {
		in.Blobs.Discard(p.ref)
	}
}

// keep adds durable pieces to the upload, in one transaction: from then on they
// are acknowledged. The last one makes it whole.
func (in *incoming) keep(ctx context.Context, parts ...part) error {
	if len(parts) == 0 {
		return nil
	}
	var now *Upload
	err := in.DB.Write(ctx, func(tx *store.Tx) error {
		// Asked again: the place may have been closed since the first byte.
		u, err := in.get(ctx, tx, in.by, in.secret, ` FOR UPDATE`)
		if err != nil {
			return err
		}
		if u.Received != in.u.Received {
			return ErrOffset
		}
		for _, p := range parts {
			if err := in.Blobs.Insert(ctx, tx, p.ref); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO upload_piece (upload, seq, piece, size) VALUES ($1, $2, $3, $4)`,
				u.ID, u.pieces, int64(p.ref.ID), p.ref.Size); err != nil {
				return err
			}
			u.pieces++
			u.Received += p.ref.Size
			u.state = p.state
		}
		u.Expires = in.now().Add(patience)
		if u.Whole() && !u.Partial {
			if err := in.whole(ctx, tx, u); err != nil {
				return err
			}
		}
		now = u
		return in.update(ctx, tx, u)
	})
	if err != nil {
		if errors.Is(err, ErrOffset) || mail.Is(err, mail.NotFound) { // nothing was committed
			for _, p := range parts {
				in.Blobs.Discard(p.ref)
			}
		}
		return err
	}
	*in.u = *now
	return nil
}

// whole makes one blob of the pieces of u.
func (s *Service) whole(ctx context.Context, tx *store.Tx, u *Upload) error {
	h, err := u.resumed()
	if err != nil {
		return err
	}
	u.SHA256 = hex.EncodeToString(h.Sum(nil))
	ps, err := pieces(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	b, err := s.one(ctx, tx, ps)
	if err != nil {
		return err
	}
	u.Blob = b
	_, err = tx.Exec(ctx, `DELETE FROM upload_piece WHERE upload = $1`, u.ID)
	return err
}

// one is the blob of some pieces.
func (s *Service) one(ctx context.Context, tx *store.Tx, ps []blob.Piece) (blob.ID, error) {
	if len(ps) == 1 {
		return ps[0].ID, nil
	}
	j, err := s.Blobs.Join(ctx, tx, ps)
	return j.ID, err
}

func (s *Service) update(ctx context.Context, tx *store.Tx, u *Upload) error {
	_, err := tx.Exec(ctx, `UPDATE upload SET received = $1, pieces = $2, state = $3, sha256 = $4, blob = $5, expires = $6 WHERE id = $7`,
		u.Received, u.pieces, u.state, u.SHA256, int64(u.Blob), store.Micros(u.Expires), u.ID)
	return err
}

// Join makes one file of partial uploads that are whole, in the order given;
// they are gone with that. Kind NotFound, ErrNotWhole, or as for Announce.
func (s *Service) Join(ctx context.Context, by link.Visit, secrets []Secret, a Announced) (*Upload, Secret, error) {
	if len(secrets) == 0 || len(secrets) > 100 {
		return nil, "", mail.Refuse(mail.BadSyntax, "upload-malformed")
	}
	left, err := s.left(ctx, by)
	if err != nil {
		return nil, "", err
	}
	// SHA-256 does not join: the bytes are read once more, before the transaction.
	var before []int64
	h := sha256.New()
	a.Length, a.Partial = 0, false
	for _, k := range secrets {
		u, err := s.Get(ctx, by, k)
		if err != nil {
			return nil, "", err
		}
		if !u.Partial || !u.Whole() {
			return nil, "", ErrNotWhole
		}
		if err := s.readPieces(ctx, u.ID, h); err != nil {
			return nil, "", err
		}
		before = append(before, u.ID)
		a.Length += u.Length
	}
	if err := s.fits(a); err != nil {
		return nil, "", err
	}
	u := &Upload{Name: store.Clean(a.Name), Type: store.Clean(a.Type), Seal: a.Seal, Length: a.Length, Received: a.Length,
		SHA256: hex.EncodeToString(h.Sum(nil))}
	secret := newSecret()
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		_, p, err := s.open(ctx, tx, by, ` FOR UPDATE`)
		if err != nil {
			return err
		}
		if err := s.room(ctx, tx, p, left, a.Length, a.Length); err != nil {
			return err
		}
		var all []blob.Piece
		for i, k := range secrets {
			part, err := s.of(ctx, tx, p, k, ` FOR UPDATE`)
			if err != nil {
				return err
			}
			if part.ID != before[i] {
				return fmt.Errorf("upload %d became %d", before[i], part.ID)
			}
			ps, err := pieces(ctx, tx, part.ID)
			if err != nil {
				return err
			}
			all = append(all, ps...)
			if err := s.forget(ctx, tx, part.ID); err != nil {
				return err
			}
		}
		if len(all) == 0 {
			ref, err := s.Blobs.Put(ctx, nil)
			if err != nil {
				return err
			}
			if err := s.Blobs.Insert(ctx, tx, ref); err != nil {
				return err
			}
			u.Blob = ref.ID
		} else if u.Blob, err = s.one(ctx, tx, all); err != nil {
			return err
		}
		u.Place = p.ID
		return s.insert(ctx, tx, u, secret)
	})
	if err != nil {
		return nil, "", err
	}
	return u, secret, nil
}

func (s *Service) readPieces(ctx context.Context, id int64, w io.Writer) error {
	var ps []blob.Piece
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		ps, err = pieces(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range ps {
		r, err := s.Blobs.Open(ctx, p.ID, 0)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, r)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

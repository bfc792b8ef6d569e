package mailbox

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
)

// Body is the octets of an email: Prefix, then the message.
type Body struct {
	Prefix  []byte
	Size    int64         // prefix and message
	Summary *mail.Summary // when it was asked for; offsets in it count without Prefix

	id    message.ID
	whole *message.Whole // nil: the message is in pieces
}

// Bodies finds the octets of many emails of an account, in the order of ids, nil
// where the mail is gone for good. That it was expunged does not matter: whoever
// still sees it may read it until it is purged. With summaries, the structures
// come with them.
func (s *Store) Bodies(ctx context.Context, account mail.AccountID, ids []EmailID, summaries bool) ([]*Body, error) {
	found := make(map[EmailID]*Body, len(ids))
	for _, id := range ids {
		found[id] = nil
	}
	q := `SELECT e.id, e.message, e.prefix, e.size, m.blob FROM email e JOIN message m ON m.id = e.message WHERE e.account = $1 AND`
	if summaries {
		q = `SELECT e.id, e.message, e.prefix, e.size, m.blob, m.summary FROM email e JOIN message m ON m.id = e.message WHERE e.account = $1 AND`
	}
	err := s.read(ctx, func(tx *store.Tx) error {
		blobs := make(map[message.ID]blob.ID, len(ids))
		err := store.Lookup(ctx, tx, q, []any{int64(account)}, "e.id", ids, func(scan func(...any) error) (id EmailID, err error) {
			b := &Body{}
			var prefix, summary sql.RawBytes
			var whole sql.NullInt64
			to := []any{&id, &b.id, &prefix, &b.Size, &whole, &summary}
			if !summaries {
				to = to[:5]
			}
			if err := scan(to...); err != nil {
				return id, err
			}
			if _, wanted := found[id]; !wanted {
				return id, nil
			}
			if b.Prefix = slices.Clone(prefix); summaries {
				if err := json.Unmarshal(summary, &b.Summary); err != nil {
					return id, fmt.Errorf("summary of message %d: %w", b.id, err)
				}
			}
			if whole.Valid {
				blobs[b.id] = blob.ID(whole.Int64)
			}
			found[id] = b
			return id, nil
		})
		if err != nil || len(blobs) == 0 {
			return err
		}
		wholes, err := s.Messages.Wholes(ctx, tx, blobs)
		for _, b := range found {
			if b != nil {
				b.whole = wholes[b.id]
			}
		}
		return err
	})
	out := make([]*Body, len(ids))
	for i, id := range ids {
		out[i] = found[id]
	}
	return out, err
}

// AppendBody appends the octets of b, which fit into memory, to dst.
func (s *Store) AppendBody(ctx context.Context, dst []byte, b *Body) ([]byte, error) {
	before := len(dst)
	dst = append(dst, b.Prefix...)
	if b.whole != nil {
		var err error
		if dst, err = s.Messages.Append(ctx, dst, b.whole); err != nil {
			return dst, kinded(err)
		}
	} else {
		r, err := s.Messages.Open(ctx, b.id, 0)
		if err != nil {
			return dst, kinded(err)
		}
		buf := bytes.NewBuffer(dst)
		_, err = io.Copy(buf, r)
		r.Close()
		if dst = buf.Bytes(); err != nil {
			return dst, kinded(err)
		}
	}
	if n := int64(len(dst) - before); n != b.Size {
		return dst, mail.Wrap(mail.Internal, fmt.Errorf("message %d: %d octets instead of %d", b.id, n, b.Size))
	}
	return dst, nil
}

// OpenBody reads the octets of b from offset on.
func (s *Store) OpenBody(ctx context.Context, b *Body, offset int64) (io.ReadCloser, error) {
	return s.Open(ctx, &Content{Message: b.id, Prefix: b.Prefix, Size: b.Size}, offset)
}

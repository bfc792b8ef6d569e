package mailbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/message"
)

// Content is what FETCH needs of one email beyond its Entry.
type Content struct {
	Message message.ID
	Prefix  []byte
	Size    int64         // prefix and message
	Summary *mail.Summary // offsets in it count without Prefix
}

// Content reads it; kind NotFound when it is gone.
func (s *Store) Content(ctx context.Context, account mail.AccountID, id EmailID) (*Content, error) {
	list, err := s.Contents(ctx, account, []EmailID{id})
	if err != nil {
		return nil, err
	}
	if list[0] == nil {
		return nil, missing(store.ErrNoRows)
	}
	return list[0], nil
}

// Contents reads many at once, in the order of ids, nil where gone.
func (s *Store) Contents(ctx context.Context, account mail.AccountID, ids []EmailID) ([]*Content, error) {
	out := make([]*Content, len(ids))
	at := make(map[EmailID][]int, len(ids))
	for i, id := range ids {
		at[id] = append(at[id], i)
	}
	err := s.read(ctx, func(tx *store.Tx) error {
		for some := range slices.Chunk(ids, atOnce) {
			set, args := in([]any{int64(account)}, some)
			rows, err := tx.Query(ctx, `SELECT e.id, e.message, e.prefix, e.size, m.summary FROM email e JOIN message m ON m.id = e.message
				WHERE e.account = $1 AND e.expunged = 0 AND e.id IN `+set, args...)
			err = store.Each(rows, err, func(scan func(...any) error) error {
				var id EmailID
				var summary []byte
				c := &Content{}
				if err := scan(&id, &c.Message, &c.Prefix, &c.Size, &summary); err != nil {
					return err
				}
				if err := json.Unmarshal(summary, &c.Summary); err != nil {
					return fmt.Errorf("summary of message %d: %w", c.Message, err)
				}
				for _, i := range at[id] {
					out[i] = c
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// Open reads prefix and message as one, from offset on.
func (s *Store) Open(ctx context.Context, c *Content, offset int64) (io.ReadCloser, error) {
	if n := int64(len(c.Prefix)); offset < n {
		return &joined{first: bytes.NewReader(c.Prefix[offset:]), open: func() (io.ReadCloser, error) {
			return s.Messages.Open(ctx, c.Message, 0)
		}}, nil
	}
	return s.Messages.Open(ctx, c.Message, offset-int64(len(c.Prefix)))
}

// joined reads the prefix and opens the message only when it is wanted: for
// many a FETCH of header fields it is not.
type joined struct {
	first *bytes.Reader
	open  func() (io.ReadCloser, error)
	body  io.ReadCloser
}

func (j *joined) Read(p []byte) (int, error) {
	if j.first.Len() > 0 {
		return j.first.Read(p)
	}
	if j.body == nil {
		var err error
		if j.body, err = j.open(); err != nil {
			return 0, err
		}
	}
	return j.body.Read(p)
}

func (j *joined) Close() error {
	if j.body != nil {
		return j.body.Close()
	}
	return nil
}

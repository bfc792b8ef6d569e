package delivery

import (
	"context"
	"io"
	"sync"
	"time"

	"colporteur/mail"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
)

// spooled is a mail whose bytes are durable, or small and in hand for the commit.
type spooled struct {
	draft *message.Draft
	words []byte // search signature
}

// complete fills in what a member's mail program left to us.
func (s *spooled) complete(env *mail.Envelope) {
	if s.draft.Summary.Date.IsZero() {
		s.draft.Summary.Date = env.Received
	}
}

func (s *spooled) incoming(prefix []byte, at time.Time) *mailbox.Incoming {
	return &mailbox.Incoming{Message: s.draft.ID, Size: s.draft.Size, Summary: s.draft.Summary,
		Words: s.words, Prefix: prefix, Date: at}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}

// copyBounded is io.Copy with a pooled buffer and an end: over limit bytes it
// fails with tooBig.
func copyBounded(dst io.Writer, src io.Reader, limit int64, tooBig func(int64) error) (int64, error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var n int64
	for {
		k, err := src.Read(*buf)
		if k > 0 {
			if n += int64(k); n > limit {
				return n, tooBig(n)
			}
			if _, werr := dst.Write((*buf)[:k]); werr != nil {
				return n, werr
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// spool keeps an ordinary mail in one blob and reads its structure on the way.
func (d *Door) spool(ctx context.Context, body io.Reader, limit int64, domain string) (*spooled, error) {
	w := d.Blobs.Create()
	defer w.Abort()
	scan := &mail.Scanner{}
	n, err := copyBounded(io.MultiWriter(w, scan), body, limit, func(int64) error {
		return d.tooBig(limit, d.messageLimit(), domain)
	})
	if err != nil {
		return nil, err
	}
	sum, text, err := scan.Close()
	if err != nil {
		return nil, err
	}
	ref, err := w.Commit(ctx)
	if err != nil {
		return nil, err
	}
	draft := &message.Draft{ID: message.ID(newID()), Size: n, Summary: sum, Refs: []blob.Ref{ref},
		Segments: []message.Segment{{Kind: message.Raw, Blob: ref.ID, Length: n}}}
	return &spooled{draft: draft, words: mailbox.Sign(sum, text)}, nil
}

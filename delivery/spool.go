package delivery

import (
	"context"
	"io"
	"slices"
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
	limit int64  // not 0: it is too large for hosts elsewhere, which take this many octets
}

// complete fills in what a member's mail program left to us.
func (s *spooled) complete(env *mail.Envelope, head *header) {
	s.draft.Summary.Precede(head.missing)
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
// witness, when not nil, gets every octet too. cuts are ranges of the header
// that are kept and not served: the message leads around them.
func (d *Door) spool(ctx context.Context, body io.Reader, witness io.Writer, cuts [][2]int, limit int64, domain string) (*spooled, error) {
	w := d.Blobs.Create()
	defer w.Abort()
	scan := &mail.Scanner{}
	heading := &mailbox.Heading{}
	outs := []io.Writer{w, io.MultiWriter(scan, heading)}
	if len(cuts) > 0 {
		outs[1] = &around{w: outs[1], cuts: cuts}
	}
	if witness != nil {
		outs = append(outs, witness)
	}
	n, err := copyBounded(io.MultiWriter(outs...), body, limit, func(int64) error {
		return d.tooBig(limit, d.messageLimit(), domain)
	})
	if err != nil {
		return nil, err
	}
	sum, text, err := scan.Close()
	if err != nil {
		return nil, err
	}
	w.Beside(mailbox.Keep(heading, sum, text))
	ref, err := w.Commit(ctx)
	if err != nil {
		return nil, err
	}
	draft := &message.Draft{ID: message.ID(newID()), Summary: sum, Refs: []blob.Ref{ref}, Segments: pieces(ref.ID, n, cuts)}
	for _, p := range draft.Segments {
		draft.Size += p.Length
	}
	return &spooled{draft: draft, words: mailbox.Sign(sum, text)}, nil
}

// pieces are n octets of a blob without the cuts.
func pieces(id blob.ID, n int64, cuts [][2]int) (out []message.Segment) {
	at := int64(0)
	for _, c := range append(slices.Clone(cuts), [2]int{int(n), int(n)}) {
		if end := int64(c[0]); end > at || n == 0 {
			out = append(out, message.Segment{Kind: message.Raw, Blob: id, Start: at, Length: end - at})
		}
		at = int64(c[1])
	}
	return out
}

// around passes on what is written to it, save the cuts.
type around struct {
	w    io.Writer
	cuts [][2]int
	at   int
}

func (a *around) Write(p []byte) (int, error) {
	all := len(p)
	for len(p) > 0 {
		n, skip := len(p), false
		if len(a.cuts) > 0 {
			from, to := a.cuts[0][0], a.cuts[0][1]
			switch {
			case a.at >= to:
				a.cuts = a.cuts[1:]
				continue
			case a.at >= from:
				n, skip = min(n, to-a.at), true
			default:
				n = min(n, from-a.at)
			}
		}
		if !skip {
			if _, err := a.w.Write(p[:n]); err != nil {
				return 0, err
			}
		}
		p, a.at = p[n:], a.at+n
	}
	return all, nil
}

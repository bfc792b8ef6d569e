package lighten

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"colporteur/mail"
	"colporteur/store/blob"
	"colporteur/store/message"
	"colporteur/workflow"
)

// ErrDamaged says that a file's encoding is broken: what is decoded would be
// less than what the mail has.
var ErrDamaged = errors.New("a file is damaged")

// File makes a blob of a part's file. Kept.Ref has no row yet.
func File(ctx context.Context, store *message.Store, m *message.Message, p *mail.Part) (k workflow.Kept, err error) {
	r, err := store.OpenMessage(ctx, m, p.BodyOffset)
	if err != nil {
		return k, err
	}
	defer r.Close()
	dec := mail.DecodeBody(p.Encoding, io.LimitReader(r, p.Size))
	w := store.Blobs.Create()
	defer w.Abort()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), dec)
	if err != nil {
		return k, fmt.Errorf("part at %d: %w", p.Offset, err)
	}
	if dec.Bad() {
		return k, ErrDamaged
	}
	ref, err := w.Commit(ctx)
	return workflow.Kept{Blob: ref.ID, Ref: &ref, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

// Write writes the lightened message with b in it.
func Write(ctx context.Context, w io.Writer, store *message.Store, m *message.Message, edits []Edit, b Block) error {
	return pieces(ctx, store, m, edits, func(x Edit) error {
		if x.write == nil {
			return nil
		}
		p, err := x.write(b)
		if err == nil {
			_, err = w.Write(p)
		}
		return err
	}, w)
}

// pieces copies what stays of m to w, and calls at for every edit between.
func pieces(ctx context.Context, store *message.Store, m *message.Message, edits []Edit, at func(Edit) error, w io.Writer) error {
	from := int64(0)
	for _, x := range append(slices.Clone(edits), Edit{from: m.Size, to: m.Size}) {
		if x.from > from {
			r, err := store.OpenMessage(ctx, m, from)
			if err != nil {
				return err
			}
			_, err = io.CopyN(w, r, x.from-from)
			r.Close()
			if err != nil {
				return fmt.Errorf("octets %d to %d: %w", from, x.from, err)
			}
		}
		if err := at(x); err != nil {
			return err
		}
		from = x.to
	}
	return nil
}

// Rest is what stays of a message, for as many versions of it as there are blocks.
type Rest struct {
	Ref   blob.Ref // all messages need its row
	edits []Edit
	total int64 // of the message as it came
}

// Keep writes what stays of m into one blob.
func Keep(ctx context.Context, store *message.Store, m *message.Message, edits []Edit) (*Rest, error) {
	w := store.Blobs.Create()
	defer w.Abort()
	c := &Rest{edits: edits, total: m.Size}
	if err := pieces(ctx, store, m, edits, func(Edit) error { return nil }, w); err != nil {
		return nil, err
	}
	ref, err := w.Commit(ctx)
	c.Ref = ref
	return c, err
}

// Message is the lightened message with b in it. Draft.Refs is for b alone.
func (c *Rest) Message(ctx context.Context, blobs *blob.Store, b Block) (*message.Draft, error) {
	d := &message.Draft{}
	var own []byte
	var segs []message.Segment
	at, taken := int64(0), int64(0)
	for _, x := range append(slices.Clone(c.edits), Edit{from: c.total, to: c.total}) {
		if n := x.from - at; n > 0 {
			segs = append(segs, message.Segment{Kind: message.Raw, Blob: c.Ref.ID, Start: taken, Length: n})
			taken += n
		}
		at = x.to
		if x.write == nil {
			continue
		}
		p, err := x.write(b)
		if err != nil {
			return nil, err
		}
		segs = append(segs, message.Segment{Kind: message.Raw, Start: int64(len(own)), Length: int64(len(p))})
		own = append(own, p...)
	}
	ref, err := blobs.Put(ctx, own)
	if err != nil {
		return nil, err
	}
	d.Refs = []blob.Ref{ref}
	for i := range segs {
		if segs[i].Blob == 0 {
			segs[i].Blob = ref.ID
		}
		d.Size += segs[i].Length
	}
	d.Segments = segs
	return d, nil
}

package delivery

import (
	"context"
	"io"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
)

// # A member's own copy
//
// A mail program sends a mail, and then files a copy of it. When the mail was
// large, its files are a transfer by then, or soon will be: so the copy of a
// large mail is kept in pieces, and each large file in it is the one blob that
// the member has of it. Read back, the copy is what was filed, octet for octet.

// ownCopy is the size from which a filed mail is kept in pieces.
const ownCopy = 1 << 20

// spoolApart spools a mail like spool, in pieces.
func (d *Door) spoolApart(ctx context.Context, body io.Reader) (*spooled, error) {
	s := &splitter{ctx: ctx, blobs: d.Blobs, literal: d.Blobs.Create(), limit: encoded(d.dropLimit()), tooBig: d.dropTooBig}
	defer s.abort()
	scan := &mail.Scanner{Tap: s.tap}
	heading := &mailbox.Heading{}
	n, err := copyBounded(io.MultiWriter(scan, heading), body, encoded(d.dropLimit()), func(int64) error { return d.dropTooBig(s.limit) })
	if err != nil {
		return nil, err
	}
	sum, text, err := scan.Close()
	if err != nil {
		return nil, err
	}
	if s.leaf != nil {
		if err := s.endLeaf(); err != nil {
			return nil, err
		}
	}
	s.literal.Beside(mailbox.Keep(heading, sum, text))
	draft, err := s.finish()
	if err != nil {
		return nil, err
	}
	draft.Size, draft.Summary = n, sum
	return &spooled{draft: draft, words: mailbox.Sign(sum, text)}, nil
}

// shared is d as tx is to keep it: a file that the account has already is named
// and not kept twice.
func (d *Door) shared(ctx context.Context, tx *store.Tx, account mail.AccountID, draft *message.Draft) (*message.Draft, error) {
	same := map[blob.ID]blob.ID{} // what came → what is there
	var err error
	draft.Summary.Root.Walk(func(p *mail.Part) {
		if err != nil || p.Blob == 0 || p.Damaged || p.Decoded < lightened {
			return
		}
		var id blob.ID
		if id, err = d.Messages.Once(ctx, tx, account, message.Body{SHA256: p.SHA256, Size: p.Decoded}, blob.ID(p.Blob)); err == nil && id != blob.ID(p.Blob) {
			same[blob.ID(p.Blob)] = id
		}
	})
	if err != nil || len(same) == 0 {
		return draft, err
	}
	out := *draft
	out.Segments, out.Refs = nil, nil
	for _, g := range draft.Segments {
		if id, ok := same[g.Blob]; ok {
			g.Blob = id
		}
		out.Segments = append(out.Segments, g)
	}
	for _, ref := range draft.Refs {
		if _, ok := same[ref.ID]; !ok {
			out.Refs = append(out.Refs, ref)
		} else {
			tx.AfterCommit(func() { d.Blobs.Discard(ref) })
		}
	}
	if out.Summary, err = moved(draft.Summary, 0); err != nil {
		return nil, err
	}
	out.Summary.Card = draft.Summary.Card
	out.Summary.Root.Walk(func(p *mail.Part) {
		if id, ok := same[blob.ID(p.Blob)]; ok {
			p.Blob = int64(id)
		}
	})
	return &out, nil
}

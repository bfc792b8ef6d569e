package folder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
)

// laid is a message that is ready to be filed.
type laid struct {
	draft *message.Draft
	words []byte
	blobs []blob.ID // that exist already and are named by it
}

// attached is a file whose bytes are kept already.
type attached struct {
	name, mediaType string
	blob            blob.ID
	size            int64
}

// lay makes a message of c with files that are kept already: their bytes are
// read once, for the structure that IMAP shows, and not kept again. The message
// is made of segments around them.
func (s *Service) lay(ctx context.Context, c *mail.Compose, files []attached) (*laid, error) {
	for _, f := range files {
		c.Attachments = append(c.Attachments, mail.Attachment{Name: f.name, Type: f.mediaType,
			Open: func() (io.ReadCloser, error) { return s.Blobs.Open(ctx, f.blob, 0) }})
	}
	l := &layer{literal: s.Blobs.Create(), files: files}
	defer l.literal.Abort()
	scan, heading := &mail.Scanner{Tap: l.tap}, &mailbox.Heading{}
	n, err := c.WriteTo(io.MultiWriter(scan, heading))
	if err != nil {
		return nil, err
	}
	sum, text, err := scan.Close()
	if err != nil {
		return nil, err
	}
	l.flush()
	l.literal.Beside(mailbox.Keep(heading, sum, text))
	ref, err := l.literal.Commit(ctx)
	if err != nil {
		return nil, err
	}
	out := &laid{draft: &message.Draft{ID: message.ID(store.NewID()), Summary: sum, Refs: []blob.Ref{ref}, Segments: l.segs}, words: mailbox.Sign(sum, text)}
	for i, g := range out.draft.Segments {
		if g.Blob == 0 {
			out.draft.Segments[i].Blob = ref.ID
		} else {
			out.blobs = append(out.blobs, g.Blob)
		}
		out.draft.Size += g.Size()
	}
	if out.draft.Size != n || len(l.files) > 0 {
		return nil, fmt.Errorf("lay out: %d octets in segments of a message of %d", out.draft.Size, n)
	}
	return out, nil
}

// layer cuts a message into segments behind a mail.Scanner.
type layer struct {
	literal *blob.Writer
	written int64
	cut     int64
	segs    []message.Segment
	files   []attached // those still to come
	part    *mail.Part // whose file is passing
}

func (l *layer) tap(part *mail.Part, p []byte) error {
	if part != nil && part == l.part {
		return nil
	}
	if part != nil && part.Disposition == "attachment" && len(l.files) > 0 {
		l.flush()
		f := l.files[0]
		l.files, l.part = l.files[1:], part
		part.Blob, part.Decoded = int64(f.blob), f.size
		l.segs = append(l.segs, message.Segment{Kind: message.Base64, Blob: f.blob, Length: f.size})
		return nil
	}
	n, err := l.literal.Write(p)
	l.written += int64(n)
	return err
}

func (l *layer) flush() {
	if l.written > l.cut {
		l.segs = append(l.segs, message.Segment{Kind: message.Raw, Start: l.cut, Length: l.written - l.cut})
		l.cut = l.written
	}
}

// name makes a Message-ID that is the same whenever the message is made again.
func (s *Service) name(kind string, id int64) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s/%d", kind, id))
	return kind + "." + hex.EncodeToString(h[:12]) + "@" + s.Hostname
}

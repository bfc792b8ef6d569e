// Package message keeps what was sent, byte for byte, as a list of segments over blobs.
package message

import (
	"context"
	"io"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
)

// ID names a message: one content, whoever has copies of it.
type ID int64

// Kind of a Segment.
type Kind int

const (
	Raw    Kind = iota // the blob's bytes as they are
	Base64             // the blob's bytes in base64, 76 columns, CRLF after each line but the last
)

// Segment is one piece of a message.
type Segment struct {
	Kind   Kind
	Blob   blob.ID
	Start  int64 // within the blob; a multiple of 57 for Base64
	Length int64 // of the blob's bytes
}

// Message is a stored message, without its bytes.
type Message struct {
	ID       ID
	Size     int64 // octets as Open returns them
	Blob     blob.ID
	Segments []Segment // nil when the whole is in Blob
	Summary  *mail.Summary
	Created  time.Time
}

// Draft is a message whose bytes are durable but that no row names yet.
type Draft struct {
	ID       ID
	Size     int64
	Segments []Segment
	Refs     []blob.Ref
	Summary  *mail.Summary
}

// Store is the messages of one host.
type Store struct {
	DB    *store.DB
	Blobs *blob.Store
	Now   func() time.Time
}

// Insert adds d, and the rows of its blobs, to tx.
func (s *Store) Insert(ctx context.Context, tx *store.Tx, d *Draft) error { panic("unwritten") }

// Get reads everything about a message but its bytes.
func (s *Store) Get(ctx context.Context, id ID) (*Message, error) { panic("unwritten") }

// Open reads a message from offset on. store.ErrNoRows if there is none.
func (s *Store) Open(ctx context.Context, id ID, offset int64) (io.ReadCloser, error) {
	panic("unwritten")
}

// Delete removes the messages and their blobs at once (a recall).
func (s *Store) Delete(ctx context.Context, tx *store.Tx, ids ...ID) error { panic("unwritten") }

// Sweep removes messages that nothing names.
func (s *Store) Sweep(ctx context.Context, age time.Duration) (int, error) { panic("unwritten") }

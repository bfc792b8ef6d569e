package imap

import (
	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

// resync is what a client remembers of its last visit (RFC 7162 §3.2.5).
type resync struct{}

func (s *session) parseResync(d *wire.Decoder) (*resync, error) {
	return nil, bad("Unknown parameter of SELECT")
}

func (s *session) resync(r *resync, now *mailbox.Snapshot) error { return nil }

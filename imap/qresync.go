package imap

import (
	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

// resync is what a client remembers of its last visit (RFC 7162 §3.2.5).
type resync struct {
	validity uint32
	mod      mailbox.ModSeq
	known    *mailbox.UIDSet // nil: all
}

// parseResync reads "(validity modseq [known-uids] [(numbers uids)])". The pairs
// of numbers and UIDs at its end help a server that has forgotten what vanished;
// ours has not, so they are only read.
func (s *session) parseResync(d *wire.Decoder) (*resync, error) {
	if !s.on.qresync {
		return nil, bad("ENABLE QRESYNC first") // RFC 7162 §3.2.5
	}
	r := &resync{}
	if err := d.SP(); err != nil {
		return nil, err
	}
	if err := d.Open(); err != nil {
		return nil, err
	}
	var err error
	if r.validity, err = d.Number(); err != nil {
		return nil, err
	}
	if err := d.SP(); err != nil {
		return nil, err
	}
	mod, err := d.Number64()
	if err != nil {
		return nil, err
	}
	r.mod = mailbox.ModSeq(mod)
	for !d.Close() {
		if err := d.SP(); err != nil {
			return nil, err
		}
		if d.Peek() == '(' {
			if err := readMatches(d); err != nil {
				return nil, err
			}
			if !d.Close() {
				return nil, bad("Nothing follows the known numbers")
			}
			break
		}
		if r.known != nil {
			return nil, bad("The known UIDs stand there once")
		}
		if r.known, err = knownSet(d); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// readMatches reads "(numbers uids)".
func readMatches(d *wire.Decoder) error {
	if err := d.Open(); err != nil {
		return err
	}
	if _, err := knownSet(d); err != nil {
		return err
	}
	if err := d.SP(); err != nil {
		return err
	}
	if _, err := knownSet(d); err != nil {
		return err
	}
	if !d.Close() {
		return bad("Expected )")
	}
	return nil
}

// knownSet reads a set without "*": what a client knows it can name.
func knownSet(d *wire.Decoder) (*mailbox.UIDSet, error) {
	set, err := d.NumSet()
	if err != nil {
		return nil, err
	}
	var ranges []mailbox.UIDRange
	for _, r := range set.Ranges {
		if r.Start == wire.Star || r.Stop == wire.Star {
			return nil, bad("* is not known")
		}
		from, to := r.Order(0)
		ranges = append(ranges, mailbox.UIDRange{First: mailbox.UID(from), Last: mailbox.UID(to)})
	}
	if set.Saved {
		return nil, bad("$ is not known")
	}
	return mailbox.RangeSet(ranges...), nil
}

// resync tells what happened since the client's last visit: first what vanished,
// then the flags of what came or changed.
func (s *session) resync(r *resync, now *mailbox.Snapshot) error {
	v := s.view
	if r.validity != now.Mailbox().UIDValidity {
		return nil // it is another mailbox by the same name: nothing the client knows is worth anything
	}
	known := r.known
	if known == nil {
		known = mailbox.RangeSet(mailbox.UIDRange{First: 1, Last: max(now.Mailbox().UIDNext, 2) - 1})
	}
	gone, err := s.vanishedSince(r.mod, known)
	if err != nil {
		return err
	}
	if gone = gone.Minus(v.uids); gone.Len() > 0 {
		s.e.Raw("* VANISHED (EARLIER) ").Append(func(b []byte) []byte { return appendUIDs(b, gone) }).CRLF()
	}
	now.Changed(r.mod, func(e mailbox.Entry) bool {
		if known.Contains(e.UID) && s.beginFetch(e.UID) {
			s.e.Raw("UID ").Num(uint32(e.UID)).Raw(" FLAGS ").Flags(s.flags(e)).Raw(" MODSEQ (").Num64(int64(e.ModSeq)).Raw("))").CRLF()
		}
		return s.e.Err() == nil
	})
	return nil
}

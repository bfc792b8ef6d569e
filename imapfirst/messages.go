package imap

import (
	"slices"

	"colporteur/mail"
	"colporteur/store/mailbox"

	proto "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// atOnce is how many messages one call of the store handles: others write
// between two calls.
const atOnce = 500

// open is the selected view; write says that the command changes it.
func (s *session) open(write bool) (*view, error) {
	if s.view == nil { // the library checks its own state; a second line of defence
		return nil, bad("No mailbox is selected")
	}
	if write && s.view.readOnly {
		return nil, s.refuse(codeNone, "imap-read-only")
	}
	return s.view, nil
}

func (s *session) Store(w *imapserver.FetchWriter, set proto.NumSet, flags *proto.StoreFlags, _ *proto.StoreOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.open(true)
	if err != nil {
		return err
	}
	names, err := cleanFlags(flags.Flags)
	if err != nil {
		return err
	}
	op := mailbox.ReplaceFlags
	switch flags.Op {
	case proto.StoreFlagsAdd:
		op = mailbox.AddFlags
	case proto.StoreFlagsDel:
		op = mailbox.RemoveFlags
	}
	_, byUID := set.(proto.UIDSet)
	for uids := range slices.Chunk(s.pick(v, set), atOnce) {
		now, _, err := s.srv.Mailboxes.SetFlags(s.ctx, v.box, uids, op, names, 0)
		if err != nil {
			return s.fail(err)
		}
		for _, e := range now {
			n := v.seq(e.UID)
			if n == 0 {
				continue
			}
			if !flags.Silent {
				r := w.CreateMessage(n)
				if byUID {
					r.WriteUID(proto.UID(e.UID))
				}
				r.WriteFlags(wireFlags(e.Flags))
				if err := r.Close(); err != nil {
					return err
				}
			}
			v.tell(e)
		}
	}
	return nil
}

func (s *session) Copy(set proto.NumSet, dest string) (*proto.CopyData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.open(false)
	if err != nil {
		return nil, err
	}
	to, err := s.box(dest, true)
	if err != nil {
		return nil, err
	}
	uids := s.pick(v, set)
	if len(uids) == 0 {
		return nil, nil
	}
	// One call, whatever the number: RFC 3501 §6.4.7 wants all or nothing.
	src, dst, validity, err := s.srv.Mailboxes.Copy(s.ctx, v.box, uids, to.ID)
	if err != nil {
		return nil, s.copyFailed(err)
	}
	return copied(src, dst, validity), nil
}

// copyFailed: the target may have gone since box saw it.
func (s *session) copyFailed(err error) error {
	if mail.Is(err, mail.NotFound) {
		return s.refuse(proto.ResponseCodeTryCreate, "imap-no-folder")
	}
	return s.fail(err)
}

// copied is the COPYUID response, nil when nothing was there to copy: a set
// cannot be empty (RFC 4315 §3).
func copied(src, dst []mailbox.UID, validity uint32) *proto.CopyData {
	if len(src) == 0 || len(src) != len(dst) {
		return nil
	}
	return &proto.CopyData{UIDValidity: validity, SourceUIDs: uidSet(src), DestUIDs: uidSet(dst)}
}

func (s *session) Move(w *imapserver.MoveWriter, set proto.NumSet, dest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.open(true)
	if err != nil {
		return err
	}
	to, err := s.box(dest, true)
	if err != nil {
		return err
	}
	uids := s.pick(v, set)
	if len(uids) == 0 {
		return nil
	}
	src, dst, validity, err := s.srv.Mailboxes.Move(s.ctx, v.box, uids, to.ID)
	if err != nil {
		return s.copyFailed(err)
	}
	if data := copied(src, dst, validity); data != nil {
		if err := w.WriteCopyData(data); err != nil {
			return err
		}
	}
	return v.expunge(src, w.WriteExpunge)
}

// Expunge serves EXPUNGE, UID EXPUNGE and CLOSE; the last says nothing, and
// does nothing in a mailbox opened for reading (RFC 3501 §6.4.2).
func (s *session) Expunge(w *imapserver.ExpungeWriter, set *proto.UIDSet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wire.name() == "CLOSE" && s.view != nil && s.view.readOnly {
		return nil
	}
	v, err := s.open(true)
	if err != nil {
		return err
	}
	var uids []mailbox.UID // nil: all that are \Deleted
	if set != nil {
		if uids = s.pick(v, *set); len(uids) == 0 {
			return nil
		}
	}
	gone, err := s.srv.Mailboxes.Expunge(s.ctx, v.box, uids, true)
	if err != nil {
		return s.fail(err)
	}
	return v.expunge(gone, w.WriteExpunge)
}

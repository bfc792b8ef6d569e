package imap

import (
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store/mailbox"

	proto "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// view is the selected mailbox as the client believes it to be: message n is
// uids[n-1] until the client was told otherwise.
type view struct {
	box      mailbox.ID
	readOnly bool
	uids     []mailbox.UID                  // rising
	since    mailbox.ModSeq                 // what the store was asked for last
	gone     []mailbox.UID                  // vanished, but the client must not be told yet; rising
	told     map[mailbox.UID]mailbox.ModSeq // changes the client knows: it made them, or was answered
	keywords map[string]bool
}

// seq is the sequence number of uid, 0 when the client does not know it.
func (v *view) seq(uid mailbox.UID) uint32 {
	if i, ok := slices.BinarySearch(v.uids, uid); ok {
		return uint32(i + 1)
	}
	return 0
}

// tell remembers that the client knows e as it is.
func (v *view) tell(e mailbox.Entry) {
	if v.told == nil {
		v.told = make(map[mailbox.UID]mailbox.ModSeq)
	}
	v.told[e.UID] = e.ModSeq
}

// learn adds an entry's keywords and reports whether one was new.
func (v *view) learn(e mailbox.Entry) (news bool) {
	for _, f := range e.Flags {
		if !strings.HasPrefix(f, `\`) && !v.keywords[f] && len(v.keywords) < 200 {
			v.keywords[f] = true
			news = true
		}
	}
	return news
}

func (s *session) Select(name string, options *proto.SelectOptions) (*proto.SelectData, error) {
	mb, err := s.box(name, false)
	if err != nil {
		return nil, err
	}
	// The modseq is read before the entries: what happens between is told twice, never missed.
	entries, err := s.srv.Mailboxes.Entries(s.ctx, mb.ID, 0, 0)
	if err != nil {
		return nil, s.fail(err)
	}
	v := &view{box: mb.ID, readOnly: options.ReadOnly, since: mb.HighestMod, keywords: make(map[string]bool),
		uids: make([]mailbox.UID, len(entries))}
	next := mb.UIDNext
	var unseen uint32
	for i, e := range entries {
		v.uids[i] = e.UID
		v.learn(e)
		next = max(next, e.UID+1)
		if unseen == 0 && !has(e.Flags, proto.FlagSeen) {
			unseen = uint32(i + 1)
		}
	}
	s.mu.Lock()
	s.view, s.saved = v, nil
	s.mu.Unlock()
	data := &proto.SelectData{
		Flags:             flagList(v.keywords),
		NumMessages:       uint32(len(v.uids)),
		FirstUnseenSeqNum: unseen,
		UIDNext:           proto.UID(next),
		UIDValidity:       mb.UIDValidity,
	}
	if !v.readOnly {
		data.PermanentFlags = append(slices.Clone(data.Flags), proto.FlagWildcard)
	}
	return data, nil
}

func (s *session) Unselect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view, s.saved = nil, nil
	return nil
}

// Poll tells what changed, after each command. A failure here is no failure of
// the command, which is done: the next one will tell.
func (s *session) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sync(w, allowExpunge)
}

// sync is called with mu held.
func (s *session) sync(w *imapserver.UpdateWriter, allowExpunge bool) error {
	v := s.view
	if v == nil {
		return nil
	}
	changed, vanished, high, err := s.srv.Mailboxes.Changed(s.ctx, v.box, v.since)
	switch {
	case mail.Is(err, mail.NotFound):
		// Somebody deleted the mailbox: it is empty now, and stays so (RFC 2180 §3).
		vanished, high = slices.Clone(v.uids), v.since
	case err != nil:
		s.fail(err)
		return nil
	}
	v.since = max(v.since, high)
	v.gone = append(v.gone, vanished...)
	if allowExpunge && len(v.gone) > 0 {
		gone := v.gone
		v.gone = nil
		if err := v.expunge(gone, w.WriteExpunge); err != nil {
			return err
		}
	}

	known := len(v.uids)
	news := false
	var flags []mailbox.Entry
	for _, e := range changed {
		if len(v.uids) == 0 || e.UID > v.uids[len(v.uids)-1] {
			v.uids = append(v.uids, e.UID)
			news = v.learn(e) || news
			continue
		}
		if i, ok := slices.BinarySearch(v.uids, e.UID); ok && i < known && v.told[e.UID] != e.ModSeq {
			flags = append(flags, e)
			news = v.learn(e) || news
		}
	}
	v.told = nil
	if len(v.uids) > known {
		if err := w.WriteNumMessages(uint32(len(v.uids))); err != nil {
			return err
		}
		if err := w.WriteNumRecent(0); err != nil {
			return err
		}
	}
	if news {
		if err := w.WriteMailboxFlags(flagList(v.keywords)); err != nil {
			return err
		}
	}
	for _, e := range flags {
		if err := w.WriteMessageFlags(v.seq(e.UID), proto.UID(e.UID), wireFlags(e.Flags)); err != nil {
			return err
		}
	}
	return nil
}

// expunge takes uids out of the picture and says so. From the end, so that each
// number is right when it is said.
func (v *view) expunge(uids []mailbox.UID, say func(seq uint32) error) error {
	uids = slices.Clone(uids)
	slices.Sort(uids)
	uids = slices.Compact(uids)
	drop := make([]bool, len(v.uids))
	var err error
	for _, uid := range slices.Backward(uids) {
		n := v.seq(uid)
		if n == 0 {
			continue
		}
		drop[n-1] = true
		if err == nil {
			err = say(n)
		}
	}
	kept := v.uids[:0]
	for i, uid := range v.uids {
		if !drop[i] {
			kept = append(kept, uid)
		}
	}
	v.uids = kept
	v.gone = slices.DeleteFunc(v.gone, func(uid mailbox.UID) bool { return v.seq(uid) == 0 })
	return err
}

// Idle tells changes as they happen (RFC 2177).
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	changed, end := s.srv.Mailboxes.Watch(s.user.Account)
	defer end()
	for {
		if err := s.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case <-s.ctx.Done():
			return nil
		case <-changed:
		}
	}
}

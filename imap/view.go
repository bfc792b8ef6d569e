package imap

import (
	"slices"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// view is the selected mailbox as the client believes it to be: message n is
// uids.At(n) until the client was told otherwise.
type view struct {
	box      mailbox.Mailbox // as it was when it was selected
	rights   mailbox.Rights
	readOnly bool
	uids     *mailbox.UIDSet                // what the client knows; shared
	gone     *mailbox.UIDSet                // of uids: is gone, and it must not be told yet
	mod      mailbox.ModSeq                 // up to which it was told of changes
	told     map[mailbox.UID]mailbox.ModSeq // changes after mod that it knows: it made them, or was answered
	keywords []string                       // that it was told of
	lost     bool                           // somebody deleted the mailbox, or took away the right to read it
	followed []*followed                    // searches that are told of updates
	examined bool                           // EXAMINE: read-only whatever the rights
	guest    *guest                         // nil: it is this member's own
}

// seq is the sequence number of uid; 0 when the client does not know it.
func (v *view) seq(uid mailbox.UID) uint32 { return uint32(v.uids.Rank(uid)) }

// tell remembers that the client knows e as it is.
func (v *view) tell(e mailbox.Entry) {
	if e.ModSeq <= v.mod {
		return
	}
	if v.told == nil {
		v.told = make(map[mailbox.UID]mailbox.ModSeq)
	}
	v.told[e.UID] = e.ModSeq
}

// snapshot is the selected mailbox as it is now.
func (s *session) snapshot() (*mailbox.Snapshot, error) {
	now, err := s.srv.Mailboxes.Snapshot(s.ctx, s.view.box.ID)
	if err == nil {
		err = s.visit(now)
	}
	return now, err
}

// set is the UIDs of the view that a client's set names. A sequence number that
// is not there is a mistake of the client's (RFC 9051 §9 seq-number); a UID that
// is not there is none (§6.4.9).
func (s *session) set(n wire.NumSet) (*mailbox.UIDSet, error) {
	v := s.view
	if n.Saved {
		return s.saved.And(v.uids), nil
	}
	ranges := make([]mailbox.UIDRange, 0, len(n.Ranges))
	if s.byUID || s.on.uidOnly {
		for _, r := range n.Ranges {
			from, to := r.Order(uint32(v.uids.Last()))
			ranges = append(ranges, mailbox.UIDRange{First: mailbox.UID(from), Last: mailbox.UID(to)})
		}
		return mailbox.RangeSet(ranges...).And(v.uids), nil
	}
	size := uint32(v.uids.Len())
	for _, r := range n.Ranges {
		from, to := r.Order(size)
		if to > size || from == 0 {
			if r.Start != wire.Star && r.Stop != wire.Star {
				return nil, bad("There is no such message")
			}
			// Programs ask for "1:*" of an empty mailbox, and for "9:*" when they know
			// eight, without looking: * is the last one there is.
			if size == 0 {
				continue
			}
			to = size
			from = min(from, size)
		}
		ranges = append(ranges, mailbox.UIDRange{First: mailbox.UID(from), Last: mailbox.UID(to)})
	}
	return v.uids.Pick(mailbox.RangeSet(ranges...)), nil
}

// sync tells what changed since the client was told last. A failure is no
// failure of the command, which is done: the next one will tell.
func (s *session) sync(expunge bool) {
	v := s.view
	if v.lost {
		return
	}
	n, now, err := s.news()
	switch {
	case mail.Is(err, mail.NotFound):
		s.lose()
		return
	case err != nil:
		if s.ctx.Err() == nil {
			s.srv.log().Error("imap sync", "user", s.user.Address, "err", err)
		}
		return
	}
	fresh := (*mailbox.UIDSet)(nil)
	if n.UIDs != v.uids || v.gone.Len() > 0 {
		v.gone = v.gone.Or(v.uids.Minus(n.UIDs))
		fresh = n.UIDs.Above(v.uids.Last())
		if expunge && v.gone.Len() > 0 {
			s.tellGone(v.gone)
		}
	}
	if fresh.Len() > 0 {
		if v.uids = v.uids.Or(fresh); v.uids.Len() == n.UIDs.Len() {
			v.uids = n.UIDs // the one that others have too
		}
		s.e.Raw("* ").Num(uint32(v.uids.Len())).Raw(" EXISTS").CRLF()
		if !s.on.rev2 {
			s.e.Raw("* 0 RECENT").CRLF()
		}
	}
	s.tellKeywords(n.Keywords)
	for _, e := range n.Changed {
		// What it was told of already, or will ask for as new mail.
		if v.told[e.UID] != e.ModSeq && !fresh.Contains(e.UID) && v.uids.Contains(e.UID) {
			s.tellFlags(e)
		}
	}
	v.mod, v.told = max(v.mod, n.Box.HighestMod), nil
	if now != nil {
		s.refollow(now)
	}
}

// news is what happened in the selected mailbox. The snapshot is there only when
// somebody needs it: a guest's flags, a search that is followed.
func (s *session) news() (n mailbox.News, now *mailbox.Snapshot, err error) {
	v := s.view
	if v.box.Account == s.user.Account && len(v.followed) == 0 {
		n, err = s.srv.Mailboxes.News(s.ctx, v.box.ID, v.uids, v.mod)
		return n, nil, err
	}
	if now, err = s.snapshot(); err == nil {
		n = now.News(v.mod)
	}
	return n, now, err
}

// tellGone tells that mails are gone, and forgets them.
func (s *session) tellGone(gone *mailbox.UIDSet) {
	v := s.view
	if gone.Len() == 0 { // a set cannot be empty
		return
	}
	s.unfollow(gone)
	if s.on.qresync || s.on.uidOnly {
		s.e.Raw("* VANISHED ").Append(func(b []byte) []byte { return appendUIDs(b, gone) }).CRLF()
	} else {
		// From the end, so that each number is right when it is said.
		for n := gone.Len(); n > 0; n-- {
			s.e.Raw("* ").Num(v.seq(gone.At(n))).Raw(" EXPUNGE").CRLF()
		}
	}
	v.uids, v.gone = v.uids.Minus(gone), v.gone.Minus(gone)
	s.saved = s.saved.Minus(gone)
}

// lose is what happens when somebody deletes the mailbox: it is empty now, and
// stays so (RFC 2180 §3).
func (s *session) lose() {
	s.view.lost = true
	s.tellGone(s.view.uids)
}

// tellKeywords announces keywords that are new.
func (s *session) tellKeywords(in []string) {
	v := s.view
	fresh := slices.DeleteFunc(slices.Clone(in), func(k string) bool { return has(v.keywords, k) })
	if len(fresh) > 0 {
		v.keywords = append(slices.Clone(v.keywords), fresh...)
		slices.Sort(v.keywords)
		s.e.Raw("* FLAGS ").Flags(flagList(v.keywords)).CRLF()
	}
}

// tellFlags is the FETCH response for a change of flags that the client did not
// ask for.
func (s *session) tellFlags(e mailbox.Entry) {
	if !s.beginFetch(e.UID) {
		return
	}
	s.e.Raw("FLAGS ").Flags(s.flags(e))
	if s.byUID || s.on.qresync { // RFC 7162 §3.2.4
		s.tellUID(e.UID)
	}
	if s.on.condstore {
		s.e.Raw(" MODSEQ (").Num64(int64(e.ModSeq)).Raw(")")
	}
	s.e.Raw(")").CRLF()
}

// beginFetch writes "* 12 FETCH (", or "* 345 UIDFETCH (" for who knows no
// sequence numbers (RFC 9586); false when the client does not know the mail.
func (s *session) beginFetch(uid mailbox.UID) bool {
	n := s.view.seq(uid)
	if n == 0 {
		return false
	}
	s.e.Raw("* ")
	if s.on.uidOnly {
		s.e.Num(uint32(uid)).Raw(" UIDFETCH (")
	} else {
		s.e.Num(n).Raw(" FETCH (")
	}
	return true
}

func (s *session) tellUID(uid mailbox.UID) {
	if !s.on.uidOnly {
		s.e.Raw(" UID ").Num(uint32(uid))
	}
}

// appendUIDs writes a set as a sequence-set; it must not be empty.
func appendUIDs(b []byte, set *mailbox.UIDSet) []byte {
	for i, r := range set.Ranges() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNumber(b, uint32(r.First))
		if r.Last != r.First {
			b = append(b, ':')
			b = appendNumber(b, uint32(r.Last))
		}
	}
	return b
}

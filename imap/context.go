package imap

import (
	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

// A followed search is told of mails that begin or cease to match (RFC 5267
// UPDATE), until CANCELUPDATE or another mailbox is selected. Only mails that
// changed are asked again.
type followed struct {
	tag   string
	byUID bool
	query *mailbox.Query
	set   *mailbox.UIDSet // what the client knows to match
	mod   mailbox.ModSeq  // up to which it was asked
}

// maxFollowed searches of one session.
const maxFollowed = 8

// follow begins to follow a search that was just answered with set.
func (s *session) follow(q *mailbox.Query, set *mailbox.UIDSet) {
	if len(s.view.followed) == maxFollowed {
		s.refuseUpdate()
		return
	}
	s.view.followed = append(s.view.followed, &followed{tag: s.tag, byUID: s.byUID, query: q, set: set, mod: s.view.mod})
}

func (s *session) refuseUpdate() {
	s.e.Raw("* NO [NOUPDATE ").String(s.tag).Raw("] This search is not followed").CRLF()
}

// cancelUpdate is CANCELUPDATE (RFC 5267 §4.3.3).
func (s *session) cancelUpdate(d *wire.Decoder) error {
	var tags []string
	for !d.AtEnd() {
		if err := d.SP(); err != nil {
			return err
		}
		tag, err := d.Quoted()
		if err != nil {
			return err
		}
		tags = append(tags, tag)
	}
	if len(tags) == 0 {
		return bad("CANCELUPDATE needs a tag")
	}
	kept := s.view.followed[:0]
	for _, f := range s.view.followed {
		if !has(tags, f.tag) {
			kept = append(kept, f)
		}
	}
	clear(s.view.followed[len(kept):])
	s.view.followed = kept
	return nil
}

// unfollow tells followed searches that mails are about to go: before their
// numbers mean others.
func (s *session) unfollow(gone *mailbox.UIDSet) {
	for _, f := range s.view.followed {
		s.tellFollowed(f, "REMOVEFROM", f.set.And(gone))
		f.set = f.set.Minus(gone)
	}
}

// refollow asks followed searches for what changed.
func (s *session) refollow(now *mailbox.Snapshot) {
	for _, f := range s.view.followed {
		var changed []mailbox.UID
		now.Changed(f.mod, func(e mailbox.Entry) bool {
			if s.view.uids.Contains(e.UID) {
				changed = append(changed, e.UID)
			}
			return true
		})
		f.mod = max(f.mod, now.Mailbox().HighestMod)
		if len(changed) == 0 {
			continue
		}
		asked := mailbox.MakeUIDSet(changed...)
		var match []mailbox.UID
		q := &mailbox.Query{UIDs: asked, And: []mailbox.Query{*f.query}}
		if err := s.srv.Mailboxes.Search(s.ctx, now, q, func(e mailbox.Entry) bool {
			match = append(match, e.UID)
			return true
		}); err != nil {
			continue // they are asked again when they change again
		}
		matches := mailbox.MakeUIDSet(match...)
		s.tellFollowed(f, "REMOVEFROM", f.set.And(asked).Minus(matches))
		s.tellFollowed(f, "ADDTO", matches.Minus(f.set))
		f.set = f.set.Minus(asked).Or(matches)
	}
}

// tellFollowed writes "* ESEARCH (TAG "a") UID ADDTO (0 7,9)"; the place 0 says
// that the results are in no order.
func (s *session) tellFollowed(f *followed, what string, set *mailbox.UIDSet) {
	if set.Len() == 0 {
		return
	}
	s.e.Raw("* ESEARCH (TAG ").String(f.tag).Raw(")")
	if f.byUID {
		s.e.Raw(" UID")
	}
	s.e.Raw(" " + what + " (0 ")
	writeRuns(s.e, set.Len(), func(i int) uint32 {
		uid := set.At(i + 1)
		if f.byUID {
			return uint32(uid)
		}
		return s.view.seq(uid)
	})
	s.e.Raw(")").CRLF()
}

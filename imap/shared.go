package imap

import (
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// guest is what a session knows beside the view when the selected mailbox is in
// somebody else's account.
type guest struct {
	seen    *mailbox.UIDSet // what this member has read
	granted uint64          // grants as of when the rights were looked up
	checked time.Time
	shown   map[*string][]string // flags as this member sees them, by those of the store
}

// believed is how long a node may go by rights that another node has changed.
const believed = 5 * time.Second

// visit brings up to date what a guest may do and has read. Kind NotFound: they
// may not look at the mailbox any more, which is for them as if it were gone.
func (s *session) visit(now *mailbox.Snapshot) error {
	v := s.view
	if v.box.Account == s.user.Account {
		return nil
	}
	if v.guest == nil {
		v.guest = &guest{shown: map[*string][]string{}}
	}
	g := v.guest
	granted := s.srv.Mailboxes.Granted()
	if granted != g.granted || s.srv.now().Sub(g.checked) > believed {
		_, rights, err := s.srv.Mailboxes.ResolveID(s.ctx, s.user, v.box.ID)
		if err == nil && !rights.Has(mailbox.RightRead) {
			err = mail.Wrap(mail.NotFound, nil)
		}
		if err != nil {
			return err
		}
		v.rights, v.readOnly = rights, v.examined || !rights.MayChange()
		g.granted, g.checked = granted, s.srv.now()
	}
	seen, err := s.srv.Mailboxes.Seen(s.ctx, now, s.user.Account)
	if err == nil {
		g.seen = seen
	}
	return err
}

// flags are an entry's as this member sees them.
func (s *session) flags(e mailbox.Entry) []string {
	g := s.view.guest
	if g == nil || g.seen.Contains(e.UID) == has(e.Flags, `\Seen`) {
		return e.Flags
	}
	if len(e.Flags) == 0 {
		return seenOnly
	}
	// Few sets of flags are in use at a time, and entries share them.
	key := &e.Flags[0]
	f, ok := g.shown[key]
	if !ok {
		if len(g.shown) > 1000 {
			clear(g.shown)
		}
		f = mailbox.ShownFlags(e.Flags, e.UID, g.seen)
		g.shown[key] = f
	}
	return f
}

var seenOnly = []string{`\Seen`}

// filing are the flags with which a mail can be filed in m by who has the rights
// r there: the others are left out (RFC 4314 §4, APPEND). read says that it is
// to be \Seen by this member alone, which filed does.
func (s *session) filing(m mailbox.Mailbox, r mailbox.Rights, flags []string) (kept []string, read bool) {
	for _, f := range flags {
		switch {
		case !r.MaySet(f):
		case f == `\Seen` && m.Account != s.user.Account:
			read = true
		default:
			kept = append(kept, f)
		}
	}
	return kept, read
}

// filed marks mails that this member filed in somebody else's mailbox as read by them.
func (s *session) filed(m mailbox.Mailbox, read bool, uids ...mailbox.UID) error {
	if !read {
		return nil
	}
	_, _, err := s.srv.Mailboxes.SetSeen(s.ctx, m.ID, s.user.Account, uids, true, 0)
	return err
}

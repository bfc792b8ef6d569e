package imap

import (
	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

var threadCommands = commands{
	"THREAD":     {in: selected, run: (*session).thread, numbers: true, quiet: true},
	"UID THREAD": {in: selected, run: (*session).thread, numbers: true},
}

var threadCapabilities = []string{"THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES"}

// thread is THREAD (RFC 5256).
func (s *session) thread(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	how, err := d.Word()
	if err != nil {
		return err
	}
	threads := s.srv.Mailboxes.Conversations
	switch how {
	case "REFERENCES":
	case "ORDEREDSUBJECT":
		threads = s.srv.Mailboxes.Subjects
	default:
		return bad("Unknown way to thread")
	}
	q, _, err := s.parseSearched(d)
	if err != nil {
		return err
	}
	found, err := s.find(q)
	if err != nil {
		return err
	}
	roots, err := threads(s.ctx, s.view.box, found)
	if err != nil {
		return err
	}
	s.e.Raw("* THREAD")
	if len(roots) > 0 {
		s.e.SP()
	}
	r := result{s: s}
	for _, t := range roots {
		s.e.Raw("(")
		r.thread(t)
		s.e.Raw(")")
	}
	s.e.CRLF()
	return nil
}

// thread writes "3 6 (4 23)(44 7 96)". A mail with one answer is followed by it;
// only where a thread branches there are parentheses. No recursion: strangers
// decide how deep a thread is.
func (r *result) thread(t *mailbox.Thread) {
	type place struct {
		list  []*mailbox.Thread // that are still to be written, each in parentheses
		after bool              // a parenthesis is open
	}
	var open []place
	for t != nil {
		if t.Entry.UID != 0 {
			r.s.e.Num(r.number(t.Entry.UID))
			if len(t.Children) > 0 {
				r.s.e.SP()
			}
		}
		switch len(t.Children) {
		case 1:
			t = t.Children[0]
			continue
		case 0:
		default:
			open = append(open, place{list: t.Children})
		}
		t = nil
		for t == nil && len(open) > 0 {
			p := &open[len(open)-1]
			if p.after {
				r.s.e.Raw(")")
				p.after = false
			}
			if len(p.list) == 0 {
				open = open[:len(open)-1]
				continue
			}
			r.s.e.Raw("(")
			p.after = true
			t, p.list = p.list[0], p.list[1:]
		}
	}
}

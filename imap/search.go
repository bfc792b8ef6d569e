package imap

import (
	"context"
	"time"

	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

var searchCommands = commands{
	"SEARCH":       {in: selected, run: (*session).search, numbers: true, quiet: true},
	"UID SEARCH":   {in: selected, run: (*session).search, numbers: true},
	"CANCELUPDATE": {in: selected, run: (*session).cancelUpdate},
}

var searchCapabilities = []string{"ESEARCH", "SEARCHRES", "WITHIN", "CONTEXT=SEARCH", "PARTIAL", "INPROGRESS"}

// search is SEARCH (RFC 9051 §6.4.4).
func (s *session) search(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	opt, err := s.parseReturn(d)
	if err != nil {
		return err
	}
	charset, err := parseCharset(d)
	if err != nil {
		return err
	}
	c, err := s.charset(d, charset)
	if err != nil {
		return err
	}
	q, err := c.program()
	if err != nil {
		return err
	}
	found, err := s.find(q)
	if err != nil {
		if opt.save { // RFC 5182 §2.1: a search that fails empties the result
			s.saved = nil
		}
		return err
	}
	r := result{s: s, set: foundUIDs(found), found: found, modseq: c.modseq}
	if opt.save {
		s.saved = r.saved(opt)
	}
	if opt.given || s.on.rev2 {
		r.esearch(opt)
	} else {
		r.list("SEARCH")
	}
	if opt.update {
		s.follow(q, r.set)
	}
	return nil
}

// parseCharset reads "CHARSET name " if it is there. No search key begins so.
func parseCharset(d *wire.Decoder) (string, error) {
	if !d.IsWord("CHARSET") {
		return "", nil
	}
	if err := d.SP(); err != nil {
		return "", err
	}
	name, err := d.AString()
	if err != nil {
		return "", err
	}
	return name, d.SP()
}

// Of a search that takes long.
const (
	lookAfter   = 500 * time.Millisecond // whether the client is still there
	tellEvery   = 10 * time.Second       // that it goes on (RFC 9585)
	afterSoMany = 1000                   // mails, the clock is looked at
)

// find searches the selected mailbox. It finds what the client knows, and ends
// early when the client has left.
func (s *session) find(q *mailbox.Query) (found []mailbox.Entry, err error) {
	now, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	if err := s.visit(now); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	stop := s.conn.watch(lookAfter, cancel)
	defer stop()
	told := time.Now()
	whole := *q
	whole.Progress = func(done int) {
		if time.Since(told) < or(s.srv.tellEvery, tellEvery) {
			return
		}
		told = time.Now()
		s.e.Raw(`* OK [INPROGRESS ("`).Raw(s.tag).Raw(`" `).Num(uint32(done)).SP().Num(uint32(now.Len())).Raw(")] Searching").CRLF()
		s.e.Flush()
	}
	all := now.UIDs() == s.view.uids
	err = s.srv.Mailboxes.Search(ctx, now, &whole, func(e mailbox.Entry) bool {
		if all || s.view.uids.Contains(e.UID) { // of the others the client was not told yet
			found = append(found, e)
		}
		return true
	})
	return found, err
}

func foundUIDs(entries []mailbox.Entry) *mailbox.UIDSet {
	uids := make([]mailbox.UID, len(entries))
	for i, e := range entries {
		uids[i] = e.UID
	}
	return mailbox.MakeUIDSet(uids...)
}

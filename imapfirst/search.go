package imap

import (
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store/mailbox"

	proto "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

func (s *session) Search(kind imapserver.NumKind, criteria *proto.SearchCriteria, options *proto.SearchOptions) (*proto.SearchData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.open(false)
	if err != nil {
		return nil, err
	}
	q, err := s.query(v, criteria, 0)
	if err != nil {
		return nil, err
	}
	entries, err := s.srv.Mailboxes.Find(s.ctx, v.box, q)
	if err != nil {
		if options.ReturnSave { // RFC 5182 §2.1: a failed search empties the result
			s.saved = nil
		}
		return nil, s.fail(err)
	}
	uids := make([]mailbox.UID, 0, len(entries))
	for _, e := range entries {
		if v.seq(e.UID) != 0 { // the client has not been told of the others
			uids = append(uids, e.UID)
		}
	}
	if options.ReturnSave {
		s.saved = uids
		if n := len(uids); n > 0 && !options.ReturnAll && !options.ReturnCount { // RFC 5182 §2.4
			switch {
			case options.ReturnMin && options.ReturnMax:
				s.saved = slices.Compact([]mailbox.UID{uids[0], uids[n-1]})
			case options.ReturnMin:
				s.saved = uids[:1]
			case options.ReturnMax:
				s.saved = uids[n-1:]
			}
		}
	}
	data := &proto.SearchData{Count: uint32(len(uids))}
	if kind == imapserver.NumKindUID {
		data.All = uidSet(uids)
		if n := len(uids); n > 0 {
			data.Min, data.Max = uint32(uids[0]), uint32(uids[n-1])
		}
		return data, nil
	}
	seqs := proto.SeqSet{}
	for _, uid := range uids {
		seq := v.seq(uid)
		if n := len(seqs); n > 0 && seqs[n-1].Stop+1 == seq {
			seqs[n-1].Stop = seq
		} else {
			seqs = append(seqs, proto.SeqRange{Start: seq, Stop: seq})
		}
	}
	data.All = seqs
	if n := len(seqs); n > 0 {
		data.Min, data.Max = seqs[0].Start, seqs[n-1].Stop
	}
	return data, nil
}

// query translates criteria. They are as deep as the client nested them.
func (s *session) query(v *view, c *proto.SearchCriteria, depth int) (*mailbox.Query, error) {
	if depth > maxDepth {
		return nil, bad("Too deeply nested")
	}
	q := &mailbox.Query{
		Since:      c.Since,
		Before:     c.Before,
		SentSince:  c.SentSince,
		SentBefore: c.SentBefore,
	}
	if c.Larger > 0 {
		q.Larger = &c.Larger
	}
	if c.Smaller > 0 {
		q.Smaller = &c.Smaller
	}
	for _, h := range c.Header {
		q.Header = append(q.Header, mailbox.HeaderQuery{Field: strings.ToLower(clean(h.Key)), Value: clean(h.Value)})
	}
	for _, t := range c.Body {
		q.Body = append(q.Body, clean(t))
	}
	for _, t := range c.Text {
		q.Text = append(q.Text, clean(t))
	}
	for _, f := range c.Flag {
		name, ok := cleanFlag(string(f))
		if !ok || name == "" {
			// \Recent, which nothing ever is here, or no flag at all: matches nothing.
			q.UIDs = &mailbox.UIDSet{}
			continue
		}
		q.Flags = append(q.Flags, name)
	}
	for _, f := range c.NotFlag {
		if name, ok := cleanFlag(string(f)); ok && name != "" {
			q.NotFlags = append(q.NotFlags, name)
		}
	}
	var sets []proto.NumSet
	for _, set := range c.SeqNum {
		sets = append(sets, set)
	}
	for _, set := range c.UID {
		sets = append(sets, set)
	}
	for _, set := range sets {
		q.UIDs = both(q.UIDs, s.inSet(v, set))
	}
	for i := range c.Not {
		sub, err := s.query(v, &c.Not[i], depth+1)
		if err != nil {
			return nil, err
		}
		q.Not = append(q.Not, *sub)
	}
	for i := range c.Or {
		a, err := s.query(v, &c.Or[i][0], depth+1)
		if err != nil {
			return nil, err
		}
		b, err := s.query(v, &c.Or[i][1], depth+1)
		if err != nil {
			return nil, err
		}
		q.Or = append(q.Or, [2]mailbox.Query{*a, *b})
	}
	if c.ModSeq != nil {
		return nil, mail.Refuse(mail.BadSyntax, "kind-bad-syntax")
	}
	return q, nil
}

// inSet is which messages are in set.
func (s *session) inSet(v *view, set proto.NumSet) *mailbox.UIDSet {
	if proto.IsSearchRes(set) {
		return mailbox.MakeUIDSet(s.saved...)
	}
	var uids []mailbox.UID
	for i, on := range v.mark(v.spans(set)) {
		if on {
			uids = append(uids, v.uids[i])
		}
	}
	return mailbox.MakeUIDSet(uids...)
}

func both(a, b *mailbox.UIDSet) *mailbox.UIDSet {
	if a == nil {
		return b
	}
	return a.And(b)
}

// clean makes a client's text fit for the database, which takes neither NUL nor
// invalid UTF-8.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

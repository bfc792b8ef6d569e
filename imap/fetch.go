package imap

import (
	"slices"
	"strconv"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

var fetchCommands = commands{
	"FETCH":     {in: selected, run: (*session).fetch, numbers: true, quiet: true},
	"UID FETCH": {in: selected, run: (*session).fetch},
}

var fetchCapabilities = []string{"BINARY", "PREVIEW", "SAVEDATE", "OBJECTID", "UIDONLY"}

// fetchAtOnce is how many messages are prepared at a time.
const fetchAtOnce = 512

// fetch answers FETCH and UID FETCH. Everything but the octets of messages comes
// from the snapshot and from cards, which are ready text.
func (s *session) fetch(d *wire.Decoder) error {
	plan, err := parseFetch(d)
	if err != nil {
		return err
	}
	switch {
	case plan.vanished && (!s.byUID || !s.on.qresync || !plan.changed):
		return bad("VANISHED needs UID FETCH, CHANGEDSINCE, and QRESYNC enabled") // RFC 7162 §3.2.6
	case plan.partial != nil && !s.byUID:
		return bad("PARTIAL needs UID FETCH") // RFC 9394 §3.3
	}
	if plan.modseq {
		s.on.condstore = true // RFC 7162 §3.1
	}
	set, err := s.set(plan.set)
	if err != nil {
		return err
	}
	now, err := s.fetchable()
	if err != nil {
		return err
	}
	if plan.vanished {
		if err := s.tellVanishedEarlier(plan.since, plan.set, now); err != nil {
			return err
		}
	}
	f := fetch{session: s, plan: plan, now: now}
	if plan.changed {
		set = f.changedIn(set)
	}
	if plan.partial != nil {
		set = plan.partial.cut(set)
	}
	set, s.code = s.limit(set)
	f.prepare()
	if err := f.all(set); err != nil {
		return err
	}
	return f.failed
}

// fetchable is the mailbox as it is now; empty when somebody deleted it.
func (s *session) fetchable() (*mailbox.Snapshot, error) {
	now, err := s.snapshot()
	if mail.Is(err, mail.NotFound) {
		return nil, nil
	}
	return now, err
}

// tellVanishedEarlier is VANISHED (EARLIER) for the UIDs that the client named:
// those that it knows and that are gone (RFC 7162 §3.2.6).
func (s *session) tellVanishedEarlier(since mailbox.ModSeq, named wire.NumSet, now *mailbox.Snapshot) error {
	ranges := make([]mailbox.UIDRange, 0, len(named.Ranges))
	for _, r := range named.Ranges {
		from, to := r.Order(1<<32 - 1)
		ranges = append(ranges, mailbox.UIDRange{First: mailbox.UID(from), Last: mailbox.UID(to)})
	}
	within := mailbox.RangeSet(ranges...)
	if named.Saved {
		within = s.saved
	}
	// What the view still has is told by EXPUNGE or VANISHED in its time.
	gone, err := s.vanishedSince(since, within.Minus(s.view.uids))
	if err == nil && gone.Len() > 0 {
		s.e.Raw("* VANISHED (EARLIER) ").Append(func(b []byte) []byte { return appendUIDs(b, gone) }).CRLF()
	}
	return err
}

// fetch is one FETCH at work.
type fetch struct {
	*session
	plan fetching
	now  *mailbox.Snapshot // nil: the mailbox is gone

	cards     bool // envelopes, structures, previews, or where a header ends
	octets    bool // what is asked for is in the message
	structure bool // parts are asked for
	headers   bool // nothing but headers is

	failed error // of one message: the others are answered all the same

	// Memory that serves one message after the other.
	b     []byte // the response at hand
	parts []part
	arena []byte // octets of parts that stand nowhere else
}

// prepare finds out what has to be read.
func (f *fetch) prepare() {
	f.headers = true
	for i := range f.plan.items {
		it := &f.plan.items[i]
		switch it.kind {
		case fetchEnvelope, fetchBody, fetchStructure, fetchPreview:
			f.cards = true
		case fetchSection, fetchBinary, fetchBinarySize:
			if it.common && len(it.path) == 0 {
				f.cards = true // in nearly every card
				continue
			}
			f.octets = true
			f.structure = f.structure || len(it.path) > 0
			f.cards = f.cards || len(it.path) == 0 && it.what != ""
			f.headers = f.headers && len(it.path) == 0 && it.kind == fetchSection && it.what != "" && it.what != "TEXT"
		}
	}
	// RFC 7162 §3.2.4: who wants to know modseqs is told them with every flag.
	f.plan.modseq = f.plan.modseq || f.plan.flags && f.on.condstore
}

// changedIn is what of set changed after plan.since. What went since then counts as
// changed: its EXPUNGE is to come.
func (f *fetch) changedIn(set *mailbox.UIDSet) *mailbox.UIDSet {
	if f.now == nil {
		return set
	}
	var uids []mailbox.UID
	f.now.Changed(f.plan.since, func(e mailbox.Entry) bool {
		if set.Contains(e.UID) {
			uids = append(uids, e.UID)
		}
		return true
	})
	return mailbox.MakeUIDSet(uids...)
}

// each calls do with the entries of set, a few hundred at a time. Of mails that
// are gone too: the view still has them.
func (f *fetch) each(set *mailbox.UIDSet, do func([]mailbox.Entry) error) error {
	var there *mailbox.UIDSet
	if f.now != nil {
		there = f.now.UIDs()
	}
	var gone []mailbox.Entry
	if lost := set.Minus(there); lost.Len() > 0 {
		var err error
		if gone, err = f.srv.Mailboxes.Expunged(f.ctx, f.view.box.ID, slices.Collect(lost.All)); err != nil {
			return err
		}
		set = set.And(there)
	}
	batch := make([]mailbox.Entry, 0, min(fetchAtOnce, set.Len()+len(gone)))
	add := func(e mailbox.Entry) error {
		if batch = append(batch, e); len(batch) < fetchAtOnce {
			return nil
		}
		err := do(batch)
		batch = batch[:0]
		return err
	}
	for _, r := range set.Ranges() {
		i := there.Rank(r.First) - 1
		for n := int(r.Last-r.First) + 1; n > 0; n-- {
			e := f.now.At(i)
			i++
			for len(gone) > 0 && gone[0].UID < e.UID {
				if err := add(gone[0]); err != nil {
					return err
				}
				gone = gone[1:]
			}
			if err := add(e); err != nil {
				return err
			}
		}
	}
	for _, e := range gone {
		if err := add(e); err != nil {
			return err
		}
	}
	if len(batch) > 0 {
		return do(batch)
	}
	return nil
}

// all writes the answers.
func (f *fetch) all(set *mailbox.UIDSet) error {
	return f.each(set, func(batch []mailbox.Entry) error {
		if err := f.ctx.Err(); err != nil {
			return mail.Wrap(mail.Unavailable, err)
		}
		fresh, err := f.markSeen(batch)
		if err != nil {
			return err
		}
		if f.octets {
			return f.withOctets(batch, fresh)
		}
		var cards []*mail.Card
		if f.cards {
			if cards, err = f.srv.Mailboxes.Cards(f.ctx, batch); err != nil {
				return err
			}
		}
		for i := range batch {
			m := fetched{entry: &batch[i], fresh: fresh[batch[i].UID]}
			if f.cards {
				if m.card = cards[i]; m.card == nil {
					continue // purged: an EXPUNGE will tell
				}
			}
			if err := f.answer(&m); err != nil {
				return err
			}
		}
		return f.e.Err()
	})
}

// markSeen sets \Seen where a body is read without PEEK (RFC 9051 §6.4.5), and
// says which messages had not been seen: their flags are told too. The entries
// are brought up to date.
func (f *fetch) markSeen(batch []mailbox.Entry) (map[mailbox.UID]bool, error) {
	v := f.view
	if !f.plan.see || v.readOnly || f.now == nil || !v.rights.Has(mailbox.RightSeen) {
		return nil, nil
	}
	var unseen []mailbox.UID
	for _, e := range batch {
		if !has(f.flags(e), `\Seen`) && f.now.UIDs().Contains(e.UID) {
			unseen = append(unseen, e.UID)
		}
	}
	if len(unseen) == 0 {
		return nil, nil
	}
	now, _, err := f.srv.Mailboxes.SetFlagsAs(f.ctx, f.user, v.box, v.rights, unseen, mailbox.AddFlags, []string{`\Seen`}, 0)
	if err != nil {
		return nil, err
	}
	if v.guest != nil { // what they have read stands beside the entries
		if f.now, err = f.fetchable(); err != nil {
			return nil, err
		}
	}
	fresh := make(map[mailbox.UID]bool, len(now))
	for _, e := range now {
		i, ok := slices.BinarySearchFunc(batch, e.UID, func(a mailbox.Entry, uid mailbox.UID) int { return int(int64(a.UID) - int64(uid)) })
		if !ok {
			continue
		}
		batch[i] = e
		v.tell(e)
		fresh[e.UID] = true
	}
	return fresh, nil
}

// fetched is one message of a FETCH with what was read for it.
type fetched struct {
	entry *mailbox.Entry
	fresh bool // it is \Seen now
	card  *mail.Card
	source
}

// answer writes one response. What can fail is done before it begins; after
// that a failure can only end the connection.
func (f *fetch) answer(m *fetched) error {
	e := m.entry
	seq := f.view.seq(e.UID)
	if seq == 0 {
		return nil
	}
	parts, err := f.find(m)
	if err != nil {
		if f.failed == nil {
			f.failed = err
		}
		return nil
	}
	defer closeParts(parts)
	b := append(f.b[:0], "* "...)
	sep := ""
	if f.on.uidOnly {
		b = appendNumber(b, uint32(e.UID))
		b = append(b, " UIDFETCH ("...)
	} else {
		b = appendNumber(b, seq)
		b = append(b, " FETCH ("...)
		if f.plan.uid || f.byUID {
			b = append(b, "UID "...)
			b = appendNumber(b, uint32(e.UID))
			sep = " "
		}
	}
	if f.plan.flags || m.fresh {
		b = append(b, sep...)
		b = append(b, "FLAGS ("...)
		for i, flag := range f.flags(*e) {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(b, flag...)
		}
		b = append(b, ')')
		sep = " "
	}
	if f.plan.modseq || m.fresh && f.on.condstore {
		b = append(b, sep...)
		b = append(b, "MODSEQ ("...)
		b = strconv.AppendInt(b, int64(e.ModSeq), 10)
		b = append(b, ')')
		sep = " "
	}
	next := 0
	for i := range f.plan.items {
		it := &f.plan.items[i]
		b = append(b, sep...)
		b = append(b, it.label...)
		sep = " "
		switch it.kind {
		case fetchDate:
			b = e.Date.AppendFormat(b, `"02-Jan-2006 15:04:05 -0700"`)
		case fetchSize:
			b = strconv.AppendInt(b, e.Size, 10)
		case fetchEnvelope:
			b = append(b, m.card.Envelope...)
		case fetchBody:
			b = m.card.AppendStructure(b, false, f.on.rev2)
		case fetchStructure:
			b = m.card.AppendStructure(b, true, f.on.rev2)
		case fetchEmailID:
			b = append(b, '(')
			b = append(b, mailbox.ObjectID('e', int64(e.Email))...)
			b = append(b, ')')
		case fetchThreadID:
			b = append(b, '(')
			b = append(b, mailbox.ObjectID('t', int64(e.Thread))...)
			b = append(b, ')')
		case fetchPreview:
			b = wire.AppendString(b, m.card.Preview, f.e.UTF8)
		case fetchSaveDate:
			b = appendSaveDate(b, *e)
		case fetchBinarySize:
			b = strconv.AppendInt(b, parts[next].size, 10)
			next++
		default:
			p := &parts[next]
			next++
			f.e.Bytes(b)
			b = b[:0]
			if err := p.write(f.e); err != nil {
				f.b = b
				return mail.Wrap(mail.Unavailable, err)
			}
		}
	}
	b = append(b, ")\r\n"...)
	f.e.Bytes(b)
	f.b = b
	return f.e.Err()
}

// appendSaveDate is when the message came into this mailbox; NIL where that is
// not known (RFC 8514 §4.2).
func appendSaveDate(b []byte, e mailbox.Entry) []byte {
	if e.Saved.IsZero() {
		return append(b, "NIL"...)
	}
	return e.Saved.AppendFormat(b, `"02-Jan-2006 15:04:05 -0700"`)
}

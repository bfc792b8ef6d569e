package imap

import (
	"strings"

	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

// STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

var (
	storeCommands = commands{
		"STORE":     {in: selected, run: (*session).store, numbers: true, quiet: true},
		"UID STORE": {in: selected, run: (*session).store, numbers: true},
	}
	storeCapabilities = []string{}
)

// storeAtOnce is how many mails one transaction changes: others write between two.
const storeAtOnce = 5000

type storing struct {
	set       wire.NumSet
	unchanged mailbox.ModSeq
	guarded   bool
	op        mailbox.FlagOp
	silent    bool
	flags     []string
}

func (s *session) readStore(d *wire.Decoder) (st storing, err error) {
	if err = d.SP(); err != nil {
		return st, err
	}
	if st.set, err = d.NumSet(); err != nil {
		return st, err
	}
	if err = d.SP(); err != nil {
		return st, err
	}
	if d.Peek() == '(' {
		if err = d.Open(); err != nil {
			return st, err
		}
		word, err := d.Word()
		if err != nil || word != "UNCHANGEDSINCE" {
			return st, bad("Unknown modifier of STORE")
		}
		if err = d.SP(); err != nil {
			return st, err
		}
		n, err := d.Number64()
		if err != nil {
			return st, err
		}
		st.unchanged, st.guarded = mailbox.ModSeq(n), true
		if !d.Close() {
			return st, bad("Unknown modifier of STORE")
		}
		if err = d.SP(); err != nil {
			return st, err
		}
		s.on.condstore = true
	}
	word, err := d.Word()
	if err != nil {
		return st, err
	}
	word, st.silent = strings.CutSuffix(word, ".SILENT")
	switch word {
	case "FLAGS":
		st.op = mailbox.ReplaceFlags
	case "+FLAGS":
		st.op = mailbox.AddFlags
	case "-FLAGS":
		st.op = mailbox.RemoveFlags
	default:
		return st, bad("Unknown item of STORE")
	}
	if err = d.SP(); err != nil {
		return st, err
	}
	if d.Peek() == '(' {
		st.flags, err = d.Flags()
	} else { // without parentheses, RFC 3501 store-att-flags
		for err == nil {
			var f string
			if f, err = d.Flag(); err == nil {
				st.flags = append(st.flags, f)
				if !d.Is(' ') {
					break
				}
			}
		}
	}
	if err != nil {
		return st, err
	}
	if st.flags, err = cleanFlags(st.flags); err != nil {
		return st, err
	}
	return st, d.End()
}

func (s *session) store(d *wire.Decoder) error {
	st, err := s.readStore(d)
	if err != nil {
		return err
	}
	v := s.view
	uids, err := s.set(st.set)
	if err != nil {
		return err
	}
	if v.readOnly {
		return s.refuse("", "imap-read-only")
	}
	if st.silent {
		// What others changed is told first: afterwards it would lie hidden under a
		// change that the client believes to be its own alone.
		s.sync(false)
	}
	uids, s.code = s.limit(uids)
	if st.guarded && st.unchanged == 0 {
		// Every mail has a modseq above 0 (RFC 7162 §3.1.3): none is to be changed.
		st.unchanged = -1
	}
	var modified []mailbox.UID
	for some := range chunks(uids, storeAtOnce) {
		now, left, err := s.setFlags(some, st)
		if err != nil {
			return err
		}
		modified = append(modified, left...)
		for _, e := range now {
			s.stored(e, st)
		}
	}
	if len(modified) > 0 {
		set := mailbox.MakeUIDSet(modified...)
		if !s.byUID && !s.on.uidOnly {
			set = places(v.uids, set)
		}
		if s.code != "" { // there is room for one code only
			s.untagged(s.code, "The others were left as they are")
		}
		s.code = "MODIFIED " + string(appendUIDs(nil, set))
	}
	return nil
}

func (s *session) setFlags(uids []mailbox.UID, st storing) (now []mailbox.Entry, modified []mailbox.UID, err error) {
	if st.unchanged < 0 {
		return nil, uids, nil
	}
	return s.srv.Mailboxes.SetFlagsAs(s.ctx, s.user, s.view.box, s.view.rights, uids, st.op, st.flags, st.unchanged)
}

// stored tells of one mail whose flags are as asked for.
func (s *session) stored(e mailbox.Entry, st storing) {
	v := s.view
	if v.seq(e.UID) == 0 {
		return
	}
	changed := e.ModSeq > v.mod
	v.tell(e)
	// Silent is only about flags: who knows modseqs needs the new one (RFC 7162 §3.1.3).
	if st.silent && !(s.on.condstore && changed) {
		return
	}
	s.beginFetch(e.UID)
	first := ""
	if !s.on.uidOnly && (s.byUID || s.on.qresync) {
		s.e.Raw("UID ").Num(uint32(e.UID))
		first = " "
	}
	if !st.silent {
		s.e.Raw(first).Raw("FLAGS ").Flags(e.Flags) // as this member sees them: SetFlagsAs
		first = " "
	}
	if s.on.condstore {
		s.e.Raw(first).Raw("MODSEQ (").Num64(int64(e.ModSeq)).Raw(")")
	}
	s.e.Raw(")").CRLF()
}

// chunks yields the UIDs of a set, n at a time.
func chunks(set *mailbox.UIDSet, n int) func(func([]mailbox.UID) bool) {
	return func(yield func([]mailbox.UID) bool) {
		some := make([]mailbox.UID, 0, min(n, set.Len()))
		for u := range set.All {
			if some = append(some, u); len(some) == n {
				if !yield(some) {
					return
				}
				some = some[:0]
			}
		}
		if len(some) > 0 {
			yield(some)
		}
	}
}

// places are the sequence numbers of part in all, as a set.
func places(all, part *mailbox.UIDSet) *mailbox.UIDSet {
	ranges := make([]mailbox.UIDRange, 0, len(part.Ranges()))
	for u := range part.All {
		n := mailbox.UID(all.Rank(u))
		ranges = append(ranges, mailbox.UIDRange{First: n, Last: n})
	}
	return mailbox.RangeSet(ranges...)
}

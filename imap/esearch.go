package imap

import (
	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

// returning is the RETURN of SEARCH and SORT (RFC 4731, 5182, 5267, 9394).
type returning struct {
	given                 bool
	min, max, count, all  bool
	save, update, context bool
	partial               *partial
}

// partial is a range of results: 1:100 from the first on, -1:-100 from the last.
type partial struct {
	from, to uint32
	last     bool
}

// parseReturn reads "RETURN (…) " if it is there. Without any option that says
// what to return, it is ALL.
func (s *session) parseReturn(d *wire.Decoder) (opt returning, err error) {
	if !d.IsWord("RETURN") {
		opt.all = true
		return opt, nil
	}
	opt.given = true
	if err := d.SP(); err != nil {
		return opt, err
	}
	err = d.List(func() error {
		word, err := d.Word()
		if err != nil {
			return err
		}
		switch word {
		case "MIN":
			opt.min = true
		case "MAX":
			opt.max = true
		case "COUNT":
			opt.count = true
		case "ALL":
			opt.all = true
		case "SAVE":
			opt.save = true
		case "UPDATE":
			opt.update = true
		case "CONTEXT":
			opt.context = true
		case "PARTIAL":
			opt.partial, err = parsePartial(d)
		default:
			return bad("Unknown result option")
		}
		return err
	})
	if err != nil {
		return opt, err
	}
	if opt.partial != nil && opt.all {
		return opt, bad("Either PARTIAL or ALL") // RFC 9394 §3.1
	}
	if !opt.min && !opt.max && !opt.count && opt.partial == nil && !opt.save {
		opt.all = true
	}
	return opt, d.SP()
}

// parsePartial reads " 1:100" (RFC 9394 §3.1); FETCH has it too.
func parsePartial(d *wire.Decoder) (*partial, error) {
	if err := d.SP(); err != nil {
		return nil, err
	}
	p := &partial{last: d.Peek() == '-'}
	end := func() (uint32, error) {
		if p.last && !d.Is('-') {
			return 0, bad("Both ends of a PARTIAL count from the same side")
		}
		n, err := d.Number()
		if err == nil && n == 0 {
			err = bad("PARTIAL counts from 1")
		}
		return n, err
	}
	var err error
	if p.from, err = end(); err != nil {
		return nil, err
	}
	if err := d.Byte(':'); err != nil {
		return nil, err
	}
	if p.to, err = end(); err != nil {
		return nil, err
	}
	if p.from > p.to {
		p.from, p.to = p.to, p.from
	}
	return p, nil
}

// of is which of n results it names: [from, to), from 0 on.
func (p *partial) of(n int) (from, to int) {
	from, to = min(int(p.from)-1, n), min(int(p.to), n)
	if p.last {
		from, to = n-to, n-from
	}
	return from, to
}

// write writes the range as the client did.
func (p *partial) write(e *wire.Encoder) {
	sign := ""
	if p.last {
		sign = "-"
	}
	e.Raw(sign).Num(p.from).Raw(":" + sign).Num(p.to)
}

// result is what a search found.
type result struct {
	s      *session
	found  []mailbox.Entry // in the order of the answer
	set    *mailbox.UIDSet // the same
	sorted bool            // found is not by rising UID
	modseq bool            // the answer has one
}

// number is how the answer names a mail.
func (r *result) number(uid mailbox.UID) uint32 {
	if r.s.byUID {
		return uint32(uid)
	}
	return r.s.view.seq(uid)
}

// list is the old answer: "* SEARCH 2 3 (MODSEQ 7)".
func (r *result) list(name string) {
	r.s.e.Raw("* " + name)
	for _, e := range r.found {
		n := r.number(e.UID)
		r.s.e.Append(func(b []byte) []byte { return appendNumber(append(b, ' '), n) })
	}
	if r.modseq && len(r.found) > 0 {
		r.s.e.Raw(" (MODSEQ ").Num64(int64(highest(r.found))).Raw(")")
	}
	r.s.e.CRLF()
}

func highest(list []mailbox.Entry) (mod mailbox.ModSeq) {
	for _, e := range list {
		mod = max(mod, e.ModSeq)
	}
	return mod
}

// shown are the found that the answer is about, for its MODSEQ (RFC 7162 §3.1.6).
func (r *result) shown(opt returning) []mailbox.Entry {
	if opt.all || opt.count || len(r.found) == 0 {
		return r.found
	}
	var list []mailbox.Entry
	if opt.min {
		list = append(list, r.found[0])
	}
	if opt.max {
		list = append(list, r.found[len(r.found)-1])
	}
	if opt.partial != nil {
		from, to := opt.partial.of(len(r.found))
		list = append(list, r.found[from:to]...)
	}
	return list
}

// esearch is "* ESEARCH (TAG "a") UID MIN 2 ALL 2,10:15" (RFC 9051 §7.3.4).
func (r *result) esearch(opt returning) {
	if !opt.min && !opt.max && !opt.count && !opt.all && opt.partial == nil {
		return // SAVE alone
	}
	e, n := r.s.e, len(r.found)
	r.begin(r.s.tag)
	if opt.min && n > 0 {
		e.Raw(" MIN ").Num(r.number(r.found[0].UID))
	}
	if opt.max && n > 0 {
		e.Raw(" MAX ").Num(r.number(r.found[n-1].UID))
	}
	if opt.count {
		e.Raw(" COUNT ").Num(uint32(n))
	}
	if opt.all && n > 0 {
		e.Raw(" ALL ")
		r.writeSet(r.found)
	}
	if p := opt.partial; p != nil {
		from, to := p.of(n)
		e.Raw(" PARTIAL (")
		p.write(e)
		e.SP()
		if from == to {
			e.Raw("NIL")
		} else {
			r.writeSet(r.found[from:to])
		}
		e.Raw(")")
	}
	if r.modseq && n > 0 {
		e.Raw(" MODSEQ ").Num64(int64(highest(r.shown(opt))))
	}
	e.CRLF()
}

func (r *result) begin(tag string) {
	r.s.e.Raw("* ESEARCH (TAG ").String(tag).Raw(")")
	if r.s.byUID {
		r.s.e.Raw(" UID")
	}
}

// writeSet writes entries as a set, in their order: runs become ranges.
func (r *result) writeSet(list []mailbox.Entry) {
	writeRuns(r.s.e, len(list), func(i int) uint32 { return r.number(list[i].UID) })
}

func writeRuns(e *wire.Encoder, n int, number func(i int) uint32) {
	for i := 0; i < n; {
		first := number(i)
		last, k := first, i+1
		for k < n && number(k) == last+1 {
			last, k = last+1, k+1
		}
		e.Append(func(b []byte) []byte {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendNumber(b, first)
			if last > first {
				b = appendNumber(append(b, ':'), last)
			}
			return b
		})
		i = k
	}
}

// saved is what "$" stands for from now on (RFC 5182 §2.4).
func (r *result) saved(opt returning) *mailbox.UIDSet {
	if opt.all || opt.count || opt.partial == nil && !opt.min && !opt.max || len(r.found) == 0 {
		return r.set
	}
	return foundUIDs(r.shown(opt))
}

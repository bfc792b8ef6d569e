package mailbox

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
)

// Thread is a mail and the answers to it. A Thread without a mail (Entry.UID is
// 0) stands for one that is not there: its children belong together.
type Thread struct {
	Entry    Entry
	Children []*Thread
}

// Conversations threads entries of one mailbox by what they refer to
// (REFERENCES, RFC 5256 §3), the oldest thread first.
func (s *Store) Conversations(ctx context.Context, box Mailbox, entries []Entry) ([]*Thread, error) {
	dates, err := s.sentDates(ctx, box, entries)
	if err != nil {
		return nil, err
	}
	refs, err := s.keys(ctx, box.Account, entries, threadKey)
	if err != nil {
		return nil, err
	}
	subjects, err := s.keys(ctx, box.Account, entries, subjectKey)
	if err != nil {
		return nil, err
	}
	f := family{ids: make(map[uint64]*person, len(entries)), steps: 64 * len(entries)}
	for i := range entries {
		if i&0xfff == 0 && ctx.Err() != nil {
			return nil, kinded(ctx.Err())
		}
		f.add(entries[i], dates[i], subjects[i], refs[i])
	}
	roots := f.bySubject(f.prune())
	order(roots)
	return trees(roots), nil
}

// Subjects threads entries of one mailbox by their base subjects
// (ORDEREDSUBJECT, RFC 5256 §3).
func (s *Store) Subjects(ctx context.Context, box Mailbox, entries []Entry) ([]*Thread, error) {
	dates, err := s.sentDates(ctx, box, entries)
	if err != nil {
		return nil, err
	}
	subjects, err := s.keys(ctx, box.Account, entries, subjectKey)
	if err != nil {
		return nil, err
	}
	byDate := make([]int, len(entries))
	for i := range byDate {
		byDate[i] = i
	}
	slices.SortStableFunc(byDate, func(a, b int) int { return cmp.Compare(dates[a], dates[b]) })
	first := map[string]*Thread{}
	var roots []*Thread
	for _, i := range byDate {
		t := &Thread{Entry: entries[i]}
		if root := first[base(subjects[i])]; root != nil {
			root.Children = append(root.Children, t)
			continue
		}
		first[base(subjects[i])] = t
		roots = append(roots, t)
	}
	return roots, nil
}

// person is a mail, or the name of one that is not there, in the making of
// threads.
type person struct {
	entry    Entry
	has      bool // a mail
	answer   bool // by its subject
	subject  string
	date     int64
	parent   *person
	children []*person
}

// family is all of them.
type family struct {
	ids   map[uint64]*person // by Message-ID
	all   []*person          // in the order they came
	steps int                // how far may still be looked for circles; mails can be made to cost much
}

// add takes a mail (RFC 5256 §3 REFERENCES, step 1).
func (f *family) add(e Entry, date int64, subject, refs string) {
	var ids []uint64
	for len(refs) >= 8 {
		ids = append(ids, binary.LittleEndian.Uint64([]byte(refs[:8])))
		refs = refs[8:]
	}
	if len(ids) == 0 {
		ids = []uint64{0}
	}
	p := f.ids[ids[0]]
	if ids[0] == 0 || p != nil && p.has { // no Message-ID, or one that another has
		p = &person{}
		f.all = append(f.all, p)
	} else {
		p = f.named(ids[0])
	}
	p.entry, p.has, p.date = e, true, date
	if p.subject = base(subject); subject != "" {
		p.answer = subject[0] == 'r'
	}
	var before *person
	for _, id := range ids[1:] {
		r := f.named(id)
		if before != nil && r.parent == nil && !f.descends(before, r) {
			r.parent = before
		}
		before = r
	}
	// What the mail says of itself counts more than what others said of it.
	p.parent = nil
	if before != nil && !f.descends(before, p) {
		p.parent = before
	}
}

func (f *family) named(id uint64) *person {
	p := f.ids[id]
	if p == nil {
		p = &person{}
		f.ids[id] = p
		f.all = append(f.all, p)
	}
	return p
}

// descends says whether child is of, or is a descendant of, person of: a link
// the other way round would be a circle.
func (f *family) descends(child, of *person) bool {
	for p := child; p != nil; p = p.parent {
		if p == of {
			return true
		}
		if f.steps--; f.steps < 0 {
			return true // perhaps; a thread more
		}
	}
	return false
}

// prune leaves only names that hold several mails together (steps 2 and 3).
func (f *family) prune() (roots []*person) {
	for _, p := range f.all {
		if p.parent != nil {
			p.parent.children = append(p.parent.children, p)
		} else {
			roots = append(roots, p)
		}
	}
	// Children before their parents: an order in which nobody is asked twice, and
	// no recursion, which a stranger could make deep.
	below := slices.Clone(roots)
	for i := 0; i < len(below); i++ {
		below = append(below, below[i].children...)
	}
	lift := func(list []*person) (kept []*person) {
		for _, c := range list {
			if c.has {
				kept = append(kept, c)
			} else {
				kept = append(kept, c.children...)
			}
		}
		return kept
	}
	for _, p := range slices.Backward(below) {
		p.children = lift(p.children)
	}
	var kept []*person
	for _, r := range roots {
		switch {
		case r.has || len(r.children) > 1:
			kept = append(kept, r)
		default:
			kept = append(kept, r.children...)
		}
	}
	for _, r := range kept {
		r.parent = nil
		if !r.has {
			sortByDate(r.children)
		}
	}
	return kept
}

// bySubject joins threads that have one subject (step 5).
func (f *family) bySubject(roots []*person) []*person {
	sortByDate(roots)
	subjectOf := func(p *person) (string, bool) {
		if !p.has {
			p = p.children[0]
		}
		return p.subject, p.answer
	}
	table := map[string]*person{}
	for _, r := range roots {
		subject, answer := subjectOf(r)
		if subject == "" {
			continue
		}
		have := table[subject]
		if have != nil {
			_, haveAnswer := subjectOf(have)
			if !(have.has && !r.has) && !(haveAnswer && !answer) {
				continue
			}
		}
		table[subject] = r
	}
	gone := map[*person]bool{}
	for _, r := range roots {
		subject, answer := subjectOf(r)
		have := table[subject]
		if subject == "" || have == nil || have == r {
			continue
		}
		_, haveAnswer := subjectOf(have)
		switch {
		case !have.has && !r.has:
			have.children = append(have.children, r.children...)
		case !have.has, answer && !haveAnswer:
			have.children = append(have.children, r)
		default:
			// The name takes the place of the thread that the table has.
			both := *have
			have.entry, have.has, have.subject, have.children = Entry{}, false, "", []*person{&both, r}
		}
		gone[r] = true
	}
	kept := slices.DeleteFunc(roots, func(p *person) bool { return gone[p] })
	return kept
}

// when is the date of a mail, or of the first that a name holds together.
func (p *person) when() int64 {
	if !p.has && len(p.children) > 0 {
		return p.children[0].when()
	}
	return p.date
}

func (p *person) first() UID {
	if !p.has && len(p.children) > 0 {
		return p.children[0].first()
	}
	return p.entry.UID
}

// sortByDate sorts siblings (§3: by sent date, then by sequence number).
func sortByDate(list []*person) {
	slices.SortFunc(list, func(a, b *person) int {
		return cmp.Or(cmp.Compare(a.when(), b.when()), cmp.Compare(a.first(), b.first()))
	})
}

// order sorts at every level (steps 4 and 6), children before their parents.
func order(roots []*person) {
	below := slices.Clone(roots)
	for i := 0; i < len(below); i++ {
		below = append(below, below[i].children...)
	}
	for _, p := range slices.Backward(below) {
		sortByDate(p.children)
	}
	sortByDate(roots)
}

func trees(roots []*person) []*Thread {
	made := make([]*Thread, len(roots))
	type todo struct {
		p *person
		t *Thread
	}
	var left []todo
	for i, r := range roots {
		made[i] = &Thread{Entry: r.entry}
		left = append(left, todo{r, made[i]})
	}
	for len(left) > 0 {
		at := left[len(left)-1]
		left = left[:len(left)-1]
		for _, c := range at.p.children {
			t := &Thread{Entry: c.entry}
			at.t.Children = append(at.t.Children, t)
			left = append(left, todo{c, t})
		}
	}
	return made
}

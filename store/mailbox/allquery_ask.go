package mailbox

import (
	"context"
	"slices"
	"strings"

	"colporteur/mail"
)

// asked makes a Query of a filter, for the snapshot of w.
func (s *Store) asked(ctx context.Context, w *whole, account mail.AccountID, f *Filter) (q Query, err error) {
	if f.Condition != nil {
		return s.askCondition(ctx, w, account, f.Condition)
	}
	all := make([]Query, len(f.Of))
	for i, of := range f.Of {
		if all[i], err = s.asked(ctx, w, account, of); err != nil {
			return q, err
		}
	}
	switch f.Join {
	case JoinAnd:
		q.And = all
	case JoinNot:
		q.Not = all
	case JoinOr:
		q = anyOf(all)
	}
	return q, nil
}

// anyOf joins by OR, which a Query knows of two: as a balanced tree, because a
// client may join thousands.
func anyOf(all []Query) Query {
	switch n := len(all); n {
	case 0:
		return Query{UIDs: MakeUIDSet()}
	case 1:
		return all[0]
	default:
		return Query{Or: [][2]Query{{anyOf(all[:n/2]), anyOf(all[n/2:])}}}
	}
}

func (s *Store) askCondition(ctx context.Context, w *whole, account mail.AccountID, c *Condition) (q Query, err error) {
	only := func(set *UIDSet) {
		if q.UIDs != nil {
			set = q.UIDs.And(set)
		}
		q.UIDs = set
	}
	if c.In != 0 {
		set := w.in[c.In]
		if set == nil {
			set = MakeUIDSet()
		}
		only(set)
	}
	if c.InOtherThan != nil {
		others := MakeUIDSet()
		for id, set := range w.in {
			if !slices.Contains(c.InOtherThan, id) {
				others = others.Or(set)
			}
		}
		only(others)
	}
	q.Before, q.Since = c.Before, c.After
	if c.MinSize != nil {
		n := *c.MinSize - 1
		q.Larger = &n
	}
	q.Smaller = c.MaxSize
	if c.Has != "" {
		q.Flags = []string{c.Has}
	}
	if c.Lacks != "" {
		q.NotFlags = []string{c.Lacks}
	}
	for _, t := range []struct {
		flag string
		all  bool
		none bool
	}{{c.AllInThread, true, false}, {c.SomeInThread, false, false}, {c.NoneInThread, false, true}} {
		if t.flag != "" {
			set := w.where(w.threadsWith(t.flag, t.all))
			if t.none {
				set = w.snap.uids.Minus(set)
			}
			only(set)
		}
	}
	if c.Attachment != nil {
		set, err := s.attachedOf(ctx, w, account)
		if err != nil {
			return q, err
		}
		if !*c.Attachment {
			set = w.snap.uids.Minus(set)
		}
		only(set)
	}
	q.Text, q.Body = phrases(c.Text), phrases(c.Body)
	for _, h := range []HeaderQuery{{"from", c.From}, {"to", c.To}, {"cc", c.Cc}, {"bcc", c.Bcc}, {"subject", c.Subject}} {
		for _, p := range phrases(h.Value) {
			q.Header = append(q.Header, HeaderQuery{h.Field, p})
		}
	}
	if c.Header != nil {
		q.Header = append(q.Header, *c.Header)
	}
	return q, nil
}

// phrases takes a text apart (RFC 8621 §4.4.1): at blanks, but not in quotes;
// a backslash makes a quote a character like others.
func phrases(text string) (list []string) {
	var b strings.Builder
	end := func() {
		if b.Len() > 0 {
			list = append(list, b.String())
		}
		b.Reset()
	}
	quote, escaped := rune(0), false
	begins := true // an apostrophe inside a word is none
	for _, r := range text {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped, begins = false, false
			continue
		case r == '\\':
			escaped = true
			continue
		case quote != 0 && r == quote:
			end()
			quote = 0
		case quote == 0 && begins && (r == '"' || r == '\''):
			quote = r
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n' || r == '\r'):
			end()
			begins = true
			continue
		default:
			b.WriteRune(r)
		}
		begins = false
	}
	end()
	return list
}

// threadsWith says which threads have an email with a flag, or only such.
func (w *whole) threadsWith(flag string, all bool) []bool {
	w.number()
	of := make([]bool, w.nThreads)
	if all {
		for i := range of {
			of[i] = true
		}
	}
	has := map[*[]string]bool{} // few sets of flags are in use
	i := 0
	w.each(func(r *row) {
		with, ok := has[r.flags]
		if !ok {
			with = hasFlag(*r.flags, flag)
			has[r.flags] = with
		}
		if with != all {
			of[w.threads[i]] = with
		}
		i++
	})
	return of
}

// where are the emails of the threads that of says.
func (w *whole) where(of []bool) *UIDSet {
	var b uidSetBuilder
	for i, t := range w.threads {
		if of[t] {
			b.add(UID(i+1), UID(i+1))
		}
	}
	return b.set()
}

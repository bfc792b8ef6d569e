package mailbox_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

// sheet is what a test knows of an email that it made.
type sheet struct {
	id         mailbox.EmailID
	thread     mailbox.ThreadID
	subject    string
	from, to   string
	sent, came time.Time
	size       int64
	attached   bool
	text       string
	flags      []string
	in         []mailbox.ID
}

// shelves is an account with mails of every kind, in several mailboxes each.
type shelves struct {
	*house
	r     *rand.Rand
	boxes []mailbox.ID
	mails []*sheet
}

func fillShelves(h *house, n int) *shelves {
	h.Helper()
	s := &shelves{house: h, r: rand.New(rand.NewPCG(4, 2))}
	for _, name := range []string{"INBOX", "Archive", "Trash", "Sent"} {
		s.boxes = append(s.boxes, h.box(name).ID)
	}
	people := []string{"Zoë <zoe@a.test>", "ann@b.test", "Bob <bob@a.test>"}
	subjects := []string{"Lunch", "Re: Lunch", "Été", "the report", "report the"}
	for i := range n {
		m := &sheet{subject: pickOne(s.r, subjects), from: pickOne(s.r, people), to: pickOne(s.r, people), attached: s.r.IntN(3) == 0,
			sent: h.now.Add(-time.Duration(s.r.IntN(30)) * time.Hour), came: h.now.Add(-time.Duration(s.r.IntN(30)) * time.Hour),
			text: pickOne(s.r, []string{"apples and pears", "pears", "nothing", "Apples, pears"}) + strings.Repeat(".", s.r.IntN(50))}
		head := fmt.Sprintf("From: %s\nTo: %s\nSubject: %s\nDate: %s\nMessage-ID: <q%d@x>\n", m.from, m.to, m.subject, m.sent.Format(time.RFC1123Z), i)
		if i > 0 && s.r.IntN(2) == 0 {
			head += fmt.Sprintf("In-Reply-To: <q%d@x>\n", s.r.IntN(i))
		}
		raw := mime(head+"Content-Type: text/plain; charset=utf-8", m.text)
		if m.attached {
			raw = mime(head+"Content-Type: multipart/mixed; boundary=b", "--b\nContent-Type: text/plain; charset=utf-8\n\n"+m.text+
				"\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=x.pdf\n\nx\n--b--")
		}
		m.size = int64(len(raw))
		box := pickOne(s.r, s.boxes)
		var flags []string
		for _, f := range []string{`\Seen`, `\Flagged`, "$work"} {
			if s.r.IntN(2) == 0 {
				flags = append(flags, f)
			}
		}
		p, err := h.tryDeliver(h.Context(), h.account, box, raw, func(in *mailbox.Incoming) { in.Flags, in.Date = flags, m.came })
		h.must(err)
		m.id, m.thread = p.Email, p.Thread
		if s.r.IntN(3) == 0 { // and somewhere else, with another flag
			to := pickOne(s.r, s.boxes)
			_, dst, _, err := h.Copy(h.Context(), box, []mailbox.UID{p.UID}, to)
			h.must(err)
			_, _, err = h.SetFlags(h.Context(), to, dst, mailbox.AddFlags, []string{"$copy"}, 0)
			h.must(err)
		}
		if s.r.IntN(8) == 0 { // and what waits for EXPUNGE
			_, _, err := h.SetFlags(h.Context(), box, []mailbox.UID{p.UID}, mailbox.AddFlags, []string{`\Deleted`}, 0)
			h.must(err)
		}
		if e := h.one(me, h.account, m.id); e != nil {
			m.flags = e.Flags
			for _, at := range e.Places {
				m.in = append(m.in, at.Mailbox)
			}
			s.mails = append(s.mails, m)
		}
	}
	return s
}

func pickOne[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func (s *shelves) condition() *mailbox.Condition {
	c := &mailbox.Condition{}
	flag := pickOne(s.r, []string{`\Seen`, `\flagged`, "$WORK", "$copy", "$none"})
	size := int64(150 + s.r.IntN(200))
	yes := s.r.IntN(2) == 0
	switch s.r.IntN(18) {
	case 0:
		c.In = pickOne(s.r, append([]mailbox.ID{77}, s.boxes...))
	case 1:
		c.InOtherThan = s.boxes[:s.r.IntN(5)]
	case 2:
		c.Before = s.now.Add(-time.Duration(s.r.IntN(30)) * time.Hour)
	case 3:
		c.After = s.now.Add(-time.Duration(s.r.IntN(30)) * time.Hour)
	case 4:
		c.MinSize = &size
	case 5:
		c.MaxSize = &size
	case 6:
		c.Has = flag
	case 7:
		c.Lacks = flag
	case 8:
		c.AllInThread = flag
	case 9:
		c.SomeInThread = flag
	case 10:
		c.NoneInThread = flag
	case 11, 12:
		c.Attachment = &yes
	case 13:
		c.Text = pickOne(s.r, []string{"apples pears", `"apples and"`, "lunch", "zoe"})
	case 14:
		c.From = pickOne(s.r, []string{"zoe", "a.test bob", "ann@b.test"})
	case 15:
		c.Subject = pickOne(s.r, []string{"the report", `'the report'`, "ete"})
	case 16:
		c.Body = pickOne(s.r, []string{"pears", "lunch"})
	case 17:
		c.Header = &mailbox.HeaderQuery{Field: "In-Reply-To"}
	}
	return c
}

func (s *shelves) filter(depth int) *mailbox.Filter {
	if depth == 0 || s.r.IntN(3) == 0 {
		return &mailbox.Filter{Condition: s.condition()}
	}
	f := &mailbox.Filter{Join: mailbox.Join(s.r.IntN(3))}
	for range s.r.IntN(4) {
		f.Of = append(f.Of, s.filter(depth-1))
	}
	return f
}

// matches is RFC 8621 §4.4.1, word by word.
func (s *shelves) matches(m *sheet, f *mailbox.Filter) bool {
	if f.Condition != nil {
		return s.meets(m, f.Condition)
	}
	n := 0
	for _, of := range f.Of {
		n += number(s.matches(m, of))
	}
	switch f.Join {
	case mailbox.JoinAnd:
		return n == len(f.Of)
	case mailbox.JoinOr:
		return n > 0
	}
	return n == 0
}

func (m *sheet) has(flag string) bool {
	return slices.ContainsFunc(m.flags, func(f string) bool { return strings.EqualFold(f, flag) })
}

func (s *shelves) threadHas(m *sheet, flag string) (some, all bool) {
	all = true
	for _, o := range s.mails {
		if o.thread == m.thread {
			some, all = some || o.has(flag), all && o.has(flag)
		}
	}
	return some, all
}

func (s *shelves) meets(m *sheet, c *mailbox.Condition) bool {
	some, _ := s.threadHas(m, c.SomeInThread)
	_, all := s.threadHas(m, c.AllInThread)
	any, _ := s.threadHas(m, c.NoneInThread)
	text := mail.Fold(m.from + " " + m.to + " " + m.subject + " " + m.text)
	switch {
	case c.In != 0 && !slices.Contains(m.in, c.In),
		c.InOtherThan != nil && !slices.ContainsFunc(m.in, func(id mailbox.ID) bool { return !slices.Contains(c.InOtherThan, id) }),
		!c.Before.IsZero() && !m.came.Before(c.Before), !c.After.IsZero() && m.came.Before(c.After),
		c.MinSize != nil && m.size < *c.MinSize, c.MaxSize != nil && m.size >= *c.MaxSize,
		c.Has != "" && !m.has(c.Has), c.Lacks != "" && m.has(c.Lacks),
		c.SomeInThread != "" && !some, c.AllInThread != "" && !all, c.NoneInThread != "" && any,
		c.Attachment != nil && *c.Attachment != m.attached,
		!inText(text, c.Text), !inText(mail.Fold(m.from), c.From), !inText(mail.Fold(m.subject), c.Subject), !inText(mail.Fold(m.text), c.Body),
		c.Header != nil && !strings.Contains(s.read(m.id, 0), "In-Reply-To"):
		return false
	}
	return true
}

func inText(text, asked string) bool {
	if bare := strings.Trim(asked, `"'`); bare != asked {
		return strings.Contains(text, bare)
	}
	for _, w := range strings.Fields(asked) {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func (s *shelves) order() (by []mailbox.EmailOrder) {
	for range s.r.IntN(3) {
		by = append(by, mailbox.EmailOrder{Reverse: s.r.IntN(2) == 0, Flag: pickOne(s.r, []string{`\Seen`, "$work"}),
			By: pickOne(s.r, []mailbox.SortKey{mailbox.ByArrival, mailbox.ByDate, mailbox.BySize, mailbox.ByDisplayFrom, mailbox.ByDisplayTo, mailbox.BySubject,
				mailbox.ByFlag, mailbox.ByAllInThread, mailbox.BySomeInThread})})
	}
	return by
}

func (s *shelves) compare(a, b *sheet, o mailbox.EmailOrder) int {
	name := func(who string) string {
		return strings.ToUpper(strings.TrimSpace(strings.Split(strings.ReplaceAll(who, "ë", "e\u0308"), "<")[0]))
	}
	someA, allA := s.threadHas(a, o.Flag)
	someB, allB := s.threadHas(b, o.Flag)
	switch o.By {
	case mailbox.ByArrival:
		return a.came.Compare(b.came)
	case mailbox.ByDate:
		return a.sent.Compare(b.sent)
	case mailbox.BySize:
		return cmp.Compare(a.size, b.size)
	case mailbox.ByDisplayFrom:
		return cmp.Compare(name(a.from), name(b.from))
	case mailbox.ByDisplayTo:
		return cmp.Compare(name(a.to), name(b.to))
	case mailbox.BySubject:
		base := func(s string) string {
			return strings.ReplaceAll(strings.ToUpper(strings.TrimPrefix(s, "Re: ")), "É", "E\u0301")
		}
		return cmp.Compare(base(a.subject), base(b.subject))
	case mailbox.ByFlag:
		return cmp.Compare(number(a.has(o.Flag)), number(b.has(o.Flag)))
	case mailbox.ByAllInThread:
		return cmp.Compare(number(allA), number(allB))
	}
	return cmp.Compare(number(someA), number(someB))
}

func TestQueriesFindWhatAnHonestLookFinds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		s := fillShelves(h, 60)
		found := 0
		for range 600 {
			q := &mailbox.AccountQuery{Sort: s.order(), Collapse: s.r.IntN(2) == 0}
			if s.r.IntN(10) > 0 {
				q.Filter = s.filter(3)
			}
			var want []*sheet
			for _, m := range s.mails {
				if q.Filter == nil || s.matches(m, q.Filter) {
					want = append(want, m)
				}
			}
			slices.SortFunc(want, func(a, b *sheet) int {
				for _, o := range q.Sort {
					n := s.compare(a, b, o)
					if o.Reverse {
						n = -n
					}
					if n != 0 {
						return n
					}
				}
				return cmp.Or(b.came.Compare(a.came), cmp.Compare(b.id, a.id))
			})
			var ids []mailbox.EmailID
			shown := map[mailbox.ThreadID]bool{}
			for _, m := range want {
				if !q.Collapse || !shown[m.thread] {
					ids = append(ids, m.id)
				}
				shown[m.thread] = true
			}
			for _, what := range []string{"asked", "asked again"} {
				got, err := h.QueryAll(t.Context(), me, 7, q)
				h.must(err)
				if !slices.Equal(got, ids) {
					t.Fatalf("%s, %s: got %v, want %v", inWordsOf(q), what, got, ids)
				}
			}
			found += len(ids)
		}
		if found < 600 {
			t.Errorf("only %d were found at all", found)
		}
	})
}

func inWordsOf(q *mailbox.AccountQuery) string {
	var say func(f *mailbox.Filter) string
	say = func(f *mailbox.Filter) string {
		if f == nil {
			return "all"
		}
		if c := f.Condition; c != nil {
			return fmt.Sprintf("%+v", *c)
		}
		var of []string
		for _, o := range f.Of {
			of = append(of, say(o))
		}
		return fmt.Sprint([]string{"and", "or", "not"}[f.Join], of)
	}
	return fmt.Sprintf("%s by %+v, collapsed %v", say(q.Filter), q.Sort, q.Collapse)
}

// The list of one mailbox is made in a shorter way, and again after flags changed
// from what there was: it must be the same as that of a server that has just
// started, and counts must be, too.
func TestTheListOfAMailboxFollowsWhatHappens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		s := fillShelves(h, 40)
		for i := range 60 {
			box := pickOne(s.r, s.boxes)
			if entries, err := h.Entries(t.Context(), box, 0, 0); err == nil && len(entries) > 0 && i > 0 {
				uids := []mailbox.UID{pickOne(s.r, entries).UID}
				switch s.r.IntN(4) {
				case 0:
					_, _, err = h.SetFlags(t.Context(), box, uids, mailbox.FlagOp(s.r.IntN(3)), []string{`\Deleted`}, 0)
				case 1:
					_, _, err = h.SetFlags(t.Context(), box, uids, mailbox.FlagOp(1+s.r.IntN(2)), []string{pickOne(s.r, []string{`\Seen`, `\Flagged`, "$work"})}, 0)
				case 2:
					_, _, _, err = h.Move(t.Context(), box, uids, pickOne(s.r, s.boxes))
				case 3:
					_, err = h.Expunge(t.Context(), box, uids, false)
				}
				h.must(err)
			}
			fresh := &mailbox.Store{DB: db, Messages: h.Messages, Now: func() time.Time { return h.now }}
			byFlags := []mailbox.EmailOrder{{By: mailbox.ByFlag, Flag: `\flagged`, Reverse: true}, {By: mailbox.ByFlag, Flag: "$work", Reverse: i%2 == 0}, {By: mailbox.ByArrival, Reverse: true}}
			for _, box := range append([]mailbox.ID{0}, s.boxes...) {
				for k, c := range []*mailbox.Condition{{In: box}, {In: box, Lacks: `\Seen`}, {In: box, Has: "$WORK", Lacks: "$copy"}} {
					q := mailbox.AccountQuery{Filter: &mailbox.Filter{Condition: c}, Collapse: i%3 > 0}
					if k > 0 {
						q.Sort = byFlags
					}
					quick, err := h.QueryAll(t.Context(), me, 7, &q)
					h.must(err)
					q.Filter = &mailbox.Filter{Of: []*mailbox.Filter{{Condition: c}}}
					slow, err := fresh.QueryAll(t.Context(), me, 7, &q)
					h.must(err)
					if !slices.Equal(quick, slow) {
						t.Fatalf("round %d: the list of %+v is %v, a search says %v", i, c, quick, slow)
					}
				}
			}
			counts, err := h.Tallies(t.Context(), me, 7)
			h.must(err)
			anew, err := fresh.Tallies(t.Context(), me, 7)
			h.must(err)
			if !maps.Equal(counts, anew) {
				t.Fatalf("round %d: counted %v, anew %v", i, counts, anew)
			}
		}
	})
}

// Nothing of what somebody may not read is found, counted or shown.
func TestQueriesFindOnlyWhatOneMayRead(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		open, listed, closed := v.create("Open"), v.create("Listed"), v.create("Closed")
		v.must(v.Grant(ctx, open, 8, "lr"))
		v.must(v.Grant(ctx, listed, 8, "l"))
		p := v.deliver("Open", letter)
		for _, name := range []string{"Listed", "Closed"} {
			v.deliver(name, letter)
		}
		has := false
		for _, c := range []mailbox.Condition{{}, {In: open.ID}, {InOtherThan: []mailbox.ID{5}}, {Text: "hello"}, {Lacks: `\Seen`}, {Attachment: &has}, {NoneInThread: "$x"}} {
			got, err := v.QueryAll(ctx, v.bob, 7, &mailbox.AccountQuery{Filter: &mailbox.Filter{Condition: &c}})
			v.must(err)
			if !slices.Equal(got, []mailbox.EmailID{p.Email}) {
				v.Errorf("%+v: %v, want %v", c, got, p.Email)
			}
		}
		for _, box := range []mailbox.ID{listed.ID, closed.ID, v.box("INBOX").ID, 99} {
			for _, c := range []mailbox.Condition{{In: box}, {In: box, Lacks: `\Seen`}} {
				got, err := v.QueryAll(ctx, v.bob, 7, &mailbox.AccountQuery{Filter: &mailbox.Filter{Condition: &c}})
				v.must(err)
				if len(got) > 0 {
					v.Errorf("%+v: %v", c, got)
				}
			}
		}
		n, err := v.Tallies(ctx, v.bob, 7)
		v.must(err)
		if len(n) != 1 || n[open.ID] != (mailbox.Tally{Emails: 1, Unread: 1, Threads: 1, UnreadThreads: 1}) {
			v.Errorf("counted %+v", n)
		}
		// What bob has read is read for him alone.
		_, _, err = v.SetSeen(ctx, open.ID, 8, []mailbox.UID{1}, true, 0)
		v.must(err)
		for u, want := range map[mail.User]int{v.bob: 0, v.ann: 1} {
			got, err := v.QueryAll(ctx, u, 7, &mailbox.AccountQuery{Filter: &mailbox.Filter{Condition: &mailbox.Condition{InOtherThan: []mailbox.ID{listed.ID, closed.ID}, Lacks: `\Seen`}}})
			v.must(err)
			if len(got) != want {
				v.Errorf("user %d: %d unread, want %d", u.ID, len(got), want)
			}
		}
		for _, f := range []func() error{
			func() error { _, err := v.QueryAll(ctx, v.zoe, 7, &mailbox.AccountQuery{}); return err },
			func() error {
				_, err := v.QueryAll(ctx, v.zoe, 7, &mailbox.AccountQuery{Filter: &mailbox.Filter{Condition: &mailbox.Condition{In: open.ID}}})
				return err
			},
			func() error { _, err := v.Tallies(ctx, v.zoe, 7); return err },
			func() error { _, err := v.Emails(ctx, v.zoe, 7, nil); return err },
			func() error { _, err := v.ThreadMails(ctx, v.zoe, 7, nil); return err },
			func() error { _, err := v.InAccount(ctx, v.zoe, 7); return err },
			func() error { _, err := v.changes(v.zoe, 7, 1); return err },
		} {
			v.wantKind(f(), mail.NotFound, "an account of which zoe sees nothing")
		}
	})
}

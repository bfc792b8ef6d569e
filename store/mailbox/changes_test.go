package mailbox_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"

	"pgregory.net/rapid"
)

// clients is an account at work, and two who follow it by its changes: its owner
// and a neighbour who sees what they were granted.
type clients struct {
	*house
	rt       *rapid.T
	account  mail.AccountID
	users    [2]mail.User
	emails   []mailbox.EmailID
	threads  []mailbox.ThreadID
	boxes    []mailbox.ID // all that ever were
	pasts    [2][]past    // what each knew, and when
	regrant  mailbox.ModSeq
	n, mails int
}

// past is what somebody saw at a state, each thing in words.
type past struct {
	state   mailbox.ModSeq
	emails  map[mailbox.EmailID]string
	threads map[mailbox.ThreadID]string
	boxes   map[mailbox.ID]string
}

func TestWhoAppliesChangesKnowsWhatIsThere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		h := newHouse(t, db)
		h.People = people{}
		var accounts atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			account := mail.AccountID(1000 + accounts.Add(1))
			c := &clients{house: h, rt: rt, account: account,
				users: [2]mail.User{{ID: 1, Account: account}, {ID: 2, Account: 8}}}
			h.open(account, "en")
			c.grant(rt)
			c.look(rt)
			rt.Repeat(map[string]func(*rapid.T){
				"append": c.append, "append more": c.append, "copy": c.copy, "move": c.move, "flags": c.flags, "flags more": c.flags, "expunge": c.expunge,
				"create": c.create, "remove": c.remove, "rename": c.rename, "subscribe": c.subscribe, "read": c.read,
				"grant": c.grant, "patch": c.patchIt, "patch more": c.patchIt, "look": c.look,
			})
			c.look(rt)
		})
	})
}

func (c *clients) ok(err error) {
	c.rt.Helper()
	if err != nil {
		c.rt.Fatal(err)
	}
}

// list is the account's mailboxes.
func (c *clients) list() []mailbox.Mailbox {
	list, err := c.List(c.Context(), c.account)
	c.ok(err)
	for _, m := range list {
		if !slices.Contains(c.boxes, m.ID) {
			c.boxes = append(c.boxes, m.ID)
		}
	}
	return list
}

func (c *clients) box(rt *rapid.T, label string) mailbox.Mailbox {
	return rapid.SampledFrom(c.list()).Draw(rt, label)
}

func (c *clients) some(rt *rapid.T, box mailbox.ID) (uids []mailbox.UID) {
	entries, err := c.Entries(c.Context(), box, 0, 0)
	c.ok(err)
	if len(entries) == 0 {
		return nil
	}
	for _, e := range rapid.SliceOfN(rapid.SampledFrom(entries), 1, 3).Draw(rt, "mails") {
		uids = append(uids, e.UID)
	}
	return uids
}

func (c *clients) append(rt *rapid.T) {
	box := c.box(rt, "to")
	c.mails++
	head := fmt.Sprintf("From: a@home.test\nMessage-ID: <%d.%d@x>", c.account, c.mails)
	if c.mails > 1 && rapid.Bool().Draw(rt, "answer") {
		head += fmt.Sprintf("\nIn-Reply-To: <%d.%d@x>", c.account, rapid.IntRange(1, c.mails-1).Draw(rt, "of"))
	}
	flags := rapid.SampledFrom([][]string{nil, nil, {`\Seen`}, {`\Deleted`}, {"$work"}}).Draw(rt, "flags")
	p, err := c.tryDeliver(c.Context(), c.account, box.ID, mime(head, "x"), flagged(flags...))
	c.ok(err)
	c.emails = append(c.emails, p.Email)
	if !slices.Contains(c.threads, p.Thread) {
		c.threads = append(c.threads, p.Thread)
	}
}

func (c *clients) copy(rt *rapid.T) { c.transfer(rt, c.Copy) }
func (c *clients) move(rt *rapid.T) { c.transfer(rt, c.Move) }
func (c *clients) transfer(rt *rapid.T, f copyFunc) {
	from, to := c.box(rt, "from"), c.box(rt, "to")
	_, _, _, err := f(c.Context(), from.ID, c.some(rt, from.ID), to.ID)
	c.ok(err)
}

func (c *clients) flags(rt *rapid.T) {
	box := c.box(rt, "in")
	op := rapid.SampledFrom([]mailbox.FlagOp{mailbox.ReplaceFlags, mailbox.AddFlags, mailbox.RemoveFlags}).Draw(rt, "op")
	flag := rapid.SampledFrom([]string{`\Seen`, `\Seen`, `\Deleted`, `\Deleted`, `\Draft`, "$work"}).Draw(rt, "flag")
	_, _, err := c.SetFlags(c.Context(), box.ID, c.some(rt, box.ID), op, []string{flag}, 0)
	c.ok(err)
}

func (c *clients) read(rt *rapid.T) {
	box := c.box(rt, "in")
	_, _, err := c.SetSeen(c.Context(), box.ID, 8, c.some(rt, box.ID), rapid.Bool().Draw(rt, "seen"), 0)
	c.ok(err)
}

func (c *clients) expunge(rt *rapid.T) {
	box := c.box(rt, "in")
	_, err := c.Expunge(c.Context(), box.ID, c.some(rt, box.ID), rapid.Bool().Draw(rt, "only deleted"))
	c.ok(err)
}

func (c *clients) create(rt *rapid.T) {
	c.n++
	role := rapid.SampledFrom([]mailbox.Role{"", "", mailbox.Archive}).Draw(rt, "role")
	_, err := c.CreateAs(c.Context(), c.account, fmt.Sprintf("%s/new %d", c.box(rt, "in").Name, c.n), role)
	c.ok(err)
}

func (c *clients) remove(rt *rapid.T) {
	err := c.Remove(c.Context(), c.account, c.box(rt, "which").Name)
	if !mail.Is(err, mail.Policy) {
		c.ok(err)
	}
}

func (c *clients) rename(rt *rapid.T) {
	c.n++
	c.ok(c.Rename(c.Context(), c.account, c.box(rt, "which").Name, fmt.Sprint("name ", c.n)))
}

func (c *clients) subscribe(rt *rapid.T) {
	c.ok(c.Subscribe(c.Context(), c.account, c.box(rt, "which").Name, rapid.Bool().Draw(rt, "on")))
}

func (c *clients) grant(rt *rapid.T) {
	rights := rapid.SampledFrom([]mailbox.Rights{"", "l", "lr", "lrs", mailbox.AllRights}).Draw(rt, "rights")
	if rapid.Bool().Draw(rt, "all") {
		c.ok(c.GrantAll(c.Context(), c.account, 8, rights))
	} else {
		c.ok(c.Grant(c.Context(), c.box(rt, "which"), 8, rights))
	}
	var err error
	c.regrant, err = c.State(c.Context(), c.account)
	c.ok(err)
}

// look takes in what there is, and has clients of old catch up.
func (c *clients) look(rt *rapid.T) {
	c.list()
	for i := range c.users {
		now := c.sees(i)
		for _, most := range []int{0, 1, 3} {
			if old := c.pasts[i]; len(old) > 0 {
				c.catchUp(i, rapid.SampledFrom(old).Draw(rt, "since"), now, most)
			}
		}
		c.pasts[i] = append(c.pasts[i], now)
	}
}

// sees is all that somebody sees now.
func (c *clients) sees(i int) past {
	ctx, u := c.Context(), c.users[i]
	p := past{emails: map[mailbox.EmailID]string{}, threads: map[mailbox.ThreadID]string{}, boxes: map[mailbox.ID]string{}}
	var err error
	p.state, err = c.State(ctx, c.account)
	c.ok(err)
	folders, err := c.InAccount(ctx, u, c.account)
	if mail.Is(err, mail.NotFound) && i == 1 {
		return p
	}
	c.ok(err)
	emails, err := c.Emails(ctx, u, c.account, c.emails)
	c.ok(err)
	threads, err := c.ThreadMails(ctx, u, c.account, c.threads)
	c.ok(err)
	trash := mailbox.ID(0)
	counts := map[mailbox.ID]mailbox.Tally{}
	for _, f := range folders {
		if f.Rights.Has("r") {
			counts[f.ID] = mailbox.Tally{}
		}
		if f.Role == mailbox.Trash {
			trash = f.ID
		}
	}
	for k, m := range emails {
		if m == nil {
			continue
		}
		if m.ID != c.emails[k] || strings.Contains(lower(m.Flags), `\deleted`) {
			c.rt.Fatalf("asked for %d, got %+v", c.emails[k], m)
		}
		in := map[mailbox.ID]bool{}
		for _, at := range m.Places {
			in[at.Mailbox] = true
		}
		p.emails[m.ID] = fmt.Sprint(m.Flags, in, m.Thread)
		for b := range in {
			n := counts[b]
			n.Emails++
			n.Unread += number(unread(m))
			counts[b] = n
		}
	}
	for k, t := range threads {
		if t != nil {
			p.threads[c.threads[k]] = fmt.Sprint(t)
		}
		for _, e := range t {
			if p.emails[e] == "" {
				c.rt.Fatalf("thread %d has %d, which is not there", c.threads[k], e)
			}
		}
	}
	for _, t := range c.threads { // RFC 8621 §2, totalThreads and unreadThreads
		in, here, elsewhere := map[mailbox.ID]bool{}, false, false
		for _, m := range emails {
			if m == nil || m.Thread != t {
				continue
			}
			only := true
			for _, at := range m.Places {
				in[at.Mailbox] = true
				here = here || at.Mailbox == trash && unread(m)
				only = only && at.Mailbox == trash
			}
			elsewhere = elsewhere || unread(m) && !only
		}
		for b := range in {
			n := counts[b]
			n.Threads++
			n.UnreadThreads += number(b == trash && here || b != trash && elsewhere)
			counts[b] = n
		}
	}
	tallies, err := c.Tallies(ctx, u, c.account)
	c.ok(err)
	if fmt.Sprint(tallies) != fmt.Sprint(counts) {
		c.rt.Fatalf("user %d: counted %+v, want %+v", i, tallies, counts)
	}
	for _, f := range folders {
		p.boxes[f.ID] = fmt.Sprint(f.Name, f.Role, f.Subscribed, f.Rights, counts[f.ID])
	}
	return p
}

func unread(m *mailbox.Email) bool {
	return !slices.Contains(m.Flags, `\Seen`) && !slices.Contains(m.Flags, `\Draft`)
}

// catchUp is a client that knows what was once.
func (c *clients) catchUp(i int, old, now past, most int) {
	who, u := fmt.Sprintf("user %d since %d, now %d, %d at a time", i, old.state, now.state, most), c.users[i]
	if i == 1 && (old.state < c.regrant || len(now.boxes) == 0) {
		_, err := c.EmailChanges(c.Context(), u, c.account, old.state, most)
		if len(now.boxes) == 0 {
			c.wantKind(err, mail.NotFound, who)
		} else {
			c.wantKind(err, mail.Gone, who)
		}
		return
	}
	follow(c, who+": emails", old.state, now.state, most, old.emails, now.emails, func(since mailbox.ModSeq) (mailbox.Changes[mailbox.EmailID], error) {
		return c.EmailChanges(c.Context(), u, c.account, since, most)
	})
	follow(c, who+": threads", old.state, now.state, most, old.threads, now.threads, func(since mailbox.ModSeq) (mailbox.Changes[mailbox.ThreadID], error) {
		return c.ThreadChanges(c.Context(), u, c.account, since, most)
	})
	follow(c, who+": mailboxes", old.state, now.state, most, old.boxes, now.boxes, func(since mailbox.ModSeq) (mailbox.Changes[mailbox.ID], error) {
		d, err := c.MailboxChanges(c.Context(), u, c.account, since, most)
		return d.Changes, err
	})
}

// follow applies changes until there are no more, as RFC 8620 §5.2 has clients do it.
func follow[T ~int64](c *clients, who string, since, last mailbox.ModSeq, most int, old, now map[T]string, ask func(mailbox.ModSeq) (mailbox.Changes[T], error)) {
	know := map[T]string{}
	for id, words := range old {
		know[id] = words
	}
	for more := true; more; {
		d, err := ask(since)
		if mail.Is(err, mail.Gone) && most > 0 {
			return
		}
		c.ok(err)
		all := slices.Concat(d.Created, d.Updated, d.Destroyed)
		slices.Sort(all)
		if len(slices.Compact(slices.Clone(all))) != len(all) || most > 0 && len(all) > most || d.To < since || d.More && d.To == since {
			c.rt.Fatalf("%s: from %d: %+v", who, since, d)
		}
		for _, id := range d.Updated {
			if _, ok := know[id]; !ok {
				c.rt.Fatalf("%s: %d was updated before it was there: %+v", who, id, d)
			}
		}
		for _, id := range slices.Concat(d.Created, d.Updated) {
			if now[id] == "" {
				c.rt.Fatalf("%s: %d came, and is not there: %+v", who, id, d)
			}
			know[id] = now[id]
		}
		for _, id := range d.Destroyed {
			delete(know, id)
		}
		since, more = d.To, d.More
	}
	if since != last || fmt.Sprint(know) != fmt.Sprint(now) {
		c.rt.Fatalf("%s: at %d\nknows %v\nthere is %v", who, since, know, now)
	}
}

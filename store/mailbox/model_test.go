package mailbox_test

import (
	"fmt"
	"maps"
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

// model is what the mailboxes of an account should be, in the simplest words.
type model struct {
	*house
	rt      *rapid.T
	account mail.AccountID
	folders map[string]*folder
	emails  map[mailbox.EmailID]*email
	high    mailbox.ModSeq // the highest seen anywhere
	valid   map[uint32]bool
}

type folder struct {
	id     mailbox.ID
	valid  uint32
	next   mailbox.UID
	mails  map[mailbox.UID]placed
	high   mailbox.ModSeq
	before []snapshot
}

type placed struct {
	email mailbox.EmailID
	flags string // lower case, sorted
}

type email struct {
	size   int64
	thread mailbox.ThreadID
	places int
}

// snapshot is what somebody knew when they last looked.
type snapshot struct {
	since mailbox.ModSeq
	flags map[mailbox.UID]string
}

func lower(flags []string) string {
	out := slices.Clone(flags)
	for i := range out {
		out[i] = strings.ToLower(out[i])
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), " ")
}

func (f *folder) uids() []mailbox.UID { return slices.Sorted(maps.Keys(f.mails)) }

func (f *folder) add(e mailbox.EmailID, flags string) mailbox.UID {
	uid := f.next
	f.next++
	f.mails[uid] = placed{e, flags}
	return uid
}

func (m *model) drop(f *folder, uid mailbox.UID) {
	m.emails[f.mails[uid].email].places--
	delete(f.mails, uid)
}

func (m *model) names() []string { return slices.Sorted(maps.Keys(m.folders)) }

var names = []string{"INBOX", "INBOX/x", "Sent", "a", "a/b", "a/b/c", "b", "c/d", "Été"}

var words = []string{`\Seen`, `\Deleted`, `\FLAGGED`, "$Work", "$work", "NonJunk", `\Recent`}

func TestMailboxesBehaveLikeTheirModel(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		h := newHouse(t, db)
		var accounts atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			m := &model{house: h, rt: rt, account: mail.AccountID(1000 + accounts.Add(1)), folders: map[string]*folder{},
				emails: map[mailbox.EmailID]*email{}, valid: map[uint32]bool{}}
			h.open(m.account, "en")
			m.sync()
			rt.Repeat(map[string]func(*rapid.T){
				"append": m.append, "append more": m.append, "copy": m.copy, "move": m.move, "flags": m.flags, "expunge": m.expunge,
				"create": m.create, "rename": m.rename, "remove": m.remove, "": func(*rapid.T) { m.check() },
			})
		})
	})
}

// sync takes in mailboxes that are new.
func (m *model) sync() {
	list, err := m.List(m.Context(), m.account)
	m.ok(err)
	for _, b := range list {
		if m.folders[b.Name] == nil {
			if m.valid[b.UIDValidity] {
				m.rt.Fatalf("%q: UIDVALIDITY %d was another mailbox's", b.Name, b.UIDValidity)
			}
			m.valid[b.UIDValidity] = true
			m.folders[b.Name] = &folder{id: b.ID, valid: b.UIDValidity, next: 1, mails: map[mailbox.UID]placed{}, high: b.HighestMod}
		}
	}
}

func (m *model) ok(err error) {
	m.rt.Helper()
	if err != nil {
		m.rt.Fatal(err)
	}
}

func (m *model) folder(rt *rapid.T, label string) *folder {
	name := rapid.SampledFrom(m.names()).Draw(rt, label)
	return m.folders[name]
}

func (m *model) some(rt *rapid.T, f *folder) []mailbox.UID {
	if f.next == 1 {
		return nil
	}
	return rapid.SliceOfN(rapid.Map(rapid.IntRange(1, int(f.next)), func(n int) mailbox.UID { return mailbox.UID(n) }), 0, 5).Draw(rt, "uids")
}

// present is those of uids that exist, each once, rising.
func (f *folder) present(uids []mailbox.UID) []mailbox.UID {
	out := slices.DeleteFunc(slices.Clone(uids), func(u mailbox.UID) bool { _, ok := f.mails[u]; return !ok })
	slices.Sort(out)
	return slices.Compact(out)
}

func (m *model) drawFlags(rt *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(words), 0, 3, rapid.ID).Draw(rt, "flags")
}

func stored(flags []string) []string {
	return slices.DeleteFunc(slices.Clone(flags), func(f string) bool { return f == `\Recent` })
}

func (m *model) append(rt *rapid.T) {
	f, flags := m.folder(rt, "to"), m.drawFlags(rt)
	prefix := rapid.IntRange(0, 9).Draw(rt, "prefix")
	p, err := m.tryDeliver(m.Context(), m.account, f.id, letter, flagged(flags...), func(in *mailbox.Incoming) {
		in.Prefix = []byte(strings.Repeat("x", prefix))
		sum := *in.Summary
		sum.MessageID = fmt.Sprint("unlike ", len(m.emails))
		in.Summary = &sum
	})
	m.ok(err)
	m.emails[p.Email] = &email{size: int64(len(letter) + prefix), thread: p.Thread, places: 1}
	if uid := f.add(p.Email, lower(stored(flags))); uid != p.UID {
		rt.Fatalf("uid %d, want %d", p.UID, uid)
	}
	if p.ModSeq <= m.high {
		rt.Fatalf("modseq %d after %d", p.ModSeq, m.high)
	}
}

func (m *model) copy(rt *rapid.T) { m.transfer(rt, m.Copy, false) }
func (m *model) move(rt *rapid.T) { m.transfer(rt, m.Move, true) }

func (m *model) transfer(rt *rapid.T, f copyFunc, move bool) {
	from, to := m.folder(rt, "from"), m.folder(rt, "to")
	uids := m.some(rt, from)
	src, dst, valid, err := f(m.Context(), from.id, uids, to.id)
	m.ok(err)
	want := from.present(uids)
	if !slices.Equal(src, want) || len(dst) != len(src) || valid != to.valid {
		rt.Fatalf("moved %v to %v under %d, want %v under %d", src, dst, valid, want, to.valid)
	}
	for i, uid := range want {
		p := from.mails[uid]
		m.emails[p.email].places++
		if n := to.add(p.email, p.flags); n != dst[i] {
			rt.Fatalf("%d became %d, want %d", uid, dst[i], n)
		}
	}
	if move {
		for _, uid := range want {
			m.drop(from, uid)
		}
	}
}

func (m *model) flags(rt *rapid.T) {
	f, flags := m.folder(rt, "in"), m.drawFlags(rt)
	uids := m.some(rt, f)
	op := rapid.SampledFrom([]mailbox.FlagOp{mailbox.ReplaceFlags, mailbox.AddFlags, mailbox.RemoveFlags}).Draw(rt, "op")
	now, modified, err := m.SetFlags(m.Context(), f.id, uids, op, flags, 0)
	m.ok(err)
	given := strings.Fields(lower(stored(flags)))
	want := f.present(uids)
	if len(now) != len(want) || len(modified) > 0 {
		rt.Fatalf("%d entries, %v modified; want %d", len(now), modified, len(want))
	}
	for i, uid := range want {
		p := f.mails[uid]
		have := strings.Fields(p.flags)
		switch op {
		case mailbox.ReplaceFlags:
			have = given
		case mailbox.AddFlags:
			have = append(have, given...)
		case mailbox.RemoveFlags:
			have = slices.DeleteFunc(have, func(h string) bool { return slices.Contains(given, h) })
		}
		p.flags = lower(have)
		f.mails[uid] = p
		if now[i].UID != uid || lower(now[i].Flags) != p.flags {
			rt.Fatalf("%d has %v, want %d with %s", now[i].UID, now[i].Flags, uid, p.flags)
		}
	}
}

func (m *model) expunge(rt *rapid.T) {
	f := m.folder(rt, "in")
	uids := m.some(rt, f)
	only := rapid.Bool().Draw(rt, "only deleted")
	if rapid.Bool().Draw(rt, "all") {
		uids, only = nil, true
	}
	gone, err := m.Expunge(m.Context(), f.id, uids, only)
	m.ok(err)
	want := f.present(uids)
	if uids == nil {
		want = f.uids()
	}
	if only {
		want = slices.DeleteFunc(want, func(u mailbox.UID) bool { return !strings.Contains(f.mails[u].flags, `\deleted`) })
	}
	if !slices.Equal(gone, want) {
		rt.Fatalf("expunged %v, want %v", gone, want)
	}
	for _, uid := range want {
		m.drop(f, uid)
	}
}

func (m *model) create(rt *rapid.T) {
	name := rapid.SampledFrom(names).Draw(rt, "name")
	_, err := m.Create(m.Context(), m.account, name)
	if m.folders[name] != nil {
		m.wantKind(err, mail.Conflict, "create "+name)
		return
	}
	m.ok(err)
	m.sync()
	for i := range len(name) {
		if name[i] == '/' && m.folders[name[:i]] == nil {
			rt.Fatalf("%q has no parent", name)
		}
	}
}

func (m *model) rename(rt *rapid.T) {
	from, to := rapid.SampledFrom(m.names()).Draw(rt, "from"), rapid.SampledFrom(names).Draw(rt, "to")
	moves := map[string]string{}
	refused := m.folders[to] != nil || strings.HasPrefix(to, from+"/") && from != "INBOX"
	for name := range m.folders {
		if rest, ok := strings.CutPrefix(name, from); ok && (rest == "" || rest[0] == '/') && from != "INBOX" {
			moves[name] = to + rest
			refused = refused || m.folders[to+rest] != nil
		}
	}
	err := m.Rename(m.Context(), m.account, from, to)
	if refused {
		if err == nil {
			rt.Fatalf("%q became %q", from, to)
		}
		return
	}
	m.ok(err)
	for old, name := range moves {
		m.folders[name] = m.folders[old]
		delete(m.folders, old)
	}
	if m.sync(); from == "INBOX" {
		inbox := m.folders[from]
		for _, uid := range inbox.uids() {
			m.folders[to].add(inbox.mails[uid].email, inbox.mails[uid].flags)
			delete(inbox.mails, uid)
		}
	}
}

func (m *model) remove(rt *rapid.T) {
	name := rapid.SampledFrom(m.names()).Draw(rt, "name")
	err := m.Remove(m.Context(), m.account, name)
	below := slices.ContainsFunc(m.names(), func(n string) bool { return strings.HasPrefix(n, name+"/") })
	if name == "INBOX" || below {
		m.wantKind(err, mail.Policy, "remove "+name)
		return
	}
	m.ok(err)
	for _, uid := range m.folders[name].uids() {
		m.drop(m.folders[name], uid)
	}
	delete(m.folders, name)
}

// check holds the mailboxes against the model.
func (m *model) check() {
	ctx := m.Context()
	list, err := m.List(ctx, m.account)
	m.ok(err)
	if len(list) != len(m.folders) || list[0].Name != "INBOX" {
		m.rt.Fatalf("mailboxes %+v, want %v, INBOX first", list, m.names())
	}
	for _, b := range list {
		f := m.folders[b.Name]
		if f == nil || f.id != b.ID {
			m.rt.Fatalf("%q has id %d: %+v", b.Name, b.ID, f)
		}
		entries, err := m.Entries(ctx, b.ID, 0, 0)
		m.ok(err)
		unseen, size, was := 0, int64(0), mailbox.UID(0)
		know := map[mailbox.UID]string{}
		for _, e := range entries {
			p, em := f.mails[e.UID], m.emails[e.Email]
			if e.UID <= was || p.email != e.Email || em.size != e.Size || em.thread != e.Thread || lower(e.Flags) != p.flags || e.ModSeq > b.HighestMod {
				m.rt.Fatalf("%q: entry %+v after %d, want %+v %+v", b.Name, e, was, p, em)
			}
			if !strings.Contains(p.flags, `\seen`) {
				unseen++
			}
			size += e.Size
			was, know[e.UID] = e.UID, p.flags
		}
		if len(entries) != len(f.mails) || b.Total != len(entries) || b.Unseen != unseen || b.Size != size || b.UIDNext != f.next || b.UIDValidity != f.valid {
			m.rt.Fatalf("%+v, want %d mails, %d unseen, %d octets, next %d under %d", b, len(f.mails), unseen, size, f.next, f.valid)
		}
		changed := len(f.before) == 0 || !maps.Equal(f.before[len(f.before)-1].flags, know)
		if b.HighestMod < f.high || changed && len(f.before) > 0 && b.HighestMod == f.high {
			m.rt.Fatalf("%q: modseq %d after %d", b.Name, b.HighestMod, f.high)
		}
		f.high, m.high = b.HighestMod, max(m.high, b.HighestMod)
		for _, s := range f.before {
			m.catchUp(f, s, know)
		}
		if changed {
			f.before = append(f.before, snapshot{b.HighestMod, know})
		}
	}
	var used int64
	for _, e := range m.emails {
		if e.places > 0 {
			used += e.size
		}
	}
	if n, err := m.Usage(ctx, m.account); err != nil || n != used {
		m.rt.Fatalf("usage %d %v, want %d", n, err, used)
	}
}

// catchUp is a client that comes back.
func (m *model) catchUp(f *folder, s snapshot, want map[mailbox.UID]string) {
	changed, vanished, high, err := m.Changed(m.Context(), f.id, s.since)
	m.ok(err)
	know := maps.Clone(s.flags)
	for _, e := range changed {
		know[e.UID] = lower(e.Flags)
	}
	for _, uid := range vanished {
		delete(know, uid)
	}
	if high != f.high || !maps.Equal(know, want) {
		m.rt.Fatalf("since %d: %v, high %d; want %v, high %d", s.since, know, high, want, f.high)
	}
}

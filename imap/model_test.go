package imap

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"

	"pgregory.net/rapid"
)

// # The model
//
// Several sessions run random commands, one after the other, on two mailboxes.
// The model knows what the mailboxes hold, and for each session what its client
// must believe after all that it was told. So it sees what a client would: a
// number that means another mail, an EXPUNGE where none may be, a mail that came
// back, a change that was never told, a modseq or UID that goes down.

// boxModel is what a mailbox holds.
type boxModel struct {
	name     string
	id       mailbox.ID
	validity string
	mails    []*mailModel // by rising UID
	dead     map[uint32]*mailModel
	next     uint32 // UIDNEXT
	high     int64  // modseq
}

type mailModel struct {
	uid     uint32
	subject string
	flags   []string // sorted
	mod     int64
}

func (b *boxModel) uids() (out []uint32) {
	for _, m := range b.mails {
		out = append(out, m.uid)
	}
	return out
}

// find is a mail that is there, or was.
func (b *boxModel) find(uid uint32) (m *mailModel, alive bool) {
	for _, m := range b.mails {
		if m.uid == uid {
			return m, true
		}
	}
	return b.dead[uid], false
}

func (b *boxModel) add(subject string, flags []string) *mailModel {
	m := &mailModel{uid: b.next, subject: subject, flags: flags}
	b.mails = append(b.mails, m)
	b.next++
	return m
}

// remove takes out what is to go, and says how many were.
func (b *boxModel) remove(gone func(*mailModel) bool) (uids []uint32) {
	b.mails = slices.DeleteFunc(b.mails, func(m *mailModel) bool {
		if !gone(m) {
			return false
		}
		b.dead[m.uid] = m
		uids = append(uids, m.uid)
		return true
	})
	return uids
}

func (m *mailModel) has(flag string) bool { return slices.Contains(m.flags, flag) }

// change applies FLAGS, +FLAGS or -FLAGS.
func change(have []string, op string, flags []string) []string {
	var out []string
	switch op {
	case "FLAGS":
		out = slices.Clone(flags)
	case "+FLAGS":
		out = append(slices.Clone(have), flags...)
	case "-FLAGS":
		for _, f := range have {
			if !slices.Contains(flags, f) {
				out = append(out, f)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// world is the model and the server it is compared with.
type world struct {
	*rapid.T
	h       *host
	ann     mail.User
	boxes   []*boxModel
	clients []*client
	mails   int
	log     []string
}

// client is one session and what its client believes.
type client struct {
	w     *world
	id    int
	c     *raw
	n     int // of its tags
	box   *boxModel
	view  []uint32
	known map[uint32][]string // flags, as far as it was told
	mods  map[uint32]int64
	high  int64 // HIGHESTMODSEQ, of which it knows everything before

	readOnly  bool
	condstore bool
	qresync   bool
	searched  []uint32            // the last answer to SEARCH
	copied    []any               // the last COPYUID
	before    map[uint32][]string // flags before the STORE that runs: others' changes may be told first
}

func (w *world) fail(format string, args ...any) {
	w.Helper()
	w.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(w.log[max(0, len(w.log)-60):], "\n"))
}

func (k *client) fail(format string, args ...any) {
	k.w.Helper()
	k.w.fail("client %d: %s", k.id, fmt.Sprintf(format, args...))
}

// connect makes a connection and signs in.
func (k *client) connect() {
	nc, err := net.Dial("tcp", k.w.h.addr)
	if err != nil {
		k.fail("%v", err)
	}
	if k.c != nil {
		k.c.Close()
	}
	k.c = talk(k.w.h.t, nc)
	k.box, k.view, k.condstore, k.qresync = nil, nil, false, false
	if a, err := readAnswer(k.c.br); err != nil || a.atom(1) != "OK" {
		k.fail("greeted with %v, %v", a, err)
	}
	k.do("LOGIN ann@home.test secret", true)
}

// do runs a command, hears what it brings, and returns how it ended. quiet says
// that no EXPUNGE may come meanwhile (RFC 9051 §7.5.1).
func (k *client) do(cmd string, quiet bool) answer {
	k.w.Helper()
	k.n++
	tag := fmt.Sprintf("k%d.%d", k.id, k.n)
	k.w.log = append(k.w.log, tag+" "+strings.ReplaceAll(cmd, "\r\n", "↵"))
	k.searched, k.copied = nil, nil
	k.c.SetDeadline(time.Now().Add(20 * time.Second))
	k.c.send(tag + " " + cmd + "\r\n")
	for {
		a, err := readAnswer(k.c.br)
		if err != nil {
			k.fail("%v", err)
		}
		k.w.log = append(k.w.log, fmt.Sprintf("    %v", a))
		if a.atom(0) == tag {
			k.code(a)
			return a
		}
		k.hear(a, quiet)
	}
}

// ok is do for a command that must succeed.
func (k *client) ok(cmd string, quiet bool) answer {
	k.w.Helper()
	a := k.do(cmd, quiet)
	if a.atom(1) != "OK" {
		k.fail("%s: %v", cmd, a)
	}
	return a
}

// code reads a response code.
func (k *client) code(a answer) {
	if len(a) < 3 {
		return
	}
	code, _ := a[2].([]any)
	c := answer(code)
	switch strings.ToUpper(c.atom(0)) {
	case "HIGHESTMODSEQ":
		n := int64(c.number(1))
		if n < k.high {
			k.fail("HIGHESTMODSEQ goes from %d to %d", k.high, n)
		}
		k.high = n
	case "UIDVALIDITY":
		if k.box != nil && c.atom(1) != k.box.validity {
			k.fail("UIDVALIDITY of %s is %s, was %s", k.box.name, c.atom(1), k.box.validity)
		}
	case "UIDNEXT":
		if k.box != nil && c.number(1) != int(k.box.next) {
			k.fail("UIDNEXT of %s is %v, want %d", k.box.name, c.atom(1), k.box.next)
		}
	case "COPYUID":
		k.copied = c
	}
}

// hear believes what it is told, after a look at whether it may be.
func (k *client) hear(a answer, quiet bool) {
	k.w.Helper()
	if a.atom(0) == "+" {
		return
	}
	switch n := a.number(1); strings.ToUpper(a.atom(2)) {
	case "EXISTS":
		if n < len(k.view) {
			k.fail("EXISTS %d, after %d", n, len(k.view))
		}
		last := uint32(0)
		if len(k.view) > 0 {
			last = k.view[len(k.view)-1]
		}
		for _, m := range k.box.mails {
			if m.uid > last {
				k.view = append(k.view, m.uid)
			}
		}
		if n != len(k.view) {
			k.fail("EXISTS %d, want %d: %v", n, len(k.view), k.view)
		}
		return
	case "EXPUNGE":
		if quiet || k.qresync {
			k.fail("EXPUNGE may not come here")
		}
		if n < 1 || n > len(k.view) {
			k.fail("EXPUNGE %d of %d", n, len(k.view))
		}
		k.gone(k.view[n-1])
		return
	case "FETCH":
		k.fetched(n, pairs(a[3]))
		return
	}
	switch strings.ToUpper(a.atom(1)) {
	case "VANISHED":
		if a.atom(2) == "" { // (EARLIER)
			for _, uid := range uidsOf(k, a.atom(3)) {
				if _, alive := k.box.find(uid); alive {
					k.fail("VANISHED (EARLIER) %d, which is there", uid)
				}
				delete(k.known, uid)
			}
			return
		}
		if quiet || !k.qresync {
			k.fail("VANISHED may not come here")
		}
		for _, uid := range uidsOf(k, a.atom(2)) {
			k.gone(uid)
		}
	case "SEARCH":
		k.searched = []uint32{}
		for i := 2; i < len(a); i++ {
			if n := a.number(i); n > 0 {
				k.searched = append(k.searched, uint32(n))
			}
		}
	case "OK":
		k.code(a)
	case "BYE":
		k.fail("%v", a)
	}
}

// gone forgets a mail.
func (k *client) gone(uid uint32) {
	k.w.Helper()
	if _, alive := k.box.find(uid); alive {
		k.fail("UID %d is said to be gone, and is there", uid)
	}
	i := slices.Index(k.view, uid)
	if i < 0 {
		k.fail("UID %d is said to be gone, and was not known", uid)
	}
	k.view = slices.Delete(k.view, i, i+1)
	delete(k.known, uid)
}

func (k *client) fetched(n int, items map[string]any) {
	k.w.Helper()
	if n < 1 || n > len(k.view) {
		k.fail("FETCH %d of %d", n, len(k.view))
	}
	uid := k.view[n-1]
	if said, ok := items["UID"]; ok && said != strconv.Itoa(int(uid)) {
		k.fail("mail %d is UID %v, was %d", n, said, uid)
	}
	m, _ := k.box.find(uid)
	if m == nil {
		k.fail("mail %d, UID %d, never was", n, uid)
	}
	if flags, ok := items["FLAGS"].([]any); ok {
		var got []string
		for _, f := range flags {
			if f != `\Recent` {
				got = append(got, f.(string))
			}
		}
		slices.Sort(got)
		if was, storing := k.before[uid]; !slices.Equal(got, m.flags) && !(storing && slices.Equal(got, was)) {
			k.fail("UID %d has flags %v, want %v", uid, got, m.flags)
		}
		k.known[uid] = got
	}
	if l, ok := items["MODSEQ"].([]any); ok {
		mod, _ := strconv.ParseInt(fmt.Sprint(l[0]), 10, 64)
		if mod < k.mods[uid] || mod < m.mod {
			k.fail("MODSEQ of UID %d is %d, was %d here and %d there", uid, mod, k.mods[uid], m.mod)
		}
		k.mods[uid] = mod
	} else if _, ok := items["FLAGS"]; ok && k.condstore {
		k.fail("FLAGS of UID %d come without MODSEQ (RFC 7162 §3.2)", uid)
	}
	for name, v := range items {
		if strings.HasPrefix(name, "BODY[") && strings.TrimSpace(fmt.Sprint(v)) != "Subject: "+m.subject {
			k.fail("UID %d: %s is %q, want subject %s", uid, name, v, m.subject)
		}
	}
}

// uidsOf reads a sequence-set without "*".
func uidsOf(k *client, set string) (out []uint32) {
	for r := range strings.SplitSeq(set, ",") {
		from, to, _ := strings.Cut(r, ":")
		a, err := strconv.ParseUint(from, 10, 32)
		b := a
		if to != "" && err == nil {
			b, err = strconv.ParseUint(to, 10, 32)
		}
		if err != nil || b < a || b-a > 1e6 {
			k.fail("not a set of UIDs: %q", set)
		}
		for u := a; u <= b; u++ {
			out = append(out, uint32(u))
		}
	}
	return out
}

// compare holds the model against the store: the commands did what they should.
func (w *world) compare() {
	w.Helper()
	for _, b := range w.boxes {
		entries, err := w.h.Mailboxes.Entries(w.h.t.Context(), b.id, 0, 0)
		if err != nil {
			w.fail("%v", err)
		}
		m, err := w.h.Mailboxes.ByID(w.h.t.Context(), b.id)
		if err != nil {
			w.fail("%v", err)
		}
		if int64(m.HighestMod) < b.high || uint32(m.UIDNext) != b.next {
			w.fail("%s: modseq %d after %d, UIDNEXT %d, want %d", b.name, m.HighestMod, b.high, m.UIDNext, b.next)
		}
		b.high = int64(m.HighestMod)
		if len(entries) != len(b.mails) {
			w.fail("%s holds %d mails, want %d: %v", b.name, len(entries), len(b.mails), b.uids())
		}
		unseen := 0
		for i, e := range entries {
			want := b.mails[i]
			flags := slices.Clone(e.Flags)
			slices.Sort(flags)
			if uint32(e.UID) != want.uid || !slices.Equal(flags, want.flags) || int64(e.ModSeq) < want.mod {
				w.fail("%s: mail %d is UID %d %v %d, want %d %v, at least %d", b.name, i+1, e.UID, flags, e.ModSeq, want.uid, want.flags, want.mod)
			}
			want.mod = int64(e.ModSeq)
			if !want.has(`\Seen`) {
				unseen++
			}
		}
		if m.Total != len(b.mails) || m.Unseen != unseen {
			w.fail("%s counts %d mails, %d unseen; want %d, %d", b.name, m.Total, m.Unseen, len(b.mails), unseen)
		}
	}
}

// synced is what must hold after a command that tells everything.
func (k *client) synced() {
	k.w.Helper()
	if k.box == nil {
		return
	}
	if !slices.Equal(k.view, k.box.uids()) {
		k.fail("believes in %v, there are %v", k.view, k.box.uids())
	}
	for uid, flags := range k.known {
		if m, alive := k.box.find(uid); alive && !slices.Equal(flags, m.flags) {
			k.fail("believes that UID %d has %v, it has %v", uid, flags, m.flags)
		}
	}
}

func (w *world) newBox(name string) *boxModel {
	m, err := w.h.Mailboxes.Create(w.h.t.Context(), w.ann.Account, name)
	if err != nil {
		w.Fatal(err)
	}
	return &boxModel{name: name, id: m.ID, validity: fmt.Sprint(m.UIDValidity), next: 1, dead: map[uint32]*mailModel{}}
}

func TestSessionsAgreeWithTheModel(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		w := &world{T: rt, h: h, ann: h.Accounts.(people)["ann@home.test"]}
		w.boxes = []*boxModel{w.newBox(fmt.Sprintf("A%d", round)), w.newBox(fmt.Sprintf("B%d", round))}
		for i := range 3 {
			k := &client{w: w, id: i, known: map[uint32][]string{}, mods: map[uint32]int64{}}
			w.clients = append(w.clients, k)
			k.connect()
			defer func() { k.c.Close() }()
		}
		w.clients[0].append()
		w.clients[0].append()
		w.clients[0].selectBox()
		rt.Repeat(map[string]func(*rapid.T){
			"":               func(*rapid.T) { w.compare() },
			"append":         w.some(false, (*client).append),
			"select":         w.some(false, (*client).selectBox),
			"reconnect":      w.some(false, (*client).connect),
			"resync":         w.some(false, (*client).resync),
			"enable":         w.some(false, (*client).enable),
			"noop":           w.some(true, (*client).noop),
			"idle":           w.some(true, (*client).idle),
			"fetch":          w.some(true, (*client).fetch),
			"fetch again":    w.some(true, (*client).fetch),
			"store":          w.some(true, (*client).store),
			"store again":    w.some(true, (*client).store),
			"copy":           w.some(true, (*client).copy),
			"move":           w.some(true, (*client).move),
			"expunge":        w.some(true, (*client).expunge),
			"search":         w.some(true, (*client).search),
			"close":          w.some(true, (*client).close),
			"changed since":  w.some(true, (*client).changedSince),
			"unchangedsince": w.some(true, (*client).storeUnchanged),
		})
		for _, k := range w.clients {
			if k.box != nil {
				k.noop()
			}
		}
	})
}

// some lets one client do something; selected says that it needs a mailbox.
func (w *world) some(selected bool, f func(*client)) func(*rapid.T) {
	return func(rt *rapid.T) {
		w.T = rt
		k := rapid.SampledFrom(w.clients).Draw(rt, "client")
		if selected && k.box == nil {
			k.selectBox()
		}
		f(k)
	}
}

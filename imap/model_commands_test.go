package imap

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

var modelFlags = []string{`\Seen`, `\Deleted`, `\Flagged`, "$a", "$b"}

func (k *client) someFlags(least int) []string {
	flags := rapid.SliceOfNDistinct(rapid.SampledFrom(modelFlags), least, 3, rapid.ID[string]).Draw(k.w.T, "flags")
	slices.Sort(flags)
	return flags
}

// someMails draws some of the mails that the client knows: their UIDs, and a set
// for the command.
func (k *client) someMails(byUID bool) (uids []uint32, set string) {
	if len(k.view) == 0 {
		return nil, ""
	}
	if rapid.IntRange(0, 3).Draw(k.w.T, "all") == 0 {
		return slices.Clone(k.view), "1:*"
	}
	picks := rapid.SliceOfNDistinct(rapid.IntRange(0, len(k.view)-1), 1, min(4, len(k.view)), rapid.ID[int]).Draw(k.w.T, "mails")
	var words []string
	for _, i := range picks {
		n := i + 1
		if byUID {
			n = int(k.view[i])
		}
		words = append(words, strconv.Itoa(n))
		uids = append(uids, k.view[i])
	}
	slices.Sort(uids)
	return uids, strings.Join(words, ",")
}

func (k *client) byUID() (bool, string) {
	if rapid.Bool().Draw(k.w.T, "by UID") {
		return true, "UID "
	}
	return false, ""
}

func (k *client) append() {
	b := rapid.SampledFrom(k.w.boxes).Draw(k.w.T, "box")
	flags := k.someFlags(0)
	k.w.mails++
	subject := fmt.Sprintf("mail %d", k.w.mails)
	body := "Subject: " + subject + "\r\n\r\n"
	m := b.add(subject, flags)
	a := k.ok(fmt.Sprintf("APPEND %s (%s) {%d+}\r\n%s", b.name, strings.Join(flags, " "), len(body), body), false)
	code, _ := a[2].([]any)
	if c := answer(code); c.atom(0) != "APPENDUID" || c.atom(1) != b.validity || c.number(2) != int(m.uid) {
		k.fail("APPEND: %v, want UID %d", a, m.uid)
	}
}

func (k *client) selectBox() {
	b := rapid.SampledFrom(k.w.boxes).Draw(k.w.T, "box")
	k.readOnly = rapid.IntRange(0, 4).Draw(k.w.T, "read only") == 0
	k.open(b, "")
	k.ok("UID FETCH 1:* FLAGS", false)
	k.synced()
	if len(k.known) != len(b.mails) {
		k.fail("fetched %d mails of %d", len(k.known), len(b.mails))
	}
}

// open selects a mailbox; with "" it knows nothing of it.
func (k *client) open(b *boxModel, resync string) {
	if k.box != b || resync == "" {
		k.known, k.mods, k.high = map[uint32][]string{}, map[uint32]int64{}, 0
	}
	k.box, k.view = b, nil
	verb := "SELECT "
	if k.readOnly {
		verb = "EXAMINE "
	}
	k.ok(verb+b.name+resync, false)
	if len(k.view) != len(b.mails) {
		k.fail("SELECT shows %d mails of %d", len(k.view), len(b.mails))
	}
}

// resync comes back after a while away (RFC 7162 §3.2.5).
func (k *client) resync() {
	if k.box == nil || k.high == 0 {
		return
	}
	b, high, known, mods := k.box, k.high, k.known, k.mods
	k.connect()
	k.ok("ENABLE QRESYNC", false)
	k.condstore, k.qresync = true, true
	k.box, k.known, k.mods = b, known, mods
	opt := fmt.Sprintf(" (QRESYNC (%s %d", b.validity, high)
	if len(known) > 0 && rapid.Bool().Draw(k.w.T, "known UIDs") {
		var uids []int
		for u := range known {
			uids = append(uids, int(u))
		}
		slices.Sort(uids)
		opt += " " + strings.ReplaceAll(strings.Trim(fmt.Sprint(uids), "[]"), " ", ",")
	}
	k.open(b, opt+"))")
	// What it knows is right now; what it does not know of it asks for.
	k.synced()
	for uid := range k.known {
		if _, alive := b.find(uid); !alive {
			k.fail("after QRESYNC it believes in UID %d", uid)
		}
	}
	for _, m := range b.mails {
		if _, ok := k.known[m.uid]; !ok {
			k.ok(fmt.Sprintf("UID FETCH %d FLAGS", m.uid), false)
		}
	}
}

func (k *client) enable() {
	switch rapid.IntRange(0, 1).Draw(k.w.T, "what") {
	case 0:
		k.ok("ENABLE CONDSTORE", false)
	case 1:
		k.qresync = true // what it is told behind ENABLED is told so already
		k.ok("ENABLE QRESYNC", false)
	}
	k.condstore = true
}

func (k *client) noop() {
	k.ok(rapid.SampledFrom([]string{"NOOP", "CHECK"}).Draw(k.w.T, "verb"), false)
	k.synced()
}

func (k *client) idle() {
	k.ok("IDLE\r\nDONE", false)
	k.synced()
}

func (k *client) fetch() {
	byUID, uid := k.byUID()
	uids, set := k.someMails(byUID)
	if set == "" {
		return
	}
	items := rapid.SampledFrom([]string{"FLAGS", "(UID FLAGS)", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)] RFC822.SIZE)", "ALL"}).Draw(k.w.T, "items")
	heard := map[uint32]bool{}
	view := slices.Clone(k.view)
	k.n++
	tag := fmt.Sprintf("k%d.%d", k.id, k.n)
	k.w.log = append(k.w.log, tag+" "+uid+"FETCH "+set+" "+items)
	k.c.send(tag + " " + uid + "FETCH " + set + " " + items + "\r\n")
	for {
		a, err := readAnswer(k.c.br)
		if err != nil {
			k.fail("%v", err)
		}
		k.w.log = append(k.w.log, fmt.Sprintf("    %v", a))
		if a.atom(0) == tag {
			if a.atom(1) != "OK" {
				k.fail("%v", a)
			}
			break
		}
		if a.atom(2) == "FETCH" && a.number(1) > 0 && a.number(1) <= len(k.view) {
			heard[k.view[a.number(1)-1]] = true
		}
		k.hear(a, !byUID)
	}
	for _, u := range uids {
		if !heard[u] && slices.Contains(view, u) {
			k.fail("UID %d was not fetched", u) // also one that is gone: it was not told so
		}
	}
}

func (k *client) store() {
	byUID, uid := k.byUID()
	uids, set := k.someMails(byUID)
	if set == "" {
		return
	}
	op := rapid.SampledFrom([]string{"FLAGS", "+FLAGS", "-FLAGS"}).Draw(k.w.T, "op")
	silent := rapid.Bool().Draw(k.w.T, "silent")
	flags := k.someFlags(0)
	cmd := fmt.Sprintf("%sSTORE %s %s", uid, set, op)
	if silent {
		cmd += ".SILENT"
	}
	cmd += " (" + strings.Join(flags, " ") + ")"
	if k.readOnly {
		if a := k.do(cmd, !byUID); a.atom(1) != "NO" {
			k.fail("STORE in a mailbox that was opened for reading: %v", a)
		}
		return
	}
	k.before = map[uint32][]string{}
	for _, u := range uids {
		m, alive := k.box.find(u)
		k.before[u] = m.flags
		if alive {
			m.flags = change(m.flags, op, flags)
		}
	}
	a := k.do(cmd, !byUID)
	k.before = nil
	if a.atom(1) == "OK" {
		for _, u := range k.box.alive(uids) {
			// Silently, the client works out by itself what it has done.
			if had, known := k.known[u]; silent && (known || op == "FLAGS") {
				k.known[u] = change(had, op, flags)
			}
		}
		return
	}
	// Of what is gone it may say so; then it may have done nothing or all of the rest.
	if !slices.ContainsFunc(uids, func(u uint32) bool { _, alive := k.box.find(u); return !alive }) {
		k.fail("STORE: %v", a)
	}
	k.adopt()
}

// adopt takes the flags from the store, after a command that may do part of it.
func (k *client) adopt() {
	entries, err := k.w.h.Mailboxes.Entries(k.w.h.t.Context(), k.box.id, 0, 0)
	if err != nil {
		k.fail("%v", err)
	}
	for _, e := range entries {
		if m, alive := k.box.find(uint32(e.UID)); alive {
			m.flags = slices.Sorted(slices.Values(e.Flags))
			if k.known[m.uid] != nil {
				delete(k.known, m.uid)
			}
		}
	}
}

// storeUnchanged changes only what nobody changed since (RFC 7162 §3.1.3).
func (k *client) storeUnchanged() {
	if k.readOnly {
		return
	}
	byUID, uid := k.byUID()
	uids, set := k.someMails(byUID)
	if set == "" || k.high == 0 {
		return
	}
	since := k.high
	if rapid.Bool().Draw(k.w.T, "now") {
		since = k.box.high
	}
	flags := k.someFlags(1)
	var spoiled []uint32
	for _, u := range uids {
		m, alive := k.box.find(u)
		switch {
		case alive && m.mod > since:
			spoiled = append(spoiled, u)
		case alive:
			m.flags = change(m.flags, "+FLAGS", flags)
		}
	}
	k.condstore = true
	view := slices.Clone(k.view)
	a := k.do(fmt.Sprintf("%sSTORE %s (UNCHANGEDSINCE %d) +FLAGS (%s)", uid, set, since, strings.Join(flags, " ")), !byUID)
	code, _ := a[2].([]any)
	var modified []uint32
	if c := answer(code); c.atom(0) == "MODIFIED" {
		for _, n := range uidsOf(k, c.atom(1)) {
			if !byUID {
				n = view[n-1]
			}
			if _, alive := k.box.find(n); alive {
				modified = append(modified, n)
			}
		}
	}
	if slices.Sort(modified); !slices.Equal(modified, spoiled) {
		k.fail("MODIFIED %v, want %v: %v", modified, spoiled, a)
	}
}

// arrive adds to a mailbox what COPYUID says was copied there.
func (k *client) arrive(to *boxModel, uids []uint32, from *boxModel) {
	if k.copied == nil {
		return
	}
	c := answer(k.copied)
	src, dst := uidsOf(k, c.atom(2)), uidsOf(k, c.atom(3))
	if c.atom(1) != to.validity || len(src) != len(dst) {
		k.fail("COPYUID %v", c)
	}
	for i, u := range src {
		m, _ := from.find(u)
		if m == nil || !slices.Contains(uids, u) {
			k.fail("COPYUID names UID %d, of %v", u, uids)
		}
		if to.next != dst[i] {
			k.fail("COPYUID gives %d, want %d", dst[i], to.next)
		}
		to.add(m.subject, slices.Clone(m.flags))
	}
}

// alive are those of uids that are there.
func (b *boxModel) alive(uids []uint32) (out []uint32) {
	for _, u := range uids {
		if _, alive := b.find(u); alive {
			out = append(out, u)
		}
	}
	return out
}

// otherBox is one of the mailboxes that the client has not selected. To copy a
// mail onto its own mailbox is TestCopyOntoItself's.
func (k *client) otherBox() *boxModel {
	if k.box == k.w.boxes[0] {
		return k.w.boxes[1]
	}
	return k.w.boxes[0]
}

func (k *client) copy() {
	byUID, uid := k.byUID()
	uids, set := k.someMails(byUID)
	if set == "" {
		return
	}
	to := k.otherBox()
	a := k.do(fmt.Sprintf("%sCOPY %s %s", uid, set, to.name), false)
	k.arrive(to, uids, k.box)
	alive := k.box.alive(uids)
	switch {
	case a.atom(1) == "OK" && k.copied == nil && len(alive) > 0:
		k.fail("COPY of %v says nothing: %v", alive, a)
	case a.atom(1) == "OK":
		for _, u := range alive {
			if !slices.Contains(uidsOf(k, answer(k.copied).atom(2)), u) {
				k.fail("UID %d was not copied", u)
			}
		}
	case len(alive) == len(uids):
		k.fail("COPY: %v", a)
	}
}

func (k *client) move() {
	byUID, uid := k.byUID()
	uids, set := k.someMails(byUID)
	if set == "" {
		return
	}
	to := k.otherBox()
	cmd := fmt.Sprintf("%sMOVE %s %s", uid, set, to.name)
	if k.readOnly {
		if a := k.do(cmd, false); a.atom(1) != "NO" {
			k.fail("MOVE out of a mailbox that was opened for reading: %v", a)
		}
		return
	}
	alive := k.box.alive(uids)
	k.box.remove(func(m *mailModel) bool { return slices.Contains(uids, m.uid) })
	a := k.do(cmd, false)
	k.arrive(to, uids, k.box)
	if a.atom(1) != "OK" {
		if len(alive) == len(uids) {
			k.fail("MOVE: %v", a)
		}
		// It refused because of what is gone: nothing has moved.
		for _, u := range alive {
			k.box.mails = append(k.box.mails, k.box.dead[u])
			delete(k.box.dead, u)
		}
		slices.SortFunc(k.box.mails, func(a, b *mailModel) int { return int(a.uid) - int(b.uid) })
		return
	}
	for _, u := range alive {
		if slices.Contains(k.view, u) {
			k.fail("UID %d was moved and it was not told", u)
		}
	}
}

func (k *client) expunge() {
	uids, set := k.someMails(true)
	cmd, within := "EXPUNGE", func(uint32) bool { return true }
	if set != "" && rapid.Bool().Draw(k.w.T, "UID EXPUNGE") {
		cmd, within = "UID EXPUNGE "+set, func(u uint32) bool { return slices.Contains(uids, u) }
	}
	if k.readOnly {
		if a := k.do(cmd, false); a.atom(1) != "NO" {
			k.fail("EXPUNGE in a mailbox that was opened for reading: %v", a)
		}
		return
	}
	k.box.remove(func(m *mailModel) bool { return m.has(`\Deleted`) && within(m.uid) })
	k.ok(cmd, false)
	k.synced()
}

func (k *client) close() {
	verb := rapid.SampledFrom([]string{"CLOSE", "UNSELECT"}).Draw(k.w.T, "verb")
	if verb == "CLOSE" && !k.readOnly {
		k.box.remove(func(m *mailModel) bool { return m.has(`\Deleted`) })
	}
	view := len(k.view)
	k.ok(verb, false)
	if len(k.view) != view && verb == "CLOSE" {
		k.fail("CLOSE tells of what it expunges")
	}
	k.box, k.view, k.high = nil, nil, 0
}

func (k *client) search() {
	byUID, uid := k.byUID()
	key := rapid.SampledFrom([]string{"ALL", "DELETED", "UNSEEN", "NOT FLAGGED", "KEYWORD $a", "OR SEEN KEYWORD $b"}).Draw(k.w.T, "key")
	match := map[string]func(*mailModel) bool{
		"ALL":                func(*mailModel) bool { return true },
		"DELETED":            func(m *mailModel) bool { return m.has(`\Deleted`) },
		"UNSEEN":             func(m *mailModel) bool { return !m.has(`\Seen`) },
		"NOT FLAGGED":        func(m *mailModel) bool { return !m.has(`\Flagged`) },
		"KEYWORD $a":         func(m *mailModel) bool { return m.has("$a") },
		"OR SEEN KEYWORD $b": func(m *mailModel) bool { return m.has(`\Seen`) || m.has("$b") },
	}[key]
	view := slices.Clone(k.view)
	k.ok(uid+"SEARCH "+key, !byUID)
	var found []uint32
	for _, n := range k.searched {
		if !byUID {
			if n > uint32(len(view)) {
				k.fail("SEARCH finds number %d of %d", n, len(view))
			}
			n = view[n-1]
		}
		found = append(found, n)
	}
	for _, u := range view {
		m, alive := k.box.find(u)
		got := slices.Contains(found, u)
		if alive && got != match(m) {
			k.fail("SEARCH %s: UID %d with %v is found: %v", key, u, m.flags, got)
		}
	}
	for _, u := range found {
		if _, alive := k.box.find(u); alive && !slices.Contains(view, u) && !byUID {
			k.fail("SEARCH finds UID %d, which has no number", u)
		}
	}
}

// changedSince asks what changed, as a program with CONDSTORE does.
func (k *client) changedSince() {
	since := k.high
	if since == 0 {
		return
	}
	k.condstore = true
	view := slices.Clone(k.view)
	k.mods = map[uint32]int64{}
	cmd := fmt.Sprintf("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d", since)
	if k.qresync {
		cmd += " VANISHED"
	}
	k.ok(cmd+")", false)
	for _, m := range k.box.mails {
		if _, told := k.mods[m.uid]; m.mod > since && slices.Contains(view, m.uid) && !told {
			k.fail("UID %d changed at %d and is not among what changed since %d", m.uid, m.mod, since)
		}
	}
}

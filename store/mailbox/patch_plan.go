package mailbox

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"colporteur/mail"
)

// work is what patches ask for, by what is to be done: many mails have it in common.
type work struct {
	*view
	uids map[job][]UID
}

// job is one step, for some mails of a mailbox.
type job struct {
	do   deed
	box  ID
	flag string // one at a time: what a mail has of several depends on the mail
	to   ID
}

type deed int

// In the order in which they are done: a mail takes its flags along.
const (
	setFlags deed = iota
	clearFlags
	markRead
	markUnread
	copyMails
	moveMails
	takeOut
)

func (w *work) add(j job, uid UID) {
	if w.uids == nil {
		w.uids = map[job][]UID{}
	}
	w.uids[j] = append(w.uids[j], uid)
}

func (w *work) inOrder() []job {
	return slices.SortedFunc(maps.Keys(w.uids), func(a, b job) int {
		return cmp.Or(cmp.Compare(a.do, b.do), cmp.Compare(a.box, b.box), cmp.Compare(a.to, b.to), cmp.Compare(a.flag, b.flag))
	})
}

var (
	errNowhere = errors.New("an email is in one mailbox at least")
	errNoBox   = errors.New("no such mailbox")
	errMarked  = errors.New(`\Deleted is not for an email as a whole`)
)

// plan adds what a patch asks for, or says why it cannot be.
func (w *work) plan(m *Email, p *EmailPatch) error {
	one := work{view: w.view}
	if err := one.planFlags(m, p); err != nil {
		return err
	}
	if err := one.planPlaces(m, p); err != nil {
		return err
	}
	for j, uids := range one.uids {
		for _, uid := range uids {
			w.add(j, uid)
		}
	}
	return nil
}

// planFlags sees to it that the email has its flags wherever it is.
func (w *work) planFlags(m *Email, p *EmailPatch) error {
	set, err := normalFlags(p.Set)
	if err != nil {
		return err
	}
	gone, err := normalFlags(p.Clear)
	if err != nil {
		return err
	}
	if hasFlag(set, deleted) {
		return mail.Wrap(mail.BadSyntax, errMarked)
	}
	if p.Destroy {
		return nil
	}
	moves := p.Only != nil || len(p.Into) > 0 || len(p.From) > 0
	for _, at := range m.Places {
		r := w.rights[at.Mailbox]
		fresh := RemoveFlags.apply(set, at.Flags)
		var old []string
		for _, f := range at.Flags {
			if p.Replace && !hasFlag(set, f) || hasFlag(gone, f) && !hasFlag(set, f) {
				old = append(old, f)
			}
		}
		for _, f := range slices.Concat(fresh, old) {
			// RFC 8621 §2, maySetSeen: the right is needed in all its mailboxes.
			if !r.MaySet(f) {
				return mail.Refuse(mail.Forbidden, "kind-forbidden")
			}
		}
		if moves && !p.Replace {
			// Flags belong to the email: those that it has in one mailbox only must
			// not be lost with that.
			for _, f := range m.Flags {
				if !hasFlag(at.Flags, f) && !hasFlag(gone, f) && !hasFlag(fresh, f) && r.MaySet(f) {
					fresh = append(fresh, f)
				}
			}
		}
		if len(at.Flags)+len(fresh)-len(old) > maxFlags {
			return mail.Refuse(mail.TooMany, "mailbox-many-flags", "Max", maxFlags)
		}
		w.planMarks(at, fresh, setFlags, markRead)
		w.planMarks(at, old, clearFlags, markUnread)
	}
	return nil
}

func (w *work) planMarks(at Place, flags []string, do, read deed) {
	for _, f := range flags {
		if f == seen && !w.own() {
			w.add(job{do: read, box: at.Mailbox}, at.UID)
		} else {
			w.add(job{do: do, box: at.Mailbox, flag: f}, at.UID)
		}
	}
}

// planPlaces moves the email where it is to be.
func (w *work) planPlaces(m *Email, p *EmailPatch) error {
	var have []ID
	for _, at := range m.Places {
		have = append(have, at.Mailbox)
	}
	have = slices.Compact(have) // Places are sorted
	want := slices.Clone(have)
	if p.Only != nil || p.Destroy {
		want = slices.Clone(p.Only)
	}
	want = append(want, p.Into...)
	want = slices.DeleteFunc(want, func(id ID) bool { return slices.Contains(p.From, id) || p.Destroy })
	slices.Sort(want)
	want = slices.Compact(want)
	if len(want) == 0 && !p.Destroy {
		return mail.Wrap(mail.BadSyntax, errNowhere)
	}
	var come []ID
	for _, id := range want {
		r, seen := w.rights[id]
		switch {
		case slices.Contains(have, id):
			continue
		case !seen:
			return mail.Wrap(mail.BadSyntax, errNoBox)
		case !r.Has(RightInsert):
			return mail.Refuse(mail.Forbidden, "kind-forbidden")
		}
		come = append(come, id)
	}
	var leave, stay []Place
	for _, at := range m.Places {
		if slices.Contains(want, at.Mailbox) {
			stay = append(stay, at)
			continue
		}
		// RFC 8621 §2, mayRemoveItems.
		if !w.rights[at.Mailbox].Has(RightDeleteMails + RightExpunge) {
			return mail.Refuse(mail.Forbidden, "kind-forbidden")
		}
		leave = append(leave, at)
	}
	// What leaves one mailbox and comes into another moves; what comes into more
	// is copied first.
	n := min(len(come), len(leave))
	for _, id := range come[n:] {
		from := slices.Concat(stay, leave)[0]
		w.add(job{do: copyMails, box: from.Mailbox, to: id}, from.UID)
	}
	for i, id := range come[:n] {
		w.add(job{do: moveMails, box: leave[i].Mailbox, to: id}, leave[i].UID)
	}
	for _, at := range leave[n:] {
		w.add(job{do: takeOut, box: at.Mailbox}, at.UID)
	}
	return nil
}

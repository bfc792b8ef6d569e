package mailbox

import (
	"context"
	"slices"

	"colporteur/mail"
)

// SetFlagsAs is SetFlags by u, who has the rights r on m: what r does not permit
// stays as it is (RFC 4314 §4), and in another account's mailbox \Seen is u's own.
// The entries have the flags that u sees. Kind Forbidden: none of the flags may
// be changed.
//
// It is SetFlags as it is for an owner. For others it is up to three steps, each
// a transaction of its own: another session may see them one by one, as it may
// see those of any program that sets and clears flags.
func (s *Store) SetFlagsAs(ctx context.Context, u mail.User, m Mailbox, r Rights, uids []UID, op FlagOp, flags []string, unchangedSince ModSeq) (now []Entry, modified []UID, err error) {
	if m.Account == u.Account && r.Has(AllRights) {
		return s.SetFlags(ctx, m.ID, uids, op, flags, unchangedSince)
	}
	if flags, err = normalFlags(flags); err != nil {
		return nil, nil, err
	}
	asked := len(flags)
	flags = slices.DeleteFunc(flags, func(f string) bool { return !r.MaySet(f) })
	if asked > 0 && len(flags) == 0 || !r.MayChange() {
		return nil, nil, mail.Refuse(mail.Forbidden, "kind-forbidden")
	}
	c := change{Store: s, ctx: ctx, box: m.ID, uids: uids, since: unchangedSince}
	own := m.Account != u.Account
	read := hasFlag(flags, seen)
	if own && r.Has(RightSeen) && (read || op == ReplaceFlags) {
		c.step(func(uids []UID, since ModSeq) ([]Entry, []UID, error) {
			return s.SetSeen(ctx, m.ID, u.Account, uids, read && op != RemoveFlags, since)
		})
	}
	if own {
		flags = slices.DeleteFunc(flags, func(f string) bool { return f == seen })
	}
	switch op {
	case ReplaceFlags:
		// The store's own replacing would clear what is not u's to clear.
		n, err := s.Snapshot(ctx, m.ID)
		if err != nil {
			return nil, nil, err
		}
		var others []string
		for _, f := range slices.Concat(system, n.Keywords()) {
			if r.MaySet(f) && !hasFlag(flags, f) && !(own && f == seen) {
				others = append(others, f)
			}
		}
		for some := range slices.Chunk(others, maxFlags) {
			c.set(RemoveFlags, some)
		}
		c.set(AddFlags, flags)
	default:
		c.set(op, flags)
	}
	if c.err != nil {
		return nil, nil, c.err
	}
	if own {
		set, err := s.seenNow(ctx, m.ID, u.Account)
		if err != nil {
			return nil, nil, err
		}
		for i := range c.now {
			c.now[i].Flags = ShownFlags(c.now[i].Flags, c.now[i].UID, set)
		}
	}
	return c.now, c.modified, nil
}

// change is a change of flags in steps: the first one looks at the modseqs.
type change struct {
	*Store
	ctx      context.Context
	box      ID
	uids     []UID
	since    ModSeq
	now      []Entry
	modified []UID
	err      error
}

func (c *change) set(op FlagOp, flags []string) {
	if len(flags) > 0 {
		c.step(func(uids []UID, since ModSeq) ([]Entry, []UID, error) {
			return c.SetFlags(c.ctx, c.box, uids, op, flags, since)
		})
	}
}

func (c *change) step(f func([]UID, ModSeq) ([]Entry, []UID, error)) {
	if c.err != nil || len(c.uids) == 0 {
		return
	}
	var modified []UID
	if c.now, modified, c.err = f(c.uids, c.since); len(modified) > 0 {
		c.modified = modified
		left := MakeUIDSet(modified...)
		c.uids = slices.DeleteFunc(slices.Clone(c.uids), left.Contains)
	}
	c.since = 0
}

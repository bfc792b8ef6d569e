package mailbox

import (
	"context"
	"slices"
	"sort"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

const (
	seen    = `\Seen`
	deleted = `\Deleted`
)

// system flags in their one spelling (RFC 9051 §2.3.2). \Recent belongs to a
// session and is never stored.
var system = []string{`\Answered`, deleted, `\Draft`, `\Flagged`, seen}

const (
	maxFlags   = 64
	maxKeyword = 100
)

// normalFlags is flags in their one spelling, sorted, each once.
func normalFlags(flags []string) ([]string, error) {
	var out []string
	for _, f := range flags {
		if strings.EqualFold(f, `\Recent`) {
			continue
		}
		if strings.HasPrefix(f, `\`) {
			i := slices.IndexFunc(system, func(s string) bool { return strings.EqualFold(s, f) })
			if i < 0 {
				return nil, mail.Refuse(mail.BadSyntax, "mailbox-bad-flag")
			}
			f = system[i]
		} else if !isKeyword(f) {
			return nil, mail.Refuse(mail.BadSyntax, "mailbox-bad-flag")
		}
		if !hasFlag(out, f) {
			out = append(out, f)
		}
	}
	if len(out) > maxFlags {
		return nil, mail.Refuse(mail.TooMany, "mailbox-many-flags", "Max", maxFlags)
	}
	sort.Strings(out)
	return out, nil
}

// isKeyword says whether f is a flag-keyword: an atom (RFC 9051 §9).
func isKeyword(f string) bool {
	if f == "" || len(f) > maxKeyword {
		return false
	}
	for i := 0; i < len(f); i++ {
		if c := f[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return true
}

func hasFlag(flags []string, f string) bool {
	return slices.ContainsFunc(flags, func(have string) bool { return strings.EqualFold(have, f) })
}

// FlagOp says what SetFlags does with its flags.
type FlagOp int

const (
	ReplaceFlags FlagOp = iota
	AddFlags
	RemoveFlags
)

func (op FlagOp) apply(have, flags []string) []string {
	var out []string
	switch op {
	case ReplaceFlags:
		for _, f := range flags {
			// A keyword keeps the spelling it came with.
			if i := slices.IndexFunc(have, func(h string) bool { return strings.EqualFold(h, f) }); i >= 0 {
				f = have[i]
			}
			out = append(out, f)
		}
	case AddFlags:
		out = slices.Clone(have)
		for _, f := range flags {
			if !hasFlag(out, f) {
				out = append(out, f)
			}
		}
	case RemoveFlags:
		for _, f := range have {
			if !hasFlag(flags, f) {
				out = append(out, f)
			}
		}
	}
	sort.Strings(out)
	return out
}

// SetFlags changes flags of the given UIDs and returns the entries as they are
// now. An entry with a modseq above unchangedSince (when > 0) is left alone and
// its UID returned in modified (RFC 7162 §3.1.3). What does not change keeps
// its modseq.
func (s *Store) SetFlags(ctx context.Context, box ID, uids []UID, op FlagOp, flags []string, unchangedSince ModSeq) (now []Entry, modified []UID, err error) {
	if flags, err = normalFlags(flags); err != nil {
		return nil, nil, err
	}
	if len(uids) == 0 {
		return nil, nil, nil
	}
	err = s.write(ctx, func(tx *store.Tx) error {
		m, err := byID(ctx, tx, box)
		if err != nil {
			return err
		}
		if err := lockAccount(ctx, tx, m.Account); err != nil {
			return err
		}
		now, modified, err = s.setFlags(ctx, tx, m, uids, op, flags, unchangedSince)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return now, modified, nil
}

// setFlags is SetFlags where the account is locked and the flags are in order.
func (s *Store) setFlags(ctx context.Context, tx *store.Tx, m Mailbox, uids []UID, op FlagOp, flags []string, unchangedSince ModSeq) (now []Entry, modified []UID, err error) {
	entries, err := pick(ctx, tx, m.ID, uids)
	if err != nil {
		return nil, nil, err
	}
	unseen := 0
	var touched []int                 // indexes of now
	groups := map[string][]UID{}      // of UIDs, by the flags they had
	become := map[string]([]string){} // few sets of flags are in use at a time
	for _, e := range entries {
		if unchangedSince > 0 && e.ModSeq > unchangedSince {
			modified = append(modified, e.UID)
			continue
		}
		was := strings.Join(e.Flags, " ")
		fresh, ok := become[was]
		if !ok {
			if fresh = op.apply(e.Flags, flags); len(fresh) > maxFlags {
				return nil, nil, mail.Refuse(mail.TooMany, "mailbox-many-flags", "Max", maxFlags)
			}
			become[was] = fresh
		}
		if is := strings.Join(fresh, " "); is != was {
			unseen += number(hasFlag(e.Flags, seen)) - number(hasFlag(fresh, seen))
			e.Flags = fresh
			groups[was] = append(groups[was], e.UID)
			touched = append(touched, len(now))
		}
		now = append(now, e)
	}
	if len(touched) == 0 {
		return now, modified, nil
	}
	modseq, err := nextModSeq(ctx, tx, m.Account, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range touched {
		now[i].ModSeq = modseq
	}
	whole := []span(nil)
	if len(modified) == 0 && len(groups) <= maxGroups {
		// What has certain flags among all that were asked for is one group: no UID
		// has to be bound.
		if whole, err = spans(ctx, tx, m.ID, uidsOf(entries)); err != nil {
			return nil, nil, err
		}
	}
	for was, uids := range groups {
		some := whole
		if some == nil {
			if some, err = spans(ctx, tx, m.ID, uids); err != nil {
				return nil, nil, err
			}
		}
		for _, q := range some {
			turned := "" // see changes.go
			if isHidden(was) != hasFlag(become[was], deleted) {
				turned = `, turned = ` + q.arg(int64(modseq))
			}
			had, is, mod := q.arg(was), q.arg(strings.Join(become[was], " ")), q.arg(int64(modseq))
			if _, err := tx.Exec(ctx, `UPDATE placement SET flags = `+is+`, modseq = `+mod+turned+` WHERE `+q.where+` AND flags = `+had, q.args...); err != nil {
				return nil, nil, err
			}
		}
	}
	s.changed(tx, m.Account)
	if err := count(ctx, tx, m.ID, modseq, 0, unseen, 0); err != nil {
		return nil, nil, err
	}
	return now, modified, s.tellFlags(ctx, tx, m, entries, now)
}

// maxGroups is how many sets of flags are told apart by the database.
const maxGroups = 8

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// count changes a mailbox's counters.
func count(ctx context.Context, tx *store.Tx, box ID, modseq ModSeq, total, unseen int, size int64) error {
	_, err := tx.Exec(ctx, `UPDATE mailbox SET highest = $2, total = total + $3, unseen = unseen + $4, size = size + $5 WHERE id = $1`,
		int64(box), int64(modseq), total, unseen, size)
	return err
}

package mailbox

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/message"
)

// Email is one mail of an account, in all the mailboxes where a member sees it.
type Email struct {
	ID      EmailID
	Thread  ThreadID
	Message message.ID
	Size    int64     // prefix and message
	Date    time.Time // the earliest INTERNALDATE
	Flags   []string  // of all places together; sorted; not to be written to
	Places  []Place   // by mailbox and UID; never none
}

// Place is where an email is.
type Place struct {
	Mailbox ID
	UID     UID
	ModSeq  ModSeq
	Flags   []string // as the member sees them
}

// Emails are those of an account that u sees, in the order of ids; nil for one
// that is not there, or in no mailbox that u may read.
func (s *Store) Emails(ctx context.Context, u mail.User, account mail.AccountID, ids []EmailID) (list []*Email, err error) {
	v, err := s.viewer(ctx, u, account)
	if err != nil {
		return nil, err
	}
	list = make([]*Email, len(ids))
	err = s.read(ctx, func(tx *store.Tx) error {
		clear(list)
		if err := v.look(ctx, tx); err != nil {
			return err
		}
		found, err := v.emails(ctx, tx, ids)
		for i, id := range ids {
			list[i] = found[id]
		}
		return err
	})
	return list, err
}

// emails reads those of ids that the member sees.
func (v *view) emails(ctx context.Context, tx *store.Tx, ids []EmailID) (map[EmailID]*Email, error) {
	found := make(map[EmailID]*Email, len(ids))
	flags := scanner{}
	for some := range slices.Chunk(ids, atOnce) {
		set, args := in(nil, some)
		rows, err := tx.Query(ctx, `SELECT mailbox, `+entryColumns+`, 0 FROM placement WHERE email IN `+set, args...)
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var box ID
			e, err := flags.entry(func(to ...any) error { return scan(append([]any{&box}, to...)...) })
			if err != nil || !v.reads(box) || hasFlag(e.Flags, deleted) {
				return err
			}
			m := found[e.Email]
			if m == nil {
				m = &Email{ID: e.Email, Thread: e.Thread, Message: e.Message, Size: e.Size, Date: e.Date}
				found[e.Email] = m
			}
			if e.Date.Before(m.Date) {
				m.Date = e.Date
			}
			m.Places = append(m.Places, Place{Mailbox: box, UID: e.UID, ModSeq: e.ModSeq, Flags: e.Flags})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, v.finish(ctx, tx, found)
}

// finish gives emails the flags that the member sees.
func (v *view) finish(ctx context.Context, tx *store.Tx, found map[EmailID]*Email) error {
	read := map[ID]*UIDSet{}
	for _, m := range found {
		slices.SortFunc(m.Places, func(a, b Place) int {
			return cmp.Or(cmp.Compare(a.Mailbox, b.Mailbox), cmp.Compare(a.UID, b.UID))
		})
		for i := range m.Places {
			p := &m.Places[i]
			if !v.own() {
				if read[p.Mailbox] == nil {
					set, err := readSeen(ctx, tx, p.Mailbox, v.user.Account)
					if err != nil {
						return err
					}
					read[p.Mailbox] = set
				}
				p.Flags = ShownFlags(p.Flags, p.UID, read[p.Mailbox])
			}
			m.Flags = union(m.Flags, p.Flags)
		}
	}
	return nil
}

// union is both, sorted, each once.
func union(a, b []string) []string {
	if len(a) == 0 || slices.Equal(a, b) {
		return b
	}
	return AddFlags.apply(a, b)
}

// ThreadMails are the emails of threads that u sees, each thread's by date, in
// the order of ids; nil for a thread of which u sees none.
func (s *Store) ThreadMails(ctx context.Context, u mail.User, account mail.AccountID, ids []ThreadID) (list [][]EmailID, err error) {
	v, err := s.viewer(ctx, u, account)
	if err != nil {
		return nil, err
	}
	list = make([][]EmailID, len(ids))
	err = s.read(ctx, func(tx *store.Tx) error {
		clear(list)
		if err := v.look(ctx, tx); err != nil {
			return err
		}
		found := map[ThreadID]map[EmailID]int64{} // with their dates
		for some := range slices.Chunk(ids, atOnce) {
			err := v.inThreads(ctx, tx, some, func(t ThreadID, e EmailID, _ ID, date int64) {
				if found[t] == nil {
					found[t] = map[EmailID]int64{}
				}
				if have, ok := found[t][e]; !ok || date < have {
					found[t][e] = date
				}
			})
			if err != nil {
				return err
			}
		}
		for i, id := range ids {
			dates := found[id]
			list[i] = slices.SortedFunc(maps.Keys(dates), func(a, b EmailID) int {
				return cmp.Or(cmp.Compare(dates[a], dates[b]), cmp.Compare(a, b))
			})
		}
		return nil
	})
	return list, err
}

// inThreads yields the placements that the member sees of at most atOnce threads.
func (v *view) inThreads(ctx context.Context, tx *store.Tx, ids []ThreadID, yield func(ThreadID, EmailID, ID, int64)) error {
	set, args := in([]any{int64(v.account)}, ids)
	rows, err := tx.Query(ctx, `SELECT e.thread, e.id, p.mailbox, p.date, p.flags FROM email e JOIN placement p ON p.email = e.id
		WHERE e.account = $1 AND e.thread IN `+set, args...)
	return store.Each(rows, err, func(scan func(...any) error) error {
		var t ThreadID
		var e EmailID
		var box ID
		var date int64
		var flags string
		if err := scan(&t, &e, &box, &date, &flags); err != nil {
			return err
		}
		if v.reads(box) && !isHidden(flags) {
			yield(t, e, box, date)
		}
		return nil
	})
}

// isHidden says whether a mail with these flags, as they are stored, waits for EXPUNGE.
func isHidden(flags string) bool { return strings.Contains(flags, deleted) }

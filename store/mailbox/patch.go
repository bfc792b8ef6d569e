package mailbox

import (
	"context"
	"errors"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

// EmailPatch is what is to become of one email.
type EmailPatch struct {
	ID         EmailID
	Into, From []ID     // mailboxes that it is to be in, and those that it is not to be in
	Only       []ID     // when not nil: in these and in no other
	Set, Clear []string // flags
	Replace    bool     // Set is all the flags that it is to have
	Destroy    bool     // it leaves all mailboxes
}

// Patch changes emails of an account for u, each patch all or nothing. errs has
// one entry for each patch, nil for what was done; before and after are the
// states around it. With ifState, kind Conflict, and nothing done, when the
// account's state is another. Kinds in errs: NotFound (an email that u does not
// see), Forbidden (a right is missing), BadSyntax (no mailbox left, one that u
// does not see, a flag that is none), TooMany (flags), Policy (a program
// refused, in its words), and others that a program's failure has.
//
// Flags are set in all mailboxes. Who moves an email moves it as IMAP's MOVE
// does: programs hear of it, it gets a new UID.
//
// All patches are one transaction. When one of them is refused while it is
// carried out, each becomes one of its own: so the others are done.
func (s *Store) Patch(ctx context.Context, u mail.User, account mail.AccountID, ifState *ModSeq, patches []EmailPatch) (errs []error, before, after ModSeq, err error) {
	v, err := s.viewer(ctx, u, account)
	if err != nil {
		return nil, 0, 0, err
	}
	errs, before, after, refused, err := s.patch(ctx, v, ifState, patches)
	if err != nil || refused == nil {
		return errs, before, after, err
	}
	if len(patches) == 1 {
		errs[0] = refused
		return errs, before, before, nil
	}
	errs = make([]error, len(patches))
	after = before
	for i := range patches {
		one, first, last, refused, err := s.patch(ctx, v, ifState, patches[i:i+1])
		if err != nil {
			return nil, 0, 0, err
		}
		if errs[i] = one[0]; refused != nil {
			errs[i] = refused
			continue
		}
		if ifState != nil { // what others do meanwhile is not asked for
			ifState = nil
			before = first
		}
		after = last
	}
	return errs, before, after, nil
}

// patch does patches in one transaction. refused is what ended it when it was
// not the database; then nothing was done.
func (s *Store) patch(ctx context.Context, v *view, ifState *ModSeq, patches []EmailPatch) (errs []error, before, after ModSeq, refused, err error) {
	err = s.write(ctx, func(tx *store.Tx) error {
		errs, refused = make([]error, len(patches)), nil
		if err := lockAccount(ctx, tx, v.account); err != nil {
			return err
		}
		if err := v.look(ctx, tx); err != nil {
			return err
		}
		before = v.state
		if ifState != nil && *ifState != before {
			return mail.Wrap(mail.Conflict, errors.New("the state is another one"))
		}
		ids := make([]EmailID, len(patches))
		for i := range patches {
			ids[i] = patches[i].ID
		}
		found, err := v.emails(ctx, tx, ids)
		if err != nil {
			return err
		}
		w := work{view: v}
		for i := range patches {
			if m := found[patches[i].ID]; m == nil {
				errs[i] = missing(store.ErrNoRows)
			} else if errs[i] = w.plan(m, &patches[i]); errs[i] == nil {
				delete(found, m.ID) // once: what a second patch would be about is not there any more
			}
		}
		if err := s.carryOut(ctx, tx, &w); err != nil {
			if known := (*mail.Error)(nil); errors.As(err, &known) {
				refused = err
			}
			return err
		}
		return tx.QueryRow(ctx, `SELECT modseq FROM mailbox_account WHERE account = $1`, int64(v.account)).Scan(&after)
	})
	if refused != nil {
		err = nil
	}
	return errs, before, after, refused, err
}

// carryOut does the work, one step for all mails that have it in common.
func (s *Store) carryOut(ctx context.Context, tx *store.Tx, w *work) error {
	boxes := map[ID]Mailbox{}
	for _, m := range w.boxes {
		boxes[m.ID] = m
	}
	for _, j := range w.inOrder() {
		a, uids := boxes[j.box], w.uids[j]
		slices.Sort(uids)
		var err error
		switch j.do {
		case setFlags:
			_, _, err = s.setFlags(ctx, tx, a, uids, AddFlags, []string{j.flag}, 0)
		case clearFlags:
			_, _, err = s.setFlags(ctx, tx, a, uids, RemoveFlags, []string{j.flag}, 0)
		case markRead, markUnread:
			_, _, err = s.setSeen(ctx, tx, a, w.user.Account, uids, j.do == markRead, 0)
		case copyMails, moveMails:
			if w.own() {
				_, _, err = s.transferIn(ctx, tx, a, uids, boxes[j.to], j.do == moveMails)
			} else {
				_, _, err = s.copyAs(ctx, tx, w.user, a, uids, boxes[j.to], w.rights[j.to], j.do == moveMails)
			}
		case takeOut:
			err = s.Withdraw(ctx, tx, a.ID, uids)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

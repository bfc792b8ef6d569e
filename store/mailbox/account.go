package mailbox

import (
	"context"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

// # The whole account
//
// What begins with account, emails, changes, patch or allquery looks at all
// mailboxes of an account together, as JMAP does: a mail is one Email, in
// however many mailboxes. What a member sees of an account are the mails in
// mailboxes that they may read. A mail that waits for EXPUNGE is not among them
// (RFC 8621 §4.1.1: what has \Deleted must not be visible); it is again when it
// loses the flag.

// State is the modseq of an account's last change. Kind NotFound.
func (s *Store) State(ctx context.Context, account mail.AccountID) (state ModSeq, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		return missing(tx.QueryRow(ctx, `SELECT modseq FROM mailbox_account WHERE account = $1`, int64(account)).Scan(&state))
	})
	return state, err
}

// Accounts are those of which u sees mailboxes, u's own first.
func (s *Store) Accounts(ctx context.Context, u mail.User) ([]mail.AccountID, error) {
	list, err := s.Folders(ctx, u)
	if err != nil {
		return nil, err
	}
	all := []mail.AccountID{u.Account}
	for _, f := range list {
		if f.Exists && !slices.Contains(all, f.Account) {
			all = append(all, f.Account)
		}
	}
	return all, nil
}

// InAccount is what u sees of an account's mailboxes, INBOX first, then by name.
// Unlike in Folders a mailbox is called what its owner calls it, and keeps its
// role. Kind NotFound: u sees nothing there.
func (s *Store) InAccount(ctx context.Context, u mail.User, account mail.AccountID) (list []Folder, err error) {
	v, err := s.viewer(ctx, u, account)
	if err != nil {
		return nil, err
	}
	prefix := ""
	if !v.own() {
		names, err := s.People.AddressesOf(ctx, []mail.AccountID{account})
		if err != nil {
			return nil, kinded(err)
		}
		prefix = SharedName(names[account], "")
	}
	err = s.read(ctx, func(tx *store.Tx) error {
		list = nil
		if err := v.look(ctx, tx); err != nil {
			return err
		}
		subscribed, err := subscriptions(ctx, tx, u.Account)
		for _, m := range v.boxes {
			m.Subscribed = subscribed[prefix+m.Name]
			list = append(list, Folder{Mailbox: m, Shown: m.Name, Rights: v.rights[m.ID], Exists: true})
		}
		return err
	})
	return list, err
}

// view is what a member sees of an account, at one moment.
type view struct {
	user    mail.User
	account mail.AccountID
	who     []mail.AccountID // whose rights the member has; the member first

	state  ModSeq
	floor  ModSeq // what changed before cannot be told
	boxes  []Mailbox
	rights map[ID]Rights // of those that the member sees; what is not there is not seen
}

// viewer is asked for before the transaction: People has its own.
func (s *Store) viewer(ctx context.Context, u mail.User, account mail.AccountID) (*view, error) {
	v := &view{user: u, account: account, who: []mail.AccountID{u.Account}}
	if v.own() {
		return v, nil
	}
	who, err := s.principals(ctx, u)
	if err != nil {
		return nil, kinded(err)
	}
	v.who = who
	return v, nil
}

func (v *view) own() bool { return v.account == v.user.Account }

// look reads what there is. Kind NotFound when the member sees nothing of it.
func (v *view) look(ctx context.Context, tx *store.Tx) error {
	v.boxes, v.rights = nil, map[ID]Rights{}
	var shared ModSeq
	err := tx.QueryRow(ctx, `SELECT modseq, floor, shared FROM mailbox_account WHERE account = $1`, int64(v.account)).Scan(&v.state, &v.floor, &shared)
	if err != nil {
		return missing(err)
	}
	all, err := mailboxesOf(ctx, tx, v.account)
	if err != nil {
		return err
	}
	g := grants{}
	if !v.own() {
		v.floor = max(v.floor, shared)
		rows, err := tx.Query(ctx, `SELECT account, mailbox, grantee, rights FROM mailbox_right WHERE account = $1`, int64(v.account))
		if err := g.read(rows, err); err != nil {
			return err
		}
	}
	for _, m := range all {
		r := AllRights
		if !v.own() {
			r = g.on(v.account, m.ID, v.who)
		}
		if r.Has(RightLookup) {
			v.boxes = append(v.boxes, m)
			v.rights[m.ID] = r
		}
	}
	if len(v.boxes) == 0 && !v.own() {
		return missing(store.ErrNoRows)
	}
	slices.SortFunc(v.boxes, func(a, b Mailbox) int {
		fa, fb := Folder{Shown: a.Name}, Folder{Shown: b.Name}
		return byName(&fa, &fb)
	})
	return nil
}

// reads says whether the member sees what is in a mailbox.
func (v *view) reads(box ID) bool { return v.rights[box].Has(RightLookup + RightRead) }

// readable are the mailboxes whose mails the member sees and where something
// changed after a modseq.
func (v *view) readable(since ModSeq) (boxes []ID) {
	for _, m := range v.boxes {
		if m.HighestMod > since && v.reads(m.ID) {
			boxes = append(boxes, m.ID)
		}
	}
	return boxes
}

package mailbox

import (
	"cmp"
	"context"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

// Folder is one name in a member's list.
type Folder struct {
	Mailbox        // but for Account and Subscribed zero when it does not exist
	Shown   string // the name as the member sees it
	Rights  Rights
	Exists  bool // false: there is nothing, and the member is subscribed to it
}

// Folders is what a member sees: their own mailboxes, INBOX first, those of
// others that they have the right to see, and subscribed names that are nothing now.
func (s *Store) Folders(ctx context.Context, u mail.User) (list []Folder, err error) {
	who, err := s.principals(ctx, u)
	if err != nil {
		return nil, kinded(err)
	}
	var subscribed map[string]bool
	var others []Mailbox
	g := grants{}
	err = s.read(ctx, func(tx *store.Tx) error {
		list, others = nil, nil
		clear(g)
		own, err := mailboxesOf(ctx, tx, u.Account)
		if err != nil {
			return err
		}
		for _, m := range own {
			list = append(list, Folder{Mailbox: m, Shown: m.Name, Rights: AllRights, Exists: true})
		}
		if subscribed, err = subscriptions(ctx, tx, u.Account); err != nil {
			return err
		}
		for some := range slices.Chunk(who, atOnce) {
			set, args := in([]any{int64(u.Account)}, some)
			rows, err := tx.Query(ctx, `SELECT account, mailbox, grantee, rights FROM mailbox_right WHERE account <> $1 AND grantee IN `+set, args...)
			if err := g.read(rows, err); err != nil {
				return err
			}
		}
		for _, owner := range g.owners() {
			boxes, err := mailboxesOf(ctx, tx, owner)
			if err != nil {
				return err
			}
			others = append(others, boxes...)
		}
		return nil
	})
	if err == nil && len(others) > 0 {
		err = s.addShared(ctx, &list, others, g, who)
	}
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Subscribed = subscribed[list[i].Shown]
		delete(subscribed, list[i].Shown)
	}
	for name := range subscribed {
		list = append(list, Folder{Mailbox: Mailbox{Account: u.Account, Subscribed: true}, Shown: name})
	}
	slices.SortStableFunc(list, func(a, b Folder) int { return byName(&a, &b) })
	return list, nil
}

// byName is the order of lists.
func byName(a, b *Folder) int {
	return cmp.Or(cmp.Compare(b.inbox(), a.inbox()), cmp.Compare(a.Shown, b.Shown))
}

func (f *Folder) inbox() int { return number(f.Shown == "INBOX") }

// addShared adds those of the mailboxes that may be seen, under the names of
// their owners. What the member has of the same name is theirs.
func (s *Store) addShared(ctx context.Context, list *[]Folder, boxes []Mailbox, g grants, who []mail.AccountID) error {
	names, err := s.People.AddressesOf(ctx, g.owners())
	if err != nil {
		return kinded(err)
	}
	own := map[string]bool{}
	for _, f := range *list {
		own[f.Shown] = true
	}
	for _, m := range boxes {
		r := g.on(m.Account, m.ID, who)
		owner, known := names[m.Account]
		shown := SharedName(owner, m.Name)
		if !known || !r.Has(RightLookup) || own[shown] {
			continue
		}
		m.Role = "" // somebody else's Sent is not where this member's mail goes
		*list = append(*list, Folder{Mailbox: m, Shown: shown, Rights: r, Exists: true})
	}
	return nil
}

// owners are the accounts that the grants are about, each once.
func (g grants) owners() []mail.AccountID {
	var all []mail.AccountID
	for k := range g {
		all = append(all, k.owner)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func mailboxesOf(ctx context.Context, tx *store.Tx, account mail.AccountID) (list []Mailbox, err error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM mailbox WHERE account = $1`, int64(account))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		m, err := scanMailbox(scan)
		list = append(list, m)
		return err
	})
	return list, err
}

package mailbox

import (
	"context"
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

// Resolve finds a mailbox by the name that u sees, and what u may do there. Kind
// NotFound when there is none, or none that u may see: who may not see a mailbox
// does not learn that it is there (RFC 4314 §6). This file alone says who may.
//
// A member's own mailboxes come first, whatever their names: nobody can hide
// them by granting rights.
func (s *Store) Resolve(ctx context.Context, u mail.User, name string) (Mailbox, Rights, error) {
	name = Name(name)
	m, err := s.Get(ctx, u.Account, name)
	if !mail.Is(err, mail.NotFound) || !IsShared(name) {
		return m, AllRights, err
	}
	owner, local, err := s.neighbour(ctx, u, name)
	if err != nil {
		return Mailbox{}, "", err
	}
	who, err := s.principals(ctx, u)
	if err != nil {
		return Mailbox{}, "", kinded(err)
	}
	var rights Rights
	err = s.read(ctx, func(tx *store.Tx) error {
		if m, err = s.get(ctx, tx, owner, local); err != nil {
			return err
		}
		rights, err = rightsOn(ctx, tx, owner, m.ID, who)
		return err
	})
	if err == nil && !rights.Has(RightLookup) {
		err = missing(store.ErrNoRows)
	}
	if err != nil {
		return Mailbox{}, "", err
	}
	return m, rights, nil
}

// ResolveID is Resolve for who has a mailbox's id already: what u may do there now.
func (s *Store) ResolveID(ctx context.Context, u mail.User, id ID) (Mailbox, Rights, error) {
	m, err := s.ByID(ctx, id)
	if err != nil || m.Account == u.Account {
		return m, AllRights, err
	}
	who, err := s.principals(ctx, u)
	if err != nil {
		return Mailbox{}, "", kinded(err)
	}
	var rights Rights
	err = s.read(ctx, func(tx *store.Tx) error {
		rights, err = rightsOn(ctx, tx, m.Account, m.ID, who)
		return err
	})
	if err == nil && !rights.Has(RightLookup) {
		return Mailbox{}, "", missing(store.ErrNoRows)
	}
	return m, rights, err
}

// MayCreate says in which account, and under which name there, u may make a
// mailbox that is to have the given name. Kinds: Forbidden, NotFound (an account
// of which u sees nothing), BadSyntax (a level that no mailbox can be).
func (s *Store) MayCreate(ctx context.Context, u mail.User, name string) (mail.AccountID, string, error) {
	name = Name(name)
	if !IsShared(name) {
		return u.Account, name, nil
	}
	owner, local, err := s.neighbour(ctx, u, name)
	if mail.Is(err, mail.NotFound) {
		// Not one's own mailbox either: it would be taken for somebody's.
		return 0, "", mail.Refuse(mail.Forbidden, "mailbox-shared-name")
	}
	if err != nil {
		return 0, "", err
	}
	if local == "" {
		return 0, "", mail.Refuse(mail.BadSyntax, "mailbox-bad-name")
	}
	who, err := s.principals(ctx, u)
	if err != nil {
		return 0, "", kinded(err)
	}
	err = s.read(ctx, func(tx *store.Tx) error {
		// The nearest level that is there decides; above all of them is the account.
		at := ID(0)
		for above := local; ; {
			cut := strings.LastIndexByte(above, '/')
			if cut < 0 {
				break
			}
			above = above[:cut]
			m, err := s.get(ctx, tx, owner, above)
			if err == nil {
				at = m.ID
				break
			}
			if !mail.Is(err, mail.NotFound) {
				return err
			}
		}
		rights, err := rightsOn(ctx, tx, owner, at, who)
		if err == nil && !rights.Has(RightLookup+RightCreate) {
			err = mail.Refuse(mail.Forbidden, "kind-forbidden")
		}
		return err
	})
	return owner, local, err
}

// neighbour finds the account that a shared name is about. An address that is
// nobody's and one that shares nothing with u are answered alike.
func (s *Store) neighbour(ctx context.Context, u mail.User, name string) (mail.AccountID, string, error) {
	none := missing(store.ErrNoRows)
	address, local, ok := cutShared(name)
	if !ok || s.People == nil {
		return 0, "", none
	}
	owner, err := s.People.AccountOf(ctx, address)
	if err == nil && owner == u.Account {
		err = none // one's own have their own names
	}
	if mail.Is(err, mail.NotFound) {
		return 0, "", none
	}
	return owner, local, kinded(err)
}

// rightsOn is what these accounts together may do with a mailbox of owner; 0 is
// what they may do with the account itself.
func rightsOn(ctx context.Context, tx *store.Tx, owner mail.AccountID, box ID, who []mail.AccountID) (Rights, error) {
	if slices.Contains(who[:1], owner) {
		return AllRights, nil
	}
	g := grants{}
	rows, err := tx.Query(ctx, `SELECT account, mailbox, grantee, rights FROM mailbox_right WHERE account = $1 AND mailbox IN (0, $2)`, int64(owner), int64(box))
	if err := g.read(rows, err); err != nil {
		return "", err
	}
	return g.on(owner, box, who), nil
}

package mailbox

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

// grants are rows of mailbox_right.
type grants map[grantKey]Rights

type grantKey struct {
	owner   mail.AccountID
	box     ID // 0: the account
	grantee mail.AccountID
}

func (g grants) read(rows *sql.Rows, err error) error {
	return store.Each(rows, err, func(scan func(...any) error) error {
		var k grantKey
		var r Rights
		err := scan(&k.owner, &k.box, &k.grantee, &r)
		g[k] = r
		return err
	})
}

// of is what one grantee has: the mailbox's own row stands in place of the account's.
func (g grants) of(owner mail.AccountID, box ID, grantee mail.AccountID) Rights {
	for _, at := range []ID{box, 0} {
		if r, ok := g[grantKey{owner, at, grantee}]; ok {
			return r
		}
	}
	return ""
}

// on is what several grantees together have (RFC 4314 §2: a union).
func (g grants) on(owner mail.AccountID, box ID, who []mail.AccountID) Rights {
	r := Rights("")
	for _, w := range who {
		r = r.With(g.of(owner, box, w))
	}
	return r
}

// Grant is one entry of an ACL.
type Grant struct {
	Account mail.AccountID // whom it is about
	Rights  Rights
}

// Grants is a mailbox's ACL. A member whose account it is in has all rights
// always; a group's members have what its entry says.
func (s *Store) Grants(ctx context.Context, m Mailbox) (list []Grant, err error) {
	g := grants{}
	err = s.read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT account, mailbox, grantee, rights FROM mailbox_right WHERE account = $1 AND mailbox IN (0, $2)`, int64(m.Account), int64(m.ID))
		return g.read(rows, err)
	})
	if _, group := g[grantKey{m.Account, 0, m.Account}]; !group {
		list = append(list, Grant{m.Account, AllRights})
	}
	for k := range g {
		r := g.of(m.Account, m.ID, k.grantee)
		if r != "" && !slices.ContainsFunc(list, func(l Grant) bool { return l.Account == k.grantee }) {
			list = append(list, Grant{k.grantee, r})
		}
	}
	slices.SortFunc(list, func(a, b Grant) int { return cmp.Compare(a.Account, b.Account) })
	return list, err
}

// CreateGroup makes the mailboxes of a group, which are its members'.
func (s *Store) CreateGroup(ctx context.Context, tx *store.Tx, account mail.AccountID, lang string) error {
	if err := s.CreateAccount(ctx, tx, account, lang); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO mailbox_right (account, mailbox, grantee, rights) VALUES ($1, 0, $1, $2)`, int64(account), string(groupRights))
	return err
}

// maxGrants of one mailbox, so that who may administer one cannot fill the disk.
const maxGrants = 500

// Grant gives an account rights on a mailbox in place of those it had; "" takes
// all. Whether the caller may is Resolve's to say.
func (s *Store) Grant(ctx context.Context, m Mailbox, to mail.AccountID, r Rights) error {
	return s.grant(ctx, m.Account, m.ID, to, r)
}

// GrantAll gives an account rights on all mailboxes of another, those to come
// included, but for those on which it has rights of their own.
func (s *Store) GrantAll(ctx context.Context, owner, to mail.AccountID, r Rights) error {
	return s.grant(ctx, owner, 0, to, r)
}

func (s *Store) grant(ctx context.Context, owner mail.AccountID, box ID, to mail.AccountID, r Rights) error {
	return s.write(ctx, func(tx *store.Tx) error {
		if err := lockAccount(ctx, tx, owner); err != nil {
			return err
		}
		if box != 0 { // it may have gone since the caller looked
			if m, err := byID(ctx, tx, box); err != nil || m.Account != owner {
				return missing(store.ErrNoRows)
			}
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM mailbox_right WHERE account = $1 AND mailbox = $2`, int64(owner), int64(box)).Scan(&n); err != nil {
			return err
		}
		if n >= maxGrants && r != "" {
			return mail.Refuse(mail.TooMany, "kind-too-many")
		}
		_, err := tx.Exec(ctx, `INSERT INTO mailbox_right (account, mailbox, grantee, rights) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account, mailbox, grantee) DO UPDATE SET rights = excluded.rights`, int64(owner), int64(box), int64(to), string(r))
		if err != nil {
			return err
		}
		// An entry without rights stays only where it takes away something, and
		// where it says that an account is a group's.
		_, err = tx.Exec(ctx, `DELETE FROM mailbox_right WHERE account = $1 AND mailbox = $2 AND grantee = $3 AND rights = '' AND NOT ($1 = $3)
			AND (mailbox = 0 OR NOT EXISTS (SELECT 1 FROM mailbox_right a WHERE a.account = $1 AND a.mailbox = 0 AND a.grantee = $3))`,
			int64(owner), int64(box), int64(to))
		if err != nil {
			return err
		}
		if err := rearrange(ctx, tx, owner, box); err != nil {
			return err
		}
		s.changed(tx, owner)
		s.changed(tx, to)
		tx.AfterCommit(func() { s.granted.Add(1) })
		return nil
	})
}

// Granted changes with every Grant of this process: who remembers rights looks
// them up again.
func (s *Store) Granted() uint64 { return s.granted.Load() }

// inherit gives a new mailbox the ACL of the one that it is made in.
func inherit(ctx context.Context, tx *store.Tx, account mail.AccountID, id ID, name string) error {
	above := parent(name)
	if above == "" {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO mailbox_right (account, mailbox, grantee, rights)
		SELECT r.account, $1, r.grantee, r.rights FROM mailbox m JOIN mailbox_right r ON r.account = m.account AND r.mailbox = m.id
		WHERE m.account = $2 AND m.name = $3`, int64(id), int64(account), above)
	return err
}

package mailbox

import (
	"context"

	"colporteur/mail"
	"colporteur/store"
)

// maxSubscriptions of one account, so that names without mailboxes take no
// space without end.
const maxSubscriptions = 2 * MaxBoxes

// Subscribe sets whether a name is shown by programs that show subscribed
// mailboxes. A name in the namespace of shared mailboxes has been resolved by
// the caller. Kinds: NotFound (a mailbox of one's own that is not there), TooMany.
//
// What was subscribed stays so when the mailbox goes (RFC 9051 §6.3.7): another
// of that name may come. A subscription that nobody asked for, which a new
// mailbox has, goes with it.
func (s *Store) Subscribe(ctx context.Context, account mail.AccountID, name string, on bool) error {
	name = store.Clean(Name(name))
	// Whose state shows it: the account's that the mailbox is in.
	owner, local := account, name
	if IsShared(name) {
		var err error
		if owner, local, err = s.neighbour(ctx, mail.User{Account: account}, name); mail.Is(err, mail.NotFound) {
			owner = 0
		} else if err != nil {
			return err
		}
	}
	return s.write(ctx, func(tx *store.Tx) error {
		if owner != 0 {
			if err := lockAccount(ctx, tx, owner); err != nil {
				return err
			}
		}
		changed, err := s.subscribe(ctx, tx, account, name, on)
		if err != nil || !changed {
			return err
		}
		s.changed(tx, account)
		if owner == 0 {
			return nil
		}
		s.changed(tx, owner)
		return revise(ctx, tx, owner, `name = $3`, local)
	})
}

func (s *Store) subscribe(ctx context.Context, tx *store.Tx, account mail.AccountID, name string, on bool) (changed bool, err error) {
	if !on {
		n, err := tx.Exec(ctx, `DELETE FROM subscription WHERE account = $1 AND name = $2`, int64(account), name)
		return n > 0, err
	}
	if !IsShared(name) {
		if _, err := s.get(ctx, tx, account, name); err != nil {
			return false, err
		}
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM subscription WHERE account = $1`, int64(account)).Scan(&n); err != nil {
		return false, err
	}
	if n >= maxSubscriptions {
		return false, mail.Refuse(mail.TooMany, "kind-too-many")
	}
	fresh, err := tx.Exec(ctx, `INSERT INTO subscription (account, name, asked) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING`, int64(account), name)
	if err == nil && fresh == 0 {
		_, err = tx.Exec(ctx, `UPDATE subscription SET asked = 1 WHERE account = $1 AND name = $2`, int64(account), name)
	}
	return fresh > 0, err
}

// subscriptions are the names an account is subscribed to.
func subscriptions(ctx context.Context, tx *store.Tx, account mail.AccountID) (map[string]bool, error) {
	names := map[string]bool{}
	rows, err := tx.Query(ctx, `SELECT name FROM subscription WHERE account = $1`, int64(account))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		names[name] = true
		return err
	})
	return names, err
}

// greet is what a new mailbox begins with: its owner sees it, and so does who
// has rights on the one that it is made in (RFC 4314 leaves it to us).
func (s *Store) greet(ctx context.Context, tx *store.Tx, account mail.AccountID, id ID, name string) error {
	if _, err := tx.Exec(ctx, `INSERT INTO subscription (account, name, asked) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING`,
		int64(account), name); err != nil {
		return err
	}
	return inherit(ctx, tx, account, id, name)
}

// follow keeps the owner's subscription with a mailbox that is renamed.
func follow(ctx context.Context, tx *store.Tx, account mail.AccountID, from, to string) error {
	if _, err := tx.Exec(ctx, `INSERT INTO subscription (account, name, asked)
		SELECT account, $3, asked FROM subscription WHERE account = $1 AND name = $2 ON CONFLICT DO NOTHING`, int64(account), from, to); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM subscription WHERE account = $1 AND name = $2`, int64(account), from)
	return err
}

// ofMailbox and ofAccount remove what these files know of one.
var (
	ofMailbox = []string{
		`DELETE FROM mailbox_right WHERE mailbox = $1`,
		`DELETE FROM mailbox_seen WHERE mailbox = $1`,
		`DELETE FROM metadata WHERE mailbox = $1`,
	}
	ofAccount = []string{
		`DELETE FROM metadata WHERE payer = $1 OR viewer = $1 OR mailbox IN (SELECT id FROM mailbox WHERE account = $1)`,
		`DELETE FROM mailbox_seen WHERE viewer = $1 OR mailbox IN (SELECT id FROM mailbox WHERE account = $1)`,
		`DELETE FROM mailbox_right WHERE account = $1 OR grantee = $1`,
		`DELETE FROM subscription WHERE account = $1`,
	}
)

// leave is what happens when a mailbox goes.
func leave(ctx context.Context, tx *store.Tx, m Mailbox) error {
	if _, err := tx.Exec(ctx, `DELETE FROM subscription WHERE account = $1 AND name = $2 AND asked = 0`, int64(m.Account), m.Name); err != nil {
		return err
	}
	for _, q := range ofMailbox {
		if _, err := tx.Exec(ctx, q, int64(m.ID)); err != nil {
			return err
		}
	}
	return nil
}

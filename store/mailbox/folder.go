package mailbox

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

// Create makes a mailbox and the parents it lacks (RFC 9051 §6.3.4). Kinds:
// Conflict, BadSyntax, TooMany.
func (s *Store) Create(ctx context.Context, account mail.AccountID, name string) (m Mailbox, err error) {
	return s.CreateAs(ctx, account, name, "")
}

// CreateAs is Create for a mailbox with a role, which another may lose by it:
// an account has one mailbox of each.
func (s *Store) CreateAs(ctx context.Context, account mail.AccountID, name string, r Role) (m Mailbox, err error) {
	name = Name(name)
	if err := checkName(name); err != nil {
		return m, err
	}
	err = s.write(ctx, func(tx *store.Tx) error {
		// Two children that are made at once agree about their parent.
		if err := lockAccount(ctx, tx, account); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM mailbox WHERE account = $1`, int64(account)).Scan(&n); err != nil {
			return err
		}
		if n >= MaxBoxes {
			return mail.Refuse(mail.TooMany, "kind-too-many")
		}
		if _, err := s.make(ctx, tx, account, name); err != nil {
			return err
		}
		if r != "" {
			if err := revise(ctx, tx, account, `role = $3`, string(r)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE mailbox SET role = '' WHERE account = $1 AND role = $2`, int64(account), string(r)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE mailbox SET role = $3 WHERE account = $1 AND name = $2`, int64(account), name, string(r)); err != nil {
				return err
			}
		}
		s.changed(tx, account)
		if m, err = s.get(ctx, tx, account, name); err != nil {
			return err
		}
		if err := s.born(ctx, tx, m); err != nil {
			return err
		}
		m, err = s.get(ctx, tx, account, name)
		return err
	})
	return m, err
}

// make inserts a mailbox and the parents it lacks; the account is locked.
func (s *Store) make(ctx context.Context, tx *store.Tx, account mail.AccountID, name string) (id ID, err error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	levels := strings.Split(name, "/")
	for i := range levels {
		path := strings.Join(levels[:i+1], "/")
		_, err := s.get(ctx, tx, account, path)
		if err == nil && path == name {
			return 0, mail.Refuse(mail.Conflict, "mailbox-exists")
		}
		if mail.Is(err, mail.NotFound) {
			id, err = s.insert(ctx, tx, account, path, "")
		}
		if err != nil {
			return 0, conflict(err)
		}
	}
	return id, nil
}

func conflict(err error) error {
	if errors.Is(err, store.ErrUnique) {
		return mail.Refuse(mail.Conflict, "mailbox-exists").Because(err)
	}
	return err
}

// Rename gives a mailbox and its children another name. Renaming INBOX moves
// its messages to a new mailbox and leaves it (RFC 9051 §6.3.6).
func (s *Store) Rename(ctx context.Context, account mail.AccountID, from, to string) error {
	from, to = Name(from), Name(to)
	if err := checkName(to); err != nil {
		return err
	}
	if strings.HasPrefix(to, from+"/") && from != "INBOX" {
		return mail.Refuse(mail.BadSyntax, "mailbox-bad-name")
	}
	return s.write(ctx, func(tx *store.Tx) error {
		if err := lockAccount(ctx, tx, account); err != nil {
			return err
		}
		box, err := s.get(ctx, tx, account, from)
		if err != nil {
			return err
		}
		if _, err := s.get(ctx, tx, account, to); err == nil {
			return mail.Refuse(mail.Conflict, "mailbox-exists")
		} else if !mail.Is(err, mail.NotFound) {
			return err
		}
		levels := strings.Split(to, "/")
		for i := 1; i < len(levels); i++ {
			path := strings.Join(levels[:i], "/")
			if _, err := s.get(ctx, tx, account, path); mail.Is(err, mail.NotFound) {
				_, err = s.insert(ctx, tx, account, path, "")
				if err != nil {
					return conflict(err)
				}
			} else if err != nil {
				return err
			}
		}
		s.changed(tx, account)
		if box.Role == Inbox {
			id, err := s.insert(ctx, tx, account, to, "")
			if err != nil {
				return conflict(err)
			}
			entries, err := pick(ctx, tx, box.ID, nil)
			if err != nil {
				return err
			}
			_, _, err = s.place(ctx, tx, account, box.ID, id, entries, true)
			return err
		}
		below, err := s.below(ctx, tx, account, from)
		if err != nil {
			return err
		}
		all := append(below, box)
		for _, m := range all {
			name := to + strings.TrimPrefix(m.Name, from)
			if err := checkName(name); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE mailbox SET name = $1 WHERE id = $2`, name, int64(m.ID)); err != nil {
				return conflict(err)
			}
			if err := follow(ctx, tx, account, m.Name, name); err != nil {
				return err
			}
			if err := revise(ctx, tx, account, `id = $3`, int64(m.ID)); err != nil {
				return err
			}
		}
		return s.tellNames(ctx, tx, all)
	})
}

// below is every mailbox under a name.
func (s *Store) below(ctx context.Context, tx *store.Tx, account mail.AccountID, name string) (list []Mailbox, err error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM mailbox WHERE account = $1`, int64(account))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		m, err := scanMailbox(scan)
		if strings.HasPrefix(m.Name, name+"/") {
			list = append(list, m)
		}
		return err
	})
	return list, err
}

// Remove deletes a mailbox and what is in it. INBOX cannot be removed, nor one
// that has children: they would lose their parent (RFC 9051 §7.1, HASCHILDREN).
func (s *Store) Remove(ctx context.Context, account mail.AccountID, name string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		if err := lockAccount(ctx, tx, account); err != nil {
			return err
		}
		box, err := s.get(ctx, tx, account, Name(name))
		if err != nil {
			return err
		}
		if box.Role == Inbox {
			return mail.Refuse(mail.Policy, "mailbox-inbox-stays")
		}
		children, err := s.below(ctx, tx, account, box.Name)
		if err != nil {
			return err
		}
		if len(children) > 0 {
			return mail.Refuse(mail.Policy, "mailbox-has-children")
		}
		entries, err := pick(ctx, tx, box.ID, nil)
		if err != nil {
			return err
		}
		if err := s.bury(ctx, tx, box, entries); err != nil {
			return err
		}
		if err := s.tellEnd(ctx, tx, box, entries); err != nil {
			return err
		}
		if err := s.remember(ctx, tx, box); err != nil {
			return err
		}
		if err := leave(ctx, tx, box); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM mailbox WHERE id = $1`, int64(box.ID)); err != nil {
			return err
		}
		s.changed(tx, account)
		return nil
	})
}

// lockAccount takes the account's row, the first of the lock order.
func lockAccount(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM mailbox_account WHERE account = $1 FOR UPDATE`, int64(account)).Scan(&one)
	if err != nil {
		return fmt.Errorf("account %d: %w", account, missing(err))
	}
	return nil
}

// nextModSeq takes the next modseq of an account, and adds to what it uses.
func nextModSeq(ctx context.Context, tx *store.Tx, account mail.AccountID, used int64) (m ModSeq, err error) {
	err = tx.QueryRow(ctx, `UPDATE mailbox_account SET modseq = modseq + 1, used = used + $2 WHERE account = $1 RETURNING modseq`,
		int64(account), used).Scan(&m)
	if err != nil {
		return 0, fmt.Errorf("account %d: %w", account, missing(err))
	}
	return m, nil
}

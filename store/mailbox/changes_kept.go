package mailbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// # What is kept of mailboxes
//
// A mailbox has the modseq at which it was made and, beside that of its last
// change, the one at which something other than its counts changed. One that is
// gone leaves a row, and keeps its tombstones as long as that row: what was in
// it can be told from the mails that are still elsewhere.

// revise gives mailboxes of an account a new modseq because something that is
// not about their mails changed. where may use one argument, $3. The account is
// locked.
func revise(ctx context.Context, tx *store.Tx, account mail.AccountID, where string, arg any) error {
	modseq, err := nextModSeq(ctx, tx, account, 0)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE mailbox SET highest = $2, revised = $2 WHERE account = $1 AND `+where, int64(account), int64(modseq), arg)
	return err
}

// rearrange notes that somebody may do something else now with a mailbox, or
// with all of an account for 0: nobody can tell any more what they saw before.
func rearrange(ctx context.Context, tx *store.Tx, owner mail.AccountID, box ID) error {
	if err := revise(ctx, tx, owner, `(id = $3 OR $3 = 0)`, int64(box)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE mailbox_account SET shared = modseq WHERE account = $1`, int64(owner))
	return err
}

// Regrouped is called in the transaction in which somebody joins or leaves a
// group: what its members see of others changed for them.
func (s *Store) Regrouped(ctx context.Context, tx *store.Tx, group mail.AccountID) error {
	var owners []mail.AccountID
	rows, err := tx.Query(ctx, `SELECT DISTINCT account FROM mailbox_right WHERE grantee = $1 ORDER BY account`, int64(group))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var owner mail.AccountID
		err := scan(&owner)
		owners = append(owners, owner)
		return err
	})
	for _, owner := range owners {
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE mailbox_account SET modseq = modseq + 1, shared = modseq + 1 WHERE account = $1`, int64(owner))
			s.changed(tx, owner)
		}
	}
	return err
}

// remember leaves a row of a mailbox that is about to go.
func (s *Store) remember(ctx context.Context, tx *store.Tx, m Mailbox) error {
	modseq, err := nextModSeq(ctx, tx, m.Account, 0)
	if err != nil {
		return err
	}
	g := grants{}
	rows, err := tx.Query(ctx, `SELECT account, mailbox, grantee, rights FROM mailbox_right WHERE account = $1 AND mailbox IN (0, $2)`, int64(m.Account), int64(m.ID))
	if err := g.read(rows, err); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO mailbox_gone (id, account, born, modseq, time, readers) SELECT id, account, born, $2, $3, $4 FROM mailbox WHERE id = $1`,
		int64(m.ID), int64(modseq), store.Micros(s.now()), g.written(m.Account, m.ID))
	return err
}

// written is who has which rights on a mailbox, for its row in mailbox_gone.
func (g grants) written(owner mail.AccountID, box ID) string {
	var list []string
	for k := range g {
		if r := g.of(owner, box, k.grantee); r != "" {
			list = append(list, fmt.Sprintf("%d:%s", k.grantee, r))
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), " ")
}

// readWritten is what these accounts together had.
func readWritten(readers string, who []mail.AccountID) (all Rights) {
	for one := range strings.FieldsSeq(readers) {
		grantee, r, _ := strings.Cut(one, ":")
		if slices.ContainsFunc(who, func(a mail.AccountID) bool { return fmt.Sprint(int64(a)) == grantee }) {
			all = all.With(Rights(r))
		}
	}
	return all
}

// forget lets go of mailboxes that went more than age ago: whoever asks what
// changed since then begins anew.
func (s *Store) forget(ctx context.Context, age time.Duration) error {
	return s.write(ctx, func(tx *store.Tx) error {
		type gone struct {
			id, account, modseq int64
		}
		var old []gone
		rows, err := tx.Query(ctx, `SELECT id, account, modseq FROM mailbox_gone WHERE time < $1 ORDER BY account LIMIT 100`, store.Micros(s.now().Add(-age)))
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var g gone
			err := scan(&g.id, &g.account, &g.modseq)
			old = append(old, g)
			return err
		})
		if err != nil {
			return err
		}
		for _, g := range old {
			if _, err := tx.Exec(ctx, `UPDATE mailbox_account SET floor = $2 WHERE account = $1 AND floor < $2`, g.account, g.modseq); err != nil {
				return err
			}
			for _, q := range []string{`DELETE FROM tombstone WHERE mailbox = $1`, `DELETE FROM mailbox_gone WHERE id = $1`} {
				if _, err := tx.Exec(ctx, q, g.id); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

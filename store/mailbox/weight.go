package mailbox

import (
	"context"

	"colporteur/mail"
	"colporteur/store"
)

// What an email takes of its account's quota, in email.shows.
const (
	ordinary  = iota // its size
	showing          // nothing: it stands for what a program keeps, and only mailboxes of programs have it
	takenHome        // its size, though it stands for that: an ordinary mailbox has it
)

// reweigh is for COPY and MOVE between a and b, one of them a program's. A photo
// that is put among the mails is a mail, and takes room as one; put back into
// its album it takes none. The account is locked.
func reweigh(ctx context.Context, tx *store.Tx, a, b Mailbox, mails []Entry, move bool) error {
	if (a.Program == "") == (b.Program == "") || a.Account != b.Account {
		return nil
	}
	was, is, sign, alone := showing, takenHome, int64(1), ""
	if b.Program != "" {
		was, is, sign = takenHome, showing, -1
		alone = ` AND NOT EXISTS (SELECT 1 FROM placement p JOIN mailbox m ON m.id = p.mailbox WHERE p.email = email.id AND m.program = '')`
		if !move {
			return nil // the ordinary one still has it
		}
	}
	change := int64(0)
	for len(mails) > 0 {
		some := mails[:min(len(mails), atOnce)]
		mails = mails[len(some):]
		ids := make([]EmailID, len(some))
		for i, e := range some {
			ids[i] = e.Email
		}
		set, args := in([]any{is, was}, ids)
		rows, err := tx.Query(ctx, `UPDATE email SET shows = $1 WHERE shows = $2 AND id IN `+set+alone+` RETURNING size`, args...)
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var n int64
			err := scan(&n)
			change += sign * n
			return err
		})
		if err != nil {
			return err
		}
	}
	if change == 0 {
		return nil
	}
	return weighMore(ctx, tx, a.Account, change)
}

func weighMore(ctx context.Context, tx *store.Tx, account mail.AccountID, octets int64) error {
	_, err := tx.Exec(ctx, `UPDATE mailbox_account SET used = used + $2 WHERE account = $1`, int64(account), octets)
	return err
}

package delivery

import (
	"context"
	"errors"
	"fmt"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
)

// ImportFolder is a folder of a mailbox on another host whose mail is copied
// into a mailbox here.
type ImportFolder struct {
	Source   string       // whose mailbox on which host: "ann@imap.far.test"
	Name     string       // the folder's name there
	Validity uint32       // its UIDVALIDITY there
	Path     string       // its name as we write names, "/" between levels
	Role     mailbox.Role // if the member has a mailbox of this role, that takes the mail; "" is none
	Below    string       // of Path: what stands below the mailbox of Role
	Hidden   bool         // a mailbox that is made for it is not subscribed
}

// ImportPlace is where the mail of an ImportFolder goes.
type ImportPlace struct {
	ID      int64
	Mailbox string             // its name
	Have    []mailbox.UIDRange // UIDs there of what was copied before, rising
}

// OpenImport finds or makes the mailbox that a folder's mail goes to. A folder
// that was opened before keeps its mailbox even if the member has renamed it.
// With look nothing is made: ID is 0 where there is nothing yet.
func (d *Door) OpenImport(ctx context.Context, u mail.User, f ImportFolder, look bool) (p ImportPlace, err error) {
	f.Source, f.Name = store.Clean(f.Source), store.Clean(f.Name)
	var box mailbox.ID
	err = d.DB.Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT f.id, m.id, m.name FROM import_folder f JOIN mailbox m ON m.id = f.mailbox
			WHERE f.account = $1 AND f.source = $2 AND f.name = $3 AND f.validity = $4`,
			int64(u.Account), f.Source, f.Name, int64(f.Validity)).Scan(&p.ID, &box, &p.Mailbox)
		if err != nil {
			return err
		}
		p.Have, err = imported(ctx, tx, p.ID)
		return err
	})
	if err == nil || !errors.Is(err, store.ErrNoRows) {
		return p, kinded(err)
	}
	m, err := d.importBox(ctx, u, f, look)
	if p.Mailbox = m.Name; err != nil || look {
		return p, kinded(err)
	}
	err = d.DB.Write(ctx, func(tx *store.Tx) error {
		// The row may be there and lead to a mailbox that the member has removed:
		// what was in it comes again, so that it can be had again at all.
		if _, err := tx.Exec(ctx, `DELETE FROM import_mail WHERE folder IN (SELECT id FROM import_folder
			WHERE account = $1 AND source = $2 AND name = $3 AND validity = $4 AND mailbox <> $5)`,
			int64(u.Account), f.Source, f.Name, int64(f.Validity), int64(m.ID)); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `INSERT INTO import_folder (id, account, source, name, validity, mailbox) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (account, source, name, validity) DO UPDATE SET mailbox = excluded.mailbox RETURNING id`,
			store.NewID(), int64(u.Account), f.Source, f.Name, int64(f.Validity), int64(m.ID)).Scan(&p.ID)
	})
	return p, kinded(err)
}

func imported(ctx context.Context, tx *store.Tx, folder int64) (have []mailbox.UIDRange, err error) {
	rows, err := tx.Query(ctx, `SELECT uid FROM import_mail WHERE folder = $1 ORDER BY uid`, folder)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var u mailbox.UID
		if err := scan(&u); err != nil {
			return err
		}
		if n := len(have); n > 0 && have[n-1].Last+1 == u {
			have[n-1].Last = u
		} else {
			have = append(have, mailbox.UIDRange{First: u, Last: u})
		}
		return nil
	})
	return have, err
}

// importBox is the mailbox for a folder, made if it is not there; with look
// only its name is sure.
func (d *Door) importBox(ctx context.Context, u mail.User, f ImportFolder, look bool) (m mailbox.Mailbox, err error) {
	name := f.Path
	if f.Role != "" {
		var top mailbox.Mailbox
		err := d.DB.Read(ctx, func(tx *store.Tx) (err error) {
			top.ID, err = d.Mailboxes.ByRole(ctx, tx, u.Account, f.Role)
			return err
		})
		if err == nil {
			top, err = d.Mailboxes.ByID(ctx, top.ID)
		}
		switch {
		case err == nil && f.Below == "":
			return top, nil
		case err == nil:
			name = top.Name + "/" + f.Below
		case !mail.Is(err, mail.NotFound): // else the member has removed theirs
			return m, err
		}
	}
	if m, err = d.Mailboxes.Get(ctx, u.Account, name); err == nil || !mail.Is(err, mail.NotFound) {
		return m, err
	}
	if look {
		return mailbox.Mailbox{Name: mailbox.Name(name)}, nil
	}
	m, err = d.Mailboxes.Create(ctx, u.Account, name)
	if mail.Is(err, mail.Conflict) {
		return d.Mailboxes.Get(ctx, u.Account, name)
	}
	if err != nil {
		return m, fmt.Errorf("folder %s: %w", name, err)
	}
	if f.Hidden {
		err = d.Mailboxes.Subscribe(ctx, u.Account, name, false)
	}
	return m, err
}

// sweepImports forgets what was copied for accounts that are gone.
func (d *Door) sweepImports(ctx context.Context, tx *store.Tx) error {
	for _, q := range []string{
		`DELETE FROM import_mail WHERE folder IN (SELECT id FROM import_folder WHERE account NOT IN (SELECT account FROM mailbox_account))`,
		`DELETE FROM import_folder WHERE account NOT IN (SELECT account FROM mailbox_account)`,
	} {
		if _, err := tx.Exec(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

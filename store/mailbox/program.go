package mailbox

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

// # Mailboxes that are programs
//
// A program may stand behind a mailbox: what members do there with any mail
// program is how they use it. It is told of each change inside the change's own
// transaction, right after it was made: all of it can be read, and an error
// undoes it, UIDs and modseqs included. For everything else, such as being
// listed, searched, fetched or shared, the mailbox is like any other.
//
// The account's row is locked meanwhile, so a program changes mailboxes of that
// account only: it would lock another's out of order. Who deletes an account
// ends what its programs do; they are not told of that.

// Program is what stands behind a mailbox. Its methods do database work only
// and may be run again, like all that is given to store.DB.Write. To say no they
// return a mail.Refuse of kind Policy, whose sentence the member reads; failures
// of other kinds are the server's.
//
// What a program does itself, with the ctx that it was given, to the mailbox
// that it was told about is not told to it again.
type Program interface {
	// Arrive: mails are in box now. They have the Email that they had where they
	// came from, so that a program knows again what left it.
	Arrive(ctx context.Context, tx *store.Tx, box Mailbox, how How, mails []Entry) error
	// Leave: mails, as they were, are not in box any more. to is where they went,
	// 0 when they were expunged. Who moves mails inside one mailbox makes them
	// leave it and then arrive.
	Leave(ctx context.Context, tx *store.Tx, box Mailbox, how How, mails []Entry, to ID) error
	// Mark: mails, as they are now, got the flag \Deleted or lost it.
	Mark(ctx context.Context, tx *store.Tx, box Mailbox, mails []Entry, deleted bool) error
	// Rename: box, which has its new name, was called from.
	Rename(ctx context.Context, tx *store.Tx, box Mailbox, from string) error
	// Delete: box is empty, all its mails have left it, and it is about to go.
	Delete(ctx context.Context, tx *store.Tx, box Mailbox) error
}

// Parent is a Program that says what stands behind the mailboxes that are made
// below its own. An error undoes the making; program "" is an ordinary mailbox.
type Parent interface {
	Child(ctx context.Context, tx *store.Tx, parent, box Mailbox) (program string, ref int64, err error)
}

// How a mail came to a mailbox, or left it.
type How int

const (
	Appended How = iota // it is new: by APPEND, by mail, or from another host
	Copied
	Moved
	Expunged
	Removed // together with the mailbox
)

// CreateProgram makes a mailbox, and the parents it lacks, behind which the
// program of that name stands; ref is the program's own. The program is not told.
func (s *Store) CreateProgram(ctx context.Context, tx *store.Tx, account mail.AccountID, name, program string, ref int64) (ID, error) {
	if err := lockAccount(ctx, tx, account); err != nil {
		return 0, err
	}
	id, err := s.make(ctx, tx, account, Name(name))
	if err != nil {
		return 0, err
	}
	s.changed(tx, account)
	_, err = tx.Exec(ctx, `UPDATE mailbox SET program = $2, ref = $3 WHERE id = $1`, int64(id), program, ref)
	return id, err
}

// OfProgram finds the mailbox of an account behind which a program stands, with
// the program's own ref; kind NotFound. A member may have named it anything.
func (s *Store) OfProgram(ctx context.Context, tx *store.Tx, account mail.AccountID, program string, ref int64) (Mailbox, error) {
	m, err := scanMailbox(tx.QueryRow(ctx, `SELECT `+columns+` FROM mailbox WHERE account = $1 AND program = $2 AND ref = $3 ORDER BY id LIMIT 1`,
		int64(account), program, ref).Scan)
	return m, missing(err)
}

// Adopt has a program stand behind a mailbox that was an ordinary one.
func (s *Store) Adopt(ctx context.Context, tx *store.Tx, box ID, program string, ref int64) error {
	_, err := tx.Exec(ctx, `UPDATE mailbox SET program = $2, ref = $3 WHERE id = $1`, int64(box), program, ref)
	return err
}

// Withdraw is Expunge in the caller's transaction, for a program that takes
// away what it has shown. What is not there is not missed.
func (s *Store) Withdraw(ctx context.Context, tx *store.Tx, box ID, uids []UID) error {
	m, err := byID(ctx, tx, box)
	if err != nil || len(uids) == 0 {
		return err
	}
	if err := lockAccount(ctx, tx, m.Account); err != nil {
		return err
	}
	entries, err := pick(ctx, tx, box, uids)
	if err != nil {
		return err
	}
	if err := s.bury(ctx, tx, m, entries); err != nil {
		return err
	}
	return s.tellLeft(ctx, tx, m, Expunged, entries, 0)
}

// Acting returns a ctx in which what is done to a mailbox is done by its
// program, which is not told of it: for programs that begin by themselves.
func Acting(ctx context.Context, box ID) context.Context {
	return context.WithValue(ctx, actor(box), true)
}

// An actor is the key of a ctx in which a mailbox's program acts. Programs that
// use each other's mailboxes cannot go in circles: a ctx remembers all.
type actor ID

// ask tells the program of box of a change, if there is one and it is not
// its own doing.
func (s *Store) ask(ctx context.Context, tx *store.Tx, box Mailbox, f func(ctx context.Context, p Program, now Mailbox) error) error {
	if box.Program == "" || ctx.Value(actor(box.ID)) != nil {
		return nil
	}
	p, ok := s.Programs[box.Program]
	if !ok {
		// A node that was left out, or an older release beside this one. To do half
		// would be worse: a transfer that looks revoked, and is not.
		return mail.Refuse(mail.Unavailable, "mailbox-program-away").Because(fmt.Errorf("mailbox %d: no program %q here", box.ID, box.Program))
	}
	now, err := byID(ctx, tx, box.ID)
	if err == nil {
		err = f(Acting(ctx, box.ID), p, now)
	}
	if err != nil {
		return fmt.Errorf("program %s: %w", box.Program, refusal(err))
	}
	return nil
}

// refusal keeps a program's words from meaning something else: to a client, that
// a thing does not exist, or is not permitted, or exists is about mailboxes, and
// makes it create some (TRYCREATE).
func refusal(err error) error {
	var e *mail.Error
	if errors.As(err, &e) && e.Text.ID != "" {
		switch e.Kind {
		case mail.NotFound, mail.Forbidden, mail.Conflict, mail.Gone, mail.NoSuchUser:
			return &mail.Error{Kind: mail.Policy, Text: e.Text, Err: err}
		}
	}
	return err
}

func (s *Store) tellCame(ctx context.Context, tx *store.Tx, box Mailbox, how How, uids ...UID) error {
	if box.Program == "" || len(uids) == 0 {
		return nil
	}
	mails, err := pick(ctx, tx, box.ID, uids)
	if err != nil || len(mails) == 0 { // the program that they left took them back
		return err
	}
	return s.ask(ctx, tx, box, func(ctx context.Context, p Program, now Mailbox) error {
		return p.Arrive(ctx, tx, now, how, mails)
	})
}

func (s *Store) tellLeft(ctx context.Context, tx *store.Tx, box Mailbox, how How, mails []Entry, to ID) error {
	if len(mails) == 0 {
		return nil
	}
	return s.ask(ctx, tx, box, func(ctx context.Context, p Program, now Mailbox) error {
		return p.Leave(ctx, tx, now, how, mails, to)
	})
}

// tellPlaced is for COPY and MOVE: mails of a are in b, as dst.
func (s *Store) tellPlaced(ctx context.Context, tx *store.Tx, a, b Mailbox, mails []Entry, dst []UID, move bool) error {
	if err := reweigh(ctx, tx, a, b, mails, move); err != nil {
		return err
	}
	if !move {
		return s.tellCame(ctx, tx, b, Copied, dst...)
	}
	if err := s.tellLeft(ctx, tx, a, Moved, mails, b.ID); err != nil {
		return err
	}
	return s.tellCame(ctx, tx, b, Moved, dst...)
}

// tellFlags is for STORE: was are entries that include all of now.
func (s *Store) tellFlags(ctx context.Context, tx *store.Tx, box Mailbox, was, now []Entry) error {
	if box.Program == "" {
		return nil
	}
	had := make(map[UID]bool, len(was))
	for _, e := range was {
		had[e.UID] = hasFlag(e.Flags, deleted)
	}
	changed := map[bool][]Entry{}
	for _, e := range now {
		if has := hasFlag(e.Flags, deleted); has != had[e.UID] {
			changed[has] = append(changed[has], e)
		}
	}
	for _, on := range []bool{true, false} {
		if len(changed[on]) == 0 {
			continue
		}
		err := s.ask(ctx, tx, box, func(ctx context.Context, p Program, m Mailbox) error {
			return p.Mark(ctx, tx, m, changed[on], on)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tellNames is for RENAME: these are the mailboxes as they were.
func (s *Store) tellNames(ctx context.Context, tx *store.Tx, were []Mailbox) error {
	for _, m := range were {
		err := s.ask(ctx, tx, m, func(ctx context.Context, p Program, now Mailbox) error {
			return p.Rename(ctx, tx, now, m.Name)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// born is for CREATE: box was made below another, whose program may take it in.
func (s *Store) born(ctx context.Context, tx *store.Tx, box Mailbox) error {
	i := strings.LastIndexByte(box.Name, '/')
	if i < 0 {
		return nil
	}
	parent, err := s.get(ctx, tx, box.Account, box.Name[:i])
	if err != nil || parent.Program == "" {
		return err
	}
	return s.ask(ctx, tx, parent, func(ctx context.Context, p Program, now Mailbox) error {
		above, ok := p.(Parent)
		if !ok {
			return nil
		}
		program, ref, err := above.Child(ctx, tx, now, box)
		if err != nil || program == "" {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE mailbox SET program = $2, ref = $3 WHERE id = $1`, int64(box.ID), program, ref)
		return err
	})
}

// tellEnd is for DELETE: these mails were in the mailbox until now.
func (s *Store) tellEnd(ctx context.Context, tx *store.Tx, box Mailbox, mails []Entry) error {
	if err := s.tellLeft(ctx, tx, box, Removed, mails, 0); err != nil {
		return err
	}
	return s.ask(ctx, tx, box, func(ctx context.Context, p Program, now Mailbox) error {
		return p.Delete(ctx, tx, now)
	})
}

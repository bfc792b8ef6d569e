package folder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/queue"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// JobShelf brings one folder up to date with what it shows. Whatever changes an
// album or a transfer queues one; a run too many finds nothing to do.
const JobShelf = "shelf"

// shelf is the payload of JobShelf.
type shelf struct {
	Kind    string // link.Album or link.Transfer
	Thing   int64
	Account mail.AccountID
}

var (
	_ album.Shelf    = (*albumShelf)(nil)
	_ transfer.Shelf = (*transferShelf)(nil)
)

// AlbumShelf is for album.Service.Shelf, TransferShelf for transfer.Service.Shelf.
func (s *Service) AlbumShelf() album.Shelf { return &albumShelf{s} }

func (s *Service) TransferShelf() transfer.Shelf { return &transferShelf{s} }

type albumShelf struct{ s *Service }

func (h *albumShelf) Added(ctx context.Context, tx *store.Tx, a *album.Album, _ []album.Photo) error {
	return h.s.queue(ctx, tx, shelf{link.Album, int64(a.ID), a.Account})
}

func (h *albumShelf) Gone(ctx context.Context, tx *store.Tx, a *album.Album, _ []album.PhotoID) error {
	return h.s.queue(ctx, tx, shelf{link.Album, int64(a.ID), a.Account})
}

func (h *albumShelf) Ended(ctx context.Context, tx *store.Tx, a *album.Album) error {
	return h.s.queue(ctx, tx, shelf{link.Album, int64(a.ID), a.Account})
}

type transferShelf struct{ s *Service }

func (h *transferShelf) Made(ctx context.Context, tx *store.Tx, t *transfer.Transfer) error {
	return h.s.queue(ctx, tx, shelf{link.Transfer, int64(t.ID), t.Account})
}

func (h *transferShelf) Ended(ctx context.Context, tx *store.Tx, t *transfer.Transfer) error {
	return h.s.queue(ctx, tx, shelf{link.Transfer, int64(t.ID), t.Account})
}

func (h *transferShelf) Restored(ctx context.Context, tx *store.Tx, t *transfer.Transfer) error {
	return h.s.queue(ctx, tx, shelf{link.Transfer, int64(t.ID), t.Account})
}

// later is queue for the folder itself.
func (s *Service) later(ctx context.Context, tx *store.Tx, box mailbox.Mailbox) error {
	kind := link.Album
	if box.Program == programTransfers {
		kind = link.Transfer
	}
	return s.queue(ctx, tx, shelf{kind, box.Ref, box.Account})
}

func (s *Service) queue(ctx context.Context, tx *store.Tx, p shelf) error {
	payload, err := json.Marshal(p)
	if err != nil {
		return err
	}
	// One lane for an account: two runs over one folder would do the same work.
	_, _, err = s.Queue.Add(ctx, tx, queue.Job{Kind: JobShelf, Lane: fmt.Sprint(p.Account), Payload: payload})
	return err
}

// errWaiting says that a mail in the folder is still being taken in.
var errWaiting = errors.New("a mail is being taken in")

// giveUp is how long a folder that cannot be brought up to date is tried again.
const giveUp = 48 * time.Hour

// Work is the queue's handler for JobShelf.
func (s *Service) Work(ctx context.Context, j *queue.Job) queue.Outcome {
	var p shelf
	if err := json.Unmarshal(j.Payload, &p); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	var err error
	switch p.Kind {
	case link.Album:
		err = s.arrange(ctx, p)
	case link.Transfer:
		err = s.list(ctx, p)
	}
	switch {
	case err == nil:
		return queue.Done(nil)
	case ctx.Err() != nil:
		return queue.Snooze(s.now(), "stopped", nil)
	case s.now().Sub(j.Created) > giveUp:
		s.log().ErrorContext(ctx, "folder left behind", "kind", p.Kind, "thing", p.Thing, "err", err)
		return queue.Discard(err.Error(), nil)
	case errors.Is(err, errWaiting):
		return queue.Snooze(s.now().Add(min(time.Second<<min(j.Attempts, 10), 10*time.Minute)), err.Error(), nil)
	}
	s.log().WarnContext(ctx, "will be tried again", "kind", p.Kind, "thing", p.Thing, "err", err)
	return queue.Snooze(s.now().Add(min(time.Minute<<min(j.Attempts, 9), time.Hour)), err.Error(), nil)
}

// box finds a folder, or makes it under the first name that is free.
func (s *Service) box(ctx context.Context, tx *store.Tx, account mail.AccountID, name, program string, ref int64) (mailbox.ID, error) {
	m, err := s.Mailboxes.OfProgram(ctx, tx, account, program, ref)
	if err == nil || !mail.Is(err, mail.NotFound) {
		return m.ID, err
	}
	for i := 1; ; i++ {
		try := name
		if i > 1 {
			try = fmt.Sprintf("%s (%d)", name, i)
		}
		id, err := s.Mailboxes.CreateProgram(ctx, tx, account, try, program, ref)
		if !mail.Is(err, mail.Conflict) || i == 50 {
			return id, err
		}
	}
}

// settle takes out of a folder the mails whose files were taken in. It says
// whether some are still being worked on. The others, with which the program
// could do nothing, stay where the member put them: the program has answered.
func (s *Service) settle(ctx context.Context, tx *store.Tx, box mailbox.ID, took func(thing int64, key string) (bool, error)) (waiting bool, err error) {
	type dropped struct {
		email     mailbox.EmailID
		thing     int64
		mail, key string
		state     *string
	}
	var all []dropped
	rows, err := tx.Query(ctx, `SELECT d.email, d.thing, d.mail, d.key, (SELECT i.state FROM inbound i WHERE i.mail = d.mail ORDER BY i.id LIMIT 1)
		FROM folder_drop d WHERE d.mailbox = $1`, int64(box))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var d dropped
		err := scan(&d.email, &d.thing, &d.mail, &d.key, &d.state)
		all = append(all, d)
		return err
	})
	if err != nil {
		return false, err
	}
	for _, d := range all {
		if d.state == nil || *d.state == "pending" || *d.state == "processing" {
			waiting = true
			continue
		}
		if ok, err := took(d.thing, d.key); err != nil {
			return false, err
		} else if ok {
			if err := s.withdraw(ctx, tx, box, d.email); err != nil {
				return false, err
			}
		}
		if _, err := tx.Exec(ctx, `DELETE FROM folder_drop WHERE email = $1 AND mailbox = $2`, int64(d.email), int64(box)); err != nil {
			return false, err
		}
	}
	return waiting, nil
}

// withdraw takes every copy of an email out of a folder, on the program's behalf.
func (s *Service) withdraw(ctx context.Context, tx *store.Tx, box mailbox.ID, e mailbox.EmailID) error {
	var uids []mailbox.UID
	rows, err := tx.Query(ctx, `SELECT uid FROM placement WHERE mailbox = $1 AND email = $2`, int64(box), int64(e))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var u mailbox.UID
		err := scan(&u)
		uids = append(uids, u)
		return err
	})
	if err != nil {
		return err
	}
	return s.Mailboxes.Withdraw(mailbox.Acting(ctx, box), tx, box, uids)
}

// showing is the message of an item.
type showing struct {
	email   mailbox.EmailID
	deleted bool // it is marked so: the member's, to unmark or to expunge
}

// shown is which items of a thing have a message in the folder.
func shown(ctx context.Context, tx *store.Tx, box mailbox.ID, kind string) (map[stands]showing, error) {
	have := map[stands]showing{}
	rows, err := tx.Query(ctx, `SELECT m.kind, m.thing, m.item, m.email, p.flags FROM placement p JOIN folder_mail m ON m.email = p.email
		WHERE p.mailbox = $1 AND m.kind = $2`, int64(box), kind)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var k stands
		var e showing
		var flags string
		err := scan(&k.kind, &k.thing, &k.item, &e.email, &flags)
		e.deleted = strings.Contains(flags, `\Deleted`)
		have[k] = e
		return err
	})
	return have, err
}

// place files a message that stands for something.
func (s *Service) place(ctx context.Context, tx *store.Tx, account mail.AccountID, box mailbox.ID, l *laid, what stands) error {
	if err := s.Blobs.Keep(ctx, tx, l.blobs...); err != nil {
		return err
	}
	if err := s.Messages.Insert(ctx, tx, l.draft); err != nil {
		return err
	}
	p, err := s.Mailboxes.Append(mailbox.Acting(ctx, box), tx, account, box, &mailbox.Incoming{Message: l.draft.ID, Size: l.draft.Size,
		Summary: l.draft.Summary, Words: l.words, Flags: []string{`\Seen`}, Date: l.draft.Summary.Date, Shows: true})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO folder_mail (email, kind, thing, item) VALUES ($1, $2, $3, $4)`, int64(p.Email), what.kind, what.thing, what.item)
	return err
}

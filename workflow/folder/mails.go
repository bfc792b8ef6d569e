package folder

import (
	"context"
	"encoding/json"
	"fmt"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/queue"
	"colporteur/workflow"
)

// stands is what a message stands for.
type stands struct {
	kind  string
	thing int64
	item  int64
}

// meaning says what an email stands for; false when it is an ordinary mail.
func meaning(ctx context.Context, tx *store.Tx, e mailbox.EmailID) (what stands, ok bool, err error) {
	err = tx.QueryRow(ctx, `SELECT kind, thing, item FROM folder_mail WHERE email = $1`, int64(e)).Scan(&what.kind, &what.thing, &what.item)
	if err == store.ErrNoRows {
		return what, false, nil
	}
	return what, err == nil, err
}

// still says whether a mailbox has an email, perhaps a copy of what left it,
// without \Deleted.
func still(ctx context.Context, tx *store.Tx, box mailbox.ID, e mailbox.EmailID) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM placement WHERE mailbox = $1 AND email = $2 AND flags NOT LIKE '%Deleted%'`, int64(box), int64(e)).Scan(&n)
	return n > 0, err
}

// drop gives a mail that a member put into a folder to the program whose folder
// it is, as if it had been mailed there: what the program answers, and how it
// knows the mail again, is the same.
func (s *Service) drop(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, e mailbox.Entry, kind string, thing int64, pattern, local string) error {
	u, err := s.Owner(ctx, tx, box.Account)
	if err != nil {
		return err
	}
	sum, err := s.summary(ctx, tx, e)
	if err != nil {
		return err
	}
	p := delivery.Program{Mail: fmt.Sprintf("folder-%x", int64(e.Email)), Message: e.Message, Pattern: pattern,
		Address: mail.Address{Local: local, Domain: u.Address.Domain}, Sender: u, From: u.Address, At: s.now()}
	in := workflow.Inbound{Mail: p.Mail, Summary: sum}
	if _, err := tx.Exec(ctx, `INSERT INTO folder_drop (email, mailbox, kind, thing, mail, key, created) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (email, mailbox) DO NOTHING`, int64(e.Email), int64(box.ID), kind, thing, p.Mail, in.Key(), store.Micros(s.now())); err != nil {
		return err
	}
	payload, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if _, _, err := s.Queue.Add(ctx, tx, queue.Job{Kind: delivery.JobProgram, Lane: u.Address.Key(), Payload: payload, Message: int64(e.Message)}); err != nil {
		return err
	}
	return s.later(ctx, tx, box)
}

func (s *Service) summary(ctx context.Context, tx *store.Tx, e mailbox.Entry) (*mail.Summary, error) {
	var raw []byte
	if err := tx.QueryRow(ctx, `SELECT summary FROM message WHERE id = $1`, int64(e.Message)).Scan(&raw); err != nil {
		return nil, err
	}
	sum := &mail.Summary{}
	return sum, json.Unmarshal(raw, sum)
}

// hasFiles says whether a mail brings anything that a program could take.
func hasFiles(sum *mail.Summary) bool {
	return len((&workflow.Inbound{Summary: sum}).Files()) > 0
}

package absence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/queue"
	"colporteur/workflow"
)

// giveUp is when an answer would come too late to be of use.
const giveUp = 24 * time.Hour

// Work is the queue's handler for delivery.JobAbsence.
func (s *Service) Work(ctx context.Context, j *queue.Job) queue.Outcome {
	var came delivery.Absence
	if err := json.Unmarshal(j.Payload, &came); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	err := s.answer(ctx, &came)
	var known *mail.Error
	switch {
	case err == nil:
		return queue.Done(nil)
	case errors.Is(err, store.ErrNoRows), mail.Is(err, mail.NotFound):
		return queue.Done(nil) // the mail, or its reader, is gone
	case ctx.Err() != nil:
		return queue.Snooze(s.now(), "stopped", nil)
	case errors.As(err, &known) && !known.Kind.Temporary(), s.now().Sub(came.At) > giveUp:
		s.log().WarnContext(ctx, "absence not answered", "mail", came.Mail, "to", came.From.String(), "err", err)
		return queue.Discard(err.Error(), nil)
	}
	return queue.Snooze(s.now().Add(workflow.Pause(j.Attempts)), err.Error(), nil)
}

func (s *Service) answer(ctx context.Context, came *delivery.Absence) error {
	m, err := s.Messages.Get(ctx, came.Message)
	if err != nil {
		return err
	}
	var u mail.User
	var a Absence
	if err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if u, err = s.People.OwnerIn(ctx, tx, came.Account); err != nil {
			return err
		}
		a, _, err = get(ctx, tx, came.Account, "")
		return err
	}); err != nil {
		return err
	}
	sum := m.Summary
	if sum == nil || sum.Auto != "" || !a.Covers(came.At) || came.From.IsZero() || robotic(came.From) {
		return nil
	}
	if len(sum.From) > 0 {
		if author, err := mail.ParseAddress(sum.From[0].Addr); err == nil && robotic(author) {
			return nil
		}
	}
	if mine, err := s.People.Theirs(ctx, u.ID, came.From); mine || err != nil {
		return err
	}
	from, err := s.own(ctx, u, sum)
	if from.Addr == "" || err != nil {
		return err
	}
	body, err := s.compose(came, u, &a, from, sum)
	if err != nil {
		return err
	}
	first, err := s.first(ctx, came)
	if !first || err != nil {
		return err
	}
	id := once(came)
	err = s.Door.Accept(ctx, &mail.Envelope{ID: id, Origin: mail.FromSystem, Once: "absence/" + id,
		To: []mail.Recipient{{Address: came.From, Notify: mail.NotifyNever}}, UTF8: !came.From.IsASCII() || !ascii(from.Addr), Body: mail.Body7Bit,
		Client: mail.Client{Protocol: "LOCAL"}, Received: s.now()}, body)
	if err == nil {
		s.log().InfoContext(ctx, "absence answered", "mail", came.Mail, "user", u.ID, "to", came.From.String())
	}
	return err
}

// once names the answer among all mails.
func once(came *delivery.Absence) string {
	h := sha256.Sum256(fmt.Appendf(nil, "absence\x00%s\x00%d", came.Mail, came.Account))
	return hex.EncodeToString(h[:16])
}

// first notes that the sender is answered now, and says whether they are: not
// when another mail of theirs was in the last days. The same mail is answered
// when it is asked again: then a crash came before its answer.
func (s *Service) first(ctx context.Context, came *delivery.Absence) (ok bool, err error) {
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		now := s.now()
		n, err := tx.Exec(ctx, `INSERT INTO absence_answer (account, sender, mail, at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account, sender) DO UPDATE SET mail = excluded.mail, at = excluded.at WHERE absence_answer.at <= $5 OR absence_answer.mail = excluded.mail`,
			int64(came.Account), store.Clean(came.From.Key()), came.Mail, store.Micros(now), store.Micros(now.Add(-Pause)))
		ok = n > 0
		return err
	})
	return ok, err
}

// compose writes the answer (RFC 3834 §3.1).
func (s *Service) compose(came *delivery.Absence, u mail.User, a *Absence, from mail.Mailbox, sum *mail.Summary) (*bytes.Buffer, error) {
	c := mail.Compose{
		From:      from,
		To:        []mail.Mailbox{{Addr: came.From.String()}},
		Subject:   subject(a.Subject, sum.Subject),
		MessageID: once(came) + "@" + s.Hostname,
		InReplyTo: workflow.SafeID(sum.MessageID),
		Date:      s.now(),
		Auto:      "auto-replied",
		Extra:     []mail.Field{{Name: "X-Auto-Response-Suppress", Value: "All"}}, // Exchange does not know Auto-Submitted
	}
	if c.InReplyTo != "" {
		for _, id := range sum.References {
			c.References = append(c.References, workflow.SafeID(id))
		}
		c.References = append(c.References, c.InReplyTo)
	}
	if a.HTML != nil {
		c.HTML = *a.HTML
		c.Text = mail.HTMLText(c.HTML)
	}
	if a.Text != nil {
		c.Text = *a.Text
	}
	if strings.TrimSpace(c.Text) == "" && strings.TrimSpace(c.HTML) == "" {
		p := locale.For(u.Lang)
		c.Lang, c.Text = p.Lang, p.T("absence-words")+"\n"
	}
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	return &b, err
}

// ascii says whether every host takes an address, also one without SMTPUTF8.
func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) < 0
}

// subject says in front that nobody wrote it this very moment (RFC 3834 §3.1.5).
func subject(own *string, of string) string {
	line := of
	if own != nil && strings.TrimSpace(*own) != "" {
		line = *own
	}
	r := []rune(strings.Join(strings.Fields(line), " "))
	line = string(r[:min(len(r), 200)])
	if strings.HasPrefix(strings.ToLower(line), "auto:") || strings.HasPrefix(strings.ToLower(line), "auto :") {
		return line
	}
	return strings.TrimSpace("Auto: " + line)
}

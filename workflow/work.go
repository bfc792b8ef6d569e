package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/message"
	"colporteur/store/queue"
)

// Keep is how long a mail to a program is kept after it came.
const Keep = 30 * 24 * time.Hour

// giveUp is how long a failing program is tried again.
const giveUp = 48 * time.Hour

// MessageNamed and BlobNamed are queries for message.Store.Named and
// blob.Store.Named: what programs still need.
var (
	MessageNamed = []string{
		`SELECT 1 FROM inbound WHERE message = $1`,
		`SELECT 1 FROM transfer WHERE message = $1`,
		`SELECT 1 FROM outgoing_held WHERE message = $1`,
	}
	BlobNamed = []string{
		`SELECT 1 FROM transfer_file WHERE blob = $1`,
		`SELECT 1 FROM upload_piece WHERE piece = $1`,
		`SELECT 1 FROM upload WHERE blob = $1`,
		`SELECT 1 FROM album_handed WHERE blob = $1`,
		`SELECT 1 FROM photo_form WHERE blob = $1`,
	}
)

// Work is the queue's handler for delivery.JobProgram.
func (m *Mux) Work(ctx context.Context, j *queue.Job) queue.Outcome {
	var p delivery.Program
	if err := json.Unmarshal(j.Payload, &p); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	in, rt, err := m.inbound(ctx, &p)
	switch {
	case errors.Is(err, store.ErrNoRows):
		return queue.Done(nil) // what it was for has been taken back
	case err != nil:
		return m.again(ctx, j, &p, err)
	case in == nil:
		return queue.Discard("no program, or no proven sender", nil)
	case in.settled:
		return queue.Done(nil) // a crash came between its effects and this
	}
	if p.For.ID != 0 && p.Sender.ID == 0 {
		err = m.Claims.Claim(ctx, in, p.For)
	} else {
		err = process(ctx, rt.p, in)
	}
	var b *Bounce
	switch {
	case err == nil:
		m.log().InfoContext(ctx, "processed", "mail", in.Mail, "user", in.Sender.ID, "kind", rt.pattern)
		return queue.Done(func(ctx context.Context, tx *store.Tx) error {
			if in.waits {
				return in.state(ctx, tx, "waiting")
			}
			if err := in.state(ctx, tx, "delivered"); err != nil {
				return err
			}
			if err := m.trace(ctx, tx, in, delivery.Processed, ""); err != nil || !in.forget {
				return err
			}
			return m.drop(ctx, tx, in.Message.ID, j.ID)
		})
	case errors.As(err, &b):
		m.log().InfoContext(ctx, "bounced", "mail", in.Mail, "user", in.Sender.ID, "kind", rt.pattern, "err", b)
		return queue.Done(func(ctx context.Context, tx *store.Tx) error {
			if err := m.trace(ctx, tx, in, delivery.Declined, locale.For("en").Text(b.Text)); err != nil {
				return err
			}
			return in.told(ctx, tx, b.Text, "bounced")
		})
	case errors.Is(err, store.ErrNoRows): // recalled while it was being read
		return queue.Done(nil)
	case ctx.Err() != nil:
		return queue.Snooze(m.now(), "stopped", nil)
	case m.now().Sub(p.At) > giveUp:
		m.log().ErrorContext(ctx, "gave up", "mail", in.Mail, "user", in.Sender.ID, "kind", rt.pattern, "err", err)
		return queue.Discard(err.Error(), func(ctx context.Context, tx *store.Tx) error {
			if err := m.trace(ctx, tx, in, delivery.Declined, err.Error()); err != nil {
				return err
			}
			return in.told(ctx, tx, mail.MakeText("workflow-failed"), "failed")
		})
	}
	return m.again(ctx, j, &p, err)
}

// inbound makes the Inbound of a job and notes it; nil when nobody may process it.
func (m *Mux) inbound(ctx context.Context, p *delivery.Program) (*Inbound, route, error) {
	if p.Sender.ID == 0 && p.Pattern != replyPattern && (p.For.ID == 0 || m.Claims == nil) {
		return nil, route{}, nil
	}
	rt, vars, ok := m.match(p.Address.Local)
	if !ok || rt.pattern != p.Pattern {
		// The address was an alias: the program is known, its variable is not.
		rt, vars, ok = m.byPattern(p.Pattern)
		if !ok {
			return nil, route{}, nil
		}
	}
	msg, err := m.Messages.Get(ctx, p.Message)
	if err != nil {
		return nil, rt, err
	}
	if msg.Summary == nil {
		msg.Summary = &mail.Summary{}
	}
	in := &Inbound{Mail: p.Mail, Pattern: rt.pattern, Address: p.Address, Vars: vars, Sender: p.Sender, From: p.From,
		Guests: guests(p), Outside: p.Outside, Author: p.Author, Proven: p.Proven, At: p.At, Message: msg, Summary: msg.Summary, mux: m, job: *p}
	if public, ok := strings.CutSuffix(rt.pattern, ".{secret}"); ok {
		// What answers and guests see is the address that everybody knows.
		if in.Address.Local = public; strings.Contains(p.Address.Local, "+") {
			_, more, _ := strings.Cut(p.Address.Local, "+")
			in.Address.Local += "+" + more
		}
	}
	return in, rt, m.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO inbound (id, mail, message, program, member, key, state, created)
			VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7) ON CONFLICT (mail, program) DO NOTHING`,
			store.NewID(), in.Mail, int64(p.Message), in.program(), int64(p.Sender.ID), in.Key(), store.Micros(m.now())); err != nil {
			return err
		}
		var state string
		if err := tx.QueryRow(ctx, `SELECT state FROM inbound WHERE mail = $1 AND program = $2`, in.Mail, in.program()).Scan(&state); err != nil {
			return err
		}
		in.settled = state == "delivered"
		if in.settled {
			return nil
		}
		if p.Outside && p.Sender.ID != 0 { // it may have waited as nobody's
			if _, err := tx.Exec(ctx, `UPDATE inbound SET member = $1 WHERE mail = $2 AND program = $3`, int64(p.Sender.ID), in.Mail, in.program()); err != nil {
				return err
			}
		}
		return in.state(ctx, tx, "processing")
	})
}

// Settle marks the mail as dealt with, in the transaction of what it causes. It
// says false when it was already, or when the same mail came before.
func (in *Inbound) Settle(ctx context.Context, tx *store.Tx) (first bool, err error) {
	var one int
	err = tx.QueryRow(ctx, `SELECT 1 FROM inbound WHERE member = $1 AND key = $2 AND program = $3 AND state = 'delivered' LIMIT 1`,
		int64(in.Sender.ID), in.Key(), in.program()).Scan(&one)
	if err != store.ErrNoRows {
		return false, err
	}
	return true, in.state(ctx, tx, "delivered")
}

// guests are the other recipients, each once, without the sender.
func guests(p *delivery.Program) []mail.Address {
	seen := map[string]bool{p.From.Key(): true, p.Sender.Address.Key(): true}
	var out []mail.Address
	for _, g := range p.Guests {
		if !g.IsZero() && !seen[g.Key()] {
			seen[g.Key()] = true
			out = append(out, g)
		}
	}
	return out
}

// trace tells "where is my mail?" what a program made of it. The token of a
// reply address is not written down.
func (m *Mux) trace(ctx context.Context, tx *store.Tx, in *Inbound, what, why string) error {
	if m.Trace == nil {
		return nil
	}
	addr := in.Address.String()
	if in.secret() {
		addr = strings.NewReplacer("{token}", "…", "{secret}", "…").Replace(in.Pattern) + "@" + in.Address.Domain
	}
	return m.Trace(ctx, tx, delivery.Event{Mail: in.Mail, At: m.now(), What: what, Reply: why,
		To: []delivery.Stop{{Addr: addr, Where: mail.ToProgram}}})
}

func (m *Mux) byPattern(pattern string) (route, map[string]string, bool) {
	for _, r := range m.routes {
		if r.pattern == pattern {
			return r, nil, true
		}
	}
	return route{}, nil, false
}

// process turns a panic into an error: what a stranger's file does to a parser
// must not take the other jobs with it.
func process(ctx context.Context, p Processor, in *Inbound) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return p.Process(ctx, in)
}

func (m *Mux) again(ctx context.Context, j *queue.Job, p *delivery.Program, err error) queue.Outcome {
	pause := Pause(j.Attempts)
	m.log().WarnContext(ctx, "will be tried again", "mail", p.Mail, "user", p.Sender.ID, "kind", p.Pattern, "err", err)
	return queue.Snooze(m.now().Add(pause), err.Error(), nil)
}

// Pause before the next of several tries: a minute, then twice as long each
// time, up to six hours.
func Pause(attempts int) time.Duration {
	return min(time.Minute<<min(max(attempts-1, 0), 9), 6*time.Hour)
}

func (in *Inbound) state(ctx context.Context, tx *store.Tx, s string) error {
	_, err := tx.Exec(ctx, `UPDATE inbound SET state = $1 WHERE mail = $2 AND program = $3`, s, in.Mail, in.program())
	return err
}

// told answers with one sentence and ends the mail in state s.
func (in *Inbound) told(ctx context.Context, tx *store.Tx, t mail.Text, s string) error {
	p := locale.For(in.Lang())
	var l letter.Letter
	l.Para(p.Text(t)).Small(p.T("workflow-help-hint", "Address", "aide@"+in.Address.Domain))
	if err := in.ReplyIn(ctx, tx, l, 0); err != nil {
		return err
	}
	return in.state(ctx, tx, s)
}

// Forget has every byte of the mail removed in the transaction that ends its
// job, unless another program needs the same mail.
func (in *Inbound) Forget() { in.forget = true }

// drop removes a message that only its programs named, but for the job that ends now.
func (m *Mux) drop(ctx context.Context, tx *store.Tx, msg message.ID, j queue.ID) error {
	// The lock makes the second of two jobs that end together see the first one's end.
	id, n := int64(msg), 0
	err := tx.QueryRow(ctx, `SELECT 1 FROM message WHERE id = $1 FOR UPDATE`, id).Scan(&n)
	if err == store.ErrNoRows {
		return nil
	}
	if err != nil {
		return err
	}
	for _, q := range []string{
		`SELECT COUNT(*) FROM transfer WHERE message = $1`,
		`SELECT COUNT(*) FROM email WHERE message = $1`, // somebody put it into a folder that is a program's: there it is their mail
		`SELECT COUNT(*) FROM inbound WHERE message = $1 AND state = 'waiting'`,
	} {
		if err := tx.QueryRow(ctx, q, id).Scan(&n); err != nil || n > 0 {
			return err
		}
	}
	// A mail to two programs has a job for each.
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM job WHERE message = $1 AND done = 0 AND id <> $2`, id, int64(j)).Scan(&n); err != nil || n > 0 {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM inbound WHERE message = $1`, id); err != nil {
		return err
	}
	return m.Messages.Delete(ctx, tx, msg)
}

// Sweep forgets mails that came more than Keep ago, and old rate counts. The
// messages follow in message.Store.Sweep, unless something else names them.
func (m *Mux) Sweep(ctx context.Context) error {
	now := m.now()
	return m.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM inbound WHERE created < $1`, store.Micros(now.Add(-Keep))); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM notice_rate WHERE hour < $1`, now.Add(-24*time.Hour).Unix()/3600)
		return err
	})
}

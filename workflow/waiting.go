package workflow

import (
	"context"
	"encoding/json"

	"colporteur/delivery"
	"colporteur/store"
	"colporteur/store/queue"
)

// A mail that does not prove who wrote it may wait until somebody who knows says
// so: Wait keeps it, Resume has it processed, Drop forgets it. It is kept for Keep
// at most, like every mail to a program.

// Wait has the mail kept when its processor returns, and not counted as dealt
// with: the same mail that comes with a proof is the first of its kind.
func (in *Inbound) Wait() { in.waits = true }

// Job is what the mail came to its program with, for Resume and Drop.
func (in *Inbound) Job() delivery.Program { return in.job }

// Resume has a mail that waited processed as p says now, in the transaction that
// decides it.
func (m *Mux) Resume(ctx context.Context, tx *store.Tx, p delivery.Program) error {
	p.At = m.now() // the two days of tries begin with the answer
	payload, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, _, err = m.Post.Queue.Add(ctx, tx, queue.Job{Kind: delivery.JobProgram, Lane: p.Author.Key(), Payload: payload, Message: int64(p.Message)})
	return err
}

// Drop forgets a mail that waited in vain, unless something else needs it.
func (m *Mux) Drop(ctx context.Context, tx *store.Tx, p delivery.Program) error {
	in := &Inbound{Mail: p.Mail, Pattern: p.Pattern, Address: p.Address, mux: m}
	if rt, vars, ok := m.match(p.Address.Local); ok && rt.pattern == p.Pattern {
		in.Vars = vars
	}
	if err := in.state(ctx, tx, "dropped"); err != nil {
		return err
	}
	return m.drop(ctx, tx, p.Message, 0)
}

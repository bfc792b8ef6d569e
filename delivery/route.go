package delivery

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/message"
	"colporteur/store/queue"
)

// Jobs of the queue that the Door adds.
const (
	JobProgram = "program" // payload Program
	JobRelay   = "relay"   // payload Relay; Lane is the domain
	JobOpen    = "open"    // payload Program, of a program that strangers may write to: Sender proves nothing, Verdict does
)

// Program is the payload of a job for a workflow.
type Program struct {
	Mail    string // our id of the mail
	Message message.ID
	Pattern string         // "album+{name}"
	Address mail.Address   // the program's address, after aliases
	Sender  mail.User      // proven
	For     mail.User      `json:",omitzero"` // of mail from outside that nothing proves: the member it says it is from
	From    mail.Address   // envelope sender
	Guests  []mail.Address // the other recipients of the transaction
	Verdict *mail.Verdict  `json:",omitempty"` // JobOpen only
	Outside bool           `json:",omitempty"` // it came from another host; Sender is who it acts for, 0 when that is a guest
	Author  mail.Address   `json:",omitzero"`  // of mail from outside: the From field's
	Proven  bool           `json:",omitempty"` // of mail from outside: Author's domain signed it
	At      time.Time
}

// lane is what keeps one writer's many from holding up the others'.
func (p *Program) lane() string {
	if p.Sender.ID == 0 {
		return p.From.Key()
	}
	return p.Sender.Address.Key()
}

// Relay is the payload of a job for the Internet: one mail, one domain.
type Relay struct {
	Mail    string
	Message message.ID
	Prefix  []byte // header lines of ours that go before the message: Received
	From    mail.Address
	To      []mail.Recipient // those still to be served
	Size    int64
	Body    mail.Body
	UTF8    bool
	TLS     bool // REQUIRETLS
	EnvID   string
	Ret     mail.Ret
	At      time.Time // accepted
	Warned  bool      // a delay notice was sent
	Member  bool      `json:",omitempty"` // a member wrote it, who signed in
	Forward *Forward  `json:",omitempty"` // an alias leads there
}

// routes is where the copies of one mail go, each place once.
type routes struct {
	mailboxes []mail.Destination
	relays    []Relay
	programs  []Program
	reports   []Program
	outgoing  *Outgoing
}

func (d *Door) route(ctx context.Context, env *mail.Envelope, head *header, s *spooled) (*routes, error) {
	rt := &routes{}
	claim := claimed(env)
	seen := map[mail.AccountID]bool{}
	for _, r := range env.To {
		for _, to := range r.Dest {
			switch {
			case to.Where == mail.ToProgram && claim:
				rt.programs = append(rt.programs, Program{Mail: env.ID, Pattern: to.Program, Address: to.Addr,
					Sender: env.User, From: env.From, At: env.Received})
			case to.Where == mail.ToProgram && d.Open[to.Program]:
				rt.reports = append(rt.reports, Program{Mail: env.ID, Pattern: to.Program, Address: to.Addr,
					Sender: env.User, From: env.From, Verdict: head.verdict, At: env.Received})
			case to.Where == mail.ToProgram && env.Origin == mail.FromMX:
				p, err := d.fromOutside(ctx, env, head, s.draft.Summary, r, to)
				if err != nil {
					return nil, err
				}
				rt.programs = append(rt.programs, p)
			case to.Where == mail.ToProgram:
				return nil, mail.Refuse(mail.Policy, "program-members-only", "Address", r.Address.String())
			case claim:
				// a guest of the program
			case to.Where == mail.ToMailbox && !seen[to.Account]:
				if slices.Contains(head.deliveredTo, to.Addr.Key()) {
					return nil, mail.Refuse(mail.Loop, "kind-loop")
				}
				seen[to.Account] = true
				rt.mailboxes = append(rt.mailboxes, to)
			case to.Where == mail.ToRelay:
				var f *Forward
				from := env.From
				if to.Addr.Key() != r.Address.Key() {
					var err error
					if f, from, err = d.forward(ctx, env, head, r.Address); err != nil {
						return nil, err
					}
				}
				rt.addRelay(env, r, to, from, f)
			}
		}
	}
	if claim {
		for _, r := range env.To {
			if !isProgram(r.Dest) {
				for i := range rt.programs {
					rt.programs[i].Guests = append(rt.programs[i].Guests, r.Address)
				}
			}
		}
		// A guest is invited once, by the first program of the envelope.
		for i := 1; i < len(rt.programs); i++ {
			rt.programs[i].Guests = nil
		}
	}
	// Accounts are locked in one order, so that two mails to the same people do
	// not wait for each other in a circle.
	slices.SortFunc(rt.mailboxes, func(a, b mail.Destination) int { return cmp.Compare(a.Account, b.Account) })
	if len(rt.mailboxes)+len(rt.relays)+len(rt.programs)+len(rt.reports) == 0 {
		return nil, mail.Wrap(mail.NoSuchUser, fmt.Errorf("mail %s has nowhere to go", env.ID))
	}
	return rt, nil
}

func (rt *routes) addRelay(env *mail.Envelope, r mail.Recipient, to mail.Destination, from mail.Address, f *Forward) {
	r.Address, r.Dest = to.Addr, nil
	for i := range rt.relays {
		j := &rt.relays[i]
		if same := j.Forward == nil && f == nil || j.Forward != nil && f != nil && j.Forward.By == f.By; same && j.To[0].Domain == to.Addr.Domain {
			for _, have := range j.To {
				if have.Address == r.Address {
					return
				}
			}
			j.To = append(j.To, r)
			return
		}
	}
	rt.relays = append(rt.relays, Relay{Mail: env.ID, From: from, Forward: f, Member: env.Origin == mail.FromMember, To: []mail.Recipient{r}, Body: env.Body,
		UTF8: env.UTF8, TLS: env.RequireTLS, EnvID: env.EnvID, Ret: env.Ret, At: env.Received})
}

// commit is the one transaction. What it needs is prepared before it: on SQLite
// everybody else's mail waits while it runs.
func (d *Door) commit(ctx context.Context, env *mail.Envelope, head *header, s *spooled) error {
	rt, err := d.route(ctx, env, head, s)
	if err != nil {
		return err
	}
	if s.limit > 0 {
		rt.lighten(env, s.draft.Size, s.limit, encoded(d.messageLimit()))
	}
	received := d.received(env)
	jobs := make([]queue.Job, 0, len(rt.relays)+len(rt.programs))
	drafts := []*message.Draft{s.draft}
	for i := range rt.relays {
		j := &rt.relays[i]
		j.Prefix, j.Message = slices.Concat(received, head.missing), s.draft.ID
		j.Size = s.draft.Size
		if f := j.Forward; f != nil {
			j.Prefix = slices.Concat(head.results, received)
			if f.Rewrite {
				alt, fields, err := rewritten(s, head, f)
				if err != nil {
					return err
				}
				drafts = append(drafts, alt)
				j.Prefix, j.Message, j.Size = append(j.Prefix, fields...), alt.ID, alt.Size
			}
		}
		j.Size += int64(len(j.Prefix))
		payload, err := json.Marshal(j)
		if err != nil {
			return err
		}
		jobs = append(jobs, queue.Job{Kind: JobRelay, Lane: j.To[0].Domain, Payload: payload, Message: int64(j.Message)})
	}
	for i := range rt.programs {
		p := &rt.programs[i]
		p.Message = s.draft.ID
		payload, err := json.Marshal(p)
		if err != nil {
			return err
		}
		jobs = append(jobs, queue.Job{Kind: JobProgram, Lane: p.lane(), Payload: payload, Message: int64(s.draft.ID)})
	}
	if o := rt.outgoing; o != nil {
		o.Prefix, o.Message = slices.Concat(received, head.missing), s.draft.ID
		payload, err := json.Marshal(o)
		if err != nil {
			return err
		}
		jobs = append(jobs, queue.Job{Kind: JobOutgoing, Key: OutgoingKey(env.ID), Lane: env.User.Address.Key(), Payload: payload, Message: int64(s.draft.ID)})
	}
	for i := range rt.reports {
		p := &rt.reports[i]
		p.Message = s.draft.ID
		payload, err := json.Marshal(p)
		if err != nil {
			return err
		}
		jobs = append(jobs, queue.Job{Kind: JobOpen, Lane: p.Pattern, Payload: payload, Message: int64(s.draft.ID)})
	}
	boxes := make([]mailbox.ID, len(rt.mailboxes))
	for i, to := range rt.mailboxes {
		if boxes[i], err = d.box(ctx, to.Account, head.decision.junk); err != nil {
			return err
		}
	}
	answers, err := d.absences(ctx, env, head, s, rt.mailboxes)
	if err != nil {
		return err
	}
	jobs = append(jobs, answers...)
	came, err := d.wayIn(env, head, s)
	if err != nil {
		return err
	}
	wrote := d.wroteTo(env, s)
	return d.DB.Write(ctx, func(tx *store.Tx) error {
		if env.Once != "" {
			n, err := tx.Exec(ctx, `INSERT INTO accepted_once (key, at) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`,
				env.Once, store.Micros(d.now()))
			if err != nil || n == 0 {
				return err
			}
		}
		for _, m := range drafts {
			if claimed(env) { // its files may be in the member's own copy already
				shared, err := d.shared(ctx, tx, env.User.Account, m)
				if err != nil {
					return err
				}
				m = shared
			}
			if err := d.Messages.Insert(ctx, tx, m); err != nil {
				return err
			}
		}
		for i, to := range rt.mailboxes {
			in := s.incoming(d.mailboxPrefix(env, to.Addr, received, head), env.Received)
			if _, err := d.Mailboxes.Append(ctx, tx, to.Account, boxes[i], in); err != nil {
				return fmt.Errorf("append for %s: %w", to.Addr, err)
			}
		}
		for _, j := range jobs {
			if _, _, err := d.Queue.Add(ctx, tx, j); err != nil {
				return err
			}
		}
		if len(wrote) > 0 {
			if err := d.Contacts.Wrote(ctx, tx, env.User.Account, wrote); err != nil {
				return err
			}
		}
		return came.insert(ctx, tx)
	})
}

// box is where a mail is filed. A member who removed the Junk folder gets what
// belongs there in the INBOX: better seen than lost.
func (d *Door) box(ctx context.Context, a mail.AccountID, junk bool) (id mailbox.ID, err error) {
	if !junk {
		return d.inbox(ctx, a)
	}
	err = d.DB.Read(ctx, func(tx *store.Tx) error {
		id, err = d.Mailboxes.ByRole(ctx, tx, a, mailbox.Junk)
		return err
	})
	if errors.Is(err, store.ErrNoRows) || mail.Is(err, mail.NotFound) {
		return d.inbox(ctx, a)
	}
	return id, err
}

func (d *Door) inbox(ctx context.Context, a mail.AccountID) (id mailbox.ID, err error) {
	if have, ok := d.inboxes.Load(a); ok {
		return have.(mailbox.ID), nil
	}
	err = d.DB.Read(ctx, func(tx *store.Tx) error {
		id, err = d.Mailboxes.ByRole(ctx, tx, a, mailbox.Inbox)
		return err
	})
	if err == nil {
		d.inboxes.Store(a, id)
	}
	return id, err
}

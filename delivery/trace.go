package delivery

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// What happens to a mail, as the trace tells it.
const (
	Accepted  = "accepted"  // stored, and every recipient has somewhere to go
	Relayed   = "relayed"   // a server elsewhere took it
	Delayed   = "delayed"   // not yet; it will be tried again
	Bounced   = "bounced"   // given up; the sender is told if they may be
	Processed = "processed" // a program did its work
	Declined  = "declined"  // a program would not, and told the sender why
	Refused   = "refused"   // its sender's server was told no, for what the mail claims to be; nothing is stored
	Held      = "held"      // an operator keeps it back
	Released  = "released"  // and lets it go
	Cancelled = "cancelled" // given up by an operator or its sender
)

// What was done with a mail from outside after it was judged.
const (
	ToInbox = "inbox"
	ToJunk  = "junk"
)

// Event is one thing that happened to one mail. Which fields it has depends on What.
type Event struct {
	Mail string    `json:"-"` // our id of it
	At   time.Time `json:"-"` // zero is now
	What string    `json:"-"`

	To []Stop // Accepted: all recipients; else the one it is about

	// Accepted only.
	From      string `json:",omitempty"` // envelope sender; "" is the null one
	Member    string `json:",omitempty"` // who signed in
	MessageID string `json:",omitempty"`
	IP        string `json:",omitempty"`
	Helo      string `json:",omitempty"`
	Size      int64  `json:",omitempty"`

	// Accepted and Refused, of mail from outside: what was found out about its
	// origin, such as "spf=pass dkim=pass dmarc=pass", and what was done with it.
	Proof  string `json:",omitempty"`
	Action string `json:",omitempty"` // ToInbox, ToJunk

	Until time.Time `json:",omitzero"` // Accepted: a mail that waits for its hour

	Why mail.Text `json:",omitzero"` // Refused, Delayed, Bounced: the reason as a person is told it

	Host  string `json:",omitempty"` // Relayed: who took it
	TLS   string `json:",omitempty"` // Accepted, Relayed: of the connection
	Reply string `json:",omitempty"` // the other server's words, or the reason
}

// Stop is where one recipient's copy went.
type Stop struct {
	Addr  string
	Via   string     `json:",omitempty"` // the alias it was written to
	Where mail.Where `json:",omitempty"` // 0: a guest of the program, who gets a link and no mail
}

// Trace answers "where is my mail?". It remembers no content and no subject.
type Trace struct {
	DB  *store.DB
	Now func() time.Time // nil is time.Now
}

func (t *Trace) now() time.Time {
	if t.Now == nil {
		return time.Now()
	}
	return t.Now()
}

// Note adds what happened, in the transaction in which it happened.
func (t *Trace) Note(ctx context.Context, tx *store.Tx, events ...Event) error {
	for _, e := range events {
		if e.At.IsZero() {
			e.At = t.now()
		}
		r, err := e.row()
		if err != nil {
			return err
		}
		if err := r.insert(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// Add is Note in a transaction of its own.
func (t *Trace) Add(ctx context.Context, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	return t.DB.Write(ctx, func(tx *store.Tx) error { return t.Note(ctx, tx, events...) })
}

// row is an event ready for the table.
type row struct {
	mail, event, detail string
	at                  int64
}

func (e *Event) row() (row, error) {
	b, err := json.Marshal(e) // it turns invalid UTF-8 into U+FFFD, and NUL into an escape
	return row{mail: store.Clean(e.Mail), event: e.What, detail: string(b), at: store.Micros(e.At)}, err
}

func (r *row) insert(ctx context.Context, tx *store.Tx) error {
	_, err := tx.Exec(ctx, `INSERT INTO trace (id, mail, at, event, detail) VALUES ($1, $2, $3, $4, $5)`,
		store.NewID(), r.mail, r.at, r.event, r.detail)
	return err
}

// maxMessageID bounds what a stranger can have us remember: a line (RFC 5322 §2.1.1).
const maxMessageID = 998

// wayIn is the row of a mail that is being accepted: made before the
// transaction, because on SQLite everybody waits while one runs.
func (d *Door) wayIn(env *mail.Envelope, head *header, s *spooled) (row, error) {
	e := Event{Mail: env.ID, At: env.Received, What: Accepted, MessageID: s.draft.Summary.MessageID,
		Helo: env.Client.Helo, Size: s.draft.Size, TLS: env.Client.TLS, To: make([]Stop, 0, len(env.To)), Proof: head.proof}
	if head.verdict != nil {
		e.Action = head.decision.action()
	}
	if env.Release.After(env.Received) {
		e.Until = env.Release
	}
	if !env.From.IsZero() {
		e.From = env.From.Key()
	}
	if env.Client.IP.IsValid() {
		e.IP = env.Client.IP.String()
	}
	if env.Origin == mail.FromMember {
		e.Member = env.User.Address.Key()
		if e.MessageID == "" {
			e.MessageID = env.ID + "@" + d.Hostname // the one we add
		}
	}
	if len(e.MessageID) > maxMessageID {
		e.MessageID = ""
	}
	claim := claimed(env)
	for _, r := range env.To {
		if claim && !isProgram(r.Dest) {
			e.To = append(e.To, Stop{Addr: r.Key()})
			continue
		}
		for _, to := range r.Dest {
			if claim && to.Where != mail.ToProgram {
				continue
			}
			stop := Stop{Addr: to.Addr.Key(), Where: to.Where}
			if secretive(to.Program) {
				// The address is a secret: whoever reads the table must not
				// be able to answer in its owner's place.
				stop.Addr = hidden.Replace(to.Program) + "@" + to.Addr.Domain
			} else if k := r.Key(); k != stop.Addr {
				stop.Via = k
			}
			e.To = append(e.To, stop)
		}
	}
	return e.row()
}

// hidden replaces what is secret in a pattern.
var hidden = strings.NewReplacer("{token}", "…", "{secret}", "…")

// Story is what became of one mail, in the order of time.
type Story []Event

// pageOfTrace is how many rows one read looks at: enough to be quick, few
// enough that no snapshot keeps the database's log from being folded.
const pageOfTrace = 20_000

// Find returns the mails of an address (as sender or recipient), of a
// Message-ID, or the one of our own id; the newest limit of them, oldest first.
// more says that there are others.
func (t *Trace) Find(ctx context.Context, what string, limit int) (stories []Story, more bool, err error) {
	what = strings.Trim(strings.TrimSpace(store.Clean(what)), "<>")
	if what == "" {
		return nil, false, nil
	}
	address := what
	if a, err := mail.ParseAddress(what); err == nil {
		address = a.Key()
	}
	found, more, err := t.search(ctx, what, address, limit)
	if err != nil || len(found) == 0 {
		return nil, false, err
	}
	for _, e := range found {
		s, err := t.later(ctx, e)
		if err != nil {
			return nil, false, err
		}
		stories = append(stories, append(Story{e}, s...))
	}
	slices.SortStableFunc(stories, func(a, b Story) int { return a[0].At.Compare(b[0].At) })
	return stories, more, nil
}

// like is the pattern of details that hold s as a whole value.
func like(s string) string {
	b, _ := json.Marshal(s)
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(string(b)) + "%"
}

// about says whether e, an Accepted or Refused, is of that Message-ID, address or id.
func (e *Event) about(what, address string) bool {
	if e.Mail == what || e.MessageID == what || e.From == address || e.Member == address {
		return true
	}
	return slices.ContainsFunc(e.To, func(s Stop) bool { return s.Addr == address || s.Via == address })
}

// search walks from the newest row to the oldest.
func (t *Trace) search(ctx context.Context, what, address string, limit int) (found []Event, more bool, err error) {
	// Nearly always the two are one, and reading for two costs half as much again.
	match, args := `mail = $3 OR detail LIKE $4 ESCAPE '\'`, []any{what, like(address)}
	if what != address {
		match, args = match+` OR detail LIKE $5 ESCAPE '\'`, append(args, like(what))
	}
	for before := int64(math.MaxInt64); before > 0 && len(found) <= limit; {
		err := t.DB.Read(ctx, func(tx *store.Tx) error {
			var from int64 // 0 on the last page
			err := tx.QueryRow(ctx, `SELECT id FROM trace WHERE id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2`, before, pageOfTrace-1).Scan(&from)
			if err != nil && err != store.ErrNoRows {
				return err
			}
			rows, err := tx.Query(ctx, `SELECT mail, at, event, detail FROM trace WHERE id >= $1 AND id < $2 AND event IN ('accepted', 'refused')
				AND (`+match+`) ORDER BY id DESC`, append([]any{from, before}, args...)...)
			before = from
			return store.Each(rows, err, func(scan func(...any) error) error {
				e, err := scanEvent(scan)
				// The pattern is wider than the question, on SQLite in its case too.
				if err == nil && e.about(what, address) {
					if !e.Until.IsZero() {
						// It was accepted once more at its hour; this row begins its story.
						found = slices.DeleteFunc(found, func(f Event) bool { return f.Mail == e.Mail })
					}
					found = append(found, e)
				}
				return err
			})
		})
		if err != nil {
			return nil, false, err
		}
	}
	if len(found) > limit {
		return found[:limit], true, nil
	}
	return found, false, nil
}

func scanEvent(scan func(...any) error) (e Event, err error) {
	var id, what, detail string
	var at int64
	if err := scan(&id, &at, &what, &detail); err != nil {
		return e, err
	}
	err = json.Unmarshal([]byte(detail), &e)
	e.Mail, e.At, e.What = id, store.Time(at), what
	return e, err
}

// refusals bounds how many refused mails are remembered: strangers choose how
// many there are.
type refusals struct {
	mu    sync.Mutex
	since time.Time
	n     int
}

// refusedAnHour is more than a person will ask about.
const refusedAnHour = 1000

func (r *refusals) room(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) >= time.Hour {
		r.since, r.n = now, 0
	}
	r.n++
	return r.n <= refusedAnHour
}

// turnedAway remembers a mail that was refused for what it claims to be: whoever
// misses it will ask.
func (d *Door) turnedAway(ctx context.Context, env *mail.Envelope, head *header, s *spooled) {
	c := head.decision
	if c.refuse == nil || c.refuse.Kind.Temporary() {
		return
	}
	d.repute.forged(env.Client.IP, d.now())
	d.log().InfoContext(ctx, "refused", "mail", env.ID, "from", env.From.String(), "ip", env.Client.IP, "proof", head.proof, "err", c.refuse)
	if !d.refused.room(d.now()) {
		return
	}
	r, err := d.wayIn(env, head, s)
	if err == nil {
		var e Event
		if err = json.Unmarshal([]byte(r.detail), &e); err == nil {
			e.Mail, e.At, e.What, e.Action, e.Why = env.ID, env.Received, Refused, "", c.refuse.Text
			err = (&Trace{DB: d.DB, Now: d.Now}).Add(ctx, e)
		}
	}
	if err != nil {
		d.log().WarnContext(ctx, "not traced", "mail", env.ID, "err", err)
	}
}

// later is what happened to a mail after it was accepted.
func (t *Trace) later(ctx context.Context, first Event) (s Story, err error) {
	err = t.DB.Read(ctx, func(tx *store.Tx) error {
		s = nil
		which, args := `event <> 'accepted' AND event <> 'refused'`, []any{first.Mail}
		if !first.Until.IsZero() { // accepted again at its hour; no index has that row, and such mails are few
			which, args = `event <> 'refused' AND (event <> 'accepted' OR at > $2)`, append(args, store.Micros(first.At))
		}
		rows, err := tx.Query(ctx, `SELECT mail, at, event, detail FROM trace WHERE mail = $1 AND `+which+` ORDER BY at, id`, args...)
		return store.Each(rows, err, func(scan func(...any) error) error {
			e, err := scanEvent(scan)
			s = append(s, e)
			return err
		})
	})
	return s, err
}

// Sweep forgets what happened more than age ago. Rows lie in the order of
// time, so it looks at the oldest only.
func (t *Trace) Sweep(ctx context.Context, age time.Duration) (swept int, err error) {
	limit := store.Micros(t.now().Add(-age))
	for {
		var n int64
		err := t.DB.Write(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.Exec(ctx, `DELETE FROM trace WHERE at < $1 AND id IN (SELECT id FROM trace ORDER BY id LIMIT 1000)`, limit)
			return err
		})
		if err != nil || n == 0 {
			return swept, err
		}
		swept += int(n)
	}
}

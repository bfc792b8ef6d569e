// Package relay carries mail to other people's servers, and tells the sender
// when it could not.
//
// # One job
//
// A job of the queue is one mail for the recipients of one domain. Each run is
// one attempt: the domain's hosts in order of preference, one transaction with
// the first that listens, a fate for each recipient. Those that were served or
// refused leave the job's payload, those that were not stay in it, and the job
// sleeps until the next attempt, for five days at most.
//
// # Told once
//
// What the sender must hear is first written into the payload (notices), and
// only the next run hands it to the Door, under an id that depends on nothing
// but the mail and the recipients. So a crash at any point leads to the same
// notice again, never to another one, and the Door keeps it once.
//
// # Whose turn it is
//
// Which jobs run is decided by destination (pace.go): who runs the servers, and
// how much of ours they have shown to take. A mail without room waits in the
// queue and costs nothing there; after half an hour it is looked at all the
// same, so that its sender is warned in time.
//
// # What may be said twice
//
// A mail whose final dot went out but whose reply got lost is sent again later
// (RFC 5321 §6.1). Nothing else is.
package relay

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/smtp/relay/secure"
	"colporteur/store"
	"colporteur/store/message"
	"colporteur/store/queue"
)

// Door takes the notices to senders. *delivery.Door is one. Of mails with the
// same Envelope.Once it keeps the first and says nil to all.
type Door interface {
	Accept(ctx context.Context, env *mail.Envelope, body io.Reader) error
}

var _ Door = (*delivery.Door)(nil)

// Relay is the way out. Its fields are set once, before Register.
type Relay struct {
	Queue    *queue.Queue
	Messages *message.Store
	Resolver mail.Resolver // nil is the system's; it is asked for names with their final dot
	Door     Door

	Hostname     string       // how we name ourselves in EHLO
	Postmaster   mail.Address // whom notices come from; zero is postmaster at Hostname
	Port         int          // of the servers of others; 0 is 25
	AllowPrivate bool         // addresses that are not on the Internet too, for tests
	Smarthost    string       // "host" or "host:port" that takes all mail; "" follows MX
	Workers      int          // mails at once; 0 is 300

	// Dial opens a connection to an address; nil is a net.Dialer that looks at
	// the address once more.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS  *tls.Config // base of the client's configuration; nil is the default one

	// Policies says how mail for a domain must travel; nil: encrypted where the
	// peer offers it.
	Policies secure.Policies
	// TLSResult hears of each session with a peer, for TLS reports: its success,
	// or how encryption failed. It must not wait. nil tells nobody.
	TLSResult func(secure.Outcome)
	// Recognise knows the refusals of big providers (provider.Recognise); nil
	// goes by the codes alone.
	Recognise func(host string, code int, enhanced, text string) (Diagnosis, bool)
	// Blocked hears that a provider refuses our address or domain, once an hour
	// for each provider. nil tells nobody.
	Blocked func(ctx context.Context, d Diagnosis, host, reply string)

	// Sign returns header lines that go before the message, such as a
	// DKIM-Signature; nil signs nothing. message writes what will be sent.
	Sign func(ctx context.Context, mail delivery.Relay, message io.WriterTo) ([]byte, error)

	// Lang is the language of a sender, "" when not known: then notices speak
	// French and English. nil knows nobody.
	Lang func(sender mail.Address) string

	// Trace remembers what became of a mail, for who asks where it is; nil
	// remembers nothing. An error of it delays no mail.
	Trace func(ctx context.Context, events ...delivery.Event) error

	Now  func() time.Time // nil is time.Now
	Rand io.Reader        // nil is crypto/rand; for the order of equal hosts and for jitter
	Log  *slog.Logger     // nil discards

	stages *patience // nil is RFC 5321's; tests are in a hurry
	pacing sync.Once
	paces  *pacer
	spare  spares // connections that wait for the next mail
	dead   morgue
}

// overdue is how long a mail waits for room at its destination until it is
// looked at all the same: it may be late, or have to be given up.
const overdue = 30 * time.Minute

// Register has the queue give its relay jobs to r.
func (r *Relay) Register() {
	p := r.pacer()
	r.Queue.Handle(delivery.JobRelay, queue.Options{Workers: p.workers, Limit: p.limit, Pool: p.place, Overdue: overdue,
		Stopped: r.spare.close}, r.handle)
}

// pacer is what is known of the destinations.
func (r *Relay) pacer() *pacer {
	r.pacing.Do(func() {
		r.paces = &pacer{now: r.now, workers: r.Workers}
		if r.paces.workers == 0 {
			r.paces.workers = 300
		}
	})
	return r.paces
}

// work is the payload of a job as it is from the first run on: what the Door
// wrote, and what we must remember.
type work struct {
	delivery.Relay
	Tries   int       `json:",omitempty"` // whole attempts
	Next    time.Time `json:",omitzero"`  // of the attempt after the notices
	Notices []notice  `json:",omitempty"` // to be handed to the Door
	Start   time.Time `json:",omitzero"`  // when trying began: it may have waited for its hour

	since   time.Time // what the days of trying are counted from: time in an operator's hands is not in them
	overdue bool      // it waits for room at its destination for long
}

// begin says when trying began.
func (w *work) begin(j *queue.Job) {
	if w.Start.IsZero() {
		w.Start = w.At
		if j.Due.After(w.Start) && w.Tries == 0 {
			w.Start = j.Due
		}
	}
	w.since = w.Start
	if held := j.Created.Sub(w.At); held > 0 { // Created moves on by the time a job is held
		w.since = w.since.Add(held)
	}
}

// start is what the days of trying are counted from.
func (w *work) start() time.Time {
	if w.since.IsZero() {
		return w.At
	}
	return w.since
}

// handle is one run of a job.
func (r *Relay) handle(ctx context.Context, j *queue.Job) queue.Outcome {
	var w work
	if err := json.Unmarshal(j.Payload, &w); err != nil {
		r.log().Error("unreadable job", "kind", j.Kind, "err", err)
		return queue.Discard("unreadable payload", nil)
	}
	w.begin(j)
	w.overdue = r.now().Sub(j.Due) >= overdue
	src := r.source(w.Relay)
	s := r.run(ctx, &w, src, j.Confirm)
	r.trace(ctx, s.events)
	if len(w.Notices) > 0 && !s.ended && !s.at.After(r.now()) {
		// What the sender must hear is durable first, and does not wait until
		// there is room for another mail at this destination.
		if payload, err := json.Marshal(&w); err == nil && j.Keep(ctx, payload) == nil {
			reason := s.reason
			s = r.run(ctx, &w, src, j.Confirm)
			r.trace(ctx, s.events)
			s.reason = cmp.Or(s.reason, reason)
		}
	}
	switch {
	case s.back:
		return queue.PutBack()
	case s.ended && s.reason != "":
		return queue.Discard(s.reason, nil)
	case s.ended:
		return queue.Done(nil)
	}
	payload, err := json.Marshal(&w)
	if err != nil { // it was JSON before
		r.log().Error("unwritable job", "mail", w.Mail, "err", err)
		return queue.Discard("unwritable payload", nil)
	}
	if s.reason == "" {
		s.reason = j.Reason
	}
	return queue.Snooze(s.at, store.Clean(tidy(s.reason)), payload)
}

// step is what becomes of a job after a run.
type step struct {
	ended  bool
	back   bool      // nothing was done, there is no room for it
	at     time.Time // of the next run, unless it ended
	reason string
	events []delivery.Event // what the attempt did, for the trace
}

// trace keeps what an attempt did, also when it was cut short: what a peer has
// taken, it has.
func (r *Relay) trace(ctx context.Context, events []delivery.Event) {
	if r.Trace == nil || len(events) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), traceWait)
	defer cancel()
	if err := r.Trace(ctx, events...); err != nil {
		r.log().Warn("not traced", "mail", events[0].Mail, "err", err)
	}
}

// traceWait is how long the trace may hold up the end of a job.
const traceWait = 5 * time.Second

// run tells the sender what is to be told, then makes an attempt if it is time.
func (r *Relay) run(ctx context.Context, w *work, src source, confirm func(context.Context) error) step {
	told := len(w.Notices) > 0
	if told {
		again := r.tell(ctx, w, src)
		switch {
		case len(w.To) == 0 && again.IsZero():
			return step{ended: true}
		case len(w.To) == 0:
			return step{at: again, reason: "the notice to the sender waits"}
		case r.now().Before(w.Next):
			if again.IsZero() || w.Next.Before(again) {
				again = w.Next
			}
			return step{at: again}
		}
	}
	switch err := src.probe(ctx); {
	case errors.Is(err, store.ErrNoRows):
		r.log().Warn("gone before it was relayed", "mail", w.Mail, "from", w.From.String())
		return step{ended: true, reason: "the message is gone"}
	case err != nil:
		return step{at: r.now().Add(time.Minute), reason: "our own store: " + err.Error()}
	}
	res := r.attempt(ctx, w.Relay, src, confirm)
	if res.busy && !w.overdue {
		return step{back: !told, at: r.now()}
	}
	return r.conclude(w, res)
}

// conclude turns what an attempt did into what becomes of the job.
func (r *Relay) conclude(w *work, res *result) step {
	now := r.now()
	cut := res.fail != nil
	if !cut && !res.busy {
		w.Tries++
	}
	late := func(d time.Duration) bool { return !cut && !now.Before(w.start().Add(d)) }
	warn := !w.Warned && late(warnAfter)

	var rest []mail.Recipient
	var dead, tardy, passed []fate
	var last *failure
	var events []delivery.Event
	happened := func(what string, p *progress, host, words string) {
		e := delivery.Event{Mail: w.Mail, At: now, What: what, Host: host, TLS: p.tls, Reply: words,
			To: []delivery.Stop{{Addr: p.Address.String(), Where: mail.ToRelay}}}
		if what != delivery.Relayed {
			e.Why = p.last.told(p.Address)
		}
		events = append(events, e)
	}
	at, until := time.Time{}, time.Time{} // the first of what each recipient waits for
	for _, p := range res.to {
		switch {
		case p.sent:
			happened(delivery.Relayed, p, p.host, p.last.reply)
			if p.Notify&mail.NotifySuccess != 0 && !p.peerDSN {
				passed = append(passed, p.fate(now))
			}
			continue
		case p.lost(), p.last != nil && late(patienceFor(p.last)):
			f := p.fate(now)
			if !p.lost() {
				f.Status, f.Expired = "4.4.7", true
				f.Days = int(patienceFor(p.last) / (24 * time.Hour))
			}
			happened(delivery.Bounced, p, "", p.last.Error())
			r.log().Info("bounced", "mail", w.Mail, "from", w.From.String(), "to", p.Address.String(), "status", f.Status, "err", p.last)
			if wants(p.Recipient, mail.NotifyFailure) {
				dead = append(dead, f)
			}
			continue
		}
		rest = append(rest, p.Recipient)
		if p.last == nil {
			continue
		}
		last = p.last
		pause := pauseAfter(p.last, w.Tries)
		if res.busy {
			pause = max(res.until.Sub(now), idlePause)
		} else {
			happened(delivery.Delayed, p, "", p.last.Error())
			r.log().Info("deferred", "mail", w.Mail, "from", w.From.String(), "to", p.Address.String(), "err", p.last)
		}
		if warn && wants(p.Recipient, mail.NotifyDelay) {
			f := p.fate(now)
			f.Until = w.start().Add(patienceFor(p.last))
			tardy = append(tardy, f)
			first(&until, f.Until)
		}
		first(&at, r.next(now, w.start(), pause, patienceFor(p.last), w.Warned || warn))
	}
	w.To = rest
	w.Warned = w.Warned || warn && len(rest) > 0
	w.Next = time.Time{}
	for _, n := range []notice{{Action: failed, About: dead}, {Action: delayed, About: tardy, Until: until}, {Action: relayed, About: passed}} {
		switch {
		case len(n.About) == 0:
		case w.From.IsZero():
			// A notice about a notice would never end (RFC 5321 §6.1).
			r.log().Info("no notice to a null sender", "mail", w.Mail, "kind", n.Action)
		default:
			w.Notices = append(w.Notices, n)
		}
	}

	if len(rest) == 0 && len(w.Notices) == 0 {
		return step{ended: true, events: events}
	}
	reason := ""
	switch {
	case cut:
		reason = res.fail.Error()
	case last != nil:
		reason = last.Error()
	}
	switch {
	case cut, len(rest) == 0:
		at = now
	case at.IsZero(): // nothing was found out
		at = r.next(now, w.start(), pauseAfter(&failure{}, w.Tries), giveUp, w.Warned)
	}
	if len(w.Notices) > 0 {
		w.Next = at
		at = now
	}
	return step{at: at, reason: reason, events: events}
}

// idlePause is how long a mail that found no room is left alone.
const idlePause = 10 * time.Minute

// first makes t the earlier one of both.
func first(t *time.Time, other time.Time) {
	if t.IsZero() || other.Before(*t) {
		*t = other
	}
}

// wants reports whether the sender wishes to hear of n for this recipient. Who
// said nothing hears of failure and delay (RFC 3461 §4.1).
func wants(rcpt mail.Recipient, n mail.Notify) bool {
	return rcpt.Notify == 0 || rcpt.Notify&mail.NotifyNever == 0 && rcpt.Notify&n != 0
}

// source reads the stored message of a job.
func (r *Relay) source(d delivery.Relay) source {
	return source{
		open: func(ctx context.Context, offset int64) (io.ReadCloser, error) {
			return r.Messages.Open(ctx, d.Message, offset)
		},
		summary: func(ctx context.Context) (*mail.Summary, error) {
			m, err := r.Messages.Get(ctx, d.Message)
			if err != nil {
				return nil, err
			}
			return m.Summary, nil
		},
	}
}

// probe finds out whether the message is there before anybody is called.
func (s source) probe(ctx context.Context) error {
	in, err := s.open(ctx, 0)
	if err != nil {
		return err
	}
	return in.Close()
}

func (r *Relay) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *Relay) log() *slog.Logger {
	if r.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Log
}

func (r *Relay) entropy() io.Reader {
	if r.Rand == nil {
		return rand.Reader
	}
	return r.Rand
}

func (r *Relay) patience() patience {
	if r.stages == nil {
		return byTheBook
	}
	return *r.stages
}

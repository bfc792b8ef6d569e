package report

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Door takes mail; *delivery.Door is one.
type Door interface {
	// Accept is nil when the mail is kept, or was before under the same
	// Envelope.Once.
	Accept(ctx context.Context, env *mail.Envelope, r io.Reader) error
}

// TXT is the one question of DNS that is asked here; *dns.Client answers it,
// with net.Resolver's errors.
type TXT interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Sender sends the reports that are due to those who asked for them.
type Sender struct {
	DB   *store.DB
	Door Door
	DNS  TXT

	// Domain says who we are in reports: a domain of ours that signs, so that
	// its mail passes DMARC (RFC 9990, Email); "" is not yet. Reports are from
	// dmarc-reports@ and tls-reports@ there, and nobody is told when they cannot
	// be delivered.
	Domain  func(ctx context.Context) string
	Contact string // for people; "" is postmaster@ that domain
	Lang    string // of the sentence in front of a report; "" is English

	// Org finds organisational domains, to know whose addresses have to agree
	// before they are sent reports; nil asks the public suffix list.
	Org func(ctx context.Context, domain string) (string, error)

	AllowPrivate bool           // reports go to https servers on private addresses too: for tests
	Roots        *x509.CertPool // nil is the system's

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards
}

const (
	lookEvery = 10 * time.Minute
	quiet     = time.Hour      // after midnight, UTC: all is written down
	spread    = 3 * time.Hour  // so that not everybody mails at once (RFC 8460 §4.1)
	lease     = time.Hour      // of whoever makes a report
	patience  = 48 * time.Hour // after the day's end; then nobody wants it (RFC 8460 §5.5)
	// oneTimeout is for one report; it is well within the lease.
	oneTimeout = 5 * time.Minute
	remember   = 8 * 24 * time.Hour // what became of a report
	atOnce     = 1000
	workers    = 8
)

// Run sends what is due until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if _, err := s.Send(ctx); err != nil && ctx.Err() == nil {
			orDiscard(s.Log).WarnContext(ctx, "reports were not sent", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// task is one report that is owed.
type task struct {
	from string // our domain
	kind string
	owed
	policy string
	lost   int64
	sent   string
}

// due is when a report may leave: the same for every node.
func (t *task) due() time.Time {
	h := fnv.New32a()
	io.WriteString(h, t.kind+t.domain)
	return time.Unix((t.day+1)*86400, 0).Add(quiet + time.Duration(h.Sum32()%uint32(spread/time.Second))*time.Second)
}

// Send sends what is due now and returns how many reports left.
func (s *Sender) Send(ctx context.Context) (sent int, err error) {
	receiver := s.Domain(ctx)
	if receiver == "" {
		return 0, nil
	}
	now := orNow(s.Now)
	var all []task
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, `SELECT kind, day, domain FROM report_day WHERE done = 0 AND day < $1 AND claimed < $2 ORDER BY day, kind, domain LIMIT $3`,
			now.Unix()/86400, store.Micros(now.Add(-lease)), 4*maxDomains)
		return store.Each(rows, err, func(scan func(...any) error) error {
			t := task{from: receiver}
			err := scan(&t.kind, &t.day, &t.domain)
			all = append(all, t)
			return err
		})
	})
	if err != nil {
		return 0, err
	}
	// Side by side, for some domains have name servers that do not answer.
	var work sync.WaitGroup
	var left atomic.Int64
	room := make(chan struct{}, workers)
	worked := 0
	for _, t := range all {
		if ctx.Err() != nil || worked == atOnce {
			break
		}
		if now.Before(t.due()) {
			continue
		}
		worked++
		room <- struct{}{}
		work.Go(func() {
			defer func() { <-room }()
			ctx, cancel := context.WithTimeout(ctx, oneTimeout)
			defer cancel()
			n, err := s.one(ctx, &t)
			left.Add(int64(n))
			if err != nil {
				orDiscard(s.Log).InfoContext(ctx, "a report waits", "kind", t.kind, "to", t.domain, "err", err)
			}
		})
	}
	work.Wait()
	return int(left.Load()), s.sweep(ctx)
}

// one claims a report, makes it, and sends it to each destination that has not
// got it. An error means that there will be another try.
func (s *Sender) one(ctx context.Context, t *task) (sent int, err error) {
	ours, err := s.claim(ctx, t)
	if err != nil || !ours {
		return 0, err
	}
	var later error
	switch t.kind {
	case kindDMARC:
		sent, later, err = s.aggregate(ctx, t)
	case kindTLS:
		sent, later, err = s.transport(ctx, t)
	}
	if err == nil {
		err = later
	}
	if err != nil && orNow(s.Now).Before(time.Unix((t.day+1)*86400, 0).Add(patience)) {
		return sent, err
	}
	return sent, s.finish(ctx, t)
}

func (s *Sender) claim(ctx context.Context, t *task) (ok bool, err error) {
	now := orNow(s.Now)
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		ok = false
		// What the row says now counts: another node may have sent some.
		err := tx.QueryRow(ctx, `UPDATE report_day SET claimed = $1 WHERE kind = $2 AND day = $3 AND domain = $4 AND done = 0 AND claimed < $5 RETURNING policy, lost, sent`,
			store.Micros(now), t.kind, t.day, t.domain, store.Micros(now.Add(-lease))).Scan(&t.policy, &t.lost, &t.sent)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	return ok, err
}

// note writes down that a destination has its report.
func (s *Sender) note(ctx context.Context, t *task, destination string) error {
	t.sent += destination + "\n"
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE report_day SET sent = $1 WHERE kind = $2 AND day = $3 AND domain = $4`, store.Clean(t.sent), t.kind, t.day, t.domain)
		return err
	})
}

// finish forgets what the report was made of.
func (s *Sender) finish(ctx context.Context, t *task) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE report_day SET done = $1 WHERE kind = $2 AND day = $3 AND domain = $4`, store.Micros(orNow(s.Now)), t.kind, t.day, t.domain); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM report_seen WHERE kind = $1 AND day = $2 AND domain = $3`, t.kind, t.day, t.domain)
		return err
	})
}

func (s *Sender) sweep(ctx context.Context) error {
	old := orNow(s.Now).Add(-remember).Unix() / 86400
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM report_seen WHERE day < $1`, old); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM report_day WHERE day < $1`, old)
		return err
	})
}

// rowOf is one thing that was counted.
type rowOf[T any] struct {
	this  T
	count int64
}

// rows reads what a report is made of, what was seen most first.
func rows[T any](ctx context.Context, db *store.DB, t *task) (all []rowOf[T], err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, `SELECT detail, count FROM report_seen WHERE kind = $1 AND day = $2 AND domain = $3 ORDER BY count DESC, hash`, t.kind, t.day, t.domain)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var detail string
			var r rowOf[T]
			if err := scan(&detail, &r.count); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(detail), &r.this); err != nil {
				return err
			}
			all = append(all, r)
			return nil
		})
	})
	return all, err
}

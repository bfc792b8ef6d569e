package report

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"colporteur/store"
)

// Kinds of reports.
const (
	kindDMARC = "dmarc"
	kindTLS   = "tls"
)

const (
	maxTally     = 20_000 // different rows in memory
	maxTallySize = 16 << 20
	maxOfDomain  = 5_000 // different rows of a domain and day
	maxDomains   = 5_000 // reports owed for one day
	flushEvery   = time.Minute
	flushTimeout = 10 * time.Second
	flushRows    = 500 // in one transaction: others wait for it
)

// tally counts things by day and domain, in memory until it is written down.
// Strangers choose how many different things there are: beyond the bounds they
// are only counted.
type tally struct {
	mu   sync.Mutex
	days map[owed]*heap
	rows int
	size int // octets
}

// owed names a report that will be due.
type owed struct {
	day    int64
	domain string
}

// heap is what there is to say in one report.
type heap struct {
	policy string
	counts map[string]int64 // by detail
	lost   int64
}

func (t *tally) note(o owed, policy, detail string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.days[o]
	if h == nil {
		if len(t.days) >= maxDomains || t.size >= maxTallySize {
			return
		}
		if t.days == nil {
			t.days = map[owed]*heap{}
		}
		h = &heap{counts: map[string]int64{}}
		t.days[o] = h
	}
	if policy != "" && policy != h.policy {
		t.size += len(policy) - len(h.policy)
		h.policy = policy
	}
	if detail == "" {
		return
	}
	if _, ok := h.counts[detail]; !ok {
		if t.rows >= maxTally || t.size >= maxTallySize || len(h.counts) >= maxOfDomain {
			h.lost += n
			return
		}
		t.rows++
		t.size += len(detail)
	}
	h.counts[detail] += n
}

// flush writes down what there is. What could not be written stays.
func (t *tally) flush(ctx context.Context, db *store.DB, kind string) error {
	t.mu.Lock()
	days := t.days
	t.days, t.rows, t.size = nil, 0, 0
	t.mu.Unlock()
	order := slices.SortedFunc(maps.Keys(days), func(a, b owed) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.domain, b.domain))
	})
	var first error
	for _, o := range order {
		h := days[o]
		for first == nil && (len(h.counts) > 0 || h.lost > 0) {
			first = write(ctx, db, kind, o, h)
		}
		if first != nil {
			for detail, n := range h.counts {
				t.note(o, h.policy, detail, n)
			}
			t.mu.Lock()
			if back := t.days[o]; back != nil {
				back.lost += h.lost
			}
			t.mu.Unlock()
		}
	}
	return first
}

// write adds some rows of h to the database, and takes them out of h.
func write(ctx context.Context, db *store.DB, kind string, o owed, h *heap) error {
	var some []string
	for detail := range h.counts {
		if some = append(some, detail); len(some) == flushRows {
			break
		}
	}
	slices.Sort(some) // rows are locked in one order everywhere
	err := db.Write(ctx, func(tx *store.Tx) error {
		var others, size int64
		err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM report_day WHERE kind = $1 AND day = $2 AND domain <> $3`, kind, o.day, o.domain).Scan(&others)
		if err != nil || others >= maxDomains {
			return err
		}
		err = tx.QueryRow(ctx, `INSERT INTO report_day (kind, day, domain, policy, size, lost, claimed, sent, done) VALUES ($1, $2, $3, $4, 0, $5, 0, '', 0)
			ON CONFLICT (kind, day, domain) DO UPDATE SET policy = excluded.policy, lost = report_day.lost + excluded.lost RETURNING size`,
			kind, o.day, o.domain, store.Clean(h.policy), h.lost).Scan(&size)
		if err != nil {
			return err
		}
		had, lost := size, int64(0)
		for _, detail := range some {
			n, err := tx.Exec(ctx, `UPDATE report_seen SET count = count + $1 WHERE kind = $2 AND day = $3 AND domain = $4 AND hash = $5`,
				h.counts[detail], kind, o.day, o.domain, digest(detail))
			if err != nil {
				return err
			}
			if n > 0 {
				continue
			}
			if size >= maxOfDomain {
				lost += h.counts[detail]
				continue
			}
			size++
			_, err = tx.Exec(ctx, `INSERT INTO report_seen (kind, day, domain, hash, detail, count) VALUES ($1, $2, $3, $4, $5, $6)`,
				kind, o.day, o.domain, digest(detail), store.Clean(detail), h.counts[detail])
			if err != nil {
				return err
			}
		}
		if size == had && lost == 0 {
			return nil
		}
		_, err = tx.Exec(ctx, `UPDATE report_day SET size = $1, lost = lost + $2 WHERE kind = $3 AND day = $4 AND domain = $5`, size, lost, kind, o.day, o.domain)
		return err
	})
	if err != nil {
		return err
	}
	for _, detail := range some {
		delete(h.counts, detail)
	}
	h.lost = 0
	return nil
}

// run flushes every minute until ctx ends, and then once more.
func (t *tally) run(ctx context.Context, db *store.DB, kind string, log *slog.Logger) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := t.flush(ctx, db, kind); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "what will be reported was not written down", "kind", kind, "err", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			return t.flush(last, db, kind)
		}
	}
}

// digestHex is one that may stand in a message id.
func digestHex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// digest is a short name of a text.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

func orNow(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}

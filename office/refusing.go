package office

import (
	"context"
	"time"

	"colporteur/store"
)

// Refusing is a provider that keeps our mail out.
type Refusing struct {
	Who, Scope  string
	Since, Last time.Time
	Server      string // that said so last
	Form        string // where to ask to be let in again; "" is not known
}

// over is after how long without another refusal one is forgotten: the relay
// knocks again every two hours as long as mail waits.
const over = 24 * time.Hour

// Refused remembers a refusal. One that comes after a day of silence is new.
func (s *Service) Refused(ctx context.Context, r Refusing) error {
	now := s.now()
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO refusing (who, scope, since, last, server, form) VALUES ($1, $2, $3, $3, $4, $5)
			ON CONFLICT (who, scope) DO UPDATE SET since = CASE WHEN refusing.last < $6 THEN excluded.since ELSE refusing.since END,
			last = excluded.last, server = excluded.server, form = excluded.form`,
			store.Clean(r.Who), r.Scope, store.Micros(now), store.Clean(r.Server), r.Form, store.Micros(now.Add(-over)))
		return err
	})
}

// LetIn forgets one.
func (s *Service) LetIn(ctx context.Context, r Refusing) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM refusing WHERE who = $1 AND scope = $2`, r.Who, r.Scope)
		return err
	})
}

// Refusals are those of the last day, the oldest first.
func (s *Service) Refusals(ctx context.Context) (all []Refusing, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, `SELECT who, scope, since, last, server, form FROM refusing WHERE last >= $1 ORDER BY since, who`, store.Micros(s.now().Add(-over)))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var r Refusing
			var since, last int64
			err := scan(&r.Who, &r.Scope, &since, &last, &r.Server, &r.Form)
			r.Since, r.Last = store.Time(since), store.Time(last)
			all = append(all, r)
			return err
		})
	})
	return all, err
}

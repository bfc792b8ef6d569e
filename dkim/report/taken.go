package report

import (
	"context"
	"errors"
	"strings"
	"time"

	"colporteur/store"
)

// taken is one row of report_taken.
type taken struct {
	kind, domain, reporter, org, report, policy string
	proven                                      bool
	day                                         int64
	size                                        int
}

// take makes the row of a report, and then what fill writes below it. A report
// that is there already is left alone.
func (s *Store) take(ctx context.Context, t taken, fill func(tx *store.Tx, id int64, home string) error) error {
	now := orNow(s.Now)
	if t.day < now.Add(-keep).Unix()/86400 || t.day > now.Add(48*time.Hour).Unix()/86400 {
		return unwanted("the report is about a day too long ago, or to come")
	}
	home, err := s.home(ctx, t.domain)
	if err != nil {
		return err
	}
	proven := bit(t.proven)
	var full unwanted
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		full = ""
		if t.proven { // what others said under this name makes room
			for _, q := range []string{
				`DELETE FROM report_row WHERE taken IN (SELECT id FROM report_taken WHERE kind = $1 AND domain = $2 AND reporter = $3 AND report = $4 AND proven = 0)`,
				`DELETE FROM report_tls WHERE taken IN (SELECT id FROM report_taken WHERE kind = $1 AND domain = $2 AND reporter = $3 AND report = $4 AND proven = 0)`,
				`DELETE FROM report_taken WHERE kind = $1 AND domain = $2 AND reporter = $3 AND report = $4 AND proven = 0`,
			} {
				if _, err := tx.Exec(ctx, q, t.kind, t.domain, t.reporter, t.report); err != nil {
					return err
				}
			}
		}
		var all, his, size int64
		err := tx.QueryRow(ctx, `SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN reporter = $1 THEN 1 ELSE 0 END), 0) AS BIGINT) FROM report_taken WHERE home = $2 AND taken > $3 AND proven = $4`,
			t.reporter, home, store.Micros(now.Add(-24*time.Hour)), proven).Scan(&all, &size, &his)
		if err != nil {
			return err
		}
		if !t.proven && all >= maxUnproven || all >= maxTaken || his >= maxReporter || size+int64(t.size) > maxDayRows {
			full = "there are too many reports about " + unwanted(home) + " today"
			return nil
		}
		id := store.NewID()
		n, err := tx.Exec(ctx, `INSERT INTO report_taken (id, kind, home, domain, reporter, org, report, proven, day, taken, policy, size)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (kind, domain, reporter, report, proven) DO NOTHING`,
			id, t.kind, home, t.domain, t.reporter, store.Clean(clip(t.org)), t.report, proven, t.day, store.Micros(now), t.policy, int64(t.size))
		if err != nil || n == 0 {
			return err
		}
		return fill(tx, id, home)
	})
	if err == nil && full != "" {
		return full
	}
	return err
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (s *Store) aggregate(ctx context.Context, a *Aggregate, reporter string, proven bool) error {
	rows := a.Rows
	if !proven && len(rows) > maxUnprovenRows {
		rows = rows[:maxUnprovenRows]
	}
	t := taken{kind: kindDMARC, domain: a.Domain, reporter: reporter, org: a.Org, report: digest(a.ID), policy: a.Policy, proven: proven, day: day(a.Begin, a.End), size: len(rows)}
	return s.take(ctx, t, func(tx *store.Tx, id int64, home string) error {
		for _, r := range rows {
			source := ""
			if r.Source.IsValid() {
				source = r.Source.String()
			}
			_, err := tx.Exec(ctx, `INSERT INTO report_row (id, taken, home, domain, day, proven, source, disposition, dkim, spf, reason, header_from, spf_domain, spf_result, dkim_domain, dkim_result, count)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
				store.NewID(), id, home, a.Domain, t.day, bit(proven), source, r.Disposition, bit(r.DKIM), bit(r.SPF), r.Reason, r.From,
				r.SPFDomain, r.SPFResult, r.DKIMDomain, r.DKIMResult, r.Count)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// tlsRow is what a TLS report says of one thing.
type tlsRow struct{ policy, result, host, reason string }

// tls keeps the parts of a report that are about our domains: there may be
// several.
func (s *Store) tls(ctx context.Context, r *TLS, reporter string, proven bool) error {
	byDomain := map[string]map[tlsRow]int64{}
	var order []string
	for _, u := range r.Results {
		name := domain(u.Policy.Domain)
		if name == "" {
			continue
		}
		rows := byDomain[name]
		if rows == nil {
			if len(order) == 10 {
				continue
			}
			rows = map[tlsRow]int64{}
			byDomain[name] = rows
			order = append(order, name)
		}
		policy := oneOf(u.Policy.Kind, "sts", "tlsa", "no-policy-found")
		add := func(t tlsRow, n amount) {
			if n <= 0 {
				return
			}
			if _, ok := rows[t]; !ok && len(rows) >= maxUnprovenRows {
				t.host, t.reason = "", ""
			}
			rows[t] = min(rows[t]+int64(n), maxCount)
		}
		add(tlsRow{policy: policy}, u.Summary.Good)
		told := amount(0)
		for _, d := range u.Details {
			reason := store.Clean(d.Reason)
			add(tlsRow{policy, failureWord(d.Result), domain(d.Host), strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")}, d.Count)
			told = min(told+d.Count, maxCount)
		}
		if rest := u.Summary.Bad - told; rest > 0 { // some reporters give no details
			add(tlsRow{policy: policy, result: "validation-failure"}, rest)
		}
	}
	var first error
	kept := 0
	for _, name := range order {
		rows := byDomain[name]
		t := taken{kind: kindTLS, domain: name, reporter: reporter, org: r.Org, report: digest(r.ID), proven: proven, day: day(r.Range.Begin, r.Range.End), size: len(rows)}
		err := s.take(ctx, t, func(tx *store.Tx, id int64, home string) error {
			for row, n := range rows {
				_, err := tx.Exec(ctx, `INSERT INTO report_tls (id, taken, home, domain, day, proven, policy, result, host, reason, count) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
					store.NewID(), id, home, name, t.day, bit(proven), row.policy, row.result, row.host, row.reason, n)
				if err != nil {
					return err
				}
			}
			return nil
		})
		switch {
		case err == nil:
			kept++
		case !errors.As(err, new(unwanted)):
			return err
		case first == nil:
			first = err
		}
	}
	if kept == 0 && first == nil {
		first = unwanted("the report is about no domain")
	}
	if kept > 0 {
		return nil
	}
	return first
}

// failureWord is one of RFC 8460 §4.3; what is not is a failure all the same.
func failureWord(s string) string {
	s = oneOf(strings.ToLower(s), "starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted", "validation-failure",
		"tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid")
	if s == "" {
		return "validation-failure"
	}
	return s
}

func (s *Store) failure(ctx context.Context, f *Failure, reporter string, proven bool) error {
	home, err := s.home(ctx, f.Domain)
	if err != nil {
		return err
	}
	now := orNow(s.Now)
	at := f.Arrived
	if at.IsZero() || at.After(now) || at.Before(now.Add(-keep)) {
		at = now
	}
	source := ""
	if f.Source.IsValid() {
		source = f.Source.String()
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		// The same mail of a job that ran twice: the reports have no id.
		var n int64
		err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM report_failure WHERE home = $1 AND domain = $2 AND reporter = $3 AND at = $4 AND source = $5 AND failure = $6`,
			home, f.Domain, reporter, store.Micros(at), source, f.Kind).Scan(&n)
		if err != nil || n > 0 {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO report_failure (id, home, domain, reporter, proven, at, taken, source, failure, result) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			store.NewID(), home, f.Domain, reporter, bit(proven), store.Micros(at), store.Micros(now), source, f.Kind, f.Result)
		if err != nil {
			return err
		}
		// Each side has its own room: strangers do not push proven ones out.
		_, err = tx.Exec(ctx, `DELETE FROM report_failure WHERE home = $1 AND proven = $2 AND id NOT IN
			(SELECT id FROM report_failure WHERE home = $1 AND proven = $2 ORDER BY id DESC LIMIT $3)`, home, bit(proven), maxFailures/2)
		return err
	})
}

package secure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"colporteur/store"
)

// How long policies are left alone.
const (
	refreshAfter = 24 * time.Hour   // at most: then fetched again, though nothing says that it has changed
	leastLife    = time.Minute      // of a policy, and between two fetches for a domain
	sulk         = 5 * time.Minute  // after a fetch that did not work (RFC 8461 §3.3)
	roundEvery   = 60 * time.Minute // of Run
	roundSize    = 500
)

// sts is the MTA-STS policy of a domain: the one that we know when it is still
// valid, replaced by a newer one when there is one (RFC 8461 §3.3). What cannot
// be fetched, whoever prevents it, leaves the old one in force; without an old
// one the mail goes on as if there were none.
func (f *Finder) sts(ctx context.Context, domain string) (*Policy, error) {
	if domain == "" || strings.ContainsAny(domain, "[]:/@ ") {
		return nil, nil
	}
	kept, err := f.kept(ctx, domain)
	if err != nil {
		return nil, err
	}
	id, err := f.id(ctx, domain)
	if err == nil && id != "" && (kept.policy == nil || kept.id != id || !f.now().Before(kept.due)) {
		if fresh := f.flights.join(ctx, f.now, domain, func() (*Policy, error) { return f.refresh(ctx, domain, id) }); fresh != nil {
			return fresh, nil
		}
	}
	return kept.policy, nil
}

// id is what the TXT record at _mta-sts says of the domain's policy; "" when
// there is none, or several (RFC 8461 §3.1).
func (f *Finder) id(ctx context.Context, domain string) (string, error) {
	a, err := f.DNS.Ask(ctx, "_mta-sts."+domain, mdns.TypeTXT)
	if err != nil {
		return "", err
	}
	var texts []string
	for _, rr := range a.Records {
		if txt, ok := rr.(*mdns.TXT); ok {
			texts = append(texts, strings.Join(txt.Txt, ""))
		}
	}
	return idOf(texts), nil
}

// idOf is the id of the only MTA-STS record among texts; "" when there is none,
// or several, or it is damaged.
func idOf(texts []string) string {
	id, count := "", 0
	for _, text := range texts {
		version, fields, _ := strings.Cut(text, ";")
		if strings.TrimRight(version, " \t") != "v=STSv1" {
			continue
		}
		if count++; count > 1 {
			return ""
		}
		for field := range strings.SplitSeq(fields, ";") {
			if value, ok := strings.CutPrefix(strings.Trim(field, " \t"), "id="); ok {
				id = value
				break
			}
		}
	}
	if len(id) > 32 || strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) {
		return ""
	}
	return id
}

// refresh fetches a policy and keeps it.
func (f *Finder) refresh(ctx context.Context, domain, id string) (*Policy, error) {
	p, err := f.fetch(ctx, domain)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		f.log().Info("mta-sts policy not fetched", "domain", domain, "err", err)
		if f.Note != nil {
			o := Outcome{Domain: domain, Kind: STS, Failure: STSPolicyFetchError, Reason: err.Error()}
			if named := (*Failure)(nil); errors.As(err, &named) {
				o.Failure, o.Reason = named.Type, named.Err.Error()
			}
			f.Note(o)
		}
		return nil, err
	}
	if err := f.keep(ctx, domain, id, p); err != nil {
		f.log().Warn("mta-sts policy not kept", "domain", domain, "err", err)
	}
	return p, nil
}

// kept is a policy in the database.
type kept struct {
	id     string
	policy *Policy // nil: none that is valid
	due    time.Time
}

func (f *Finder) kept(ctx context.Context, domain string) (kept, error) {
	var k kept
	err := f.DB.Read(ctx, func(tx *store.Tx) error {
		var text string
		var due int64
		err := tx.QueryRow(ctx, `SELECT id, policy, due FROM sts_policy WHERE domain = $1 AND expires > $2`,
			domain, store.Micros(f.now())).Scan(&k.id, &text, &due)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		if err == nil {
			k.due = store.Time(due)
			k.policy, err = ParsePolicy(text)
		}
		return err
	})
	return k, err
}

func (f *Finder) keep(ctx context.Context, domain, id string, p *Policy) error {
	now := f.now()
	life := max(p.MaxAge, leastLife)
	return f.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM sts_policy WHERE expires <= $1`, store.Micros(now)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO sts_policy (domain, id, policy, due, expires) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (domain) DO UPDATE SET id = excluded.id, policy = excluded.policy, due = excluded.due, expires = excluded.expires`,
			domain, id, p.String(), store.Micros(now.Add(min(refreshAfter, life/2))), store.Micros(now.Add(life)))
		return err
	})
}

// Run refreshes the policies of domains that get no mail, so that nobody who
// waits for one to expire finds it gone (RFC 8461 §10.2), until ctx ends.
func (f *Finder) Run(ctx context.Context) error {
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		if err := f.Refresh(ctx); err != nil && ctx.Err() == nil {
			f.log().Warn("mta-sts policies not refreshed", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Refresh fetches the policies that are due, those first that end first.
func (f *Finder) Refresh(ctx context.Context) error {
	var due []string
	err := f.DB.Read(ctx, func(tx *store.Tx) error {
		due = nil
		now := store.Micros(f.now())
		rows, err := tx.Query(ctx, `SELECT domain FROM sts_policy WHERE due <= $1 AND expires > $1 ORDER BY expires LIMIT $2`, now, roundSize)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var domain string
			err := scan(&domain)
			due = append(due, domain)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("policies that are due: %w", err)
	}
	for domain := range slices.Values(due) {
		if _, err := f.sts(ctx, domain); err != nil {
			return err
		}
	}
	return ctx.Err()
}

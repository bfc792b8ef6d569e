package keyring

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"colporteur/dkim"
	"colporteur/store"
)

const (
	fresh    = time.Minute      // what is in memory counts this long: another node may have changed it
	lookWait = 3 * time.Second  // for the DNS, when a domain has no key in use yet
	lookSoon = 30 * time.Second // between two such looks
)

// cache is the signing keys in memory.
type cache struct {
	mu     sync.Mutex
	domain map[string]*signing
	forgot uint64 // counts: what was read before a change must not be kept after it
}

// maxDomains bounds the memory, whoever's names we are asked for.
const maxDomains = 10_000

// signing is one domain's keys.
type signing struct {
	turn   chan struct{} // one at a time finds out, the others wait for it
	keys   []dkim.Key
	whole  bool // both lines sign
	read   time.Time
	looked time.Time
	forgot uint64
}

func (c *cache) of(domain string) *signing {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.domain == nil || len(c.domain) >= maxDomains {
		c.domain = map[string]*signing{}
	}
	s := c.domain[domain]
	if s == nil {
		s = &signing{turn: make(chan struct{}, 1)}
		c.domain[domain] = s
	}
	return s
}

// forget has all domains read again: it is rare.
func (c *cache) forget() {
	c.mu.Lock()
	c.forgot++
	c.mu.Unlock()
}

func (c *cache) generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forgot
}

// Signing is the keys that a domain's mail is signed with now, RSA first; none
// when no record of its has been seen in the DNS yet, or the domain has no
// keys. For such a domain the DNS is asked at once, though not for every mail,
// so that a new host signs soon after its records are published.
//
// When the database is away the keys in memory go on.
func (r *Ring) Signing(ctx context.Context, domain string) ([]dkim.Key, error) {
	s := r.cache.of(domain)
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now, generation := r.now(), r.cache.generation()
	if !s.read.IsZero() && now.Sub(s.read) < fresh && s.forgot == generation && (s.whole || now.Sub(s.looked) < lookSoon) {
		return s.keys, nil
	}
	keys, next, err := r.load(ctx, domain)
	if err != nil {
		if len(s.keys) > 0 && !errors.Is(err, ErrWrongKey) && ctx.Err() == nil {
			r.log().WarnContext(ctx, "dkim keys not read again", "domain", domain, "err", err)
			s.read = now
			return s.keys, nil
		}
		return nil, err
	}
	if len(keys) < len(algorithms) && len(next) > 0 && now.Sub(s.looked) >= lookSoon {
		s.looked = now
		if r.appeared(ctx, next, keys) {
			generation = r.cache.generation()
			if keys, _, err = r.load(ctx, domain); err != nil {
				return nil, err
			}
		}
	}
	if len(next) == 0 && now.Sub(s.looked) >= lookSoon {
		s.looked = now // nothing to look for; the rows are read again as often
	}
	s.keys, s.whole, s.read, s.forgot = keys, len(keys) == len(algorithms), now, generation
	return keys, nil
}

// appeared looks, side by side, whether keys of lines that do not sign have
// come into the DNS, and activates them.
func (r *Ring) appeared(ctx context.Context, next []Entry, have []dkim.Key) bool {
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	sights := make([]Sight, len(next))
	var wait sync.WaitGroup
	for i, e := range next {
		wait.Go(func() { sights[i] = r.Look(ctx, e) })
	}
	wait.Wait()
	any := false
	for i, e := range next {
		if sights[i] != Right {
			continue
		}
		// The looks may have used up the time; what they found is worth a transaction.
		done, err := r.activate(context.WithoutCancel(ctx), e)
		if err != nil {
			r.log().WarnContext(ctx, "dkim key not activated", "domain", e.Domain, "selector", e.Selector, "err", err)
		}
		any = any || done
	}
	return any
}

// load reads the active keys, and those that wait in lines that have none.
func (r *Ring) load(ctx context.Context, domain string) (keys []dkim.Key, waiting []Entry, err error) {
	type row struct {
		Entry
		sealed []byte
	}
	var rows []row
	err = r.DB.Read(ctx, func(tx *store.Tx) error {
		rows = nil
		found, err := tx.Query(ctx, `SELECT `+columns+`, sealed FROM dkim_key
			WHERE domain = $1 AND (state = 'active' OR state = 'made' OR state = 'published') ORDER BY algorithm DESC`, domain)
		return store.Each(found, err, func(scan func(...any) error) error {
			var w row
			err := w.scan(func(dest ...any) error { return scan(append(dest, &w.sealed)...) })
			rows = append(rows, w)
			return err
		})
	})
	if err != nil {
		return nil, nil, fmt.Errorf("dkim keys: %w", err)
	}
	signs := map[string]bool{}
	for _, w := range rows {
		if w.State != Active {
			continue
		}
		signer, err := r.open(w.Domain, w.Selector, w.sealed)
		if err != nil {
			return nil, nil, err
		}
		signs[w.Algorithm] = true
		keys = append(keys, dkim.Key{Domain: w.Domain, Selector: w.Selector, Signer: signer})
	}
	for _, w := range rows {
		if w.State != Active && !signs[w.Algorithm] {
			waiting = append(waiting, w.Entry)
		}
	}
	return keys, waiting, nil
}

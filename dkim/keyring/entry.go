package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"colporteur/dkim"
	"colporteur/store"
)

// State is where a key is in its life; see the package comment.
type State string

const (
	Made      State = "made"
	Published State = "published"
	Active    State = "active"
	Retired   State = "retired"
	Revoked   State = "revoked"
	Gone      State = "gone"
)

// The two lines of keys.
const (
	RSA     = "rsa"
	Ed25519 = "ed25519"
)

var algorithms = []string{RSA, Ed25519}

// Entry is what may be known about a key: all but its private half.
type Entry struct {
	Domain    string
	Selector  string
	Algorithm string
	State     State
	Record    string    // the public half, as its TXT record
	Made      time.Time //
	Since     time.Time // when State began
	Due       time.Time // not used for signing before
	Seen      time.Time // when the DNS last had what we want there
	Trouble   time.Time // since when it has not, though it had
	Told      time.Time // when a person was asked to do something about it
}

// Name is where the record stands.
func (e Entry) Name() string { return dkim.KeyName(e.Selector, e.Domain) }

// Wanted is what should stand there now, "" when nothing.
func (e Entry) Wanted() string {
	switch e.State {
	case Revoked:
		return "v=DKIM1; k=" + e.Algorithm + "; p="
	case Gone:
		return ""
	}
	return e.Record
}

const columns = `domain, selector, algorithm, state, record, made, since, due, seen, trouble, told`

func (e *Entry) scan(scan func(...any) error) error {
	var made, since, due, seen, trouble, told int64
	err := scan(&e.Domain, &e.Selector, &e.Algorithm, &e.State, &e.Record, &made, &since, &due, &seen, &trouble, &told)
	e.Made, e.Since, e.Due = store.Time(made), store.Time(since), store.Time(due)
	e.Seen, e.Trouble, e.Told = store.Time(seen), store.Time(trouble), store.Time(told)
	return err
}

// List is the keys of a domain, or of all when it is "", the oldest first.
func (r *Ring) List(ctx context.Context, domain string) ([]Entry, error) {
	var out []Entry
	err := r.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM dkim_key WHERE domain = $1 OR $1 = '' ORDER BY domain, made, algorithm DESC, selector`, domain)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var e Entry
			err := e.scan(scan)
			out = append(out, e)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("dkim keys: %w", err)
	}
	return out, nil
}

// Ensure makes the first keys of a domain that has none in a line, and returns
// all it has.
func (r *Ring) Ensure(ctx context.Context, domain string) ([]Entry, error) {
	have, err := r.List(ctx, domain)
	if err != nil {
		return nil, err
	}
	now, made := r.now(), false
	for _, algorithm := range algorithms {
		if line(have, algorithm).empty() {
			if err := r.make(ctx, domain, algorithm, now, have); err != nil {
				return nil, err
			}
			made = true
		}
	}
	if !made {
		return have, nil
	}
	return r.List(ctx, domain)
}

// Rotate has the next keys take over as soon as their records are seen. They
// are made when there are none.
func (r *Ring) Rotate(ctx context.Context, domain string) ([]Entry, error) {
	have, err := r.Ensure(ctx, domain)
	if err != nil {
		return nil, err
	}
	now := r.now()
	for _, algorithm := range algorithms {
		if l := line(have, algorithm); l.next == nil {
			if err := r.make(ctx, domain, algorithm, now, have); err != nil {
				return nil, err
			}
		} else if l.next.Due.After(now) {
			if err := r.write(ctx, `UPDATE dkim_key SET due = $1 WHERE domain = $2 AND selector = $3`, store.Micros(now), domain, l.next.Selector); err != nil {
				return nil, err
			}
		}
	}
	if err := r.Round(ctx, domain); err != nil {
		return nil, err
	}
	return r.List(ctx, domain)
}

// lineOf is the two keys of one line that matter for signing.
type lineOf struct{ active, next *Entry }

func (l lineOf) empty() bool { return l.active == nil && l.next == nil }

func line(all []Entry, algorithm string) (l lineOf) {
	for i := range all {
		if all[i].Algorithm != algorithm {
			continue
		}
		switch all[i].State {
		case Active:
			l.active = &all[i]
		case Made, Published:
			l.next = &all[i]
		}
	}
	return l
}

func (r *Ring) write(ctx context.Context, q string, args ...any) error {
	err := r.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, q, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("dkim keys: %w", err)
	}
	return nil
}

// make adds the next key of a line. Another node that was faster wins.
func (r *Ring) make(ctx context.Context, domain, algorithm string, due time.Time, have []Entry) error {
	now := r.now()
	generate := r.Generate
	if generate == nil {
		generate = Generate
	}
	signer, err := generate(algorithm)
	if err != nil {
		return fmt.Errorf("make dkim key: %w", err)
	}
	record, err := dkim.PublicRecord(signer.Public())
	if err != nil {
		return fmt.Errorf("make dkim key: %w", err)
	}
	selector := unused(now, algorithm, have)
	sealed, err := r.seal(domain, selector, signer)
	if err != nil {
		return fmt.Errorf("make dkim key: %w", err)
	}
	err = r.write(ctx, `INSERT INTO dkim_key (domain, selector, algorithm, state, record, sealed, made, since, due, seen, trouble, told)
		VALUES ($1, $2, $3, 'made', $4, $5, $6, $6, $7, 0, 0, 0) ON CONFLICT DO NOTHING`,
		domain, selector, algorithm, record, sealed, store.Micros(now), store.Micros(due))
	if err != nil {
		return err
	}
	r.cache.forget()
	r.log().InfoContext(ctx, "dkim key made", "domain", domain, "selector", selector)
	return nil
}

// unused is a short name that says when: c2611r, or c2611br when that was
// taken. r is RSA, e is Ed25519.
func unused(now time.Time, algorithm string, have []Entry) string {
	for n := 0; ; n++ {
		s := "c" + now.UTC().Format("0601")
		if n > 0 {
			s += string(rune('a'+n%26)) + map[bool]string{true: fmt.Sprint(n / 26)}[n >= 26]
		}
		s += algorithm[:1]
		taken := false
		for _, e := range have {
			taken = taken || e.Selector == s
		}
		if !taken {
			return s
		}
	}
}

// activate has e sign from now on, and retires the key before it. It is false
// when e is no longer next: another node did it.
func (r *Ring) activate(ctx context.Context, e Entry) (bool, error) {
	done := false
	err := r.DB.Write(ctx, func(tx *store.Tx) error {
		done = false
		now := store.Micros(r.now())
		var state State
		// Locked first: who comes second must not retire the key that the first activated.
		err := tx.QueryRow(ctx, `SELECT state FROM dkim_key WHERE domain = $1 AND selector = $2 FOR UPDATE`, e.Domain, e.Selector).Scan(&state)
		if errors.Is(err, store.ErrNoRows) || err == nil && state != Made && state != Published {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE dkim_key SET state = 'retired', since = $1, told = 0, trouble = 0
			WHERE domain = $2 AND algorithm = $3 AND state = 'active'`, now, e.Domain, e.Algorithm); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE dkim_key SET state = 'active', since = $1, seen = $1, told = 0, trouble = 0
			WHERE domain = $2 AND selector = $3`, now, e.Domain, e.Selector)
		done = err == nil
		return err
	})
	if err != nil {
		return false, fmt.Errorf("activate dkim key: %w", err)
	}
	r.cache.forget()
	if done {
		r.log().InfoContext(ctx, "dkim key signs", "domain", e.Domain, "selector", e.Selector)
	}
	return done, nil
}

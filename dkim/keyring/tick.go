package keyring

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"colporteur/store"
)

const (
	roundWait = 30 * time.Second // for the DNS, in one domain's round
	forgotten = 180 * day        // how long the row of a gone key stays
	atOnce    = 8                // domains looked at side by side
)

// Tick does one round for all domains: makes what is due, publishes what can
// be, looks at the DNS, moves keys on, and tells people what they have to do.
// It is called every hour. One domain's trouble does not keep the others.
func (r *Ring) Tick(ctx context.Context) error {
	r.tick.Lock()
	defer r.tick.Unlock()
	domains, err := r.Domains(ctx)
	if err != nil {
		return fmt.Errorf("dkim keys: %w", err)
	}
	errs := make([]error, len(domains))
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, d := range domains {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			errs[i] = ctx.Err()
			continue
		}
		wait.Go(func() {
			defer func() { <-slots }()
			if _, err := r.Ensure(ctx, d); err != nil {
				errs[i] = fmt.Errorf("%s: %w", d, err)
				return
			}
			if err := errors.Join(r.Round(ctx, d), r.tell(ctx, d)); err != nil {
				errs[i] = fmt.Errorf("%s: %w", d, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Round is Tick for one domain that has keys, without telling anybody: for a
// person who is there already.
func (r *Ring) Round(ctx context.Context, domain string) error {
	all, err := r.List(ctx, domain)
	if err != nil {
		return err
	}
	var errs []error
	step := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	step(r.age(ctx, domain, all))
	if all, err = r.List(ctx, domain); err != nil {
		return errors.Join(append(errs, err)...)
	}
	sights := r.look(ctx, all)
	for i, e := range all {
		switch done, err := r.publish(ctx, e, sights[i]); {
		case err != nil:
			// The key before it goes on; who has to help is asked below.
			r.log().WarnContext(ctx, "dkim record not published", "domain", domain, "selector", e.Selector, "err", err)
		case done:
			// Seen at once when our resolver had not asked for it before.
			if s := r.look(ctx, []Entry{e}); s[0] == Right {
				sights[i] = Right
			}
		}
	}
	for i, e := range all {
		step(r.note(ctx, e, sights[i]))
	}
	return errors.Join(errs...)
}

// age does what only the clock decides: the next key of a line, and the end of
// the old ones.
func (r *Ring) age(ctx context.Context, domain string, all []Entry) error {
	now := r.now()
	var errs []error
	for _, algorithm := range algorithms {
		l := line(all, algorithm)
		if l.active == nil || l.next != nil {
			continue
		}
		if due := l.active.Since.Add(r.every()); !now.Before(due.Add(-r.ahead())) {
			errs = append(errs, r.make(ctx, domain, algorithm, due, all))
		}
	}
	for _, e := range all {
		old := now.Sub(e.Since)
		switch {
		case e.State == Retired && old >= r.retired():
			// The private half is of no more use to us: nobody else shall have use for it.
			errs = append(errs, r.write(ctx, `UPDATE dkim_key SET state = 'revoked', since = $1, sealed = $2, seen = 0, trouble = 0, told = 0
				WHERE domain = $3 AND selector = $4 AND state = 'retired'`, store.Micros(now), []byte{}, domain, e.Selector))
			r.log().InfoContext(ctx, "dkim key revoked", "domain", domain, "selector", e.Selector)
		case e.State == Revoked && old >= r.revoked():
			errs = append(errs, r.write(ctx, `UPDATE dkim_key SET state = 'gone', since = $1, seen = 0, trouble = 0, told = 0
				WHERE domain = $2 AND selector = $3 AND state = 'revoked'`, store.Micros(now), domain, e.Selector))
		case e.State == Gone && old >= forgotten:
			errs = append(errs, r.write(ctx, `DELETE FROM dkim_key WHERE domain = $1 AND selector = $2 AND state = 'gone'`, domain, e.Selector))
		}
	}
	return errors.Join(errs...)
}

// look asks for all records side by side.
func (r *Ring) look(ctx context.Context, all []Entry) []Sight {
	ctx, cancel := context.WithTimeout(ctx, roundWait)
	defer cancel()
	sights := make([]Sight, len(all))
	var wait sync.WaitGroup
	for i, e := range all {
		wait.Go(func() { sights[i] = r.Look(ctx, e) })
	}
	wait.Wait()
	return sights
}

// publish puts right what the DNS has not right, where we may. A record that
// could not be looked up is written only when it has never been seen.
func (r *Ring) publish(ctx context.Context, e Entry, s Sight) (done bool, err error) {
	if r.Publisher == nil {
		return false, nil
	}
	if e.State == Gone {
		if s != Wrong || !r.Publisher.Covers(ctx, e.Name()) {
			return false, nil
		}
		return true, r.Publisher.DeleteTXT(ctx, e.Name())
	}
	if s == Right || s == Unknown && !e.Seen.IsZero() || !r.Publisher.Covers(ctx, e.Name()) {
		return false, nil
	}
	if err := r.Publisher.SetTXT(ctx, e.Name(), e.Wanted()); err != nil {
		return false, err
	}
	return true, nil
}

// note writes down what was seen, and moves a key on that may be used now.
func (r *Ring) note(ctx context.Context, e Entry, s Sight) error {
	now := r.now()
	switch {
	case s == Unknown || e.State == Gone:
		return nil
	case s == Right && (e.State == Made || e.State == Published) && !now.Before(e.Due):
		_, err := r.activate(ctx, e)
		return err
	case s == Right && e.State == Made:
		return r.write(ctx, `UPDATE dkim_key SET state = 'published', since = $1, seen = $1, told = 0
			WHERE domain = $2 AND selector = $3 AND state = 'made'`, store.Micros(now), e.Domain, e.Selector)
	case s == Right:
		// The end of a trouble, also for whoever would be told of the next.
		return r.write(ctx, `UPDATE dkim_key SET seen = $1, trouble = 0, told = CASE WHEN trouble <> 0 THEN 0 ELSE told END
			WHERE domain = $2 AND selector = $3 AND state = $4`, store.Micros(now), e.Domain, e.Selector, string(e.State))
	case e.State == Published:
		// It has gone again before its time.
		return r.write(ctx, `UPDATE dkim_key SET state = 'made', since = $1, told = 0
			WHERE domain = $2 AND selector = $3 AND state = 'published'`, store.Micros(now), e.Domain, e.Selector)
	case e.State == Active && e.Trouble.IsZero():
		return r.write(ctx, `UPDATE dkim_key SET trouble = $1, told = 0
			WHERE domain = $2 AND selector = $3 AND state = 'active' AND trouble = 0`, store.Micros(now), e.Domain, e.Selector)
	}
	return nil
}

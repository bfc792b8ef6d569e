package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"colporteur/dkim/records/zonefile"
	"colporteur/mail"
	"colporteur/store"
)

// Patience before a person is asked for something.
const (
	firstPatience   = day              // setup has just printed the first records
	publishPatience = day              // what we publish ourselves may need another try
	troublePatience = 50 * time.Minute // wrong at two rounds: not a hiccup
)

// tell asks for what only a person can do. Each is asked once; what one mail
// can say is in one mail.
func (r *Ring) tell(ctx context.Context, domain string) error {
	if r.Notify == nil {
		return nil
	}
	all, err := r.List(ctx, domain)
	if err != nil {
		return err
	}
	now := r.now()
	var add, revoke, mend []Entry
	for _, e := range all {
		if !e.Told.IsZero() {
			continue
		}
		ours := r.Publisher != nil && r.Publisher.Covers(ctx, e.Name())
		waited, patience := now.Sub(e.Since), troublePatience
		if ours {
			patience = publishPatience
		}
		switch {
		case e.State == Made && ours && waited < publishPatience:
		case e.State == Made && line(all, e.Algorithm).active == nil && waited < firstPatience:
		case e.State == Made:
			add = append(add, e)
		case e.State == Revoked && e.Seen.IsZero() && (!ours || waited >= publishPatience):
			revoke = append(revoke, e)
		case e.State == Active && !e.Trouble.IsZero() && now.Sub(e.Trouble) >= patience:
			mend = append(mend, e)
		}
	}
	return errors.Join(
		r.ask(ctx, domain, "publish", add, "records-mail-publish-subject", "records-mail-publish", "records-mail-publish-end"),
		r.ask(ctx, domain, "mend", mend, "records-mail-mend-subject", "records-mail-mend", "records-mail-mend-end"),
		r.ask(ctx, domain, "revoke", revoke, "records-mail-revoke-subject", "records-mail-revoke", "records-mail-revoke-end"))
}

// ask sends one mail about keys, with the records to publish as they are written.
func (r *Ring) ask(ctx context.Context, domain, what string, about []Entry, subject, intro, end string) error {
	if len(about) == 0 {
		return nil
	}
	key := "dkim " + what
	var lines []string
	for _, e := range about {
		// The time makes a second trouble of the same key another event.
		key += fmt.Sprintf(" %s %d", e.Selector, store.Micros(latest(e.Since, e.Trouble)))
		lines = append(lines, zonefile.TXT(e.Name(), e.Wanted()))
	}
	err := r.Notify(ctx, domain, key, mail.MakeText(subject, "Domain", domain), mail.MakeText(intro, "Domain", domain),
		mail.MakeText("records-mail-lines", "Lines", strings.Join(lines, "\n")), mail.MakeText(end, "Domain", domain))
	if err != nil {
		return fmt.Errorf("tell of dkim keys: %w", err)
	}
	var errs []error
	for _, e := range about {
		errs = append(errs, r.write(ctx, `UPDATE dkim_key SET told = $1 WHERE domain = $2 AND selector = $3 AND state = $4 AND told = 0`,
			store.Micros(r.now()), domain, e.Selector, string(e.State)))
	}
	return errors.Join(errs...)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

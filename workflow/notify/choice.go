package notify

import (
	"context"
	"fmt"

	"colporteur/mail"
	"colporteur/store"
)

// When is how soon a member wants to hear of something.
type When string

const (
	Now   When = "now"
	Daily When = "daily"
	Never When = "never"
)

// Whens are all of them, in the order people read them.
var Whens = [...]When{Now, Daily, Never}

// Choice is what a member wants to hear of, and when.
type Choice struct {
	Kind   Kind
	When   When
	Chosen bool // false: it is the default
}

// Choices are a member's, one for each kind.
func (s *Service) Choices(ctx context.Context, member mail.UserID) (cs []Choice, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		cs, err = choices(ctx, tx, member)
		return err
	})
	return cs, err
}

func choices(ctx context.Context, tx *store.Tx, member mail.UserID) ([]Choice, error) {
	chosen := map[Kind]When{}
	rows, err := tx.Query(ctx, `SELECT kind, choice FROM notify_choice WHERE member = $1`, int64(member))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var k Kind
		var w When
		err := scan(&k, &w)
		chosen[k] = w
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("choices: %w", err)
	}
	cs := make([]Choice, 0, len(Kinds))
	for _, k := range Kinds {
		c := Choice{Kind: k, When: Now}
		if w, ok := chosen[k]; ok {
			c.When, c.Chosen = w, true
		}
		cs = append(cs, c)
	}
	return cs, nil
}

// Choose sets what a member wants of one kind.
func (s *Service) Choose(ctx context.Context, tx *store.Tx, member mail.UserID, k Kind, w When) error {
	if member == 0 || !k.Known() || !w.Known() {
		return mail.Refuse(mail.BadSyntax, "notify-no-such-choice")
	}
	_, err := tx.Exec(ctx, `INSERT INTO notify_choice (member, kind, choice) VALUES ($1, $2, $3)
		ON CONFLICT (member, kind) DO UPDATE SET choice = excluded.choice`, int64(member), string(k), string(w))
	return err
}

// Known says whether k is one of Kinds.
func (k Kind) Known() bool {
	for _, other := range Kinds {
		if k == other {
			return true
		}
	}
	return false
}

// Known says whether w is one of Whens.
func (w When) Known() bool { return w == Now || w == Daily || w == Never }

// when says how soon n is told. The default is at once, but of one album only
// the first news of a day: what comes after it waits for the digest.
func (s *Service) when(ctx context.Context, tx *store.Tx, n *Note) (When, error) {
	if n.Member == 0 {
		if n.Kind == Admin {
			return Now, nil // a mailbox of the house's that is nobody's
		}
		return Daily, nil
	}
	var chosen When
	err := tx.QueryRow(ctx, `SELECT choice FROM notify_choice WHERE member = $1 AND kind = $2`, int64(n.Member), string(n.Kind)).Scan(&chosen)
	switch {
	case err == nil:
		return chosen, nil
	case err != store.ErrNoRows:
		return "", fmt.Errorf("choice: %w", err)
	case n.Kind != Album || n.Link == 0:
		return Now, nil
	}
	var one int
	err = tx.QueryRow(ctx, `SELECT 1 FROM notify_note WHERE link = $1 AND kind = $2 AND told > $3 LIMIT 1`,
		int64(n.Link), string(n.Kind), store.Micros(s.hour(s.now()).AddDate(0, 0, -1))).Scan(&one)
	switch {
	case err == nil:
		return Daily, nil
	case err == store.ErrNoRows:
		return Now, nil
	}
	return "", fmt.Errorf("note: %w", err)
}

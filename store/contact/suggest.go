package contact

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

// Suggestion is an address that is offered while one is typed.
type Suggestion struct {
	Address
	Source string // where it is from, one of the next
	rank   int64
}

const (
	FromCard  = "card"
	FromSent  = "sent"
	FromGroup = "group"
)

// maxWords is how many words of what was typed are looked at.
const maxWords = 6

// Suggest finds whom a member may mean who has typed text: each of its words
// begins a word of the name or of the address. The best are first: those written
// to often and recently, then the others by name. groups are offered beside what
// the account has. Nothing typed matches everybody.
func (s *Store) Suggest(ctx context.Context, account mail.AccountID, text string, groups []Address, limit int) (list []Suggestion, err error) {
	words := Words(clip(text, 200))
	if len(words) == 0 && strings.TrimSpace(text) != "" {
		return nil, nil
	}
	words = words[:min(len(words), maxWords)]
	// On both engines a scan of one account's rows: words are folded, so that the
	// engines' different ideas of case and accents do not matter.
	match := func(column string, first int) (q string, args []any) {
		for i, w := range words {
			q += fmt.Sprintf(` AND %s LIKE $%d`, column, first+i)
			args = append(args, "% "+w+"%")
		}
		return q, args
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		read := func(source, q string, args ...any) error {
			rows, err := tx.Query(ctx, q, args...)
			return store.Each(rows, err, func(scan func(...any) error) error {
				var address string
				x := Suggestion{Source: source}
				if err := scan(&address, &x.Name, &x.rank); err != nil {
					return err
				}
				a, err := mail.ParseAddress(address)
				if err == nil {
					x.Address.Address = a
					list = append(list, x)
				}
				return nil
			})
		}
		q, args := match("e.words", 3)
		if err := read(FromCard, `SELECT e.address, e.name, coalesce(a.rank, 0) AS best FROM contact_email e LEFT JOIN addressed a ON a.account = e.account AND a.key = e.key
			WHERE e.account = $1`+q+` ORDER BY best DESC, e.name, e.key LIMIT $2`, append([]any{int64(account), 2 * limit}, args...)...); err != nil {
			return err
		}
		q, args = match("words", 3)
		return read(FromSent, `SELECT address, name, rank FROM addressed WHERE account = $1`+q+` ORDER BY rank DESC LIMIT $2`, append([]any{int64(account), 2 * limit}, args...)...)
	})
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.matches(words) {
			list = append(list, Suggestion{Address: g, Source: FromGroup})
		}
	}
	return best(list, limit), nil
}

// matches does in Go what Suggest asks of the database.
func (a Address) matches(words []string) bool {
	have := a.words()
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(have, " "+w) })
}

// best is each address once, with the name that its card gives it, in order.
func best(list []Suggestion, limit int) []Suggestion {
	at := map[string]int{}
	var out []Suggestion
	for _, x := range list {
		i, twice := at[x.Address.Address.Key()]
		if !twice {
			at[x.Address.Address.Key()] = len(out)
			out = append(out, x)
			continue
		}
		out[i].rank = max(out[i].rank, x.rank)
		if x.Source == FromGroup {
			out[i].Source = FromGroup
		}
		if out[i].Name == "" {
			out[i].Name = x.Name
		}
	}
	slices.SortStableFunc(out, func(a, b Suggestion) int {
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(mail.Fold(a.Name), mail.Fold(b.Name)), cmp.Compare(a.Address.Address.Key(), b.Address.Address.Key()))
	})
	return out[:min(len(out), limit)]
}

package jmap

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/contact"
)

// cardTest says whether a card matches.
type cardTest func(r *contact.Row) bool

// cardQuery is a filter and an order (RFC 9610 §3.3).
type cardQuery struct {
	match cardTest
	books []contact.BookID // that the filter asks about
	order []comparator
}

func readCardQuery(c *Call, filter jsontext.Value, by []comparator) (*cardQuery, error) {
	q := &cardQuery{match: func(*contact.Row) bool { return true }, order: by}
	if !null(filter) {
		var err error
		q.match, err = filterOf(filter, 0, func(op string, of []cardTest) cardTest {
			return func(r *contact.Row) bool {
				n := 0
				for _, one := range of {
					if one(r) {
						n++
					}
				}
				switch op {
				case "AND":
					return n == len(of)
				case "OR":
					return n > 0
				}
				return n == 0
			}
		}, func(raw jsontext.Value) (cardTest, error) { return q.condition(c, raw) })
		if err != nil {
			return nil, err
		}
		if len(q.books) > contact.MaxBooks {
			return nil, &failure{Type: "unsupportedFilter", Description: "it names too many address books"}
		}
	}
	for _, k := range by {
		if !slices.Contains([]string{"created", "updated", "name", "name/given", "name/surname", "name/surname2"}, k.Property) {
			return nil, &failure{Type: "unsupportedSort", Description: "there is no order by " + quoted(k.Property)}
		}
	}
	return q, nil
}

func (q *cardQuery) condition(c *Call, raw jsontext.Value) (cardTest, error) {
	var f struct {
		InAddressBook *string    `json:"inAddressBook"`
		UID           *string    `json:"uid"`
		HasMember     *string    `json:"hasMember"`
		Kind          *string    `json:"kind"`
		CreatedBefore *time.Time `json:"createdBefore"`
		CreatedAfter  *time.Time `json:"createdAfter"`
		UpdatedBefore *time.Time `json:"updatedBefore"`
		UpdatedAfter  *time.Time `json:"updatedAfter"`
		Text          *string    `json:"text"`
		Name          *string    `json:"name"`
		Given         *string    `json:"name/given"`
		Surname       *string    `json:"name/surname"`
		Surname2      *string    `json:"name/surname2"`
		Nickname      *string    `json:"nickname"`
		Organization  *string    `json:"organization"`
		Email         *string    `json:"email"`
		Phone         *string    `json:"phone"`
		OnlineService *string    `json:"onlineService"`
		Address       *string    `json:"address"`
		Note          *string    `json:"note"`
	}
	if err := json.Unmarshal(raw, &f, json.RejectUnknownMembers(true)); err != nil {
		return nil, &failure{Type: "unsupportedFilter", Description: why(err)}
	}
	var all []cardTest
	if f.InAddressBook != nil {
		b, ok := number[contact.BookID]('b', c.idOf(*f.InAddressBook))
		if ok && !slices.Contains(q.books, b) {
			q.books = append(q.books, b)
		}
		all = append(all, func(r *contact.Row) bool { return ok && r.In(b) })
	}
	exact := func(want *string, of func(*contact.Row) string) {
		if want != nil {
			all = append(all, func(r *contact.Row) bool { return of(r) == *want })
		}
	}
	exact(f.UID, func(r *contact.Row) string { return r.UID })
	exact(f.Kind, func(r *contact.Row) string { return r.Kind })
	if f.HasMember != nil {
		all = append(all, func(r *contact.Row) bool { return r.HasMember(*f.HasMember) })
	}
	at := func(limit *time.Time, ok func(have, limit int64) bool, of func(*contact.Row) int64) {
		if limit != nil {
			n := store.Micros(*limit)
			all = append(all, func(r *contact.Row) bool { return ok(of(r), n) })
		}
	}
	before := func(have, limit int64) bool { return have < limit }
	after := func(have, limit int64) bool { return have >= limit }
	at(f.CreatedBefore, before, func(r *contact.Row) int64 { return r.Created })
	at(f.CreatedAfter, after, func(r *contact.Row) int64 { return r.Created })
	at(f.UpdatedBefore, before, func(r *contact.Row) int64 { return r.Updated })
	at(f.UpdatedAfter, after, func(r *contact.Row) int64 { return r.Updated })
	for _, t := range []struct {
		want *string
		of   func(*contact.Row) string
	}{
		{f.Text, (*contact.Row).Text},
		{f.Name, func(r *contact.Row) string { return r.Name }}, {f.Given, func(r *contact.Row) string { return r.Given }},
		{f.Surname, func(r *contact.Row) string { return r.Surname }}, {f.Surname2, func(r *contact.Row) string { return r.Surname2 }},
		{f.Nickname, func(r *contact.Row) string { return r.Nickname }}, {f.Organization, func(r *contact.Row) string { return r.Organization }},
		{f.Email, func(r *contact.Row) string { return r.Email }}, {f.Phone, func(r *contact.Row) string { return r.Phone }},
		{f.OnlineService, func(r *contact.Row) string { return r.Service }}, {f.Address, func(r *contact.Row) string { return r.Address }},
		{f.Note, func(r *contact.Row) string { return r.Note }},
	} {
		if t.want == nil {
			continue
		}
		words := strings.Fields(mail.Fold(store.Clean(*t.want)))
		all = append(all, func(r *contact.Row) bool {
			have := t.of(r)
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(have, w) })
		})
	}
	return func(r *contact.Row) bool {
		return !slices.ContainsFunc(all, func(one cardTest) bool { return !one(r) })
	}, nil
}

// foundCard is a card that matches, with what it is put in order by.
type foundCard struct {
	id     contact.CardID
	born   int64
	modseq int64
	times  [2]int64
	names  [4]string
}

func (q *cardQuery) run(ctx context.Context, c *Call, account mail.AccountID) (list []foundCard, now int64, err error) {
	now, err = c.srv.Contacts.Query(ctx, account, q.books, func(r *contact.Row) {
		if q.match(r) {
			f := foundCard{id: r.ID, born: r.Born, modseq: r.ModSeq, times: [2]int64{r.Created, r.Updated}}
			if len(q.order) > 0 {
				f.names = [4]string{r.Name, r.Given, r.Surname, r.Surname2}
			}
			list = append(list, f)
		}
	})
	slices.SortFunc(list, func(a, b foundCard) int {
		for _, k := range q.order {
			n := 0
			switch k.Property {
			case "created":
				n = cmp.Compare(a.times[0], b.times[0])
			case "updated":
				n = cmp.Compare(a.times[1], b.times[1])
			default:
				i := slices.Index([]string{"name", "name/given", "name/surname", "name/surname2"}, k.Property)
				n = cmp.Compare(a.names[i], b.names[i])
			}
			if k.descending() {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return cmp.Compare(a.id, b.id)
	})
	return list, now, err
}

func queryCards(ctx context.Context, c *Call, a *queryArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	q, err := readCardQuery(c, a.Filter, a.Sort)
	if err != nil {
		return nil, err
	}
	list, now, err := q.run(ctx, c, account)
	if err != nil {
		return nil, err
	}
	first, last, limit, err := a.window(len(list), func(id string) int {
		n, ok := number[contact.CardID]('c', id)
		return slices.IndexFunc(list, func(f foundCard) bool { return ok && f.id == n })
	})
	if err != nil {
		return nil, err
	}
	out := &queryAnswer{AccountID: a.AccountID, QueryState: contactState(now), CanCalculateChanges: true, Position: first, IDs: make([]string, last-first), Limit: limit}
	for i, f := range list[first:last] {
		out.IDs[i] = cardID(f.id)
	}
	if a.CalculateTotal {
		n := len(list)
		out.Total = &n
	}
	return out, nil
}

// queryChangesOfCards: whether and where a card is in the results depends on it
// alone. So those that have not changed keep their order, and the others come out
// and, if they match, in again (RFC 8620 §5.6).
func queryChangesOfCards(ctx context.Context, c *Call, a *queryChangesArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	q, err := readCardQuery(c, a.Filter, a.Sort)
	if err != nil {
		return nil, err
	}
	since, err := sinceState(a.SinceState)
	if err != nil {
		return nil, err
	}
	// Two questions: whatever changes between them is found in neither or in one.
	gone, err := c.srv.Contacts.CardChanges(ctx, account, int64(since), 0)
	if err != nil {
		return nil, err
	}
	list, now, err := q.run(ctx, c, account)
	if err != nil {
		return nil, err
	}
	if now != gone.To {
		return nil, &failure{Type: "cannotCalculateChanges", Description: "it changes just now"}
	}
	out := &queryChangesAnswer{AccountID: a.AccountID, OldState: a.SinceState, NewState: contactState(now), Removed: []string{}, Added: []addedItem{}}
	for _, ids := range [][]contact.CardID{gone.Updated, gone.Destroyed} {
		for _, id := range ids {
			out.Removed = append(out.Removed, cardID(id))
		}
	}
	for i, f := range list {
		if f.modseq > int64(since) {
			out.Added = append(out.Added, addedItem{ID: cardID(f.id), Index: i})
		}
	}
	if a.MaxChanges != nil && len(out.Removed)+len(out.Added) > *a.MaxChanges {
		return nil, &failure{Type: "tooManyChanges"}
	}
	if a.CalculateTotal {
		n := len(list)
		out.Total = &n
	}
	return out, nil
}

package jmap

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/mailbox"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
)

// sharedType is a data type of what a member shares. Each is of their own account
// alone, and each call asks the service whose thing it is, as the page behind the
// owner's link does.
type sharedType struct {
	name       string
	properties []string
	state      func(ctx context.Context, c *Call) (string, error)
	all        func(ctx context.Context, c *Call) ([]string, error)                           // nil: a client names the ids
	query      func(ctx context.Context, c *Call, filter jsontext.Value) ([]string, error)    // in the order of sort
	objects    func(ctx context.Context, c *Call, ids []string) (map[string]object, error)    // those that are there
	create     func(ctx context.Context, c *Call, raw jsontext.Value) (id string, err error)  // nil: not by a client
	change     func(ctx context.Context, c *Call, id, name string, v jsontext.Value) error    // nil: nothing changes
	changing   []string                                                                       // the properties that it takes
	destroy    func(ctx context.Context, c *Call, id string) error                            // nil: not by a client
	also       map[string]func(ctx context.Context, c *Call, raw jsontext.Value) (any, error) // more methods
	sort       string                                                                         // the one property to sort by
	newest     bool                                                                           // the order without a sort is the newest first
}

// sharedTypes are all of them.
var sharedTypes = []*sharedType{transferType, albumType, photoType, commentType, guestType, traceType}

// caller is the member as whoever owns what they share.
func (c *Call) caller() link.Caller { return link.Member(c.User.ID) }

// marks are the states of what a member shares.
type marks struct {
	transfers string
	album.Marks
}

// marks reads them. A call that only looks keeps them; one that changes something
// reads them again.
func (c *Call) marks(ctx context.Context) (m marks, err error) {
	if c.marked != nil {
		return *c.marked, nil
	}
	if m.transfers, err = c.srv.Transfers.Mark(ctx, c.User.ID); err == nil {
		m.Marks, err = c.srv.Albums.Mark(ctx, c.User.ID)
	}
	if err == nil && c.looks {
		c.marked = &m
	}
	return m, err
}

// stateOf is a type's state, of the marks.
func stateOf(f func(marks) string) func(context.Context, *Call) (string, error) {
	return func(ctx context.Context, c *Call) (string, error) {
		m, err := c.marks(ctx)
		return f(m), err
	}
}

// methods are the type's, by name.
func (t *sharedType) methods() map[string]method {
	all := map[string]method{
		t.name + "/get":          {usingSharing, typed(t.get)},
		t.name + "/changes":      {usingSharing, typed(t.changes)},
		t.name + "/query":        {usingSharing, typed(t.find)},
		t.name + "/queryChanges": {usingSharing, typed(t.queryChanges)},
	}
	if t.create != nil || t.change != nil || t.destroy != nil {
		all[t.name+"/set"] = method{usingSharing, typed(t.set)}
	}
	for name, f := range t.also {
		all[t.name+"/"+name] = method{usingSharing, f}
	}
	return all
}

func (t *sharedType) get(ctx context.Context, c *Call, a *getArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	wanted, err := properties(a.Properties, t.properties)
	if err != nil {
		return nil, err
	}
	ids, all, err := a.asked()
	if err != nil {
		return nil, err
	}
	if all {
		if t.all == nil {
			return nil, &failure{Type: "requestTooLarge", Description: "say which, by ids of " + t.name + "/query"}
		}
		if ids, err = t.all(ctx, c); err != nil {
			return nil, err
		}
		if len(ids) > maxObjectsInGet {
			return nil, &failure{Type: "requestTooLarge"}
		}
	}
	now, err := t.state(ctx, c)
	if err != nil {
		return nil, err
	}
	out := &getAnswer{AccountID: a.AccountID, State: now, List: []object{}, NotFound: []string{}}
	meant := make([]string, len(ids))
	for i, id := range ids {
		meant[i] = c.idOf(id)
	}
	have, err := t.objects(ctx, c, meant)
	if err != nil {
		return nil, err
	}
	for i, id := range meant {
		if o := have[id]; o != nil {
			out.List = append(out.List, o.only(wanted))
		} else if !all { // it went between two reads
			out.NotFound = append(out.NotFound, ids[i])
		}
	}
	return out, nil
}

// changes knows only whether something happened: what is shared is little, and
// read again at once.
func (t *sharedType) changes(ctx context.Context, c *Call, a *changesArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	if _, err := a.most(); err != nil {
		return nil, err
	}
	now, err := t.state(ctx, c)
	if err == nil && a.SinceState != now {
		err = &failure{Type: "cannotCalculateChanges"}
	}
	return &changesAnswer{AccountID: a.AccountID, OldState: now, NewState: now, Created: []string{}, Updated: []string{}, Destroyed: []string{}}, err
}

func (t *sharedType) find(ctx context.Context, c *Call, a *queryArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	turn := false
	for i, k := range a.Sort {
		if i > 0 || k.Property != t.sort || t.sort == "" {
			return nil, &failure{Type: "unsupportedSort"}
		}
		turn = k.descending() != t.newest
	}
	now, err := t.state(ctx, c)
	if err != nil {
		return nil, err
	}
	ids, err := t.query(ctx, c, a.Filter)
	if err != nil {
		return nil, err
	}
	if turn {
		slices.Reverse(ids)
	}
	first, last, limit, err := a.window(len(ids), func(id string) int { return slices.Index(ids, id) })
	if err != nil {
		return nil, err
	}
	out := &queryAnswer{AccountID: a.AccountID, QueryState: now, Position: first, IDs: append([]string{}, ids[first:last]...), Limit: limit}
	if a.CalculateTotal {
		n := len(ids)
		out.Total = &n
	}
	return out, nil
}

func (t *sharedType) queryChanges(ctx context.Context, c *Call, a *queryChangesArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	now, err := t.state(ctx, c)
	if err == nil && a.SinceState != now {
		err = &failure{Type: "cannotCalculateChanges"}
	}
	return &queryChangesAnswer{AccountID: a.AccountID, OldState: now, NewState: now, Removed: []string{}, Added: []addedItem{}}, err
}

func (t *sharedType) set(ctx context.Context, c *Call, a *setArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	now, err := t.state(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := a.bound(); err != nil {
		return nil, err
	}
	if a.IfInState != nil && *a.IfInState != now {
		return nil, &failure{Type: "stateMismatch"}
	}
	out := a.answer(now)
	a.willDestroy(out)
	for _, key := range slices.Sorted(maps.Keys(a.Create)) {
		o, err := t.begin(ctx, c, a.Create[key])
		if err != nil {
			out.NotCreated[key] = c.refused(err)
			continue
		}
		c.made(key, o["id"].(string))
		out.Created[key] = o
	}
	for _, id := range slices.Sorted(maps.Keys(a.Update)) {
		if err := t.update(ctx, c, c.idOf(id), a.Update[id]); err != nil {
			out.NotUpdated[id] = c.refused(err)
		} else {
			out.Updated[id] = nil
		}
	}
	for _, id := range a.Destroy {
		err := error(&setError{Type: "forbidden"})
		if t.destroy != nil {
			err = t.destroy(ctx, c, c.idOf(id))
		}
		if err != nil {
			out.NotDestroyed[id] = c.refused(err)
		} else {
			out.Destroyed = append(out.Destroyed, id)
		}
	}
	out.NewState, err = t.state(ctx, c)
	return out, err
}

// begin creates an object and reads it back whole: nearly all of it is ours to say.
func (t *sharedType) begin(ctx context.Context, c *Call, raw jsontext.Value) (object, error) {
	if t.create == nil {
		return nil, &setError{Type: "forbidden"}
	}
	id, err := t.create(ctx, c, raw)
	if err != nil {
		return nil, err
	}
	have, err := t.objects(ctx, c, []string{id})
	if err != nil {
		return nil, err
	}
	if o := have[id]; o != nil {
		return o, nil
	}
	return object{"id": id}, nil
}

// update changes one property after the other. A client may send the whole object
// back: what stays as it is may be there.
func (t *sharedType) update(ctx context.Context, c *Call, id string, update map[string]jsontext.Value) error {
	have, err := t.objects(ctx, c, []string{id})
	if err != nil {
		return err
	}
	o := have[id]
	if o == nil {
		return &setError{Type: "notFound"}
	}
	var todo []string
	for _, name := range slices.Sorted(maps.Keys(update)) {
		if raw, err := json.Marshal(o[name]); err == nil && o[name] != nil && sameJSON(raw, update[name]) || o[name] == nil && null(update[name]) && slices.Contains(t.properties, name) && name != "password" {
			continue
		}
		if t.change == nil || !slices.Contains(t.changing, name) {
			return invalidProperties("it cannot be changed", name)
		}
		todo = append(todo, name)
	}
	for _, name := range todo {
		if err := t.change(ctx, c, id, name, update[name]); err != nil {
			return err
		}
	}
	return nil
}

// idsOf writes ids of one kind.
func idsOf[T ~int64](kind byte, list []T) []string {
	out := make([]string, len(list))
	for i, id := range list {
		out[i] = mailbox.ObjectID(kind, int64(id))
	}
	return out
}

// filter reads the filter of a query, which has conditions and no operators.
func filter(raw jsontext.Value, into any) error {
	if null(raw) {
		return nil
	}
	if raw.Kind() != '{' {
		return invalid("a filter is an object", "filter")
	}
	if err := json.Unmarshal(raw, into, json.RejectUnknownMembers(true)); err != nil {
		return &failure{Type: "unsupportedFilter", Description: why(err)}
	}
	return nil
}

// absent says that an id leads to nothing of the member's, in whatever way.
func absent(err error) bool {
	var e *setError
	return mail.Is(err, mail.NotFound) || mail.Is(err, mail.Gone) || errors.As(err, &e) && e.Type == "notFound"
}

// dateOrNull is a moment, or null for none.
func dateOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return utcDate(t)
}

// truth reads a value that is true or false.
func truth(name string, v jsontext.Value) (bool, error) {
	if s := string(v); s == "true" || s == "false" {
		return s == "true", nil
	}
	return false, invalidProperties("it is true or false", name)
}

// passwordOf hashes a password that a client sets; null takes it away.
func passwordOf(ctx context.Context, v jsontext.Value) (string, error) {
	if null(v) {
		return "", nil
	}
	s, ok := textOf(v)
	if !ok {
		return "", invalidProperties("it is text or null", "password")
	}
	return link.HashPassword(ctx, s)
}

// invite reads somebody who is invited.
type inviteArg struct {
	Email string  `json:"email"`
	Name  *string `json:"name"`
}

func (a *inviteArg) read() (to mail.Address, name string, err error) {
	if to, err = mail.ParseAddress(a.Email); err != nil {
		return to, "", mail.Refuse(mail.BadAddress, "bad-address", "Address", quoted(a.Email))
	}
	if a.Name != nil {
		name = line(*a.Name, 100)
	}
	return to, name, nil
}

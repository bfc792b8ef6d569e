package jmap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/store/mailbox"
)

// The arguments and answers that all data types share (RFC 8620 §5).

type getArgs struct {
	AccountID  string    `json:"accountId"`
	IDs        *[]string `json:"ids"`
	Properties *[]string `json:"properties"`
}

type getAnswer struct {
	AccountID string   `json:"accountId"`
	State     string   `json:"state"`
	List      []object `json:"list"`
	NotFound  []string `json:"notFound"`
}

// object is one thing as a client asked to see it.
type object map[string]any

// asked are the ids of a get call, each once. all: the client named none.
func (a *getArgs) asked() (ids []string, all bool, err error) {
	if a.IDs == nil {
		return nil, true, nil
	}
	if len(*a.IDs) > maxObjectsInGet {
		return nil, false, &failure{Type: "requestTooLarge", Description: fmt.Sprintf("at most %d ids", maxObjectsInGet)}
	}
	seen := make(map[string]bool, len(*a.IDs))
	for _, id := range *a.IDs {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, false, nil
}

// properties are those that the client wants of known ones, "id" among them.
func properties(wanted *[]string, known []string) (map[string]bool, error) {
	of := map[string]bool{"id": true}
	if wanted == nil {
		for _, name := range known {
			of[name] = true
		}
		return of, nil
	}
	for _, name := range *wanted {
		if name != "id" && !slices.Contains(known, name) {
			return nil, invalid("there is no property "+quoted(name), "properties")
		}
		of[name] = true
	}
	return of, nil
}

// only is o without what the client did not ask for.
func (o object) only(wanted map[string]bool) object {
	maps.DeleteFunc(o, func(name string, _ any) bool { return !wanted[name] })
	return o
}

func state(m mailbox.ModSeq) string { return strconv.FormatInt(int64(m), 10) }

// sinceState reads a state that we gave; what we did not give is too old for us.
func sinceState(s string) (mailbox.ModSeq, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, &failure{Type: "cannotCalculateChanges", Description: "the state is none of this account's"}
	}
	return mailbox.ModSeq(n), nil
}

type changesArgs struct {
	AccountID  string `json:"accountId"`
	SinceState string `json:"sinceState"`
	MaxChanges *int   `json:"maxChanges"`
}

type changesAnswer struct {
	AccountID string   `json:"accountId"`
	OldState  string   `json:"oldState"`
	NewState  string   `json:"newState"`
	More      bool     `json:"hasMoreChanges"`
	Created   []string `json:"created"`
	Updated   []string `json:"updated"`
	Destroyed []string `json:"destroyed"`
}

// most is maxChanges, 0 for as many as there are.
func (a *changesArgs) most() (int, error) {
	if a.MaxChanges == nil {
		return 0, nil
	}
	if *a.MaxChanges <= 0 {
		return 0, invalid("maxChanges is a positive number", "maxChanges")
	}
	return *a.MaxChanges, nil
}

func changed[T ~int64](a *changesArgs, c mailbox.Changes[T], kind byte) *changesAnswer {
	ids := func(list []T) []string {
		out := make([]string, len(list))
		for i, id := range list {
			out[i] = mailbox.ObjectID(kind, int64(id))
		}
		return out
	}
	return &changesAnswer{AccountID: a.AccountID, OldState: a.SinceState, NewState: state(c.To), More: c.More,
		Created: ids(c.Created), Updated: ids(c.Updated), Destroyed: ids(c.Destroyed)}
}

type setArgs struct {
	AccountID string                               `json:"accountId"`
	IfInState *string                              `json:"ifInState"`
	Create    map[string]jsontext.Value            `json:"create"`
	Update    map[string]map[string]jsontext.Value `json:"update"`
	Destroy   []string                             `json:"destroy"`
}

type setAnswer struct {
	AccountID    string               `json:"accountId"`
	OldState     *string              `json:"oldState"`
	NewState     string               `json:"newState"`
	Created      map[string]object    `json:"created"`
	Updated      map[string]object    `json:"updated"`
	Destroyed    []string             `json:"destroyed"`
	NotCreated   map[string]*setError `json:"notCreated"`
	NotUpdated   map[string]*setError `json:"notUpdated"`
	NotDestroyed map[string]*setError `json:"notDestroyed"`
}

func (a *setArgs) answer(old string) *setAnswer {
	return &setAnswer{AccountID: a.AccountID, OldState: &old, NewState: old, Created: map[string]object{}, Updated: map[string]object{}, Destroyed: []string{},
		NotCreated: map[string]*setError{}, NotUpdated: map[string]*setError{}, NotDestroyed: map[string]*setError{}}
}

// check bounds a set call, and looks at ifInState.
func (a *setArgs) check(now mailbox.ModSeq) error {
	if err := a.bound(); err != nil {
		return err
	}
	if a.IfInState != nil && *a.IfInState != state(now) {
		return &failure{Type: "stateMismatch"}
	}
	return nil
}

// bound is what check does whatever the state. Ids to destroy are there once then.
func (a *setArgs) bound() error {
	if len(a.Create)+len(a.Update)+len(a.Destroy) > maxObjectsInSet {
		return &failure{Type: "requestTooLarge", Description: fmt.Sprintf("at most %d objects", maxObjectsInSet)}
	}
	seen := map[string]bool{}
	a.Destroy = slices.DeleteFunc(a.Destroy, func(id string) bool {
		twice := seen[id]
		seen[id] = true
		return twice
	})
	return nil
}

// willDestroy takes out of an update what is to be destroyed by the same call.
func (a *setArgs) willDestroy(out *setAnswer) {
	for _, id := range a.Destroy {
		if _, both := a.Update[id]; both {
			out.NotUpdated[id] = &setError{Type: "willDestroy"}
			delete(a.Update, id)
		}
	}
}

// made remembers what a creation id of the client stands for (RFC 8620 §3.3).
func (c *Call) made(creation, id string) { c.created[creation] = id }

// idOf is the id that the client means: its own, or "#" and a creation id.
func (c *Call) idOf(s string) string {
	if creation, ok := strings.CutPrefix(s, "#"); ok {
		if id, ok := c.created[creation]; ok {
			return id
		}
	}
	return s
}

// number is an id of one kind without its letter; false when s is none.
func number[T ~int64](kind byte, s string) (T, bool) {
	n, ok := mailbox.ParseObjectID(kind, s)
	return T(n), ok
}

// patched is what a property becomes under the patches of an update: either the
// whole of it is there ("keywords"), or parts of it by path ("keywords/$seen")
// (RFC 8620 §5.3). names that are no known property are refused, as is a patch
// of what another patch replaces.
type patched struct {
	whole jsontext.Value // nil: not there
	parts map[string]jsontext.Value
}

func patches(update map[string]jsontext.Value, known []string) (map[string]*patched, *setError) {
	all := map[string]*patched{}
	for path, v := range update {
		name, rest, below := strings.Cut(path, "/")
		name = unescape(name)
		if !slices.Contains(known, name) {
			return nil, invalidProperties("there is no such property to change", name)
		}
		if all[name] == nil {
			all[name] = &patched{parts: map[string]jsontext.Value{}}
		}
		if !below {
			all[name].whole = v
			continue
		}
		if strings.Contains(rest, "/") {
			return nil, &setError{Type: "invalidPatch", Description: "nothing lies below " + quoted(path)}
		}
		all[name].parts[unescape(rest)] = v
	}
	for name, p := range all {
		if p.whole != nil && len(p.parts) > 0 {
			return nil, &setError{Type: "invalidPatch", Description: quoted(name) + " is replaced and patched", Properties: []string{name}}
		}
	}
	return all, nil
}

func unescape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
}

// truths reads a map whose values are true, as mailboxIds and keywords are.
func truths(name string, v jsontext.Value) (map[string]bool, *setError) {
	var m map[string]bool
	if err := json.Unmarshal(v, &m); err != nil {
		return nil, invalidProperties("it is a map to true", name)
	}
	for _, on := range m {
		if !on {
			return nil, invalidProperties("a value is true or not there", name)
		}
	}
	return m, nil
}

// apply is a truth map under patches.
func (p *patched) apply(name string, have map[string]bool) (map[string]bool, *setError) {
	if p == nil {
		return have, nil
	}
	if p.whole != nil {
		return truths(name, p.whole)
	}
	out := maps.Clone(have)
	for key, v := range p.parts {
		switch string(v) {
		case "true":
			out[key] = true
		case "null":
			delete(out, key)
		default:
			return nil, invalidProperties("a value is true or null", name+"/"+key)
		}
	}
	return out, nil
}

type queryArgs struct {
	AccountID      string         `json:"accountId"`
	Filter         jsontext.Value `json:"filter"`
	Sort           []comparator   `json:"sort"`
	Position       int            `json:"position"`
	Anchor         *string        `json:"anchor"`
	AnchorOffset   int            `json:"anchorOffset"`
	Limit          *int           `json:"limit"`
	CalculateTotal bool           `json:"calculateTotal"`
}

type comparator struct {
	Property    string `json:"property"`
	IsAscending *bool  `json:"isAscending"`
	Collation   string `json:"collation"`
	Keyword     string `json:"keyword,omitzero"`
}

func (k *comparator) descending() bool { return k.IsAscending != nil && !*k.IsAscending }

type queryAnswer struct {
	AccountID           string   `json:"accountId"`
	QueryState          string   `json:"queryState"`
	CanCalculateChanges bool     `json:"canCalculateChanges"`
	Position            int      `json:"position"`
	IDs                 []string `json:"ids"`
	Total               *int     `json:"total,omitzero"`
	Limit               *int     `json:"limit,omitzero"`
}

// window is which of n results are answered, first to before last. find is where
// the anchor is, below 0 when it is nowhere.
func (a *queryArgs) window(n int, find func(id string) int) (first, last int, limit *int, err error) {
	most := maxQuery
	if a.Limit != nil {
		if *a.Limit < 0 {
			return 0, 0, nil, invalid("limit is not negative", "limit")
		}
		if most = min(*a.Limit, maxQuery); most < *a.Limit {
			limit = &most
		}
	} else if n > maxQuery {
		limit = &most
	}
	switch {
	case a.Anchor != nil:
		at := find(*a.Anchor)
		if at < 0 {
			return 0, 0, nil, &failure{Type: "anchorNotFound"}
		}
		first = max(at+min(max(a.AnchorOffset, -n), n), 0)
	case a.Position < 0:
		first = max(n+a.Position, 0)
	default:
		first = a.Position
	}
	first = min(first, n)
	return first, first + min(most, n-first), limit, nil
}

type queryChangesArgs struct {
	AccountID      string         `json:"accountId"`
	Filter         jsontext.Value `json:"filter"`
	Sort           []comparator   `json:"sort"`
	SinceState     string         `json:"sinceQueryState"`
	MaxChanges     *int           `json:"maxChanges"`
	UpToID         *string        `json:"upToId"`
	CalculateTotal bool           `json:"calculateTotal"`
}

type queryChangesAnswer struct {
	AccountID string      `json:"accountId"`
	OldState  string      `json:"oldQueryState"`
	NewState  string      `json:"newQueryState"`
	Total     *int        `json:"total,omitzero"`
	Removed   []string    `json:"removed"`
	Added     []addedItem `json:"added"`
}

type addedItem struct {
	ID    string `json:"id"`
	Index int    `json:"index"`
}

// filterOf reads a filter: an operator, or a condition, which f reads.
func filterOf[T any](raw jsontext.Value, depth int, join func(op string, of []T) T, f func(jsontext.Value) (T, error)) (t T, err error) {
	if depth > maxDepth {
		return t, &failure{Type: "unsupportedFilter", Description: "the filter is too deep"}
	}
	var op struct {
		Operator   string           `json:"operator"`
		Conditions []jsontext.Value `json:"conditions"`
	}
	var probe map[string]jsontext.Value
	if err := json.Unmarshal(raw, &probe); err != nil {
		return t, invalid("a filter is an object", "filter")
	}
	if _, ok := probe["operator"]; !ok {
		return f(raw)
	}
	if err := json.Unmarshal(raw, &op, json.RejectUnknownMembers(true)); err != nil {
		return t, invalid("a filter operator has an operator and conditions", "filter")
	}
	if !slices.Contains([]string{"AND", "OR", "NOT"}, op.Operator) {
		return t, invalid("an operator is AND, OR or NOT", "filter")
	}
	var of []T
	for _, raw := range op.Conditions {
		one, err := filterOf(raw, depth+1, join, f)
		if err != nil {
			return t, err
		}
		of = append(of, one)
	}
	return join(op.Operator, of), nil
}

// echo is Core/echo (RFC 8620 §4).
func echo(_ context.Context, _ *Call, args jsontext.Value) (any, error) { return args, nil }

// null says whether an optional value is not there.
func null(v jsontext.Value) bool { return len(v) == 0 || v.Kind() == 'n' }

package jmap

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

type mailboxQueryArgs struct {
	queryArgs    `json:",embed"`
	SortAsTree   bool `json:"sortAsTree"`
	FilterAsTree bool `json:"filterAsTree"`
}

// test says whether a mailbox matches.
type test func(t *tree, f *mailbox.Folder) bool

func mailboxFilter(raw jsontext.Value) (test, error) {
	if null(raw) {
		return func(*tree, *mailbox.Folder) bool { return true }, nil
	}
	return filterOf(raw, 0, func(op string, of []test) test {
		return func(t *tree, f *mailbox.Folder) bool {
			n := 0
			for _, one := range of {
				if one(t, f) {
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
	}, mailboxCondition)
}

func mailboxCondition(raw jsontext.Value) (test, error) {
	var q struct {
		ParentID     jsontext.Value `json:"parentId"`
		Name         *string        `json:"name"`
		Role         jsontext.Value `json:"role"`
		HasAnyRole   *bool          `json:"hasAnyRole"`
		IsSubscribed *bool          `json:"isSubscribed"`
	}
	if err := json.Unmarshal(raw, &q, json.RejectUnknownMembers(true)); err != nil {
		return nil, &failure{Type: "unsupportedFilter", Description: why(err)}
	}
	role, _ := textOf(q.Role)
	parent, _ := textOf(q.ParentID)
	return func(t *tree, f *mailbox.Folder) bool {
		if q.ParentID != nil {
			id, _ := t.parentID(f).(string)
			if id != parent {
				return false
			}
		}
		return (q.Name == nil || strings.Contains(mail.Fold(t.name(f)), mail.Fold(*q.Name))) &&
			(q.Role == nil || string(f.Role) == role) && (q.HasAnyRole == nil || (f.Role != "") == *q.HasAnyRole) &&
			(q.IsSubscribed == nil || f.Subscribed == *q.IsSubscribed)
	}, nil
}

func queryMailboxes(ctx context.Context, c *Call, a *mailboxQueryArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	match, err := mailboxFilter(a.Filter)
	if err != nil {
		return nil, err
	}
	now, err := c.srv.Mailboxes.State(ctx, account)
	if err != nil {
		return nil, err
	}
	t, err := c.tree(ctx, account)
	if err != nil {
		return nil, err
	}
	order, err := mailboxOrder(t, a.Sort)
	if err != nil {
		return nil, err
	}
	var found []*mailbox.Folder
	for i := range t.list {
		f := &t.list[i]
		ok := match(t, f)
		for p := t.parent(f); ok && a.FilterAsTree && p != nil; p = t.parent(p) {
			ok = match(t, p)
		}
		if ok {
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, order)
	if a.SortAsTree {
		found = t.asTree(found)
	}
	ids := make([]string, len(found))
	for i, f := range found {
		ids[i] = boxID(f.ID)
	}
	first, last, limit, err := a.window(len(ids), func(id string) int { return slices.Index(ids, id) })
	if err != nil {
		return nil, err
	}
	out := &queryAnswer{AccountID: a.AccountID, QueryState: state(now), Position: first, IDs: ids[first:last], Limit: limit}
	if a.CalculateTotal {
		n := len(ids)
		out.Total = &n
	}
	return out, nil
}

func mailboxOrder(t *tree, by []comparator) (func(a, b *mailbox.Folder) int, error) {
	if len(by) == 0 {
		by = []comparator{{Property: "sortOrder"}, {Property: "name"}}
	}
	for _, k := range by {
		if k.Property != "sortOrder" && k.Property != "name" && k.Property != "parentId" {
			return nil, &failure{Type: "unsupportedSort", Description: "there is no order by " + quoted(k.Property)}
		}
	}
	return func(a, b *mailbox.Folder) int {
		for _, k := range by {
			n := 0
			switch k.Property {
			case "sortOrder":
				n = cmp.Compare(sortOrder(a.Role), sortOrder(b.Role))
			case "name":
				n = cmp.Compare(mail.Fold(t.name(a)), mail.Fold(t.name(b)))
			case "parentId":
				pa, _ := t.parentID(a).(string)
				pb, _ := t.parentID(b).(string)
				n = cmp.Compare(pa, pb)
			}
			if n != 0 && k.descending() {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	}, nil
}

// asTree puts each mailbox behind its parent, siblings in the order they have
// (RFC 8621 §2.3).
func (t *tree) asTree(list []*mailbox.Folder) []*mailbox.Folder {
	in := map[*mailbox.Folder]bool{}
	for _, f := range list {
		in[f] = true
	}
	below := map[*mailbox.Folder][]*mailbox.Folder{}
	for _, f := range list {
		p := t.parent(f)
		for p != nil && !in[p] {
			p = t.parent(p)
		}
		below[p] = append(below[p], f)
	}
	var out []*mailbox.Folder
	var walk func(p *mailbox.Folder)
	walk = func(p *mailbox.Folder) {
		for _, f := range below[p] {
			out = append(out, f)
			walk(f)
		}
	}
	walk(nil)
	return out
}

type mailboxQueryChangesArgs struct {
	queryChangesArgs `json:",embed"`
	SortAsTree       bool `json:"sortAsTree"`
	FilterAsTree     bool `json:"filterAsTree"`
}

// queryChangesOfMailboxes knows only whether nothing happened: there are few
// mailboxes, and a client asks for them again.
func queryChangesOfMailboxes(ctx context.Context, c *Call, a *mailboxQueryChangesArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	now, err := c.srv.Mailboxes.State(ctx, account)
	if err != nil {
		return nil, err
	}
	if a.SinceState != state(now) {
		return nil, &failure{Type: "cannotCalculateChanges"}
	}
	return &queryChangesAnswer{AccountID: a.AccountID, OldState: a.SinceState, NewState: a.SinceState, Removed: []string{}, Added: []addedItem{}}, nil
}

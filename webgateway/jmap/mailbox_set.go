package jmap

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

type mailboxSetArgs struct {
	setArgs               `json:",embed"`
	OnDestroyRemoveEmails bool `json:"onDestroyRemoveEmails"`
}

// changeable are the properties that a client may set.
var changeable = []string{"name", "parentId", "role", "sortOrder", "isSubscribed"}

func setMailboxes(ctx context.Context, c *Call, a *mailboxSetArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	now, err := c.srv.Mailboxes.State(ctx, account)
	if err != nil {
		return nil, err
	}
	if err := a.check(now); err != nil {
		return nil, err
	}
	s := &mailboxSetter{Call: c, account: account, out: a.answer(state(now))}
	a.willDestroy(s.out)
	// One may be made below another that is made here too: in whatever order.
	todo := slices.Sorted(maps.Keys(a.Create))
	for len(todo) > 0 {
		var later []string
		for _, key := range todo {
			if parent, _ := textOf(member(a.Create[key], "parentId")); strings.HasPrefix(parent, "#") && slices.Contains(todo, parent[1:]) && parent[1:] != key {
				later = append(later, key)
				continue
			}
			if err := s.create(ctx, key, a.Create[key]); err != nil {
				s.out.NotCreated[key] = c.refused(err)
			}
		}
		if len(later) == len(todo) {
			for _, key := range later {
				s.out.NotCreated[key] = invalidProperties("mailboxes are each other's parents", "parentId")
			}
			break
		}
		todo = later
	}
	for _, id := range slices.Sorted(maps.Keys(a.Update)) {
		if err := s.update(ctx, id, a.Update[id]); err != nil {
			s.out.NotUpdated[id] = c.refused(err)
		} else {
			s.out.Updated[id] = nil
		}
	}
	// Children first, so that a tree can be destroyed by one call.
	t, err := c.tree(ctx, account)
	if err != nil {
		return nil, err
	}
	depth := func(id string) int {
		n, _ := number[mailbox.ID]('m', c.idOf(id))
		if f := t.byID[n]; f != nil {
			return strings.Count(f.Name, "/")
		}
		return 0
	}
	slices.SortStableFunc(a.Destroy, func(x, y string) int { return depth(y) - depth(x) })
	for _, id := range a.Destroy {
		if err := s.destroy(ctx, id, a.OnDestroyRemoveEmails); err != nil {
			s.out.NotDestroyed[id] = c.refused(err)
		} else {
			s.out.Destroyed = append(s.out.Destroyed, id)
		}
	}
	after, err := c.srv.Mailboxes.State(ctx, account)
	s.out.NewState = state(after)
	return s.out, err
}

type mailboxSetter struct {
	*Call
	account mail.AccountID
	out     *setAnswer
}

func (s *mailboxSetter) own() bool { return s.account == s.User.Account }

func (s *mailboxSetter) create(ctx context.Context, key string, raw jsontext.Value) error {
	var q struct {
		Name         string         `json:"name"`
		ParentID     jsontext.Value `json:"parentId"`
		Role         *string        `json:"role"`
		SortOrder    *int           `json:"sortOrder"`
		IsSubscribed *bool          `json:"isSubscribed"`
	}
	if err := json.Unmarshal(raw, &q, json.RejectUnknownMembers(true)); err != nil {
		return invalidProperties(why(err), where(err)...)
	}
	if q.SortOrder != nil && *q.SortOrder < 0 {
		return invalidProperties("an order is not negative", "sortOrder")
	}
	t, err := s.tree(ctx, s.account)
	if err != nil {
		return err
	}
	parent, bad := s.parentOf(t, q.ParentID)
	if bad != nil {
		return bad
	}
	switch {
	case parent == nil && !s.own(), parent != nil && !parent.Rights.Has(mailbox.RightCreate):
		return &setError{Type: "forbidden"}
	}
	path, bad := t.path(q.Name, parent)
	if bad != nil {
		return bad
	}
	role, bad := roleOf(q.Role)
	if bad != nil {
		return bad
	}
	if t.byName[mailbox.Name(path)] != nil {
		return &setError{Type: "alreadyExists", ExistingID: boxID(t.byName[mailbox.Name(path)].ID), Description: "there is a mailbox of this name", Properties: []string{"name"}}
	}
	m, err := s.srv.Mailboxes.CreateAs(ctx, s.account, path, role)
	if err != nil {
		return err
	}
	if q.IsSubscribed != nil && s.own() {
		if err := s.srv.Mailboxes.Subscribe(ctx, s.User.Account, m.Name, *q.IsSubscribed); err != nil {
			return err
		}
	}
	id := boxID(m.ID)
	s.made(key, id)
	if t, err = s.tree(ctx, s.account); err != nil {
		return err
	}
	s.out.Created[key] = object{"id": id}
	if f := t.byID[m.ID]; f != nil {
		full := t.object(f, mailbox.Tally{})
		for _, name := range []string{"name", "parentId", "role"} { // the client said them
			delete(full, name)
		}
		s.out.Created[key] = full
	}
	return nil
}

// roleOf reads a role that a client gives a mailbox.
func roleOf(s *string) (mailbox.Role, *setError) {
	if s == nil {
		return "", nil
	}
	switch r := mailbox.Role(*s); r {
	case mailbox.Sent, mailbox.Drafts, mailbox.Trash, mailbox.Junk, mailbox.Archive:
		return r, nil
	}
	return "", invalidProperties("a mailbox cannot be given this role", "role")
}

func (s *mailboxSetter) update(ctx context.Context, id string, update map[string]jsontext.Value) error {
	t, err := s.tree(ctx, s.account)
	if err != nil {
		return err
	}
	n, ok := number[mailbox.ID]('m', s.idOf(id))
	f := t.byID[n]
	if !ok || f == nil {
		return &setError{Type: "notFound"}
	}
	// A client may send the whole object back: what stays as it is may be there.
	now := t.object(f, mailbox.Tally{})
	change := map[string]jsontext.Value{}
	for path, v := range update {
		name := path
		if of, _, below := strings.Cut(path, "/"); below && slices.Contains(changeable, of) {
			return &setError{Type: "invalidPatch", Description: "nothing lies below " + quoted(of), Properties: []string{path}}
		}
		if !slices.Contains(changeable, name) {
			have, known := now[name]
			if raw, err := json.Marshal(have); !known || err != nil || !sameJSON(raw, v) {
				return invalidProperties("it cannot be changed", path)
			}
			continue
		}
		if raw, err := json.Marshal(now[name]); err == nil && sameJSON(raw, v) {
			continue
		}
		change[name] = v
	}
	if _, ok := change["role"]; ok {
		return invalidProperties("the role of a mailbox that is there cannot be changed", "role")
	}
	if _, ok := change["sortOrder"]; ok {
		return invalidProperties("mailboxes are in the order of their roles and names", "sortOrder")
	}
	_, renamed := change["name"]
	_, moved := change["parentId"]
	if renamed || moved {
		if !f.Rights.Has(mailbox.RightDelete) || f.Role == mailbox.Inbox {
			return &setError{Type: "forbidden", Description: "this mailbox cannot be renamed"}
		}
		parent, name := t.parent(f), t.name(f)
		if moved {
			var bad *setError
			if parent, bad = s.parentOf(t, change["parentId"]); bad != nil {
				return bad
			}
			if parent == nil && !s.own() || parent != nil && !parent.Rights.Has(mailbox.RightCreate) {
				return &setError{Type: "forbidden"}
			}
			for p := parent; p != nil; p = t.parent(p) {
				if p == f {
					return invalidProperties("a mailbox cannot be below itself", "parentId")
				}
			}
		}
		if renamed {
			if name, ok = textOf(change["name"]); !ok {
				return invalidProperties("a name is text", "name")
			}
		}
		path, bad := t.path(name, parent)
		if bad != nil {
			return bad
		}
		if err := s.srv.Mailboxes.Rename(ctx, s.account, f.Name, path); err != nil {
			return err
		}
		f.Name = mailbox.Name(path)
	}
	if v, ok := change["isSubscribed"]; ok {
		on := string(v) == "true"
		if !on && string(v) != "false" {
			return invalidProperties("it is true or false", "isSubscribed")
		}
		name := f.Name
		if !s.own() {
			names, err := s.srv.Accounts.AddressesOf(ctx, []mail.AccountID{s.account})
			if err != nil {
				return err
			}
			name = mailbox.SharedName(names[s.account], f.Name)
		}
		return s.srv.Mailboxes.Subscribe(ctx, s.User.Account, name, on)
	}
	return nil
}

func (s *mailboxSetter) destroy(ctx context.Context, id string, mails bool) error {
	t, err := s.tree(ctx, s.account)
	if err != nil {
		return err
	}
	n, ok := number[mailbox.ID]('m', s.idOf(id))
	f := t.byID[n]
	if !ok || f == nil {
		return &setError{Type: "notFound"}
	}
	if !f.Rights.Has(mailbox.RightDelete) || f.Role == mailbox.Inbox {
		return &setError{Type: "forbidden", Description: "this mailbox cannot be destroyed"}
	}
	for i := range t.list {
		if t.parent(&t.list[i]) == f {
			return &setError{Type: "mailboxHasChild"}
		}
	}
	if f.Total > 0 && !mails {
		return &setError{Type: "mailboxHasEmail"}
	}
	return s.srv.Mailboxes.Remove(ctx, s.account, f.Name)
}

// member is one member of an object, nil when it is not there.
func member(raw jsontext.Value, name string) jsontext.Value {
	var m map[string]jsontext.Value
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m[name]
}

func textOf(v jsontext.Value) (s string, ok bool) {
	return s, len(v) > 0 && v.Kind() == '"' && json.Unmarshal(v, &s) == nil
}

// sameJSON says whether two values are the same, however they are written.
func sameJSON(a, b jsontext.Value) bool {
	x, y := a.Clone(), b.Clone()
	return x.Canonicalize() == nil && y.Canonicalize() == nil && string(x) == string(y)
}

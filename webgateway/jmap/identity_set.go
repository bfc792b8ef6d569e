package jmap

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/accounts"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// identityEdits is a set call on its way: its edits, and what becomes of each.
type identityEdits struct {
	*Call
	out   *setAnswer
	edits []*accounts.IdentityEdit
	done  []func(err error)
}

func (s *identityEdits) add(e *accounts.IdentityEdit, done func(err error)) {
	s.edits, s.done = append(s.edits, e), append(s.done, done)
}

func setIdentities(ctx context.Context, c *Call, a *setArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	list, now, err := c.srv.Identities.Identities(ctx, c.User.ID)
	if err != nil {
		return nil, err
	}
	if err := a.check(mailbox.ModSeq(now)); err != nil {
		return nil, err
	}
	var ifState *int64
	if a.IfInState != nil {
		ifState = &now
	}
	s := &identityEdits{Call: c, out: a.answer(countState(now))}
	a.willDestroy(s.out)
	made, changed := map[string]*accounts.IdentityEdit{}, map[string]*accounts.IdentityEdit{}
	for _, key := range slices.Sorted(maps.Keys(a.Create)) {
		var values map[string]jsontext.Value
		if err := json.Unmarshal(a.Create[key], &values); err != nil {
			s.out.NotCreated[key] = invalidProperties("an identity is an object")
			continue
		}
		e := &accounts.IdentityEdit{}
		if err := s.read(e, values, nil); err != nil {
			s.out.NotCreated[key] = c.refused(err)
			continue
		}
		s.add(e, func(err error) {
			switch {
			case mail.Is(err, mail.NotYours), mail.Is(err, mail.NoSuchUser):
				s.out.NotCreated[key] = &setError{Type: "forbiddenFrom", Description: c.sentence(err), Properties: []string{"email"}}
			case err != nil:
				s.out.NotCreated[key] = c.refused(c.unset(err))
			default:
				made[key] = e
			}
		})
	}
	for _, id := range slices.Sorted(maps.Keys(a.Update)) {
		n, ok := identityNumber(c.idOf(id))
		at := slices.IndexFunc(list, func(i accounts.Identity) bool { return i.ID == n })
		if !ok || at < 0 {
			s.out.NotUpdated[id] = &setError{Type: "notFound"}
			continue
		}
		e := &accounts.IdentityEdit{ID: n}
		if err := s.read(e, a.Update[id], identityObject(list[at])); err != nil {
			s.out.NotUpdated[id] = c.refused(err)
			continue
		}
		s.add(e, func(err error) {
			if err != nil {
				s.out.NotUpdated[id] = c.refused(c.unset(err))
			} else {
				changed[id] = e
			}
		})
	}
	for _, id := range a.Destroy {
		n, ok := identityNumber(c.idOf(id))
		if !ok {
			s.out.NotDestroyed[id] = &setError{Type: "notFound"}
			continue
		}
		s.add(&accounts.IdentityEdit{ID: n, Remove: true}, func(err error) {
			if err != nil {
				s.out.NotDestroyed[id] = c.refused(err)
			} else {
				s.out.Destroyed = append(s.out.Destroyed, id)
			}
		})
	}
	errs, before, after, err := c.srv.Identities.EditIdentities(ctx, c.User.ID, ifState, s.edits)
	if mail.Is(err, mail.Conflict) {
		return nil, &failure{Type: "stateMismatch"}
	}
	if err != nil {
		return nil, err
	}
	for i, err := range errs {
		s.done[i](err)
	}
	old := countState(before)
	s.out.OldState, s.out.NewState = &old, countState(after)
	return s.out, s.said(ctx, a, made, changed)
}

// said adds what the client does not know: what it left out, and what became
// something else than it sent (RFC 8620 §5.3).
func (s *identityEdits) said(ctx context.Context, a *setArgs, made, changed map[string]*accounts.IdentityEdit) error {
	if len(made)+len(changed) == 0 {
		return nil
	}
	list, _, err := s.srv.Identities.Identities(ctx, s.User.ID)
	if err != nil {
		return err
	}
	now := map[int64]object{}
	for _, i := range list {
		now[i.ID] = identityObject(i)
	}
	for key, e := range made {
		s.made(key, identityID(e.ID))
		o := object{"id": identityID(e.ID), "mayDelete": true}
		var sent map[string]jsontext.Value
		if err := json.Unmarshal(a.Create[key], &sent); err != nil {
			return err
		}
		for name, v := range now[e.ID] {
			if raw, err := json.Marshal(v); err != nil || sent[name] == nil || !sameJSON(raw, sent[name]) {
				o[name] = v
			}
		}
		s.out.Created[key] = o
	}
	for id, e := range changed {
		s.out.Updated[id] = otherwise(now[e.ID], a.Update[id])
	}
	return nil
}

// read makes an edit of what a client sets. have is the identity as it is, nil
// for a new one.
func (s *identityEdits) read(e *accounts.IdentityEdit, values map[string]jsontext.Value, have object) error {
	for name, v := range values {
		var err error
		switch name {
		case "name":
			e.Name, err = textArg(name, v)
		case "textSignature":
			e.Text, err = textArg(name, v)
		case "htmlSignature":
			if e.HTML, err = textArg(name, v); err == nil {
				*e.HTML, err = cleaned(*e.HTML, accounts.MaxSignature, "identity-signature", "identity-signature-deep")
				err = s.unset(err, name)
			}
		case "replyTo":
			e.ReplyTo, err = peopleArg(name, v)
		case "bcc":
			e.Bcc, err = peopleArg(name, v)
		default:
			if name == "email" && have == nil {
				var text *string
				if text, err = textArg(name, v); err == nil {
					if e.Make, err = mail.ParseAddress(*text); err != nil {
						err = s.unset(err, name)
					}
				}
				break
			}
			// A client may send the whole object back: what stays as it is may be there.
			is, known := have[name]
			if raw, merr := json.Marshal(is); !known || merr != nil || !sameJSON(raw, v) {
				err = invalidProperties("it cannot be set", name)
				if strings.Contains(name, "/") {
					err = &setError{Type: "invalidPatch", Description: "a list is set as a whole", Properties: []string{name}}
				}
			}
		}
		if err != nil {
			return err
		}
	}
	if have == nil && e.Make.IsZero() {
		return invalidProperties("an identity has an email", "email")
	}
	return nil
}

// unset turns a refusal of a value into one of this object; kinds that say more
// stay what they are.
func (c *Call) unset(err error, names ...string) error {
	if mail.Is(err, mail.TooBig) || mail.Is(err, mail.BadContent) || mail.Is(err, mail.BadAddress) {
		return invalidProperties(c.sentence(err), names...)
	}
	return err
}

func textArg(name string, v jsontext.Value) (*string, error) {
	s, ok := textOf(v)
	if !ok {
		return nil, invalidProperties("it is text", name)
	}
	return &s, nil
}

func peopleArg(name string, v jsontext.Value) (*[]mail.Mailbox, error) {
	var of []personArg
	if err := json.Unmarshal(v, &of, json.RejectUnknownMembers(true)); err != nil {
		return nil, invalidProperties("it is a list of addresses, or null", name)
	}
	if of == nil {
		return new([]mail.Mailbox), nil
	}
	list := []mail.Mailbox{}
	for _, p := range of {
		m := mail.Mailbox{Addr: p.Email}
		if p.Name != nil {
			m.Name = *p.Name
		}
		list = append(list, m)
	}
	return &list, nil
}

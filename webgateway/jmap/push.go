package jmap

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/webgateway/push"
)

// PushSubscription is RFC 8620 §7.2: of whoever is signed in, not of an account, and
// seen by what it was made with alone.

// usingPush says under which key we push (RFC 9749 §3).
const usingPush = "urn:ietf:params:jmap:webpush-vapid"

var pushMethods = map[string]method{
	"PushSubscription/get": {usingCore, typed(getPushes)},
	"PushSubscription/set": {usingCore, typed(setPushes)},
}

const (
	maxDevice    = 255 // characters of deviceClientId
	maxPushTypes = 50
	maxPushType  = 50 // letters of a type's name
)

var pushProperties = []string{"id", "deviceClientId", "verificationCode", "expires", "types"}

type getPushesArgs struct {
	IDs        *[]string `json:"ids"`
	Properties *[]string `json:"properties"`
}

type getPushesAnswer struct {
	List     []object `json:"list"`
	NotFound []string `json:"notFound"`
}

func pushObject(e push.Subscription) object {
	o := object{"id": push.ID(e.ID), "deviceClientId": e.Device, "verificationCode": nil, "expires": utcDate(e.Expires), "types": nil}
	if e.Code != "" {
		o["verificationCode"] = e.Code
	}
	if len(e.Types) > 0 {
		o["types"] = e.Types
	}
	return o
}

func getPushes(ctx context.Context, c *Call, a *getPushesArgs) (any, error) {
	if c.srv.Push == nil {
		return nil, &failure{Type: "unknownMethod"}
	}
	// Where a subscription leads is never said again (RFC 8620 §7.2.1).
	if a.Properties != nil && slices.ContainsFunc(*a.Properties, func(name string) bool { return name == "url" || name == "keys" }) {
		return nil, &failure{Type: "forbidden"}
	}
	wanted, err := properties(a.Properties, pushProperties)
	if err != nil {
		return nil, err
	}
	ids, all, err := (&getArgs{IDs: a.IDs}).asked()
	if err != nil {
		return nil, err
	}
	list, err := c.srv.Push.List(ctx, c.User)
	if err != nil {
		return nil, err
	}
	out := &getPushesAnswer{List: []object{}, NotFound: []string{}}
	have := map[string]push.Subscription{}
	for _, e := range list {
		have[push.ID(e.ID)] = e
		if all {
			ids = append(ids, push.ID(e.ID))
		}
	}
	for _, id := range ids {
		if e, ok := have[id]; ok {
			out.List = append(out.List, pushObject(e).only(wanted))
		} else {
			out.NotFound = append(out.NotFound, id)
		}
	}
	return out, nil
}

type setPushesArgs struct {
	Create  map[string]map[string]jsontext.Value `json:"create"`
	Update  map[string]map[string]jsontext.Value `json:"update"`
	Destroy []string                             `json:"destroy"`
}

// setPushesAnswer has no states: the type has none (RFC 8620 §7.2.2).
type setPushesAnswer struct {
	Created      map[string]object    `json:"created"`
	Updated      map[string]object    `json:"updated"`
	Destroyed    []string             `json:"destroyed"`
	NotCreated   map[string]*setError `json:"notCreated"`
	NotUpdated   map[string]*setError `json:"notUpdated"`
	NotDestroyed map[string]*setError `json:"notDestroyed"`
}

func setPushes(ctx context.Context, c *Call, a *setPushesArgs) (any, error) {
	if c.srv.Push == nil {
		return nil, &failure{Type: "unknownMethod"}
	}
	if len(a.Create)+len(a.Update)+len(a.Destroy) > maxObjectsInSet {
		return nil, &failure{Type: "requestTooLarge"}
	}
	out := &setPushesAnswer{Created: map[string]object{}, Updated: map[string]object{}, Destroyed: []string{},
		NotCreated: map[string]*setError{}, NotUpdated: map[string]*setError{}, NotDestroyed: map[string]*setError{}}
	for _, key := range slices.Sorted(maps.Keys(a.Create)) {
		w, err := c.readPush(a.Create[key])
		var e push.Subscription
		if err == nil {
			e, err = c.srv.Push.Create(ctx, c.User, w)
		}
		if err != nil {
			out.NotCreated[key] = c.refused(err)
			continue
		}
		c.made(key, push.ID(e.ID))
		out.Created[key] = object{"id": push.ID(e.ID), "expires": utcDate(e.Expires)}
	}
	destroys := map[string]bool{}
	for _, name := range a.Destroy {
		destroys[c.idOf(name)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(a.Update)) {
		if destroys[c.idOf(name)] {
			out.NotUpdated[name] = &setError{Type: "willDestroy"}
			continue
		}
		o, err := c.changePush(ctx, c.idOf(name), a.Update[name])
		if err != nil {
			out.NotUpdated[name] = c.refused(err)
			continue
		}
		out.Updated[name] = o
	}
	for _, id := range slices.Sorted(maps.Keys(destroys)) {
		n, ok := number[int64]('p', id)
		var err error = mail.Refuse(mail.NotFound, "kind-not-found")
		if ok {
			err = c.srv.Push.Destroy(ctx, c.User, n)
		}
		if err != nil {
			out.NotDestroyed[id] = c.refused(err)
			continue
		}
		out.Destroyed = append(out.Destroyed, id)
	}
	return out, nil
}

// readPush reads a subscription that is to be made.
func (c *Call) readPush(values map[string]jsontext.Value) (w push.Wish, err error) {
	for name, v := range values {
		ok := true
		switch name {
		case "deviceClientId":
			w.Device, ok = textOf(v)
			ok = ok && w.Device != "" && utf8.RuneCountInString(w.Device) <= maxDevice
		case "url":
			var address string
			if address, ok = textOf(v); ok {
				if w.Address, err = c.srv.Push.CheckAddress(address); err != nil {
					return w, c.badValue(err, "url")
				}
			}
		case "keys":
			w.Keys, err = keysArg(v)
			ok = err == nil
		case "verificationCode": // it is pushed, not chosen
			ok = null(v)
		case "expires":
			w.Expires, err = c.expiresArg(v)
			ok = err == nil
		case "types":
			w.Types, ok = typesArg(v)
		default:
			return w, invalidProperties("there is no such property to set", name)
		}
		if !ok {
			return w, invalidProperties("this cannot be its value", name)
		}
	}
	if w.Address == nil || w.Device == "" {
		return w, invalidProperties("deviceClientId and url are needed", "deviceClientId", "url")
	}
	return w, nil
}

func (c *Call) changePush(ctx context.Context, id string, values map[string]jsontext.Value) (object, error) {
	n, ok := number[int64]('p', id)
	if !ok {
		return nil, mail.Refuse(mail.NotFound, "kind-not-found")
	}
	var change push.Change
	for name, v := range values {
		ok := true
		switch name {
		case "verificationCode":
			var code string
			if code, ok = textOf(v); ok {
				change.Code = &code
			}
		case "expires":
			t, err := c.expiresArg(v)
			change.Expires, ok = &t, err == nil
		case "types":
			var types []string
			types, ok = typesArg(v)
			change.Types = &types
		default: // the others never change (RFC 8620 §7.2)
			return nil, invalidProperties("it cannot be changed", name)
		}
		if !ok {
			return nil, invalidProperties("this cannot be its value", name)
		}
	}
	e, err := c.srv.Push.Update(ctx, c.User, n, change)
	if errors.Is(err, push.ErrCode) {
		return nil, invalidProperties(err.Error(), "verificationCode")
	}
	if err != nil {
		return nil, err
	}
	return otherwise(pushObject(e), values), nil
}

// expiresArg reads until when; null is as late as may be.
func (c *Call) expiresArg(v jsontext.Value) (time.Time, error) {
	t, err := dateArg(v)
	if err == nil && !t.IsZero() && !t.After(c.srv.now()) {
		err = errors.New("it is over already")
	}
	return t, err
}

func keysArg(v jsontext.Value) (*push.Keys, error) {
	if null(v) {
		return nil, nil
	}
	var k struct {
		P256dh string `json:"p256dh"`
		Auth   string `json:"auth"`
	}
	if err := json.Unmarshal(v, &k); err != nil {
		return nil, err
	}
	return push.ReadKeys(k.P256dh, k.Auth)
}

// typesArg reads names of types, also of those that we do not have: a client may know
// more of them than we do. An empty list would be one that is never told anything.
func typesArg(v jsontext.Value) (types []string, ok bool) {
	if null(v) {
		return nil, true
	}
	if json.Unmarshal(v, &types) != nil || len(types) == 0 || len(types) > maxPushTypes {
		return nil, false
	}
	for _, t := range types {
		if t == "" || len(t) > maxPushType || strings.Trim(t, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
			return nil, false
		}
	}
	return types, true
}

// PushStates are what package push tells of.
func (s *Server) PushStates(ctx context.Context, u mail.User, types []string) ([]mail.AccountID, push.States, error) {
	accounts, err := s.Mailboxes.Accounts(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	if types == nil {
		types = allPushed()
	}
	n, err := s.news(ctx, u, accounts, types)
	return accounts, push.States(n), err
}

// pushCapability is what the session says about it; nil without push.
func (s *Server) pushCapability(ctx context.Context) (any, error) {
	if s.Push == nil {
		return nil, nil
	}
	key, err := s.Push.ApplicationServerKey(ctx)
	return map[string]string{"applicationServerKey": key}, err
}

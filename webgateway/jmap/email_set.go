package jmap

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// Filer files a mail that a member brings; *delivery.Door is one.
type Filer interface {
	File(ctx context.Context, u mail.User, to mailbox.Mailbox, next func() (*mailbox.Upload, error), old *mailbox.Spot) ([]mailbox.Placed, error)
}

func setEmails(ctx context.Context, c *Call, a *setArgs) (any, error) {
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
	out := a.answer(state(now))
	a.willDestroy(out)
	for _, key := range slices.Sorted(maps.Keys(a.Create)) {
		o, err := c.createEmail(ctx, account, a.Create[key])
		if err != nil {
			out.NotCreated[key] = c.refused(err)
			continue
		}
		c.made(key, o["id"].(string))
		out.Created[key] = o
	}
	if err := c.changeEmails(ctx, account, a, out); err != nil {
		return nil, err
	}
	after, err := c.srv.Mailboxes.State(ctx, account)
	out.NewState = state(after)
	return out, err
}

// changeEmails does all updates and destructions in one transaction, where it can.
func (c *Call) changeEmails(ctx context.Context, account mail.AccountID, a *setArgs, out *setAnswer) error {
	var ids []mailbox.EmailID
	var keys []string
	for _, key := range slices.Concat(slices.Sorted(maps.Keys(a.Update)), a.Destroy) {
		if id, ok := number[mailbox.EmailID]('e', c.idOf(key)); ok {
			ids, keys = append(ids, id), append(keys, key)
		} else if _, updated := a.Update[key]; updated {
			out.NotUpdated[key] = &setError{Type: "notFound"}
		} else {
			out.NotDestroyed[key] = &setError{Type: "notFound"}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	emails, err := c.srv.Mailboxes.Emails(ctx, c.User, account, ids)
	if err != nil {
		return err
	}
	var patches []mailbox.EmailPatch
	var of []string
	for i, key := range keys {
		update, updated := a.Update[key]
		refuse := out.NotDestroyed
		if updated {
			refuse = out.NotUpdated
		}
		e := emails[i]
		if e == nil {
			refuse[key] = &setError{Type: "notFound"}
			continue
		}
		p := mailbox.EmailPatch{ID: e.ID, Destroy: !updated}
		if updated {
			if bad := c.patchOf(e, update, &p); bad != nil {
				refuse[key] = bad
				continue
			}
		}
		patches, of = append(patches, p), append(of, key)
	}
	if len(patches) == 0 {
		return nil
	}
	errs, _, _, err := c.srv.Mailboxes.Patch(ctx, c.User, account, nil, patches)
	if err != nil {
		return err
	}
	for i, key := range of {
		_, updated := a.Update[key]
		switch {
		case errs[i] != nil && updated:
			out.NotUpdated[key] = c.refused(errs[i])
		case errs[i] != nil:
			out.NotDestroyed[key] = c.refused(errs[i])
		case updated:
			out.Updated[key] = nil
		default:
			out.Destroyed = append(out.Destroyed, key)
		}
	}
	return nil
}

// patchOf reads what is to become of an email. Besides mailboxIds and keywords
// nothing of a mail can be changed; it may be there as it is.
func (c *Call) patchOf(e *mailbox.Email, update map[string]jsontext.Value, p *mailbox.EmailPatch) *setError {
	changes, bad := patches(update, []string{"mailboxIds", "keywords"})
	if bad != nil {
		return bad
	}
	if m := changes["mailboxIds"]; m != nil {
		have := map[string]bool{}
		for _, at := range e.Places {
			have[boxID(at.Mailbox)] = true
		}
		in, bad := m.apply("mailboxIds", have)
		if bad != nil {
			return bad
		}
		only, bad := c.boxes(in)
		if bad != nil {
			return bad
		}
		p.Only = only
	}
	if k := changes["keywords"]; k != nil {
		have := keywordsOf(e.Flags)
		keywords, bad := k.apply("keywords", have)
		if bad != nil {
			return bad
		}
		// Only what changes is set: what another program does meanwhile stays.
		for word := range keywords {
			flag, ok := flagOf(word)
			if !ok {
				return invalidProperties("this is no keyword", "keywords/"+word)
			}
			if !have[strings.ToLower(word)] {
				p.Set = append(p.Set, flag)
			}
		}
		for word := range have {
			if !keywords[word] && !hasFold(keywords, word) {
				if flag, ok := flagOf(word); ok {
					p.Clear = append(p.Clear, flag)
				}
			}
		}
	}
	return nil
}

func hasFold(words map[string]bool, word string) bool {
	for w := range words {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

// boxes reads mailboxIds.
func (c *Call) boxes(in map[string]bool) (list []mailbox.ID, _ *setError) {
	for _, s := range slices.Sorted(maps.Keys(in)) {
		if !in[s] {
			return nil, invalidProperties("a value is true or not there", "mailboxIds")
		}
		id, ok := number[mailbox.ID]('m', c.idOf(s))
		if !ok {
			return nil, invalidProperties("there is no such mailbox", "mailboxIds")
		}
		list = append(list, id)
	}
	if len(list) == 0 {
		return nil, invalidProperties("an email is in at least one mailbox", "mailboxIds")
	}
	return list, nil
}

// filing is where and how a new email is kept.
type filing struct {
	boxes []mailbox.ID
	flags []string
	date  time.Time
}

// filingOf reads mailboxIds, keywords and receivedAt.
func (c *Call) filingOf(mailboxIDs, keywords map[string]bool, received *time.Time) (f filing, bad *setError) {
	if f.boxes, bad = c.boxes(mailboxIDs); bad != nil {
		return f, bad
	}
	for word := range keywords {
		flag, ok := flagOf(word)
		if !ok || !keywords[word] {
			return f, invalidProperties("this is no keyword", "keywords/"+word)
		}
		f.flags = append(f.flags, flag)
	}
	if received != nil {
		f.date = *received
	}
	return f, nil
}

// file keeps a mail, and answers what the client does not know of it.
func (c *Call) file(ctx context.Context, account mail.AccountID, f filing, size int64, body io.Reader) (object, error) {
	if c.srv.Filer == nil {
		return nil, mail.Wrap(mail.Unavailable, errors.New("nothing can be filed"))
	}
	t, err := c.tree(ctx, account)
	if err != nil {
		return nil, err
	}
	for _, id := range f.boxes {
		if b := t.byID[id]; b == nil {
			return nil, invalidProperties("there is no such mailbox", "mailboxIds")
		} else if !b.Rights.Has(mailbox.RightInsert) {
			return nil, &setError{Type: "forbidden"}
		}
	}
	to := t.byID[f.boxes[0]]
	f.flags = slices.DeleteFunc(f.flags, func(flag string) bool { return !to.Rights.MaySet(flag) })
	first := true
	placed, err := c.srv.Filer.File(ctx, c.User, to.Mailbox, func() (*mailbox.Upload, error) {
		if !first {
			return nil, io.EOF
		}
		first = false
		return &mailbox.Upload{Flags: f.flags, Date: f.date, Size: size, Body: body}, nil
	}, nil)
	if err != nil {
		return nil, err
	}
	id := placed[0].Email
	if len(f.boxes) > 1 {
		errs, _, _, err := c.srv.Mailboxes.Patch(ctx, c.User, account, nil, []mailbox.EmailPatch{{ID: id, Into: f.boxes[1:]}})
		if err == nil {
			err = errs[0]
		}
		if err != nil {
			return nil, err
		}
	}
	emails, err := c.srv.Mailboxes.Emails(ctx, c.User, account, []mailbox.EmailID{id})
	if err != nil {
		return nil, err
	}
	o := object{"id": emailID(id), "blobId": mailBlob(id), "threadId": threadID(placed[0].Thread), "size": size}
	if e := emails[0]; e != nil { // a program may have taken it in already
		o["size"] = e.Size
	}
	return o, nil
}

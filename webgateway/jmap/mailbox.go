package jmap

import (
	"context"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// Mailboxes are those of store/mailbox (RFC 8621 §2). Their name there is a
// path; here each is called by the last part of it, and knows its parent.

var mailboxMethods = map[string]method{
	"Mailbox/get":          {usingMail, typed(getMailboxes)},
	"Mailbox/changes":      {usingMail, typed(changesOfMailboxes)},
	"Mailbox/query":        {usingMail, typed(queryMailboxes)},
	"Mailbox/queryChanges": {usingMail, typed(queryChangesOfMailboxes)},
	"Mailbox/set":          {usingMail, typed(setMailboxes)},
}

var mailboxProperties = []string{"id", "name", "parentId", "role", "sortOrder", "totalEmails", "unreadEmails", "totalThreads", "unreadThreads", "myRights", "isSubscribed"}

// tree is the mailboxes of an account as the member sees them.
type tree struct {
	list   []mailbox.Folder
	byName map[string]*mailbox.Folder
	byID   map[mailbox.ID]*mailbox.Folder
}

func (c *Call) tree(ctx context.Context, account mail.AccountID) (*tree, error) {
	list, err := c.srv.Mailboxes.InAccount(ctx, c.User, account)
	if err != nil {
		return nil, err
	}
	t := &tree{list: list, byName: map[string]*mailbox.Folder{}, byID: map[mailbox.ID]*mailbox.Folder{}}
	for i := range list {
		t.byName[list[i].Name], t.byID[list[i].ID] = &list[i], &list[i]
	}
	return t, nil
}

// parent is the nearest mailbox above f that the member sees.
func (t *tree) parent(f *mailbox.Folder) *mailbox.Folder {
	for name := f.Name; ; {
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return nil
		}
		name = name[:i]
		if p := t.byName[name]; p != nil {
			return p
		}
	}
}

// name is what stands behind the parent.
func (t *tree) name(f *mailbox.Folder) string {
	if p := t.parent(f); p != nil {
		return strings.TrimPrefix(f.Name, p.Name+"/")
	}
	return f.Name
}

func (t *tree) parentID(f *mailbox.Folder) any {
	if p := t.parent(f); p != nil {
		return boxID(p.ID)
	}
	return nil
}

func boxID(id mailbox.ID) string { return mailbox.ObjectID('m', int64(id)) }

// sortOrder is where programs show a mailbox: what has a role comes first.
func sortOrder(r mailbox.Role) int {
	for i, role := range []mailbox.Role{mailbox.Inbox, mailbox.Drafts, mailbox.Sent, mailbox.Archive, mailbox.Junk, mailbox.Trash} {
		if r == role {
			return i + 1
		}
	}
	return 10
}

func (t *tree) object(f *mailbox.Folder, n mailbox.Tally) object {
	r := f.Rights
	o := object{
		"id": boxID(f.ID), "name": t.name(f), "parentId": t.parentID(f), "role": nil, "sortOrder": sortOrder(f.Role), "isSubscribed": f.Subscribed,
		"totalEmails": n.Emails, "unreadEmails": n.Unread, "totalThreads": n.Threads, "unreadThreads": n.UnreadThreads,
		"myRights": map[string]bool{
			"mayReadItems": r.Has(mailbox.RightLookup + mailbox.RightRead), "mayAddItems": r.Has(mailbox.RightInsert),
			"mayRemoveItems": r.Has(mailbox.RightDeleteMails + mailbox.RightExpunge), "maySetSeen": r.Has(mailbox.RightSeen),
			"maySetKeywords": r.Has(mailbox.RightWrite), "mayCreateChild": r.Has(mailbox.RightCreate),
			"mayRename": r.Has(mailbox.RightDelete) && f.Role != mailbox.Inbox, "mayDelete": r.Has(mailbox.RightDelete) && f.Role != mailbox.Inbox,
			"maySubmit": r.Has(mailbox.RightPost),
		},
	}
	if f.Role != "" {
		o["role"] = string(f.Role)
	}
	return o
}

func getMailboxes(ctx context.Context, c *Call, a *getArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	wanted, err := properties(a.Properties, mailboxProperties)
	if err != nil {
		return nil, err
	}
	ids, all, err := a.asked()
	if err != nil {
		return nil, err
	}
	// The state first: what changes meanwhile is told again, and not missed.
	now, err := c.srv.Mailboxes.State(ctx, account)
	if err != nil {
		return nil, err
	}
	t, err := c.tree(ctx, account)
	if err != nil {
		return nil, err
	}
	var counts map[mailbox.ID]mailbox.Tally
	if wanted["totalEmails"] || wanted["unreadEmails"] || wanted["totalThreads"] || wanted["unreadThreads"] {
		if counts, err = c.srv.Mailboxes.Tallies(ctx, c.User, account); err != nil {
			return nil, err
		}
	}
	out := &getAnswer{AccountID: a.AccountID, State: state(now), List: []object{}, NotFound: []string{}}
	if all {
		for i := range t.list {
			f := &t.list[i]
			out.List = append(out.List, t.object(f, counts[f.ID]).only(wanted))
		}
		return out, nil
	}
	for _, s := range ids {
		n, ok := number[mailbox.ID]('m', c.idOf(s))
		if f := t.byID[n]; ok && f != nil {
			out.List = append(out.List, t.object(f, counts[n]).only(wanted))
		} else {
			out.NotFound = append(out.NotFound, s)
		}
	}
	return out, nil
}

// mailboxChangesAnswer says besides when nothing changed but counts.
type mailboxChangesAnswer struct {
	changesAnswer     `json:",embed"`
	UpdatedProperties []string `json:"updatedProperties"`
}

func changesOfMailboxes(ctx context.Context, c *Call, a *changesArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	since, err := sinceState(a.SinceState)
	if err != nil {
		return nil, err
	}
	most, err := a.most()
	if err != nil {
		return nil, err
	}
	got, err := c.srv.Mailboxes.MailboxChanges(ctx, c.User, account, since, most)
	if err != nil {
		return nil, err
	}
	out := &mailboxChangesAnswer{changesAnswer: *changed(a, got.Changes, 'm')}
	if got.CountsOnly && len(got.Updated) > 0 {
		out.UpdatedProperties = []string{"totalEmails", "unreadEmails", "totalThreads", "unreadThreads"}
	}
	return out, nil
}

// path is the name in store/mailbox of a mailbox called name below parent.
func (t *tree) path(name string, parent *mailbox.Folder) (string, *setError) {
	if name == "" || strings.Contains(name, "/") || len(name) > 255 {
		return "", invalidProperties("a name has 1 to 255 octets and no /", "name")
	}
	if parent != nil {
		return parent.Name + "/" + name, nil
	}
	if mailbox.IsShared(name) || strings.EqualFold(name, "INBOX") {
		return "", invalidProperties("this name is taken by the server", "name")
	}
	return name, nil
}

// parentOf reads a parentId.
func (c *Call) parentOf(t *tree, v jsontext.Value) (*mailbox.Folder, *setError) {
	if null(v) {
		return nil, nil
	}
	s, ok := textOf(v)
	id, ok2 := number[mailbox.ID]('m', c.idOf(s))
	if p := t.byID[id]; ok && ok2 && p != nil {
		return p, nil
	}
	return nil, invalidProperties("there is no such mailbox", "parentId")
}

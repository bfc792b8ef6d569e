package jmap

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/store/mailbox"
)

type emailQueryArgs struct {
	queryArgs       `json:",embed"`
	CollapseThreads bool `json:"collapseThreads"`
}

// emailQueryAnswer says whether it was collapsed, for those who gave no answer
// to that.
type emailQueryAnswer struct {
	queryAnswer     `json:",embed"`
	CollapseThreads bool `json:"collapseThreads"`
}

// joins are the operators of filters.
var joins = map[string]mailbox.Join{"AND": mailbox.JoinAnd, "OR": mailbox.JoinOr, "NOT": mailbox.JoinNot}

func emailFilter(raw jsontext.Value) (*mailbox.Filter, error) {
	if null(raw) {
		return nil, nil
	}
	return filterOf(raw, 0, func(op string, of []*mailbox.Filter) *mailbox.Filter {
		return &mailbox.Filter{Join: joins[op], Of: of}
	}, func(raw jsontext.Value) (*mailbox.Filter, error) {
		c, err := emailCondition(raw)
		return &mailbox.Filter{Condition: c}, err
	})
}

// emailCondition is RFC 8621 §4.4.1.
func emailCondition(raw jsontext.Value) (*mailbox.Condition, error) {
	var q struct {
		InMailbox          *string    `json:"inMailbox"`
		InMailboxOtherThan []string   `json:"inMailboxOtherThan"`
		Before             *time.Time `json:"before"`
		After              *time.Time `json:"after"`
		MinSize            *int64     `json:"minSize"`
		MaxSize            *int64     `json:"maxSize"`
		AllInThread        string     `json:"allInThreadHaveKeyword"`
		SomeInThread       string     `json:"someInThreadHaveKeyword"`
		NoneInThread       string     `json:"noneInThreadHaveKeyword"`
		HasKeyword         string     `json:"hasKeyword"`
		NotKeyword         string     `json:"notKeyword"`
		HasAttachment      *bool      `json:"hasAttachment"`
		Text               string     `json:"text"`
		From               string     `json:"from"`
		To                 string     `json:"to"`
		Cc                 string     `json:"cc"`
		Bcc                string     `json:"bcc"`
		Subject            string     `json:"subject"`
		Body               string     `json:"body"`
		Header             []string   `json:"header"`
	}
	if err := json.Unmarshal(raw, &q, json.RejectUnknownMembers(true)); err != nil {
		if len(where(err)) > 0 && strings.Contains(why(err), "no such") {
			return nil, &failure{Type: "unsupportedFilter", Description: why(err), Arguments: where(err)}
		}
		return nil, invalid(why(err), "filter")
	}
	c := &mailbox.Condition{MinSize: q.MinSize, MaxSize: q.MaxSize, Attachment: q.HasAttachment, Text: q.Text, From: q.From, To: q.To,
		Cc: q.Cc, Bcc: q.Bcc, Subject: q.Subject, Body: q.Body}
	if q.InMailbox != nil {
		id, ok := number[mailbox.ID]('m', *q.InMailbox)
		if !ok || id == 0 {
			return nil, invalid("there is no such mailbox", "filter")
		}
		c.In = id
	}
	for _, s := range q.InMailboxOtherThan {
		id, ok := number[mailbox.ID]('m', s)
		if !ok {
			return nil, invalid("there is no such mailbox", "filter")
		}
		c.InOtherThan = append(c.InOtherThan, id)
	}
	if q.Before != nil {
		c.Before = *q.Before
	}
	if q.After != nil {
		c.After = *q.After
	}
	for _, k := range []struct {
		keyword string
		to      *string
	}{{q.AllInThread, &c.AllInThread}, {q.SomeInThread, &c.SomeInThread}, {q.NoneInThread, &c.NoneInThread}, {q.HasKeyword, &c.Has}, {q.NotKeyword, &c.Lacks}} {
		if k.keyword == "" {
			continue
		}
		flag, ok := flagOf(k.keyword)
		if !ok {
			return nil, invalid("this is no keyword", "filter")
		}
		*k.to = flag
	}
	switch len(q.Header) {
	case 0:
	case 1:
		c.Header = &mailbox.HeaderQuery{Field: q.Header[0]}
	case 2:
		c.Header = &mailbox.HeaderQuery{Field: q.Header[0], Value: q.Header[1]}
	default:
		return nil, invalid("header has a name and perhaps a text", "filter")
	}
	return c, nil
}

// orders are what emails can be sorted by (RFC 8621 §4.4.2).
var orders = map[string]mailbox.SortKey{"receivedAt": mailbox.ByArrival, "sentAt": mailbox.ByDate, "size": mailbox.BySize, "from": mailbox.ByDisplayFrom,
	"to": mailbox.ByDisplayTo, "subject": mailbox.BySubject, "hasKeyword": mailbox.ByFlag, "allInThreadHaveKeyword": mailbox.ByAllInThread,
	"someInThreadHaveKeyword": mailbox.BySomeInThread}

func sortOptions() []string {
	var all []string
	for name := range orders {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func emailOrder(by []comparator) (out []mailbox.EmailOrder, err error) {
	for _, k := range by {
		key, ok := orders[k.Property]
		if !ok {
			return nil, &failure{Type: "unsupportedSort", Description: "there is no order by " + quoted(k.Property)}
		}
		if k.Collation != "" && k.Collation != "i;unicode-casemap" {
			return nil, &failure{Type: "unsupportedSort", Description: "there is no collation " + quoted(k.Collation)}
		}
		o := mailbox.EmailOrder{By: key, Reverse: k.descending()}
		if strings.HasSuffix(k.Property, "Keyword") {
			if o.Flag, ok = flagOf(k.Keyword); !ok {
				return nil, invalid("this order needs a keyword", "sort")
			}
		}
		out = append(out, o)
	}
	return out, nil
}

func queryEmails(ctx context.Context, c *Call, a *emailQueryArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	q, err := emailQuery(a.Filter, a.Sort, a.CollapseThreads)
	if err != nil {
		return nil, err
	}
	now, err := c.srv.Mailboxes.State(ctx, account)
	if err != nil {
		return nil, err
	}
	found, err := c.srv.Mailboxes.QueryAll(ctx, c.User, account, q)
	if err != nil {
		return nil, err
	}
	first, last, limit, err := a.window(len(found), func(id string) int {
		n, _ := number[mailbox.EmailID]('e', c.idOf(id))
		return slices.Index(found, n)
	})
	if err != nil {
		return nil, err
	}
	out := &emailQueryAnswer{queryAnswer: queryAnswer{AccountID: a.AccountID, QueryState: state(now), CanCalculateChanges: true, Position: first,
		IDs: make([]string, last-first), Limit: limit}, CollapseThreads: a.CollapseThreads}
	for i, id := range found[first:last] {
		out.IDs[i] = emailID(id)
	}
	if a.CalculateTotal {
		n := len(found)
		out.Total = &n
	}
	return out, nil
}

func emailQuery(filter jsontext.Value, by []comparator, collapse bool) (*mailbox.AccountQuery, error) {
	f, err := emailFilter(filter)
	if err != nil {
		return nil, err
	}
	order, err := emailOrder(by)
	if err != nil {
		return nil, err
	}
	return &mailbox.AccountQuery{Filter: f, Sort: order, Collapse: collapse}, nil
}

type emailQueryChangesArgs struct {
	queryChangesArgs `json:",embed"`
	CollapseThreads  bool `json:"collapseThreads"`
}

// queryChangesOfEmails tells what a client has to take out of its list and put
// in (RFC 8620 §5.6). Everything that changed since may have left the results or
// moved in them: it is taken out, and put in again where it is now. Of threads
// that changed that holds for all mails, because another may stand for them now,
// and because a filter may ask for the whole thread.
func queryChangesOfEmails(ctx context.Context, c *Call, a *emailQueryChangesArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	since, err := sinceState(a.SinceState)
	if err != nil {
		return nil, err
	}
	most, err := (&changesArgs{MaxChanges: a.MaxChanges}).most()
	if err != nil {
		return nil, err
	}
	q, err := emailQuery(a.Filter, a.Sort, a.CollapseThreads)
	if err != nil {
		return nil, err
	}
	got, err := c.srv.Mailboxes.EmailChanges(ctx, c.User, account, since, 0)
	if err != nil {
		return nil, err
	}
	touched := map[mailbox.EmailID]bool{}
	for _, list := range [][]mailbox.EmailID{got.Created, got.Updated, got.Destroyed} {
		for _, id := range list {
			touched[id] = true
		}
	}
	if len(touched) > maxQuery {
		return nil, &failure{Type: "tooManyChanges"}
	}
	changed := append(slices.Clone(got.Created), got.Updated...)
	emails, err := c.srv.Mailboxes.Emails(ctx, c.User, account, changed)
	if err != nil {
		return nil, err
	}
	var threads []mailbox.ThreadID
	for _, e := range emails {
		if e != nil && !slices.Contains(threads, e.Thread) {
			threads = append(threads, e.Thread)
		}
	}
	moved, err := c.srv.Mailboxes.ThreadChanges(ctx, c.User, account, since, 0)
	if err != nil {
		return nil, err
	}
	threads = append(append(threads, moved.Created...), moved.Updated...)
	mails, err := c.srv.Mailboxes.ThreadMails(ctx, c.User, account, threads)
	if err != nil {
		return nil, err
	}
	for _, list := range mails {
		for _, id := range list {
			touched[id] = true
		}
	}
	found, err := c.srv.Mailboxes.QueryAll(ctx, c.User, account, q)
	if err != nil {
		return nil, err
	}
	out := &queryChangesAnswer{AccountID: a.AccountID, OldState: a.SinceState, NewState: state(got.To), Removed: []string{}, Added: []addedItem{}}
	for id := range touched {
		out.Removed = append(out.Removed, emailID(id))
	}
	slices.Sort(out.Removed)
	for i, id := range found {
		if touched[id] {
			out.Added = append(out.Added, addedItem{emailID(id), i})
		}
	}
	if most > 0 && len(out.Removed)+len(out.Added) > most {
		return nil, &failure{Type: "tooManyChanges"}
	}
	if a.CalculateTotal {
		n := len(found)
		out.Total = &n
	}
	return out, nil
}

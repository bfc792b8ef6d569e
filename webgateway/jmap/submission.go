package jmap

import (
	"context"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
)

// Submitter sends a member's mail as if it had come by SMTP; smtp.Server does.
type Submitter interface {
	Submit(ctx context.Context, u mail.User, c mail.Client, env *mail.Envelope, to []mail.Recipient, body io.Reader) (refused []mail.Recipient, err error)
}

// maxDelay is how long a mail may be held (RFC 4865, FUTURERELEASE).
const maxDelay = 30 * 24 * time.Hour

var submissionMethods = map[string]method{
	"EmailSubmission/get":          {usingSubmission, typed(getSubmissions)},
	"EmailSubmission/changes":      {usingSubmission, typed(changesOfSubmissions)},
	"EmailSubmission/query":        {usingSubmission, typed(querySubmissions)},
	"EmailSubmission/queryChanges": {usingSubmission, typed(queryChangesOfSubmissions)},
	"EmailSubmission/set":          {usingSubmission, typed(setSubmissions)},
}

var submissionProperties = []string{"id", "identityId", "emailId", "threadId", "envelope", "sendAt", "undoStatus", "deliveryStatus", "dsnBlobIds", "mdnBlobIds"}

func submissionID(id int64) string { return mailbox.ObjectID('s', id) }

// submissions are all that the account has, with their state. A mail becomes
// final by time alone: so the last hour that has passed is part of the state.
func (c *Call) submissions(ctx context.Context, account mail.AccountID) (list []delivery.Submission, state string, err error) {
	list, err = c.srv.Submissions.List(ctx, account)
	last, canceled := time.Time{}, 0
	now := c.srv.now()
	for _, s := range list {
		if s.Created.After(last) {
			last = s.Created
		}
		if s.SendAt.After(last) && !s.SendAt.After(now) {
			last = s.SendAt
		}
		if s.Canceled {
			canceled++
		}
	}
	return list, strconv.FormatInt(store.Micros(last), 36) + "-" + strconv.Itoa(canceled), err
}

func (c *Call) undo(s delivery.Submission) string {
	switch {
	case s.Canceled:
		return "canceled"
	case c.srv.Submissions.Pending(s):
		return "pending"
	}
	return "final"
}

func (c *Call) submissionObject(s delivery.Submission) object {
	return object{"id": submissionID(s.ID), "identityId": s.Identity, "emailId": emailID(mailbox.EmailID(s.Email)), "threadId": threadID(mailbox.ThreadID(s.Thread)),
		"envelope": jsontext.Value(s.Envelope), "sendAt": utcDate(s.SendAt), "undoStatus": c.undo(s), "deliveryStatus": nil, "dsnBlobIds": []string{}, "mdnBlobIds": []string{}}
}

func getSubmissions(ctx context.Context, c *Call, a *getArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	wanted, err := properties(a.Properties, submissionProperties)
	if err != nil {
		return nil, err
	}
	ids, all, err := a.asked()
	if err != nil {
		return nil, err
	}
	list, state, err := c.submissions(ctx, account)
	if err != nil {
		return nil, err
	}
	out := &getAnswer{AccountID: a.AccountID, State: state, List: []object{}, NotFound: []string{}}
	for _, s := range list {
		if all || slices.Contains(ids, submissionID(s.ID)) {
			out.List = append(out.List, c.submissionObject(s).only(wanted))
			ids = slices.DeleteFunc(ids, func(id string) bool { return id == submissionID(s.ID) })
		}
	}
	out.NotFound = append(out.NotFound, ids...)
	return out, nil
}

// changesOfSubmissions knows only whether something happened.
func changesOfSubmissions(ctx context.Context, c *Call, a *changesArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	if _, err := a.most(); err != nil {
		return nil, err
	}
	_, state, err := c.submissions(ctx, account)
	if err == nil && state != a.SinceState {
		err = &failure{Type: "cannotCalculateChanges"}
	}
	return &changesAnswer{AccountID: a.AccountID, OldState: state, NewState: state, Created: []string{}, Updated: []string{}, Destroyed: []string{}}, err
}

func querySubmissions(ctx context.Context, c *Call, a *queryArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	var f struct {
		IdentityIDs []string   `json:"identityIds"`
		EmailIDs    []string   `json:"emailIds"`
		ThreadIDs   []string   `json:"threadIds"`
		UndoStatus  string     `json:"undoStatus"`
		Before      *time.Time `json:"before"`
		After       *time.Time `json:"after"`
	}
	if err := filter(a.Filter, &f); err != nil {
		return nil, err
	}
	for _, k := range a.Sort {
		if k.Property != "sentAt" && k.Property != "sendAt" {
			return nil, &failure{Type: "unsupportedSort"}
		}
	}
	list, state, err := c.submissions(ctx, account)
	if err != nil {
		return nil, err
	}
	among := func(list []string, id string) bool { return list == nil || slices.Contains(list, id) }
	list = slices.DeleteFunc(list, func(s delivery.Submission) bool {
		o := c.submissionObject(s)
		return !among(f.IdentityIDs, s.Identity) || !among(f.EmailIDs, o["emailId"].(string)) || !among(f.ThreadIDs, o["threadId"].(string)) ||
			f.UndoStatus != "" && f.UndoStatus != o["undoStatus"] || f.Before != nil && !s.SendAt.Before(*f.Before) || f.After != nil && s.SendAt.Before(*f.After)
	})
	if len(a.Sort) > 0 {
		slices.SortStableFunc(list, func(x, y delivery.Submission) int {
			if a.Sort[0].descending() {
				x, y = y, x
			}
			return x.SendAt.Compare(y.SendAt)
		})
	}
	ids := make([]string, len(list))
	for i, s := range list {
		ids[i] = submissionID(s.ID)
	}
	first, last, limit, err := a.window(len(ids), func(id string) int { return slices.Index(ids, id) })
	if err != nil {
		return nil, err
	}
	out := &queryAnswer{AccountID: a.AccountID, QueryState: state, Position: first, IDs: ids[first:last], Limit: limit}
	if a.CalculateTotal {
		n := len(ids)
		out.Total = &n
	}
	return out, nil
}

func queryChangesOfSubmissions(ctx context.Context, c *Call, a *queryChangesArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	return nil, &failure{Type: "cannotCalculateChanges"}
}

type submissionSetArgs struct {
	setArgs               `json:",embed"`
	OnSuccessUpdateEmail  map[string]map[string]jsontext.Value `json:"onSuccessUpdateEmail"`
	OnSuccessDestroyEmail []string                             `json:"onSuccessDestroyEmail"`
}

func setSubmissions(ctx context.Context, c *Call, a *submissionSetArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	_, was, err := c.submissions(ctx, account)
	if err != nil {
		return nil, err
	}
	if n := len(a.Create) + len(a.Update) + len(a.Destroy); n > 100 {
		return nil, &failure{Type: "requestTooLarge"}
	}
	if a.IfInState != nil && *a.IfInState != was {
		return nil, &failure{Type: "stateMismatch"}
	}
	out := a.answer(was)
	emails := map[string]string{} // of submissions that were done, by "#key" and id
	for _, key := range slices.Sorted(maps.Keys(a.Create)) {
		s, err := c.submit(ctx, account, a.Create[key])
		if err != nil {
			out.NotCreated[key] = c.refused(err)
			continue
		}
		id := submissionID(s.ID)
		c.made(key, id)
		emails["#"+key], emails[id] = emailID(mailbox.EmailID(s.Email)), emailID(mailbox.EmailID(s.Email))
		out.Created[key] = object{"id": id, "threadId": threadID(mailbox.ThreadID(s.Thread)), "sendAt": utcDate(s.SendAt), "undoStatus": c.undo(*s)}
	}
	for _, id := range slices.Sorted(maps.Keys(a.Update)) {
		if email, err := c.unsend(ctx, account, id, a.Update[id]); err != nil {
			out.NotUpdated[id] = c.refused(err)
		} else {
			out.Updated[id] = nil
			emails[id] = email
		}
	}
	list, now, err := c.submissions(ctx, account)
	if err != nil {
		return nil, err
	}
	for _, id := range a.Destroy {
		out.NotDestroyed[id] = &setError{Type: "notFound"}
		if slices.ContainsFunc(list, func(s delivery.Submission) bool { return submissionID(s.ID) == c.idOf(id) }) {
			out.NotDestroyed[id] = &setError{Type: "forbidden", Description: "what was sent is remembered for a month"}
		}
	}
	out.NewState = now
	// What the client wants done with the mails when they are on their way.
	then := &setArgs{AccountID: a.AccountID, Update: map[string]map[string]jsontext.Value{}}
	for key, change := range a.OnSuccessUpdateEmail {
		if id, ok := emails[key]; ok {
			then.Update[id] = change
		}
	}
	for _, key := range a.OnSuccessDestroyEmail {
		if id, ok := emails[key]; ok {
			then.Destroy = append(then.Destroy, id)
		}
	}
	if len(then.Update)+len(then.Destroy) == 0 {
		return out, nil
	}
	if err := c.say("EmailSubmission/set", out); err != nil {
		return nil, err
	}
	return also(ctx, c, "Email/set", then, setEmails)
}

// sending is an EmailSubmission as a client writes one.
type sending struct {
	IdentityID string         `json:"identityId"`
	EmailID    string         `json:"emailId"`
	Envelope   *envelopeArg   `json:"envelope"`
	SendAt     jsontext.Value `json:"sendAt"`
}

type envelopeArg struct {
	MailFrom addressArg   `json:"mailFrom"`
	RcptTo   []addressArg `json:"rcptTo"`
}

type addressArg struct {
	Email      string             `json:"email"`
	Parameters map[string]*string `json:"parameters"`
}

func (c *Call) submit(ctx context.Context, account mail.AccountID, raw jsontext.Value) (*delivery.Submission, error) {
	var q sending
	if err := json.Unmarshal(raw, &q, json.RejectUnknownMembers(true)); err != nil {
		return nil, invalidProperties(why(err), where(err)...)
	}
	from, err := c.identity(ctx, q.IdentityID)
	if err != nil {
		return nil, err
	}
	if from == nil {
		return nil, invalidProperties("there is no such identity", "identityId")
	}
	n, ok := number[mailbox.EmailID]('e', c.idOf(q.EmailID))
	if !ok {
		return nil, invalidProperties("there is no such email", "emailId")
	}
	letters, err := c.letters(ctx, account, []mailbox.EmailID{n}, true)
	if err != nil {
		return nil, err
	}
	l := letters[0]
	if l == nil {
		return nil, invalidProperties("there is no such email", "emailId")
	}
	// Whether the member may write from there at all is asked by Submit, as of any
	// mail; here, whether they are who they say (RFC 8621 §6: it MUST be used).
	for _, m := range l.sum.From {
		if a, err := mail.ParseAddress(m.Addr); err != nil || a.Key() != from.Email.Key() {
			return nil, &setError{Type: "forbiddenFrom", Description: c.sentence(mail.Refuse(mail.Policy, "identity-from", "Address", from.Email.String()))}
		}
	}
	if q.Envelope == nil {
		q.Envelope = envelopeOf(from.Email, l.sum)
	}
	env, to, err := c.envelope(q.Envelope)
	if err != nil {
		return nil, err
	}
	body, err := l.open(ctx, int64(len(l.prefix)))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	refused, err := c.srv.Submitter.Submit(ctx, c.User, c.client, env, to, body)
	switch {
	case len(refused) > 0:
		e := &setError{Type: "invalidRecipients", Description: c.sentence(&mail.Error{Text: refused[0].Lost})}
		for _, r := range refused {
			e.InvalidRcpt = append(e.InvalidRcpt, r.String())
		}
		return nil, e
	case mail.Is(err, mail.NotYours):
		return nil, &setError{Type: "forbiddenMailFrom", Description: c.sentence(err)}
	case mail.Is(err, mail.Policy):
		return nil, &setError{Type: "forbiddenFrom", Description: c.sentence(err)}
	case mail.Is(err, mail.TooMany):
		return nil, &setError{Type: "tooManyRecipients", Description: c.sentence(err), MaxRecip: delivery.MaxRecipients}
	case mail.Is(err, mail.RateLimited):
		return nil, &setError{Type: "forbiddenToSend", Description: c.sentence(err)}
	case mail.Is(err, mail.TooBig):
		return nil, &setError{Type: "tooLarge", Description: c.sentence(err)}
	case mail.Is(err, mail.BadContent), mail.Is(err, mail.BareNewline):
		return nil, &setError{Type: "invalidEmail", Description: c.sentence(err)}
	case err != nil:
		return nil, err
	}
	said, err := json.Marshal(q.Envelope)
	if err != nil {
		return nil, err
	}
	s := &delivery.Submission{ID: store.NewID(), Identity: identityID(from.ID), Email: int64(n), Thread: int64(l.email.Thread), Mail: env.ID, Envelope: said, SendAt: env.Release, Created: c.srv.now()}
	if s.SendAt.IsZero() {
		s.SendAt = s.Created
	}
	// The mail is on its way: that it cannot be remembered does not make it unsent.
	if err := c.srv.Submissions.Note(context.WithoutCancel(ctx), account, *s); err != nil {
		c.srv.log().ErrorContext(ctx, "submission not noted", "mail", env.ID, "user", c.User.ID, "err", err)
	}
	return s, nil
}

// envelopeOf is the envelope that a mail's own fields make (RFC 8621 §7.5).
func envelopeOf(from mail.Address, sum *mail.Summary) *envelopeArg {
	e := &envelopeArg{MailFrom: addressArg{Email: from.String()}}
	for _, list := range [][]mail.Mailbox{sum.To, sum.Cc, sum.Bcc} {
		for _, m := range list {
			e.RcptTo = append(e.RcptTo, addressArg{Email: m.Addr})
		}
	}
	return e
}

// envelope reads an envelope: each recipient once.
func (c *Call) envelope(q *envelopeArg) (*mail.Envelope, []mail.Recipient, error) {
	from, err := mail.ParseAddress(q.MailFrom.Email)
	if err != nil {
		return nil, nil, &setError{Type: "forbiddenMailFrom"}
	}
	env := &mail.Envelope{From: from}
	if env.Release, err = c.release(q.MailFrom.Parameters); err != nil {
		return nil, nil, err
	}
	var to []mail.Recipient
	bad := &setError{Type: "invalidRecipients"}
	seen := map[string]bool{}
	for _, r := range q.RcptTo {
		a, err := mail.ParseAddress(r.Email)
		if err != nil {
			bad.InvalidRcpt = append(bad.InvalidRcpt, r.Email)
			continue
		}
		for name := range r.Parameters {
			if !strings.EqualFold(name, "NOTIFY") && !strings.EqualFold(name, "ORCPT") {
				return nil, nil, invalidProperties("there is no such parameter", "envelope/rcptTo")
			}
		}
		if !seen[a.Key()] {
			seen[a.Key()] = true
			to = append(to, mail.Recipient{Address: a})
		}
	}
	switch {
	case len(bad.InvalidRcpt) > 0:
		return nil, nil, bad
	case len(to) == 0:
		return nil, nil, &setError{Type: "noRecipients"}
	}
	return env, to, nil
}

// release reads HOLDFOR and HOLDUNTIL (RFC 4865 §4.2).
func (c *Call) release(params map[string]*string) (at time.Time, err error) {
	for name, v := range params {
		text := ""
		if v != nil {
			text = *v
		}
		switch strings.ToUpper(name) {
		case "HOLDFOR":
			n, err := strconv.ParseInt(text, 10, 32)
			if err != nil || n < 0 || time.Duration(n)*time.Second > maxDelay {
				return at, invalidProperties("it is held for 0 to "+strconv.Itoa(int(maxDelay.Seconds()))+" seconds", "envelope/mailFrom/parameters")
			}
			at = c.srv.now().Add(time.Duration(n) * time.Second)
		case "HOLDUNTIL":
			if at, err = time.Parse(time.RFC3339, text); err != nil || at.Sub(c.srv.now()) > maxDelay {
				return at, invalidProperties("this is no hour to wait for", "envelope/mailFrom/parameters")
			}
		case "RET", "ENVID", "SIZE", "BODY", "SMTPUTF8":
		default:
			return at, invalidProperties("there is no such parameter", "envelope/mailFrom/parameters")
		}
	}
	return at, nil
}

// unsend takes a mail back that waits.
func (c *Call) unsend(ctx context.Context, account mail.AccountID, key string, change map[string]jsontext.Value) (email string, err error) {
	id, ok := mailbox.ParseObjectID('s', c.idOf(key))
	if !ok {
		return "", &setError{Type: "notFound"}
	}
	status, isText := textOf(change["undoStatus"])
	if len(change) != 1 || !isText || status != "canceled" {
		return "", invalidProperties("undoStatus alone can be changed, to canceled", slices.Sorted(maps.Keys(change))...)
	}
	list, _, err := c.submissions(ctx, account)
	if err != nil {
		return "", err
	}
	err = c.srv.Submissions.Cancel(ctx, account, id)
	if mail.Is(err, mail.Conflict) {
		return "", &setError{Type: "cannotUnsend"}
	}
	for _, s := range list {
		if s.ID == id {
			email = emailID(mailbox.EmailID(s.Email))
		}
	}
	return email, err
}

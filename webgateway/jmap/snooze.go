package jmap

import (
	"context"
	"errors"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"
	"colporteur/workflow/snooze"
)

var snoozeMethods = map[string]method{"Email/snooze": {usingOwnMail, typed(snoozeEmails)}}

type snoozeArgs struct {
	AccountID string   `json:"accountId"`
	IDs       []string `json:"ids"`
	Until     *string  `json:"until"` // UTCDate; null brings them back now
	// UnlessAnswered leaves them where they are, to come into the inbox if no answer did by then.
	UnlessAnswered bool `json:"unlessAnswered"`
}

type snoozeAnswer struct {
	AccountID  string               `json:"accountId"`
	Updated    []string             `json:"updated"`
	NotUpdated map[string]*setError `json:"notUpdated"`
}

func snoozeEmails(ctx context.Context, c *Call, a *snoozeArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	if c.srv.Snooze == nil {
		return nil, &failure{Type: "unknownMethod"}
	}
	if len(a.IDs) > maxObjectsInSet {
		return nil, &failure{Type: "requestTooLarge"}
	}
	var until time.Time
	if a.Until != nil {
		var err error
		if until, err = time.Parse(time.RFC3339, *a.Until); err != nil {
			return nil, invalid("until is a UTCDate", "until")
		}
		if d := until.Sub(c.srv.now()); d <= 0 || d > snooze.Longest {
			return nil, invalid("until is an hour of the next two years", "until")
		}
	}
	out := &snoozeAnswer{AccountID: a.AccountID, Updated: []string{}, NotUpdated: map[string]*setError{}}
	var ids []mailbox.EmailID
	var names []string
	for _, name := range a.IDs {
		if n, ok := number[mailbox.EmailID]('e', c.idOf(name)); ok {
			ids, names = append(ids, n), append(names, name)
		} else {
			out.NotUpdated[name] = c.refused(mail.Wrap(mail.NotFound, errors.New("no email")))
		}
	}
	if a.Until == nil {
		out.Updated = append(out.Updated, names...)
		return out, c.srv.Snooze.Wake(ctx, c.User, ids)
	}
	put := c.srv.Snooze.Put
	if a.UnlessAnswered {
		put = c.srv.Snooze.Remind
	}
	errs, err := put(ctx, c.User, ids, until)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if errs[i] == nil {
			out.Updated = append(out.Updated, name)
		} else {
			out.NotUpdated[name] = c.refused(errs[i])
		}
	}
	return out, nil
}

// snoozes are until when letters wait, where the client asked.
func (c *Call) snoozes(ctx context.Context, s *shown, account mail.AccountID, ids []mailbox.EmailID) (map[mailbox.EmailID]time.Time, error) {
	if !s.wants("snoozedUntil") || c.srv.Snooze == nil || account != c.User.Account {
		return nil, nil
	}
	return c.srv.Snooze.Of(ctx, account, ids)
}

package snooze

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// Remind has emails that u sent come into the inbox at an hour, unread and $new,
// if nobody has answered by then. They stay where they are; a row without a
// mailbox where it waits is one of these. errs and kinds are those of Put.
func (s *Service) Remind(ctx context.Context, u mail.User, ids []mailbox.EmailID, until time.Time) (errs []error, err error) {
	if now := s.now(); !until.After(now) || until.After(now.Add(Longest)) {
		return nil, mail.Wrap(mail.BadSyntax, fmt.Errorf("until %v", until))
	}
	emails, err := s.Mailboxes.Emails(ctx, u, u.Account, ids)
	if err != nil {
		return nil, err
	}
	list, err := s.Mailboxes.List(ctx, u.Account)
	if err != nil {
		return nil, err
	}
	errs = make([]error, len(ids))
	var rows []waiting
	for i, e := range emails {
		if e == nil {
			errs[i] = mail.Wrap(mail.NotFound, errors.New("no such email"))
			continue
		}
		rows = append(rows, waiting{Email: e.ID, Member: u.ID, Back: withRole(list, mailbox.Inbox), Until: until})
	}
	if len(rows) == 0 {
		return errs, nil
	}
	return errs, s.note(ctx, u.Account, rows)
}

// remind brings a mail into the inbox that nobody answered.
func (s *Service) remind(ctx context.Context, account mail.AccountID, w waiting) error {
	u := mail.User{ID: w.Member, Account: account}
	emails, err := s.Mailboxes.Emails(ctx, u, account, []mailbox.EmailID{w.Email})
	if err != nil || emails[0] == nil {
		return err
	}
	answered, err := s.answered(ctx, u, emails[0])
	if err != nil || answered {
		return err
	}
	errs, _, _, err := s.Mailboxes.Patch(ctx, u, account, nil, []mailbox.EmailPatch{{ID: w.Email, Into: []mailbox.ID{w.Back}, Set: []string{"$new"}, Clear: []string{`\Seen`}}})
	return errors.Join(err, first(errs))
}

// answered says whether a mail that somebody else wrote came into the
// conversation of e after it: one that is not only among what was sent or begun.
func (s *Service) answered(ctx context.Context, u mail.User, e *mailbox.Email) (bool, error) {
	list, err := s.Mailboxes.List(ctx, u.Account)
	if err != nil {
		return false, err
	}
	own := []mailbox.ID{withRole(list, mailbox.Sent), withRole(list, mailbox.Drafts)}
	threads, err := s.Mailboxes.ThreadMails(ctx, u, u.Account, []mailbox.ThreadID{e.Thread})
	if err != nil {
		return false, err
	}
	others, err := s.Mailboxes.Emails(ctx, u, u.Account, slices.Concat(threads...))
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(others, func(o *mailbox.Email) bool {
		return o != nil && o.ID != e.ID && !o.Date.Before(e.Date) &&
			!slices.ContainsFunc(o.Places, func(p mailbox.Place) bool { return slices.Contains(own, p.Mailbox) })
	}), nil
}

func withRole(list []mailbox.Mailbox, role mailbox.Role) mailbox.ID {
	for _, m := range list {
		if m.Role == role {
			return m.ID
		}
	}
	return 0
}

package verify

import (
	"context"
	"io"
	"strings"

	"colporteur/dkim/authres"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// byID finds the mails with a Message-ID that a member has.
func (s *Service) byID(ctx context.Context, account mail.AccountID, id string) ([]*original, error) {
	if id == "" {
		return nil, nil
	}
	return s.inMailbox(ctx, account, mailbox.HeaderQuery{Field: "message-id", Value: id}, func(sum *mail.Summary) bool { return sum.MessageID == id })
}

// copies finds a mail that is attached among those that a member has.
func (s *Service) copies(ctx context.Context, account mail.AccountID, sum *mail.Summary) ([]*original, error) {
	// The id proves nothing: who writes it may borrow that of an honest mail.
	this := func(other *mail.Summary) bool { return same(sum, other) }
	if sum.MessageID != "" {
		have, err := s.inMailbox(ctx, account, mailbox.HeaderQuery{Field: "message-id", Value: sum.MessageID}, this)
		if err != nil || len(have) > 0 {
			return have, err
		}
	}
	if len(sum.From) != 1 {
		return nil, nil
	}
	// It came without an id: the one it has is ours, and is not searched for.
	return s.inMailbox(ctx, account, mailbox.HeaderQuery{Field: "from", Value: sum.From[0].Addr}, this)
}

func (s *Service) inMailbox(ctx context.Context, account mail.AccountID, header mailbox.HeaderQuery, is func(*mail.Summary) bool) ([]*original, error) {
	if header.Value == "" || s.Mailboxes == nil || account == 0 {
		return nil, nil
	}
	var out []*original
	err := s.search(ctx, account, &mailbox.Query{Header: []mailbox.HeaderQuery{header}}, func(_ mailbox.Mailbox, e mailbox.Entry, c *mailbox.Content) error {
		if len(out) == maxFound || !is(c.Summary) {
			return nil
		}
		o := &original{sum: c.Summary, email: int64(e.Email), came: e.Date}
		if v, member, ok := authres.FromPrefix(c.Prefix, s.Hostname); ok {
			o.verdict, o.member = v, member
		}
		r, err := s.Mailboxes.Messages.Open(ctx, c.Message, 0)
		if err != nil {
			return err
		}
		defer r.Close()
		o.kept, err = io.ReadAll(io.LimitReader(r, maxKept))
		out = append(out, o)
		return err
	})
	return out, err
}

// known is how many mails from an address a member had before another one.
// Those that they or we took for junk do not count.
func (s *Service) known(ctx context.Context, account mail.AccountID, o *original) (n int, err error) {
	addr := strings.ToLower(o.sum.From[0].Addr)
	if s.Mailboxes == nil || account == 0 || addr == "" {
		return 0, nil
	}
	q := &mailbox.Query{Header: []mailbox.HeaderQuery{{Field: "from", Value: addr}}, Before: o.came}
	err = s.search(ctx, account, q, func(m mailbox.Mailbox, e mailbox.Entry, c *mailbox.Content) error {
		if m.Role != mailbox.Junk && m.Role != mailbox.Trash && int64(e.Email) != o.email && c.Summary.MessageID != o.sum.MessageID &&
			len(c.Summary.From) == 1 && strings.EqualFold(c.Summary.From[0].Addr, addr) {
			n++
		}
		return nil
	})
	return n, err
}

// search goes through the last maxFound mails that q finds in each folder of a
// member.
func (s *Service) search(ctx context.Context, account mail.AccountID, q *mailbox.Query, f func(mailbox.Mailbox, mailbox.Entry, *mailbox.Content) error) error {
	boxes, err := s.Mailboxes.List(ctx, account)
	if err != nil {
		return err
	}
	for _, m := range boxes[:min(len(boxes), maxFolders)] {
		found, err := s.Mailboxes.Find(ctx, m.ID, q)
		if err != nil {
			return err
		}
		found = found[max(len(found)-maxFound, 0):]
		ids := make([]mailbox.EmailID, len(found))
		for i, e := range found {
			ids[i] = e.Email
		}
		contents, err := s.Mailboxes.Contents(ctx, account, ids)
		if err != nil {
			return err
		}
		for i, c := range contents {
			if c == nil || c.Summary == nil {
				continue
			}
			if err := f(m, found[i], c); err != nil {
				return err
			}
		}
	}
	return nil
}

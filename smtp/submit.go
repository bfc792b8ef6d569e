package smtp

import (
	"context"
	"errors"
	"io"

	"colporteur/mail"
)

// Submit takes a mail that a member sends by another way than SMTP, with the same
// checks and counts: their own sender, their own From, so many recipients in a
// mail and in an hour. env has From and what the member wishes; the rest is
// filled in. recipients are those refused, with why, when err is about them.
func (s *Server) Submit(ctx context.Context, u mail.User, c mail.Client, env *mail.Envelope, to []mail.Recipient, body io.Reader) (refused []mail.Recipient, err error) {
	s.init()
	now := s.now()
	env.ID, env.Origin, env.User, env.Client, env.Received = newID(now), mail.FromMember, u, c, now
	env.Body, env.UTF8 = mail.Body8Bit, !env.From.IsASCII() // without need it would be asked of every host on the way
	for _, r := range to {
		env.UTF8 = env.UTF8 || !r.IsASCII()
	}
	if env.From.IsZero() {
		return nil, mail.Refuse(mail.NotYours, "smtp-null-sender")
	}
	if err := s.Accounts.MaySend(ctx, u.ID, env.From); err != nil {
		return nil, err
	}
	if len(to) > s.Limits.Recipients {
		return nil, mail.Refuse(mail.TooMany, "too-many-recipients", "Max", s.Limits.Recipients)
	}
	if n, until := s.sent.add(u.ID, 0, now); n+len(to) > s.Limits.PerMember {
		return nil, mail.Refuse(mail.RateLimited, "smtp-member-rate", "Max", s.Limits.PerMember, "Minutes", minutes(until.Sub(now)))
	}
	for _, r := range to {
		if err := s.Door.Recipient(ctx, env, r); err != nil {
			var known *mail.Error
			if !errors.As(err, &known) || known.Kind.Temporary() {
				return nil, err
			}
			r.Lost = known.Text
			refused = append(refused, r)
		}
	}
	if len(refused) > 0 {
		return refused, mail.Refuse(mail.NoSuchUser, "kind-no-such-user")
	}
	if n, _ := s.sent.add(u.ID, len(to), now); n >= s.Limits.PerMember {
		s.log().Warn("member reached the hourly limit", "user", u.ID, "ip", c.IP)
		if s.Alarm != nil {
			s.Alarm(u, c.IP, s.Limits.PerMember)
		}
	}
	r := &content{r: &strictReader{r: body}, left: s.maxWire(), tooBig: s.tooBig, check: s.headerCheck(ctx, env)}
	err = s.Door.Accept(ctx, env, r)
	if r.err != nil && r.err != io.EOF {
		err = r.err // the Door may have given it another kind
	}
	return nil, err
}

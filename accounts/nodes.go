package accounts

import (
	"context"
	"strconv"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

// channel is where the nodes of one database tell each other whose sessions end.
const channel = "member"

// changed has open sessions cut once the change is durable, on this node and on
// the others: the message is part of the transaction.
func (s *Service) changed(ctx context.Context, tx *store.Tx, id mail.UserID) error {
	tx.AfterCommit(func() { s.cut(id) })
	return tx.Notify(ctx, channel, s.node()+" "+strconv.FormatInt(int64(id), 36))
}

// SignOut cuts what a member has open in mail programs, everywhere.
func (s *Service) SignOut(ctx context.Context, id mail.UserID) error {
	return kinded(s.DB.Write(ctx, func(tx *store.Tx) error { return s.changed(ctx, tx, id) }))
}

// Run hears from other nodes whose sessions end, until ctx ends. What was said
// while they could not be heard is found out by asking, of each open session,
// whether what it was opened with still holds.
func (s *Service) Run(ctx context.Context) error {
	missed := false
	return s.DB.Listen(ctx, channel, func(up bool) {
		if up && missed {
			s.recheck(ctx)
		}
		missed = !up
	}, func(payload string) {
		from, id, _ := strings.Cut(payload, " ")
		if n, err := strconv.ParseInt(id, 36, 64); err == nil && from != s.node() {
			s.cut(mail.UserID(n))
		}
	})
}

func (s *Service) recheck(ctx context.Context) {
	if s.Open == nil {
		return
	}
	for _, u := range s.Open() {
		var err error
		if u.Credential == "" { // SCRAM: only that they may still sign in is known
			_, _, err = s.Standing(ctx, u.ID)
		} else {
			_, err = s.Holds(ctx, u.ID, u.Credential)
		}
		if err != nil && ctx.Err() == nil {
			s.cut(u.ID)
		}
	}
}

func (s *Service) cut(id mail.UserID) {
	if s.Changed != nil {
		s.Changed(id)
	}
}

// node is another one for each running process.
func (s *Service) node() string {
	s.prepare()
	return s.nodeName
}

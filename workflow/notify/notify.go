// Package notify tells people what happens to their things, as often as they
// want to hear it.
//
// # When
//
// A member chooses for each kind of news: at once, daily, never (choice.go).
// Daily news of one person go together in one mail at 18:00, the host's time.
// A guest chose nothing: guests get at most one mail a day about one thing, at
// the same hour, and never more.
//
// # Once
//
// A note is told once for its kind, key and recipient. A digest says what was
// not taken back since: links are asked again when it is written, and when
// nothing is left, nothing is sent.
//
// # Less
//
// Whatever repeats can be stopped in three ways that lead to the same place
// (stop.go): a reply that says STOP, the page /n/TOKEN, and the button that mail
// programs make of List-Unsubscribe (RFC 8058).
package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// Kind is what news are about.
type Kind string

const (
	Album      Kind = "album"      // photos and words of others in an album
	Receipt    Kind = "receipt"    // somebody has fetched, or handed in, files
	Reminder   Kind = "reminder"   // something ends soon
	Quota      Kind = "quota"      // the mailbox is nearly full
	SignIn     Kind = "signin"     // somebody signed in from a new place
	Membership Kind = "membership" // one's own account
	Admin      Kind = "admin"      // what whoever runs the host must know
)

// Kinds are all of them, in the order people read them.
var Kinds = [...]Kind{Album, Receipt, Reminder, Quota, SignIn, Membership, Admin}

// repeats says that news of this kind come again and again, so that each mail
// carries List-Unsubscribe. Warnings about one's own account do not: whoever got
// hold of one mail must not be able to silence them by a button.
func (k Kind) repeats() bool {
	switch k {
	case SignIn, Membership, Admin:
		return false
	}
	return true
}

// Member is whom a note about an account is for.
type Member struct {
	mail.User
	Used, Quota int64 // bytes; no Quota is no limit
}

// Note is one piece of news for one person.
type Note struct {
	Kind     Kind
	Key      string      // told once for Kind, Key and To
	Member   mail.UserID // 0: a guest
	To       mail.Address
	ToName   string
	Lang     string
	From     mail.Address
	FromName string
	Letter   letter.Letter // sent when it is told by itself
	Line     string        // one sentence in Lang for the digest
	Link     link.ID       // To's own link to the thing: where the line leads and replies go; 0: none
}

// Service tells.
type Service struct {
	DB    *store.DB
	Links *link.Service
	Post  *workflow.Post
	Zone  *time.Location   // of the digest's hour; nil is the machine's
	Now   func() time.Time // nil is time.Now
	Log   *slog.Logger     // nil discards
	// Tidier makes an offer to who is told that their mailbox is nearly full; nil: nobody does.
	Tidier Tidier
	Key    []byte // 32 bytes that hide where members sign in from; nil: nobody is told of sign-ins

	places memory
}

// Tell tells n in the transaction of what it is about: now, in the next digest,
// or never, as the recipient wants. What is told already, and what belongs to a
// link that has ended or was silenced, is no error: nothing is told.
func (s *Service) Tell(ctx context.Context, tx *store.Tx, n Note) error {
	if n.To.IsZero() {
		return nil
	}
	n.Line = oneLine(n.Line)
	l, ok, err := s.open(ctx, tx, n.Link)
	if err != nil || !ok {
		return err
	}
	when, err := s.when(ctx, tx, &n)
	if err != nil || when == Never {
		return err
	}
	id := store.NewID()
	added, err := tx.Exec(ctx, `INSERT INTO notify_note (id, kind, key, recipient, bundle, member, link, address, name, lang, sender, sender_name, line, letter, notice, created, told)
		VALUES ($1, $2, $3, $4, '', $5, $6, $7, $8, $9, $10, $11, '', '', '', $12, $12) ON CONFLICT (kind, key, recipient) DO NOTHING`,
		id, string(n.Kind), store.Clean(n.Key), store.Clean(n.To.Key()), int64(n.Member), int64(n.Link), store.Clean(n.To.String()),
		store.Clean(n.ToName), n.Lang, store.Clean(n.From.String()), store.Clean(n.FromName), store.Micros(s.now()))
	if err != nil {
		return fmt.Errorf("note: %w", err)
	}
	if added == 0 {
		return nil // told, or waits to be
	}
	if when == Now {
		sent, err := s.send(ctx, tx, id, &n, l)
		if err != nil || sent {
			return err
		}
		// Too many for one hour: the digest has room for all of them.
	}
	return s.wait(ctx, tx, id, &n)
}

// open is the living link of a note; ok is false when nothing is to be told
// about its thing.
func (s *Service) open(ctx context.Context, tx *store.Tx, id link.ID) (l link.Link, ok bool, err error) {
	if id == 0 {
		return link.Link{}, true, nil
	}
	l, err = s.Links.GetIn(ctx, tx, id)
	if mail.Is(err, mail.NotFound) {
		return l, false, nil
	}
	return l, l.Quiet.IsZero() && (l.Manage || l.Rules.Frozen.IsZero()), err
}

// send mails n by itself. It says false when the recipient had too many mails.
func (s *Service) send(ctx context.Context, tx *store.Tx, id int64, n *Note, l link.Link) (bool, error) {
	m := workflow.Notice{Mail: "note/" + string(n.Kind) + "/" + n.Key, What: "note", To: n.To, ToName: n.ToName, From: n.From,
		FromName: n.FromName, Lang: n.Lang, ReplyLink: int64(n.Link), Letter: n.Letter}
	if n.Kind.repeats() || n.Link == 0 {
		stop, err := s.settings(ctx, tx, n.Member, l, n.To, n.Lang)
		if err != nil {
			return false, err
		}
		if n.Kind.repeats() {
			m.Stop, m.StopWhat = int64(stop.ID), string(n.Kind)
			m.Letter = footed(n, stop)
		}
		if n.Link == 0 {
			m.ReplyLink = int64(stop.ID)
		}
	}
	sent, err := s.Post.Send(ctx, tx, m)
	if err != nil || !sent {
		return sent, err
	}
	_, err = tx.Exec(ctx, `UPDATE notify_note SET notice = $1 WHERE id = $2`, m.Name(), id)
	return true, err
}

// wait puts n in the recipient's next digest.
func (s *Service) wait(ctx context.Context, tx *store.Tx, id int64, n *Note) error {
	words, err := json.Marshal(n.Letter)
	if err != nil {
		return fmt.Errorf("note: %w", err)
	}
	b := bundle(n)
	if _, err := tx.Exec(ctx, `UPDATE notify_note SET bundle = $1, line = $2, letter = $3, told = 0 WHERE id = $4`,
		b, store.Clean(n.Line), string(words), id); err != nil {
		return err
	}
	return s.arm(ctx, tx, b)
}

// bundle names the digest that n waits in: a member has one, a guest one for
// each thing.
func bundle(n *Note) string {
	switch {
	case n.Member != 0:
		return fmt.Sprintf("member/%d", n.Member)
	case n.Link != 0:
		return fmt.Sprintf("link/%d", n.Link)
	}
	return "address/" + store.Clean(n.To.Key())
}

// longest is how much of a sentence a digest shows: others may have a part in it.
const longest = 300

// oneLine is s as one bounded line.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }), " ")
	if r := []rune(s); len(r) > longest {
		return strings.TrimSpace(string(r[:longest-1])) + "…"
	}
	return s
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Service) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

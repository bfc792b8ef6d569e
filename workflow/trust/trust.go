// Package trust lets members act from elsewhere: from an address at another host
// that they confirmed, and from a scanner that knows a secret address of theirs.
//
// A mail from outside that its author's domain signed acts at once. One that
// nothing proves waits, and the member is asked, once, where only they read it.
package trust

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/ask"
)

// Kinds of our questions.
const (
	Claim   = "claim"   // is this mail yours?
	Outside = "outside" // is this address yours?
)

// perDay is how many questions of a kind are put about one member in a day.
const perDay = 5

// Directory keeps addresses; *accounts.Service is one.
type Directory interface {
	AddOutside(ctx context.Context, tx *store.Tx, id mail.UserID, a mail.Address) error
	NewSecret(ctx context.Context, tx *store.Tx, id mail.UserID) error
	Ours(ctx context.Context, domain string) (bool, error)
}

// Asker asks people; *ask.Service is one.
type Asker interface {
	Ask(ctx context.Context, tx *store.Tx, q ask.Question) error
}

// Service is the trust of one host.
type Service struct {
	DB        *store.DB
	Directory Directory
	Mux       *workflow.Mux
	Asker     Asker
	Guide     workflow.Processor // what aide@ says to everything else
	Now       func() time.Time   // nil is time.Now
}

var (
	_ workflow.Claims    = (*Service)(nil)
	_ workflow.Processor = (*Service)(nil)
	_ ask.Answered       = (*Service)(nil)
)

// Claim asks a member whether a mail that says it is theirs is; see workflow.Claims.
// A mail that comes twice is asked about once.
func (s *Service) Claim(ctx context.Context, in *workflow.Inbound, m mail.User) error {
	if in.Automatic() {
		in.Forget()
		return nil
	}
	payload, err := json.Marshal(in.Job())
	if err != nil {
		return err
	}
	asked := false
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		p := locale.For(m.Lang)
		q := ask.Question{Kind: Claim, Ref: int64(m.ID), Payload: payload, Key: fmt.Sprintf("%d %s %s", m.ID, in.Key(), in.Address.Key()), Member: m.ID,
			To: m.Address, ToName: m.Name, Lang: p.Lang, From: mail.Address{Local: "aide", Domain: m.Address.Domain}, Yes: p.T("trust-claim-yes"), No: p.T("trust-claim-no")}
		q.Letter = letter.Letter{Subject: p.T("trust-claim-subject", "Address", in.Address.String()), Heading: p.T("trust-claim", "From", in.Author.String(), "Address", in.Address.String())}
		q.Letter.Para(p.T("trust-claim-why", "From", in.Author.String()))
		q.Letter.Items([]letter.Item{{Name: in.Subject(), Detail: p.T("trust-claim-files", "Count", len(in.Files()), "Size", p.Size(in.Message.Size))}})
		q.Letter.Para(p.T("trust-claim-what"))
		asked, err = s.ask(ctx, tx, q)
		return err
	})
	if err != nil {
		return err
	}
	if asked {
		in.Wait()
	} else {
		in.Forget()
	}
	return nil
}

// ask puts a question unless it is one too many for one member in one day. It says
// false when the question is not put, true also when it was before.
func (s *Service) ask(ctx context.Context, tx *store.Tx, q ask.Question) (bool, error) {
	var have, n int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM question WHERE kind = $1 AND key = $2`, q.Kind, store.Clean(q.Key)).Scan(&have); err != nil || have > 0 {
		return have > 0, err
	}
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM question WHERE kind = $1 AND ref = $2 AND created > $3`, q.Kind, q.Ref,
		store.Micros(s.now().Add(-24*time.Hour))).Scan(&n); err != nil || n >= perDay {
		return false, err
	}
	return true, s.Asker.Ask(ctx, tx, q)
}

// Answered implements ask.Answered.
func (s *Service) Answered(ctx context.Context, tx *store.Tx, q ask.Question, a ask.Answer) (said letter.Letter, err error) {
	p := locale.For(q.Lang)
	if q.Kind == Outside {
		if a != ask.Yes {
			return workflow.Said(p, "trust-outside-no"), nil
		}
		return workflow.Said(p, "trust-outside-done", "Address", q.To.String()), s.Directory.AddOutside(ctx, tx, mail.UserID(q.Ref), q.To)
	}
	var job delivery.Program
	if err := json.Unmarshal(q.Payload, &job); err != nil {
		return said, fmt.Errorf("question %d: %w", q.ID, err)
	}
	if a != ask.Yes {
		return workflow.Said(p, "trust-claim-dropped"), s.Mux.Drop(ctx, tx, job)
	}
	job.Sender, job.Proven = job.For, true
	return workflow.Said(p, "trust-claim-taken"), s.Mux.Resume(ctx, tx, job)
}

// Process is what aide@ does: two words of members', and the guide for everything
// else. Who may act for a member is changed by who signed in alone.
func (s *Service) Process(ctx context.Context, in *workflow.Inbound) error {
	text, err := in.Text(ctx, 2000)
	if err != nil {
		return err
	}
	word, rest := command(in.Subject(), text)
	if in.Automatic() || in.Outside || word == "" {
		return s.Guide.Process(ctx, in)
	}
	p, domain := locale.For(in.Lang()), in.Sender.Address.Domain
	var a mail.Address
	bad := false
	if word == "add" {
		a, err = mail.ParseAddress(rest)
		if bad = err != nil; !bad {
			if bad, err = s.Directory.Ours(ctx, a.Domain); err != nil {
				return err
			}
		}
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if first, err := in.Settle(ctx, tx); err != nil || !first {
			return err
		}
		in.Forget()
		if word == "scanner" {
			if err := s.Directory.NewSecret(ctx, tx, in.Sender.ID); err != nil {
				return err
			}
			l := letter.Letter{Heading: p.T("trust-secret")}
			for _, id := range []string{"envoi", "album"} {
				l.Blocks = append(l.Blocks, letter.Block{Code: &letter.Link{Label: p.T("trust-secret-" + id), Ref: int64(in.Sender.ID), URL: id + ".{secret}" + map[string]string{"album": "+scans"}[id] + "@" + domain}})
			}
			l.Para(p.T("trust-secret-what")).Small(p.T("trust-secret-keep"))
			return in.ReplyIn(ctx, tx, l, 0)
		}
		if bad {
			return in.ReplyIn(ctx, tx, workflow.Said(p, "trust-outside-bad"), 0)
		}
		asked, err := s.askOutside(ctx, tx, mail.User{ID: in.Sender.ID, Name: in.SenderName(), Address: in.Sender.Address, Lang: p.Lang}, a)
		if err != nil {
			return err
		}
		if !asked {
			return in.ReplyIn(ctx, tx, workflow.Said(p, "trust-outside-many"), 0)
		}
		return in.ReplyIn(ctx, tx, workflow.Said(p, "trust-outside-asked", "Address", a.String()), 0)
	})
}

// commands are the words of aide@, as people write them.
var commands = map[string]string{"scanner": "scanner", "secret": "scanner", "ajouter": "add", "ajoute": "add", "add": "add"}

// command finds the word of a mail to aide@ at the beginning of its subject or of
// its first line, and what stands behind it.
func command(subject, text string) (word, rest string) {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	for _, line := range []string{subject, first} {
		w, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		word := commands[strings.ToLower(strings.Trim(w, " .:,!"))]
		rest = strings.Trim(strings.TrimSpace(rest), "<>.,")
		if word == "add" && !strings.Contains(rest, "@") || word == "scanner" && rest != "" && line == first {
			continue
		}
		if word != "" {
			return word, rest
		}
	}
	return "", ""
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

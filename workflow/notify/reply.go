package notify

import (
	"context"
	"slices"
	"strings"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

var (
	_ workflow.Commanded  = (*Service)(nil)
	_ workflow.Answerable = (*Service)(nil)
)

// Command is a member's reply to what they were told: STOP, DAILY or NOW, about
// the kind of news that the mail told which it replies to.
func (s *Service) Command(ctx context.Context, in *workflow.Inbound, l link.Link, w workflow.Word) error {
	p := locale.For(in.Lang())
	text, err := in.Text(ctx, 2000)
	if err != nil {
		return err
	}
	when := wanted(w, text)
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if first, err := in.Settle(ctx, tx); err != nil || !first {
			return err
		}
		k, err := s.about(ctx, tx, in, l)
		if err != nil {
			return err
		}
		said, err := s.obey(ctx, tx, p, l, when, k)
		if err != nil {
			return err
		}
		said.LinkTo(p.T("notify-settings-link"), int64(l.ID))
		return in.ReplyIn(ctx, tx, said, int64(l.ID))
	})
}

// words are those that only these replies know: elsewhere people begin with
// them what they want to say.
var words = map[string]When{"maintenant": Now, "now": Now, "quotidien": Daily, "daily": Daily}

// wanted is when a reply says that news should come; "" when it says something else.
func wanted(w workflow.Word, text string) When {
	if w == workflow.Stop {
		return Never
	}
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return words[strings.ToLower(strings.Trim(line, " .!\u00a0"))]
}

// obey does what was said about kind k; "" is not known, Everything the daily mail.
func (s *Service) obey(ctx context.Context, tx *store.Tx, p locale.Printer, l link.Link, when When, k string) (letter.Letter, error) {
	switch {
	case when == "" || k == "":
		return workflow.Said(p, "notify-words"), nil
	case when == Never:
		if err := s.stop(ctx, tx, l, k); err != nil {
			return letter.Letter{}, err
		}
	case k == Everything:
		return workflow.Said(p, "notify-words"), nil
	default:
		if err := s.Choose(ctx, tx, l.Owner, Kind(k), when); err != nil {
			return letter.Letter{}, err
		}
	}
	if k == Everything {
		return workflow.Said(p, "notify-stopped-daily"), nil
	}
	return workflow.Said(p, "notify-set-"+string(when), "What", p.T("notify-kind-"+k)), nil
}

// about is the kind of news a reply is about, Everything when it replies to a
// daily mail with several, "" when that cannot be known.
func (s *Service) about(ctx context.Context, tx *store.Tx, in *workflow.Inbound, l link.Link) (string, error) {
	ids := append(slices.Clone(in.Summary.InReplyTo[:min(len(in.Summary.InReplyTo), 3)]), last(in.Summary.References)...)
	for _, id := range ids {
		name, _, _ := strings.Cut(id, "@")
		var k, bundle string
		var kinds int
		err := tx.QueryRow(ctx, `SELECT MIN(kind), MIN(bundle), COUNT(*) FROM notify_note WHERE notice = $1 AND member = $2 HAVING COUNT(*) > 0`,
			store.Clean(name), int64(l.Owner)).Scan(&k, &bundle, &kinds)
		switch {
		case err == store.ErrNoRows || name == "":
			continue
		case err != nil:
			return "", err
		case kinds > 1:
			return Everything, nil
		}
		return k, nil
	}
	return "", nil
}

func last(ids []string) []string { return ids[max(len(ids)-1, 0):] }

// Answer is a guest's reply about the mails themselves: STOP ends them.
func (s *Service) Answer(ctx context.Context, in *workflow.Inbound, l link.Link) error {
	text, err := in.Text(ctx, 2000)
	if err != nil {
		return err
	}
	p := locale.For(l.Lang)
	said := workflow.Said(p, "notify-words-guest")
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if first, err := in.Settle(ctx, tx); err != nil || !first {
			return err
		}
		if workflow.ParseWord(in.Summary.Subject, text) == workflow.Stop {
			if err := s.stop(ctx, tx, l, Everything); err != nil {
				return err
			}
			said = workflow.Said(p, "notify-stopped-guest")
		}
		return in.ReplyIn(ctx, tx, said, int64(l.ID))
	})
}

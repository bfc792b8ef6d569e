package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// JobDigest is the queue's kind of digests.
const JobDigest = "digest"

// atHour is when digests go: at the end of the day, when there is time to look.
const atHour = 18

// shown is how many sentences of one digest about one thing are written out.
const shown = 20

// hour is the next time after t that digests go.
func (s *Service) hour(t time.Time) time.Time {
	zone := s.zone()
	t = t.In(zone)
	at := time.Date(t.Year(), t.Month(), t.Day(), atHour, 0, 0, 0, zone)
	if !at.After(t) {
		at = time.Date(t.Year(), t.Month(), t.Day()+1, atHour, 0, 0, 0, zone)
	}
	return at
}

func (s *Service) zone() *time.Location {
	if s.Zone == nil {
		return time.Local
	}
	return s.Zone
}

// due is the payload of a digest's job.
type due struct {
	Bundle string
	At     int64
}

// arm makes sure that a digest goes at the next hour.
func (s *Service) arm(ctx context.Context, tx *store.Tx, b string) error {
	d := due{Bundle: b}
	if err := tx.QueryRow(ctx, `INSERT INTO notify_digest (bundle, due, sent) VALUES ($1, $2, 0)
		ON CONFLICT (bundle) DO UPDATE SET due = CASE WHEN notify_digest.due = 0 THEN excluded.due ELSE notify_digest.due END RETURNING due`,
		b, store.Micros(s.hour(s.now()))).Scan(&d.At); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	payload, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	_, _, err = s.Post.Queue.Add(ctx, tx, queue.Job{Kind: JobDigest, Key: b + "/" + strconv.FormatInt(d.At, 10), Payload: payload, Due: store.Time(d.At)})
	return err
}

// errTooMany says that the recipient got too many mails this hour.
var errTooMany = errors.New("too many mails this hour")

// Work is the queue's handler for JobDigest.
func (s *Service) Work(ctx context.Context, j *queue.Job) queue.Outcome {
	var d due
	if err := json.Unmarshal(j.Payload, &d); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	err := s.DB.Write(ctx, func(tx *store.Tx) error { return s.digest(ctx, tx, d) })
	switch {
	case err == nil:
		return queue.Done(nil)
	case ctx.Err() != nil:
		return queue.Snooze(s.now(), "stopped", nil)
	case errors.Is(err, errTooMany):
		return queue.Snooze(s.now().Add(time.Hour), err.Error(), nil)
	}
	s.log().WarnContext(ctx, "digest not sent", "key", d.Bundle, "err", err)
	return queue.Snooze(s.now().Add(workflow.Pause(j.Attempts)), err.Error(), nil)
}

// waiting is a note as its digest finds it.
type waiting struct {
	Note
	id   int64
	link link.Link
}

// digest tells everything that waits in a bundle, in one mail.
func (s *Service) digest(ctx context.Context, tx *store.Tx, d due) error {
	// Whoever adds to the bundle waits for this row: nothing slips in between.
	n, err := tx.Exec(ctx, `UPDATE notify_digest SET due = 0, sent = $1 WHERE bundle = $2 AND due = $3`, store.Micros(s.now()), d.Bundle, d.At)
	if err != nil || n == 0 {
		return err // sent by an earlier run
	}
	all, err := s.waiting(ctx, tx, d.Bundle)
	if err != nil {
		return err
	}
	var told []waiting
	for _, w := range all {
		ok, err := s.stands(ctx, tx, &w)
		if err != nil {
			return err
		}
		if ok {
			told = append(told, w)
		}
	}
	name := ""
	if len(told) > 0 {
		m, err := s.notice(ctx, tx, d, told)
		if err != nil {
			return err
		}
		sent, err := s.Post.Send(ctx, tx, m)
		if err != nil {
			return err
		}
		if !sent {
			return errTooMany
		}
		name = m.Name()
	}
	// The words were needed once.
	_, err = tx.Exec(ctx, `UPDATE notify_note SET told = $1, notice = $2, line = '', letter = '' WHERE bundle = $3 AND told = 0`,
		store.Micros(s.now()), name, d.Bundle)
	return err
}

// waiting are the notes of a bundle, oldest first.
func (s *Service) waiting(ctx context.Context, tx *store.Tx, b string) (all []waiting, err error) {
	rows, err := tx.Query(ctx, `SELECT id, kind, key, member, link, address, name, lang, sender, sender_name, line, letter FROM notify_note
		WHERE bundle = $1 AND told = 0 ORDER BY id`, b)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var w waiting
		var address, sender, words string
		if err := scan(&w.id, &w.Kind, &w.Key, &w.Member, &w.Link, &address, &w.ToName, &w.Lang, &sender, &w.FromName, &w.Line, &words); err != nil {
			return err
		}
		var err error
		if w.To, err = mail.ParseAddress(address); err != nil {
			return err
		}
		if w.From, err = mail.ParseAddress(sender); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(words), &w.Letter); err != nil {
			return err
		}
		all = append(all, w)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("digest: %w", err)
	}
	return all, nil
}

// stands says whether w may still be told: its link lives, and its person
// still wants to hear it.
func (s *Service) stands(ctx context.Context, tx *store.Tx, w *waiting) (ok bool, err error) {
	if w.link, ok, err = s.open(ctx, tx, w.Link); err != nil || !ok || w.Member == 0 {
		return ok, err
	}
	var chosen When
	err = tx.QueryRow(ctx, `SELECT choice FROM notify_choice WHERE member = $1 AND kind = $2`, int64(w.Member), string(w.Kind)).Scan(&chosen)
	if err == store.ErrNoRows {
		return true, nil
	}
	return chosen != Never, err
}

// notice is the digest as a mail. One piece of news alone is told in its own words.
func (s *Service) notice(ctx context.Context, tx *store.Tx, d due, told []waiting) (workflow.Notice, error) {
	last := told[len(told)-1]
	m := workflow.Notice{Mail: "digest/" + d.Bundle + "/" + strconv.FormatInt(d.At, 10), What: "digest", To: last.To, ToName: last.ToName,
		From: last.From, FromName: last.FromName, Lang: last.Lang, ReplyLink: int64(last.Link)}
	what := Everything
	if len(told) == 1 && len(last.Letter.Blocks) > 0 {
		m.Letter, what = last.Letter, string(last.Kind)
	} else {
		m.Letter = compose(locale.For(last.Lang), told)
		if last.Member != 0 { // from several people and about several things
			m.FromName = ""
		}
	}
	stop, err := s.settings(ctx, tx, last.Member, last.link, last.To, last.Lang)
	if err != nil {
		return m, err
	}
	m.Stop, m.StopWhat = int64(stop.ID), what
	if what != Everything {
		if m.Letter = footed(&last.Note, stop); !last.Kind.repeats() {
			m.Stop = 0
		}
	} else if stop.ID != 0 {
		m.Letter.LinkTo(locale.For(last.Lang).T(settingsWords(last.Member)), int64(stop.ID))
	}
	if what == Everything && last.Member != 0 || m.ReplyLink == 0 {
		m.ReplyLink = int64(stop.ID)
	}
	return m, nil
}

// compose is the letter of several news: by thing, each with its link.
func compose(p locale.Printer, told []waiting) letter.Letter {
	l := letter.Letter{Subject: p.T("notify-digest-subject", "Count", len(told))}
	if len(told) == 1 {
		l.Subject = told[0].Line
	}
	l.Heading = p.T("notify-digest-heading", "Count", len(told))
	var order []link.ID
	things := map[link.ID][]waiting{}
	for _, w := range told {
		if things[w.Link] == nil {
			order = append(order, w.Link)
		}
		things[w.Link] = append(things[w.Link], w)
	}
	for _, id := range order {
		news := things[id]
		var items []letter.Item
		for _, w := range news[:min(len(news), shown)] {
			items = append(items, letter.Item{Name: w.Line})
		}
		l.Items(items)
		if n := len(news) - shown; n > 0 {
			l.Small(p.T("notify-digest-more", "Count", n))
		}
		if id != 0 {
			l.LinkTo(p.T("notify-digest-link"), int64(id))
		}
	}
	if told[0].Member == 0 {
		l.Small(p.T("notify-digest-stop-guest"))
	} else {
		l.Small(p.T("notify-digest-stop"))
	}
	return l
}

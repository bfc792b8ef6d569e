package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// lately is how many rows are read, the newest first, for a member who asks
// where a mail of theirs is. Find reads all of them, for the operator: a member
// could ask for that in a loop.
const lately = 10 * pageOfTrace

// Sent finds the mails that a member has sent under a Message-ID between two
// moments, newest first, each by the row that begins its story.
func (t *Trace) Sent(ctx context.Context, by mail.Address, messageID string, from, to time.Time) (rows []int64, err error) {
	messageID = strings.Trim(strings.TrimSpace(store.Clean(messageID)), "<>")
	if messageID == "" {
		return nil, nil
	}
	err = t.DB.Read(ctx, func(tx *store.Tx) error {
		rows = nil
		// Rows lie in the order of time, and their ids say when they were made.
		found, err := tx.Query(ctx, `SELECT id, mail, at, event, detail FROM
			(SELECT id, mail, at, event, detail FROM trace WHERE id <= $1 AND id >= $2 ORDER BY id DESC LIMIT $3) lately
			WHERE event = 'accepted' AND detail LIKE $4 ESCAPE '\' ORDER BY id DESC LIMIT 20`,
			store.IDAt(to), store.IDAt(from), lately, like(messageID))
		seen := map[string]bool{}
		return store.Each(found, err, func(scan func(...any) error) error {
			var id int64
			e, err := scanEvent(func(into ...any) error { return scan(append([]any{&id}, into...)...) })
			if err != nil || e.MessageID != messageID || e.Member != by.Key() {
				return err
			}
			if seen[e.Mail] {
				rows[len(rows)-1] = id // it was accepted once more at its hour; the first row begins its story
				return nil
			}
			seen[e.Mail] = true
			rows = append(rows, id)
			return nil
		})
	})
	return rows, err
}

// StoryOf is the story that a row begins, of a mail that a member has sent; kind
// NotFound when it is not theirs.
func (t *Trace) StoryOf(ctx context.Context, by mail.Address, row int64) (Story, error) {
	var first Event
	err := t.DB.Read(ctx, func(tx *store.Tx) (err error) {
		first, err = scanEvent(tx.QueryRow(ctx, `SELECT mail, at, event, detail FROM trace WHERE id = $1 AND event = 'accepted'`, row).Scan)
		return err
	})
	if errors.Is(err, store.ErrNoRows) || err == nil && first.Member != by.Key() {
		return nil, mail.Wrap(mail.NotFound, fmt.Errorf("no mail of theirs begins at %d", row))
	}
	if err != nil {
		return nil, err
	}
	later, err := t.later(ctx, first)
	return append(Story{first}, later...), err
}

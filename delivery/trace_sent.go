package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// lately is how many rows are read, the newest first, for a member who asks
// where a mail of theirs is. Find reads all of them, for the operator: a member
// could ask for that in a loop.
const lately = 10 * pageOfTrace

// sentAfter is how much older than the copy in its sender's folder a mail may be.
const sentAfter = 24 * time.Hour

// Sent finds the mails that a member has sent under a Message-ID, each by the row
// that begins its story. near is the id of a row that was made about then or
// earlier, such as the member's own copy; 0: the newest rows are looked at.
func (t *Trace) Sent(ctx context.Context, by mail.Address, messageID string, near int64) (rows []int64, err error) {
	messageID = strings.Trim(strings.TrimSpace(store.Clean(messageID)), "<>")
	if messageID == "" {
		return nil, nil
	}
	from, order := int64(0), "DESC"
	if near != 0 {
		from, order = store.Before(near, sentAfter), "ASC"
	}
	err = t.DB.Read(ctx, func(tx *store.Tx) error {
		begins := map[string]int64{}
		found, err := tx.Query(ctx, `SELECT id, mail, at, event, detail FROM
			(SELECT id, mail, at, event, detail FROM trace WHERE id >= $1 ORDER BY id `+order+` LIMIT $2) few
			WHERE event = 'accepted' AND detail LIKE $3 ESCAPE '\'`, from, lately, like(messageID))
		err = store.Each(found, err, func(scan func(...any) error) error {
			var id int64
			e, err := scanEvent(func(into ...any) error { return scan(append([]any{&id}, into...)...) })
			// A mail with an hour is accepted once more then; the first row begins its story.
			if have, ok := begins[e.Mail]; err == nil && e.MessageID == messageID && e.Member == by.Key() && (!ok || id < have) {
				begins[e.Mail] = id
			}
			return err
		})
		rows = slices.Sorted(maps.Values(begins))
		return err
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

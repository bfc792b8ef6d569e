package jmap

import (
	"context"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"colporteur/delivery/timeline"
	"colporteur/locale"
	"colporteur/store/mailbox"
)

// Traces say what became of the mails that a member has sent, in their language.
// What became of others' mails is told to the operator alone.
var traceType = &sharedType{
	name:       "Trace",
	properties: []string{"id", "messageId", "sentAt", "lines"},
	// Whoever waits for a mail asks again: no counter follows what relays do.
	state:   func(context.Context, *Call) (string, error) { return "", nil },
	query:   queryTraces,
	objects: traceObjects,
}

const traceKind = 'R'

func queryTraces(ctx context.Context, c *Call, raw jsontext.Value) ([]string, error) {
	var f struct {
		EmailID   string `json:"emailId"`
		MessageID string `json:"messageId"`
	}
	if err := filter(raw, &f); err != nil {
		return nil, err
	}
	messageID, near := f.MessageID, int64(0)
	if f.EmailID != "" {
		n, ok := number[mailbox.EmailID]('e', c.idOf(f.EmailID))
		if !ok {
			return []string{}, nil
		}
		letters, err := c.letters(ctx, c.User.Account, []mailbox.EmailID{n}, true)
		if err != nil {
			return nil, err
		}
		if letters[0] == nil {
			return []string{}, nil
		}
		messageID, near = letters[0].sum.MessageID, int64(n)
	}
	if strings.TrimSpace(messageID) == "" {
		return []string{}, nil
	}
	rows, err := c.srv.Trace.Sent(ctx, c.User.Address, messageID, near)
	return idsOf(traceKind, rows), err
}

func traceObjects(ctx context.Context, c *Call, ids []string) (map[string]object, error) {
	p := locale.For(c.User.Lang)
	out := map[string]object{}
	for _, id := range ids {
		n, ok := number[int64](traceKind, id)
		if !ok {
			continue
		}
		s, err := c.srv.Trace.StoryOf(ctx, c.User.Address, n)
		if absent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := []object{}
		for _, l := range timeline.Lines(s) {
			lines = append(lines, object{"at": utcDate(l.At), "address": l.Address, "verdict": string(l.Level), "text": l.In(p, time.Local)})
		}
		out[id] = object{"id": id, "messageId": s[0].MessageID, "sentAt": utcDate(s[0].At), "lines": lines}
	}
	return out, nil
}

package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/queue"
	"colporteur/workflow/link"
)

// JobNotice is the queue's kind of mails that programs write.
const JobNotice = "notice"

// Notice is a mail of ours to one person, as it waits in the queue. It holds no
// token: the database would keep it. Post makes tokens again from link ids.
type Notice struct {
	Mail       string // what caused it: the key of a mail, or another name
	What       string // "receipt", "invitation", …; with Mail and To it is sent once
	To         mail.Address
	ToName     string `json:",omitempty"`
	From       mail.Address
	FromName   string        `json:",omitempty"` // "" is the house's name
	ReplyTo    *mail.Address `json:",omitempty"`
	ReplyLink  int64         `json:",omitempty"` // link.ID: replies go to its r.TOKEN@
	Lang       string
	Replied    bool     `json:",omitempty"` // an answer to the recipient's own mail (RFC 3834 §5)
	InReplyTo  string   `json:",omitempty"`
	References []string `json:",omitempty"`
	Letter     letter.Letter
	Stop       int64  `json:",omitempty"` // link.ID of kind Settings: where its recipient stops mails like this one
	StopWhat   string `json:",omitempty"` // what that stops; a word in the path of the link
}

// Name is what stands before the @ in the mail's Message-ID: a reply names it.
func (n *Notice) Name() string { return strings.ReplaceAll(n.once(), "/", ".") }

// Door is where notices go; *delivery.Door is one.
type Door interface {
	Accept(ctx context.Context, env *mail.Envelope, body io.Reader) error
}

// Post sends what programs write.
type Post struct {
	Queue    *queue.Queue
	Door     Door
	Links    *link.Service
	Hostname string                                                        // for Message-ID
	WebURL   func(kind string, t link.Token) string                        // address of a link's page
	Secret   func(ctx context.Context, member mail.UserID) (string, error) // what stands in a member's secret addresses; nil: nobody has one
	Now      func() time.Time                                              // nil is time.Now
	Log      *slog.Logger                                                  // nil discards
}

// perHour is how many notices one person gets from us in an hour. It is the
// brake of last resort against loops (RFC 3834 §2), far above honest use.
const perHour = 100

// Send queues n in the transaction of what it tells about. It says false when
// the recipient has had too many: then n is not sent, ever.
func (p *Post) Send(ctx context.Context, tx *store.Tx, n Notice) (bool, error) {
	if n.To.IsZero() {
		return false, nil
	}
	payload, err := json.Marshal(n)
	if err != nil {
		return false, fmt.Errorf("notice: %w", err)
	}
	var count int
	if err := tx.QueryRow(ctx, `INSERT INTO notice_rate (recipient, hour, count) VALUES ($1, $2, 1)
		ON CONFLICT (recipient, hour) DO UPDATE SET count = notice_rate.count + 1 RETURNING count`,
		store.Clean(n.To.Key()), p.now().Unix()/3600).Scan(&count); err != nil {
		return false, err
	}
	if count > perHour {
		p.log().WarnContext(ctx, "too many notices", "mail", n.Mail, "to", n.To.String())
		return false, nil
	}
	if _, _, err := p.Queue.Add(ctx, tx, queue.Job{Kind: JobNotice, Lane: n.To.Domain, Key: n.once(), Payload: payload}); err != nil {
		return false, fmt.Errorf("notice: %w", err)
	}
	return true, nil
}

// once names the notice among all.
func (n *Notice) once() string {
	h := sha256.Sum256([]byte(n.Mail + "\x00" + n.To.Key() + "\x00" + n.What))
	return "notice/" + hex.EncodeToString(h[:16])
}

// Work is the queue's handler for JobNotice.
func (p *Post) Work(ctx context.Context, j *queue.Job) queue.Outcome {
	var n Notice
	if err := json.Unmarshal(j.Payload, &n); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	body, err := p.compose(ctx, &n)
	switch {
	case mail.Is(err, mail.NotFound):
		return queue.Done(nil) // what it announces was taken back meanwhile
	case err == nil:
		once := n.once()
		err = p.Door.Accept(ctx, &mail.Envelope{ID: once[len("notice/"):], Origin: mail.FromSystem, Once: once,
			To: []mail.Recipient{{Address: n.To, Notify: mail.NotifyNever}}, UTF8: !n.To.IsASCII(), Body: mail.Body7Bit,
			Client: mail.Client{Protocol: "LOCAL"}, Received: p.now()}, body)
	}
	switch {
	case err == nil:
		return queue.Done(nil)
	case ctx.Err() != nil:
		return queue.Snooze(p.now(), "stopped", nil)
	case known(err) && !mail.KindOf(err).Temporary(), p.now().Sub(j.Created) > giveUp:
		p.log().ErrorContext(ctx, "notice not sent", "mail", n.Mail, "to", n.To.String(), "err", err)
		return queue.Discard(err.Error(), nil)
	}
	return queue.Snooze(p.now().Add(Pause(j.Attempts)), err.Error(), nil)
}

func known(err error) bool {
	var e *mail.Error
	return errors.As(err, &e)
}

func (p *Post) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

func (p *Post) log() *slog.Logger {
	if p.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.Log
}

package gazette

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
)

// Job is the queue's kind of one reader's paper of one month.
const Job = "gazette"

// MaxPhotos is how many photos a paper has: 30 leaves, about 10 MB, which every
// mailbox takes.
const MaxPhotos = 60

// giveUp is how long a paper that cannot be made is tried again.
const giveUp = 48 * time.Hour

// Service is the papers of one host.
type Service struct {
	DB       *store.DB
	Blobs    *blob.Store
	Queue    *queue.Queue
	Links    *link.Service
	Albums   *album.Service
	Door     workflow.Door
	Hostname string
	Zone     *time.Location   // whose months they are; nil is the machine's
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger     // nil discards
}

// paperOf is the payload of a job.
type paperOf struct {
	Link  link.ID
	Month int
}

// number is a month as 202611.
func number(t time.Time) int { return t.Year()*100 + int(t.Month()) }

// Ask has the person of a link get the paper of its album from now on, or no more.
// The first is of the month that is running.
func (s *Service) Ask(ctx context.Context, tx *store.Tx, l link.Link, yes bool) error {
	if l.Kind != link.Album || l.Public {
		return mail.Wrap(mail.NotFound, fmt.Errorf("link %d is nobody's in an album", l.ID))
	}
	if !yes {
		_, err := tx.Exec(ctx, `DELETE FROM gazette_reader WHERE link = $1`, int64(l.ID))
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO gazette_reader (link, asked, month) VALUES ($1, $2, $3) ON CONFLICT (link) DO NOTHING`,
		int64(l.ID), store.Micros(s.now()), number(s.last()))
	return err
}

// Asked says whether the person of a link gets the paper.
func (s *Service) Asked(ctx context.Context, id link.ID) (yes bool, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		var n int
		err := tx.QueryRow(ctx, `SELECT count(*) FROM gazette_reader WHERE link = $1`, int64(id)).Scan(&n)
		yes = n > 0
		return err
	})
	return yes, err
}

// last is the beginning of the month before this one.
func (s *Service) last() time.Time {
	now := s.now().In(s.zone())
	return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, s.zone()).AddDate(0, -1, 0)
}

// Sweep queues the papers of the month that has ended, and forgets readers whose
// link is gone.
func (s *Service) Sweep(ctx context.Context) error {
	month := number(s.last())
	for {
		n := 0
		err := s.DB.Write(ctx, func(tx *store.Tx) error {
			n = 0
			if _, err := tx.Exec(ctx, `DELETE FROM gazette_reader WHERE NOT EXISTS (SELECT 1 FROM link l WHERE l.id = gazette_reader.link AND l.revoked = 0)`); err != nil {
				return err
			}
			var ids []link.ID
			rows, err := tx.Query(ctx, `SELECT link FROM gazette_reader WHERE month < $1 ORDER BY link LIMIT 100`, month)
			if err := store.Each(rows, err, func(scan func(...any) error) error {
				var id link.ID
				err := scan(&id)
				ids = append(ids, id)
				return err
			}); err != nil {
				return err
			}
			for _, id := range ids {
				payload, err := json.Marshal(paperOf{id, month})
				if err != nil {
					return err
				}
				if _, _, err := s.Queue.Add(ctx, tx, queue.Job{Kind: Job, Key: fmt.Sprintf("%d/%d", id, month), Payload: payload}); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, `UPDATE gazette_reader SET month = $1 WHERE link = $2`, month, int64(id)); err != nil {
					return err
				}
			}
			n = len(ids)
			return nil
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// Work is the queue's handler for Job.
func (s *Service) Work(ctx context.Context, j *queue.Job) queue.Outcome {
	var p paperOf
	if err := json.Unmarshal(j.Payload, &p); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	err := s.send(ctx, p)
	switch {
	case err == nil, mail.Is(err, mail.NotFound): // the link was taken back, or the album
		return queue.Done(nil)
	case ctx.Err() != nil:
		return queue.Snooze(s.now(), "stopped", nil)
	case !temporary(err), s.now().Sub(j.Created) > giveUp:
		s.log().ErrorContext(ctx, "paper not sent", "kind", Job, "link", int64(p.Link), "err", err)
		return queue.Discard(err.Error(), nil)
	}
	return queue.Snooze(s.now().Add(workflow.Pause(j.Attempts)), err.Error(), nil)
}

func temporary(err error) bool {
	var e *mail.Error
	return !errors.As(err, &e) || e.Kind.Temporary()
}

// send makes one reader's paper and hands it to the Door. In a month without a
// photo there is none.
func (s *Service) send(ctx context.Context, p paperOf) error {
	l, err := s.Links.Get(ctx, p.Link)
	if err != nil {
		return err
	}
	if !l.Quiet.IsZero() || !l.Manage && !l.Rules.Frozen.IsZero() {
		return nil
	}
	begin := time.Date(p.Month/100, time.Month(p.Month%100), 1, 0, 0, 0, 0, s.zone())
	var a *album.Album
	var photos []album.Shelved
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		var asked int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM gazette_reader WHERE link = $1`, int64(l.ID)).Scan(&asked); err != nil || asked == 0 {
			return err
		}
		a, photos, err = s.Albums.Month(ctx, tx, album.ID(l.Thing), begin, begin.AddDate(0, 1, 0))
		return err
	})
	if err != nil || len(photos) == 0 {
		return err
	}
	say := locale.For(l.Lang)
	paper := &Paper{Title: a.Name, From: a.From, Month: begin, Lang: say.Lang, More: max(0, len(photos)-MaxPhotos)}
	for _, f := range photos[:min(len(photos), MaxPhotos)] {
		one := Photo{Width: f.Width, Height: f.Height, Caption: f.Caption, Open: func() (io.ReadCloser, error) { return s.Blobs.Open(ctx, f.Blob, 0) }}
		for _, c := range f.Comments {
			one.Words = append(one.Words, Words{c.Name, c.Text})
		}
		paper.Photos = append(paper.Photos, one)
	}
	var pdf bytes.Buffer
	if err := paper.WritePDF(&pdf); err != nil {
		return err
	}
	return s.mail(ctx, l, a, begin, pdf.Bytes())
}

func (s *Service) mail(ctx context.Context, l link.Link, a *album.Album, month time.Time, pdf []byte) error {
	say := locale.For(l.Lang)
	owner, err := s.domain(ctx, l)
	if err != nil {
		return err
	}
	once := fmt.Sprintf("gazette/%d/%d", l.ID, number(month))
	reply := mail.Address{Local: "r." + string(s.Links.ReplyToken(l)), Domain: owner}
	c := mail.Compose{From: mail.Mailbox{Name: say.T("workflow-on-behalf", "Name", a.From), Addr: "aide@" + owner}, ReplyTo: []mail.Mailbox{{Addr: reply.String()}},
		To:      []mail.Mailbox{{Name: l.Name, Addr: l.Person.String()}},
		Subject: say.T("gazette-subject", "Album", a.Name, "Month", say.Month(month)), MessageID: strings.ReplaceAll(once, "/", ".") + "@" + s.Hostname,
		Date: s.now(), Lang: say.Lang, Auto: "auto-generated",
		Extra: []mail.Field{{Name: "X-Auto-Response-Suppress", Value: "All"}, {Name: "List-Unsubscribe", Value: "<mailto:" + reply.String() + "?subject=STOP>"}},
		Text:  say.T("gazette-text", "Album", a.Name, "Month", say.Month(month)) + "\n\n" + say.T("gazette-foot") + "\n",
		Attachments: []mail.Attachment{{Name: say.T("gazette-file", "Month", month.Format("2006-01")), Type: "application/pdf",
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(pdf)), nil }}},
	}
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return err
	}
	return s.Door.Accept(ctx, &mail.Envelope{ID: strings.ReplaceAll(once, "/", "."), Origin: mail.FromSystem, Once: once,
		To: []mail.Recipient{{Address: l.Person, Notify: mail.NotifyNever}}, UTF8: !l.Person.IsASCII(), Body: mail.Body7Bit,
		Client: mail.Client{Protocol: "LOCAL"}, Received: s.now()}, &b)
}

// domain is the owner's, which mails about an album come from.
func (s *Service) domain(ctx context.Context, l link.Link) (string, error) {
	ls, err := s.Links.List(ctx, link.Album, l.Thing)
	for _, other := range ls {
		if other.Manage {
			return other.Person.Domain, nil
		}
	}
	if err == nil {
		err = mail.Wrap(mail.NotFound, fmt.Errorf("album %d has no owner's link", l.Thing))
	}
	return "", err
}

func (s *Service) zone() *time.Location {
	if s.Zone == nil {
		return time.Local
	}
	return s.Zone
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

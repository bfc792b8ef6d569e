package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
	"colporteur/store/queue"
)

// keep puts the internet's relay on a database of its own and stores text.
func (n *internet) keep(text string) message.ID {
	n.t.Helper()
	ctx := n.t.Context()
	db, err := store.Open(ctx, "sqlite:"+n.t.TempDir()+"/db", nil)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { db.Close() })
	blobs := &blob.Store{DB: db, Dir: n.t.TempDir(), Master: bytes.Repeat([]byte{7}, 32), Inline: 1 << 20}
	n.relay.Messages = &message.Store{DB: db, Blobs: blobs, Now: n.relay.Now}
	n.relay.Queue = &queue.Queue{DB: db, Now: n.relay.Now}
	ref, err := blobs.Put(ctx, []byte(text))
	if err != nil {
		n.t.Fatal(err)
	}
	d := &message.Draft{ID: message.ID(store.NewID()), Size: int64(len(text)), Refs: []blob.Ref{ref},
		Segments: []message.Segment{{Kind: message.Raw, Blob: ref.ID, Length: int64(len(text))}},
		Summary:  &mail.Summary{Subject: "The lake"}}
	if err := db.Write(ctx, func(tx *store.Tx) error { return n.relay.Messages.Insert(ctx, tx, d) }); err != nil {
		n.t.Fatal(err)
	}
	n.stored = d.ID
	return d.ID
}

// post queues n mails to each domain, in turn.
func (n *internet) post(count int, domains ...string) {
	n.t.Helper()
	d := n.mail()
	d.Message = n.stored
	d.At = n.relay.now()
	q := n.relay.Queue
	for i := range count {
		err := q.DB.Write(n.t.Context(), func(tx *store.Tx) error {
			for _, domain := range domains {
				d.Mail = fmt.Sprintf("%s-%d", domain, i)
				d.To = []mail.Recipient{{Address: mail.Address{Local: "bob", Domain: domain}}}
				payload, err := json.Marshal(d)
				if err != nil {
					return err
				}
				if _, _, err := q.Add(n.t.Context(), tx, queue.Job{Kind: delivery.JobRelay, Lane: domain, Payload: payload, Message: int64(d.Message)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			n.t.Fatal(err)
		}
	}
}

// start runs the queue; the test's end stops it.
func (n *internet) start() (stop func()) {
	n.t.Helper()
	n.relay.Register()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.relay.Queue.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	n.t.Cleanup(stop)
	return stop
}

func TestStoredMessageIsReadBackForThePeerAndTheNotice(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", func(s *sink) {
		s.answer = func(line string) string {
			if strings.HasPrefix(line, "RCPT TO:<gone@") {
				return "550 5.1.1 no"
			}
			return ""
		}
	})
	w := &work{Relay: n.mail("bob@far.test", "gone@far.test")}
	w.Message = n.keep(sample)
	n.drive(w, n.relay.source(w.Relay), nil)
	if got := far.took(); len(got) != 1 || got[0].data != string(w.Prefix)+sample {
		t.Errorf("got %+v", got)
	}
	if p := n.notices(1)[0]; !strings.HasSuffix(p.mail, sample) || !strings.Contains(p.words, "«\u00a0The lake\u00a0»") {
		t.Errorf("got %q\n%s", p.mail, p.words)
	}
	// A recall takes it away.
	err := n.relay.Messages.DB.Write(t.Context(), func(tx *store.Tx) error { return n.relay.Messages.Delete(t.Context(), tx, w.Message) })
	if err != nil {
		t.Fatal(err)
	}
	w = &work{Relay: n.mail("bob@far.test")}
	w.Message = 1
	n.drive(w, n.relay.source(w.Relay), nil)
	if len(far.took()) != 1 {
		t.Error("a message that is gone was sent")
	}
}

func TestQueueRunsAMailToItsEnd(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	var mu sync.Mutex
	n.relay.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return n.clock }
	busy := true
	far := n.site("far.test", func(s *sink) {
		s.answer = func(line string) string {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case strings.HasPrefix(line, "RCPT TO:<gone@"):
				return "550 5.1.1 no"
			case strings.HasPrefix(line, "RCPT TO:<bob@") && busy:
				return "450 4.2.1 later"
			}
			return ""
		}
	})
	d := n.mail("bob@far.test", "gone@far.test")
	d.Message = n.keep(sample)
	n.relay.Register()
	payload, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	q := n.relay.Queue
	err = q.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, _, err := q.Add(t.Context(), tx, queue.Job{Kind: delivery.JobRelay, Lane: "far.test", Payload: payload, Message: int64(d.Message)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	defer func() { stop(); <-done }()
	if err := q.Idle(t.Context(), delivery.JobRelay); err != nil {
		t.Fatal(err)
	}
	n.notices(1)
	waiting, err := n.relay.Waiting(t.Context())
	if err != nil || len(waiting) != 1 {
		t.Fatalf("got %v, %v", waiting, err)
	}
	it := waiting[0]
	if it.Mail != "m1" || len(it.To) != 1 || it.To[0].Local != "bob" || it.Attempts != 1 || it.Reason != "mx.far.test: 450 4.2.1 later" ||
		!it.Next.After(n.relay.now()) || it.From != d.From {
		t.Errorf("got %+v", it)
	}
	mu.Lock()
	busy = false
	n.clock = it.Next.Add(time.Second)
	mu.Unlock()
	q.Wake()
	if err := q.Idle(t.Context(), delivery.JobRelay); err != nil {
		t.Fatal(err)
	}
	if waiting, err := n.relay.Waiting(t.Context()); err != nil || len(waiting) != 0 {
		t.Errorf("got %v, %v", waiting, err)
	}
	if got := far.took(); len(got) != 1 || len(got[0].rcpts) != 1 {
		t.Errorf("got %+v", got)
	}
	n.notices(1)
}

package workflowtest

import (
	"encoding/json"
	"fmt"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
	"colporteur/store/queue"
)

// Outside is a mail that came from another host.
type Outside struct {
	From   mail.Address
	Proven bool // From's domain signed it
	Mail
}

// SendOutside has the mail come from another host, as the Door leaves it for the
// programs after it looked for proof, and waits for what it causes.
func (h *House) SendOutside(m Outside) {
	h.tb.Helper()
	m.User = mail.User{ID: -1, Address: m.From} // only to be named in From
	raw := h.Compose(m.Mail)
	ctx := h.tb.Context()
	ref, err := h.Blobs.Put(ctx, raw)
	if err != nil {
		h.tb.Fatal(err)
	}
	scan := &mail.Scanner{}
	scan.Write(raw)
	sum, _, err := scan.Close()
	if err != nil {
		h.tb.Fatal(err)
	}
	size := int64(len(raw))
	draft := &message.Draft{ID: message.ID(store.NewID()), Summary: sum, Size: size, Refs: []blob.Ref{ref},
		Segments: []message.Segment{{Kind: message.Raw, Blob: ref.ID, Length: size}}}
	at := mail.MustAddress(m.To[0])
	pattern, _ := h.Mux.Match(at.Local)
	from := m.From
	if m.NullFrom {
		from = mail.Address{}
	}
	err = h.DB.Write(ctx, func(tx *store.Tx) error {
		if err := h.Messages.Insert(ctx, tx, draft); err != nil {
			return err
		}
		payload, err := json.Marshal(delivery.Program{Mail: fmt.Sprint(store.NewID()), Message: draft.ID, Pattern: pattern, Address: at, From: from,
			Outside: true, Author: m.From, Proven: m.Proven, At: h.Now()})
		if err != nil {
			return err
		}
		_, _, err = h.Queue.Add(ctx, tx, queue.Job{Kind: delivery.JobProgram, Lane: m.From.Key(), Payload: payload, Message: int64(draft.ID)})
		return err
	})
	if err != nil {
		h.tb.Fatal(err)
	}
	h.Settle()
}

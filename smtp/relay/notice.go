package relay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"colporteur/mail"
)

// notice is what the sender still has to be told.
type notice struct {
	Action string
	About  []fate
	Tries  int       `json:",omitempty"`
	Until  time.Time `json:",omitzero"` // delayed: when the first of them is given up
}

// key names a notice: the same mail, action and recipients make the same one.
// A recipient fails once and is warned about once, so no two notices share it.
func (n *notice) key(mailID string) string {
	h := sha256.New()
	for _, f := range n.About {
		h.Write([]byte(f.To.Key() + "\n"))
	}
	return mailID + "-" + n.Action + "-" + hex.EncodeToString(h.Sum(nil)[:6])
}

// tell hands the notices to the Door. Those it did not take stay in w, and
// again says when to try once more.
func (r *Relay) tell(ctx context.Context, w *work, src source) (again time.Time) {
	var kept []notice
	for i := range w.Notices {
		n := w.Notices[i]
		err := r.send(ctx, w, &n, src)
		switch {
		case err == nil:
			r.log().Info("sender told", "mail", w.Mail, "to", w.From.String(), "kind", n.Action)
		case forGood(err), len(n.About) > 0 && r.now().Sub(n.About[0].At) > giveUp:
			// The sender cannot be reached: what else is there to do.
			r.log().Warn("sender cannot be told", "mail", w.Mail, "to", w.From.String(), "kind", n.Action, "err", err)
		default:
			n.Tries++
			at := r.now().Add(pauses[min(n.Tries-1, len(pauses)-1)])
			if again.IsZero() || at.Before(again) {
				again = at
			}
			kept = append(kept, n)
			if ctx.Err() == nil {
				r.log().Warn("notice delayed", "mail", w.Mail, "to", w.From.String(), "kind", n.Action, "err", err)
			}
		}
	}
	w.Notices = kept
	return again
}

// forGood reports whether the Door will never take it.
func forGood(err error) bool {
	var e *mail.Error
	return errors.As(err, &e) && !e.Kind.Temporary()
}

// send composes one notice and has the Door take it.
func (r *Relay) send(ctx context.Context, w *work, n *notice, src source) error {
	full := r.returnsAll(w, n)
	err := r.sendOnce(ctx, w, n, src, full)
	if full && mail.Is(err, mail.TooBig) {
		err = r.sendOnce(ctx, w, n, src, false)
	}
	return err
}

func (r *Relay) sendOnce(ctx context.Context, w *work, n *notice, src source, full bool) error {
	rep, err := r.report(ctx, w, n, src, full)
	if err != nil {
		return err
	}
	defer rep.close()
	id := n.key(w.Mail)
	env := &mail.Envelope{
		ID:       id,
		Once:     "dsn:" + id,
		Origin:   mail.FromSystem,
		To:       []mail.Recipient{{Address: w.From, Notify: mail.NotifyNever}}, // RFC 3461 §6.1
		Client:   mail.Client{Protocol: "LOCAL"},
		UTF8:     rep.utf8,
		Received: r.now(),
	}
	if rep.eightBit {
		env.Body = mail.Body8Bit
	}
	return r.Door.Accept(ctx, env, rep.body)
}

// What a notice returns of the mail, when the sender did not say: all of a
// small one, the header of a large one. Nobody gets ten megabytes back.
const (
	returnUnsaid = 64 << 10
	returnAsked  = 10 << 20
)

func (r *Relay) returnsAll(w *work, n *notice) bool {
	if n.Action != failed {
		return false // RFC 3461 §4.3: RET is about failures
	}
	switch w.Ret {
	case mail.RetFull:
		return w.Size <= returnAsked
	case mail.RetHeaders:
		return false
	}
	return w.Size <= returnUnsaid
}

// langs are the languages a notice to the sender speaks.
func (r *Relay) langs(sender mail.Address) []string {
	lang := ""
	if r.Lang != nil {
		lang = r.Lang(sender)
	}
	if slices.Contains(langs, lang) {
		return []string{lang}
	}
	return langs
}

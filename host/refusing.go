package host

import (
	"context"
	"fmt"

	"golang.org/x/net/publicsuffix"

	"colporteur/delivery"
	"colporteur/office"
)

// traced is what the relay tells the trace. A mail that a provider took shows
// that our address is let in again there; of our domain it shows nothing, for it
// may be of another one.
func (h *Host) traced(ctx context.Context, e ...delivery.Event) error {
	if h.refusing.Load() {
		for _, one := range e {
			if one.What != delivery.Relayed {
				continue
			}
			if err := h.letIn(ctx, one.Host); err != nil {
				h.opt.Log.WarnContext(ctx, "not noted that we are let in again", "host", one.Host, "err", err)
			}
		}
	}
	return h.Trace.Add(ctx, e...)
}

// letIn forgets that the provider of a server refused our address. Without any
// refusal left the next mails cost no look.
func (h *Host) letIn(ctx context.Context, server string) error {
	h.refusing.Store(false)
	all, err := h.Office.Refusals(ctx)
	if err != nil {
		h.refusing.Store(true)
		return fmt.Errorf("refusals: %w", err)
	}
	for _, r := range all {
		if r.Scope == "ip" && registered(r.Server) == registered(server) {
			if err := h.Office.LetIn(ctx, r); err != nil {
				h.refusing.Store(true)
				return err
			}
			continue
		}
		h.refusing.Store(true)
	}
	return nil
}

// registered is the domain that whoever runs a server has registered.
func registered(server string) string {
	d, err := publicsuffix.EffectiveTLDPlusOne(server)
	if err != nil {
		return server
	}
	return d
}

// refused keeps that a provider refuses us.
func (h *Host) refused(ctx context.Context, r office.Refusing) {
	h.refusing.Store(true)
	if err := h.Office.Refused(context.WithoutCancel(ctx), r); err != nil {
		h.opt.Log.WarnContext(ctx, "refusal not kept", "to", r.Who, "err", err)
	}
}

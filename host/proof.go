package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"colporteur/delivery"
	"colporteur/dkim"
	"colporteur/dkim/arc"
	"colporteur/dkim/authres"
	"colporteur/dkim/origin"
	"colporteur/mail"
	"colporteur/smtp/relay/secure"
)

// wireProof makes the parts that judge the mail of others, and how ours must travel.
func (h *Host) wireProof() {
	now, log := h.opt.Now, h.opt.Log
	h.Policies = &secure.Finder{DNS: h.opt.DNS, DB: h.DB, Port: h.Config.Relay.Port, AllowPrivate: h.Config.Relay.AllowPrivate,
		Note: func(o secure.Outcome) { h.Reports.session(o) }, Now: now, Log: log}
	h.Door.Judge = judge{&origin.Judge{DNS: h.opt.DNS, Hostname: h.Config.Hostname, Sealers: h.Config.Origin.TrustedSealers,
		Seen: seen, Now: now, Log: log}, h.Config.Hostname}
}

// seen reads what a sealer wrote down.
func seen(value string) *mail.Verdict {
	r, err := authres.Parse(value)
	if err != nil {
		return nil
	}
	return authres.ToVerdict(r)
}

// tickKeys looks after the keys: soon after the start, then every hour.
func (h *Host) tickKeys(ctx context.Context) error {
	t := time.NewTimer(5 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if err := h.Keys.Tick(ctx); err != nil && ctx.Err() == nil {
			h.opt.Log.WarnContext(ctx, "keys not looked after", "err", err)
		}
		h.publish(ctx)
		t.Reset(time.Hour)
	}
}

// publish writes what is missing of our records, where we may.
func (h *Host) publish(ctx context.Context) {
	domains, err := h.Accounts.Domains(ctx)
	if h.Records == nil || err != nil {
		return
	}
	for _, d := range domains {
		done, err := h.PublishRecords(ctx, d, nil)
		if err != nil && ctx.Err() == nil {
			h.opt.Log.WarnContext(ctx, "records not published", "domain", d, "err", err)
		}
		if len(done) > 0 {
			h.opt.Log.InfoContext(ctx, "records published", "domain", d, "count", len(done))
		}
	}
}

// judge is delivery.Judge: the evidence of dkim/origin in the words of dkim/authres.
type judge struct {
	*origin.Judge
	hostname string
}

var _ delivery.Judge = judge{}

func (j judge) Field(v *mail.Verdict, member string) []byte {
	return []byte(authres.Field(j.hostname, v, member))
}

func (j judge) Forged(header []byte) [][2]int { return authres.Forged(header, j.hostname) }

func (j judge) Proof(v *mail.Verdict) string {
	said := func(r mail.Result) mail.Result {
		if r == "" {
			return mail.None
		}
		return r
	}
	signed := mail.None
	for _, s := range v.DKIM {
		if signed == mail.None || s.Result == mail.Pass {
			signed = said(s.Result)
		}
	}
	out := fmt.Sprintf("spf=%s dkim=%s dmarc=%s", said(v.MailFrom.Result), signed, said(v.DMARC.Result))
	if r := said(v.ARC.Result); r != mail.None {
		out += " arc=" + string(r)
	}
	return out
}

// sign makes the DKIM-Signature fields of a mail that leaves, and the ARC set of
// one that only passes through. A mail that cannot be signed leaves without:
// that is worse for it than a signature, and better than not to leave.
func (h *Host) sign(ctx context.Context, d delivery.Relay, message io.WriterTo) ([]byte, error) {
	domain, err := h.signer(ctx, d)
	if err != nil || domain == "" {
		return nil, err
	}
	keys, err := h.Keys.Signing(ctx, domain)
	if err != nil || len(keys) == 0 {
		if err != nil {
			h.opt.Log.WarnContext(ctx, "sent unsigned", "mail", d.Mail, "err", err)
		}
		return nil, nil
	}
	now := h.opt.Now()
	var seal []byte
	if f := d.Forward; f != nil && f.Results != "" {
		seal, err = arc.Seal(ctx, sealing(keys), now, f.Chain, f.Results, message)
		if err != nil && !errors.Is(err, arc.ErrFull) { // a chain of fifty: it goes on without ours
			return nil, err
		}
	}
	lines, err := dkim.Sign(ctx, keys, now, both{seal, message})
	return append(lines, seal...), err
}

// sealing chooses the key for ARC, where RSA is what everybody verifies (RFC 8617 §4.1.3).
func sealing(keys []dkim.Key) dkim.Key {
	for _, k := range keys {
		if strings.HasPrefix(fmt.Sprintf("%T", k.Signer), "*rsa.") {
			return k
		}
	}
	return keys[0]
}

// both is a message with lines before it.
type both struct {
	lines   []byte
	message io.WriterTo
}

func (b both) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b.lines)
	if err != nil {
		return int64(n), err
	}
	m, err := b.message.WriteTo(w)
	return int64(n) + m, err
}

// signer is the domain of ours that answers for a mail: of its author, so that
// DMARC finds it aligned; of the alias that it passes through; else of the
// return path.
func (h *Host) signer(ctx context.Context, d delivery.Relay) (string, error) {
	if d.Forward != nil {
		return h.domainOf(ctx, d.Forward.By.Domain)
	}
	m, err := h.Messages.Get(ctx, d.Message)
	if err != nil {
		return "", err
	}
	if m.Summary != nil && len(m.Summary.From) > 0 {
		if a, err := mail.ParseAddress(m.Summary.From[0].Addr); err == nil {
			if domain, err := h.domainOf(ctx, a.Domain); err != nil || domain != "" {
				return domain, err
			}
		}
	}
	return h.domainOf(ctx, d.From.Domain)
}

// domainOf is the domain of ours that name is, or is below of; "" when it is not
// ours. What our own host name writes, bounces, its first domain signs.
func (h *Host) domainOf(ctx context.Context, name string) (string, error) {
	domains, err := h.Accounts.Domains(ctx)
	if err != nil || name == "" {
		return "", err
	}
	best := ""
	for _, d := range domains {
		if (d == name || strings.HasSuffix(name, "."+d)) && len(d) > len(best) {
			best = d
		}
	}
	if best == "" && name == h.Config.Hostname && len(domains) > 0 {
		best = domains[0]
	}
	return best, nil
}

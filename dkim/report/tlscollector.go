package report

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"colporteur/store"
)

// Outcome is one session with a server that takes mail for a domain, as
// smtp/relay/secure has it. Failure "" is success.
type Outcome struct {
	Domain  string   // of the recipient
	Host    string   // the MX
	IP      string   // "" when none was reached
	Kind    string   // no-policy-found, sts, tlsa
	Policy  []string // as published
	MX      []string // patterns that the policy names
	Failure string   // in the words of RFC 8460 §4.3
	Reason  string
}

// TLSCollector counts sessions for reports to the domains we send mail to.
type TLSCollector struct {
	DB  *store.DB
	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards

	tally tally
}

// met is one row of a report to be.
type met struct {
	Kind   string   `json:"k"`
	Policy []string `json:"p,omitempty"`
	MX     []string `json:"m,omitempty"`
	Result string   `json:"r,omitempty"`
	Host   string   `json:"h,omitempty"`
	IP     string   `json:"i,omitempty"`
	Reason string   `json:"w,omitempty"`
}

// Bounds of what a domain's own policy may cost us.
const (
	maxPolicyLines = 100
	maxPolicySize  = 8 << 10
	maxReason      = 120
)

// Note counts one session.
func (c *TLSCollector) Note(o Outcome) {
	name := domain(o.Domain)
	if name == "" {
		return
	}
	m := met{Kind: oneOf(o.Kind, "sts", "tlsa"), Policy: bounded(o.Policy), MX: bounded(o.MX)}
	if m.Kind == "" {
		m.Kind = "no-policy-found"
	}
	if o.Failure != "" {
		m.Result, m.Host, m.Reason = clip(o.Failure), domain(o.Host), o.Reason
		if len(m.Reason) > maxReason {
			m.Reason = strings.ToValidUTF8(m.Reason[:maxReason], "")
		}
		if ip, err := netip.ParseAddr(o.IP); err == nil {
			m.IP = ip.Unmap().WithZone("").String()
		}
	}
	detail, err := json.Marshal(m)
	if err != nil {
		return
	}
	c.tally.note(owed{orNow(c.Now).Unix() / 86400, name}, "", string(detail), 1)
}

func bounded(lines []string) []string {
	var out []string
	size := 0
	for _, l := range lines[:min(len(lines), maxPolicyLines)] {
		if size += len(l); size > maxPolicySize {
			break
		}
		out = append(out, strings.ToValidUTF8(l, ""))
	}
	return out
}

// Flush writes down what was counted.
func (c *TLSCollector) Flush(ctx context.Context) error {
	return c.tally.flush(ctx, c.DB, kindTLS)
}

// Run flushes every minute until ctx ends, and then once more.
func (c *TLSCollector) Run(ctx context.Context) error {
	return c.tally.run(ctx, c.DB, kindTLS, orDiscard(c.Log))
}

// Package origin judges where a mail comes from: it has SPF, DKIM, ARC and
// DMARC look at one mail while it streams past, and puts what they say together
// into a mail.Verdict. What follows from it is delivery's to decide.
//
// # The time it takes
//
// Everything that asks the DNS starts with the header, side by side: SPF for
// both identities, the author's policy, the keys. The body is hashed as it
// passes and not kept. A mail without signatures costs three goroutines, which
// have mostly ended when its last byte arrives. When the DNS is silent the
// verdict is temperrors, Wait after the header.
package origin

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"colporteur/dkim"
	"colporteur/dkim/arc"
	"colporteur/dkim/dmarc"
	"colporteur/dkim/spf"
	"colporteur/dns"
	"colporteur/mail"
)

// Judge judges mails. Its fields are set once, before use.
type Judge struct {
	DNS      *dns.Client
	Hostname string   // of this server, for the log
	Sealers  []string // domains whose ARC seals are believed; none by default
	// Seen reads the value of an ARC-Authentication-Results field, what a sealer
	// saw arrive. It may return nil, and may be nil: then no seal is believed.
	Seen func(value string) *mail.Verdict
	// Wait is how long the DNS may take, from the header on; 0 is 20 s.
	Wait time.Duration
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: none
}

const (
	wait = 20 * time.Second // RFC 7208 §4.6.4 wants as much for SPF alone
	// late is what comparing domains may take, when the mail is there: their
	// records are asked for then, if nobody has yet.
	late = 5 * time.Second
)

// slow is the reason of what the DNS did not say in time.
const slow = "it took too long"

// Begin starts to judge a mail from outside. header is its header block with the
// empty line, perhaps cut off at a bound; the whole mail is written then. When
// ctx ends, so does the judging.
func (j *Judge) Begin(ctx context.Context, env *mail.Envelope, header []byte) mail.Judging {
	m := &judging{j: j, parent: ctx, begun: time.Now(), env: env, author: dmarc.ReadAuthor(header),
		ehlo: make(chan mail.SPFResult, 1), policy: make(chan *dmarc.Discovery, 1)}
	m.ctx, m.cancel = context.WithTimeout(ctx, m.wait())
	go func() { m.ehlo <- m.check("") }()
	if !env.From.IsZero() {
		m.sender = make(chan mail.SPFResult, 1)
		go func() { m.sender <- m.check(env.From.String()) }()
	}
	go func() { m.policy <- dmarc.Discover(m.ctx, j.DNS, m.author) }()
	m.dkim = (&dkim.Verifier{DNS: j.DNS, Now: j.Now}).Begin(m.ctx, header)
	m.arc = (&arc.Verifier{DNS: j.DNS, Trusted: j.Sealers, AuthServ: j.sealed, Now: j.Now}).Begin(m.ctx, header)
	return m
}

func (j *Judge) sealed(_ int, value string) *mail.Verdict {
	if j.Seen == nil {
		return nil
	}
	return j.Seen(value)
}

// judging is one mail. The goroutines of Begin end with their lookups, whether
// anybody takes their answers or not.
type judging struct {
	j      *Judge
	parent context.Context // of the mail; ctx is bounded by Wait
	ctx    context.Context
	cancel context.CancelFunc
	begun  time.Time
	env    *mail.Envelope // only read

	author dmarc.Author
	ehlo   chan mail.SPFResult
	sender chan mail.SPFResult // nil for the null sender: then it is the EHLO's
	policy chan *dmarc.Discovery
	dkim   *dkim.Verification
	arc    *arc.Verification
}

var _ mail.Judging = (*judging)(nil)

// check is SPF for a sender, "" for the EHLO name.
func (m *judging) check(sender string) mail.SPFResult {
	return spf.Check(m.ctx, m.j.DNS, m.env.Client.IP, m.env.Client.Helo, sender)
}

func (m *judging) wait() time.Duration {
	if m.j.Wait == 0 {
		return wait
	}
	return m.j.Wait
}

// Write implements mail.Judging.
func (m *judging) Write(p []byte) (int, error) {
	m.dkim.Write(p)
	m.arc.Write(p)
	return len(p), nil
}

// Verdict implements mail.Judging.
func (m *judging) Verdict() *mail.Verdict {
	defer m.cancel()
	v := &mail.Verdict{DKIM: m.dkim.Results(), ARC: m.arc.Result()}
	var ok bool
	if v.Helo, ok = await(m.ctx, m.ehlo); !ok {
		v.Helo = mail.SPFResult{Result: mail.TempError, Reason: slow}
		v.Helo.Domain, _ = mail.Domain(strings.TrimSuffix(m.env.Client.Helo, "."))
	}
	v.MailFrom = v.Helo
	if m.sender != nil {
		if v.MailFrom, ok = await(m.ctx, m.sender); !ok {
			v.MailFrom = mail.SPFResult{Result: mail.TempError, Domain: m.env.From.Domain, Sender: m.env.From.String(), Reason: slow}
		}
	}
	if found, ok := await(m.ctx, m.policy); ok {
		ctx, cancel := context.WithTimeout(m.parent, min(late, m.wait()))
		defer cancel()
		v.DMARC = found.Evaluate(ctx, v.MailFrom, v.DKIM)
	} else {
		v.DMARC = mail.DMARCResult{Result: mail.TempError, From: m.author.Domain, Reason: slow}
	}
	if m.j.Log != nil && (v.MailFrom.Result == mail.TempError || v.DMARC.Result == mail.TempError) {
		m.j.Log.Info("the DNS left a verdict open", "mail", m.env.ID, "host", m.j.Hostname, "took", time.Since(m.begun))
	}
	return v
}

// await takes an answer, one that is there already even when the time is over.
func await[T any](ctx context.Context, from <-chan T) (answer T, ok bool) {
	select {
	case answer = <-from:
		return answer, true
	case <-ctx.Done():
	}
	select {
	case answer = <-from:
		return answer, true
	default:
		return answer, false
	}
}

package relay

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"colporteur/mail"
)

// What is reported of a recipient: the actions of RFC 3464 §2.3.3.
const (
	failed  = "failed"
	delayed = "delayed"
	relayed = "relayed" // and the sender asked to know, and the peer will not tell
)

// failure is why a recipient, or all of them at one host, was not served.
type failure struct {
	permanent bool
	sense     string        // what it asks for: senseGrey and the others; "" is not known
	wait      time.Duration // how long it asks us to wait; 0 is not said
	trouble   bool          // it says something about the host, not only about this mail
	status    string        // RFC 3463
	host      string        // the peer, or ""
	reply     string        // the peer's words, tidy, or ""
	why       mail.Text
	err       error // for the log
	diagnosis *Diagnosis
}

func (f *failure) Error() string {
	s := f.reply
	if s == "" && f.err != nil {
		s = tidy(f.err.Error())
	}
	if s == "" {
		s = f.why.ID
	}
	if f.host != "" {
		return fmt.Sprintf("%s: %s", f.host, s)
	}
	return s
}

func (f *failure) Unwrap() error { return f.err }

// told is the sentence for a person, about one recipient.
func (f *failure) told(to mail.Address) mail.Text {
	t := mail.Text{ID: f.why.ID, Args: map[string]any{"Address": to.String(), "Domain": to.Domain}}
	maps.Copy(t.Args, f.why.Args)
	return t
}

// refused is the failure that a peer's reply of class 4 or 5 means.
func refused(host string, r reply, cmd string) *failure {
	f := &failure{
		permanent: r.class() == 5,
		status:    r.status(),
		host:      host,
		reply:     r.String(),
	}
	f.sense, f.wait = sense(r, cmd)
	f.trouble = r.class() == 4 && cmd != "RCPT" && f.sense != senseGrey && f.sense != senseFull
	f.why = mail.MakeText(reasonOf(r, cmd))
	return f
}

// reasonOf chooses the sentence that explains a peer's refusal to a person.
func reasonOf(r reply, cmd string) string {
	status := r.status()
	subject := strings.SplitN(status, ".", 2)[1]
	switch {
	case subject == "2.2":
		return "relay-why-full"
	case subject == "2.1":
		return "relay-why-disabled"
	case subject == "3.4" || subject == "2.3" || r.code == 552 && cmd != "RCPT":
		return "relay-why-too-big"
	case strings.HasPrefix(subject, "1.") && subject != "1.7" && subject != "1.8" && cmd == "RCPT":
		return "relay-why-no-such-user"
	case strings.HasPrefix(subject, "7."):
		return "relay-why-policy"
	case r.class() == 4:
		return "relay-why-later"
	}
	return "relay-why-refused"
}

// broken is the failure of a connection. It is never permanent.
func broken(host, status, why string, err error) *failure {
	f := &failure{status: status, host: host, why: mail.MakeText(why), err: err, trouble: strings.HasPrefix(status, "4.4.")}
	if status == "4.4.3" {
		f.sense = senseDNS
	}
	return f
}

// result is what one attempt did for each recipient.
type result struct {
	to    []*progress
	fail  error     // the attempt was cut short: lease lost, shutting down
	busy  bool      // none was made: the destination has no room for it
	until time.Time // until it may have, zero if not known
}

// progress is one recipient during an attempt.
type progress struct {
	mail.Recipient
	told    bool     // logged
	settled bool     // no other host is asked for it in this attempt
	sent    bool     // a peer took it
	peerDSN bool     // and that peer honours NOTIFY
	host    string   // of that peer
	tls     string   // of the connection to it, "" in clear
	last    *failure // the one worth reporting
	doubt   bool     // some host failed for now: not for good
}

func newResult(to []mail.Recipient) *result {
	res := &result{}
	for _, r := range to {
		res.to = append(res.to, &progress{Recipient: r})
	}
	return res
}

// open are the recipients that another host may still serve.
func (res *result) open() []*progress {
	var out []*progress
	for _, p := range res.to {
		if !p.settled {
			out = append(out, p)
		}
	}
	return out
}

// note remembers a failure at one host; others may still do better.
func (p *progress) note(f *failure) {
	if !f.permanent {
		p.doubt = true
	}
	// A peer's own words say more than a dead line, and a failure for now says
	// why we keep trying.
	if p.last == nil || f.reply != "" || p.last.reply == "" {
		if p.last == nil || !f.permanent || p.last.permanent {
			p.last = f
		}
	}
}

// settle ends the attempt for this recipient with f.
func (p *progress) settle(f *failure) {
	p.settled, p.last, p.doubt = true, f, !f.permanent
}

// all notes a failure that concerns every open recipient.
func (res *result) all(f *failure) {
	for _, p := range res.open() {
		p.note(f)
	}
}

// lost reports whether p has failed for good. A recipient that only ever met
// hosts that refuse for good has; one doubtful host is enough to try again.
func (p *progress) lost() bool { return !p.sent && p.last != nil && !p.doubt }

// fate is what is told to the sender about one recipient. It is kept in the
// job until the sender's notice is durable.
type fate struct {
	To     mail.Recipient
	Status string
	Host   string    `json:",omitempty"`
	Reply  string    `json:",omitempty"`
	Why    mail.Text `json:",omitzero"`
	// Expired: it failed for now each time, until the time was up, which was so
	// many days.
	Expired bool      `json:",omitempty"`
	Days    int       `json:",omitempty"`
	Until   time.Time `json:",omitzero"` // how long we go on, if it failed for now
	At      time.Time
}

func (p *progress) fate(now time.Time) fate {
	f := fate{To: p.Recipient, At: now, Host: p.host, Status: "2.0.0"}
	if p.last != nil && !p.sent {
		f.Status, f.Host, f.Reply, f.Why = p.last.status, p.last.host, p.last.reply, p.last.why
	}
	return f
}

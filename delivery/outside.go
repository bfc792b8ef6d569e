package delivery

import (
	"context"
	"strings"

	"colporteur/mail"
)

// Outsiders knows who may write to programs from other hosts.
type Outsiders interface {
	// Writer says whose word a mail to a program is when it comes from an address
	// elsewhere. Kind NotFound: nobody's, and it is refused.
	Writer(ctx context.Context, program mail.Destination, from mail.Address) (Writer, error)
}

// Writer is whoever writes to a program from another host.
type Writer struct {
	User   mail.User // the member they are, if they can prove it; zero: none
	Secret bool      // the program's address proves it: a secret of User's
	Guest  bool      // the program's address is for somebody without an account
}

// writer asks who writes to a program; see Outsiders.
func (d *Door) writer(ctx context.Context, to mail.Destination, from mail.Address) (Writer, error) {
	if d.Outsiders == nil {
		return Writer{}, mail.Wrap(mail.NotFound, nil)
	}
	w, err := d.Outsiders.Writer(ctx, to, from)
	return w, kinded(err)
}

// admit refuses, while their sender is still there, mails to programs from people
// who have no business with them. The proof comes later, with the mail itself: a
// stranger must not have gigabytes taken first.
func (d *Door) admit(ctx context.Context, env *mail.Envelope, r mail.Recipient, to mail.Destination) error {
	if env.Origin == mail.FromMX {
		_, err := d.writer(ctx, to, env.From)
		if !mail.Is(err, mail.NotFound) {
			return err
		}
		if secretive(to.Program) {
			// As for any address that nobody has: who guesses is counted.
			return mail.Refuse(mail.NoSuchUser, "accounts-no-such-user", "Address", r.Address.String())
		}
	}
	return mail.Refuse(mail.Policy, "program-members-only", "Address", r.Address.String())
}

// secretive says whether addresses of a pattern are secrets.
func secretive(pattern string) bool {
	return strings.Contains(pattern, "{token}") || strings.Contains(pattern, "{secret}")
}

// apart keeps mail to programs and mail to people in transactions of their own when
// it comes from another host: the answer to DATA is one, and what a program refuses
// must not lose the mail to a person. RFC 5321 §4.5.3.1.10 has the sender try the
// refused recipients again by themselves.
func (d *Door) apart(env *mail.Envelope, r mail.Recipient) error {
	if env.Origin != mail.FromMX || len(env.To) == 0 || d.judged(env.To[0]) == d.judged(r) {
		return nil
	}
	return mail.Refuse(mail.Mixed, "kind-mixed")
}

// judged says whether a recipient is a program that looks at who writes.
func (d *Door) judged(r mail.Recipient) bool {
	for _, to := range r.Dest {
		if to.Where == mail.ToProgram && !d.Open[to.Program] {
			return true
		}
	}
	return false
}

// fromOutside makes the job of a mail to a program that came from another host.
//
//	its author's domain refuses forgeries, and it is one → refused
//	the address is a secret of a member's                → it is theirs
//	the author is a member's confirmed address, signed   → it is theirs
//	the same, and nothing signed it                      → the member is asked
//	the address is a guest's                             → the program asks for the proof
//	anybody else                                         → refused
func (d *Door) fromOutside(ctx context.Context, env *mail.Envelope, head *header, summary *mail.Summary, r mail.Recipient, to mail.Destination) (Program, error) {
	p := Program{Mail: env.ID, Pattern: to.Program, Address: to.Addr, From: env.From, Outside: true, At: env.Received}
	v := head.verdict
	if v != nil && v.DMARC.Result == mail.Fail && (v.DMARC.Policy == nil || v.DMARC.Policy.Demand != mail.DemandNone) {
		return p, mail.Refuse(mail.Policy, "judge-forged", "Domain", v.DMARC.From)
	}
	p.Author = author(summary, v)
	p.Proven = signed(v, p.Author)
	w, err := d.writer(ctx, to, env.From)
	if mail.Is(err, mail.NotFound) {
		err = mail.Refuse(mail.Policy, "program-members-only", "Address", r.Address.String())
	}
	if err != nil {
		return p, err
	}
	if w.Secret {
		// A scanner has no signature; what it writes is answered at its member's.
		p.Sender, p.From, p.Proven = w.User, w.User.Address, true
		return p, nil
	}
	u, err := d.confirmed(ctx, to, p.Author)
	switch {
	case err != nil:
		return p, err
	case w.Guest:
		if p.Proven {
			p.Sender = u // zero, unless a member wrote from elsewhere
		}
	case u.ID == 0 || u.ID != w.User.ID:
		return p, mail.Refuse(mail.Policy, "program-author", "Address", r.Address.String())
	case p.Proven:
		p.Sender = u
	default:
		p.For = u
	}
	return p, nil
}

// confirmed is the member whose address elsewhere a is; zero when it is nobody's.
func (d *Door) confirmed(ctx context.Context, to mail.Destination, a mail.Address) (mail.User, error) {
	if a.IsZero() {
		return mail.User{}, nil
	}
	w, err := d.writer(ctx, mail.Destination{Where: mail.ToProgram, Addr: to.Addr}, a)
	if mail.Is(err, mail.NotFound) {
		return mail.User{}, nil
	}
	return w.User, err
}

// author is the one address that a mail says it is from; zero when there is not
// exactly one that all programs would show.
func author(s *mail.Summary, v *mail.Verdict) mail.Address {
	if s == nil || v == nil || len(s.From) != 1 || v.DMARC.From == "" {
		return mail.Address{}
	}
	a, err := mail.ParseAddress(s.From[0].Addr)
	if err != nil {
		return mail.Address{}
	}
	if d, err := mail.Domain(a.Domain); err != nil || d != v.DMARC.From {
		return mail.Address{}
	}
	return a
}

// signed says whether the author's own domain, or the organisation's that it
// belongs to, signed the mail. SPF is not enough for acting: it proves the host
// that handed the mail over, which many share.
func signed(v *mail.Verdict, a mail.Address) bool {
	if v == nil || a.IsZero() {
		return false
	}
	if v.DMARC.DKIM || v.DMARC.Policy != nil { // a policy says itself what is aligned (adkim)
		return v.DMARC.DKIM
	}
	for _, s := range v.DKIM {
		if s.Result == mail.Pass && !s.Partial && (s.Domain == v.DMARC.From || v.DMARC.Org != "" && s.Domain == v.DMARC.Org) {
			return true
		}
	}
	return false
}

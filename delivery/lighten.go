package delivery

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store/message"
	"colporteur/store/queue"
)

// # Mail that others would refuse for its size
//
// Most hosts take mails up to some 20 MB. A member's mail to people elsewhere
// that is larger goes to package workflow/outgoing, which takes the large files
// out and gives each recipient a link. Recipients on this host get it as it is.

// JobOutgoing is a member's mail that is too large for hosts elsewhere: payload Outgoing.
const JobOutgoing = "outgoing"

// OutgoingKey is the job's key of a mail.
func OutgoingKey(mailID string) string { return "outgoing:" + mailID }

// Outgoing is the payload of a JobOutgoing.
type Outgoing struct {
	Mail    string
	Message message.ID
	Sender  mail.User
	From    mail.Address
	To      []mail.Recipient // elsewhere
	Here    []mail.Recipient `json:",omitempty"` // on this host, when it is too large for them too
	Limit   int64            // octets that hosts elsewhere take
	Prefix  []byte           // header lines of ours that go before the message
	Body    mail.Body
	UTF8    bool
	TLS     bool // REQUIRETLS
	EnvID   string
	Ret     mail.Ret
	At      time.Time
}

// Relay is the job that brings o to some of its recipients, of one domain, as the
// message m.
func (o *Outgoing) Relay(m message.ID, size int64, to ...mail.Recipient) (queue.Job, error) {
	r := Relay{Mail: o.Mail, Message: m, Prefix: o.Prefix, From: o.From, To: to, Size: size + int64(len(o.Prefix)),
		Body: o.Body, UTF8: o.UTF8, TLS: o.TLS, EnvID: o.EnvID, Ret: o.Ret, At: o.At, Member: true}
	payload, err := json.Marshal(r)
	return queue.Job{Kind: JobRelay, Lane: to[0].Domain, Payload: payload, Message: int64(m)}, err
}

// Deliver is the job that brings o to one of its recipients on this host.
func (o *Outgoing) Deliver(to mail.Recipient, n int, m message.ID) (queue.Job, error) {
	env := mail.Envelope{ID: o.Mail + "." + strconv.Itoa(n), Origin: mail.FromMember, From: o.From, To: []mail.Recipient{to}, User: o.Sender,
		Client: mail.Client{Protocol: "LOCAL"}, Body: o.Body, UTF8: o.UTF8, RequireTLS: o.TLS, EnvID: o.EnvID, Ret: o.Ret}
	payload, err := json.Marshal(later{Envelope: env, Message: m})
	return queue.Job{Kind: JobRelease, Key: ReleaseKey(env.ID), Lane: o.Sender.Address.Key(), Payload: payload, Message: int64(m)}, err
}

// Lightener says whose mail is made lighter.
type Lightener interface {
	// LightenOver is from how many octets on a member's mail to hosts elsewhere
	// is made lighter; 0 is never.
	LightenOver(ctx context.Context, u mail.UserID) (int64, error)
}

// LightenLeast is the smallest LightenOver: mail below it is never asked about.
const LightenLeast = 1 << 20

// lightened is a part that is worth a link of its own.
const lightened = 256 << 10

// blockRoom is what the links may add to a mail.
const blockRoom = 32 << 10

// Lighten chooses the parts to take out of a mail so that no more than limit
// octets are left: the largest files first, pictures that the text shows last.
// ok is false when the mail must stay as it is: signed or encrypted, or nothing
// in it is large enough.
func Lighten(s *mail.Summary, size, limit int64) (take []*mail.Part, ok bool) {
	if Sealed(s) {
		return nil, false
	}
	var files []*mail.Part
	var walk func(p *mail.Part)
	walk = func(p *mail.Part) {
		if strings.HasPrefix(p.Type, "multipart/") {
			for _, c := range p.Children {
				walk(c)
			}
		} else if takeable(p) {
			files = append(files, p)
		}
	}
	if s.Root != nil {
		walk(s.Root)
	}
	slices.SortStableFunc(files, func(a, b *mail.Part) int {
		if shown(a) != shown(b) {
			if shown(a) {
				return 1
			}
			return -1
		}
		return int(min(max(b.Size-a.Size, -1), 1))
	})
	left := size + blockRoom
	for _, p := range files {
		if left <= limit {
			break
		}
		take = append(take, p)
		left -= p.Size
	}
	if left > limit || len(take) == 0 {
		return nil, false
	}
	slices.SortFunc(take, func(a, b *mail.Part) int { return int(min(max(a.BodyOffset-b.BodyOffset, -1), 1)) })
	return take, true
}

func takeable(p *mail.Part) bool {
	if p.Size < lightened {
		return false
	}
	if p.Disposition == "attachment" || p.Filename != "" {
		return true
	}
	return !strings.HasPrefix(p.Type, "text/") && !strings.HasPrefix(p.Type, "message/")
}

// shown says that the HTML of the mail shows the part.
func shown(p *mail.Part) bool { return p.ID != "" && strings.HasPrefix(p.Type, "image/") }

// Sealed says that a changed octet would break a signature, or that the files
// cannot be told from the rest.
func Sealed(s *mail.Summary) bool {
	if strings.Contains(s.Preview, "-----BEGIN PGP ") {
		return true
	}
	found := false
	var walk func(p *mail.Part)
	walk = func(p *mail.Part) {
		switch p.Type {
		case "multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted",
			"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature":
			found = true
		}
		for _, c := range p.Children { // an attached mail's own signature goes with it
			walk(c)
		}
	}
	if s.Root != nil {
		walk(s.Root)
	}
	return found
}

// lighten decides about a spooled mail of a member: what hosts elsewhere take,
// when that is less than the mail and it can be made lighter; 0 sends it as it is.
func (d *Door) lighten(ctx context.Context, env *mail.Envelope, s *spooled) (limit int64, err error) {
	if env.Origin != mail.FromMember {
		return 0, nil
	}
	if d.Lightener != nil && s.draft.Size > LightenLeast && elsewhere(env) {
		over, err := d.Lightener.LightenOver(ctx, env.User.ID)
		if err != nil {
			return 0, kinded(err)
		}
		if over > 0 && s.draft.Size > over {
			if _, ok := Lighten(s.draft.Summary, s.draft.Size, over); ok {
				limit = over
			}
		}
	}
	if limit == 0 && s.draft.Size > encoded(d.messageLimit()) {
		return 0, d.tooBig(s.draft.Size, d.messageLimit(), d.domainOf(env))
	}
	return limit, nil
}

// lighten takes what goes by way of JobOutgoing out of rt.
func (rt *routes) lighten(env *mail.Envelope, size, limit, ordinary int64) {
	o := &Outgoing{Mail: env.ID, Sender: env.User, From: env.From, Limit: limit, Body: env.Body, UTF8: env.UTF8, TLS: env.RequireTLS,
		EnvID: env.EnvID, Ret: env.Ret, At: env.Received}
	for _, r := range rt.relays {
		o.To = append(o.To, r.To...)
	}
	rt.relays = nil
	if size > ordinary {
		for _, to := range rt.mailboxes {
			o.Here = append(o.Here, mail.Recipient{Address: to.Addr})
		}
		rt.mailboxes = nil
	}
	rt.outgoing = o
}

// elsewhere says whether a recipient is on another host.
func elsewhere(env *mail.Envelope) bool {
	return slices.ContainsFunc(env.To, func(r mail.Recipient) bool {
		return slices.ContainsFunc(r.Dest, func(to mail.Destination) bool { return to.Where == mail.ToRelay })
	})
}

// submitted is how many octets a member's mail may have. Above what ordinary
// mail may, it is only taken from one whose mail is made lighter, which is asked
// when the mail turns out to be so large.
func (d *Door) submitted(ctx context.Context, env *mail.Envelope, body io.Reader) (int64, io.Reader) {
	ordinary := encoded(d.messageLimit())
	if d.Lightener == nil || !elsewhere(env) || d.dropLimit() <= d.messageLimit() {
		return ordinary, body
	}
	return encoded(d.dropLimit()) + maxHeader, &ceiling{r: body, left: ordinary, over: func() error {
		over, err := d.Lightener.LightenOver(ctx, env.User.ID)
		if err != nil {
			return kinded(err)
		}
		if over == 0 {
			return d.tooBig(ordinary+1, d.messageLimit(), d.domainOf(env))
		}
		return nil
	}}
}

// ceiling asks over, once, when more than left octets were read.
type ceiling struct {
	r    io.Reader
	left int64
	over func() error
}

func (c *ceiling) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.over == nil {
		return n, err
	}
	if c.left -= int64(n); c.left < 0 {
		over := c.over
		c.over = nil
		if refused := over(); refused != nil {
			return 0, refused
		}
	}
	return n, err
}

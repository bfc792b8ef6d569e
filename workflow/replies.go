package workflow

import (
	"context"
	"errors"

	"colporteur/mail"
	"colporteur/workflow/link"
)

// replyPattern is the one program that people without an account may write to:
// the address itself says whose word is awaited.
const replyPattern = "r.{token}"

// Doubtful hears of mails to a guest's reply address that say they are the
// guest's, and prove nothing.
type Doubtful interface {
	// Doubt keeps the mail (Inbound.Wait) and asks the owner, once for each mail;
	// their yes has it processed again with Program.Proven.
	Doubt(ctx context.Context, in *Inbound, l link.Link) error
}

// Replies processes mail to r.{token}: the address names the thing and the
// person, the proven author shows that it is the person.
//
//	the owner, who signed in                 → Command
//	somebody elsewhere whom we asked, proven → Command
//	a guest, proven                          → Answer
//	a guest, not proven                      → the owner is asked first
//	anybody else                             → nothing
type Replies struct {
	Links  *link.Service
	To     map[string]Commanded // by link kind; those that are Answerable hear guests too
	Doubts Doubtful             // nil: what proves nothing does nothing
}

var _ Processor = (*Replies)(nil)

func (p *Replies) Process(ctx context.Context, in *Inbound) error {
	if in.Automatic() {
		in.Forget()
		return nil // a vacation notice commands nothing
	}
	l, err := p.Links.ByReply(ctx, link.Token(in.Vars["token"]))
	if err != nil && !mail.Is(err, mail.NotFound) {
		return err
	}
	to := p.To[l.Kind]
	if err != nil || to == nil {
		return notYours("no such reply address")
	}
	guest, answers := to.(Answerable)
	switch {
	case l.Manage && l.Owner != 0 && l.Owner == in.Sender.ID:
		return p.command(ctx, to, in, l)
	case !in.wroteAs(l.Person) || l.Public:
		// Unknown and somebody else's sound alike: a guess teaches nothing.
		return notYours("the reply address of somebody else")
	case l.Manage && (l.Owner == 0 || l.Kind == link.Question) && in.proven():
		in.Guest = &l
		return p.command(ctx, to, in, l)
	case l.Manage || !answers || !l.Revoked.IsZero():
		return notYours("a reply address that this sender cannot use")
	case in.proven():
		in.Guest = &l
		return guest.Answer(ctx, in, l)
	case p.Doubts == nil:
		return notYours("nothing proves who wrote it")
	}
	return p.Doubts.Doubt(ctx, in, l)
}

func (p *Replies) command(ctx context.Context, to Commanded, in *Inbound, l link.Link) error {
	text, err := in.Text(ctx, 2000)
	if err != nil {
		return err
	}
	return to.Command(ctx, in, l, ParseWord(in.Summary.Subject, text))
}

func notYours(why string) error {
	return &Bounce{Text: mail.MakeText("workflow-not-yours"), Err: errors.New(why)}
}

// wroteAs says that the mail claims to be from an address; see proven.
func (in *Inbound) wroteAs(a mail.Address) bool {
	if a.IsZero() {
		return false
	}
	if in.Outside {
		return in.Author.Key() == a.Key() || in.Sender.ID != 0 && in.Sender.Address.Key() == a.Key()
	}
	// The Door let a member write only as addresses of theirs.
	return in.Sender.ID != 0 && (in.From.Key() == a.Key() || in.Sender.Address.Key() == a.Key())
}

// proven says that the mail is from whom it says: a member's, or signed by the
// domain of its author.
func (in *Inbound) proven() bool { return in.Sender.ID != 0 || in.Outside && in.Proven }

package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
)

// MailCode mails the person of a locked link a new code. Only they get it, at the
// address that the owner gave: whoever else has the link learns nothing by asking.
// Kinds: NotFound when the link asks for none now, or is nobody's; TooMany.
func (p *Post) MailCode(ctx context.Context, v link.Visit) error {
	_, err := p.Links.Open(ctx, v)
	var lock *link.Locked
	if err != nil && !errors.As(err, &lock) {
		return err
	}
	if lock == nil || lock.Password || !lock.Code || lock.Link.Public {
		return mail.Wrap(mail.NotFound, errors.New("no code is asked for"))
	}
	l := lock.Link
	return p.Links.DB.Write(ctx, func(tx *store.Tx) error {
		all, err := p.Links.In(ctx, tx, l.Kind, l.Thing)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(o link.Link) bool { return o.Manage })
		if i < 0 {
			return mail.Wrap(mail.NotFound, fmt.Errorf("link %d has no owner's", l.ID))
		}
		if err := p.Links.NewCode(ctx, tx, l); err != nil {
			return err
		}
		say := locale.For(l.Lang)
		out := letter.Letter{Subject: say.T("unlock-mail-subject")}
		out.Para(say.T("unlock-mail-text"))
		out.Blocks = append(out.Blocks, letter.Block{Code: &letter.Link{Label: say.T("unlock-mail-code"), Ref: int64(l.ID)}})
		_, err = p.Send(ctx, tx, Notice{Mail: fmt.Sprintf("code/%d/%d", l.ID, store.NewID()), What: "code", To: l.Person, ToName: l.Name,
			From: mail.Address{Local: "aide", Domain: all[i].Person.Domain}, Lang: say.Lang, Letter: out})
		return err
	})
}

// codes puts codes in their places: what waits in the queue holds none.
func (p *Post) codes(ctx context.Context, in []letter.Block) ([]letter.Block, error) {
	out := slices.Clone(in)
	for i, b := range out {
		if b.Code == nil {
			continue
		}
		code, err := p.code(ctx, b.Code)
		if err != nil {
			return nil, err
		}
		out[i] = letter.Block{Para: b.Code.Label + " " + code}
	}
	return out, nil
}

// code is the code of link c.Ref, or with an address in c.URL, that with the secret
// of member c.Ref in it.
func (p *Post) code(ctx context.Context, c *letter.Link) (string, error) {
	if c.URL == "" || p.Secret == nil {
		return p.Links.Code(ctx, link.ID(c.Ref))
	}
	secret, err := p.Secret(ctx, mail.UserID(c.Ref))
	return strings.Replace(c.URL, "{secret}", secret, 1), err
}

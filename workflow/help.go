package workflow

import (
	"context"

	"colporteur/locale"
	"colporteur/locale/letter"
)

// Guide answers mail to aide@ and help@: what can be mailed where.
type Guide struct {
	Site string // address of the website, may be empty
}

var _ Processor = (*Guide)(nil)

func (g *Guide) Process(ctx context.Context, in *Inbound) error {
	p, at := locale.For(in.Lang()), "@"+in.Address.Domain
	l := letter.Letter{Heading: p.T("workflow-guide-title")}
	l.Items([]letter.Item{
		{Name: "envoi" + at, Text: p.T("workflow-guide-transfer")},
		{Name: "envoi+30j" + at, Text: p.T("workflow-guide-days")},
		{Name: p.T("workflow-guide-album-address", "At", at), Text: p.T("workflow-guide-album")},
		{Name: "aide" + at, Text: p.T("workflow-guide-help")},
	})
	l.Para(p.T("workflow-guide-guests")).Para(p.T("workflow-guide-words"))
	if g.Site != "" {
		l.Blocks = append(l.Blocks, letter.Block{Link: &letter.Link{Label: p.T("workflow-guide-site"), URL: g.Site}})
	}
	return in.Reply(ctx, l)
}

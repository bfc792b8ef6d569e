package workflow

import (
	"context"

	"colporteur/locale"
	"colporteur/locale/letter"
)

// Guide answers mail to aide@ and help@: what can be mailed where, and the words
// that work. Every address works in either language; the guide names those of
// its reader's.
type Guide struct {
	Site string // address of the website, may be empty
	// Words is what the house itself says to a member first, in paragraphs; nil: nothing.
	Words func(ctx context.Context, lang string) []string
}

var _ Processor = (*Guide)(nil)

// addresses and words are the sentences of the guide, in order: "workflow-guide-"
// and the name. Each has a second one with what is written before it.
var (
	addresses = []string{"transfer", "days", "album", "place", "verify", "scanner", "outside", "help"}
	said      = []string{"extend", "recall", "stop", "answer", "gazette", "daily", "words-help"}
)

func (g *Guide) Process(ctx context.Context, in *Inbound) error {
	p := locale.For(in.Lang())
	l := letter.Letter{Heading: p.T("workflow-guide-title")}
	if g.Words != nil {
		for _, w := range g.Words(ctx, p.Lang) {
			l.Quote(w)
		}
	}
	l.Items(guided(p, addresses, "@"+in.Address.Domain))
	l.Para(p.T("workflow-guide-guests")).Para(p.T("workflow-guide-words"))
	l.Items(guided(p, said, ""))
	l.Small(p.T("workflow-guide-small"))
	if g.Site != "" {
		l.Blocks = append(l.Blocks, letter.Block{Link: &letter.Link{Label: p.T("workflow-guide-site"), URL: g.Site}})
	}
	return in.Reply(ctx, l)
}

func guided(p locale.Printer, names []string, at string) []letter.Item {
	var its []letter.Item
	for _, n := range names {
		its = append(its, letter.Item{Name: p.T("workflow-guide-"+n+"-address", "At", at), Text: p.T("workflow-guide-"+n, "At", at)})
	}
	return its
}

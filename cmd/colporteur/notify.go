package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/notify"
)

type memberNotify struct {
	Address string `arg:""`
	Kind    string `arg:"" optional:"" help:"What of: album, receipt, reminder, quota, signin, membership, admin."`
	When    string `arg:"" optional:"" help:"How soon: now, daily, never."`
}

func (m memberNotify) Run(c *cli) error {
	if m.Kind != "" && m.When == "" {
		return usage("say how soon: now, daily or never")
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	cs, err := ask[[]notify.Choice](c, cfg, "member/notify", choosing{m.Address, m.Kind, m.When})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, one := range cs {
		chosen := "default"
		if one.Chosen {
			chosen = "chosen"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", one.Kind, one.When, chosen)
	}
	return w.Flush()
}

type choosing struct {
	Address, Kind, When string // no Kind only asks
}

func (a *admin) notify(ctx context.Context, n choosing) ([]notify.Choice, error) {
	m, err := a.find(ctx, n.Address)
	if err != nil {
		return nil, err
	}
	if n.Kind != "" {
		if !notify.Kind(n.Kind).Known() || !notify.When(n.When).Known() {
			return nil, mail.Refuse(mail.BadSyntax, "notify-no-such-choice")
		}
		if err := a.host.DB.Write(ctx, func(tx *store.Tx) error {
			return a.host.Notify.Choose(ctx, tx, m.ID, notify.Kind(n.Kind), notify.When(n.When))
		}); err != nil {
			return nil, err
		}
	}
	return a.host.Notify.Choices(ctx, m.ID)
}

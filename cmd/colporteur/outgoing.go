package main

import (
	"context"
	"strings"

	"colporteur/config"
)

type memberOutgoing struct {
	Address string `arg:""`
	Answer  string `arg:"" enum:"yes,no,ask" help:"yes: large files are taken out of their mail to other hosts, and links put in; no: never; ask: they are asked when there is one."`
	Limit   string `help:"From which size on, such as 20MiB; 0 is the host's limits.outgoing." placeholder:"SIZE"`
}

func (m memberOutgoing) Run(c *cli) error {
	o := outgoingSetting{Address: m.Address, Answer: m.Answer, Limit: -1}
	if m.Limit != "" {
		n, err := config.ParseSize(m.Limit)
		if err != nil {
			return usage("--limit: " + err.Error())
		}
		if n > 0 && n < config.MinOutgoing {
			return usage("--limit: must be at least " + config.MinOutgoing.String())
		}
		o.Limit = int64(n)
	}
	said := map[string]string{
		"yes": "Large files of %s travel as links from now on. Mail that waited for their answer leaves.",
		"no":  "Mail of %s leaves as they write it. Mail that waited for their answer was returned to them.",
		"ask": "%s will be asked at the next mail that is too large for other hosts.",
	}[m.Answer]
	return do(c, "member/outgoing", o, said, strings.ToLower(m.Address))
}

// outgoingSetting is what an operator says about a member's large mail.
type outgoingSetting struct {
	Address, Answer string
	Limit           int64 // below 0: as it is
}

func (a *admin) setOutgoing(ctx context.Context, o outgoingSetting) (none, error) {
	m, err := a.find(ctx, o.Address)
	if err != nil {
		return none{}, err
	}
	return none{}, a.host.Outgoing.Set(ctx, m.ID, o.Answer, o.Limit)
}

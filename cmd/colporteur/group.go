package main

import (
	"fmt"
	"strings"

	"colporteur/config"
)

type groupCommands struct {
	Add    groupAdd    `cmd:"" help:"Make an address with mailboxes that several members share."`
	List   groupList   `cmd:"" help:"List all groups."`
	Join   groupJoin   `cmd:"" help:"Put a member into a group."`
	Leave  groupLeave  `cmd:"" help:"Take a member out of a group."`
	Remove groupRemove `cmd:"" help:"Delete a group with its mail."`
}

type groupAdd struct {
	Address string   `arg:"" help:"Its address, such as club@example.org."`
	Members []string `arg:"" optional:"" help:"Addresses of members."`
	Name    string   `help:"Display name." placeholder:"N"`
	Lang    string   `help:"Language of its mailboxes: fr or en." enum:"fr,en" default:"fr"`
	Quota   string   `help:"Most bytes of mail, such as 5GiB; 0 is no limit." placeholder:"BYTES" default:"0"`
}

func (g groupAdd) Run(c *cli) error {
	quota, err := config.ParseSize(g.Quota)
	if err != nil {
		return usage("--quota: " + err.Error())
	}
	if err := do(c, "group/add", group{g.Address, g.Name, g.Lang, int64(quota), nil}, "%s is a group now.", g.Address); err != nil {
		return err
	}
	for _, m := range g.Members {
		if err := (groupJoin{g.Address, m}).Run(c); err != nil {
			return err
		}
	}
	return nil
}

type groupList struct{}

func (groupList) Run(c *cli) error {
	return list(c, "group/list", "GROUP\tNAME\tQUOTA\tMEMBERS", func(g group) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s", g.Address, g.Name, amount(g.Quota), strings.Join(g.Members, ", "))
	})
}

type groupJoin struct {
	Group  string `arg:""`
	Member string `arg:""`
}

func (g groupJoin) Run(c *cli) error {
	return do(c, "group/join", membership{g.Group, g.Member, true}, "%s is in %s, and sees its mailboxes under Shared.", g.Member, g.Group)
}

type groupLeave struct {
	Group  string `arg:""`
	Member string `arg:""`
}

func (g groupLeave) Run(c *cli) error {
	return do(c, "group/join", membership{g.Group, g.Member, false}, "%s is not in %s. Their open sessions are closed.", g.Member, g.Group)
}

type groupRemove struct {
	Address string `arg:""`
}

func (g groupRemove) Run(c *cli) error {
	return do(c, "group/remove", g.Address, "%s is gone, with its mail.", g.Address)
}

type shareCommand struct {
	Owner   string `arg:"" help:"Whose mailboxes: a member's or a group's address."`
	With    string `arg:"" help:"Who may see them: a member's or a group's address."`
	Rights  string `arg:"" help:"Letters of RFC 4314, such as lrs to read; none: - takes all rights."`
	Mailbox string `help:"Only this mailbox; without it all, those to come included." placeholder:"NAME"`
}

func (s shareCommand) Run(c *cli) error {
	rights := strings.TrimPrefix(s.Rights, "-")
	done := "%s has the rights %q on the mailboxes of %s."
	if rights == "" {
		done = "%s has no rights%.0s on the mailboxes of %s."
	}
	return do(c, "share", share{s.Owner, s.With, rights, s.Mailbox}, done, s.With, rights, s.Owner)
}

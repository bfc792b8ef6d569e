package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

type queueCommands struct {
	List    queueList    `cmd:"" help:"List mail that waits to go out, or for its hour."`
	Retry   queueRetry   `cmd:"" help:"Try one now, or all to a domain."`
	Hold    queueHold    `cmd:"" help:"Do not try one until it is released."`
	Release queueRelease `cmd:"" help:"Try one again that was held."`
	Cancel  queueCancel  `cmd:"" help:"Give one up, without a bounce."`
}

type queueList struct{}

func (queueList) Run(c *cli) error {
	return list(c, "queue/list", "ID\tTO\tSINCE\tTRIES\tNEXT\tWHY", func(j job) string {
		next := "now"
		switch {
		case j.Held:
			next = "held"
		case j.Due.After(time.Now()):
			next = moment(j.Due)
		}
		return fmt.Sprintf("%d\t%s\t%s\t%d\t%s\t%s", j.ID, tidy(j.To), moment(j.Created), j.Attempts, next, tidy(j.Reason))
	})
}

type jobArg struct {
	ID int64 `arg:"" help:"Its number in queue list."`
}

type (
	queueHold    struct{ jobArg }
	queueRelease struct{ jobArg }
	queueCancel  struct{ jobArg }
)

type queueRetry struct {
	What string `arg:"" name:"ID|DOMAIN" help:"Its number in queue list, or a domain: then all mail to it."`
}

func (q queueRetry) Run(c *cli) error {
	if id, err := strconv.ParseInt(q.What, 10, 64); err == nil {
		return do(c, "queue/change", jobChange{"retry", id}, "Mail %d is tried now.", id)
	}
	if !strings.Contains(q.What, ".") {
		return usage(fmt.Sprintf("%q is neither a number nor a domain", q.What))
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	n, err := ask[int64](c, cfg, "queue/domain", q.What)
	if err != nil {
		return err
	}
	if n == 0 {
		return refused{fmt.Sprintf("no mail to %s waits", q.What)}
	}
	c.printf("%d mails to %s are tried now.\n", n, q.What)
	return nil
}

func (q queueHold) Run(c *cli) error {
	return do(c, "queue/change", jobChange{"hold", q.ID}, "Mail %d is held.", q.ID)
}

func (q queueRelease) Run(c *cli) error {
	return do(c, "queue/change", jobChange{"release", q.ID}, "Mail %d is released.", q.ID)
}

func (q queueCancel) Run(c *cli) error {
	return do(c, "queue/change", jobChange{"cancel", q.ID}, "Mail %d is given up.", q.ID)
}

type transferCmds struct {
	List   transferList   `cmd:"" help:"List what is shared."`
	Recall transferRecall `cmd:"" help:"Take one away at once, every byte of it."`
}

type transferList struct{}

func (transferList) Run(c *cli) error {
	return list(c, "transfer/list", "ID\tFROM\tFILES\tSIZE\tUNTIL\tSUBJECT", func(s sharing) string {
		return fmt.Sprintf("%d\t%s\t%d\t%s\t%s\t%s", s.ID, s.From, s.Files, amount(s.Size), day(s.Expires), s.Subject)
	})
}

type transferRecall struct {
	ID int64 `arg:"" help:"Its number in transfer list."`
}

func (t transferRecall) Run(c *cli) error {
	return do(c, "transfer/recall", t.ID, "Transfer %d is gone; its links answer 404.", t.ID)
}

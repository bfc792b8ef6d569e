package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"colporteur/config"
	"colporteur/locale"
)

type memberCommands struct {
	Add      memberAdd      `cmd:"" help:"Add a member."`
	List     memberList     `cmd:"" help:"List all members."`
	Show     memberShow     `cmd:"" help:"Show one member."`
	Suspend  memberSuspend  `cmd:"" help:"Keep a member out: no signing in, no mail. Nothing is deleted."`
	Resume   memberResume   `cmd:"" help:"End a suspension."`
	Remove   memberRemove   `cmd:"" help:"Delete a member with all their mail."`
	Password memberPassword `cmd:"" help:"Give a member another password."`
	Hide     memberHide     `cmd:"" help:"Choose IMAP capabilities that are not announced to a member, for a program that breaks on one."`
	Addr     memberAddress  `cmd:"" name:"address" help:"Addresses from which a member's mail reaches programs without signing in."`
	Notify   memberNotify   `cmd:"" help:"How soon a member hears of something: at once, daily, never. Without more it shows what they chose."`
	Outgoing memberOutgoing `cmd:"" help:"Whether large files are taken out of a member's mail to other hosts, and links put in."`
	Second   memberSecond   `cmd:"" name:"second-factor" help:"Whether a code is asked for after a member's password. It can be switched off here, when their telephone is lost."`
	App      appCommands    `cmd:"" help:"Passwords for single mail programs."`
}

type memberAdd struct {
	Address       string `arg:"" help:"Their address, such as ann@example.org."`
	Name          string `help:"Display name." placeholder:"N"`
	Lang          string `help:"Language: fr or en." enum:"fr,en" default:"fr"`
	Plan          string `help:"Plan." placeholder:"P" default:"free"`
	Quota         string `help:"Most bytes of mail, such as 5GiB; 0 is no limit." placeholder:"BYTES" default:"0"`
	PasswordStdin bool   `help:"Read the password from standard input; without it one is made and printed."`
	Welcome       bool   `help:"Mail them what works here." default:"true" negatable:""`
}

func (m memberAdd) Run(c *cli) error {
	quota, err := config.ParseSize(m.Quota)
	if err != nil {
		return usage("--quota: " + err.Error())
	}
	password, err := c.password(m.PasswordStdin)
	if err != nil {
		return err
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	got, err := ask[member](c, cfg, "member/add", newMember{m.Address, m.Name, m.Lang, m.Plan, int64(quota), password, m.Welcome})
	if err != nil {
		return err
	}
	c.printf("%s is a member now.\n", got.Address)
	c.tell(got.Password)
	return nil
}

// tell prints a password that was made here; there is no second time.
func (c *cli) tell(password string) {
	if password != "" {
		c.printf("Password: %s\nIt is shown this once only.\n", password)
	}
}

// password reads one line; "" when none is to be read.
func (c *cli) password(fromStdin bool) (string, error) {
	if !fromStdin {
		return "", nil
	}
	line, err := bufio.NewReader(io.LimitReader(c.stdin, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", usage("--password-stdin: standard input has no password on its first line")
	}
	return line, nil
}

type memberList struct{}

func (memberList) Run(c *cli) error {
	return list(c, "member/list", "ADDRESS\tNAME\tLANGUAGE\tPLAN\tQUOTA\tSINCE\t", func(m member) string {
		state := ""
		if !m.Suspended.IsZero() {
			state = "suspended since " + day(m.Suspended)
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", m.Address, m.Name, m.Lang, m.Plan, amount(m.Quota), day(m.Created), state)
	})
}

// list asks for all of something and prints a line for each.
func list[T any](c *cli, name, head string, row func(T) string) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	all, err := ask[[]T](c, cfg, name, none{})
	if err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Fprintln(c.err, "There are none.")
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, head)
	for _, one := range all {
		fmt.Fprintln(w, row(one))
	}
	return w.Flush()
}

func day(t time.Time) string { return t.Local().Format("2006-01-02") }

func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

func amount(n int64) string {
	if n == 0 {
		return "no limit"
	}
	return strings.ReplaceAll(locale.For("en").Size(n), "\u00a0", " ")
}

type memberShow struct {
	Address string `arg:""`
}

func (m memberShow) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	got, err := ask[member](c, cfg, "member/show", m.Address)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "Address\t%s\n", got.Address)
	fmt.Fprintf(w, "Name\t%s\n", got.Name)
	fmt.Fprintf(w, "Language\t%s\n", got.Lang)
	fmt.Fprintf(w, "Plan\t%s\n", got.Plan)
	fmt.Fprintf(w, "Mail\t%s of %s\n", strings.ReplaceAll(locale.For("en").Size(got.Used), "\u00a0", " "), amount(got.Quota))
	fmt.Fprintf(w, "Member since\t%s\n", day(got.Created))
	if !got.Suspended.IsZero() {
		fmt.Fprintf(w, "Suspended since\t%s\n", moment(got.Suspended))
	}
	if len(got.Hidden) > 0 {
		fmt.Fprintf(w, "Hidden over IMAP\t%s\n", strings.Join(got.Hidden, " "))
	}
	for _, al := range got.Aliases {
		fmt.Fprintf(w, "Alias\t%s\n", al)
	}
	for _, p := range got.Apps {
		fmt.Fprintf(w, "App password %d\t%s, since %s\n", p.ID, p.Name, day(p.Created))
	}
	return w.Flush()
}

type memberSuspend struct {
	Address string `arg:""`
}

func (m memberSuspend) Run(c *cli) error {
	return do(c, "member/suspend", suspension{m.Address, true}, "%s is suspended.", m.Address)
}

type memberResume struct {
	Address string `arg:""`
}

func (m memberResume) Run(c *cli) error {
	return do(c, "member/suspend", suspension{m.Address, false}, "%s is not suspended any more.", m.Address)
}

type memberRemove struct {
	Address string `arg:""`
}

func (m memberRemove) Run(c *cli) error {
	return do(c, "member/remove", m.Address, "%s is gone, with all their mail.", m.Address)
}

// do has something done and says so.
func do(c *cli, name string, in any, done string, args ...any) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if _, err := ask[none](c, cfg, name, in); err != nil {
		return err
	}
	c.printf(done+"\n", args...)
	return nil
}

type memberHide struct {
	Address      string   `arg:""`
	Capabilities []string `arg:"" optional:"" help:"Such as UIDONLY; none: everything is announced again."`
}

func (m memberHide) Run(c *cli) error {
	what := "nothing"
	if len(m.Capabilities) > 0 {
		what = strings.Join(m.Capabilities, " ")
	}
	return do(c, "member/hide", hiding{m.Address, m.Capabilities}, "From %s is hidden: %s. Their open sessions are closed.", m.Address, what)
}

type memberPassword struct {
	Address       string `arg:""`
	PasswordStdin bool   `help:"Read the password from standard input; without it one is made and printed."`
}

func (m memberPassword) Run(c *cli) error {
	password, err := c.password(m.PasswordStdin)
	if err != nil {
		return err
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	made, err := ask[string](c, cfg, "member/password", newSecret{Address: m.Address, Password: password})
	if err != nil {
		return err
	}
	c.printf("%s has another password; their open sessions are closed.\n", m.Address)
	c.tell(made)
	return nil
}

type appCommands struct {
	Add    appAdd    `cmd:"" help:"Make a password for one program of a member."`
	Remove appRemove `cmd:"" help:"Revoke one, by its number in member show."`
}

type appAdd struct {
	Address string `arg:""`
	Name    string `arg:"" help:"What it is for, such as telephone."`
}

func (a appAdd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	made, err := ask[string](c, cfg, "app/add", newSecret{Address: a.Address, Name: a.Name})
	if err != nil {
		return err
	}
	c.tell(made)
	return nil
}

type appRemove struct {
	Address string `arg:""`
	ID      int64  `arg:""`
}

func (a appRemove) Run(c *cli) error {
	return do(c, "app/remove", oldApp{a.Address, a.ID}, "The app password is revoked.")
}

type memberSecond struct {
	Address string `arg:""`
	To      string `arg:"" enum:"off" help:"off: the password alone opens the door again. Only the member can switch it on."`
}

func (m memberSecond) Run(c *cli) error {
	return do(c, "member/second", m.Address, "No code is asked of %s any more. Ask them to switch it on again with their new telephone.", m.Address)
}

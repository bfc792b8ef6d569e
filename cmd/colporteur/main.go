// Command colporteur is the mail host: it sets one up, serves it, and changes
// it while it runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"colporteur/config"
	"colporteur/locale"
	"colporteur/mail"

	"github.com/alecthomas/kong"
)

// version is set by the build.
var version = "unknown"

// Exit codes. 2 is kong's and ours for usage.
const (
	exitDone    = 0
	exitRefused = 1
	exitUsage   = 2
)

// grammar is every command. Each has a Run method in the file of its name.
type grammar struct {
	Config string `help:"Configuration file." placeholder:"FILE" default:"/etc/colporteur/colporteur.toml"`

	Setup    setupCommand   `cmd:"" help:"Make a data folder ready, and print the DNS records to publish."`
	Serve    serveCommand   `cmd:"" help:"Run the server."`
	Demo     demoCommand    `cmd:"" help:"Run a server on loopback with two members, to try things."`
	Member   memberCommands `cmd:"" help:"Who may sign in."`
	Domain   domainCommands `cmd:"" help:"For which domains mail is taken."`
	Alias    aliasCommands  `cmd:"" help:"Addresses that lead to others."`
	Group    groupCommands  `cmd:"" help:"Addresses whose mailboxes several members share."`
	Share    shareCommand   `cmd:"" help:"Let a member or a group see mailboxes of another."`
	Drop     dropCommands   `cmd:"" help:"Addresses that take files."`
	Queue    queueCommands  `cmd:"" help:"Outgoing mail."`
	Transfer transferCmds   `cmd:"" help:"Files that are shared by link."`
	Trace    traceCommand   `cmd:"" help:"Where is my mail?"`
	Reports  reportsCommand `cmd:"" help:"What other hosts report about mail in our name."`
	Records  recordsCommand `cmd:"" help:"Print the DNS records that our domains should publish."`
	DKIM     dkimCommands   `cmd:"" name:"dkim" help:"Keys that mail is signed with."`
	Check    checkCommand   `cmd:"" help:"Look for what is wrong, in plain sentences."`
	Backup   backupCommand  `cmd:"" help:"Copy everything but the master key to a folder, while the server runs."`
	Restore  restoreCommand `cmd:"" help:"Make a host of a backup."`
	Verify   verifyCommand  `cmd:"" help:"Read every stored byte, and say what is damaged."`
	Migrate  migrateCommand `cmd:"" help:"Move to the big store."`
	Conf     configCommands `cmd:"" name:"config" help:"The configuration file."`
	Send     sendCommand    `cmd:"" help:"Mail files through this host, as one of its members."`
	Import   importCommand  `cmd:"" help:"Copy a mailbox from another host."`
	Version  versionCommand `cmd:"" help:"Print the version."`
}

// cli is what commands work with.
type cli struct {
	ctx      context.Context
	stdin    io.Reader
	out, err io.Writer
	config   string // path of the file
}

func (c *cli) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

func (c *cli) load() (*config.Config, error) {
	cfg, err := config.Load(c.config)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no configuration at %s: make one with `colporteur setup`, or name it with --config", c.config)
	}
	return cfg, err
}

// refused is a failure whose sentence is all there is to say.
type refused struct{ sentence string }

func (r refused) Error() string { return r.sentence }

// sentence is what the operator reads about err: the text that people get,
// and the cause behind it.
func sentence(err error) string {
	var e *mail.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	p := locale.For("en")
	switch {
	case e.Text.ID != "" && e.Err != nil:
		return p.Text(e.Text) + " (" + e.Err.Error() + ")"
	case e.Text.ID != "":
		return p.Text(e.Text)
	}
	return err.Error()
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// Nothing that this program makes is for other users of the machine.
	syscall.Umask(0o077)
	var g grammar
	code := -1
	parser, err := kong.New(&g, kong.Name("colporteur"),
		kong.Description("A mail host for associations. Files and photos go by mail and come back as links."),
		kong.Writers(stdout, stderr), kong.Exit(func(c int) { code = c }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
	if err != nil {
		panic(err) // the grammar is part of the program
	}
	command, err := parser.Parse(args)
	if code >= 0 { // --help has been printed
		return code
	}
	if err != nil {
		fmt.Fprintf(stderr, "colporteur: %v; see `colporteur %s--help`\n", err, path(err))
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &cli{ctx: ctx, stdin: stdin, out: stdout, err: stderr, config: g.Config}
	if err := command.Run(c); err != nil {
		if errors.As(err, new(usage)) {
			fmt.Fprintf(stderr, "colporteur: %v\n", err)
			return exitUsage
		}
		fmt.Fprintf(stderr, "colporteur: %s\n", strings.TrimSpace(sentence(err)))
		return exitRefused
	}
	return exitDone
}

// usage is a mistake in the command line that the grammar cannot see.
type usage string

func (u usage) Error() string { return string(u) }

// path is the command in which the mistake was made, with a space behind it.
func path(err error) string {
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil && p.Context.Selected() != nil {
		if full := p.Context.Selected().FullPath(); full != "" {
			return strings.TrimPrefix(full, "colporteur ") + " "
		}
	}
	return ""
}

type versionCommand struct{}

func (versionCommand) Run(c *cli) error {
	c.printf("colporteur %s\n", version)
	return nil
}

type configCommands struct {
	Check configCheck `cmd:"" help:"Say what is wrong with it, all at once."`
	Show  configShow  `cmd:"" help:"Print every key with the value in force."`
}

type configCheck struct{}

func (configCheck) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	c.printf("%s is in order.\n", cfg.Path)
	return nil
}

type configShow struct{}

func (configShow) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return cfg.Show(c.out)
}

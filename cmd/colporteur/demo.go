package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"colporteur/config"
	"colporteur/host"
	"colporteur/mail"
)

// The demo is an ordinary host of the dev profile with two members. The notes
// beside its data hold their passwords, so that the next run finds the same.
const (
	demoDomain = "home.test"
	demoNotes  = "demo.txt"
)

type demoCommand struct {
	Data string `required:"" help:"Folder for the demo's data; made if it is not there." placeholder:"DIR"`
}

func (d demoCommand) Run(c *cli) error {
	cfg, err := setupCommand{Data: d.Data, Domain: demoDomain, Profile: config.Dev, Database: "sqlite"}.prepare(c)
	if err != nil {
		return err
	}
	s, err := start(c, cfg)
	if err != nil {
		return err
	}
	notes, err := furnish(c, s)
	if err != nil {
		s.unlock()
		s.host.DB.Close()
		return err
	}
	return s.run(c, func() { c.welcome(cfg, notes) })
}

// furnish adds the domain and the members that are missing.
func furnish(c *cli, s *server) (map[string]string, error) {
	a := &admin{host: s.host}
	if _, err := a.setup(c.ctx, setupWish{Domain: demoDomain, Postmaster: "ann@" + demoDomain}); err != nil {
		return nil, err
	}
	notes := readNotes(s.cfg.Data)
	for _, m := range []newMember{
		{Address: "ann@" + demoDomain, Name: "Anne", Lang: "fr"},
		{Address: "bob@" + demoDomain, Name: "Bob", Lang: "en"},
	} {
		if notes[m.Address] == "" {
			notes[m.Address] = host.NewPassword()
		}
		if err := writeNotes(s.cfg.Data, notes); err != nil {
			return nil, err
		}
		m.Password = notes[m.Address]
		// Somebody may have removed or changed them meanwhile: that is theirs to do.
		if _, err := a.addMember(c.ctx, m); err != nil && !mail.Is(err, mail.Conflict) {
			return nil, err
		}
	}
	return notes, nil
}

// readNotes are the passwords of a demo's members by address; none elsewhere.
func readNotes(data string) map[string]string {
	notes := map[string]string{}
	f, err := os.Open(filepath.Join(data, demoNotes))
	if err != nil {
		return notes
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if address, password, ok := strings.Cut(lines.Text(), " "); ok {
			notes[address] = password
		}
	}
	return notes
}

func writeNotes(data string, notes map[string]string) error {
	var b strings.Builder
	for _, who := range []string{"ann@" + demoDomain, "bob@" + demoDomain} {
		if notes[who] != "" {
			fmt.Fprintf(&b, "%s %s\n", who, notes[who])
		}
	}
	path := filepath.Join(data, demoNotes)
	if have, err := os.ReadFile(path); err == nil && string(have) == b.String() {
		return nil
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return replace(path, []byte(b.String()))
}

// welcome prints all that one needs to try things.
func (c *cli) welcome(cfg *config.Config, notes map[string]string) {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, self); err == nil && len(rel) < len(self) {
			self = "." + string(filepath.Separator) + rel
		}
	}
	ann, bob := "ann@"+demoDomain, "bob@"+demoDomain
	c.printf(`
Members    %s  %s  (français)
           %s  %s  (English)
Web        %s
Webmail    %s/mail

Mail a file to the drop address:

  %s send --config %s --from %s --to envoi@%s %s

Read the answer, with its link (the newest mail in the inbox):

  curl -s --user '%s:%s' 'imap://%s/INBOX;MAILINDEX=*'

In a mail program: IMAP %s, SMTP %s (STARTTLS), user %s.
The certificate's authority is %s. Ctrl-C stops.

`, ann, notes[ann], bob, notes[bob], cfg.Web.URL, cfg.Web.URL,
		quote(self), quote(cfg.Path), ann, demoDomain, quote(someFile(self)),
		ann, notes[ann], first(cfg.IMAP.StartTLS),
		first(cfg.IMAP.StartTLS), first(cfg.SMTP.Submission), ann, filepath.Join(cfg.Data, "ca.pem"))
}

func first(l config.List) string {
	if len(l) == 0 {
		return "(none)"
	}
	return local(l[0])
}

// someFile is one to try with: the line must work as it is printed.
func someFile(self string) string {
	if _, err := os.Stat("README.md"); err == nil {
		return "README.md"
	}
	return self
}

// quote makes one word for a shell.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"colporteur/importer"
	"colporteur/locale"
	"colporteur/mail"
)

type importCommand struct {
	IMAP          string   `name:"imap" required:"" help:"The host to copy from." placeholder:"HOST[:PORT]"`
	User          string   `required:"" help:"The name to sign in with there." placeholder:"U"`
	Member        string   `required:"" help:"Whose mail it becomes here." placeholder:"ADDRESS"`
	PasswordStdin bool     `help:"Read the password there from standard input; without it the terminal asks."`
	TLS           bool     `name:"tls" xor:"protection" help:"TLS from the start, as on port 993; this is usual."`
	StartTLS      bool     `name:"starttls" xor:"protection" help:"Begin in clear and change to TLS, as on port 143."`
	Insecure      bool     `xor:"protection" help:"No TLS: whoever is on the way can read the password."`
	CA            string   `name:"ca" help:"Trust the certificates of this authority there." placeholder:"FILE" type:"existingfile"`
	Folder        []string `help:"Only this folder, as it is named there; may be said again." placeholder:"NAME" sep:"none"`
	DryRun        bool     `help:"Copy nothing, only say what would be."`
	Lang          string   `help:"Of what is said: fr or en; as the environment says if not given." enum:",fr,en" default:""`
}

func (i importCommand) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	p := printer(i.Lang)
	im := &importer.Importer{User: i.User, Folders: i.Folder, Look: i.DryRun}
	if im.Addr, im.Mode, err = i.address(); err != nil {
		return err
	}
	if im.TLS, err = i.trust(); err != nil {
		return err
	}
	if i.User == "" {
		return usage(p.T("import-no-user"))
	}
	if _, err := mail.ParseAddress(i.Member); err != nil {
		return usage(inLang(err, p.Lang).Error())
	}
	if im.Password, err = c.theirPassword(i.PasswordStdin, p.T("import-password", "User", i.User, "Host", im.Addr)); err != nil {
		return err
	}
	d, err := c.open(cfg)
	if err != nil {
		return err
	}
	defer d.close()
	if _, err := request[member](c.ctx, d, "member/show", i.Member); err != nil { // before anybody waits for the other host
		return err
	}
	im.Target = &target{d, importing{Member: i.Member, Lang: p.Lang}}
	tell := &importReport{cli: c, Printer: p, look: i.DryRun, bar: terminal(c.out)}
	im.Report = tell
	done, err := im.Run(c.ctx)
	tell.end()
	return i.verdict(c, p, im.Addr, done, err)
}

// verdict is the last sentence, and with it the exit code.
func (i importCommand) verdict(c *cli, p locale.Printer, addr string, done importer.Tally, err error) error {
	switch {
	case err == nil && i.DryRun:
		c.printf("%s\n", p.T("import-would", "Count", done.New, "Size", p.Size(done.Bytes), "Have", done.Have))
	case done.New+done.Have+done.Failed > 0 || err == nil:
		c.printf("%s\n", p.T("import-done", "Count", done.New, "Have", done.Have))
	}
	switch {
	case errors.Is(err, importer.ErrLogin):
		return refused{p.T("import-login", "User", i.User, "Host", addr, "Why", tidy(theirs(err)))}
	case errors.Is(err, importer.ErrNoFolder):
		return refused{p.T("import-no-folder", "Host", addr, "Why", tidy(theirs(err)))}
	case errors.Is(err, importer.ErrGone):
		return refused{p.T("import-gone", "Host", addr, "Why", tidy(err.Error()))}
	case errors.Is(err, context.Canceled):
		return refused{p.T("import-stopped")}
	case err != nil && done == importer.Tally{}:
		return refused{p.T("import-unreachable", "Host", addr, "Why", tidy(err.Error()))}
	case err != nil:
		return refused{p.T("import-broken", "Why", tidy(err.Error()))}
	case done.Failed > 0:
		return refused{p.T("import-some-failed", "Count", done.Failed)}
	}
	return nil
}

// theirs is what stands behind the name of an error.
func theirs(err error) string {
	_, why, _ := strings.Cut(err.Error(), ": ")
	return why
}

// address completes what is missing of the host and the way to protect it.
func (i importCommand) address() (addr string, mode importer.Mode, err error) {
	host, port, err := net.SplitHostPort(i.IMAP)
	if err != nil {
		host, port = strings.Trim(i.IMAP, "[]"), ""
	}
	if _, bad := strconv.ParseUint(port, 10, 16); host == "" || strings.ContainsAny(host, "/ @") || port != "" && bad != nil {
		return "", 0, usage(fmt.Sprintf("--imap: %q is not HOST or HOST:PORT", i.IMAP))
	}
	switch {
	case i.Insecure:
		mode = importer.Clear
	case i.StartTLS || port == "143" && !i.TLS:
		mode = importer.StartTLS
	}
	if port == "" {
		port = map[importer.Mode]string{importer.ImplicitTLS: "993", importer.StartTLS: "143", importer.Clear: "143"}[mode]
	}
	return net.JoinHostPort(host, port), mode, nil
}

func (i importCommand) trust() (*tls.Config, error) {
	if i.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(i.CA)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{RootCAs: x509.NewCertPool()}
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usage(fmt.Sprintf("--ca: there is no certificate in %s", i.CA))
	}
	return conf, nil
}

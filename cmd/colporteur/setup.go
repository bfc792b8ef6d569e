package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"colporteur/accounts"
	"colporteur/config"
	"colporteur/mail"
)

type setupCommand struct {
	Data       string `required:"" help:"Folder for mail and database." placeholder:"DIR"`
	Domain     string `required:"" help:"Domain to take mail for." placeholder:"D"`
	Hostname   string `help:"Name of this server; mail.D if not given." placeholder:"H"`
	Profile    string `help:"server (unless said), or dev: loopback and high ports." enum:",dev,server" default:""`
	Postmaster string `help:"Who reads mail to postmaster and abuse." placeholder:"ADDR"`
	TLS        string `help:"Certificate: acme (fetched from Let's Encrypt; the default of server), files, or selfsigned (of dev)." enum:",acme,files,selfsigned" default:""`
	TLSCert    string `help:"With --tls files: the certificate chain, PEM." placeholder:"FILE"`
	TLSKey     string `help:"With --tls files: its key, PEM." placeholder:"FILE"`
	Key        string `help:"Where the master key lies." placeholder:"FILE"`
	Lang       string `help:"Of what the records are for: fr or en; as the environment says if not given." enum:",fr,en" default:""`
	Database   string `help:"sqlite, or postgres://user@host/database." placeholder:"URL" default:"sqlite"`
}

func (s setupCommand) Run(c *cli) error {
	cfg, err := s.prepare(c)
	if err != nil {
		return err
	}
	done, err := ask[setupDone](c, cfg, "setup", setupWish{s.Domain, s.Postmaster})
	if err != nil {
		return err
	}
	c.printf("%s is ready for %s.\n\nPublish in DNS (`colporteur records` prints this again, `colporteur check` compares):\n\n", cfg.Data, s.Domain)
	if err := c.sayRecords(cfg, s.Domain, printer(s.Lang)); err != nil {
		return err
	}
	c.notes(cfg, s, done)
	return nil
}

// prepare makes folder, configuration, key and certificate where they are
// missing. What is there stays as it is.
func (s setupCommand) prepare(c *cli) (*config.Config, error) {
	dir, err := filepath.Abs(s.Data)
	if err != nil {
		return nil, err
	}
	domain, err := mail.Domain(s.Domain)
	if err != nil {
		return nil, err
	}
	profile := s.Profile
	if profile == "" {
		profile = config.Server
	}
	want := config.Defaults(profile)
	want.Hostname, want.Data, want.Database.URL = s.Hostname, dir, s.Database
	if want.Hostname == "" {
		want.Hostname = "mail." + domain
	}
	if s.TLS != "" {
		want.TLS.Mode = s.TLS
	}
	for _, f := range []struct {
		from string
		to   *string
	}{{s.TLSCert, &want.TLS.Cert}, {s.TLSKey, &want.TLS.Key}} {
		if f.from == "" {
			continue
		}
		if *f.to, err = filepath.Abs(f.from); err != nil {
			return nil, err
		}
	}
	if s.Key != "" {
		if want.Secrets.Key, err = filepath.Abs(s.Key); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(dir, "colporteur.toml")
	if _, err := os.Lstat(path); err != nil {
		// Everything is looked at before anything is made.
		if _, err := config.Parse(path, string(want.Text())); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if err := config.Write(path, &want); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	c.config = path
	cfg, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	if s.Hostname != "" && cfg.Hostname != s.Hostname || cfg.Data != dir || s.Profile != "" && cfg.Profile != s.Profile || s.TLS != "" && cfg.TLS.Mode != s.TLS {
		return nil, fmt.Errorf("%s says hostname %s, data %s, profile %s, tls.mode %s; setup never changes it: edit it, or choose another folder", path, cfg.Hostname, cfg.Data, cfg.Profile, cfg.TLS.Mode)
	}
	if err := own(cfg); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.BlobDir(), 0o700); err != nil {
		return nil, err
	}
	if made, err := makeMasterKey(cfg); err != nil {
		return nil, err
	} else if made {
		c.printf("The master key is in %s. Keep a copy elsewhere: without it nothing stored can be read.\n", cfg.Secrets.Key)
	}
	if cfg.TLS.Mode == config.SelfSigned {
		if _, err := tlsConfig(cfg, nil); err != nil {
			return nil, err
		}
	}
	return cfg, nil
}

type setupWish struct{ Domain, Postmaster string }

type setupDone struct {
	Taken      []string // program words that somebody owns
	Postmaster string   // who reads it now; "" is nobody yet
	Members    int
	Office     bool // somebody opens /admin
}

// setup adds what is missing of the directory; it changes nothing that is there.
func (a *admin) setup(ctx context.Context, w setupWish) (setupDone, error) {
	var done setupDone
	domain, err := mail.Domain(w.Domain)
	if err != nil {
		return done, err
	}
	domains, err := a.host.Accounts.Domains(ctx)
	if err != nil {
		return done, err
	}
	if !slices.Contains(domains, domain) {
		if err := a.host.Accounts.AddDomain(ctx, domain); err != nil && !mail.Is(err, mail.Conflict) {
			return done, err
		}
	}
	postmaster := mail.Address{Local: "postmaster", Domain: domain}
	if w.Postmaster != "" {
		to, err := mail.ParseAddress(w.Postmaster)
		if err != nil {
			return done, err
		}
		aliases, err := a.host.Accounts.Aliases(ctx)
		if err != nil {
			return done, err
		}
		if !slices.ContainsFunc(aliases, func(al accounts.Alias) bool { return al.From == postmaster.Key() }) {
			if err := a.host.Accounts.AddAlias(ctx, postmaster, to); err != nil {
				return done, err
			}
		}
	}
	if dest, err := a.host.Accounts.Resolve(ctx, postmaster); err == nil {
		done.Postmaster = dest[0].Addr.String()
	}
	members, err := a.host.Accounts.Members(ctx)
	if err != nil {
		return done, err
	}
	done.Members = len(members)
	if done.Office, err = a.host.Accounts.Administered(ctx); err != nil {
		return done, err
	}
	done.Taken, err = a.taken(ctx, domain)
	return done, err
}

// notes says what is left to do.
func (c *cli) notes(cfg *config.Config, s setupCommand, done setupDone) {
	if cfg.Profile == config.Server {
		c.printf("Ask who gave you the address to point its reverse name (PTR) to %s.\n", cfg.Hostname)
	}
	if cfg.TLS.Mode == config.SelfSigned {
		c.printf("The certificate is of our own making: programs trust it once they know %s.", filepath.Join(cfg.Data, "ca.pem"))
		if cfg.Profile == config.Server {
			c.printf(" For one that everybody trusts, set tls.mode to \"acme\" or \"files\" in %s.", cfg.Path)
		}
		c.printf("\n")
	}
	if cfg.TLS.Mode == config.ACME {
		c.printf("%s\n", terms(cfg))
	}
	c.sayTaken(done.Taken)
	switch {
	case done.Postmaster != "":
		c.printf("%s reads mail to postmaster and abuse.\n", done.Postmaster)
	case s.Postmaster != "":
		c.printf("Nobody reads mail to postmaster yet: %s is not a member. Add them.\n", s.Postmaster)
	}
	if !done.Office && s.Postmaster == "" {
		c.printf("Nobody can open %s/admin: that is for whoever is named by `colporteur alias add postmaster@%s ADDRESS`.\n", cfg.Web.URL, s.Domain)
	}
	if done.Members == 0 {
		c.printf("Next: colporteur member add ann@%s --config %s\n", s.Domain, cfg.Path)
	}
	c.printf("Then: colporteur serve --config %s\n", cfg.Path)
}

// terms are agreed to by serving, so whoever sets up must have read of them.
func terms(cfg *config.Config) string {
	if cfg.TLS.ACMEDirectory != "" {
		return fmt.Sprintf("To serve with tls.mode = \"acme\" is to agree to the terms of the certificate authority at %s.", cfg.TLS.ACMEDirectory)
	}
	return "To serve with tls.mode = \"acme\" is to agree to the subscriber agreement of Let's Encrypt: https://letsencrypt.org/repository/"
}

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"colporteur/config"
	"colporteur/host"
	"colporteur/store"
)

// leastLife of a certificate is what it should still have.
const leastLife = host.LeastLife

type checkCommand struct {
	Lang string `help:"Of what is said about the DNS: fr or en; as the environment says if not given." enum:",fr,en" default:""`
}

// findings are sentences with a verdict each.
type findings struct {
	c     *cli
	wrong int
}

func (f *findings) good(format string, args ...any) { f.c.printf("good   "+format+"\n", args...) }
func (f *findings) note(format string, args ...any) { f.c.printf("note   "+format+"\n", args...) }
func (f *findings) bad(format string, args ...any) {
	f.wrong++
	f.c.printf("wrong  "+format+"\n", args...)
}

func (cmd checkCommand) Run(c *cli) error {
	f := &findings{c: c}
	cfg, err := c.load()
	if err != nil {
		var p *config.Problems
		if !errors.As(err, &p) {
			return err
		}
		for _, one := range p.List {
			f.bad("The configuration: %s.", one)
		}
		return f.verdict()
	}
	f.good("The configuration %s can be read.", cfg.Path)
	f.files(cfg)
	f.disk(cfg.Data)
	database := f.database(cfg)
	running := f.listeners(cfg)
	if cfg.TLS.Mode == config.ACME {
		for _, name := range certificateNames(cfg) {
			f.fetched(cfg, name, running)
		}
	} else {
		f.certificate(cfg, running)
	}
	if database {
		f.published(cfg, printer(cmd.Lang))
	}
	return f.verdict()
}

func (f *findings) verdict() error {
	switch f.wrong {
	case 0:
		return nil
	case 1:
		return refused{"one thing is wrong; see above"}
	}
	return refused{fmt.Sprintf("%d things are wrong; see above", f.wrong)}
}

func (f *findings) files(cfg *config.Config) {
	if err := own(cfg); err != nil {
		f.bad("The data folder: %v.", err)
		return
	}
	if info, err := os.Stat(cfg.Data); err == nil && info.Mode().Perm()&0o077 != 0 {
		f.bad("Other users of this machine can look into %s: run chmod 700 on it.", cfg.Data)
	} else {
		f.good("Only its owner can look into %s.", cfg.Data)
	}
	if _, err := masterKey(cfg.Secrets.Key); err != nil {
		f.bad("%v.", err)
	} else if info, err := os.Stat(cfg.Secrets.Key); err == nil && info.Mode().Perm()&0o077 != 0 {
		f.bad("Other users of this machine can read the master key: run chmod 600 on %s.", cfg.Secrets.Key)
	} else {
		f.good("The master key can be read by its owner only.")
	}
}

func (f *findings) disk(dir string) {
	switch free, all, enough, err := host.Room(dir); {
	case err != nil:
		f.bad("The disk of %s cannot be looked at: %v.", dir, err)
	case !enough:
		f.bad("The disk is nearly full: %s of %s are free. Mail is refused when none is left.", amount(free), amount(all))
	default:
		f.good("There is room on the disk: %s of %s are free.", amount(free), amount(all))
	}
}

// health is what a server, or the database alone, knows of itself.
type health struct {
	Running bool // a server runs
	Engine  string
	Domains []string
	Members int
	Office  bool // somebody opens /admin
	Waiting int  // mails on their way out
	Failing int  // of these, tried more than a few times
}

func (a *admin) health(ctx context.Context, _ none) (health, error) {
	h := health{Running: a.alive, Engine: a.host.DB.Engine()}
	if err := a.host.DB.Read(ctx, ping); err != nil {
		return h, err
	}
	var err error
	if h.Domains, err = a.host.Accounts.Domains(ctx); err != nil {
		return h, err
	}
	members, err := a.host.Accounts.Members(ctx)
	if err != nil {
		return h, err
	}
	h.Members = len(members)
	if h.Office, err = a.host.Accounts.Administered(ctx); err != nil {
		return h, err
	}
	jobs, err := a.listQueue(ctx, none{})
	for _, j := range jobs {
		h.Waiting++
		if j.Attempts >= host.Stubborn {
			h.Failing++
		}
	}
	return h, err
}

func ping(tx *store.Tx) error {
	var n int
	return tx.QueryRow(context.Background(), `SELECT count(*) FROM domain`).Scan(&n)
}

// database looks at it, and says whether it answers.
func (f *findings) database(cfg *config.Config) bool {
	h, err := ask[health](f.c, cfg, "health", none{})
	if err != nil {
		f.bad("The database does not answer: %s.", strings.TrimSuffix(sentence(err), "."))
		return false
	}
	f.good("The database (%s) answers: %d domains, %d members.", h.Engine, len(h.Domains), h.Members)
	if len(h.Domains) == 0 {
		f.bad("There is no domain: add one with `colporteur domain add`.")
	}
	switch {
	case h.Members == 0:
		f.note("There is no member yet, so nobody reads mail to postmaster.")
	case !h.Office && len(h.Domains) > 0:
		f.note("Nobody can open %s/admin: name somebody with `colporteur alias add postmaster@%s ADDRESS`.", cfg.Web.URL, h.Domains[0])
	}
	switch {
	case h.Failing > 0:
		f.note("%d of %d outgoing mails could not be delivered so far: see `colporteur queue list`.", h.Failing, h.Waiting)
	case h.Waiting > 0:
		f.good("%d mails are on their way out.", h.Waiting)
	}
	return true
}

// listeners connects to each when the server runs, and tries to listen when it does not.
func (f *findings) listeners(cfg *config.Config) (running bool) {
	if conn, err := dialControl(f.c.ctx, cfg); err == nil {
		conn.Close()
		running = true
		f.good("The server runs.")
	} else if errors.Is(err, errNoServer) {
		f.note("The server does not run.")
	} else {
		f.bad("%v.", err)
		return false
	}
	for _, l := range cfg.Listeners() {
		if l.Key == "sieve.listen" { // not built: nothing listens there
			continue
		}
		for _, addr := range l.List {
			if strings.HasSuffix(addr, ":0") {
				continue
			}
			if running {
				f.dial(l.Key, addr)
			} else {
				f.listen(l.Key, addr)
			}
		}
	}
	return running
}

func (f *findings) dial(key, addr string) {
	d := net.Dialer{Timeout: 3 * time.Second}
	conn, err := d.DialContext(f.c.ctx, "tcp", local(addr))
	if err != nil {
		f.bad("Nothing answers at %s (%s): %v.", addr, key, err)
		return
	}
	conn.Close()
	f.good("%s answers (%s).", addr, key)
}

// local is where this machine reaches a listener of its own.
func local(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err == nil && (host == "" || host == "0.0.0.0") {
		return net.JoinHostPort("127.0.0.1", port)
	}
	if err == nil && host == "::" {
		return net.JoinHostPort("::1", port)
	}
	return addr
}

func (f *findings) listen(key, addr string) {
	ln, err := net.Listen("tcp", addr)
	switch {
	case err == nil:
		ln.Close()
	case errors.Is(err, syscall.EACCES):
		f.bad("This user may not listen on %s (%s): give the program CAP_NET_BIND_SERVICE.", addr, key)
	case errors.Is(err, syscall.EADDRINUSE):
		f.bad("Another program listens on %s (%s): stop it, or choose another address.", addr, key)
	default:
		f.bad("%s cannot be listened on (%s): %v.", addr, key, err)
	}
}

func (f *findings) certificate(cfg *config.Config, running bool) {
	var got *tls.Certificate
	var err error
	switch cfg.TLS.Mode {
	case config.Files:
		got, err = (&pair{cert: cfg.TLS.Cert, key: cfg.TLS.Key}).load(nil)
	default:
		path := filepath.Join(cfg.Data, "tls.pem")
		var c tls.Certificate
		if c, err = tls.LoadX509KeyPair(path, path); errors.Is(err, os.ErrNotExist) && !running {
			f.note("The certificate is made when the server starts.")
			return
		}
		got = &c
	}
	if err != nil {
		f.bad("The certificate cannot be used: %v.", err)
		return
	}
	f.leaf(got, cfg.Hostname, "renew it")
	if cfg.TLS.Mode == config.SelfSigned && cfg.Profile == config.Server {
		f.note("The certificate is of our own making; programs of strangers do not trust it.")
	}
}

// leaf looks at a certificate that is for name; remedy says what helps when it ends.
func (f *findings) leaf(c *tls.Certificate, name, remedy string) {
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		f.bad("The certificate cannot be read: %v.", err)
		return
	}
	left := time.Until(leaf.NotAfter)
	switch {
	case leaf.VerifyHostname(name) != nil:
		f.bad("The certificate is not for %s but for %s.", name, strings.Join(leaf.DNSNames, ", "))
	case left < 0:
		f.bad("The certificate for %s ended on %s: %s.", name, day(leaf.NotAfter), remedy)
	case left < leastLife:
		f.bad("The certificate for %s ends on %s: %s.", name, day(leaf.NotAfter), remedy)
	default:
		f.good("The certificate for %s lasts until %s.", name, day(leaf.NotAfter))
	}
}

// fetched looks at the certificate that an authority gives for name.
func (f *findings) fetched(cfg *config.Config, name string, running bool) {
	got, err := obtained(cfg, name)
	why := lastFailure(cfg, name)
	switch {
	case err == nil && why != "":
		f.leaf(got, name, "the last try to renew it failed: "+why)
	case err == nil:
		f.leaf(got, name, "the running server renews it")
	case !errors.Is(err, os.ErrNotExist):
		f.bad("The certificate for %s cannot be used: %v.", name, err)
	case why != "":
		f.bad("The certificate for %s has not come yet: %s. Until it does, one of our own making serves, which programs warn of.", name, why)
	case running:
		f.bad("The certificate for %s has not come yet; it takes a minute when %s leads here and ports 80 or 443 can be reached from outside. Until it does, one of our own making serves, which programs warn of.", name, name)
	default:
		f.note("The certificate for %s is fetched when the server runs.", name)
	}
}

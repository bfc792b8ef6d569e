package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"colporteur/config"
	"colporteur/host"
)

// patience is how long work under way may take after SIGTERM. What is not
// finished then is durable or was never answered: it starts again by itself.
const patience = 9 * time.Second

type serveCommand struct{}

func (serveCommand) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	s, err := start(c, cfg)
	if err != nil {
		return err
	}
	return s.run(c, nil)
}

// server is a host that holds its data folder.
type server struct {
	cfg    *config.Config
	host   *host.Host
	log    *slog.Logger
	since  time.Time
	unlock func()
}

// start takes the data folder and opens everything; nothing is served yet.
func start(c *cli, cfg *config.Config) (*server, error) {
	s := &server{cfg: cfg, since: time.Now(), log: slog.New(slog.NewTextHandler(c.err, nil))}
	var err error
	if s.unlock, err = lock(cfg); err != nil {
		return nil, err
	}
	if err := s.open(c.ctx); err != nil {
		s.unlock()
		return nil, err
	}
	return s, nil
}

func (s *server) open(ctx context.Context) error {
	key, err := masterKey(s.cfg.Secrets.Key)
	if err != nil {
		return err
	}
	opt := host.Options{Key: key, Log: s.log, Version: version, Certificate: func(name string) (*tls.Certificate, error) { return certificateFor(s.cfg, name) }}
	var fetched *acme
	if s.cfg.TLS.Mode == config.ACME {
		if fetched, err = newACME(ctx, s.cfg, s.log); err != nil {
			return err
		}
		opt.TLS, opt.Certificates = fetched.tls(), fetched
	} else if opt.TLS, err = tlsConfig(s.cfg, s.log); err != nil {
		return err
	}
	if s.host, err = host.New(ctx, s.cfg, opt); err != nil {
		return err
	}
	if fetched != nil {
		domains, err := s.host.Accounts.Domains(ctx)
		if err != nil {
			s.host.DB.Close()
			return err
		}
		fetched.contact(domains)
		fetched.follow(s.host.Accounts.Domains)
	}
	if err := s.host.Listen(); err != nil {
		s.host.DB.Close()
		return fmt.Errorf("some addresses cannot be listened on: %s",
			strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

// run serves until c's context ends. told, when not nil, is called after the
// line "ready".
func (s *server) run(c *cli, told func()) error {
	defer s.unlock()
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	waitControl, err := serveControl(ctx, s.cfg, &admin{host: s.host, alive: true}, s.log)
	if err != nil {
		s.host.DB.Close()
		return err
	}
	ended := make(chan error, 1)
	go func() {
		err := s.host.Run(ctx)
		cancel()
		ended <- err
	}()
	// Every socket listens since start: whoever connects now is answered.
	c.printf("ready %s in %d ms: %s\n", s.cfg.Hostname, time.Since(s.since).Milliseconds(), s.listening())
	if told != nil {
		told()
	}
	<-ctx.Done()
	if c.ctx.Err() != nil {
		s.log.Info("stopping")
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	controlled := make(chan struct{})
	go func() { waitControl(); close(controlled) }()
	select {
	case err = <-ended:
		<-controlled
	case <-late.C:
		s.log.Warn("stopped with work under way")
		return nil
	}
	if errors.Is(err, context.Canceled) && c.ctx.Err() != nil {
		err = nil
	}
	if err == nil {
		s.log.Info("stopped")
	}
	return err
}

// names of the host's listeners, in the order people look for them.
var names = []string{"mx", "submission", "submissions", "imap", "imaps", "http", "https", "metrics"}

func (s *server) listening() string {
	var out []string
	for _, n := range names {
		if addr := s.host.Addr(n); addr != "" {
			out = append(out, n+" "+addr)
		}
	}
	return strings.Join(append(out, "web "+s.cfg.Web.URL), ", ")
}

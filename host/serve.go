package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"colporteur/config"
	"colporteur/smtp"
	"colporteur/store"
	"colporteur/webgateway"
)

// acmeProtocol is what an authority offers when it asks over TLS whether a name
// is ours (RFC 8737 §4). Only the web offers it: on a mail port its answer would
// be a certificate that no mail program can use.
const acmeProtocol = "acme-tls/1"

// listener is one open socket and what answers on it.
type listener struct {
	name  string
	ln    net.Listener
	serve func(ctx context.Context, ln net.Listener) error
}

// Listen opens every listener of the configuration. All problems are reported
// at once; then none is open.
func (h *Host) Listen() error {
	var problems []error
	open := func(name string, addrs config.List, serve func(context.Context, net.Listener) error) {
		for _, a := range addrs {
			ln, err := net.Listen("tcp", a)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", name, err))
				continue
			}
			h.listeners = append(h.listeners, listener{name, ln, serve})
		}
	}
	mailOn := func(r smtp.Role) func(context.Context, net.Listener) error {
		return func(ctx context.Context, ln net.Listener) error { return h.SMTP.Serve(ctx, ln, r) }
	}
	imapOn := func(implicit bool) func(context.Context, net.Listener) error {
		return func(ctx context.Context, ln net.Listener) error { return h.IMAP.Serve(ctx, ln, implicit) }
	}
	c := h.Config
	open("mx", c.SMTP.MX, mailOn(smtp.MX))
	open("submission", c.SMTP.Submission, mailOn(smtp.Submission))
	if h.opt.TLS != nil {
		open("submissions", c.SMTP.Submissions, mailOn(smtp.Submissions))
	}
	open("imap", c.IMAP.StartTLS, imapOn(false))
	if h.opt.TLS != nil {
		open("imaps", c.IMAP.TLS, imapOn(true))
	}
	site := h.Gateway.Handler()
	plain := site
	if len(c.Web.Listen) > 0 && c.Profile != config.Dev {
		plain = h.Gateway.Redirect()
	}
	secure := []string{"h2", "http/1.1"}
	if h.opt.Certificates != nil {
		plain = h.opt.Certificates.Challenge(plain)
		secure = append(secure, acmeProtocol)
	}
	open("http", c.Web.HTTP, func(ctx context.Context, ln net.Listener) error {
		return webgateway.Serve(ctx, ln, nil, plain, h.opt.Log)
	})
	if h.opt.TLS != nil {
		open("https", c.Web.Listen, func(ctx context.Context, ln net.Listener) error {
			conf := h.opt.TLS.Clone()
			conf.NextProtos = secure
			return webgateway.Serve(ctx, ln, conf, site, h.opt.Log)
		})
	}
	open("metrics", c.Metrics.Listen, func(ctx context.Context, ln net.Listener) error {
		return webgateway.Serve(ctx, ln, nil, h.metrics(), h.opt.Log)
	})
	if len(problems) > 0 {
		for _, l := range h.listeners {
			l.ln.Close()
		}
		h.listeners = nil
		return errors.Join(problems...)
	}
	return nil
}

// Addr is where the listener of that name answers: "mx", "submission",
// "submissions", "imap", "imaps", "http", "https", "metrics".
func (h *Host) Addr(name string) string {
	for _, l := range h.listeners {
		if l.name == name {
			return l.ln.Addr().String()
		}
	}
	return ""
}

// Run serves until ctx ends, then lets what is under way end, and closes the
// store. It returns the first failure that was not asked for.
func (h *Host) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parts := make(chan error)
	n := 0
	start := func(name string, f func(context.Context) error) {
		n++
		go func() {
			err := f(ctx)
			if ctx.Err() != nil {
				err = nil // it ended because it was told to
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
			parts <- err
		}()
	}
	for _, l := range h.listeners {
		start(l.name, func(ctx context.Context) error { return l.serve(ctx, l.ln) })
	}
	if h.opt.Certificates != nil {
		start("certificates", h.opt.Certificates.Run)
	}
	start("queue", h.Queue.Run)
	start("keys", h.tickKeys)
	start("policies", h.Policies.Run)
	start("origin counts", h.Reports.Origins.Run)
	start("tls counts", h.Reports.TLS.Run)
	start("reports", h.Reports.Sender.Run)
	start("mailboxes", h.Mailboxes.Run)
	start("members", h.Accounts.Run)
	start("push", h.Push.Run)
	start("search", func(ctx context.Context) error {
		return h.Mailboxes.Index(ctx, func(err error) { h.opt.Log.ErrorContext(ctx, "search index failed", "err", err) })
	})
	start("sweeper", h.sweep)
	var first error
	for range n {
		if err := <-parts; err != nil && first == nil {
			first = err
			cancel(err)
		}
	}
	return errors.Join(first, h.DB.Close())
}

// Healthy says nil when the host takes work: the database answers.
func (h *Host) Healthy(ctx context.Context) error {
	return h.DB.Read(ctx, func(tx *store.Tx) error {
		var one int
		return tx.QueryRow(ctx, `SELECT 1 FROM domain LIMIT 1`).Scan(&one)
	})
}

// sweep removes what is over: hourly in life, and soon after the start.
func (h *Host) sweep(ctx context.Context) error {
	t := time.NewTimer(time.Minute)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if err := h.Sweep(ctx); err != nil && ctx.Err() == nil {
			h.opt.Log.ErrorContext(ctx, "sweep failed", "err", err)
		}
		t.Reset(time.Hour)
	}
}

const (
	bytesAge  = 24 * time.Hour      // of bytes nothing names: a spool may be under way
	memoryAge = 30 * 24 * time.Hour // of expunged mail, ended jobs, handled mails to programs, the trace
)

// Sweep does one round of it.
func (h *Host) Sweep(ctx context.Context) error {
	var errs []error
	step := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	_, err := h.Transfers.Sweep(ctx)
	step("transfers", err)
	_, err = h.Albums.Sweep(ctx)
	step("albums", err)
	_, err = h.Places.Sweep(ctx)
	step("places", err)
	step("sessions", h.Sessions.Sweep(ctx))
	step("push", h.Push.Sweep(ctx))
	step("absences", h.Absences.Sweep(ctx))
	step("submissions", h.Submissions.Sweep(ctx, memoryAge))
	step("uploads", h.Uploads.Sweep(ctx))
	step("contacts", h.Contacts.Sweep(ctx))
	step("programs", h.Mux.Sweep(ctx))
	step("questions", h.Questions.Sweep(ctx))
	step("gazette", h.Gazette.Sweep(ctx))
	step("bodies", h.Messages.ForgetBodies(ctx))
	step("notes", h.Notify.Sweep(ctx))
	step("quotas", h.watchQuotas(ctx))
	step("links", h.Links.Sweep(ctx, memoryAge))
	step("jobs", h.Queue.Sweep(ctx, memoryAge))
	step("door", h.Door.Sweep(ctx, memoryAge))
	_, err = h.Trace.Sweep(ctx, memoryAge)
	step("trace", err)
	_, err = h.Reports.Store.Sweep(ctx)
	step("reports", err)
	n, err := h.Mailboxes.Purge(ctx, memoryAge)
	step("mailboxes", err)
	if n > 0 {
		step("search", h.Mailboxes.Tidy(ctx))
	}
	m, err := h.Messages.Sweep(ctx, bytesAge)
	step("messages", err)
	b, err := h.Blobs.Sweep(ctx, bytesAge)
	step("blobs", err)
	h.opt.Log.InfoContext(ctx, "swept", "emails", n, "messages", m, "blobs", b)
	return errors.Join(errs...)
}

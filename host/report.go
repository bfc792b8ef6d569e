package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"colporteur/delivery"
	"colporteur/dkim/report"
	"colporteur/mail"
	"colporteur/smtp/relay/secure"
	"colporteur/store"
	"colporteur/store/queue"
)

// reporting is the reports about proof of origin and encryption, theirs and ours.
type reporting struct {
	Store   *report.Store
	Origins *report.Collector
	TLS     *report.TLSCollector
	Sender  *report.Sender
}

func (h *Host) wireReports() {
	now, log := h.opt.Now, h.opt.Log
	h.Reports = &reporting{
		Store:   &report.Store{DB: h.DB, Ours: h.Accounts.Ours, Own: h.sendsFrom(), Name: h.nameOf, Now: now, Log: log},
		Origins: &report.Collector{DB: h.DB, Now: now, Log: log},
		TLS:     &report.TLSCollector{DB: h.DB, Now: now, Log: log},
		Sender:  &report.Sender{DB: h.DB, Door: h.Door, DNS: h.opt.DNS, Domain: h.firstDomain, AllowPrivate: h.Config.Relay.AllowPrivate, Now: now, Log: log},
	}
	h.Door.Open = map[string]bool{}
	for _, word := range report.ReportWords {
		h.Door.Open[word] = true
	}
	h.Door.Noted = func(_ context.Context, j delivery.Judged) {
		h.Reports.Origins.Note(j.Verdict, j.Envelope.Client.IP, j.Envelope, j.Action, j.Override)
	}
	h.Queue.Handle(delivery.JobOpen, queue.Options{Workers: 2}, h.takeReport)
}

// sendsFrom knows the addresses our mail leaves from: this machine's, and those
// our name leads to, for behind a translator the machine does not know them.
func (h *Host) sendsFrom() func(netip.Addr) bool {
	own := sync.OnceValue(func() map[netip.Addr]bool {
		own := map[netip.Addr]bool{}
		add := func(ip net.IP) {
			if ip, ok := netip.AddrFromSlice(ip); ok {
				own[ip.Unmap()] = true
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if ips, err := h.opt.DNS.LookupIPAddr(ctx, h.Config.Hostname); err == nil {
			for _, ip := range ips {
				add(ip.IP)
			}
		}
		if addrs, err := net.InterfaceAddrs(); err == nil {
			for _, n := range addrs {
				if n, ok := n.(*net.IPNet); ok {
					add(n.IP)
				}
			}
		}
		return own
	})
	return func(ip netip.Addr) bool { return own()[ip] }
}

// nameOf is the reverse name of an address, "" when there is none.
func (h *Host) nameOf(ctx context.Context, ip netip.Addr) string {
	names, err := h.opt.DNS.LookupAddr(ctx, ip.String())
	if err != nil || len(names) == 0 {
		return ""
	}
	return strings.TrimSuffix(names[0], ".")
}

// session tells the report collector of one connection.
func (r *reporting) session(o secure.Outcome) { r.TLS.Note(report.Outcome(o)) }

// takeReport is the queue's handler for mail to the addresses of reports.
func (h *Host) takeReport(ctx context.Context, j *queue.Job) queue.Outcome {
	var p delivery.Program
	if err := json.Unmarshal(j.Payload, &p); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	m, err := h.Messages.Get(ctx, p.Message)
	if errors.Is(err, store.ErrNoRows) {
		return queue.Done(nil)
	}
	if err != nil {
		return queue.Snooze(h.opt.Now().Add(time.Minute), err.Error(), nil)
	}
	in := report.Inbound{From: p.From, To: p.Address, Verdict: p.Verdict}
	if p.Verdict == nil && p.Sender.ID == 0 { // we wrote it: one of our domains to another
		in.Own = h.firstDomain(ctx)
	}
	in.Parts = func(yield func(name, mediaType string, r io.Reader) error) error {
		if m.Summary == nil {
			return nil
		}
		return h.leaves(ctx, m.Summary.Root, func(leaf *mail.Part) error {
			r, err := h.Messages.OpenMessage(ctx, m, leaf.BodyOffset)
			if err != nil {
				return err
			}
			defer r.Close()
			return yield(leaf.Filename, leaf.Type, mail.DecodeBody(leaf.Encoding, io.LimitReader(r, leaf.Size)))
		})
	}
	err = h.Reports.Store.Take(ctx, in)
	switch {
	case err == nil:
		return queue.Done(nil)
	case mail.Is(err, mail.BadContent), h.opt.Now().Sub(p.At) > 24*time.Hour:
		h.opt.Log.InfoContext(ctx, "report not taken", "mail", p.Mail, "from", p.From.String(), "err", err)
		return queue.Done(nil)
	}
	return queue.Snooze(h.opt.Now().Add(time.Minute), err.Error(), nil)
}

// leaves calls f with each part that has no parts.
func (h *Host) leaves(ctx context.Context, p *mail.Part, f func(*mail.Part) error) error {
	if p == nil {
		return nil
	}
	if len(p.Children) == 0 {
		return f(p)
	}
	for _, c := range p.Children {
		if err := h.leaves(ctx, c, f); err != nil {
			return err
		}
	}
	return ctx.Err()
}

package host

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"colporteur/config"
	"colporteur/dkim/records"
	"colporteur/locale"
	"colporteur/webgateway/admin"
)

// What a host needs to breathe.
const (
	leastFree  = 1 << 30 // bytes: below this mail will soon be refused
	leastShare = 20      // and below a twentieth of the disk

	LeastLife = 14 * 24 * time.Hour // that a certificate should still have
	Stubborn  = 4                   // tries, after which a mail that does not get away is worth a word

	backupAge = 8 * 24 * time.Hour // a weekly one may be a day late
	oldest    = 4 * time.Hour      // that a mail may wait before it is worth a word
)

// Room is what is free on the disk of a folder, and whether that is enough.
func Room(dir string) (free, all int64, enough bool, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, false, err
	}
	free, all = int64(st.Bavail)*st.Bsize, int64(st.Blocks)*st.Bsize
	return free, all, free >= leastFree && free >= all/leastShare, nil
}

// Verdicts are what is to be said about the host, the worst first.
func (h *Host) Verdicts(ctx context.Context, p locale.Printer) ([]admin.Verdict, error) {
	var out []admin.Verdict
	say := func(s State, text, do, link string) {
		out = append(out, admin.Verdict{State: string(s), Text: text, Do: do, Link: link})
	}
	if err := h.sayQueue(ctx, p, say); err != nil {
		return nil, err
	}
	if free, all, enough, err := Room(h.Config.Data); err != nil {
		say(Warn, p.T("office-disk-unknown", "Why", err.Error()), "", "")
	} else if !enough {
		say(Bad, p.T("office-disk-full", "Free", p.Size(free), "All", p.Size(all)), p.T("office-disk-full-do"), "/admin/members")
	} else {
		say(Good, p.T("office-disk-good", "Free", p.Size(free), "All", p.Size(all)), "", "")
	}
	h.sayCertificates(p, say)
	switch at, err := h.Office.LastBackup(ctx); {
	case err != nil:
		return nil, err
	case at.IsZero():
		say(Warn, p.T("office-backup-none"), p.T("office-backup-do"), "")
	case h.opt.Now().Sub(at) > backupAge:
		say(Warn, p.T("office-backup-old", "Date", p.Date(at.Local())), p.T("office-backup-do"), "")
	default:
		say(Good, p.T("office-backup-good", "Date", p.Date(at.Local()), "Hour", at.Local().Format("15:04")), "", "")
	}
	if synchronised() {
		say(Good, p.T("office-clock-good"), "", "")
	} else {
		say(Warn, p.T("office-clock"), p.T("office-clock-do"), "")
	}
	found, err := h.lookAtRecords(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		say(f.State, f.Text, f.Do, "/admin/start?step=2")
	}
	if h.opt.Version != "" {
		say(Good, p.T("office-version", "Version", h.opt.Version), "", "")
	}
	slices.SortStableFunc(out, func(a, b admin.Verdict) int { return worse[a.State] - worse[b.State] })
	return out, nil
}

var worse = map[string]int{string(Bad): 0, string(Warn): 1, string(Good): 2}

// synchronised asks the kernel whether anything keeps its clock right
// (STA_UNSYNC, adjtimex(2)).
func synchronised() bool {
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	return err != nil || state != 5 && t.Status&0x40 == 0
}

func (h *Host) sayQueue(ctx context.Context, p locale.Printer, say func(State, string, string, string)) error {
	refusals, err := h.Office.Refusals(ctx)
	if err != nil {
		return err
	}
	for _, r := range refusals {
		do := p.T("office-refusing-do")
		if r.Form != "" {
			do = p.T("office-refusing-form", "Form", r.Form)
		}
		say(Bad, p.T("office-refusing", "Who", r.Who, "Hour", r.Since.Local().Format("15:04"), "Date", p.Date(r.Since.Local()), "Why", p.T("office-scope-"+r.Scope)), do, "/admin/queue")
	}
	waiting, err := h.WaitingMails(ctx)
	if err != nil {
		return err
	}
	if len(waiting) == 0 {
		say(Good, p.T("office-queue-empty"), "", "/admin/queue")
		return nil
	}
	first, failing := waiting[0].Created, 0
	for _, w := range waiting {
		if w.Created.Before(first) {
			first = w.Created
		}
		if w.Attempts >= Stubborn {
			failing++
		}
	}
	text := p.T("office-queue-waits", "Count", len(waiting), "Date", p.Date(first.Local()), "Hour", first.Local().Format("15:04"))
	if failing > 0 || h.opt.Now().Sub(first) > oldest {
		say(Warn, text, p.T("office-queue-do", "Count", failing), "/admin/queue")
		return nil
	}
	say(Good, text, "", "/admin/queue")
	return nil
}

func (h *Host) sayCertificates(p locale.Printer, say func(State, string, string, string)) {
	if h.opt.Certificate == nil {
		return
	}
	names := []string{h.Config.Hostname}
	if u, err := url.Parse(h.Config.Web.ContentURL); err == nil && u.Scheme == "https" && net.ParseIP(u.Hostname()) == nil && !slices.Contains(names, u.Hostname()) {
		names = append(names, u.Hostname())
	}
	for _, name := range names {
		c, err := h.opt.Certificate(name)
		if err != nil {
			say(Bad, p.T("office-certificate-none", "Name", name), p.T("office-certificate-none-do"), "")
			continue
		}
		leaf, err := x509.ParseCertificate(c.Certificate[0])
		if err != nil || leaf.VerifyHostname(name) != nil {
			say(Bad, p.T("office-certificate-wrong", "Name", name), p.T("office-certificate-do"), "")
			continue
		}
		left := leaf.NotAfter.Sub(h.opt.Now())
		text := p.T("office-certificate", "Name", name, "Count", max(0, int(left/(24*time.Hour))), "Date", p.Date(leaf.NotAfter.Local()))
		if left < LeastLife {
			say(Bad, text, p.T("office-certificate-do"), "")
		} else {
			say(Good, text, "", "")
		}
	}
}

func (h *Host) zonesNow(ctx context.Context) ([]Zone, error) {
	domains, err := h.Accounts.Domains(ctx)
	if err != nil {
		return nil, err
	}
	if h.opt.Certificate == nil {
		return h.Zones(ctx, domains, nil)
	}
	c, err := h.opt.Certificate(h.Config.Hostname)
	if err != nil {
		c = nil // it has not come yet
	}
	return h.Zones(ctx, domains, c)
}

func (h *Host) lookAtRecords(ctx context.Context, p locale.Printer) ([]Finding, error) {
	zones, err := h.zonesNow(ctx)
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	return Published(ctx, h.opt.DNS, zones, h.Config.Profile == config.Dev, p), nil
}

// lines are what to publish, to be copied, with what each is for.
func (h *Host) lines(ctx context.Context, p locale.Printer) (out []admin.Line, err error) {
	zones, err := h.zonesNow(ctx)
	for i, z := range zones {
		wanted := z.Own
		if i == 0 {
			wanted = slices.Concat(z.Host, z.Own)
		}
		for _, r := range wanted {
			l := r.Lines()
			if r.Kind == records.Reverse && r.Name == "" { // the address is not known here
				l = []string{"PTR " + r.Host + "."}
			}
			if len(l) > 0 {
				out = append(out, admin.Line{Purpose: p.Text(r.Purpose), Text: strings.Join(l, "\n")})
			}
		}
	}
	return out, err
}

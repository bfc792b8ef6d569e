package host

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/office"
	"colporteur/smtp/relay"
	"colporteur/smtp/relay/provider"
	"colporteur/store"
	"colporteur/workflow/notify"
)

// tellAdmin mails whoever reads postmaster at domain, once for each key. They
// read it in their own language when they are a member, else in French and
// English; a member hears it as soon as they chose. A key that was told is not
// told again for thirty days.
func (h *Host) tellAdmin(ctx context.Context, domain, key string, subject mail.Text, paragraphs ...mail.Text) error {
	if domain == "" {
		domain = h.firstDomain(ctx)
	}
	to := mail.Address{Local: "postmaster", Domain: domain}
	n := notify.Note{Kind: notify.Admin, Key: domain + ":" + key, To: to, From: to}
	langs := locale.Langs
	if dest, err := h.Accounts.Resolve(ctx, to); err == nil && len(dest) > 0 && dest[0].Lang != "" {
		langs = []string{locale.For(dest[0].Lang).Lang}
		if m, err := h.Accounts.ByAddress(ctx, dest[0].Addr); err == nil && len(dest) == 1 {
			n.Member = m.ID
		}
	}
	n.Lang = langs[0]
	var subjects []string
	for i, lang := range langs {
		p := locale.For(lang)
		if i > 0 {
			n.Letter.Small("———")
		}
		subjects = append(subjects, p.Text(subject))
		for _, t := range paragraphs {
			for line := range strings.SplitSeq(p.Text(t), "\n") {
				n.Letter.Para(line)
			}
		}
	}
	n.Line = strings.Join(subjects, " / ")
	n.Letter.Subject = n.Line
	return h.DB.Write(ctx, func(tx *store.Tx) error { return h.Notify.Tell(ctx, tx, n) })
}

// adminWait bounds how long telling the admin may hold up what it is about.
const adminWait = 10 * time.Second

// warnAdmin is tellAdmin for those who cannot do anything about its failure.
func (h *Host) warnAdmin(ctx context.Context, domain, key string, subject mail.Text, paragraphs ...mail.Text) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), adminWait)
	defer cancel()
	if err := h.tellAdmin(ctx, domain, key, subject, paragraphs...); err != nil {
		h.opt.Log.WarnContext(ctx, "the admin could not be told", "kind", key, "err", err)
	}
}

// alarm tells the admin of a member who sends more than people do: once a day,
// for whoever stole the password goes on.
func (h *Host) alarm(u mail.User, ip netip.Addr, limit int) {
	who := u.Address.String()
	h.warnAdmin(context.Background(), u.Address.Domain, "limit "+who+" "+h.opt.Now().Format(time.DateOnly),
		mail.MakeText("admin-limit-subject", "Address", who),
		mail.MakeText("admin-limit", "Address", who, "Max", limit, "IP", ip.String()))
}

// blocked tells the admin that a provider keeps our mail out, once a day for
// each, with the way to ask to be let in again.
func (h *Host) blocked(ctx context.Context, d relay.Diagnosis, server, reply string) {
	c := provider.Case{Server: server, Reply: reply, Host: h.Config.Hostname, Domain: h.firstDomain(ctx)}
	var ips []string
	for _, ip := range addresses(h.Config) {
		ips = append(ips, ip.String())
	}
	if len(ips) == 0 { // behind a translator our name leads to it
		found, _ := h.opt.DNS.LookupIPAddr(ctx, h.Config.Hostname)
		for _, ip := range found {
			ips = append(ips, ip.String())
		}
	}
	if c.IP = strings.Join(ips, ", "); c.IP == "" {
		c.IP = h.Config.Hostname
	}
	who := d.Provider
	if who == "" {
		who = server
	}
	h.refused(ctx, office.Refusing{Who: who, Scope: d.Scope, Server: server, Form: d.Form})
	subject, paragraphs := provider.Letter(d, c)
	h.warnAdmin(ctx, "", "refused "+who+" "+d.Scope+" "+h.opt.Now().Format(time.DateOnly), subject, paragraphs...)
}

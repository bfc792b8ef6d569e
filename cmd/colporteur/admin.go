package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"colporteur/accounts"
	"colporteur/host"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// operations are all of them, by name.
var operations = map[string]operation{
	"setup":  op((*admin).setup),
	"health": op((*admin).health),

	"member/add":      op((*admin).addMember),
	"member/list":     op((*admin).listMembers),
	"member/show":     op((*admin).showMember),
	"member/suspend":  op((*admin).suspendMember),
	"member/remove":   op((*admin).removeMember),
	"member/password": op((*admin).setPassword),
	"member/second":   op((*admin).stopSecond),
	"member/hide":     op((*admin).hideFromMember),
	"member/notify":   op((*admin).notify),
	"member/outgoing": op((*admin).setOutgoing),
	"address/add":     op((*admin).addOutside),
	"address/remove":  op((*admin).removeOutside),
	"address/list":    op((*admin).listOutside),
	"address/secret":  op((*admin).renewSecret),
	"app/add":         op((*admin).addApp),
	"app/remove":      op((*admin).removeApp),

	"domain/add":  op((*admin).addDomain),
	"domain/list": op((*admin).listDomains),

	"alias/add":    op((*admin).addAlias),
	"alias/list":   op((*admin).listAliases),
	"alias/remove": op((*admin).removeAlias),

	"group/add":    op((*admin).addGroup),
	"group/list":   op((*admin).listGroups),
	"group/join":   op((*admin).joinGroup),
	"group/remove": op((*admin).removeGroup),
	"share":        op((*admin).share),

	"drop/list": op((*admin).listDrops),

	"queue/list":   op((*admin).listQueue),
	"queue/change": op((*admin).changeJob),
	"queue/domain": op((*admin).retryDomain),

	"trace":   op((*admin).trace),
	"reports": op((*admin).reports),

	"records":         op((*admin).records),
	"records/publish": op((*admin).publishRecords),
	"dkim/list":       op((*admin).listKeys),
	"dkim/rotate":     op((*admin).rotateKeys),

	"import/open": op((*admin).openImport),

	"transfer/list":   op((*admin).listTransfers),
	"transfer/recall": op((*admin).recallTransfer),
}

// member is one member in listings.
type member struct {
	Address   string
	Name      string
	Lang      string
	Plan      string
	Quota     int64
	Suspended time.Time
	Created   time.Time

	Password string    `json:",omitempty"` // a new one that we made: shown once
	Used     int64     `json:",omitempty"` // only when one is shown
	Apps     []appName `json:",omitempty"`
	Aliases  []string  `json:",omitempty"`
	Hidden   []string  `json:",omitempty"`
}

type appName struct {
	ID      int64
	Name    string
	Created time.Time
}

func listed(m accounts.Member) member {
	return member{Address: m.Address.String(), Name: m.Name, Lang: m.Lang, Plan: m.Plan, Quota: m.Quota, Suspended: m.Suspended, Created: m.Created}
}

func (a *admin) find(ctx context.Context, address string) (accounts.Member, error) {
	addr, err := mail.ParseAddress(address)
	if err != nil {
		return accounts.Member{}, err
	}
	return a.host.Accounts.ByAddress(ctx, addr)
}

type newMember struct {
	Address, Name, Lang, Plan string
	Quota                     int64
	Password                  string // "": make one
	Welcome                   bool
}

func (a *admin) addMember(ctx context.Context, n newMember) (member, error) {
	addr, err := mail.ParseAddress(n.Address)
	if err != nil {
		return member{}, err
	}
	made := ""
	if n.Password == "" {
		made = host.NewPassword()
		n.Password = made
	}
	m, err := a.host.Accounts.AddMember(ctx, accounts.NewMember{Address: addr, Name: n.Name, Lang: n.Lang, Plan: n.Plan, Quota: n.Quota, Password: n.Password})
	if err != nil {
		return member{}, err
	}
	out := listed(m)
	out.Password = made
	if !n.Welcome {
		return out, nil
	}
	return out, a.host.Welcome(ctx, m.User())
}

func (a *admin) listMembers(ctx context.Context, _ none) ([]member, error) {
	all, err := a.host.Accounts.Members(ctx)
	out := make([]member, len(all))
	for i, m := range all {
		out[i] = listed(m)
	}
	return out, err
}

func (a *admin) showMember(ctx context.Context, address string) (member, error) {
	m, err := a.find(ctx, address)
	if err != nil {
		return member{}, err
	}
	out := listed(m)
	out.Hidden = m.Hidden
	if out.Used, err = a.host.Mailboxes.Usage(ctx, m.Account); err != nil {
		return member{}, err
	}
	apps, err := a.host.Accounts.AppPasswords(ctx, m.ID)
	if err != nil {
		return member{}, err
	}
	for _, p := range apps {
		out.Apps = append(out.Apps, appName{p.ID, p.Name, p.Created})
	}
	aliases, err := a.host.Accounts.Aliases(ctx)
	for _, al := range aliases {
		for _, t := range al.Targets {
			if t.Key() == m.Address.Key() {
				out.Aliases = append(out.Aliases, al.From)
			}
		}
	}
	return out, err
}

type suspension struct {
	Address string
	On      bool
}

func (a *admin) suspendMember(ctx context.Context, s suspension) (none, error) {
	m, err := a.find(ctx, s.Address)
	if err != nil {
		return none{}, err
	}
	if s.On {
		return none{}, a.host.Accounts.Suspend(ctx, m.ID)
	}
	if err := a.host.Accounts.Resume(ctx, m.ID); err != nil || m.Suspended.IsZero() {
		return none{}, err
	}
	return none{}, a.host.Resumed(ctx, m.User(), m.Suspended)
}

// hiding names IMAP capabilities that are not announced to a member.
type hiding struct {
	Address      string
	Capabilities []string
}

func (a *admin) hideFromMember(ctx context.Context, h hiding) (none, error) {
	m, err := a.find(ctx, h.Address)
	if err != nil {
		return none{}, err
	}
	return none{}, a.host.Accounts.Hide(ctx, m.ID, h.Capabilities)
}

func (a *admin) removeMember(ctx context.Context, address string) (none, error) {
	m, err := a.find(ctx, address)
	if err != nil {
		return none{}, err
	}
	return none{}, a.host.Accounts.Remove(ctx, m.ID)
}

type newSecret struct{ Address, Password, Name string }

// setPassword answers with the password if it made one.
func (a *admin) setPassword(ctx context.Context, n newSecret) (made string, err error) {
	m, err := a.find(ctx, n.Address)
	if err != nil {
		return "", err
	}
	if n.Password == "" {
		made = host.NewPassword()
		n.Password = made
	}
	return made, a.host.Accounts.SetPassword(ctx, m.ID, n.Password)
}

func (a *admin) stopSecond(ctx context.Context, address string) (none, error) {
	m, err := a.find(ctx, address)
	if err != nil {
		return none{}, err
	}
	return none{}, a.host.Accounts.StopSecond(ctx, m.ID)
}

func (a *admin) addApp(ctx context.Context, n newSecret) (string, error) {
	m, err := a.find(ctx, n.Address)
	if err != nil {
		return "", err
	}
	return a.host.Accounts.AddAppPassword(ctx, m.ID, n.Name)
}

type oldApp struct {
	Address string
	ID      int64
}

func (a *admin) removeApp(ctx context.Context, o oldApp) (none, error) {
	m, err := a.find(ctx, o.Address)
	if err != nil {
		return none{}, err
	}
	return none{}, a.host.Accounts.RevokeAppPassword(ctx, m.ID, o.ID)
}

func (a *admin) addDomain(ctx context.Context, name string) (taken []string, err error) {
	if err := a.host.Accounts.AddDomain(ctx, name); err != nil {
		return nil, err
	}
	return a.taken(ctx, name)
}

func (a *admin) listDomains(ctx context.Context, _ none) ([]string, error) {
	return a.host.Accounts.Domains(ctx)
}

type aliasChange struct {
	From string
	To   []string
}

func (c aliasChange) parse() (from mail.Address, to []mail.Address, err error) {
	if from, err = mail.ParseAddress(c.From); err != nil {
		return from, nil, err
	}
	for _, t := range c.To {
		addr, err := mail.ParseAddress(t)
		if err != nil {
			return from, nil, err
		}
		to = append(to, addr)
	}
	return from, to, nil
}

func (a *admin) addAlias(ctx context.Context, c aliasChange) (none, error) {
	from, to, err := c.parse()
	if err != nil {
		return none{}, err
	}
	return none{}, a.host.Accounts.AddAlias(ctx, from, to...)
}

func (a *admin) removeAlias(ctx context.Context, c aliasChange) (none, error) {
	from, to, err := c.parse()
	if err != nil {
		return none{}, err
	}
	return none{}, a.host.Accounts.RemoveAlias(ctx, from, to...)
}

func (a *admin) listAliases(ctx context.Context, _ none) ([]aliasChange, error) {
	all, err := a.host.Accounts.Aliases(ctx)
	out := make([]aliasChange, len(all))
	for i, al := range all {
		out[i].From = al.From
		for _, t := range al.Targets {
			out[i].To = append(out[i].To, t.String())
		}
	}
	return out, err
}

// words are local parts that programs answer to, each with an example of what
// may follow.
var words = []struct{ word, example string }{
	{"envoi", "envoi"}, {"send", "send"}, {"album", "album+vacances"},
	{"aide", "aide"}, {"help", "help"}, {"astuces", "astuces"}, {"tips", "tips"},
	{"verifier", "verifier"}, {"check", "check"},
}

type drop struct {
	Address string // as an example
	Program string // "" when a member or an alias has the word
}

func (a *admin) listDrops(ctx context.Context, _ none) ([]drop, error) {
	domains, err := a.host.Accounts.Domains(ctx)
	var out []drop
	for _, d := range domains {
		for _, w := range words {
			pattern, ok := a.host.Mux.Match(w.example)
			if !ok {
				continue
			}
			addr := mail.Address{Local: w.example, Domain: d}
			dest, rerr := a.host.Accounts.Resolve(ctx, addr)
			if rerr != nil && !mail.Is(rerr, mail.Suspended) {
				return nil, rerr
			}
			if len(dest) != 1 || dest[0].Where != mail.ToProgram || dest[0].Program != pattern {
				pattern = ""
			}
			out = append(out, drop{addr.String(), pattern})
		}
	}
	return out, err
}

// taken are the program words at a domain that somebody owns already: they
// stay theirs.
func (a *admin) taken(ctx context.Context, domain string) ([]string, error) {
	drops, err := a.listDrops(ctx, none{})
	var out []string
	for _, d := range drops {
		if d.Program == "" && strings.HasSuffix(d.Address, "@"+domain) {
			out = append(out, d.Address)
		}
	}
	return out, err
}

// job is one mail of the queue in listings.
type job = host.WaitingMail

func (a *admin) listQueue(ctx context.Context, _ none) ([]job, error) {
	return a.host.WaitingMails(ctx)
}

type jobChange struct {
	Do string
	ID int64
}

// changeJob does what an operator asks with one mail of the queue.
func (a *admin) changeJob(ctx context.Context, c jobChange) (none, error) {
	err := a.host.ChangeMail(ctx, c.Do, c.ID)
	var early host.TooEarly
	switch {
	case errors.Is(err, store.ErrNoRows):
		return none{}, refused{fmt.Sprintf("there is no mail %d in the queue: `colporteur queue list` shows what there is", c.ID)}
	case errors.As(err, &early):
		return none{}, refused{fmt.Sprintf("mail %d waits until %s, as its sender wants", c.ID, moment(early.Until))}
	}
	return none{}, err
}

// retryDomain tries all mail to a domain now.
func (a *admin) retryDomain(ctx context.Context, domain string) (int64, error) {
	d, err := mail.Domain(domain)
	if err != nil {
		return 0, err
	}
	return a.host.Relay.RetryDomain(ctx, d)
}

type sharing struct {
	ID      int64
	From    string
	Subject string
	Files   int
	Size    int64
	Created time.Time
	Expires time.Time
}

func (a *admin) listTransfers(ctx context.Context, _ none) ([]sharing, error) {
	all, err := a.host.Transfers.List(ctx)
	out := make([]sharing, len(all))
	for i, t := range all {
		out[i] = sharing{int64(t.ID), t.From, t.Subject, len(t.Files), t.Size(), t.Created, t.Expires}
	}
	return out, err
}

func (a *admin) recallTransfer(ctx context.Context, id int64) (none, error) {
	err := a.host.Transfers.Recall(ctx, transfer.ID(id), link.Operator())
	if mail.Is(err, mail.NotFound) {
		return none{}, refused{fmt.Sprintf("there is no transfer %d: `colporteur transfer list` shows what there is", id)}
	}
	return none{}, err
}

package admin

import (
	"net/http"
	"strings"

	"colporteur/accounts"
	"colporteur/mail"
	"colporteur/office"
)

// person is a member's page.
type person struct {
	Keep, Path, Address, Name, Lang, Plan string
	Used, Quota, Gigabytes                string
	Created, Seen, Suspended              string
	Aliases                               []string
	Apps                                  string
	Self                                  bool
}

func (p *Pages) find(r *http.Request) (accounts.Member, error) {
	a, err := mail.ParseAddress(r.PathValue("address"))
	if err != nil {
		return accounts.Member{}, nothing()
	}
	return p.Accounts.ByAddress(r.Context(), a)
}

func (p *Pages) member(w http.ResponseWriter, r *http.Request, v *visit) error {
	m, err := p.find(r)
	if err != nil {
		return err
	}
	body, err := p.person(r, v, m)
	if err != nil {
		return err
	}
	v.Title = body.Name
	return p.show(w, r, v, "member", body)
}

func (p *Pages) person(r *http.Request, v *visit, m accounts.Member) (person, error) {
	ctx := r.Context()
	used, err := p.Mailboxes.Usage(ctx, m.Account)
	if err != nil {
		return person{}, err
	}
	apps, err := p.Accounts.AppPasswords(ctx, m.ID)
	if err != nil {
		return person{}, err
	}
	aliases, err := p.Accounts.Aliases(ctx)
	if err != nil {
		return person{}, err
	}
	seen, err := p.Accounts.LastSeen(ctx)
	if err != nil {
		return person{}, err
	}
	out := person{Keep: v.Keep(), Path: memberPath(m), Address: m.Address.String(), Name: m.Name, Lang: m.Lang, Plan: m.Plan, Used: v.Size(used), Quota: v.quota(m.Quota),
		Gigabytes: gigabytes(m.Quota), Created: v.day(m.Created), Seen: v.T("office-never"), Suspended: v.day(m.Suspended),
		Apps: v.T("office-apps", "Count", len(apps)), Self: m.ID == v.user.ID}
	if out.Name == "" {
		out.Name = out.Address
	}
	if at, ok := seen[m.ID]; ok {
		out.Seen = v.day(at)
	}
	for _, a := range aliases {
		for _, t := range a.Targets {
			if t.Key() == m.Address.Key() {
				out.Aliases = append(out.Aliases, a.From)
			}
		}
	}
	return out, nil
}

// change does one thing to a member.
func (p *Pages) change(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	m, err := p.find(r)
	if err != nil {
		return err
	}
	about, path := m.Address.String(), memberPath(m)
	do := r.PathValue("do")
	if m.ID == v.user.ID && (do == "suspend" || do == "remove") {
		// Whoever shuts themselves out cannot let themselves in again.
		return mail.Refuse(mail.Policy, "office-not-yourself")
	}
	said := ""
	switch do {
	case "suspend":
		said, err = office.Suspended, p.Accounts.Suspend(ctx, m.ID)
	case "resume":
		said = office.Resumed
		if err = p.Accounts.Resume(ctx, m.ID); err == nil && !m.Suspended.IsZero() {
			err = p.Post.Resumed(ctx, m.User(), m.Suspended)
		}
	case "set":
		said, err = office.Changed, p.set(r, m)
	case "password":
		password := p.NewPassword()
		if err := p.Accounts.SetPassword(ctx, m.ID, password); err != nil {
			return err
		}
		if err := p.note(ctx, v, office.Password, about); err != nil {
			return err
		}
		v.Title = v.T("office-password-title", "Address", about)
		return p.say(w, v, "made", shown{Body: made{Keep: v.Keep(), Address: about, Path: path, Password: password, Words: v.T("office-password")}})
	case "sign-out":
		said, err = office.SignedOut, p.signOut(r, m)
	case "remove":
		typed, perr := mail.ParseAddress(strings.TrimSpace(r.PostForm.Get("typed")))
		if perr != nil || typed.Key() != m.Address.Key() {
			body, err := p.person(r, v, m)
			if err != nil {
				return err
			}
			v.Title = body.Name
			return p.say(w, v, "member", shown{Said: v.T("office-typed-wrong", "Address", about), Bad: true, Body: body})
		}
		said, path, err = office.Removed, "/admin/members", p.Accounts.Remove(ctx, m.ID)
	default:
		return nothing()
	}
	if err != nil {
		body, berr := p.person(r, v, m)
		if berr != nil {
			return err
		}
		v.Title = body.Name
		return p.refused(w, v, "member", body, err)
	}
	if err := p.note(ctx, v, said, about); err != nil {
		return err
	}
	return v.done(w, r, path, said)
}

func (p *Pages) set(r *http.Request, m accounts.Member) error {
	quota, err := bytesOf(r.PostForm.Get("quota"))
	if err != nil {
		return err
	}
	name, lang, plan := r.PostForm.Get("name"), r.PostForm.Get("lang"), r.PostForm.Get("plan")
	_, err = p.Accounts.Update(r.Context(), m.ID, accounts.Update{Name: &name, Lang: &lang, Plan: &plan, Quota: &quota})
	return err
}

// signOut ends what a member has open, in browsers and in mail programs.
func (p *Pages) signOut(r *http.Request, m accounts.Member) error {
	if err := p.Sessions.End(r.Context(), m.ID); err != nil {
		return err
	}
	return p.Accounts.SignOut(r.Context(), m.ID)
}

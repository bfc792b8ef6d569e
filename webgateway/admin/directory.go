package admin

import (
	"net/http"
	"strings"

	"colporteur/accounts"
	"colporteur/mail"
	"colporteur/office"
)

type alias struct {
	From string
	To   []string
}

type group struct {
	Address, Name string
	Members       []string
}

func (p *Pages) listing(r *http.Request, v *visit) (any, error) {
	groups, err := p.Accounts.AllGroups(r.Context())
	if err != nil {
		return nil, err
	}
	aliases, err := p.Accounts.Aliases(r.Context())
	if err != nil {
		return nil, err
	}
	body := struct {
		Keep    string
		Groups  []group
		Aliases []alias
	}{Keep: v.Keep()}
	for _, g := range groups {
		body.Groups = append(body.Groups, group{g.Address.String(), g.Name, texts(g.Members)})
	}
	for _, a := range aliases {
		body.Aliases = append(body.Aliases, alias{a.From, texts(a.Targets)})
	}
	return body, nil
}

func texts(all []mail.Address) (out []string) {
	for _, a := range all {
		out = append(out, a.String())
	}
	return out
}

func (p *Pages) directory(w http.ResponseWriter, r *http.Request, v *visit) error {
	body, err := p.listing(r, v)
	if err != nil {
		return err
	}
	return p.show(w, r, v, "directory", body)
}

func (p *Pages) changeDirectory(w http.ResponseWriter, r *http.Request, v *visit) error {
	said, about, err := p.direct(r, v.user)
	if said == "" && err == nil {
		return nothing()
	}
	if err == nil {
		err = p.note(r.Context(), v, said, about)
	}
	if err != nil {
		body, berr := p.listing(r, v)
		if berr != nil {
			return berr
		}
		return p.refused(w, v, "directory", body, err)
	}
	return v.done(w, r, "/admin/directory", said)
}

// stay takes a change back with which whoever made it shut themselves out: they
// could not let themselves in again.
func (p *Pages) stay(r *http.Request, u mail.User, back func() error) error {
	yes, err := p.Accounts.Administers(r.Context(), u.ID)
	if yes || err != nil {
		return err
	}
	if err := back(); err != nil {
		return err
	}
	return mail.Refuse(mail.Policy, "office-not-yourself")
}

// direct changes where addresses lead.
func (p *Pages) direct(r *http.Request, u mail.User) (said, about string, err error) {
	ctx := r.Context()
	field := func(name string) (a mail.Address) {
		if err == nil {
			a, err = mail.ParseAddress(strings.TrimSpace(r.PostForm.Get(name)))
		}
		return a
	}
	both := func(a, b mail.Address) string { return a.String() + " → " + b.String() }
	switch r.PathValue("do") {
	case "alias-add":
		from, to := field("from"), field("to")
		if err == nil {
			err = p.Accounts.AddAlias(ctx, from, to)
		}
		return office.AliasAdded, both(from, to), err
	case "alias-remove":
		from, to := field("from"), field("to")
		if err == nil {
			err = p.Accounts.RemoveAlias(ctx, from, to)
		}
		if err == nil {
			err = p.stay(r, u, func() error { return p.Accounts.AddAlias(ctx, from, to) })
		}
		return office.AliasRemoved, both(from, to), err
	case "group-add":
		g := field("group")
		if err == nil {
			_, err = p.Accounts.AddGroup(ctx, accounts.Group{Address: g, Name: r.PostForm.Get("name"), Lang: r.PostForm.Get("lang")})
		}
		return office.GroupAdded, g.String(), err
	case "group-remove":
		g, typed := field("group"), field("typed")
		if err == nil && g.Key() != typed.Key() {
			err = mail.Refuse(mail.BadContent, "office-typed-wrong", "Address", g.String())
		}
		if err == nil {
			err = p.Accounts.RemoveGroup(ctx, g)
		}
		return office.GroupRemoved, g.String(), err
	case "join":
		g, m := field("group"), field("member")
		if err == nil {
			err = p.Accounts.Join(ctx, g, m)
		}
		return office.Joined, both(m, g), err
	case "leave":
		g, m := field("group"), field("member")
		if err == nil {
			err = p.Accounts.Leave(ctx, g, m)
		}
		if err == nil {
			err = p.stay(r, u, func() error { return p.Accounts.Join(ctx, g, m) })
		}
		return office.Left, both(m, g), err
	}
	return "", "", nil
}

package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"colporteur/accounts"
	"colporteur/mail"
	"colporteur/office"
)

// row is a member in the table.
type row struct {
	Name, Address, Path string
	Used, Quota         string
	Suspended, Seen     string
}

// filters are what the table can be cut down to.
var filters = []string{"all", "suspended", "full"}

func (p *Pages) members(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	all, err := p.Accounts.Members(ctx)
	if err != nil {
		return err
	}
	seen, err := p.Accounts.LastSeen(ctx)
	if err != nil {
		return err
	}
	q, which := strings.TrimSpace(r.URL.Query().Get("q")), r.URL.Query().Get("which")
	body := struct {
		Q, Lang, Count, New string
		Which               []choice
		Rows                []row
	}{Q: q, New: "/admin/members/new" + v.Keep()}
	if v.Keep() != "" {
		body.Lang = v.Lang
	}
	for _, f := range filters {
		body.Which = append(body.Which, choice{f, v.T("office-which-" + f), f == which})
	}
	folded := strings.ToLower(q)
	for _, m := range all {
		if !strings.Contains(strings.ToLower(m.Name+" "+m.Address.String()), folded) || which == "suspended" && m.Suspended.IsZero() {
			continue
		}
		used, err := p.Mailboxes.Usage(ctx, m.Account)
		if err != nil {
			return err
		}
		if which == "full" && (m.Quota == 0 || used < m.Quota/10*9) {
			continue
		}
		one := row{Name: m.Name, Address: m.Address.String(), Path: memberPath(m) + v.Keep(), Used: v.Size(used), Quota: v.quota(m.Quota), Suspended: v.day(m.Suspended), Seen: v.T("office-never")}
		if at, ok := seen[m.ID]; ok {
			one.Seen = v.day(at)
		}
		body.Rows = append(body.Rows, one)
	}
	body.Count = v.T("office-members-count", "Count", len(body.Rows), "All", len(all))
	return p.show(w, r, v, "members", body)
}

type choice struct {
	Name, Title string
	Chosen      bool
}

func memberPath(m accounts.Member) string {
	return "/admin/members/" + url.PathEscape(m.Address.String())
}

func (v *visit) quota(n int64) string {
	if n == 0 {
		return v.T("office-no-limit")
	}
	return v.Size(n)
}

// newcomer is the form for a new member.
type newcomer struct {
	Keep, Name, Address, Lang, Quota string
	Welcome                          bool
}

func (p *Pages) newMember(w http.ResponseWriter, r *http.Request, v *visit) error {
	c, err := p.Office.Settings(r.Context())
	if err != nil {
		return err
	}
	v.Title = v.T("office-new-title")
	return p.show(w, r, v, "new", newcomer{Keep: v.Keep(), Lang: c.Lang, Quota: gigabytes(c.Quota), Welcome: true})
}

// made is a password that is shown once.
type made struct{ Keep, Address, Path, Password, Words, Next string }

func (p *Pages) addMember(w http.ResponseWriter, r *http.Request, v *visit) error {
	f := newcomer{Keep: v.Keep(), Name: r.PostForm.Get("name"), Address: strings.TrimSpace(r.PostForm.Get("address")), Lang: r.PostForm.Get("lang"),
		Quota: r.PostForm.Get("quota"), Welcome: r.PostForm.Get("welcome") != ""}
	m, password, err := p.add(r, v, f)
	if err != nil {
		v.Title = v.T("office-new-title")
		return p.refused(w, v, "new", f, err)
	}
	v.Title = v.T("office-made-title", "Address", m.Address.String())
	return p.say(w, v, "made", shown{Body: made{Keep: v.Keep(), Address: m.Address.String(), Path: memberPath(m), Password: password,
		Words: v.T("office-made"), Next: "/admin/members/new" + v.Keep()}})
}

// add makes a member of a form, with a password.
func (p *Pages) add(r *http.Request, v *visit, f newcomer) (m accounts.Member, password string, err error) {
	ctx := r.Context()
	a, err := mail.ParseAddress(f.Address)
	if err != nil {
		return m, "", err
	}
	quota, err := bytesOf(f.Quota)
	if err != nil {
		return m, "", err
	}
	password = p.NewPassword()
	if m, err = p.Accounts.AddMember(ctx, accounts.NewMember{Address: a, Name: f.Name, Lang: f.Lang, Quota: quota, Password: password}); err != nil {
		return m, "", err
	}
	if err := p.note(ctx, v, office.Added, m.Address.String()); err != nil {
		return m, "", err
	}
	if f.Welcome {
		err = p.Post.Welcome(ctx, m.User())
	}
	return m, password, err
}

// refused draws the page again with what was wrong; what only we can mend stays
// an error.
func (p *Pages) refused(w http.ResponseWriter, v *visit, at string, body any, err error) error {
	var e *mail.Error
	if !errors.As(err, &e) || e.Text.ID == "" || e.Kind == mail.Internal || e.Kind == mail.Unavailable {
		return err
	}
	return p.say(w, v, at, shown{Said: v.Text(e.Text), Bad: true, Body: body})
}

// gigabytes is a quota as the form has it: "" is no limit.
func gigabytes(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(n)/1e9, 'f', -1, 64)
}

// bytesOf reads "5", "2,5".
func bytesOf(s string) (int64, error) {
	s = strings.Replace(strings.TrimSpace(s), ",", ".", 1)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0 && n <= 1e6) {
		return 0, mail.Refuse(mail.BadContent, "office-bad-number")
	}
	return int64(n * 1e9), nil
}

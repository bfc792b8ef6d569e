package webmail

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
	"golang.org/x/net/publicsuffix"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/webgateway/jmap"
	"colporteur/webgateway/sanitize"
)

// What the page of a mail may do: nothing but be drawn. Its pictures are those
// that came with it, and those that we fetch; frames of our own application may
// show it.
const (
	drawn      = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; font-src 'none'; form-action 'none'; base-uri 'none'; "
	mailPolicy = drawn + "frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
	// The application opens the printer's dialog for a page to be printed; the page
	// itself runs nothing that could.
	printPolicy = mailPolicy + " allow-modals"
)

// Pictures remembers whose pictures a member always wants to see;
// *accounts.Service does.
type Pictures interface {
	ShowsPictures(ctx context.Context, id mail.UserID, author mail.Address) (bool, error)
	ShowPictures(ctx context.Context, id mail.UserID, author mail.Address, show bool) error
}

// letter is a mail that a member reads.
type letter struct {
	*jmap.Page
	author mail.Address // zero when there is not exactly one
	proven bool         // and the author wrote it
	always bool         // their pictures are always shown
}

// letter finds a mail, and what the member wants to see of its author's.
func (m *Webmail) letter(r *http.Request, u mail.User) (*letter, error) {
	page, err := m.JMAP.Page(r.Context(), u, r.PathValue("email"))
	if err != nil {
		return nil, err
	}
	l := &letter{Page: page}
	if from := page.Summary.From; len(from) == 1 {
		if l.author, err = mail.ParseAddress(from[0].Addr); err != nil {
			l.author = mail.Address{}
		}
	}
	if l.author.IsZero() || m.Proven == nil || !m.Proven(page.Prefix, l.author) {
		return l, nil // whoever writes an address that one trusts into From gets nothing by it
	}
	l.proven = true
	l.always, err = m.Pictures.ShowsPictures(r.Context(), u.ID, l.author)
	return l, err
}

// harmless makes the HTML of a mail harmless.
func (m *Webmail) harmless(l *letter, u mail.User, images, print bool) (sanitize.Result, error) {
	p := locale.For(u.Lang)
	o := sanitize.Options{
		CID: func(id string) (string, bool) {
			blob, ok := l.Inline[id]
			return "/jmap/download/" + url.PathEscape(l.Account) + "/" + url.PathEscape(blob) + "/image?accept=" + url.QueryEscape(l.Types[id]), ok
		},
		Misled: func(to sanitize.Misled) string { return p.T("reading-leads", "Host", to.Leads) },
	}
	if images {
		o.Remote = func(u2 string) (string, bool) { return m.pictureAt(u.ID, u2) }
	}
	if print {
		o.Scope = "#letter" // on paper there are lines of ours above it
	} else if !forwarded(l.Summary.Subject) {
		o.Quoted = p.T("reading-quoted")
	}
	return sanitize.HTML(strings.NewReader(l.HTML), o)
}

// forwarded says whether a mail passes another one on: its quotation is what
// there is to read.
func forwarded(subject string) bool {
	subject = strings.ToLower(strings.TrimSpace(subject))
	for _, s := range []string{"fwd:", "fw:", "tr:", "tr :", "wg:", "fwd :", "fw :"} {
		if strings.HasPrefix(subject, s) {
			return true
		}
	}
	return false
}

// message draws the HTML of a mail, for a frame or (?print) for paper, or says
// (?about) what is in it. It is made harmless here, is shown under a policy that
// runs and loads nothing, and in a sandbox.
func (m *Webmail) message(w http.ResponseWriter, r *http.Request, u mail.User) error {
	l, err := m.letter(r, u)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	images, print := l.always || q.Get("images") == "1", q.Has("print")
	out, err := m.harmless(l, u, images, print)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Referrer-Policy", "no-referrer")
	if q.Has("about") {
		return m.about(w, l, out)
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", mailPolicy)
	if print {
		h.Set("Content-Security-Policy", printPolicy)
	}
	sheet := sheet{Style: template.CSS(base), HTML: template.HTML(out.HTML), Printer: locale.For(u.Lang)}
	if print {
		sheet.letter = l
	}
	return sheets.Execute(w, sheet)
}

// about is what the application says around a mail.
type about struct {
	Remote   int               `json:"remote"`           // pictures from elsewhere that somebody would see
	Hosts    []string          `json:"hosts"`            // and where from
	Pixels   int               `json:"pixels"`           // those that only tell who reads
	Trackers []string          `json:"trackers"`         // and to whom
	Misled   []sanitize.Misled `json:"misled"`           // links that say another address than their own
	Author   string            `json:"author,omitempty"` // whose mail it is, when that is proven
	Always   bool              `json:"always"`           // the pictures of that author are always shown
	Quoted   bool              `json:"quoted"`           // something is folded
	Cut      bool              `json:"cut"`              // the mail goes on
}

func (m *Webmail) about(w http.ResponseWriter, l *letter, out sanitize.Result) error {
	a := about{Remote: out.Pictures, Hosts: places(out.Remote), Pixels: out.Pixels, Trackers: places(out.Trackers), Misled: out.Misled, Always: l.always, Quoted: out.Quoted, Cut: out.Cut}
	if a.Misled == nil {
		a.Misled = []sanitize.Misled{}
	}
	if l.proven {
		a.Author = l.author.String()
	}
	w.Header().Set("Content-Type", "application/json")
	return json.MarshalWrite(w, a)
}

// places are the organisations behind hosts, as people know them: "mailchimp.com".
func places(hosts []string) []string {
	list, have := []string{}, map[string]bool{}
	for _, h := range hosts {
		if p, err := publicsuffix.EffectiveTLDPlusOne(h); err == nil {
			h = p
		}
		if !have[h] && len(list) < 20 {
			have[h] = true
			list = append(list, h)
		}
	}
	return list
}

// choose remembers that the pictures of a mail's author are always shown, or that
// they are not any more. The author is the mail's, and proven: nobody can be made
// to trust an address by a mail that only says it.
func (m *Webmail) choose(w http.ResponseWriter, r *http.Request, u mail.User) error {
	l, err := m.letter(r, u)
	if err != nil {
		return err
	}
	show := r.PostFormValue("show")
	switch {
	case show != "always" && show != "ask":
		return mail.Wrap(mail.BadSyntax, fmt.Errorf("show=%.20q", show))
	case l.author.IsZero(), show == "always" && !l.proven:
		return mail.Refuse(mail.Policy, "kind-policy")
	}
	if err := m.Pictures.ShowPictures(r.Context(), u.ID, l.author, show == "always"); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// alarm hears that the application's purifier took something out of a page of
// ours. Nothing ran: the page's policy and its sandbox are walls of their own. But
// the first one has a hole, and the postmaster wants to know.
func (m *Webmail) alarm(w http.ResponseWriter, r *http.Request, u mail.User) error {
	what := r.PostFormValue("what")
	m.log().WarnContext(r.Context(), "the third wall took something out", "user", u.ID, "email", fmt.Sprintf("%.40q", r.PathValue("email")), "what", fmt.Sprintf("%.200q", what))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

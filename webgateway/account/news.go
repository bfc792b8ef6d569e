package account

import (
	"net/http"

	"colporteur/workflow/notify"
)

type newsRow struct {
	Name, Title, About string
	Whens              []newsWhen
}

type newsWhen struct {
	Name, Title string
	Chosen      bool
}

// news is what the member is told by mail, and when: the same choices as behind
// the link in those mails.
func (p *Pages) news(w http.ResponseWriter, r *http.Request, v *visit) error {
	choices, err := p.Notify.Choices(r.Context(), v.user.ID)
	if err != nil {
		return err
	}
	var rows []newsRow
	for _, c := range choices {
		row := newsRow{Name: string(c.Kind), Title: v.T("notify-kind-" + string(c.Kind)), About: v.T("notify-about-" + string(c.Kind))}
		if c.Kind == notify.Album && !c.Chosen {
			row.About += " " + v.T("notify-page-album-first")
		}
		for _, when := range notify.Whens {
			row.Whens = append(row.Whens, newsWhen{string(when), v.T("notify-when-" + string(when)), when == c.When})
		}
		rows = append(rows, row)
	}
	return v.draw(p, w, "account-news.html", "news", "notify-page-title", rows)
}

func (p *Pages) setNews(w http.ResponseWriter, r *http.Request, v *visit) error {
	chosen := map[notify.Kind]notify.When{}
	for _, k := range notify.Kinds {
		if when := r.PostForm.Get(string(k)); when != "" {
			chosen[k] = notify.When(when)
		}
	}
	if err := p.Notify.SetOf(r.Context(), v.user.ID, chosen); err != nil {
		return err
	}
	return v.back(w, r, "/account/news", "news")
}

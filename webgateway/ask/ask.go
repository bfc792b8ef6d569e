// Package ask serves the page of a question: what is asked, and two buttons.
// Looking at it, as mail scanners do, answers nothing.
package ask

import (
	"net/http"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/webgateway/page"
	"colporteur/workflow/ask"
	"colporteur/workflow/link"
)

// Pages is the pages of questions of one host.
type Pages struct {
	Pages     *page.Pages
	Questions *ask.Service
}

// Routes adds the paths of questions to mux.
func (p *Pages) Routes(mux *http.ServeMux) {
	mux.Handle("GET /c/{token}", p.Pages.Handle(p.show))
	mux.Handle("POST /c/{token}/{answer}", p.Pages.Handle(p.answer))
}

func visit(r *http.Request) link.Visit { return link.Visit{Token: link.Token(r.PathValue("token"))} }

// shown is what the template sees.
type shown struct {
	Letter  letter.Letter
	Path    string
	Yes, No string // "": answered
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	q, a, err := p.Questions.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	v := page.See(r, q.Lang)
	s := shown{Letter: q.Letter, Path: "/c/" + r.PathValue("token"), Yes: q.Yes, No: q.No}
	if a != 0 {
		s = shown{}
		s.Letter.Para(v.T("ask-answered"))
	}
	return p.write(w, v, s)
}

func (p *Pages) answer(w http.ResponseWriter, r *http.Request) error {
	a := map[string]ask.Answer{"yes": ask.Yes, "no": ask.No}[r.PathValue("answer")]
	if a == 0 {
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}
	q, _, err := p.Questions.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	said, err := p.Questions.Answer(r.Context(), visit(r), a)
	if err != nil {
		return err
	}
	v := page.See(r, q.Lang)
	v.Printer = locale.For(q.Lang) // the answer is in the language of the question
	return p.write(w, v, shown{Letter: said})
}

func (p *Pages) write(w http.ResponseWriter, v page.View, s shown) error {
	if v.Title = s.Letter.Heading; v.Title == "" {
		v.Title = v.T("ask-title")
	}
	v.Data = s
	return p.Pages.Write(w, http.StatusOK, "ask.html", v)
}

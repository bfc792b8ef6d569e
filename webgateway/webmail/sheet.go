package webmail

import (
	"html/template"
	"strings"

	"colporteur/locale"
	"colporteur/mail"
)

// sheet is what the page of a mail is drawn from. With a letter it is for paper,
// and has the lines that a printed letter has: its own words can neither hide nor
// cover them.
type sheet struct {
	*letter
	locale.Printer
	Style template.CSS
	HTML  template.HTML // made harmless
}

// The paper is white in the dark too: mails bring the colour of their ink and
// forget that of the paper, and who turns colours round makes some unreadable.
const base = `:root{color-scheme:only light}html{background:#fff;color:#1f241f}body{margin:12px;font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}img{max-width:100%;height:auto}img:not([src]){border:1px dashed #8a8577;color:#454b45}table{max-width:100%}pre{white-space:pre-wrap;font:inherit}blockquote{margin:8px 0 8px 4px;padding-left:12px;border-left:3px solid #ddd6c6;color:#454b45}a{color:#0f4f47}` +
	`summary{cursor:pointer;width:fit-content;padding:8px 12px;margin:8px 0;border:1px solid #8a8577;border-radius:6px;color:#454b45;font:14px/1.5 system-ui,sans-serif}summary:focus-visible{outline:3px solid #0f4f47}` +
	`.head{border-bottom:1px solid #8a8577;margin-bottom:16px;padding-bottom:12px}.head h1{font-size:20px;margin:0 0 8px}.head dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 12px;margin:0}.head dt{color:#454b45}.head dd{margin:0}#letter{overflow:hidden;overflow:clip;isolation:isolate}@media print{body{margin:0}}`

// A frame is as high as its page, and so no page may be as high as its frame: some
// mails say so of themselves, and would grow for ever.
var sheets = template.Must(template.New("sheet").Parse(`<!doctype html><html lang="{{.Lang}}" style="height:auto!important;min-height:0!important"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="only light">` +
	`{{if .Paper}}<title>{{.Subject}}</title>{{end}}<style>{{.Style}}</style></head><body style="height:auto!important;min-height:0!important">` +
	`{{if .Paper}}<header class="head"><h1>{{.Subject}}</h1><dl>{{range .Lines}}<dt>{{.Name}}</dt><dd>{{.Text}}</dd>{{end}}</dl></header>{{end}}` +
	`{{if .Paper}}<div id="letter">{{.HTML}}</div>{{else}}{{.HTML}}{{end}}</body></html>`))

// Paper says whether the page is to be printed.
func (s sheet) Paper() bool { return s.letter != nil }

// Subject is the mail's, or that it has none.
func (s sheet) Subject() string {
	if s.Summary.Subject == "" {
		return s.T("reading-no-subject")
	}
	return s.Summary.Subject
}

// headline is one line at the head of a printed letter.
type headline struct{ Name, Text string }

// Lines are those of the head.
func (s sheet) Lines() []headline {
	var files []string
	for _, f := range s.Files {
		files = append(files, f.Name+" ("+s.Size(f.Size)+")")
	}
	when := ""
	if d := s.Summary.Date; !d.IsZero() {
		when = s.T("reading-at", "Date", s.Date(d), "Time", d.Format("15:04"))
	}
	var list []headline
	for _, l := range []headline{{"reading-from", people(s.Summary.From)}, {"reading-to", people(s.Summary.To)}, {"reading-cc", people(s.Summary.Cc)},
		{"reading-date", when}, {"reading-files", strings.Join(files, ", ")}} {
		if l.Text != "" {
			list = append(list, headline{s.T(l.Name), l.Text})
		}
	}
	return list
}

func people(list []mail.Mailbox) string {
	var out []string
	for _, m := range list {
		if m.Name == "" {
			out = append(out, m.Addr)
		} else {
			out = append(out, m.Name+" <"+m.Addr+">")
		}
	}
	return strings.Join(out, ", ")
}

package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"text/tabwriter"
	"unicode"

	"colporteur/locale"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("reports").Funcs(template.FuncMap{"pieces": pieces}).Parse(pageText))

// piece is a run of a sentence; commands stand between backquotes in it.
type piece struct {
	Text string
	Code bool
}

func pieces(s string) (all []piece) {
	for i, p := range strings.Split(s, "`") {
		all = append(all, piece{p, i%2 == 1})
	}
	return all
}

// page is a Summary in one language: what Text and HTML show alike.
type page struct {
	Lang, Title, Period string
	Verdicts            []string
	Totals              []string
	Headings            map[string]string
	Columns             []string
	Sources             []pageSource
	More                string
	Transport           []string
	Reporters           []string
	Samples             []string
}

type pageSource struct {
	Source, Name, Who, Means string
	Mails, Proven            int64
	Warn                     bool
}

// page says everything in the words of one language.
func (s *Summary) page(lang string) *page {
	p := locale.For(lang)
	g := &page{Lang: p.Lang, Title: p.T("report-title", "Domain", s.Domain),
		Period:   p.T("report-period", "Since", p.Date(s.Since), "Until", p.Date(s.Until)),
		Headings: map[string]string{}}
	for _, h := range []string{"sources", "tls", "reporters", "failures"} {
		g.Headings[h] = p.T("report-heading-" + h)
	}
	for _, c := range []string{"source", "mails", "proven", "who", "means"} {
		g.Columns = append(g.Columns, p.T("report-column-"+c))
	}
	for _, v := range s.Verdicts {
		g.Verdicts = append(g.Verdicts, p.Text(v))
	}
	if s.Mails > 0 {
		g.Totals = append(g.Totals, p.T("report-total", "Count", s.Mails),
			p.T("report-total-proven", "Pass", s.Pass, "Fail", s.Fail, "Refused", s.Refused, "Quarantined", s.Quarantined))
	}
	if s.Policy != "" {
		g.Totals = append(g.Totals, p.T("report-policy-"+s.Policy))
	}
	for _, r := range s.Sources {
		row := pageSource{Source: p.T("report-source-many"), Name: tidy(r.Name), Who: p.T("report-who-" + string(r.Who)), Means: p.Text(r.Means),
			Mails: r.Mails, Proven: r.Pass, Warn: urgency[r.kind] <= urgency[serviceBad]}
		if r.IP.IsValid() {
			row.Source = r.IP.String()
		}
		g.Sources = append(g.Sources, row)
	}
	if s.More > 0 {
		g.More = p.T("report-more", "Count", s.More)
	}
	if s.TLS.Good+s.TLS.Bad > 0 {
		g.Transport = append(g.Transport, p.T("report-tls-total", "Good", s.TLS.Good, "Bad", s.TLS.Bad))
	}
	for _, f := range s.TLS.Failures {
		g.Transport = append(g.Transport, fmt.Sprintf("%d × %s", f.Count, p.Text(f.Means)))
	}
	for _, r := range s.Reporters {
		g.Reporters = append(g.Reporters, p.T("report-reporter", "Org", tidy(cmp.Or(r.Org, r.Domain)), "Domain", tidy(r.Domain), "Date", p.Date(r.Last)))
	}
	for _, f := range s.Failures {
		id := "report-sample"
		if !f.Proven {
			id = "report-sample-unproven"
		}
		g.Samples = append(g.Samples, p.T(id, "Date", p.Date(f.At), "Source", cmp.Or(f.Source, "?"), "Reporter", tidy(cmp.Or(f.Reporter, "?"))))
	}
	return g
}

// tidy takes out of a stranger's name what moves a cursor or turns a line round.
func tidy(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
}

// HTML is a page by itself: it needs no other file and no script.
func (s *Summary) HTML(lang string) ([]byte, error) {
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, s.page(lang))
	return b.Bytes(), err
}

// Text is the same for a terminal.
func (s *Summary) Text(lang string) string {
	g := s.page(lang)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\n", g.Title, g.Period)
	for _, list := range [][]string{g.Verdicts, g.Totals} {
		for _, line := range list {
			b.WriteString(line + "\n")
		}
		if len(list) > 0 {
			b.WriteString("\n")
		}
	}
	if len(g.Sources) > 0 {
		b.WriteString(g.Headings["sources"] + "\n\n")
		w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", g.Columns[0], g.Columns[1], g.Columns[2], g.Columns[3])
		for _, r := range g.Sources {
			fmt.Fprintf(w, "  %s\t%d\t%d\t%s\n", r.Source, r.Mails, r.Proven, r.Who)
		}
		w.Flush()
		b.WriteString("\n")
		// What many sources share is said once, with their names.
		var order []string
		of := map[string][]string{}
		for _, r := range g.Sources {
			if of[r.Means] == nil {
				order = append(order, r.Means)
			}
			name := r.Source
			if r.Name != "" {
				name += " (" + r.Name + ")"
			}
			of[r.Means] = append(of[r.Means], name)
		}
		for _, means := range order {
			fmt.Fprintf(&b, "  %s\n    %s\n", strings.Join(of[means], ", "), means)
		}
		if g.More != "" {
			b.WriteString("  " + g.More + "\n")
		}
		b.WriteString("\n")
	}
	section := func(heading string, lines []string) {
		if len(lines) == 0 {
			return
		}
		b.WriteString(g.Headings[heading] + "\n\n")
		for _, l := range lines {
			b.WriteString("  " + l + "\n")
		}
		b.WriteString("\n")
	}
	section("tls", g.Transport)
	section("failures", g.Samples)
	section("reporters", g.Reporters)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colporteur/dkim/report"
	"colporteur/mail"
	"colporteur/store"
)

func TestReportsSayWhatOthersSaw(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.do("reports", "home.test").ends(0, "Mail in the name of home.test", "Nobody has reported about home.test")
	p.do("reports", "--lang", "fr").ends(0, "Le courrier au nom de home.test", "Personne n'a envoyé de rapport sur home.test")
	p.do("reports", "far.test").ends(exitRefused, "far.test is not a domain of this server.")
	p.do("reports", "--days", "0").ends(exitUsage, "--days must be 1 to 400")
	p.do("reports", "--html", "x.html").ends(exitUsage, "--html needs a DOMAIN")
	p.takeReport(t)
	for _, name := range []string{"without a server", "with one"} {
		if name == "with one" {
			p.serve()
		}
		p.do("reports", "home.test").ends(0, "7 mails were seen in this name.", "198.51.100.7", "unknown", "somebody uses your name", "far.test (far.test), last on")
		p.do("reports", "home.test", "--lang", "fr", "--days", "400").ends(0, "7 courriers ont été vus sous ce nom.", "quelqu'un se sert de votre nom")
		file := filepath.Join(t.TempDir(), "page.html")
		p.do("reports", "home.test", "--html", file).ends(0, "The page is in "+file)
		b, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(b), "7 mails were seen in this name.") || !strings.HasPrefix(string(b), "<!doctype html>") {
			t.Errorf("%s: %v %.300s", name, err, b)
		}
	}
}

// takeReport puts a report into the database of a host that does not run.
func (p *place) takeReport(t *testing.T) {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(p.data, "colporteur.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	yesterday := time.Now().Add(-24 * time.Hour).Unix()
	xml := fmt.Sprintf(`<feedback><report_metadata><org_name>far.test</org_name><report_id>1</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>
<policy_published><domain>home.test</domain><p>none</p></policy_published>
<record><row><source_ip>198.51.100.7</source_ip><count>7</count><policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>home.test</header_from></identifiers></record></feedback>`, yesterday, yesterday+60)
	s := &report.Store{DB: db, Ours: func(_ context.Context, d string) (bool, error) { return d == "home.test", nil }}
	err = s.Take(t.Context(), report.Inbound{
		Verdict: &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Pass, From: "far.test"}},
		Parts: func(yield func(name, mediaType string, r io.Reader) error) error {
			return yield("x.xml", "text/xml", strings.NewReader(xml))
		}})
	if err != nil {
		t.Fatal(err)
	}
}

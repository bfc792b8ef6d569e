package report

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
)

// shelf is a Store whose time the test moves, on the evening of the day that
// feedback is about.
func shelf(db *store.DB) (*Store, *clock) {
	c := &clock{t: time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)}
	return &Store{DB: db, Ours: ours("home.test"), Now: c.now,
		Own:  func(ip netip.Addr) bool { return ip == netip.MustParseAddr("192.0.2.1") },
		Name: func(_ context.Context, ip netip.Addr) string { return "host-" + ip.String() + ".test" }}, c
}

func xmlPart(text string) part { return part{"far.test!home.test!1!2.xml", "text/xml", []byte(text)} }

func (s *Store) must(t testing.TB, in Inbound) {
	t.Helper()
	if err := s.Take(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func (s *Store) sum(t testing.TB, domain string) *Summary {
	t.Helper()
	sum, err := s.Summary(t.Context(), domain, s.Now().Add(-30*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func report(id int, records ...string) string {
	return strings.Replace(feedback("<feedback>", records...), "<report_id>17<", fmt.Sprintf("<report_id>%d<", id), 1)
}

func TestAReportCountsOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		s, _ := shelf(db)
		one := xmlPart(report(1, record("192.0.2.1", 3, "none", "pass", "pass")))
		s.must(t, inbound(provenBy("far.test"), one, one))
		s.must(t, inbound(provenBy("far.test"), one))
		if got := s.sum(t, "home.test"); got.Mails != 3 || got.Reporters[0].Reports != 1 {
			t.Errorf("counted %d mails of %+v", got.Mails, got.Reporters)
		}
		// Another reporter's report of the same id is another one.
		s.must(t, inbound(provenBy("further.test"), one))
		if got := s.sum(t, "home.test"); got.Mails != 6 || len(got.Reporters) != 2 {
			t.Errorf("counted %d mails of %+v", got.Mails, got.Reporters)
		}
	})
}

func TestReportsFromNobodyKnowsWhomStayApart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		s, _ := shelf(db)
		one := xmlPart(report(1, record("192.0.2.1", 3, "none", "pass", "pass")))
		fail := &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Fail, From: "far.test", DKIM: true}}
		for _, v := range []*mail.Verdict{nil, {}, fail} {
			in := inbound(v, one)
			in.From = mail.Address{Local: "x", Domain: "far.test"}
			s.must(t, in)
		}
		if got := s.sum(t, "home.test"); got.Mails != 0 || got.UnprovenReports != 1 || got.UnprovenMails != 3 || len(got.Sources) != 0 {
			t.Errorf("%+v", got)
		}
		// The true one takes its place.
		s.must(t, inbound(provenBy("far.test"), one))
		if got := s.sum(t, "home.test"); got.Mails != 3 || got.UnprovenReports != 0 || got.UnprovenMails != 0 {
			t.Errorf("%+v", got)
		}
		for i := range maxUnproven {
			s.must(t, inbound(nil, xmlPart(report(100+i, record("192.0.2.1", 3, "none", "pass", "pass")))))
		}
		if err := s.Take(t.Context(), inbound(nil, xmlPart(report(999, record("192.0.2.1", 3, "none", "pass", "pass"))))); !mail.Is(err, mail.BadContent) {
			t.Errorf("one too many: %v", err)
		}
		for i := range maxReporter - 1 { // has its own room
			s.must(t, inbound(provenBy("far.test"), xmlPart(report(200+i, record("192.0.2.1", 1, "none", "pass", "pass")))))
		}
		late := xmlPart(report(998, record("192.0.2.1", 1, "none", "pass", "pass")))
		if err := s.Take(t.Context(), inbound(provenBy("far.test"), late)); !mail.Is(err, mail.BadContent) {
			t.Errorf("one reporter fills the room of all: %v", err)
		}
		in := inbound(nil, late)
		in.Own = "home.test"
		s.must(t, in)
		if got := s.sum(t, "home.test"); got.Reporters[1].Domain != "home.test" {
			t.Errorf("%+v", got.Reporters)
		}
	})
}

func TestOnlyOurDomainsAreReportedOn(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	s, c := shelf(db)
	text := report(1, record("192.0.2.1", 3, "none", "pass", "pass"))
	for name, in := range map[string]Inbound{
		"another's": inbound(provenBy("far.test"), xmlPart(strings.Replace(text, "<domain>home.test<", "<domain>far.test<", 1))),
		"a suffix":  inbound(provenBy("far.test"), xmlPart(strings.Replace(text, "<domain>home.test<", "<domain>evilhome.test<", 1))),
		"the top":   inbound(provenBy("far.test"), xmlPart(strings.Replace(text, "<domain>home.test<", "<domain>test<", 1))),
		"long ago":  inbound(provenBy("far.test"), xmlPart(strings.NewReplacer("1795219200", "1500000000", "1795305599", "1500086399").Replace(text))),
		"to come":   inbound(provenBy("far.test"), xmlPart(strings.NewReplacer("1795219200", "1895219200", "1795305599", "1895305599").Replace(text))),
		"no report": inbound(provenBy("far.test"), part{"", "text/plain", []byte("hello")}),
		"damaged":   inbound(provenBy("far.test"), part{"x.gz", "application/gzip", []byte("\x1f\x8bxxxxxxxxxxxx")}),
		"nothing":   inbound(provenBy("far.test")),
		"TLS":       inbound(provenBy("far.test"), part{"x", "application/json", []byte(strings.ReplaceAll(tlsReport, "home.test", "far.test"))}),
		"failure":   inbound(provenBy("far.test"), part{"", "message/feedback-report", []byte(strings.Replace(feedbackReport, "Home.Test", "far.test", 1))}),
	} {
		if err := s.Take(t.Context(), in); !mail.Is(err, mail.BadContent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Summary(t.Context(), "far.test", c.now()); !mail.Is(err, mail.NotFound) {
		t.Errorf("a summary of far.test: %v", err)
	}
	// Names below ours count with ours, and can be asked for alone.
	s.must(t, inbound(provenBy("far.test"), xmlPart(strings.Replace(text, "<domain>home.test<", "<domain>news.home.test<", 1)),
		part{"sig.asc", "application/pgp-signature", []byte("x")}))
	s.must(t, inbound(provenBy("far.test"), xmlPart(text)))
	if got := s.sum(t, "home.test").Mails; got != 6 {
		t.Errorf("home.test: %d", got)
	}
	if got := s.sum(t, "news.home.test").Mails; got != 3 {
		t.Errorf("news.home.test: %d", got)
	}
	if got := s.sum(t, "n_ws.home.test").Mails; got != 0 {
		t.Errorf("n_ws.home.test: %d", got)
	}
}

func TestOldReportsAreForgotten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		s, c := shelf(db)
		for i := range 25 {
			s.must(t, inbound(provenBy("far.test"), xmlPart(report(i, record("192.0.2.1", 3, "none", "pass", "pass")))))
		}
		s.must(t, inbound(provenBy("far.test"), part{"x", "application/tlsrpt+json", []byte(tlsReport)}, part{"", "message/feedback-report", []byte(feedbackReport)}))
		c.set(c.now().Add(399 * 24 * time.Hour))
		if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("%d were swept: %v", n, err)
		}
		c.set(c.now().Add(2 * 24 * time.Hour))
		if n, err := s.Sweep(t.Context()); n != 26 || err != nil {
			t.Errorf("%d were swept: %v", n, err)
		}
		for _, table := range []string{"report_taken", "report_row", "report_tls", "report_failure"} {
			var n int
			err := db.Read(t.Context(), func(tx *store.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&n)
			})
			if err != nil || n != 0 {
				t.Errorf("%s has %d rows: %v", table, n, err)
			}
		}
	})
}

func TestFailureReportsAreFew(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		s, _ := shelf(db)
		s.must(t, inbound(provenBy("far.test"), part{"", "message/feedback-report", []byte(feedbackReport)}))
		s.must(t, inbound(provenBy("far.test"), part{"", "message/feedback-report", []byte(feedbackReport)}))
		for i := range maxFailures/2 + 5 {
			s.must(t, inbound(nil, part{"", "message/feedback-report", []byte(strings.Replace(feedbackReport, "192.0.2.7", fmt.Sprintf("10.0.0.%d", i), 1))}))
		}
		var all, proven int
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT COUNT(*), CAST(SUM(proven) AS BIGINT) FROM report_failure`).Scan(&all, &proven)
		})
		if err != nil || all != maxFailures/2+1 || proven != 1 {
			t.Errorf("%d rows, %d proven: %v", all, proven, err)
		}
		got := s.sum(t, "home.test").Failures
		if len(got) != maxSamples || !got[0].Proven || got[0].Source != "192.0.2.7" || got[1].Proven {
			t.Errorf("%+v", got)
		}
	})
}

// rec is a record with all that may differ.
func rec(ip string, n int, disposition, dkim, spf, reason, spfDomain, spfResult, dkimDomain, dkimResult string) string {
	r := fmt.Sprintf(`<record><row><source_ip>%s</source_ip><count>%d</count><policy_evaluated><disposition>%s</disposition><dkim>%s</dkim><spf>%s</spf>`, ip, n, disposition, dkim, spf)
	if reason != "" {
		r += `<reason><type>` + reason + `</type></reason>`
	}
	r += `</policy_evaluated></row><identifiers><header_from>home.test</header_from></identifiers><auth_results>`
	if dkimDomain != "" {
		r += `<dkim><domain>` + dkimDomain + `</domain><result>` + dkimResult + `</result></dkim>`
	}
	return r + `<spf><domain>` + spfDomain + `</domain><result>` + spfResult + `</result></spf></auth_results></record>`
}

func TestEachSourceIsExplained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ record, kind string }{
		"all well":           {rec("192.0.2.1", 9, "none", "pass", "pass", "", "home.test", "pass", "home.test", "pass"), ownGood},
		"own, no signature":  {rec("192.0.2.1", 9, "none", "fail", "pass", "", "home.test", "pass", "", ""), ownDKIM},
		"own, not in SPF":    {rec("192.0.2.1", 9, "none", "pass", "fail", "", "home.test", "fail", "home.test", "pass"), ownSPF},
		"own, nothing":       {rec("192.0.2.1", 9, "reject", "fail", "fail", "", "home.test", "fail", "", ""), ownBoth},
		"a good service":     {rec("192.0.2.9", 9, "none", "pass", "pass", "", "home.test", "pass", "home.test", "pass"), good},
		"signs for us":       {rec("192.0.2.9", 9, "none", "pass", "fail", "", "service.test", "pass", "home.test", "pass"), signed},
		"allowed, unsigned":  {rec("192.0.2.9", 9, "none", "fail", "pass", "", "home.test", "pass", "", ""), serviceSPF},
		"half and half":      {rec("192.0.2.9", 5, "none", "pass", "pass", "", "home.test", "pass", "home.test", "pass") + rec("192.0.2.9", 4, "reject", "fail", "fail", "", "home.test", "fail", "", ""), serviceBad},
		"a list":             {rec("192.0.2.9", 9, "none", "fail", "fail", "mailing_list", "list.test", "pass", "", ""), mailList},
		"a broken signature": {rec("192.0.2.9", 9, "none", "fail", "fail", "", "list.test", "pass", "home.test", "fail"), mailList},
		"another's name":     {rec("192.0.2.9", 9, "none", "fail", "fail", "", "service.test", "pass", "service.test", "pass"), foreign},
		"forged":             {rec("192.0.2.9", 9, "reject", "fail", "fail", "", "home.test", "fail", "", ""), nothing},
		"one of many fails":  {rec("192.0.2.1", 990, "none", "pass", "pass", "", "home.test", "pass", "home.test", "pass") + rec("192.0.2.1", 1, "none", "fail", "pass", "", "home.test", "pass", "home.test", "fail"), ownGood},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := shelf(storetest.SQLite(t))
			s.must(t, inbound(provenBy("far.test"), xmlPart(report(1, c.record))))
			sum := s.sum(t, "home.test")
			if len(sum.Sources) != 1 || sum.Sources[0].kind != c.kind {
				t.Fatalf("%+v, want %s", sum.Sources, c.kind)
			}
			for _, lang := range []string{"fr", "en"} {
				text := sum.Text(lang)
				if first, want := sum.Text(lang), urgency[c.kind] <= urgency[ownSPF]; want != strings.Contains(first, map[string]string{"fr": "Corrigez cela d'abord", "en": "Mend this first"}[lang]) {
					t.Errorf("it is told first: %v", !want)
				}
				if strings.Contains(text, "report-") || strings.Contains(text, "<no value>") {
					t.Errorf("a sentence is missing in\n%s", text)
				}
			}
		})
	}
}

// TestThePageIsForPeople is what a person reads, in both languages.
func TestThePageIsForPeople(t *testing.T) {
	t.Parallel()
	s, _ := shelf(storetest.SQLite(t))
	odd := strings.Replace(report(1,
		rec("192.0.2.1", 200, "none", "fail", "pass", "", "home.test", "pass", "", ""),
		rec("198.51.100.7", 5, "reject", "fail", "fail", "", "home.test", "fail", "", ""),
		rec("2001:db8::7", 2, "none", "fail", "fail", "", "service.test", "pass", "", "")),
		"<org_name>far.test", "<org_name>&lt;script&gt;alert(1)&lt;/script&gt;\u202e\u001b[2J", 1)
	odd = strings.ReplaceAll(odd, "\u001b", "")
	s.must(t, inbound(provenBy("far.test"), xmlPart(odd)))
	s.must(t, inbound(provenBy("far.test"), part{"x", "application/tlsrpt+json", []byte(tlsReport)}, part{"", "message/feedback-report", []byte(feedbackReport)}))
	s.must(t, inbound(nil, xmlPart(report(2, record("192.0.2.1", 3, "none", "pass", "pass")))))
	sum := s.sum(t, "home.test")
	for lang, want := range map[string][]string{
		"en": {"Mail in the name of home.test", "From Friday 23 October 2026 to Sunday 22 November 2026",
			"Mail from your own server is proven in one of two ways only. Mend this first", "207 mails were seen in this name.", "Proven: 200. Not proven: 7, of which 5 were refused and 0 put aside as junk.",
			"refused (p=reject)", "192.0.2.1     200    200     ours", "198.51.100.7  5      0       unknown",
			"198.51.100.7 (host-198.51.100.7.test)", "proves another one: service.test", "its signatures do not hold",
			"303 connections to your server could not be encrypted as you ask; 5326 could.", "203 × mx.home.test did not offer encryption.",
			"100 × The certificate of mx.home.test had expired.", "1 report came from somebody who is not proven.", "(far.test), last on Saturday 21 November 2026",
			"Saturday 21 November 2026: from 192.0.2.7, as far.test reports"},
		"fr": {"Le courrier au nom de home.test", "Du vendredi 23 octobre 2026 au dimanche 22 novembre 2026", "Corrigez cela d'abord", "207 courriers ont été vus sous ce nom.",
			"Prouvés : 200. Non prouvés : 7, dont 5 refusés", "192.0.2.1     200        200      le nôtre", "ses signatures ne tiennent pas",
			"303 communications avec votre serveur n'ont pas pu", "Le certificat de mx.home.test avait expiré.", "1 rapport vient de quelqu'un",
			"en dernier le samedi 21 novembre 2026"},
	} {
		text := strings.ReplaceAll(sum.Text(lang), "\u00a0", " ")
		page, err := sum.HTML(lang)
		if err != nil {
			t.Fatal(err)
		}
		flat := flatten(t, string(page))
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is not in\n%s", lang, w, text)
			}
			if !strings.Contains(w, "  ") && !strings.Contains(flat, w) && !strings.HasPrefix(w, "198.51.100.7 (") {
				t.Errorf("%s: %q is not on the page\n%s", lang, w, flat)
			}
		}
		if strings.Contains(string(page), "<script") || strings.ContainsRune(string(page), '\u202e') || strings.ContainsRune(text, '\u202e') || !strings.Contains(string(page), `<html lang="`+lang+`">`) {
			t.Errorf("%s", page)
		}
		if strings.Contains(string(page), "http://") || strings.Contains(string(page), "https://") || strings.Contains(string(page), "src=") {
			t.Error("the page needs something from elsewhere")
		}
	}
}

// flatten is the text of a page, one space for every blank.
func flatten(t testing.TB, page string) string {
	t.Helper()
	n, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestNobodyHasReportedYet(t *testing.T) {
	t.Parallel()
	s, _ := shelf(storetest.SQLite(t))
	sum := s.sum(t, "home.test")
	if text := sum.Text("en"); !strings.Contains(text, "Nobody has reported about home.test") {
		t.Error(text)
	}
	if text := sum.Text("fr"); !strings.Contains(text, "Personne n'a envoyé de rapport sur home.test") {
		t.Error(text)
	}
}

func TestEveryOutcomeHasASentence(t *testing.T) {
	t.Parallel()
	sum := &Summary{Domain: "home.test"}
	for kind := range urgency {
		sum.Sources = append(sum.Sources, Source{Who: WhoOwn, Means: mail.MakeText("report-source-"+kind, "Domain", "d", "Others", "o")})
	}
	for _, f := range []string{"starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted", "validation-failure",
		"tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"} {
		if failureWord(f) != f {
			t.Errorf("%s is not known", f)
		}
		sum.TLS.Failures = append(sum.TLS.Failures, TLSTrouble{Means: mail.MakeText("report-tls-"+f, "Host", "h")})
	}
	for _, id := range []string{"none", "own", "own-half", "service", "forged-none", "forged", "good", "stricter", "tls", "tls-good", "unproven"} {
		args := []any{"Domain", "d"}
		if strings.HasPrefix(id, "tls") || id == "unproven" {
			args = append(args, "Count", 2, "Good", 1)
		}
		sum.Verdicts = append(sum.Verdicts, mail.MakeText("report-verdict-"+id, args...))
	}
	for _, lang := range []string{"fr", "en"} {
		if text := sum.Text(lang); strings.Contains(text, "report-") || strings.Contains(text, "<no value>") {
			t.Errorf("%s", text)
		}
	}
}

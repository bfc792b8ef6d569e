package report

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
)

// record is one as the big reporters write it.
func record(ip string, count int, disposition, dkim, spf string) string {
	return fmt.Sprintf(`<record><row><source_ip>%s</source_ip><count>%d</count><policy_evaluated><disposition>%s</disposition><dkim>%s</dkim><spf>%s</spf></policy_evaluated></row>
<identifiers><header_from>home.test</header_from></identifiers>
<auth_results><dkim><domain>home.test</domain><selector>s1</selector><result>%s</result></dkim><spf><domain>home.test</domain><result>%s</result></spf></auth_results></record>`,
		ip, count, disposition, dkim, spf, dkim, spf)
}

func feedback(root string, records ...string) string {
	return `<?xml version="1.0" encoding="UTF-8" ?>` + "\n" + root + `<report_metadata><org_name>far.test</org_name><email>noreply@far.test</email><report_id>17</report_id>
<date_range><begin>1795219200</begin><end>1795305599</end></date_range></report_metadata>
<policy_published><domain>home.test</domain><adkim>r</adkim><aspf>r</aspf><p>reject</p><sp>reject</sp><pct>100</pct></policy_published>` +
		strings.Join(records, "\n") + `</feedback>`
}

func TestAggregateReportsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	rec := record("192.0.2.1", 3, "none", "pass", "fail")
	plain := feedback("<feedback>", rec)
	for name, text := range map[string]string{
		"bare":                  plain,
		"with the namespace":    feedback(`<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><version>1.0</version>`, rec),
		"of RFC 7489":           feedback(`<feedback xmlns="http://dmarc.org/dmarc-xml/0.1"><version>0.1</version>`, rec),
		"with a prefix":         strings.NewReplacer("</", "</d:", "<r", "<d:r", "<d", "<d:d", "<p", "<d:p", "<s", "<d:s", "<h", "<d:h", "<a", "<d:a", "<c", "<d:c", "<i", "<d:i", "<o", "<d:o", "<e", "<d:e", "<b", "<d:b", "<feedback", `<d:feedback xmlns:d="urn:x"`).Replace(plain),
		"in other cases":        strings.NewReplacer("<row>", "<Row>", "</row>", "</Row>", ">pass<", ">PASS<", ">none<", ">None<", ">home.test<", ">Home.Test<").Replace(plain),
		"with blanks":           strings.NewReplacer(">3<", ">\n 3\t<", ">home.test<", "> home.test. <").Replace(plain),
		"with a mark in front":  "\ufeff" + plain,
		"said to be UTF-16":     strings.Replace(plain, "UTF-8", "utf-16", 1),
		"in windows-1252":       strings.Replace(strings.Replace(plain, "UTF-8", "windows-1252", 1), "far.test", "f\xe9r.test", 1),
		"with an extension":     strings.Replace(plain, "<record>", `<extension><y xmlns="urn:y"/><policy_published><domain>x.test</domain></policy_published></extension><record>`, 1),
		"with another's row":    strings.Replace(plain, "</record>", `<x:row xmlns:x="urn:y"><count>9</count></x:row></record>`, 1),
		"without identifiers":   strings.Replace(plain, "<identifiers><header_from>home.test</header_from></identifiers>", "", 1),
		"with an empty element": strings.Replace(plain, "<pct>100</pct>", "<pct/><fo></fo>", 1),
		"with a comment":        strings.Replace(plain, "<record>", "<!-- <record> --><record>", 1),
		"with the greeting":     strings.Replace(plain, "</auth_results>", "<spf><domain>mx.home.test</domain><scope>helo</scope><result>pass</result></spf></auth_results>", 1),
		"in two records":        feedback("<feedback>", record("192.0.2.1", 1, "none", "pass", "fail"), record("192.0.2.1", 2, "none", "pass", "fail")),
		"and then something":    plain + "\n<oops",
	} {
		a, err := ParseAggregate(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(a.Rows) != 1 {
			t.Errorf("%s: %d rows", name, len(a.Rows))
			continue
		}
		r := a.Rows[0]
		if r.Count != 3 || r.Source.String() != "192.0.2.1" || r.Disposition != "none" || !r.DKIM || r.SPF || r.From != "home.test" || r.DKIMDomain != "home.test" || r.SPFResult != "fail" {
			t.Errorf("%s: %+v", name, r)
		}
		if a.ID != "17" || a.Domain != "home.test" || a.Policy != "reject" || a.Begin.Unix() != 1795219200 || day(a.Begin, a.End) != 1795219200/86400 {
			t.Errorf("%s: %+v", name, a)
		}
		if want := map[bool]string{false: "far.test", true: "fér.test"}[name == "in windows-1252"]; a.Org != want {
			t.Errorf("%s: from %q", name, a.Org)
		}
	}
}

func TestBadAggregateReportsAreRefused(t *testing.T) {
	t.Parallel()
	rec := record("192.0.2.1", 3, "none", "pass", "fail")
	plain := feedback("<feedback>", rec)
	laughs := `<!DOCTYPE lolz [<!ENTITY lol "lol">` + strings.Repeat(`<!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">`, 30) + `]>`
	for name, text := range map[string]string{
		"empty":             "",
		"blank":             "   \n",
		"text":              "hello",
		"another root":      "<html><body/></html>",
		"cut off":           plain[:len(plain)-40],
		"crossed":           strings.Replace(plain, "</row>", "</record>", 1),
		"a document type":   strings.Replace(plain, "<feedback>", laughs+"<feedback>", 1),
		"laughs":            strings.Replace(plain, "<feedback>", laughs+"<feedback>&lol1;", 1),
		"an entity":         strings.Replace(plain, "far.test", "&secret;", 1),
		"an outside entity": strings.Replace(plain, "<feedback>", `<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback>`, 1),
		"no domain":         strings.Replace(plain, "<domain>home.test</domain>", "", 1),
		"a domain of words": strings.Replace(plain, "<domain>home.test</domain>", "<domain>home test</domain>", 1),
		"no id":             strings.Replace(plain, "<report_id>17</report_id>", "", 1),
		"no day":            strings.Replace(plain, "<begin>1795219200</begin>", "", 1),
		"an unknown set":    strings.Replace(plain, "UTF-8", "klingon", 1),
	} {
		if a, err := ParseAggregate(strings.NewReader(text)); err == nil {
			t.Errorf("%s: read as %+v", name, a)
		}
	}
}

// spent is the processor time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// endless repeats its text for n octets, without holding them.
type endless struct {
	text string
	at   int
	n    int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n <= 0 {
		return 0, io.EOF
	}
	total := 0
	for total < len(p) && e.n > 0 {
		k := copy(p[total:], e.text[e.at:])
		e.at = (e.at + k) % len(e.text)
		total += k
		e.n -= int64(k)
	}
	return total, nil
}

// Not parallel: it measures the process.
func TestBombsStopEarly(t *testing.T) {
	long := strings.Repeat(" ", 4096)
	for name, body := range map[string]string{
		"blanks":       long,
		"one name":     strings.Repeat("a", 4096),
		"deep":         strings.Repeat("<a>", 1024),
		"deep outside": strings.Repeat("<b:a xmlns:b='x'>", 256),
		"flat":         strings.Repeat("<a/>", 1024),
		"records":      strings.Repeat("<record/>", 512),
		"full records": strings.Repeat(record("192.0.2.1", 1, "none", "pass", "pass"), 20),
		"an attribute": strings.Repeat("x", 4096),
		"comments":     strings.Repeat("<!-- -->", 512),
	} {
		t.Run(name, func(t *testing.T) {
			head := "<feedback>"
			switch name {
			case "an attribute":
				head = "<feedback a='"
			case "one name":
				head = "<"
			}
			// A gigabyte, of members that are the same: half a minute less to make.
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			io.WriteString(z, head)
			z.Close()
			var member bytes.Buffer
			z.Reset(&member)
			if _, err := io.Copy(z, &endless{text: body, n: 8 << 20 / int64(len(body)) * int64(len(body))}); err != nil {
				t.Fatal(err)
			}
			z.Close()
			for range 128 {
				packed.Write(member.Bytes())
			}
			debug.FreeOSMemory()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := spent()
			f, err := Open(&packed)
			if err == nil {
				_, err = ParseAggregate(f)
			}
			cost := spent() - began
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("a bomb is a report")
			}
			limit := 2 * time.Second
			grown := int64(after.HeapSys) - int64(before.HeapSys)
			t.Logf("%v, %d MB more heap, %d MB in all, %v", cost, grown>>20, (after.TotalAlloc-before.TotalAlloc)>>20, err)
			if cost > limit {
				t.Errorf("it took %v of the processor", cost)
			}
			if grown > 16<<20 {
				t.Errorf("the heap grew by %d MB", grown>>20)
			}
		})
	}
}

func TestPackedReportsAreKnownByTheirOctets(t *testing.T) {
	t.Parallel()
	xml := feedback("<feedback>", record("192.0.2.1", 3, "none", "pass", "fail"))
	gz := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, s)
		z.Close()
		return b.String()
	}
	zipped := func(method uint16, names ...string) string {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, n := range names {
			w, err := z.CreateHeader(&zip.FileHeader{Name: n, Method: method})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(n, "/") {
				io.WriteString(w, xml)
			}
		}
		z.Close()
		return b.String()
	}
	for name, data := range map[string]string{
		"plain":        xml,
		"with a mark":  "\xef\xbb\xbf\r\n" + xml,
		"gzip":         gz(xml),
		"gzip twice":   gz(gz(xml)),
		"zip":          zipped(zip.Deflate, "a.xml"),
		"zip, folders": zipped(zip.Deflate, "a/", "a/a.xml"),
	} {
		f, err := Open(strings.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.Form != XML {
			t.Errorf("%s: %s", name, f.Form)
		}
		if _, err := ParseAggregate(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f, err := Open(strings.NewReader(gz(` {"a":1}`))); err != nil || f.Form != JSON {
		t.Errorf("json: %v %v", f, err)
	}
	for name, data := range map[string]string{
		"nothing": "", "one octet": "x", "text": "hello, there", "gzip of nothing": gz(""), "gzip of text": gz("hello"), "half a gzip": gz(xml)[:8],
		"half a zip": zipped(zip.Deflate, "a.xml")[:20], "zip of a folder": zipped(zip.Deflate, "a/"), "thrice": gz(gz(gz(xml))),
		"a locked zip": "PK\x03\x04\x14\x00\x01\x00\x08\x00" + strings.Repeat("\x00", 20),
	} {
		if f, err := Open(strings.NewReader(data)); err == nil {
			t.Errorf("%s is a report: %v", name, f)
		}
	}
}

const tlsReport = `{"organization-name":"far.test","date-range":{"start-datetime":"2026-11-21T00:00:00Z","end-datetime":"2026-11-21T23:59:59Z"},
"contact-info":"smtp@far.test","report-id":"2026-11-21T00:00:00Z_home.test",
"policies":[{"policy":{"policy-type":"sts","policy-string":["version: STSv1","mode: enforce"],"policy-domain":"home.test","mx-host":["mx.home.test"]},
"summary":{"total-successful-session-count":5326,"total-failure-session-count":303},
"failure-details":[{"result-type":"certificate-expired","sending-mta-ip":"192.0.2.1","receiving-mx-hostname":"mx.home.test","failed-session-count":100},
{"result-type":"starttls-not-supported","receiving-mx-hostname":"mx.home.test","receiving-ip":"192.0.2.9","failed-session-count":203,"failure-reason-code":"x"}]}]}`

func TestTLSReportsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"as the RFC says": tlsReport,
		"one string":      strings.Replace(tlsReport, `["mx.home.test"]`, `"mx.home.test"`, 1),
		"numbers as text": strings.Replace(tlsReport, `5326`, `"5326"`, 1),
		"without a zone":  strings.ReplaceAll(strings.ReplaceAll(tlsReport, "00:00Z\",", "00:00\","), "59Z", "59"),
		"with more":       strings.Replace(tlsReport, `"policies"`, `"x":[[[{}]]],"policies"`, 1),
	} {
		r, err := ParseTLS(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		u := r.Results[0]
		if u.Summary.Good != 5326 || u.Summary.Bad != 303 || len(u.Details) != 2 || u.Details[1].Count != 203 || len(u.Policy.MX) != 1 || u.Policy.MX[0] != "mx.home.test" || len(u.Policy.Text) != 2 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "null": "null", "a list": "[]", "cut off": tlsReport[:300], "no id": strings.Replace(tlsReport, "report-id", "x", 1),
		"no day":    strings.Replace(tlsReport, "start-datetime", "x", 1),
		"no policy": strings.Replace(tlsReport, `"policies"`, `"x"`, 1),
		"deep":      `{"policies":` + strings.Repeat("[", 1<<20),
		"big":       `{"report-id":"` + strings.Repeat("x", maxJSON) + `"}`,
	} {
		if r, err := ParseTLS(strings.NewReader(text)); err == nil {
			t.Errorf("%s: read as %+v", name, r)
		}
	}
}

// Not parallel: it measures the process.
func TestListsOfNothingStaySmall(t *testing.T) {
	text := strings.Replace(tlsReport, `"failure-details":[`, `"failure-details":[`+strings.Repeat("{},", 1<<20), 1)
	debug.FreeOSMemory()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := ParseTLS(strings.NewReader(text))
	runtime.ReadMemStats(&after)
	if err != nil || len(r.Results[0].Details) != maxList {
		t.Errorf("%v, %d", err, len(r.Results[0].Details))
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 60<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
}

const feedbackReport = "Feedback-Type: auth-failure\r\nUser-Agent: X/1\r\nVersion: 1\r\nOriginal-Rcpt-To: <someone@far.test>\r\nArrival-Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nSource-IP: 192.0.2.7\r\nReported-Domain: Home.Test\r\nAuth-Failure: dmarc\r\nDelivery-Result:\r\n reject\r\n"

func TestFailureReportsAreRead(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"as the RFC says":   feedbackReport,
		"bare lines":        strings.ReplaceAll(feedbackReport, "\r\n", "\n"),
		"no last line end":  strings.TrimRight(feedbackReport, "\r\n"),
		"a line in front":   "\r\n" + feedbackReport,
		"and then a second": feedbackReport + "\r\nReported-Domain: other.test\r\n",
	} {
		f, err := ParseFailure(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.Domain != "home.test" || f.Kind != "dmarc" || f.Result != "reject" || f.Source.String() != "192.0.2.7" || f.Arrived.Unix() != 1795251600 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "a complaint": strings.Replace(feedbackReport, "auth-failure", "abuse", 1),
		"no domain": strings.Replace(feedbackReport, "Reported-Domain", "X", 1), "one line": strings.Repeat("x", 1<<20),
	} {
		if f, err := ParseFailure(strings.NewReader(text)); err == nil {
			t.Errorf("%s: read as %+v", name, f)
		}
	}
}

func FuzzAggregate(f *testing.F) {
	f.Add([]byte(feedback("<feedback>", record("192.0.2.1", 3, "none", "pass", "fail"))))
	f.Add([]byte(`<feedback xmlns="x"><extension><a/></extension></feedback>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAggregate(bytes.NewReader(b))
		if err == nil && (a.Domain == "" || len(a.Rows) > maxRows+20) {
			t.Errorf("%+v", a)
		}
	})
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("PK\x03\x04\x14\x00\x08\x00\x08\x00aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Add([]byte("  <feedback/>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if file, err := Open(bytes.NewReader(b)); err == nil {
			io.Copy(io.Discard, file)
		}
	})
}

func FuzzTLS(f *testing.F) {
	f.Add([]byte(tlsReport))
	f.Fuzz(func(t *testing.T, b []byte) { ParseTLS(bytes.NewReader(b)) })
}

func FuzzFailure(f *testing.F) {
	f.Add([]byte(feedbackReport))
	f.Fuzz(func(t *testing.T, b []byte) { ParseFailure(bytes.NewReader(b)) })
}

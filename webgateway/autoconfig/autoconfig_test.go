package autoconfig

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"colporteur/webgateway/page"
)

func site() http.Handler {
	mux := http.NewServeMux()
	(&Server{Host: "mail.home.test", IMAPS: 993, IMAP: 143, Submissions: 465, Submission: 587, Site: "https://mail.home.test", Pages: &page.Pages{},
		Ours:        func(_ context.Context, d string) (bool, error) { return d == "home.test", nil },
		FirstDomain: func(context.Context) string { return "home.test" }}).Routes(mux)
	return mux
}

func ask(t *testing.T, method, target, body string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	site().ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestThunderbirdLearnsWhereToConnect(t *testing.T) {
	for _, path := range []string{"/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"} {
		for _, query := range []string{"", "?emailaddress=ann@home.test", "?emailaddress=nobody@HOME.test"} {
			code, body := ask(t, "GET", path+query, "")
			if code != 200 || strings.Count(body, "<hostname>mail.home.test</hostname>") != 4 {
				t.Errorf("%s%s: %d\n%s", path, query, code, body)
			}
			for _, s := range []string{`<clientConfig version="1.1">`, `<emailProvider id="home.test">`, `<incomingServer type="imap">`, "<port>993</port>", "<socketType>SSL</socketType>",
				"<socketType>STARTTLS</socketType>", `<outgoingServer type="smtp">`, "<port>465</port>", "<username>%EMAILADDRESS%</username>"} {
				if !strings.Contains(body, s) {
					t.Errorf("%s%s lacks %s:\n%s", path, query, s, body)
				}
			}
			if strings.Index(body, "<port>993") > strings.Index(body, "<port>143") {
				t.Error("TLS from the first byte does not come first")
			}
		}
		if code, _ := ask(t, "GET", path+"?emailaddress=ann@far.test", ""); code != 404 {
			t.Errorf("another domain: %d", code)
		}
	}
}

func TestOutlookLearnsWhereToConnect(t *testing.T) {
	request := func(address, schema string) string {
		return `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>` + address +
			`</EMailAddress><AcceptableResponseSchema>` + schema + `</AcceptableResponseSchema></Request></Autodiscover>`
	}
	code, body := ask(t, "POST", "/autodiscover/autodiscover.xml", request("ann&amp;&lt;@home.test", outlookSchema))
	if code != 200 {
		t.Fatalf("%d\n%s", code, body)
	}
	for _, s := range []string{"<Type>IMAP</Type>", "<Type>SMTP</Type>", "<Port>993</Port>", "<Port>465</Port>", "<LoginName>ann&amp;&lt;@home.test</LoginName>", "<SSL>on</SSL>", "<Action>settings</Action>"} {
		if !strings.Contains(body, s) {
			t.Errorf("lacks %s:\n%s", s, body)
		}
	}
	for what, c := range map[string]struct {
		body string
		code int
	}{
		"another domain": {request("ann@far.test", outlookSchema), 404},
		"ActiveSync":     {request("ann@home.test", "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"), 404},
		"no address":     {request("", outlookSchema), 404},
		"no XML":         {"x", 400},
		"entities":       {`<!DOCTYPE a [<!ENTITY b "c">]><Autodiscover><Request><EMailAddress>&b;@home.test</EMailAddress></Request></Autodiscover>`, 400},
		"without an end": {"<Autodiscover>" + strings.Repeat("<a>", 100_000), 400},
	} {
		if code, body := ask(t, "POST", "/Autodiscover/Autodiscover.xml", c.body); code != c.code {
			t.Errorf("%s: %d\n%.200s", what, code, body)
		}
	}
}

package push

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"colporteur/outward"
	"colporteur/store/storetest"
)

func TestWhatAPushServiceAnswersIsUnderstood(t *testing.T) {
	s := service(storetest.SQLite(t))
	ann := newBrowser(t)
	status, after := 201, ""
	var got *http.Request
	var plain []byte
	service := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r
		plain, _ = ann.read(body)
		w.Header().Set("Retry-After", after)
		w.Header().Set("Location", "https://127.0.0.1/elsewhere")
		w.WriteHeader(status)
	}))
	defer service.Close()
	s.Client = outward.New(outward.Options{AllowPrivate: true, TLS: service.Client().Transport.(*http.Transport).TLSClientConfig})
	to := place{service.URL + "/secret", ann.keys()}
	m, err := change(States{"a1": {"EmailDelivery": "7", "Email": "9"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.send(t.Context(), to, m); err != nil {
		t.Fatal(err)
	}
	h := got.Header
	if string(plain) != `{"@type":"StateChange","changed":{"a1":{"Email":"9","EmailDelivery":"7"}}}` || got.Method != "POST" || h.Get("TTL") != "86400" ||
		h.Get("Urgency") != "normal" || len(h.Get("Topic")) != 32 || h.Get("Content-Encoding") != "aes128gcm" || h.Get("Content-Type") != "application/json" || h.Get("Cookie") != "" {
		t.Errorf("%s %v", plain, h)
	}
	for _, c := range []struct {
		status int
		after  string
		ended  bool
		wait   time.Duration
	}{{404, "", true, 0}, {410, "", true, 0}, {403, "", true, 0}, {302, "", true, 0}, {429, "120", false, 2 * time.Minute}, {503, "Mon, 23 Nov 2026 12:01:00 GMT", false, time.Minute},
		{500, "soon", false, 0}, {502, "-5", false, 0}, {503, "99999999999", false, 24 * time.Hour}} {
		status, after = c.status, c.after
		err := s.send(t.Context(), to, m)
		var f *failed
		if !errors.As(err, &f) || f.ended() != c.ended || f.after != c.wait {
			t.Errorf("%d %q: %v", c.status, c.after, f)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error says where it leads: %v", err)
		}
	}
	s.Client = outward.New(outward.Options{AnyPort: true, TLS: &tls.Config{InsecureSkipVerify: true}})
	var f *failed
	if err := s.send(t.Context(), to, m); !errors.As(err, &f) || !f.ended() || strings.Contains(err.Error(), "secret") {
		t.Errorf("our own network: %v", err)
	}
}

// A push that waits at the service is replaced by one that says as much.
func TestAWaitingPushIsReplacedOnlyByOneAboutTheSame(t *testing.T) {
	t.Parallel()
	topic := func(of States) string {
		m, err := change(of)
		if err != nil {
			t.Fatal(err)
		}
		return m.topic
	}
	one := topic(States{"a1": {"Email": "1"}})
	if one != topic(States{"a1": {"Email": "2"}}) || one == topic(States{"a1": {"Mailbox": "2"}}) || one == topic(States{"a2": {"Email": "1"}}) {
		t.Error("the topics are wrong")
	}
}

func TestWhoSeesManyAccountsHearsOfAllOfThem(t *testing.T) {
	t.Parallel()
	all := States{}
	for i := range 300 {
		all["a"+strings.Repeat("x", 10)+string(rune('a'+i/26))+string(rune('a'+i%26))] = map[string]string{"Email": "1", "Mailbox": "1", "Thread": "1"}
	}
	list, err := new(Service).messages(&due{verified: true, told: "{}", noted: all.of(nil)})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, m := range list {
		if len(m.body) > maxPayload {
			t.Errorf("a push of %d octets", len(m.body))
		}
		var c struct{ Changed States }
		if err := json.Unmarshal(m.body, &c); err != nil {
			t.Fatal(err)
		}
		told += len(c.Changed)
	}
	if told != 300 || len(list) < 2 {
		t.Errorf("%d accounts in %d pushes", told, len(list))
	}
}

package outward

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

func TestEverySpellingOfThisMachineIsRefused(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer inside.Close()
	_, port, _ := net.SplitHostPort(inside.Listener.Addr().String())
	c := New(Options{HTTP: true, AnyPort: true})
	for _, host := range []string{"127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
		"[64:ff9b::127.0.0.1]", "0.0.0.0", "[::]", "127.0.0.1.", "localhost.", "①②⑦.⓪.⓪.①", "[fe80::1%25lo]"} {
		r, err := c.Get("http://" + host + ":" + port + "/")
		if err == nil {
			r.Body.Close()
			t.Errorf("%s was asked", host)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("this machine was asked %d times", n)
	}
}

func TestANameThatChangesItsMindLeadsNowhereInside(t *testing.T) {
	t.Parallel()
	var asked, looked atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer inside.Close()
	_, port, _ := net.SplitHostPort(inside.Listener.Addr().String())
	// A name that is public for whoever looks first, and ours for whoever connects.
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			a := "127.0.0.1"
			if looked.Add(1)%2 == 1 {
				a = "192.0.2.1"
			}
			rr, _ := dns.NewRR(q.Question[0].Name + " 0 IN A " + a)
			m.Answer = append(m.Answer, rr)
		}
		w.WriteMsg(m)
	})}
	go server.ActivateAndServe()
	defer server.Shutdown()
	c := New(Options{HTTP: true, AnyPort: true, Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}})
	for range 4 {
		if _, err := c.Get("http://rebind.test:" + port + "/"); !errors.Is(err, ErrForbidden) {
			t.Errorf("a name that changes its mind: %v", err)
		}
	}
	if looked.Load() < 4 || asked.Load() != 0 {
		t.Errorf("looked up %d times, asked %d times", looked.Load(), asked.Load())
	}
}

func TestARedirectIsLookedAtLikeTheFirstAddress(t *testing.T) {
	t.Parallel()
	var referred atomic.Value
	var to atomic.Value
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			referred.Store(r.Header.Get("Referer") + r.Header.Get("Cookie"))
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "who", Value: "you"})
		http.Redirect(w, r, to.Load().(string), http.StatusFound)
	}))
	defer s.Close()
	c := New(Options{HTTP: true, AllowPrivate: true, Redirects: 3})
	get := func(where string) error {
		to.Store(where)
		r, err := c.Get(s.URL + "/begin")
		if err == nil {
			r.Body.Close()
		}
		return err
	}
	if err := get(s.URL + "/end"); err != nil || referred.Load() != "" {
		t.Errorf("a redirect: %v, it told %q", err, referred.Load())
	}
	for _, where := range []string{"file:///etc/passwd", "gopher://127.0.0.1/", "http://a:b@127.0.0.1/", "ftp://127.0.0.1/", s.URL + "/begin"} {
		if err := get(where); !errors.Is(err, ErrForbidden) && !strings.Contains(err.Error(), "unsupported protocol") {
			t.Errorf("to %s: %v", where, err)
		}
	}
	for _, where := range []string{"http://one.test/", "https://one.test:22/", "https:///x", "https://one.test:25/"} {
		if _, err := New(Options{}).Get(where); !errors.Is(err, ErrForbidden) && !strings.Contains(err.Error(), "no Host") {
			t.Errorf("%s: %v", where, err)
		}
	}
}

func TestAnAnswerIsReadUpToItsBound(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1000)) }))
	defer s.Close()
	for most, fits := range map[int64]bool{999: false, 1000: true} {
		r, err := New(Options{HTTP: true, AllowPrivate: true}).Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(r, most); (err == nil) != fits {
			t.Errorf("at most %d: %v", most, err)
		}
		r.Body.Close()
	}
}

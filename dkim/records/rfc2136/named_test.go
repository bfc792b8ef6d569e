package rfc2136_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"
	mdns "github.com/miekg/dns"

	"colporteur/dkim/records/rfc2136"
	"colporteur/dns"
)

const conf = `options {
	directory "%[1]s"; listen-on port %[2]s { 127.0.0.1; }; listen-on-v6 { none; };
	pid-file "%[1]s/pid"; session-keyfile "%[1]s/session.key"; recursion no; notify no;
	dnssec-validation no; empty-zones-enable no; allow-transfer { none; };
};
controls { };
logging { category default { default_stderr; }; };
key "colporteur." { algorithm hmac-sha256; secret "%[3]s"; };
zone "home.test" { type primary; file "%[1]s/home.test";
	update-policy { grant colporteur. zonesub ANY; }; allow-transfer { key colporteur.; }; };
`

const zone = `$TTL 300
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
@ IN TXT "v=spf1 ip4:192.0.2.1 -all"
@ IN TXT "some-service=mark"
`

// secret is a key for the test.
var secret = base64.StdEncoding.EncodeToString([]byte("a key that everybody may know..."))

// named starts Debian's name server with one zone, and returns its address.
func named(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("named")
	if err != nil {
		program = "/usr/sbin/named"
		if _, err := os.Stat(program); err != nil {
			t.Fatal("there is no named: apt-get install bind9")
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	ln.Close()
	dir := t.TempDir()
	for name, text := range map[string]string{"named.conf": fmt.Sprintf(conf, dir, port, secret), "home.test": zone} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-g", "-n", "1", "-c", filepath.Join(dir, "named.conf"))
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	running, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		var log strings.Builder
		for lines := bufio.NewScanner(said); lines.Scan(); {
			log.WriteString(lines.Text() + "\n")
			if strings.HasSuffix(lines.Text(), " running") {
				running <- ""
			}
		}
		select {
		case running <- log.String():
		default:
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		cmd.Wait()
	})
	select {
	case log := <-running:
		if log != "" {
			t.Fatalf("named did not start:\n%s", log)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("named did not start in 20 s")
	}
	return addr
}

func provider(addr string) *rfc2136.Provider {
	return &rfc2136.Provider{Server: addr, KeyName: "colporteur", Secret: func() (string, error) { return secret, nil }}
}

func TestAgainstNamed(t *testing.T) {
	t.Parallel()
	addr := named(t)
	p := provider(addr)
	ctx := t.Context()
	// A client of its own each time: what one remembers must not answer for the server.
	txt := func(name string) []string {
		t.Helper()
		c := &dns.Client{Servers: []string{addr}}
		got, _ := c.LookupTXT(ctx, name)
		slices.Sort(got)
		return got
	}
	for name, want := range map[string]string{"home.test": "home.test.", "a.b.home.test": "home.test.", "far.test": ""} {
		if got, err := p.Zone(ctx, name); got != want || (err == nil) != (want != "") {
			t.Errorf("zone of %s: got %q, %v, want %q", name, got, err, want)
		}
	}

	long := "v=DKIM1; k=rsa; p=" + strings.Repeat("MIIBIjANBgkq", 40)
	odd := `a "quoted" \ text`
	if _, err := p.AppendRecords(ctx, "home.test.", []libdns.Record{
		libdns.TXT{Name: "c1r._domainkey", Text: long}, libdns.TXT{Name: "odd", Text: odd},
		libdns.MX{Name: "@", Preference: 10, Target: "ns.home.test."},
		libdns.SRV{Service: "imaps", Transport: "tcp", Name: "@", Port: 993, Weight: 1, Target: "ns.home.test."},
		libdns.CAA{Name: "mail", Tag: "issue", Value: "letsencrypt.org"},
		libdns.RR{Name: "_25._tcp.mail", Type: "TLSA", Data: "3 1 1 " + strings.Repeat("ab", 32)},
	}); err != nil {
		t.Fatal(err)
	}
	if got := txt("c1r._domainkey.home.test"); len(got) != 1 || got[0] != long {
		t.Errorf("a long text: got %q", got)
	}
	if got := txt("odd.home.test"); len(got) != 1 || got[0] != odd {
		t.Errorf("an odd text: got %q", got)
	}
	if a, err := (&dns.Client{Servers: []string{addr}}).Ask(ctx, "_25._tcp.mail.home.test", mdns.TypeTLSA); err != nil || len(a.Records) != 1 {
		t.Errorf("TLSA: got %+v, %v", a, err)
	}
	// Nothing of others is touched, and again changes nothing.
	for range 2 {
		if _, err := p.AppendRecords(ctx, "home.test", []libdns.Record{libdns.TXT{Name: "@", Text: "beside the others"}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := txt("home.test"); !slices.Equal(got, []string{"beside the others", "some-service=mark", "v=spf1 ip4:192.0.2.1 -all"}) {
		t.Errorf("after adding: %q", got)
	}
	if _, err := p.SetRecords(ctx, "home.test.", []libdns.Record{libdns.TXT{Name: "c1r._domainkey", Text: "v=DKIM1; k=rsa; p="}}); err != nil {
		t.Fatal(err)
	}
	if got := txt("c1r._domainkey.home.test"); !slices.Equal(got, []string{"v=DKIM1; k=rsa; p="}) {
		t.Errorf("after setting: %q", got)
	}

	set, err := p.RRset(ctx, "home.test", "TXT")
	if err != nil || len(set) != 3 {
		t.Errorf("the server itself: got %v, %v", set, err)
	}
	all, err := p.GetRecords(ctx, "home.test.")
	if err != nil || len(all) != 11 {
		t.Errorf("transfer: got %d records, %v: %v", len(all), err, all)
	}
	for _, r := range all {
		if x, ok := r.(libdns.TXT); ok && x.Name == "odd" && x.Text != odd {
			t.Errorf("got %q", x.Text)
		}
	}

	if _, err := p.DeleteRecords(ctx, "home.test.", []libdns.Record{
		libdns.TXT{Name: "@", Text: "beside the others"}, libdns.RR{Name: "c1r._domainkey", Type: "TXT"}, libdns.RR{Name: "nothing", Type: "TXT"}}); err != nil {
		t.Fatal(err)
	}
	if got := append(txt("home.test"), txt("c1r._domainkey.home.test")...); !slices.Equal(got, []string{"some-service=mark", "v=spf1 ip4:192.0.2.1 -all"}) {
		t.Errorf("after removing: %q", got)
	}
}

func TestNamedRefusesWhoIsNotUs(t *testing.T) {
	t.Parallel()
	addr := named(t)
	recs := []libdns.Record{libdns.TXT{Name: "x", Text: "x"}}
	wrong := provider(addr)
	wrong.Secret = func() (string, error) { return base64.StdEncoding.EncodeToString([]byte("another")), nil }
	if _, err := wrong.AppendRecords(t.Context(), "home.test", recs); err == nil || !strings.Contains(err.Error(), "BADSIG") {
		t.Errorf("another secret: got %v", err)
	}
	unknown := provider(addr)
	unknown.KeyName = "nobody"
	if _, err := unknown.AppendRecords(t.Context(), "home.test", recs); err == nil || !strings.Contains(err.Error(), "BADKEY") {
		t.Errorf("another name: got %v", err)
	}
	if _, err := unknown.GetRecords(t.Context(), "home.test"); err == nil {
		t.Error("a transfer for anybody")
	}
	p := provider(addr)
	if _, err := p.AppendRecords(t.Context(), "far.test", recs); err == nil {
		t.Error("a zone that is not there")
	}
	if _, err := p.AppendRecords(t.Context(), "home.test", []libdns.Record{libdns.TXT{Name: "x.far.test.", Text: "x"}}); err == nil || !strings.Contains(err.Error(), "does not lie in") {
		t.Errorf("a name elsewhere: got %v", err)
	}
	missing := provider(addr)
	missing.Secret = rfc2136.SecretFile(filepath.Join(t.TempDir(), "key"))
	if _, err := missing.AppendRecords(t.Context(), "home.test", recs); err == nil || !strings.Contains(err.Error(), "tsig key") {
		t.Errorf("no key: got %v", err)
	}
}

func TestAnUnsignedAnswerIsNotBelieved(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan struct{}), make(chan struct{})
	s := &mdns.Server{Listener: ln, NotifyStartedFunc: func() { close(started) },
		MsgAcceptFunc: func(mdns.Header) mdns.MsgAcceptAction { return mdns.MsgAccept },
		Handler: mdns.HandlerFunc(func(w mdns.ResponseWriter, q *mdns.Msg) {
			w.WriteMsg(new(mdns.Msg).SetReply(q)) // "done", says somebody
		})}
	go func() { defer close(ended); s.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { s.Shutdown(); <-ended })
	_, err = provider(ln.Addr().String()).AppendRecords(t.Context(), "home.test", []libdns.Record{libdns.TXT{Name: "x", Text: "x"}})
	if err == nil || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("got %v", err)
	}
}

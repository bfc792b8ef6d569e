package secure_test

import (
	"bufio"
	"crypto"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"colporteur/dns"
	"colporteur/smtp/relay/secure"
	"colporteur/store/storetest"
)

// A resolver that really validates, in front of a zone that is really signed.
func TestAValidatingResolverIsUnderstood(t *testing.T) {
	t.Parallel()
	zone := []string{"far.test. MX 10 mx.far.test.", "far.test. MX 20 bogus.far.test.", "far.test. MX 30 plain.far.test.", "mx.far.test. A 192.0.2.1",
		"bogus.far.test. A 192.0.2.2", "plain.far.test. A 192.0.2.3",
		"_25._tcp.mx.far.test. TLSA 3 1 1 " + strings.Repeat("00", 32), "_25._tcp.bogus.far.test. TLSA 3 1 1 " + strings.Repeat("11", 32)}
	text, anchor := sign(t, "far.test.", zone...)
	// Somebody in between changes one record.
	text = strings.ReplaceAll(text, strings.Repeat("11", 32), strings.Repeat("22", 32))
	client := unbound(t, map[string]string{"far.test": text, "open.test": plain("open.test.", "open.test. MX 10 mx.open.test.", "mx.open.test. A 192.0.2.9",
		"_25._tcp.mx.open.test. TLSA 3 1 1 "+strings.Repeat("00", 32))}, anchor)
	f := &secure.Finder{DNS: client, DB: storetest.SQLite(t)}
	for _, c := range []struct{ domain, host, kind, failure string }{
		{"far.test", "mx.far.test", secure.DANE, ""},
		{"far.test", "bogus.far.test", secure.DANE, secure.DNSSECInvalid},
		{"far.test", "plain.far.test", secure.NoPolicy, ""}, // that there is nothing is proven too
		{"open.test", "mx.open.test", secure.NoPolicy, ""},
	} {
		h, err := f.Domain(t.Context(), c.domain).Host(t.Context(), c.host, false)
		if h.Kind != c.kind || failure(err) != c.failure {
			t.Errorf("%s: got %+v, %v", c.host, h, err)
		}
	}
	for name, kind := range map[string]uint16{"far.test": mdns.TypeMX, "_25._tcp.plain.far.test": mdns.TypeTLSA} {
		if a, err := client.Ask(t.Context(), name, kind); err != nil || !a.Secure {
			t.Errorf("%s: got %+v, %v", name, a, err)
		}
	}
}

const zoneHead = "%[1]s 300 IN SOA ns.%[1]s root.%[1]s 1 3600 600 86400 60\n%[1]s 300 IN NS ns.%[1]s\nns.%[1]s 300 IN A 127.0.0.1\n"

func plain(apex string, records ...string) string {
	return fmt.Sprintf(zoneHead, apex) + strings.Join(records, "\n") + "\n"
}

// sign is a zone file with signatures and denials, and its trust anchor.
func sign(t testing.TB, apex string, records ...string) (zone, anchor string) {
	t.Helper()
	key := &mdns.DNSKEY{Hdr: mdns.RR_Header{Name: apex, Rrtype: mdns.TypeDNSKEY, Class: mdns.ClassINET, Ttl: 300},
		Flags: 257, Protocol: 3, Algorithm: mdns.ECDSAP256SHA256}
	private, err := key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	sets := map[string]map[uint16][]mdns.RR{} // by name and type
	add := func(rr mdns.RR) {
		h := rr.Header()
		if sets[h.Name] == nil {
			sets[h.Name] = map[uint16][]mdns.RR{}
		}
		sets[h.Name][h.Rrtype] = append(sets[h.Name][h.Rrtype], rr)
	}
	p := mdns.NewZoneParser(strings.NewReader("$TTL 300\n"+plain(apex, records...)), "", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		add(rr)
	}
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	add(key)
	var names []string
	for name := range sets {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { // RFC 4034 §6.1: from the right
		x, y := mdns.SplitDomainName(a), mdns.SplitDomainName(b)
		slices.Reverse(x)
		slices.Reverse(y)
		return slices.Compare(x, y)
	})
	for i, name := range names {
		types := []uint16{mdns.TypeRRSIG, mdns.TypeNSEC}
		for kind := range sets[name] {
			types = append(types, kind)
		}
		slices.Sort(types)
		add(&mdns.NSEC{Hdr: mdns.RR_Header{Name: name, Rrtype: mdns.TypeNSEC, Class: mdns.ClassINET, Ttl: 60},
			NextDomain: names[(i+1)%len(names)], TypeBitMap: types})
	}
	var out strings.Builder
	for _, name := range names {
		for _, set := range sets[name] {
			sig := &mdns.RRSIG{Inception: uint32(time.Now().Add(-time.Hour).Unix()), Expiration: uint32(time.Now().Add(time.Hour).Unix()),
				KeyTag: key.KeyTag(), SignerName: apex, Algorithm: key.Algorithm}
			if err := sig.Sign(private.(crypto.Signer), set); err != nil {
				t.Fatal(err)
			}
			for _, rr := range append(set, sig) {
				fmt.Fprintln(&out, rr)
			}
		}
	}
	return out.String(), strings.ReplaceAll(key.ToDS(mdns.SHA256).String(), "\t", " ")
}

// unbound resolves these zones and nothing else; it believes anchor only.
func unbound(t testing.TB, zones map[string]string, anchor string) *dns.Client {
	t.Helper()
	dir := t.TempDir()
	port := free(t)
	conf := fmt.Sprintf("server:\n username: \"\"\n chroot: \"\"\n directory: %q\n pidfile: \"\"\n use-syslog: no\n logfile: \"\"\n do-daemonize: no\n"+
		" verbosity: 1\n interface: 127.0.0.1@%d\n module-config: \"validator iterator\"\n trust-anchor: %q\n num-threads: 1\n do-not-query-localhost: no\n local-zone: test. nodefault\n"+
		"remote-control:\n control-enable: no\n", dir, port, anchor)
	for name, text := range zones {
		file := filepath.Join(dir, name+".zone")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		conf += fmt.Sprintf("auth-zone:\n name: %q\n zonefile: %q\n for-downstream: no\n for-upstream: yes\n", name, file)
	}
	path := filepath.Join(dir, "unbound.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	// A copy: Debian's AppArmor profile lets the one in its place read its own
	// folders only.
	program, err := os.ReadFile("/usr/sbin/unbound")
	if err != nil {
		t.Fatal("unbound is missing: run deploy/test-deps")
	}
	copied := filepath.Join(dir, "unbound")
	if err := os.WriteFile(copied, program, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied, "-d", "-p", "-c", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var log strings.Builder
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		fmt.Fprintln(&log, lines.Text())
		if strings.Contains(lines.Text(), "start of service") {
			go func() {
				for lines.Scan() { // or it would wait for a reader
				}
			}()
			return &dns.Client{Servers: []string{fmt.Sprint("127.0.0.1:", port)}}
		}
	}
	t.Fatalf("unbound does not start:\n%s", log.String())
	return nil
}

// free is a port that nobody has, neither for UDP nor for TCP.
func free(t testing.TB) int {
	t.Helper()
	for range 20 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		pc, err := net.ListenPacket("udp", ln.Addr().String())
		ln.Close()
		if err == nil {
			pc.Close()
			return ln.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("no port is free for both UDP and TCP")
	return 0
}

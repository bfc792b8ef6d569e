package origin

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"colporteur/dkim"
	"colporteur/dkim/arc"
	"colporteur/dns"
	"colporteur/dns/dnstest"
	"colporteur/mail"
)

// now is when the mails of these tests are signed and judged.
var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// world is a zone in which home.test signs, publishes everything, and wants
// forgeries refused.
type world struct {
	*dnstest.Zone
	key dkim.Key
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Zone: dnstest.New(t)}
	w.key = w.signer(t, "home.test")
	// A day, so that a client remembers.
	w.Add(`home.test. 86400 IN TXT "v=spf1 ip4:192.0.2.1 -all"`,
		`mx.home.test. 86400 IN TXT "v=spf1 a -all"`, "mx.home.test. 86400 IN A 192.0.2.1",
		`_dmarc.home.test. 86400 IN TXT "v=DMARC1; p=reject; rua=mailto:r@home.test"`)
	return w
}

func (w *world) signer(t testing.TB, domain string) dkim.Key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	txt, err := dkim.PublicRecord(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	w.Add(fmt.Sprintf("s1._domainkey.%s. 86400 IN TXT %q", domain, txt))
	return dkim.Key{Domain: domain, Selector: "s1", Signer: private}
}

type text string

func (s text) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, string(s))
	return int64(n), err
}

func (w *world) sign(t testing.TB, message string) string {
	t.Helper()
	fields, err := dkim.Sign(t.Context(), []dkim.Key{w.key}, now, text(message))
	if err != nil {
		t.Fatal(err)
	}
	return string(fields) + message
}

func from(sender, helo, ip string) *mail.Envelope {
	env := &mail.Envelope{ID: "m1", Client: mail.Client{IP: netip.MustParseAddr(ip), Helo: helo}}
	if sender != "" {
		env.From = mail.MustAddress(sender)
	}
	return env
}

const letter = "From: Ann <ann@home.test>\r\nTo: bob@other.test\r\nSubject: hello\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@home.test>\r\n\r\nhello\r\n"

func (w *world) judge(t testing.TB, env *mail.Envelope, message string) *mail.Verdict {
	t.Helper()
	return judge(t.Context(), &Judge{DNS: w.Client(), Now: clock}, env, message)
}

func judge(ctx context.Context, j *Judge, env *mail.Envelope, message string) *mail.Verdict {
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	m := j.Begin(ctx, env, []byte(head+"\r\n\r\n"))
	for b := []byte(message); len(b) > 0; { // in pieces, as it comes from a network
		n := min(len(b), 100)
		m.Write(b[:n])
		b = b[n:]
	}
	return m.Verdict()
}

func TestAMailThatProvesEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.judge(t, from("ann@home.test", "mx.home.test", "192.0.2.1"), w.sign(t, letter))
	if v.MailFrom.Result != mail.Pass || v.Helo.Result != mail.Pass || len(v.DKIM) != 1 || v.DKIM[0].Result != mail.Pass || v.ARC.Result != mail.None {
		t.Errorf("got %+v", v)
	}
	d := v.DMARC
	if d.Result != mail.Pass || !d.SPF || !d.DKIM || d.From != "home.test" || d.Org != "home.test" || d.Policy == nil || d.Policy.Demand != mail.DemandReject {
		t.Errorf("DMARC: %+v", d)
	}
}

func TestEachProofHoldsOrFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signed := w.sign(t, letter)
	for _, x := range []struct {
		name     string
		env      *mail.Envelope
		message  string
		sender   mail.Result
		ehlo     mail.Result
		dkim     mail.Result // "" for no signature
		dmarc    mail.Result
		spf, sig bool
	}{
		{"forged", from("ann@home.test", "evil.test", "192.0.2.66"), letter, mail.Fail, mail.None, "", mail.Fail, false, false},
		{"forwarded", from("list@other.test", "mx.other.test", "192.0.2.66"), signed, mail.None, mail.None, mail.Pass, mail.Pass, false, true},
		{"unsigned", from("ann@home.test", "[192.0.2.1]", "192.0.2.1"), letter, mail.Pass, mail.None, "", mail.Pass, true, false},
		{"changed on the way", from("ann@home.test", "x", "192.0.2.66"), signed + "and more\r\n", mail.Fail, mail.None, mail.Fail, mail.Fail, false, false},
		{"a bounce", from("", "mx.home.test", "192.0.2.1"), letter, mail.Pass, mail.Pass, "", mail.Pass, true, false},
		{"a forged bounce", from("", "mx.home.test", "192.0.2.66"), letter, mail.Fail, mail.Fail, "", mail.Fail, false, false},
		{"a second From on top", from("ann@home.test", "mx.home.test", "192.0.2.1"), "From: ceo@bank.test\r\n" + signed, mail.Pass, mail.Pass, mail.Fail, mail.Fail, false, false},
		{"another author beside", from("ann@home.test", "mx.home.test", "192.0.2.1"), strings.Replace(letter, "Ann <", "ceo@bank.test <", 1), mail.Pass, mail.Pass, "", mail.Fail, false, false},
		{"nobody's domain", from("ann@none.test", "mx.none.test", "192.0.2.1"), strings.Replace(letter, "home.test", "none.test", 1), mail.None, mail.None, "", mail.None, false, false},
		{"no From", from("ann@home.test", "mx.home.test", "192.0.2.1"), "Subject: x\r\n\r\n", mail.Pass, mail.Pass, "", mail.PermError, false, false},
		{"no body", from("ann@home.test", "mx.home.test", "192.0.2.1"), "From: ann@home.test\r\n", mail.Pass, mail.Pass, "", mail.Pass, true, false},
	} {
		v := w.judge(t, x.env, x.message)
		var sig mail.Result
		if len(v.DKIM) > 0 {
			sig = v.DKIM[0].Result
		}
		if v.MailFrom.Result != x.sender || v.Helo.Result != x.ehlo || sig != x.dkim || v.DMARC.Result != x.dmarc || v.DMARC.SPF != x.spf || v.DMARC.DKIM != x.sig {
			t.Errorf("%s: got %+v", x.name, v)
		}
	}
}

func TestAChainOfTrustedSealersIsBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sealer := w.signer(t, "list.test")
	message := w.sign(t, letter)
	fields, err := arc.Seal(t.Context(), sealer, now, mail.None, "mx.list.test; spf=pass; dmarc=pass header.from=home.test", text(message))
	if err != nil {
		t.Fatal(err)
	}
	env := from("list@list.test", "mx.list.test", "192.0.2.50")
	for _, trusted := range [][]string{nil, {"list.test"}} {
		var seen string
		j := &Judge{DNS: w.Client(), Now: clock, Sealers: trusted, Seen: func(value string) *mail.Verdict {
			seen = value
			return &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Pass}}
		}}
		v := judge(t.Context(), j, env, string(fields)+message)
		if v.ARC.Result != mail.Pass || (v.ARC.Origin != nil) != (trusted != nil) {
			t.Errorf("trusted %v: got %+v", trusted, v.ARC)
		}
		if trusted != nil && !strings.Contains(seen, "dmarc=pass") {
			t.Errorf("what the sealer saw is %q", seen)
		}
	}
}

func TestSilenceEndsInTemporaryErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	message := w.sign(t, letter)
	for _, name := range []string{"home.test", "mx.home.test", "_dmarc.home.test", "s1._domainkey.home.test"} {
		w.Silence(name)
	}
	start := time.Now()
	j := &Judge{DNS: &dns.Client{Servers: []string{w.Addr}}, Now: clock, Wait: 200 * time.Millisecond}
	v := judge(t.Context(), j, from("ann@home.test", "mx.home.test", "192.0.2.1"), message)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if v.MailFrom.Result != mail.TempError || v.Helo.Result != mail.TempError || v.DKIM[0].Result != mail.TempError || v.DMARC.Result != mail.TempError {
		t.Errorf("got %+v", v)
	}
	if v.DMARC.From != "home.test" || v.MailFrom.Domain != "home.test" {
		t.Errorf("who it would have been is lost: %+v", v)
	}
}

// SPF is silent, the policy is known: it must not end in a fail, which would
// have the mail refused.
func TestWhatCannotBeKnownIsNotRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Silence("home.test")
	j := &Judge{DNS: w.Client(), Now: clock, Wait: 200 * time.Millisecond}
	v := judge(t.Context(), j, from("ann@home.test", "mx.home.test", "192.0.2.1"), letter)
	if v.MailFrom.Result != mail.TempError || v.DMARC.Result != mail.TempError || v.DMARC.Policy == nil || v.Helo.Result != mail.Pass {
		t.Errorf("got %+v", v)
	}
}

// A resolver that cuts every answer off and says nothing over TCP.
func TestWhatIsCutOffForEverIsTemporary(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	pc, err := net.ListenPacket("udp", ln.Addr().String())
	if err != nil {
		t.Skip("the port is not free for UDP")
	}
	server := &mdns.Server{PacketConn: pc, Handler: mdns.HandlerFunc(func(w mdns.ResponseWriter, q *mdns.Msg) {
		m := new(mdns.Msg)
		m.SetReply(q)
		m.Truncated = true
		w.WriteMsg(m)
	})}
	started, ended := make(chan struct{}), make(chan struct{})
	server.NotifyStartedFunc = func() { close(started) }
	go func() { defer close(ended); server.ActivateAndServe() }()
	<-started
	defer func() { server.Shutdown(); <-ended }()
	j := &Judge{DNS: &dns.Client{Servers: []string{ln.Addr().String()}}, Now: clock, Wait: 200 * time.Millisecond}
	start := time.Now()
	v := judge(t.Context(), j, from("ann@home.test", "mx.home.test", "192.0.2.1"), letter)
	if v.MailFrom.Result != mail.TempError || v.DMARC.Result != mail.TempError || time.Since(start) > 2*time.Second {
		t.Errorf("got %+v after %v", v, time.Since(start))
	}
}

func TestWhoLeavesEndsTheJudging(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	message := w.sign(t, letter)
	w.Silence("home.test")
	w.Silence("_dmarc.home.test")
	w.Silence("s1._domainkey.home.test")
	ctx, cancel := context.WithCancel(t.Context())
	j := &Judge{DNS: w.Client(), Now: clock}
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	m := j.Begin(ctx, from("ann@home.test", "mx.home.test", "192.0.2.1"), []byte(head+"\r\n\r\n"))
	m.Write([]byte(message))
	for w.Asked("home.test") == 0 || w.Asked("_dmarc.home.test") == 0 { // they wait for an answer now
		runtime.Gosched()
	}
	cancel()
	start := time.Now()
	v := m.Verdict()
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if v.DMARC.Result != mail.TempError {
		t.Errorf("got %+v", v)
	}
}

func TestAHundredSignaturesAreNoWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signed := w.sign(t, letter)
	fields := strings.TrimSuffix(signed, letter)
	many := strings.Repeat(fields, 100) + letter
	start := time.Now()
	v := w.judge(t, from("list@other.test", "mx.other.test", "192.0.2.66"), many)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(v.DKIM) > 10 || v.DMARC.Result != mail.Pass {
		t.Errorf("%d results, %+v", len(v.DKIM), v.DMARC)
	}
	if n := w.Asked("s1._domainkey.home.test"); n != 1 {
		t.Errorf("the key was asked for %d times", n)
	}
}

// A mail as strangers send most of them, from a domain whose answers are known.
func BenchmarkUnsignedFromAKnownDomain(b *testing.B) {
	w := newWorld(b)
	w.Add("_dmarc.test. 86400 IN A 192.0.2.1") // exists, and has no TXT
	j := &Judge{DNS: w.Client(), Now: clock}
	env := from("ann@home.test", "mx.home.test", "192.0.2.1")
	head, _, _ := strings.Cut(letter, "\r\n\r\n")
	header := []byte(head + "\r\n\r\n")
	message := []byte(letter)
	body := bytes.Repeat([]byte("hello, this is a line of a mail\r\n"), 1000)
	b.ReportAllocs()
	for b.Loop() {
		m := j.Begin(b.Context(), env, header)
		m.Write(message)
		m.Write(body)
		if v := m.Verdict(); v.DMARC.Result != mail.Pass {
			b.Fatalf("got %+v", v)
		}
	}
}

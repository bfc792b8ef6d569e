package interop

import (
	"fmt"
	"net"
	"net/smtp"
	"os"
	"strings"
	"testing"

	"colporteur/dns/dnstest"
	"colporteur/world"
)

// TestPostfixBelievesOurMailAndWeJudgeIts has Debian's Postfix, with OpenDKIM
// and OpenDMARC, on the other side, in both directions.
func TestPostfixBelievesOurMailAndWeJudgeIts(t *testing.T) {
	n := 1 + os.Getpid()%250
	zone := dnstest.At(t, fmt.Sprintf("127.0.153.%d:53", n))
	w := world.With(t, zone)
	home := w.Server("home.test")
	home.Publish("p=reject")
	ann := home.Member("ann")
	ip := fmt.Sprintf("127.0.154.%d", n)
	w.DNS.Point("post.test", "mail.post.test", ip)
	w.DNS.TXT("_dmarc.post.test", "v=DMARC1; p=reject")
	zone.Sign(".")
	cert := w.TLS.Certificates[0]
	for _, host := range []string{"mail.home.test", "mail.post.test"} { // DANE, both ways
		zone.Add(fmt.Sprintf("_%d._tcp.%s. TLSA %s", w.Port(), host, tlsa(cert)))
	}
	p := startPostfix(t, zone, "post.test", ip, w.Port(), "home.test", cert)

	ann.Send("bob@post.test", world.Subject("La mer"), world.Text("Cher Bob, "+strings.Repeat("à bientôt ", 5)+"\r\n"))
	w.Settle()
	eventually(t, "the mail in Postfix's mailbox", func() bool { return len(p.mails()) == 1 })
	got := p.mails()[0]
	for _, want := range []string{"dmarc=pass", "spf=pass", "dkim=pass (2048-bit key", "Received: from mail.home.test", "using TLSv1.3"} {
		if !strings.Contains(got, want) {
			t.Errorf("Postfix does not say %q:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "dkim=pass"); n != 2 {
		t.Errorf("OpenDKIM believes %d of two signatures:\n%s", n, got)
	}

	// And back: over a connection that DANE proves.
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).Dial("tcp", net.JoinHostPort(ip, fmt.Sprint(w.Port())))
	if err != nil {
		t.Fatal(err)
	}
	s, err := smtp.NewClient(c, "mail.post.test")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Mail("bob@post.test"); err != nil {
		t.Fatal(err)
	}
	if err := s.Rcpt(ann.Address); err != nil {
		t.Fatal(err)
	}
	body, err := s.Data()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(body, "From: bob@post.test\r\nTo: ann@home.test\r\nSubject: Re: la mer\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@post.test>\r\n\r\nOui !\r\n")
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	s.Quit()
	eventually(t, "the answer in Ann's INBOX", func() bool { return len(ann.Inbox().All) == 1 })
	m := ann.Inbox().One()
	results := strings.Join(strings.Fields(m.Header.Get("Authentication-Results")), " ")
	if !strings.HasPrefix(results, "mail.home.test;") || !strings.Contains(results, "spf=pass") || !strings.Contains(results, "dmarc=pass") {
		t.Errorf("we say: %s", results)
	}
	if !strings.Contains(p.log(), "Verified TLS connection established to mail.home.test") {
		t.Error("Postfix did not verify us by DANE")
	}
}

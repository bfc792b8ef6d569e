package world_test

import (
	"strings"
	"testing"

	"colporteur/config"
	cmail "colporteur/mail"
	"colporteur/world"
)

// from is a mail of a stranger.
func from(header string, more ...string) []byte {
	return []byte("From: " + header + "\r\n" + strings.Join(append(more, ""), "\r\n") + "Subject: Bonjour\r\nMessage-ID: <1@stranger.test>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nUn mot.\r\n")
}

func TestAForgeryIsRefusedWhileItsSenderIsStillThere(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	w.DNS.TXT("_dmarc.bank.test", "v=DMARC1; p=reject")
	w.DNS.TXT("bank.test", "v=spf1 ip4:192.0.2.1 -all")
	w.DNS.TXT("list.test", "v=spf1 ip4:127.0.0.0/8 -all")
	w.DNS.TXT("_dmarc.shop.test", "v=DMARC1; p=quarantine")
	w.DNS.TXT("_dmarc.plain.test", "v=DMARC1; p=none")

	err := home.FromOutside("x@bank.test", []string{ann.Address}, from("<x@bank.test>"))
	if err == nil || !strings.Contains(err.Error(), "550") || !strings.Contains(err.Error(), "bank.test") {
		t.Errorf("a forgery: %v", err)
	}
	ann.Inbox().Empty()

	// A list breaks the proof too; it vouches for what it sends.
	if err := home.FromOutside("l@list.test", []string{ann.Address}, from("<x@bank.test>")); err != nil {
		t.Errorf("by a list: %v", err)
	}
	if err := home.FromOutside("x@shop.test", []string{ann.Address}, from("<x@shop.test>")); err != nil {
		t.Errorf("quarantine: %v", err)
	}
	if n := len(ann.Folder("Indésirables").All); n != 2 {
		t.Errorf("%d mails in Junk, want 2", n)
	}
	if err := home.FromOutside("x@plain.test", []string{ann.Address}, from("<x@plain.test>")); err != nil {
		t.Errorf("p=none: %v", err)
	}
	m := ann.Inbox().One()
	if ar := m.Header.Get("Authentication-Results"); !strings.HasPrefix(ar, "mail.home.test;") || !strings.Contains(ar, "dmarc=fail") {
		t.Errorf("Authentication-Results: %s", ar)
	}
}

func TestOurNameFromOutsideIsRefused(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	w.DNS.Remove("home.test", 16)
	w.DNS.TXT("home.test", "v=spf1 ip4:192.0.2.1 -all")
	w.DNS.TXT("else.test", "v=spf1 ip4:127.0.0.0/8 -all")
	for _, c := range []struct{ sender, from string }{
		{"ann@home.test", "<ann@home.test>"},
		{"x@else.test", "<ann@home.test>"},
		{"x@else.test", "Ann <ann@pay.home.test>"},
		{"ann@home.test", "<x@else.test>"},
		{"", "Ann <ann@home.test>"},
	} {
		err := home.FromOutside(c.sender, []string{ann.Address}, from(c.from))
		if err == nil || !strings.Contains(err.Error(), "550") {
			t.Errorf("MAIL FROM:<%s>, From: %s: got %v, want 550", c.sender, c.from, err)
		}
	}
	ann.Inbox().Empty()
	ann.Send(ann.Address) // who signs in may
	ann.Inbox().One()
}

func TestAResultThatPretendsToBeOursIsKeptAndNotServed(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	forged := "Authentication-Results: mail.home.test; dmarc=pass header.from=bank.test"
	if err := home.FromOutside("x@else.test", []string{ann.Address}, from("<x@else.test>",
		forged, "AUTHENTICATION-RESULTS : (hi)\r\n Mail.Home.Test 1; spf=pass", "Authentication-Results: far.test; spf=pass")); err != nil {
		t.Fatal(err)
	}
	m := ann.Inbox().One().SaysNot("dmarc=pass", "AUTHENTICATION-RESULTS", "(hi)")
	all := m.Header["Authentication-Results"]
	if len(all) != 2 || !strings.HasPrefix(all[0], "mail.home.test;") || !strings.HasPrefix(all[1], "far.test;") {
		t.Errorf("served: %q", all)
	}
	if !strings.Contains(m.Raw, "Subject: Bonjour") || m.Text != "Un mot.\r\n" {
		t.Errorf("what is around it changed:\n%s", m.Raw)
	}
}

func TestAListedForwarderIsNotBlamedForForwarding(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test", func(c *config.Config) { c.Origin.Forwarders = []string{"alumni.test"} })
	ann := home.Member("ann")
	w.DNS.TXT("_dmarc.bank.test", "v=DMARC1; p=reject")
	w.DNS.TXT("alumni.test", "v=spf1 ip4:127.0.0.0/8 -all")
	if err := home.FromOutside("SRS0=x@alumni.test", []string{ann.Address}, from("<x@bank.test>")); err != nil {
		t.Fatal(err)
	}
	ann.Inbox().One()
}

func TestSilentDNSHoldsUpNobodysMail(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	for _, n := range []string{"dead.test", "_dmarc.dead.test", "stranger.test"} {
		w.DNS.Break(n)
	}
	if err := home.FromOutside("x@dead.test", []string{ann.Address}, from("<x@dead.test>")); err != nil {
		t.Fatal(err)
	}
	m := ann.Inbox().One()
	if ar := m.Header.Get("Authentication-Results"); !strings.Contains(ar, "dmarc=temperror") {
		t.Errorf("Authentication-Results: %s", ar)
	}
}

// results is the Authentication-Results that the server of a mail wrote.
func results(m *world.Mail) string {
	return strings.Join(strings.Fields(m.Header.Get("Authentication-Results")), " ")
}

func TestMailBetweenHostsIsProvenTwiceOver(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	home.Publish("p=reject")
	far.Publish("p=reject")
	ann, bob := home.Member("ann"), far.Member("bob")
	ann.Send(bob.Address, world.Subject("Été"), world.Text("Long :\r\n"+strings.Repeat("é à ù ", 500)+"\r\n\r\n\r\n"))
	w.Settle()
	m := bob.Inbox().One()
	got := results(m)
	if !strings.HasPrefix(got, "mail.far.test;") || strings.Count(got, "dkim=pass") != 2 || !strings.Contains(got, "dmarc=pass") || !strings.Contains(got, "spf=pass") {
		t.Errorf("results: %s\n%s", got, m.Raw)
	}
	for _, a := range []string{"rsa-sha256", "ed25519-sha256"} {
		if !strings.Contains(m.Raw, "a="+a) {
			t.Errorf("no %s signature:\n%s", a, m.Raw)
		}
	}

	// What we write ourselves is proven too: a bounce, and a workflow's answer.
	bob.Send("nobody@home.test")
	bob.Send("ann@home.test")
	ann.Send("envoi@home.test", world.Cc(bob), world.Attach("a.txt", "text/plain", []byte("hello")))
	ann.Send("nobody@far.test")
	w.Settle()
	for _, m := range bob.Inbox().All[1:] {
		if strings.Contains(m.Header.Get("Return-Path"), "<>") && !strings.Contains(results(m), "dmarc=pass") && strings.Contains(m.Raw, "by mail.home.test") {
			t.Errorf("%q is not proven: %s", m.Subject, results(m))
		}
	}
	link := bob.Inbox().Last()
	if !strings.Contains(results(link), "dmarc=pass") {
		t.Errorf("the invitation %q: %s", link.Subject, results(link))
	}
}

func TestForwardedMailCarriesASealThatATrustingHostBelieves(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	trusting := w.Server("away.test", func(c *config.Config) { c.Origin.TrustedSealers = []string{"home.test"} })
	home.Publish("p=reject")
	far.Publish("p=reject")
	bob, carol := far.Member("bob"), trusting.Member("carol")
	if err := home.Accounts.AddAlias(t.Context(), cmail.MustAddress("quartier@home.test"), cmail.MustAddress(carol.Address)); err != nil {
		t.Fatal(err)
	}
	bob.Send("quartier@home.test", world.Subject("Pour tous"))
	w.Settle()
	m := carol.Inbox().One()
	if got := results(m); !strings.Contains(got, "arc=pass") || !strings.Contains(got, "dmarc=pass") {
		t.Errorf("results: %s\n%s", got, m.Raw)
	}
	if from := m.Header.Get("From"); !strings.Contains(from, bob.Address) {
		t.Errorf("a proof that survives was given up: From: %s", from)
	}
	for _, f := range []string{"Arc-Seal", "Arc-Message-Signature", "Arc-Authentication-Results"} {
		if m.Header.Get(f) == "" {
			t.Errorf("no %s:\n%s", f, m.Raw)
		}
	}
}

func TestWhereProofEndsAtTheAliasItsNameStandsInFrom(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, away := w.Server("home.test"), w.Server("away.test")
	home.Publish("p=reject")
	ann, carol := home.Member("ann"), away.Member("carol")
	for _, to := range []string{carol.Address, ann.Address} {
		if err := home.Accounts.AddAlias(t.Context(), cmail.MustAddress("quartier@home.test"), cmail.MustAddress(to)); err != nil {
			t.Fatal(err)
		}
	}
	w.DNS.TXT("bank.test", "v=spf1 ip4:127.0.0.0/8 -all") // proof by SPF alone: it ends at home
	w.DNS.TXT("_dmarc.bank.test", "v=DMARC1; p=reject")
	raw := "From: \"Banque Élan\" <info@bank.test>\r\nTo: quartier@home.test\r\nSubject: Relevé\r\nMessage-ID: <r1@bank.test>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nVoilà.\r\n--b--\r\n"
	if err := home.FromOutside("info@bank.test", []string{"quartier@home.test"}, []byte(raw)); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	m := carol.Inbox().One().Says("Voilà.")
	if got := results(m); !strings.Contains(got, "dmarc=pass") || !strings.Contains(got, "header.from=home.test") {
		t.Errorf("results: %s\n%s", got, m.Raw)
	}
	if from := m.Header.Get("From"); !strings.Contains(from, "<quartier@home.test>") || len(m.Header["From"]) != 1 {
		t.Errorf("From: %q", m.Header["From"])
	}
	if m.ReplyTo() != "info@bank.test" {
		t.Errorf("an answer goes to %s", m.ReplyTo())
	}
	// Who reads it here reads it as it came.
	if from := ann.Inbox().One().Header.Get("From"); !strings.Contains(from, "<info@bank.test>") {
		t.Errorf("at home: From: %s", from)
	}
}

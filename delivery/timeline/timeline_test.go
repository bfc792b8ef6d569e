package timeline_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/delivery/timeline"
	"colporteur/locale"
	"colporteur/mail"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// tell is a story as somebody in Paris reads it, with the levels of its lines.
func tell(t *testing.T, lang string, s delivery.Story) string {
	t.Helper()
	zone := time.FixedZone("CET", 3600)
	p := locale.For(lang)
	out := timeline.Title(s, p, zone) + "\n"
	for _, l := range timeline.Lines(s) {
		out += l.At.In(zone).Format("15:04") + " " + string(l.Level) + " " + l.In(p, zone) + "\n"
	}
	return strings.ReplaceAll(out, "\u00a0", " ")
}

func compare(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func to(addr string, where mail.Where) []delivery.Stop {
	return []delivery.Stop{{Addr: addr, Where: where}}
}

var sent = delivery.Story{
	{Mail: "m1", At: noon, What: delivery.Accepted, From: "ann@home.test", Member: "ann@home.test", MessageID: "1@home.test", IP: "192.0.2.1",
		TLS: "TLS1.3 TLS_AES_128_GCM_SHA256", Size: 12_345, To: []delivery.Stop{
			{Addr: "bob@orange.fr", Where: mail.ToRelay}, {Addr: "eve@home.test", Via: "office@home.test", Where: mail.ToMailbox},
			{Addr: "envoi@home.test", Where: mail.ToProgram}, {Addr: "guest@far.test"}}},
	{At: noon.Add(time.Minute), What: delivery.Held},
	{At: noon.Add(2 * time.Minute), What: delivery.Released, To: to("bob@orange.fr", mail.ToRelay)},
	{At: noon.Add(time.Hour), What: delivery.Delayed, To: to("bob@orange.fr", mail.ToRelay), Reply: "smtp-in.orange.fr: 421 Service refuse OFR_999",
		Why: mail.MakeText("provider-blocked-now", "Address", "bob@orange.fr", "Domain", "orange.fr", "Provider", "Orange", "Form", "")},
	{At: noon.Add(122 * time.Minute), What: delivery.Relayed, To: to("bob@orange.fr", mail.ToRelay), Host: "smtp-in.orange.fr", TLS: "TLS1.3", Reply: "250 2.0.0 ok"},
	{At: noon.Add(123 * time.Minute), What: delivery.Processed, To: to("envoi@home.test", mail.ToProgram)},
}

func TestAMailIsToldAsATimeline(t *testing.T) {
	t.Parallel()
	compare(t, tell(t, "en", sent), `
Monday 23 November 2026, mail m1 from ann@home.test, <1@home.test>
13:00 step accepted from ann@home.test [192.0.2.1], who signed in, over TLS 1.3, 12 kB
13:00 step queued for orange.fr, to bob@orange.fr
13:00 done filed in the mailbox of eve@home.test (written to office@home.test)
13:00 step given to the program envoi@home.test
13:00 step guest@far.test gets a link instead of the mail
13:01 wait kept back by the operator
13:02 step let go by the operator for bob@orange.fr
14:00 wait not yet delivered to bob@orange.fr, will be tried again. orange.fr takes no mail from our server for some hours, whoever writes it. It is not about you. We keep trying.
14:00 wait in detail: smtp-in.orange.fr: 421 Service refuse OFR_999
15:02 done handed to smtp-in.orange.fr for bob@orange.fr, over TLS 1.3
15:02 done its answer: 250 2.0.0 ok
15:03 done envoi@home.test has done its work
`)
	compare(t, tell(t, "fr", sent), `
lundi 23 novembre 2026, courrier m1 de ann@home.test, <1@home.test>
13:00 step reçu de ann@home.test [192.0.2.1], qui s'est identifié, en TLS 1.3, 12 ko
13:00 step en route vers orange.fr, pour bob@orange.fr
13:00 done rangé dans la boîte de eve@home.test (écrit à office@home.test)
13:00 step confié au programme envoi@home.test
13:00 step guest@far.test reçoit un lien à la place du courrier
13:01 wait retenu par l'exploitant
13:02 step relâché par l'exploitant pour bob@orange.fr
14:00 wait pas encore remis à bob@orange.fr, sera réessayé. orange.fr ne prend aucun courrier de notre serveur pendant quelques heures, de qui que ce soit. Cela ne vient pas de vous. Nous essayons encore.
14:00 wait en détail : smtp-in.orange.fr: 421 Service refuse OFR_999
15:02 done remis à smtp-in.orange.fr pour bob@orange.fr, en TLS 1.3
15:02 done sa réponse : 250 2.0.0 ok
15:03 done envoi@home.test a fait son travail
`)
}

func TestAMailThatWaitsForItsHourIsFiledThen(t *testing.T) {
	t.Parallel()
	first := delivery.Event{Mail: "m5", At: noon, What: delivery.Accepted, From: "ann@home.test", Member: "ann@home.test", Size: 500,
		Until: noon.Add(time.Hour), To: []delivery.Stop{{Addr: "eve@home.test", Where: mail.ToMailbox}, {Addr: "bob@far.test", Where: mail.ToRelay}}}
	then := first
	then.At, then.Until = first.Until, time.Time{}
	late := delivery.Event{At: noon.Add(2 * time.Hour), What: delivery.Delayed, To: to("bob@far.test", mail.ToRelay), Until: noon.Add(3 * time.Hour)}
	s := delivery.Story{first, then, late}
	compare(t, tell(t, "en", s), `
Monday 23 November 2026, mail m5 from ann@home.test
13:00 step accepted from ann@home.test, who signed in, 500 B
13:00 wait waits for its hour to go to eve@home.test, bob@far.test: Monday 23 November 2026, 14:00
14:00 step its hour has come
14:00 done filed in the mailbox of eve@home.test
14:00 step queued for far.test, to bob@far.test
15:00 wait not yet delivered to bob@far.test, will be tried again (Monday 23 November 2026, 16:00)
`)
	compare(t, tell(t, "fr", s), `
lundi 23 novembre 2026, courrier m5 de ann@home.test
13:00 step reçu de ann@home.test, qui s'est identifié, 500 octets
13:00 wait attend son heure pour partir vers eve@home.test, bob@far.test : lundi 23 novembre 2026, 14:00
14:00 step son heure est venue
14:00 done rangé dans la boîte de eve@home.test
14:00 step en route vers far.test, pour bob@far.test
15:00 wait pas encore remis à bob@far.test, sera réessayé (lundi 23 novembre 2026, 16:00)
`)
}

func TestAMailFromOutsideSaysWhatWasFoundOut(t *testing.T) {
	t.Parallel()
	from := delivery.Event{Mail: "m2", At: noon, What: delivery.Accepted, From: "x@far.test", Helo: "mx.far.test", IP: "192.0.2.9", Size: 500,
		To: to("ann@home.test", mail.ToMailbox), Proof: "spf=pass dkim=pass dmarc=pass", Action: delivery.ToInbox}
	junk := from
	junk.Proof, junk.Action, junk.From, junk.TLS = "spf=fail dkim=none dmarc=fail", delivery.ToJunk, "", "TLS 1.2"
	no := from
	no.What, no.Action, no.Proof, no.Why = delivery.Refused, "", "spf=none dkim=none dmarc=temperror", mail.MakeText("judge-forged", "Domain", "bank.test")
	quiet := from
	quiet.Proof = "spf=pass dkim=none dmarc=none"
	compare(t, tell(t, "en", delivery.Story{from})+tell(t, "en", delivery.Story{junk})+tell(t, "en", delivery.Story{no})+tell(t, "en", delivery.Story{quiet}), `
Monday 23 November 2026, mail m2 from x@far.test
13:00 step accepted from mx.far.test [192.0.2.9], in clear, 500 B
13:00 step the sender's domain confirms it (spf=pass dkim=pass dmarc=pass)
13:00 done filed in the mailbox of ann@home.test
Monday 23 November 2026, mail m2 from the mail system itself
13:00 step accepted from mx.far.test [192.0.2.9], over TLS 1.2, 500 B
13:00 step the sender's domain does not confirm it (spf=fail dkim=none dmarc=fail)
13:00 done filed under Junk in the mailbox of ann@home.test
Monday 23 November 2026, mail m2 from x@far.test
13:00 step offered by mx.far.test [192.0.2.9], in clear, for ann@home.test
13:00 step whether it comes from its sender could not be found out (spf=none dkim=none dmarc=temperror)
13:00 lost refused: This mail says it is from bank.test, and nothing proves it. bank.test asks that such mail be refused. If you are the sender, send through the server of that domain.
Monday 23 November 2026, mail m2 from x@far.test
13:00 step accepted from mx.far.test [192.0.2.9], in clear, 500 B
13:00 step the sender's domain does not say how to tell its mail (spf=pass dkim=none dmarc=none)
13:00 done filed in the mailbox of ann@home.test
`)
	compare(t, tell(t, "fr", delivery.Story{junk})+tell(t, "fr", delivery.Story{no}), `
lundi 23 novembre 2026, courrier m2 de la messagerie elle-même
13:00 step reçu de mx.far.test [192.0.2.9], en TLS 1.2, 500 octets
13:00 step le domaine de l'expéditeur ne le confirme pas (spf=fail dkim=none dmarc=fail)
13:00 done rangé parmi les indésirables de ann@home.test
lundi 23 novembre 2026, courrier m2 de x@far.test
13:00 step proposé par mx.far.test [192.0.2.9], en clair, pour ann@home.test
13:00 step on n'a pas pu savoir s'il vient bien de son expéditeur (spf=none dkim=none dmarc=temperror)
13:00 lost refusé : Ce courrier se dit de bank.test, et rien ne le prouve. bank.test demande de refuser de tels courriers. Si vous en êtes l'expéditeur, envoyez par le serveur de ce domaine.
`)
}

func TestEveryEndIsTold(t *testing.T) {
	t.Parallel()
	s := delivery.Story{
		{Mail: "m3", At: noon, What: delivery.Accepted, Size: 500},
		{At: noon, What: delivery.Bounced, To: to("bob@far.test", mail.ToRelay), Reply: "relay-why-dns", Why: mail.MakeText("relay-why-dns", "Domain", "far.test")},
		{At: noon, What: delivery.Bounced, To: to("bob@far.test", mail.ToRelay), Reply: "550 no"}, // of a time before reasons were kept
		{At: noon, What: delivery.Declined, To: to("envoi@home.test", mail.ToProgram), Reply: "too big"},
		{At: noon, What: delivery.Cancelled, To: to("bob@far.test", mail.ToRelay)},
		{At: noon, What: "eaten", To: to("bob@far.test", mail.ToRelay)},
	}
	compare(t, tell(t, "en", s), `
Monday 23 November 2026, mail m3 from the mail system itself
13:00 step accepted from this server itself, 500 B
13:00 lost given up for bob@far.test. The directory of the Internet (DNS) does not answer for far.test.
13:00 lost given up for bob@far.test
13:00 lost in detail: 550 no
13:00 lost envoi@home.test declined and told the sender: too big
13:00 lost cancelled for bob@far.test: it is not sent any more
13:00 step eaten for bob@far.test
`)
	compare(t, tell(t, "fr", s), `
lundi 23 novembre 2026, courrier m3 de la messagerie elle-même
13:00 step reçu de ce serveur lui-même, 500 octets
13:00 lost abandonné pour bob@far.test. L'annuaire d'Internet (DNS) ne répond pas pour far.test.
13:00 lost abandonné pour bob@far.test
13:00 lost en détail : 550 no
13:00 lost envoi@home.test n'en a pas voulu et l'a dit à l'expéditeur : too big
13:00 lost annulé pour bob@far.test : il ne sera plus envoyé
13:00 step eaten pour bob@far.test
`)
}

func TestAStoryReadsTheSameAfterTheDatabase(t *testing.T) {
	t.Parallel()
	var again delivery.Story
	for _, e := range sent {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back delivery.Event
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		back.Mail, back.At, back.What = e.Mail, e.At, e.What
		again = append(again, back)
	}
	for _, lang := range locale.Langs {
		compare(t, tell(t, lang, again), tell(t, lang, sent))
	}
}

func TestWordsOfStrangersStayOnTheirLine(t *testing.T) {
	t.Parallel()
	evil := "\x1b[2J\r\n\u202eevil\u200b\u009b\u2028{{.Who}}" + strings.Repeat("é", 5000)
	s := delivery.Story{{Mail: "m4", At: noon, What: delivery.Refused, From: evil, Helo: evil, IP: "192.0.2.9", MessageID: evil, TLS: evil, Proof: evil, To: to(evil, 0), Reply: evil},
		{At: noon, What: delivery.Relayed, Host: evil, To: to(evil, 0), Reply: evil}, {At: noon, What: evil},
		{At: noon, What: delivery.Delayed, Why: mail.MakeText("relay-why-full", "Address", mail.MakeText("relay-why-full", "Address", evil))}}
	got := tell(t, "en", s)
	if n := strings.Count(got, "\n"); n != 8 {
		t.Errorf("%d lines:\n%q", n, got)
	}
	if strings.ContainsAny(got, "\x1b\r\u202e\u200b\u009b\u2028") || strings.Contains(got, "<no value>") || len(got) > 20_000 {
		t.Errorf("%d octets: %.500q", len(got), got)
	}
}

func TestAProtectionIsNamedTheSameWay(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"TLS1.3 TLS_AES_128_GCM_SHA256": "TLS 1.3", "TLS 1.2 TLS_X": "TLS 1.2", "TLS1.3": "TLS 1.3", "TLSv1.3": "TLS 1.3", "odd": "odd"} {
		got := tell(t, "en", delivery.Story{{At: noon, What: delivery.Accepted, IP: "192.0.2.9", Helo: "x", TLS: in}})
		if !strings.Contains(got, "over "+want+", ") {
			t.Errorf("%s: %s", in, got)
		}
	}
}

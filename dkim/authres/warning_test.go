package authres

import (
	"strings"
	"testing"
	"time"

	"colporteur/locale"
	"colporteur/mail"
)

// warned are the ids of what a reader is told, without their beginning.
func warned(from mail.Mailbox, replyTo ...mail.Mailbox) string {
	var out []string
	for _, t := range Warnings(from, replyTo) {
		out = append(out, strings.TrimPrefix(t.ID, "origin-warn-"))
	}
	return strings.Join(out, " ")
}

func TestSendersWhoLookLikeOthersAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, addr, want string }{
		{"", "x@аррӏе.com", "domain"},          // all Cyrillic
		{"", "x@xn--80ak6aa92e.com", "domain"}, // the same, as machines write it
		{"", "x@pаypal.com", "domain"},         // one Cyrillic а
		{"", "x@xn--pypal-4ve.com", "domain"},  //
		{"", "x@gοοgle.com", "domain"},         // Greek ο
		{"", "x@ɡoogle.com", "domain"},         // IPA ɡ
		{"", "x@paypaĺ.com", "domain"},         // an accent on a well-known name
		{"", "x@lapōste.fr", "domain"},         //
		{"", "x@googıe.com", "domain"},         // a dotless i
		{"", "x@оса.com", "domain"},            //
		{"", "not an address", "address"},      //
		{"PаyPal", "x@far.test", "letters"},    // Cyrillic а
		{"Αmazon", "x@far.test", "letters"},    // Greek Alpha
		{"Ann\u202egpj.exe", "x@far.test", "hidden"},
		{"Pay\u200bPal", "x@far.test", "hidden"},
		{"Pay\u00adPal", "x@far.test", "hidden"},
		{"Pay\u200dPal", "x@far.test", "hidden"},
		{"ceo@bank", "x@far.test", "name"},
		{"ceo@bank.fr", "x@far.test", "name"},
		{"Le président (ceo@asso.fr)", "ceo@evil.test", "name"},
		{"ceo＠asso.fr", "ceo@evil.test", "name"},
		{"ceo@a\u200bsso.fr", "ceo@evil.test", "hidden name"},
		{"impots.gouv.fr", "x@evil.com", "name"},
		{"Service Amazon.fr", "x@amazon-fr.xyz", "name"},
		{"PAYPAL.COM", "x@paypal.xyz", "name"},
		{"www.laposte.fr", "x@evil.org", "name"},
		{"réponse de crédit.fr", "x@evil.org", "name"},
	} {
		if got := warned(mail.Mailbox{Name: c.name, Addr: c.addr}); got != c.want {
			t.Errorf("%q <%s>: got %q, want %q", c.name, c.addr, got, c.want)
		}
	}
	for _, c := range []struct{ from, reply, want string }{
		{"info@abeille.fr", "chef@gmail.com", "reply"},
		{"info@abeille.fr", "info@lists.abeille.fr", ""},
		{"info@news.abeille.co.uk", "info@abeille.co.uk", ""},
		{"a@one.github.io", "b@two.github.io", "reply"},
		{"info@abeille.fr", "", ""},
		{"info@abeille.fr", "nonsense", ""},
	} {
		if got := warned(mail.Mailbox{Addr: c.from}, mail.Mailbox{Addr: c.from}, mail.Mailbox{Addr: c.reply}); got != c.want {
			t.Errorf("%s, answers to %s: got %q, want %q", c.from, c.reply, got, c.want)
		}
	}
}

func TestOrdinaryNamesOfTheWorldRaiseNoWarning(t *testing.T) {
	t.Parallel()
	for _, m := range []mail.Mailbox{
		{Name: "Élodie Lefèvre", Addr: "elodie@orange.fr"},
		{Name: "Дмитрий Осипов", Addr: "d@почта.рф"},
		{Name: "Роса Ласкова", Addr: "r@xn--80a1acny.xn--p1ai"},
		{Name: "Αθηνά Παπαδοπούλου", Addr: "a@ελλάδα.ελ"},
		{Name: "Νίκος", Addr: "n@ουτοπία.com"}, // has letters that are not alike
		{Name: "Jürgen Müller-Lüdenscheidt", Addr: "j@müller.de"},
		{Name: "Société d'apiculture", Addr: "miel@société-apiculture.fr"},
		{Name: "Bücherei", Addr: "info@bücher.example"},
		{Name: "Łukasz Żółć", Addr: "l@żółć.pl"},
		{Name: "Trần Thị Ánh", Addr: "t@tiếngviệt.vn"},
		{Name: "Işıl Yılmaz", Addr: "i@yılmaz.tr"},
		{Name: "田中さくら", Addr: "s@日本語.jp"},
		{Name: "김철수", Addr: "k@한국어.kr"},
		{Name: "王小明 Wang", Addr: "w@中文.cn"},
		{Name: "محمد علی\u200cزاده", Addr: "m@مثال.com"},
		{Name: "שָׁלוֹם\u200e (Shalom)", Addr: "s@דוגמה.co.il"},
		{Name: "क्\u200dष", Addr: "h@उदाहरण.भारत"},
		{Name: "Famille 👨\u200d👩\u200d👧", Addr: "f@asso.fr"},
		{Name: "Ann 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", Addr: "f@asso.fr"},
		{Name: "Amazon.fr", Addr: "no-reply@marketplace.amazon.fr"},
		{Name: "info@asso.fr", Addr: "info@asso.fr"},
		{Name: "Jean via liste@abeille.fr", Addr: "liste@lists.abeille.fr"},
		{Name: "Dr.No", Addr: "no@asso.fr"},
		{Name: "J.P. Martin", Addr: "jp@asso.fr"},
		{Name: "Anne.Marie", Addr: "am@asso.fr"},
		{Name: "St.Pierre et Miquelon", Addr: "a@asso.fr"},
		{Name: "M.de La Tour", Addr: "a@asso.fr"},
		{Name: "@jean", Addr: "jean@asso.fr"},
		{Name: "Les Amis du 1er.", Addr: "a@asso.fr"},
		{Name: "αβγLab βΩΣx", Addr: "a@asso.fr"},
		{Name: "Docteur.No", Addr: "no@asso.fr"},
		{Name: "bar le.la", Addr: "a@asso.fr"},
		{Name: "µTorrent 10Ω", Addr: "a@asso.fr"},
		{Name: "Привет Team", Addr: "a@asso.fr"},
		{Name: "", Addr: ""},
	} {
		if got := warned(m, m); got != "" {
			t.Errorf("%q <%s>: warned of %s", m.Name, m.Addr, got)
		}
	}
}

func TestADomainIsShownInItsLettersOrAsMachinesWriteIt(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{
		"asso.fr": "asso.fr", "xn--bcher-kva.example": "bücher.example", "xn--80ak6aa92e.com": "xn--80ak6aa92e.com", "xn--": "xn--", "a.xn--zzzzzzzz": "a.xn--zzzzzzzz",
	} {
		if got, honest := ShowDomain(domain); got != want || honest == (got == domain && strings.Contains(domain, "xn--")) {
			t.Errorf("%s: got %s, %v", domain, got, honest)
		}
	}
}

func TestWarningsAreSentences(t *testing.T) {
	t.Parallel()
	all := Warnings(mail.Mailbox{Name: "PаyPal\u200b service@paypal.com", Addr: "x@pаypal.com"}, []mail.Mailbox{{Addr: "x@evil.test"}})
	if len(all) != 5 {
		t.Errorf("%d warnings: %v", len(all), all)
	}
	for _, lang := range locale.Langs {
		for _, w := range all {
			got := locale.For(lang).Text(w)
			if got == w.ID || strings.Contains(got, "<no value>") || strings.ContainsAny(got, "а\u200b") {
				t.Errorf("%s: %q", lang, got)
			}
		}
	}
	start := time.Now()
	for _, s := range []string{strings.Repeat("a.", 100_000), strings.Repeat("a@", 100_000), strings.Repeat("а", 100_000), strings.Repeat("ǆ\u200b", 50_000)} {
		Warnings(mail.Mailbox{Name: s, Addr: s + "@" + s}, []mail.Mailbox{{Addr: s}})
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("endless names took %v", d)
	}
}

func FuzzWarnings(f *testing.F) {
	f.Add("ceo＠asso.fr", "x@xn--80ak6aa92e.com", "y@far.test")
	f.Fuzz(func(t *testing.T, name, addr, reply string) {
		Warnings(mail.Mailbox{Name: name, Addr: addr}, []mail.Mailbox{{Addr: reply}})
		ShowDomain(addr)
	})
}

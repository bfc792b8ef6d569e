package world_test

import (
	"fmt"
	"strings"
	"testing"

	"colporteur/world"
)

// forwarded is a mail that has another one attached.
func forwarded(from, to string, original []byte) []byte {
	return fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: TR: un doute\r\nMessage-ID: <fwd-%d@home.test>\r\nDate: Mon, 23 Nov 2026 10:05:00 +0000\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=f\r\n\r\n--f\r\nContent-Type: text/plain\r\n\r\nC'est vrai ?\r\n"+
		"--f\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=\"doute.eml\"\r\n\r\n%s\r\n--f--\r\n", from, to, len(original), original)
}

func TestAMemberAsksWhetherAMailIsHonest(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	far.Publish("p=reject")
	ann, bob := home.Member("ann", "fr"), far.Member("bob")
	w.DNS.TXT("_dmarc.bank.test", "v=DMARC1; p=quarantine")

	bob.Send(ann.Address, world.Subject("Samedi"), world.Text("On se voit samedi ?"))
	w.Settle()
	honest := ann.Inbox().One()
	if err := home.FromOutside("x@bank.test", []string{ann.Address}, from("La banque <info@bank.test>", "Reply-To: x@evil.test")); err != nil {
		t.Fatal(err)
	}
	forged := ann.Folder("Indésirables").One()
	// Without a date, a subject or an id: those it is read with are ours.
	if err := home.FromOutside("x@bank.test", []string{ann.Address}, []byte("From: <info@bank.test>\r\n\r\nPayez.\r\n")); err != nil {
		t.Fatal(err)
	}
	bare := ann.Folder("Indésirables").Last()

	for _, c := range []struct {
		name     string
		original *world.Mail
		verdict  string
		says     []string
	}{
		{"honest", honest, "Rien d'anormal", []string{"premier mail"}},
		{"bare", bare, "Ne cliquez pas", nil},
		{"forged", forged, "Ne cliquez pas", []string{"evil"}},
	} {
		if err := ann.Submit([]string{"verifier@home.test"}, forwarded(ann.Address, "verifier@home.test", []byte(c.original.Raw))); err != nil {
			t.Fatal(err)
		}
		w.Settle()
		if m := ann.Inbox().Last().Says(c.says...); m.Subject != c.verdict {
			t.Errorf("%s: %q\n%s", c.name, m.Subject, m.Text)
		}
	}

	// A stranger asks nothing.
	err := home.FromOutside("x@stranger.test", []string{"verifier@home.test"}, from("<x@stranger.test>"))
	if err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("a stranger: %v", err)
	}
}

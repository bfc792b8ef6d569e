package world_test

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"colporteur/config"
	"colporteur/locale/letter"
	cmail "colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
	"colporteur/world"
)

// secure gives the site its public address, as outside of a laptop.
func secure(c *config.Config) { c.Web.URL = "https://" + c.Hostname }

var oneClick = regexp.MustCompile(`<(https://[^>]+)>`)

// stopButton is where the button of a mail program posts to.
func stopButton(t *testing.T, m *world.Mail) string {
	t.Helper()
	got := oneClick.FindStringSubmatch(m.Header.Get("List-Unsubscribe"))
	if got == nil || m.Header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		t.Fatalf("%q has no button: %v", m.Subject, m.Header)
	}
	return got[1]
}

func TestGuestHearsOnceADayAndNoMoreAfterOneClick(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test", secure), w.Server("far.test")
	home.Publish("p=reject")
	ann, mamie := home.Member("ann"), far.Member("mamie")
	ann.Send("album+vacances@home.test", world.Cc(mamie), world.Attach("un.jpg", "image/jpeg", photo(400, 300)))
	w.Settle()
	invitation := mamie.Inbox().One()
	guest := guestOf(t, home, mamie.Address)
	tell := func(key string) {
		t.Helper()
		n := notify.Note{Kind: notify.Album, Key: key, To: guest.Person, Lang: "fr", From: cmail.MustAddress("album+vacances@home.test"),
			FromName: "Ann", Line: "Bob a écrit : " + key, Link: guest.ID, Letter: letter.Letter{Subject: key}}
		n.Letter.Para("Bob a écrit : "+key).LinkTo("L'album :", int64(guest.ID))
		if err := home.DB.Write(t.Context(), func(tx *store.Tx) error { return home.Notify.Tell(t.Context(), tx, n) }); err != nil {
			t.Fatal(err)
		}
		w.Settle()
	}
	for i := range 5 {
		tell(fmt.Sprintf("mot numéro %d", i))
	}
	if n := len(mamie.Inbox().All); n != 1 {
		t.Fatalf("mamie has %d mails before the evening", n)
	}
	w.Advance(24 * time.Hour)
	w.Settle()
	digest := mamie.Inbox().Last().Says("mot numéro 0", "mot numéro 4", "au plus un message par jour")
	if n := len(mamie.Inbox().All); n != 2 || digest.Link() != invitation.Link() {
		t.Errorf("mamie has %d mails; the digest leads to another page than the invitation: %v", n, digest.Link() != invitation.Link())
	}
	if digest.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("Auto-Submitted: %q", digest.Header.Get("Auto-Submitted"))
	}
	// RFC 8058 §4: the fields must be signed, or mail programs show no button.
	signed := strings.ToLower(digest.Header.Get("DKIM-Signature"))
	for _, f := range []string{"list-unsubscribe:", "list-unsubscribe-post"} {
		if !strings.Contains(strings.Join(strings.Fields(signed), ""), f) {
			t.Errorf("%s is not signed: %s", f, signed)
		}
	}

	button := stopButton(t, digest)
	home.Browse(button).Sees("Ne plus recevoir") // a scanner looks: nothing changes
	tell("un autre jour")
	w.Advance(24 * time.Hour)
	w.Settle()
	mamie.Inbox().Last().Says("un autre jour")
	home.Press(button, map[string][]string{"List-Unsubscribe": {"One-Click"}}).Sees("ne recevrez plus")
	tell("plus jamais")
	w.Advance(48 * time.Hour)
	w.Settle()
	if n := len(mamie.Inbox().All); n != 3 {
		t.Errorf("mamie has %d mails, want 3", n)
	}
	home.Browse(invitation.Link()).Sees("Vacances") // her link is as it was
}

// guestOf is the album's link of a guest.
func guestOf(t *testing.T, s *world.Server, address string) link.Link {
	t.Helper()
	var id int64
	if err := s.DB.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT id FROM link WHERE person = $1`, address).Scan(&id)
	}); err != nil {
		t.Fatal(err)
	}
	l, err := s.Links.Get(t.Context(), link.ID(id))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestMemberWhoseMailboxFillsIsToldAndSetsItByReply(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test", secure)
	ann := home.Member("ann", "fr")
	sweep := func() {
		t.Helper()
		if err := home.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Settle()
	}
	ann.Quota(1_000_000)
	sweep()
	ann.Inbox().Empty()
	ann.Send(ann.Address, world.Attach("gros.bin", "application/octet-stream", make([]byte, 620_000)))
	sweep()
	m := ann.Inbox().Last().Says("Votre boîte est remplie", "postmaster@home.test")
	stopButton(t, m)
	sweep()
	if n := len(ann.Inbox().All); n != 2 {
		t.Errorf("%d mails, want the large one and one warning", n)
	}
	ann.Send(m.ReplyTo(), world.Subject("Re: "+m.Subject), world.Text("STOP\r\n"), func(d *world.Draft) { d.Header = append(d.Header, "In-Reply-To: "+m.Header.Get("Message-Id")) })
	w.Settle()
	ann.Inbox().Last().Says("vous ne recevrez plus ces messages")
}

func TestMemberIsToldOfASignInFromElsewhere(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test", secure)
	ann := home.Member("ann", "fr")
	ann.Inbox().Empty() // at home: signs in
	w.Advance(8 * 24 * time.Hour)
	ann.Inbox().Empty()
	from := func(ip string) {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		c, err := d.DialContext(t.Context(), "tcp", home.Addr("imap"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "1 LOGIN %s %q\r\n2 LOGOUT\r\n", ann.Address, ann.Password)
		in, ok := bufio.NewScanner(c), false
		for in.Scan() {
			ok = ok || strings.HasPrefix(in.Text(), "1 OK")
		}
		if !ok {
			t.Fatalf("no sign-in from %s", ip)
		}
		w.Settle()
	}
	from("127.77.7.7")
	ann.Inbox().One().Says("connecté au compte ann@home.test", "pour lire le courrier", "postmaster@home.test")
	from("127.77.7.9")
	ann.Inbox().One()
}

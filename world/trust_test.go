package world_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/world"
)

// confirmed has a member write from an address elsewhere from now on.
func confirmed(t *testing.T, s *world.Server, m *world.Member, outside string) {
	t.Helper()
	if err := s.DB.Write(t.Context(), func(tx *store.Tx) error {
		return s.Accounts.AddOutside(t.Context(), tx, m.Account.ID, mail.MustAddress(outside))
	}); err != nil {
		t.Fatal(err)
	}
}

// unsigned is a mail with a file, as a host sends it that proves nothing.
func unsigned(from, to, id string) []byte {
	return fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: Le rapport\r\nMessage-ID: <%s>\r\nDate: Mon, 23 Nov 2026 10:05:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"+
		"--x\r\nContent-Type: text/plain\r\n\r\nVoila.\r\n--x\r\nContent-Type: application/pdf; name=rapport.pdf\r\nContent-Disposition: attachment; filename=rapport.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--x--\r\n", from, to, id)
}

func refused(t *testing.T, what string, err error, code string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), code) {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestAMemberActsFromAnAddressElsewhereThatSignsItsMail(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	far.Publish("p=reject")
	ann, work := home.Member("ann", "fr"), far.Member("ann.petit")

	// Before she confirmed it, she is a stranger, and hears so at once.
	refused(t, "a stranger", home.FromOutside(work.Address, []string{"envoi@home.test"}, unsigned(work.Address, "envoi@home.test", "a@far.test")), "550")
	ann.Send("aide@home.test", world.Subject("AJOUTER "+work.Address))
	w.Settle()
	ann.Inbox().Last().Says("Répondez-y OUI")
	question := work.Inbox().One().Says("ann.petit@far.test", "home.test")
	home.Browse(questions.FindString(question.Text)).Sees("est son adresse") // a scanner looks
	refused(t, "a stranger yet", home.FromOutside(work.Address, []string{"envoi@home.test"}, unsigned(work.Address, "envoi@home.test", "b@far.test")), "550")
	work.Send(question.ReplyTo(), world.Subject("Re: "+question.Subject), world.Text("OUI\n"))
	w.Settle()

	work.Send("envoi@home.test", world.Subject("Le film"), world.Attach("film.mp4", "video/mp4", []byte("film")))
	w.Settle()
	home.Browse(ann.Inbox().Last().Says("film.mp4").Link()).Sees("Le film")
	// The answer went to her here; what she wrote from there says nothing more.
	for _, m := range work.Inbox().All {
		if strings.Contains(m.Text, "/t/") {
			t.Errorf("the link went elsewhere: %q", m.Subject)
		}
	}
	// RAPPELER works from there too.
	work.Send(ann.Inbox().Last().ReplyTo(), world.Subject("Re: Le film"), world.Text("RAPPELER\n"))
	w.Settle()
	ann.Inbox().Last().Says("PROLONGER")
}

func TestAMailThatNothingProvesWaitsForOneTap(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann", "fr")
	confirmed(t, home, ann, "ann@plain.test")
	w.DNS.TXT("plain.test", "v=spf1 ip4:127.0.0.0/8 -all") // SPF alone proves the host, not her
	raw := unsigned("ann@plain.test", "envoi@home.test", "one@plain.test")
	for range 2 {
		if err := home.FromOutside("ann@plain.test", []string{"envoi@home.test"}, raw); err != nil {
			t.Fatal(err)
		}
	}
	w.Settle()
	question := ann.Inbox().One().Says("ann@plain.test", "Le rapport", "OUI", "1 fichier")
	page := questions.FindString(question.Text)
	home.Browse(page).Sees("Le rapport", "Oui, il est de moi")
	w.Settle()
	ann.Inbox().One() // looking did nothing
	yes := regexp.MustCompile(`action="([^"]+)"`).FindAllStringSubmatch(home.Browse(page).Body, -1)
	if len(yes) == 0 {
		t.Fatal("no button")
	}
	for range 3 {
		home.Press(page+"/yes", nil)
		w.Settle()
	}
	if n := count(t, home, `SELECT COUNT(*) FROM transfer`); n != 1 {
		t.Fatalf("%d transfers after the tap, want 1", n)
	}
	home.Browse(ann.Inbox().Last().Says("rapport.pdf").Link()).Sees("Le rapport")

	// Nobody answered the next one: it is gone, and nothing was done.
	if err := home.FromOutside("ann@plain.test", []string{"envoi@home.test"}, unsigned("ann@plain.test", "envoi@home.test", "two@plain.test")); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	w.Advance(31 * 24 * time.Hour)
	if err := home.Host.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if n := count(t, home, `SELECT COUNT(*) FROM transfer WHERE ended = 0 AND created > 0`); n > 1 {
		t.Errorf("%d transfers", n)
	}
	if n := count(t, home, `SELECT COUNT(*) FROM inbound WHERE state = 'waiting'`); n != 0 {
		t.Errorf("%d mails still wait", n)
	}
}

func count(t *testing.T, s *world.Server, query string) (n int) {
	t.Helper()
	if err := s.DB.Read(t.Context(), func(tx *store.Tx) error { return tx.QueryRow(t.Context(), query).Scan(&n) }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestProgramsTakeNothingFromWhoTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	far.Publish("p=reject")
	ann, bob := home.Member("ann", "fr"), home.Member("bob")
	confirmed(t, home, ann, "ann@far.test")
	confirmed(t, home, bob, "bob@far.test")
	confirmed(t, home, ann, "ann@strict.test")
	w.DNS.TXT("strict.test", "v=spf1 -all")
	w.DNS.TXT("_dmarc.strict.test", "v=DMARC1; p=quarantine")
	for what, c := range map[string]struct {
		from   string
		to     []string
		header string
		code   string
	}{
		"a stranger":                        {"x@stranger.test", []string{"envoi@home.test"}, "x@stranger.test", "550"},
		"the null sender":                   {"", []string{"album+vacances@home.test"}, "ann@far.test", "550"},
		"our own domain, not signed in":     {"ann@far.test", []string{"envoi@home.test"}, "ann@home.test", "550"},
		"a forgery that its domain disowns": {"ann@strict.test", []string{"envoi@home.test"}, "ann@strict.test", "550"},
		"another member's address in From":  {"ann@far.test", []string{"envoi@home.test"}, "bob@far.test", "550"},
		"a stranger's address in From":      {"ann@far.test", []string{"envoi@home.test"}, "x@stranger.test", "550"},
		"a reply address that was guessed":  {"x@stranger.test", []string{"r." + strings.Repeat("a", 26) + "@home.test"}, "x@stranger.test", "550"},
		"a secret address that was guessed": {"x@stranger.test", []string{"envoi." + strings.Repeat("a", 16) + "@home.test"}, "x@stranger.test", "550"},
		"a program and a person together":   {"ann@far.test", []string{"envoi@home.test", "bob@home.test"}, "ann@far.test", "452"},
		"a person and a program together":   {"ann@far.test", []string{"bob@home.test", "envoi@home.test"}, "ann@far.test", "452"},
	} {
		refused(t, what, home.FromOutside(c.from, c.to, unsigned(c.header, c.to[0], "m@far.test")), c.code)
	}
	w.Settle()
	ann.Inbox().Empty()
	if n := count(t, home, `SELECT COUNT(*) FROM transfer`) + count(t, home, `SELECT COUNT(*) FROM question`) + count(t, home, `SELECT COUNT(*) FROM inbound`); n != 0 {
		t.Errorf("%d things came of it", n)
	}
}

func TestAScannerWritesToASecretAddress(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann", "fr")
	ask := func() (envoi, album string) {
		t.Helper()
		ann.Send("aide@home.test", world.Subject("SCANNER"))
		w.Settle()
		m := ann.Inbox().Last().Says("adresses secrètes")
		envoi = regexp.MustCompile(`envoi\.[a-z2-7]{16}@home\.test`).FindString(m.Text)
		album = regexp.MustCompile(`album\.[a-z2-7]{16}\+scans@home\.test`).FindString(m.Text)
		if envoi == "" || album == "" {
			t.Fatalf("no addresses in\n%s", m.Text)
		}
		return envoi, album
	}
	envoi, album := ask()
	scan := func(to, id string) error {
		return home.FromOutside("scanner@copieur.test", []string{to}, unsigned("scanner@copieur.test", to, id))
	}
	if err := scan(envoi, "s1@copieur.test"); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	receipt := ann.Inbox().Last().Says("rapport.pdf")
	secret := strings.TrimSuffix(strings.TrimPrefix(envoi, "envoi."), "@home.test")
	if strings.Contains(receipt.Raw, secret) {
		t.Error("the receipt tells the secret, and it may be passed on")
	}
	home.Browse(receipt.Link()).Sees("Le rapport")
	if err := home.FromOutside("x@y.test", []string{strings.Replace(album, "+scans", "+cave", 1)}, []byte("From: <x@y.test>\r\nSubject: x\r\nMessage-ID: <p@y.test>\r\nMIME-Version: 1.0\r\nContent-Type: image/jpeg; name=a.jpg\r\nContent-Transfer-Encoding: base64\r\n\r\n"+lines(photo(300, 200))+"\r\n")); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	home.Browse(ann.Inbox().Last().Link()).Sees("Cave")
	for _, table := range []string{"trace", "inbound", "job", "secret_address", "transfer"} {
		if n := dumped(t, home, table, secret); n != 0 {
			t.Errorf("%d rows of %s hold the secret", n, table)
		}
	}

	// Renewed: the old ones are nobody's.
	newEnvoi, _ := ask()
	if newEnvoi == envoi {
		t.Fatal("the same again")
	}
	refused(t, "the old address", scan(envoi, "s2@copieur.test"), "550")
	if err := scan(newEnvoi, "s3@copieur.test"); err != nil {
		t.Error(err)
	}
	// A member who is suspended has none that works.
	if err := home.Accounts.Suspend(t.Context(), ann.Account.ID); err != nil {
		t.Fatal(err)
	}
	refused(t, "a suspended member's", scan(newEnvoi, "s4@copieur.test"), "550")
}

// lines is base64 as a mail has it.
func lines(b []byte) string {
	enc := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(enc) > 76 {
		out.WriteString(enc[:76] + "\r\n")
		enc = enc[76:]
	}
	return out.String() + enc
}

// dumped counts the rows of a table that hold a word, whatever their columns are.
func dumped(t *testing.T, s *world.Server, table, word string) (n int) {
	t.Helper()
	if err := s.DB.Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT * FROM `+table)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns := 0
		for rows.Next() {
			var row []any
			for columns = 1; columns < 40; columns++ {
				row = make([]any, columns)
				to := make([]any, columns)
				for i := range row {
					to[i] = &row[i]
				}
				if rows.Scan(to...) == nil {
					break
				}
			}
			if strings.Contains(fmt.Sprintf("%s %v", row, row), word) {
				n++
			}
		}
		return rows.Err()
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

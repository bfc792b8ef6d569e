package verify_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"colporteur/dkim"
	"colporteur/dkim/authres"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
	"colporteur/store/storetest"
	"colporteur/workflow/workflowtest"
)

// house is a house whose members have mailboxes, with the key of bank.test in
// the DNS.
type house struct {
	*workflowtest.House
	t     *testing.T
	boxes *mailbox.Store
	key   ed25519.PrivateKey
	asked []string // of the DNS
}

func (h *house) LookupTXT(_ context.Context, name string) ([]string, error) {
	h.asked = append(h.asked, name)
	if name == "s._domainkey.bank.test" {
		return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(h.key.Public().(ed25519.PublicKey))}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &house{House: workflowtest.New(t, db), t: t, key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))}
		h.boxes = &mailbox.Store{DB: db, Messages: h.Messages, Now: h.Now}
		h.Messages.Named = append(h.Messages.Named, `SELECT 1 FROM email WHERE message = $1`)
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			return h.boxes.CreateAccount(t.Context(), tx, workflowtest.Ann.Account, "fr")
		}); err != nil {
			t.Fatal(err)
		}
		h.Verify.Mailboxes, h.Verify.DNS = h.boxes, h
		f(t, h)
	})
}

type text []byte

func (s text) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(s)
	return int64(n), err
}

// doubtful is a mail from somewhere.
type doubtful struct {
	from, replyTo, id, html string
	file                    string // name of an attachment
}

func (d doubtful) String() string {
	var b strings.Builder
	if d.id == "" {
		d.id = "one@bank.test"
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: ann@home.test\r\nSubject: Votre compte\r\nMessage-ID: <%s>\r\nDate: Sat, 14 Nov 2026 09:00:00 +0000\r\n", d.from, d.id)
	if d.replyTo != "" {
		fmt.Fprintf(&b, "Reply-To: %s\r\n", d.replyTo)
	}
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Bonjour</p>" + d.html + "\r\n")
	if d.file != "" {
		fmt.Fprintf(&b, "--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"%s\"\r\n\r\nx\r\n", d.file)
	}
	b.WriteString("--b--\r\n")
	return b.String()
}

func (h *house) sign(m string) string {
	h.t.Helper()
	f, err := dkim.Sign(h.t.Context(), []dkim.Key{{Domain: "bank.test", Selector: "s", Signer: h.key}}, h.Now().Add(-time.Hour), text(m))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(f) + m
}

// file puts a mail into Ann's INBOX, as delivery does with its verdict; nil is
// no verdict.
func (h *house) file(raw string, v *mail.Verdict, folder mailbox.Role) {
	h.t.Helper()
	ctx := h.t.Context()
	ref, err := h.Blobs.Put(ctx, []byte(raw))
	if err != nil {
		h.t.Fatal(err)
	}
	scan := &mail.Scanner{}
	io.WriteString(scan, raw)
	sum, words, err := scan.Close()
	if err != nil {
		h.t.Fatal(err)
	}
	size := int64(len(raw))
	d := &message.Draft{ID: message.ID(store.NewID()), Summary: sum, Size: size, Refs: []blob.Ref{ref}, Segments: []message.Segment{{Kind: message.Raw, Blob: ref.ID, Length: size}}}
	prefix := ""
	if v != nil {
		prefix = authres.Field("mail.home.test", v, "")
	}
	if err := h.DB.Write(ctx, func(tx *store.Tx) error {
		if err := h.Messages.Insert(ctx, tx, d); err != nil {
			return err
		}
		box, err := h.boxes.ByRole(ctx, tx, workflowtest.Ann.Account, folder)
		if err != nil {
			return err
		}
		_, err = h.boxes.Append(ctx, tx, workflowtest.Ann.Account, box, &mailbox.Incoming{Message: d.ID, Size: size, Summary: sum, Words: mailbox.Sign(sum, words), Prefix: []byte(prefix), Date: h.Now()})
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
}

func verdict(result mail.Result) *mail.Verdict {
	return &mail.Verdict{DMARC: mail.DMARCResult{Result: result, From: "bank.test", Policy: &mail.DMARCPolicy{P: mail.DemandReject, Demand: mail.DemandReject}}}
}

// forward has Ann forward a mail as an attachment; the answer is without the
// joiners that keep addresses from being links.
func (h *house) forward(raw string) (subject, said string) {
	h.t.Helper()
	h.Send(workflowtest.Mail{To: []string{"verifier@home.test"}, Subject: "TR: Votre compte", Text: "C'est vrai ?",
		Files: []workflowtest.File{{Name: "mail.eml", Type: "message/rfc822", Bytes: []byte(raw), Plain: true}}})
	return h.answer()
}

func (h *house) answer() (subject, said string) {
	h.t.Helper()
	m := h.One(workflowtest.Ann.Address)
	if strings.Contains(m.HTML, "<a ") {
		h.t.Errorf("the answer has a link:\n%s", m.HTML)
	}
	return m.Subject, strings.ReplaceAll(m.Text, "\u2060", "")
}

func (h *house) wants(name, subject, said, level string, signs ...string) {
	h.t.Helper()
	if subject != level {
		h.t.Errorf("%s: %q, want %q\n%s", name, subject, level, said)
	}
	for _, s := range signs {
		if not, ok := strings.CutPrefix(s, "!"); ok && strings.Contains(said, not) || !ok && !strings.Contains(said, s) {
			h.t.Errorf("%s: want %q in\n%s", name, s, said)
		}
	}
}

const (
	fine    = "Rien d'anormal"
	caution = "Prudence"
	danger  = "Ne cliquez pas"
)

func TestAnAttachedMailIsCheckedAgain(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		bank := doubtful{from: "La banque <info@bank.test>", html: `<a href="https://www.bank.test/x">www.bank.test</a>`}
		for _, c := range []struct {
			name, raw, level string
			signs            []string
		}{
			{"signed", h.sign(bank.String()), fine, []string{"La signature du domaine bank.test est valable", "premier mail de cette adresse"}},
			{"changed since", strings.Replace(h.sign(bank.String()), "Bonjour", "Bonsoir", 1), caution, []string{"n'est pas valable"}},
			{"not signed", bank.String(), caution, []string{"Rien ne prouve", "bank.test"}},
			{"signed by somebody else", h.sign(doubtful{from: "info@other.test"}.String()), caution, []string{"Rien ne prouve", "other.test"}},
			{"two senders", h.sign(doubtful{from: "info@bank.test, x@other.test"}.String()), danger, []string{"plusieurs"}},
			{"a name that lies", h.sign(doubtful{from: `"service@paypal.com" <info@bank.test>`}.String()), danger, []string{"service@paypal.com"}},
			{"answers go elsewhere", h.sign(doubtful{from: "info@bank.test", replyTo: "x@evil.test"}.String()), caution, []string{"evil.test"}},
			{"a link that lies", h.sign(doubtful{from: "info@bank.test", html: `<a href="https://evil.test/paypal.com"><b>https://www.paypal.com</b>/login</a>`}.String()), danger, []string{"montre www.paypal.com, mais mène à evil.test"}},
			{"a counter of the sender's", h.sign(doubtful{from: "info@bank.test", html: `<a href="https://track.mailer.test/x">www.bank.test</a>`}.String()), caution, nil},
			{"a counter in a mail of nobody's", doubtful{from: "info@bank.test", html: `<a href="https://track.mailer.test/x">www.bank.test</a>`}.String(), danger, nil},
			{"an address with a name before", h.sign(doubtful{from: "info@bank.test", html: `<a href="https://www.bank.test@evil.test/">ici</a>`}.String()), danger, []string{"mène en vérité à evil.test"}},
			{"a number", h.sign(doubtful{from: "info@bank.test", html: `<a href="http://198.51.100.7/x">ici</a>`}.String()), caution, []string{"198.51.100.7"}},
			{"a page in the link", h.sign(doubtful{from: "info@bank.test", html: "<a href=\"java\tscript:alert(1)\">ici</a>"}.String()), danger, nil},
			{"a name in other letters", h.sign(doubtful{from: "info@bank.test", html: `<a href="https://xn--80ak6aa92e.com/">ici</a>`}.String()), danger, []string{"xn--80ak6aa92e.com"}},
			{"a password field", h.sign(doubtful{from: "info@bank.test", html: `<form action="https://www.bank.test"><input TYPE=PassWord></form>`}.String()), danger, []string{"mot de passe"}},
			{"a program", h.sign(doubtful{from: "info@bank.test", file: "facture.pdf.exe"}.String()), danger, []string{"facture.pdf.exe"}},
			{"a page", h.sign(doubtful{from: "info@bank.test", file: "facture.html"}.String()), caution, []string{"facture.html"}},
			{"an honest file", h.sign(doubtful{from: "info@bank.test", file: "facture.pdf"}.String()), caution, []string{"!facture.pdf", "il mène ailleurs"}},
			{"words that are no hosts", h.sign(doubtful{from: "info@bank.test", html: `<a href="https://a.test/x">Voir M.Dupont et la facture.pdf</a> <a href="mailto:x@y.test">x@z.test</a>`}.String()), caution, []string{"il mène ailleurs", "!montre"}},
		} {
			subject, said := h.forward(c.raw)
			h.wants(c.name, subject, said, c.level, c.signs...)
		}
		for _, name := range h.asked {
			if name != "s._domainkey.bank.test" {
				t.Errorf("the DNS was asked for %s", name)
			}
		}
		if n := h.Count(`SELECT COUNT(*) FROM message`); n != 0 {
			t.Errorf("%d mails are kept", n)
		}
	})
}

func TestWhatWasFoundOutAtArrivalCounts(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		good := doubtful{from: "La banque <info@bank.test>", id: "good@bank.test"}.String()
		forged := doubtful{from: "La banque <info@bank.test>", id: "forged@bank.test", html: "x"}.String()
		h.file(good, verdict(mail.Pass), mailbox.Inbox)
		h.Move(time.Hour)
		h.file(forged, verdict(mail.Fail), mailbox.Inbox)
		subject, said := h.forward(good) // its signature is long gone
		h.wants("proven then", subject, said, fine, "bank.test", "premier mail")
		subject, said = h.forward(forged)
		h.wants("forged", subject, said, danger, "!déjà reçu")

		// Inline: the mail program says which one it is.
		h.Send(workflowtest.Mail{To: []string{"check@home.test"}, Subject: "Fwd: Votre compte", Text: "De : La banque\n\nBonjour", Header: "References: <x@y.test> <forged@bank.test>\r\n"})
		subject, said = h.answer()
		h.wants("inline", subject, said, danger)
		h.Send(workflowtest.Mail{To: []string{"check@home.test"}, Subject: "Fwd: Votre compte", Text: "De : La banque\n\nBonjour", Header: "In-Reply-To: <good@bank.test>\r\n"})
		subject, said = h.answer()
		h.wants("inline, proven", subject, said, fine)

		again := doubtful{from: "La banque <info@bank.test>", id: "again@bank.test", file: "facture.pdf", html: `<a href="https://a.test/x">Voir M.Dupont et la facture.pdf</a>`}.String()
		h.file(again, verdict(mail.Pass), mailbox.Inbox)
		subject, said = h.forward(again)
		h.wants("known", subject, said, fine, "déjà reçu")

		// A mail that borrows the id of an honest one.
		subject, said = h.forward(doubtful{from: "La banque <info@bank.test>", id: "good@bank.test", html: "<p>Payez</p>"}.String())
		h.wants("a borrowed id", subject, said, caution, "Rien ne prouve", "!déjà reçu")

		// Another member has none of these.
		h.Send(workflowtest.Mail{User: workflowtest.Bob, To: []string{"check@home.test"}, Subject: "Fwd: Votre compte", Text: "From: The bank\n\nHello", Header: "In-Reply-To: <good@bank.test>\r\n"})
		if m := h.One(workflowtest.Bob.Address); !strings.Contains(m.Text, "We found no mail") {
			t.Errorf("another member reads:\n%s", m.Text)
		}
	})
}

func TestMailInJunkMakesNobodyKnown(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.file(doubtful{from: "info@bank.test", id: "junk@bank.test"}.String(), nil, mailbox.Junk)
		h.Move(time.Hour)
		subject, said := h.forward(h.sign(doubtful{from: "info@bank.test"}.String()))
		h.wants("junk", subject, said, fine, "premier mail")
	})
}

func TestWordsThatWereCopiedProveNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for _, c := range []struct{ name, text, level, sign string }{
			{"Gmail", "C'est vrai ?\n\n---------- Forwarded message ---------\nDe : La banque <info@bank.test>\nDate: hier\n\nBonjour", caution, "pièce jointe"},
			{"Outlook", "________________________________\nFrom: info@bank.test [mailto:info@bank.test]\nSent: x\n\nHello", caution, "info@bank.test"},
			{"Apple, quoted", "> Début du message réexpédié :\n>\n> De: \"service@paypal.com\" <x@evil.test>\n> \n> Bonjour", danger, "evil.test"},
			{"nothing", "Bonjour, est-ce que ce mail est vrai ?", "Re: Votre compte", "pièce jointe"},
			{"an empty From", "De :\nDe : \n", "Re: Votre compte", "pièce jointe"},
		} {
			h.Send(workflowtest.Mail{To: []string{"verifier@home.test"}, Subject: "Fwd: Votre compte", Text: c.text})
			subject, said := h.answer()
			h.wants(c.name, subject, said, c.level, c.sign)
		}
		h.Send(workflowtest.Mail{To: []string{"verifier@home.test"}, Subject: "Absent", Text: "De : <x@y.test>", Header: "Auto-Submitted: auto-replied\r\n"})
		h.None()
	})
}

func TestHostileMailsAreAnsweredToo(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		deep := "Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
		for i := range 400 {
			deep += fmt.Sprintf("--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
		}
		for name, raw := range map[string]string{
			"empty":                  "",
			"no header":              "\r\n\r\nhello",
			"binary":                 string(bytes.Repeat([]byte{0, 0xff, '<', 'a'}, 5000)),
			"a long header":          "From: x@y.test\r\nX: " + strings.Repeat("a", 400_000) + "\r\n\r\nx",
			"many fields":            strings.Repeat("From: x@y.test\r\n", 5000) + "\r\n",
			"many signatures":        strings.Repeat("DKIM-Signature: v=1; a=rsa-sha256; d=bank.test; s=s; h=from; bh=x; b=y\r\n", 500) + "From: x@bank.test\r\n\r\nx",
			"deep":                   deep,
			"many links":             doubtful{from: "x@y.test", html: strings.Repeat(`<a href="https://e.test">www.paypal.com</a>`, 20_000)}.String(),
			"an open link":           doubtful{from: "x@y.test", html: `<a href="` + strings.Repeat("x", 2_000_000)}.String(),
			"a mail in a mail":       "From: x@y.test\r\nContent-Type: message/rfc822\r\n\r\n" + doubtful{from: "z@y.test", file: "a.exe"}.String(),
			"control characters":     "From: \"\x00\x1b[31m\" <x@y.test>\r\nSubject: =?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte("a\r\nBcc: v@evil.test\u202e")) + "?=\r\n\r\nx",
			"a subject that renders": "From: x@y.test\r\nSubject: <img src=https://evil.test/x> https://evil.test/\r\n\r\nx",
		} {
			h.Send(workflowtest.Mail{To: []string{"verifier@home.test"}, Subject: "Fwd: x", Text: "?", Files: []workflowtest.File{{Name: "a.eml", Bytes: []byte(raw)}}})
			m := h.One(workflowtest.Ann.Address)
			if m.Subject == fine || len(m.Raw) > 20_000 || strings.Contains(m.HTML, "<img") || strings.Contains(m.Text, "https://evil.test") || m.Header.Get("Bcc") != "" {
				t.Errorf("%s: %q, %d octets\n%s", name, m.Subject, len(m.Raw), m.Text)
			}
		}
	})
}

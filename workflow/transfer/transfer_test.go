package transfer_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
	"colporteur/workflow/workflowtest"
)

var mamie = mail.MustAddress("mamie@far.test")

func each(t *testing.T, f func(t *testing.T, h *workflowtest.House)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, workflowtest.New(t, db)) })
}

// film is random bytes: nothing shortens or guesses them.
func film(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func film1(b []byte) workflowtest.Mail {
	return workflowtest.Mail{To: []string{"envoi@home.test"}, Subject: "Le film", Text: "Voilà le film.\n",
		Files: []workflowtest.File{{Name: "été.mp4", Type: "video/mp4", Bytes: b}}}
}

// wantGone: nobody but the owner finds anything now, and nobody at all after the
// time in which they can bring it back; every byte is gone then.
func wantGone(t *testing.T, h *workflowtest.House, tokens ...link.Token) {
	t.Helper()
	for swept := range 2 {
		if swept == 1 {
			h.Move(transfer.Grace + time.Hour)
			if _, err := h.Transfers.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, token := range tokens {
			v, err := h.Transfers.Open(t.Context(), link.Visit{Token: token})
			if swept == 0 && err == nil && v.Manage && v.Over {
				continue
			}
			if !mail.Is(err, mail.NotFound) {
				t.Errorf("a link still opens: %+v, %v", v, err)
			}
			if _, err := h.Transfers.File(t.Context(), link.Visit{Token: token}, 0); !mail.Is(err, mail.NotFound) {
				t.Errorf("a file is still found: %v", err)
			}
		}
	}
	// What is left of mails with commands is the next sweep's.
	for _, table := range []string{"transfer_file", "message WHERE id NOT IN (SELECT message FROM inbound)", "segment WHERE message NOT IN (SELECT message FROM inbound)",
		"blob WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.blob = blob.id) AND NOT EXISTS (SELECT 1 FROM segment g WHERE g.blob = blob.id)"} {
		if n := h.Count(`SELECT COUNT(*) FROM ` + table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
}

func TestMailedFileComesBackAsALink(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		b, pdf := film(300_000), film(5_000)
		m := film1(b)
		m.Files = append(m.Files, workflowtest.File{Name: "plan.pdf", Type: "application/pdf", Bytes: pdf})
		h.Send(m)

		got := h.One(workflowtest.Ann.Address)
		if want := "Votre envoi est prêt\u00a0: Le film"; got.Subject != want {
			t.Errorf("subject: got %q, want %q", got.Subject, want)
		}
		for _, s := range []string{"Le film (305\u00a0ko)", "samedi 28 novembre 2026", "été.mp4 (300\u00a0ko)", sum(b), "plan.pdf (5\u00a0ko)", sum(pdf), "PROLONGER", "RAPPELER"} {
			if !strings.Contains(got.Text, s) || !strings.Contains(got.HTML, s) {
				t.Errorf("the receipt lacks %q:\n%s", s, got.Text)
			}
		}
		if len(got.HTML) > 20_000 {
			t.Errorf("the twin is %d bytes", len(got.HTML))
		}
		for name, want := range map[string]string{"Auto-Submitted": "auto-replied", "In-Reply-To": "<m1@phone.test>", "References": "<m1@phone.test>", "Content-Language": "fr"} {
			if v := got.Header.Get(name); v != want {
				t.Errorf("%s: got %q, want %q", name, v, want)
			}
		}
		if from := got.Header.Get("From"); !strings.Contains(from, "<envoi@home.test>") {
			t.Errorf("From: %s", from)
		}
		tokens := got.Tokens()
		if len(tokens) != 2 || strings.Contains(got.Header.Get("Reply-To"), string(tokens[1])) {
			t.Fatalf("links %q, Reply-To %s", tokens, got.Header.Get("Reply-To"))
		}
		share, err := h.Transfers.Open(t.Context(), link.Visit{Token: tokens[0]})
		if err != nil {
			t.Fatal(err)
		}
		if share.Manage || share.Share != "" || share.Subject != "Le film" || share.From != "Ann Petit" || share.Note != "Voilà le film." || len(share.Files) != 2 {
			t.Errorf("the link to pass on shows %+v", share)
		}
		f, err := h.Transfers.File(t.Context(), link.Visit{Token: tokens[0]}, 0)
		if err != nil || f.Name != "été.mp4" || f.MediaType != "video/mp4" || f.Size != 300_000 || f.SHA256 != sum(b) || !bytes.Equal(h.Read(f.Blob), b) {
			t.Errorf("file: %+v, %v", f, err)
		}
		if _, err := h.Transfers.File(t.Context(), link.Visit{Token: tokens[0]}, 2); !mail.Is(err, mail.NotFound) {
			t.Errorf("a third file: got %v, want NotFound", err)
		}
		manage, err := h.Transfers.Open(t.Context(), link.Visit{Token: tokens[1]})
		if err != nil || !manage.Manage || manage.Share != tokens[0] || len(manage.Guests) != 0 {
			t.Errorf("the owner's link shows %+v, %v", manage, err)
		}
		// The bytes are stored once: the mail's and the transfer's are the same blobs.
		if n := h.Count(`SELECT COUNT(*) FROM blob`); n != 3 {
			t.Errorf("%d blobs for two files and the rest of the mail", n)
		}
		h.None()
	})
}

func TestEachGuestGetsALinkOfTheirOwn(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		m := film1(film(20_000))
		m.To = append(m.To, "mamie@far.test", "jean@far.test", "ann@far.test")
		m.Cc = "Mamie Petit <mamie@far.test>, jean@far.test"
		h.Transfers.LangOf = nil
		h.Send(m)
		receipt := h.One(workflowtest.Ann.Address)
		if !strings.Contains(receipt.Text, "Mamie Petit, jean@far.test et ann@far.test reçoivent chacun un lien personnel") {
			t.Errorf("the receipt does not name the guests:\n%s", receipt.Text)
		}
		seen := map[link.Token]bool{}
		for _, token := range receipt.Tokens() {
			seen[token] = true
		}
		for _, guest := range []string{"mamie@far.test", "jean@far.test", "ann@far.test"} {
			got := h.One(mail.MustAddress(guest))
			if len(got.Tokens()) != 1 || seen[got.Tokens()[0]] {
				t.Fatalf("%s: links %q", guest, got.Tokens())
			}
			seen[got.Tokens()[0]] = true
			v, err := h.Transfers.Open(t.Context(), link.Visit{Token: got.Tokens()[0]})
			if err != nil || v.Manage || v.Link.Person.String() != guest {
				t.Errorf("%s: %+v, %v", guest, v, err)
			}
			for _, s := range []string{"Voilà le film.", "été.mp4", "Ann Petit", "28 novembre"} {
				if !strings.Contains(got.Text, s) {
					t.Errorf("%s: the invitation lacks %q:\n%s", guest, s, got.Text)
				}
			}
			if from, reply := got.Header.Get("From"), got.Header.Get("Reply-To"); from != "Ann Petit par Colporteur <envoi@home.test>" || reply != "ann@home.test" {
				t.Errorf("%s: From %s, Reply-To %s", guest, from, reply)
			}
			if got.Header.Get("Auto-Submitted") != "auto-generated" || strings.Contains(got.Raw, "SHA-256") {
				t.Errorf("%s: not a guest's mail:\n%s", guest, got.Raw)
			}
		}
		v, err := h.Transfers.Open(t.Context(), link.Visit{Token: receipt.Tokens()[1]})
		if err != nil || len(v.Guests) != 3 {
			t.Errorf("the owner's page shows %+v, %v", v, err)
		}
		h.None()
	})
}

// W-02.
func TestMailThatComesThriceIsOneTransfer(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		m := film1(film(50_000))
		m.MessageID = "once@phone.test"
		m.To = []string{"envoi@home.test", "mamie@far.test"}
		h.Send(m)
		first := h.One(workflowtest.Ann.Address)
		h.One(mamie)
		h.Send(m)
		h.None()
		m.To = []string{"envoi+30j@home.test", "jean@far.test"} // another road, another guest
		h.Send(m)
		h.One(mail.MustAddress("jean@far.test"))
		h.None()
		ts, err := h.Transfers.ListByMember(t.Context(), workflowtest.Ann.ID)
		if err != nil || len(ts) != 1 {
			t.Fatalf("%d transfers, %v; want one", len(ts), err)
		}
		if n := h.Count(`SELECT COUNT(*) FROM message`); n != 1 {
			t.Errorf("%d mails are kept, want one", n)
		}
		if err := h.Transfers.Recall(t.Context(), ts[0].ID, link.Member(workflowtest.Ann.ID)); err != nil {
			t.Fatal(err)
		}
		wantGone(t, h, first.Tokens()...)
	})
}

func TestSameMessageIDOfAnotherMemberIsAnotherTransfer(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		m := film1(film(1000))
		m.MessageID = "same@phone.test"
		h.Send(m)
		m.User = workflowtest.Bob
		h.Send(m)
		h.One(workflowtest.Ann.Address)
		if got := h.One(workflowtest.Bob.Address); got.Subject != "Your transfer is ready: Le film" {
			t.Errorf("Bob reads English; got %q", got.Subject)
		}
		all, err := h.Transfers.List(t.Context())
		if err != nil || len(all) != 2 {
			t.Errorf("%d transfers, %v; want two", len(all), err)
		}
	})
}

func TestAddressSaysHowLong(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		for to, days := range map[string]int{"envoi": 14, "envoi+7j": 7, "ENVOI+30d": 30, "envoi+3": 3, "envoi+900j": 90, "envoi+0j": 14, "send": 14} {
			m := film1(film(100))
			m.To = []string{to + "@home.test"}
			h.Send(m)
			v, err := h.Transfers.Open(t.Context(), link.Visit{Token: h.One(workflowtest.Ann.Address).Tokens()[0]})
			if err != nil {
				t.Fatal(err)
			}
			if want := h.Now().AddDate(0, 0, days); !v.Expires.Equal(want) || !v.Link.Expires.Equal(want) {
				t.Errorf("%s: until %v, link %v; want %v", to, v.Expires, v.Link.Expires, want)
			}
		}
	})
}

func TestMailWithoutFileIsExplained(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Send(workflowtest.Mail{To: []string{"envoi@home.test", "mamie@far.test"}, Subject: "Coucou", Text: "J'ai oublié la pièce jointe."})
		got := h.One(workflowtest.Ann.Address)
		if got.Subject != "Re: Coucou" || !strings.Contains(got.Text, "ne contient aucun fichier") || !strings.Contains(got.Text, "aide@home.test") {
			t.Errorf("got %s\n%s", got.Subject, got.Text)
		}
		h.None()
		if n := h.Count(`SELECT COUNT(*) FROM transfer`); n != 0 {
			t.Errorf("%d transfers", n)
		}
		if n := h.Count(`SELECT COUNT(*) FROM inbound WHERE state = 'bounced'`); n != 1 {
			t.Errorf("%d bounced mails, want one", n)
		}
	})
}

func TestDamagedFileIsNamedAndNotShared(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		m := film1(film(1000))
		m.Files = append(m.Files, workflowtest.File{Name: "cassé.zip", Base64: "UEsDBBQ$$$$AAgACAB\r\n!!!!not base64 at all!!!!"})
		h.Send(m)
		got := h.One(workflowtest.Ann.Address)
		if !strings.Contains(got.Text, "Un fichier est arrivé abîmé et n'est pas partagé\u00a0: cassé.zip") {
			t.Errorf("the receipt does not name it:\n%s", got.Text)
		}
		v, err := h.Transfers.Open(t.Context(), link.Visit{Token: got.Tokens()[0]})
		if err != nil || len(v.Files) != 1 || v.Files[0].Name != "été.mp4" {
			t.Errorf("shared: %+v, %v", v, err)
		}

		m.Files = m.Files[1:]
		h.Send(m)
		got = h.One(workflowtest.Ann.Address)
		if len(got.Tokens()) != 0 || !strings.Contains(got.Text, "cassé.zip") || !strings.Contains(got.Text, "rien n'a été partagé") {
			t.Errorf("all damaged:\n%s", got.Text)
		}
	})
}

func TestAutomaticMailIsNotAnswered(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		for _, header := range []string{"Auto-Submitted: auto-replied\r\n", "Auto-Submitted: auto-generated\r\n", "Precedence: bulk\r\n", "List-Id: <x.y>\r\n"} {
			h.Send(workflowtest.Mail{To: []string{"envoi@home.test"}, Subject: "Absent", Text: "Je suis en congé.", Header: header})
			h.Send(workflowtest.Mail{To: []string{"aide@home.test"}, Subject: "Absent", Header: header})
		}
		h.Send(workflowtest.Mail{To: []string{"aide@home.test"}, Subject: "?", NullFrom: true})
		h.None()
	})
}

func reply(h *workflowtest.House, to workflowtest.Sent, text string) workflowtest.Mail {
	return workflowtest.Mail{To: []string{to.Header.Get("Reply-To")}, Subject: "Re: " + to.Subject, Text: text}
}

func TestReplyRecallsEveryByte(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		m := film1(film(200_000))
		m.To = append(m.To, "mamie@far.test")
		h.Send(m)
		receipt, invited := h.One(workflowtest.Ann.Address), h.One(mamie)
		tokens := append(receipt.Tokens(), invited.Tokens()...)

		cmd := reply(h, receipt, "RAPPELER\n\n> Votre envoi est prêt")
		h.Send(cmd)
		got := h.One(workflowtest.Ann.Address)
		if got.Subject != "Envoi retiré\u00a0: Le film" || !strings.Contains(got.Text, "C'est retiré") || !strings.Contains(got.Text, "PROLONGER") {
			t.Errorf("confirmation: %s\n%s", got.Subject, got.Text)
		}
		for i, token := range tokens {
			v, err := h.Transfers.Open(t.Context(), link.Visit{Token: token})
			if i == 1 && (err != nil || !v.Over) || i != 1 && !mail.Is(err, mail.NotFound) {
				t.Errorf("link %d: %+v, %v", i, v, err)
			}
		}
		// Its owner brings it back by a word, with the links that everybody has.
		h.Send(reply(h, receipt, "PROLONGER"))
		h.One(workflowtest.Ann.Address)
		if v, err := h.Transfers.Open(t.Context(), link.Visit{Token: tokens[2]}); err != nil || len(h.Read(v.Files[0].Blob)) != 200_000 {
			t.Errorf("brought back: %v", err)
		}
		h.Send(reply(h, receipt, "RAPPELER"))
		h.One(workflowtest.Ann.Address)
		h.Send(reply(h, receipt, "RAPPELER"))
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "déjà retiré") {
			t.Errorf("the second time:\n%s", got.Text)
		}
		wantGone(t, h)
		if n := h.Count(`SELECT COUNT(*) FROM transfer WHERE sender <> '' OR subject <> '' OR note <> '' OR mail <> '' OR message <> 0 OR recalled = 0`); n != 0 {
			t.Error("the row that is left has names")
		}
	})
}

func TestReplyExtends(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Send(film1(film(1000)))
		receipt := h.One(workflowtest.Ann.Address)
		cmd := reply(h, receipt, "Prolonger")
		cmd.MessageID = "again@phone.test"
		h.Send(cmd)
		got := h.One(workflowtest.Ann.Address)
		if !strings.Contains(got.Text, "samedi 5 décembre 2026") || got.Header.Get("Reply-To") != receipt.Header.Get("Reply-To") {
			t.Errorf("got Reply-To %s\n%s", got.Header.Get("Reply-To"), got.Text)
		}
		h.Send(cmd) // the same mail by another road
		h.None()
		h.Move(20 * 24 * time.Hour)
		v, err := h.Transfers.Open(t.Context(), link.Visit{Token: receipt.Tokens()[0]})
		if err != nil || !v.Expires.Equal(time.Date(2026, 12, 5, 10, 0, 0, 0, time.UTC)) {
			t.Errorf("after 20 days: %+v, %v", v, err)
		}
		for range 20 {
			h.Send(reply(h, receipt, "PROLONGER"))
		}
		v, err = h.Transfers.Open(t.Context(), link.Visit{Token: receipt.Tokens()[0]})
		if err != nil || v.Expires.After(h.Now().AddDate(0, 0, 90)) {
			t.Errorf("extended for ever: %v, %v", v, err)
		}
	})
}

func TestOtherRepliesAreAnsweredAndChangeNothing(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Send(film1(film(1000)))
		receipt := h.One(workflowtest.Ann.Address)
		for text, want := range map[string]string{"Merci beaucoup": "pas compris", "AIDE": "d'un mot", "STOP": "pas d'autre message", "": "pas compris"} {
			h.Send(reply(h, receipt, text))
			if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, want) {
				t.Errorf("%q: want %q in\n%s", text, want, got.Text)
			}
		}
		auto := reply(h, receipt, "RAPPELER")
		auto.Header = "Auto-Submitted: auto-replied\r\n"
		h.Send(auto)
		h.None()
		if v, err := h.Transfers.Open(t.Context(), link.Visit{Token: receipt.Tokens()[0]}); err != nil || len(v.Files) != 1 {
			t.Errorf("the transfer: %+v, %v", v, err)
		}
	})
}

// W-12: somebody else's reply address and a guessed one get the same words.
func TestOnlyTheOwnerCommands(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Send(film1(film(1000)))
		receipt := h.One(workflowtest.Ann.Address)
		theirs := reply(h, receipt, "RAPPELER")
		theirs.User, theirs.Subject = workflowtest.Bob, "Re: x"
		guess := theirs
		guess.To = []string{"r." + strings.Repeat("a", 26) + "@home.test"}
		page := theirs // the secret of the page is no reply address
		page.User, page.To = workflowtest.Ann, []string{"r." + string(receipt.Tokens()[1]) + "@home.test"}
		var texts []string
		for _, m := range []workflowtest.Mail{theirs, guess} {
			h.Send(m)
			texts = append(texts, h.One(workflowtest.Bob.Address).Text)
		}
		h.Send(page)
		h.One(workflowtest.Ann.Address)
		if texts[0] != texts[1] || !strings.Contains(texts[0], "not yours") {
			t.Errorf("somebody else's:\n%s\na guess:\n%s", texts[0], texts[1])
		}
		if _, err := h.Transfers.Open(t.Context(), link.Visit{Token: receipt.Tokens()[0]}); err != nil {
			t.Errorf("the transfer: %v", err)
		}
	})
}

func TestRecallFromPageAndCommandLine(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		for _, by := range []string{"manage link", "operator", "member"} {
			m := film1(film(40_000))
			m.To = append(m.To, "mamie@far.test")
			h.Send(m)
			tokens := h.One(workflowtest.Ann.Address).Tokens()
			guest := h.One(mamie).Tokens()[0]
			open := func(token link.Token) *transfer.View {
				v, err := h.Transfers.Open(t.Context(), link.Visit{Token: token})
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			v := open(tokens[1])
			for name, c := range map[string]link.Caller{"nobody": {}, "a guest": link.Holder(open(guest).Link), "the link to pass on": link.Holder(open(tokens[0]).Link), "Bob": link.Member(workflowtest.Bob.ID)} {
				if err := h.Transfers.Recall(t.Context(), v.ID, c); !mail.Is(err, mail.NotFound) {
					t.Errorf("Recall by %s: got %v, want NotFound", name, err)
				}
				if _, err := h.Transfers.Extend(t.Context(), v.ID, c); !mail.Is(err, mail.NotFound) {
					t.Errorf("Extend by %s: got %v, want NotFound", name, err)
				}
			}
			c := map[string]link.Caller{"manage link": link.Holder(v.Link), "operator": link.Operator(), "member": link.Member(workflowtest.Ann.ID)}[by]
			if err := h.Transfers.Recall(t.Context(), v.ID, c); err != nil {
				t.Fatalf("Recall by %s: %v", by, err)
			}
			h.Settle()
			if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "C'est retiré") {
				t.Errorf("confirmation:\n%s", got.Text)
			}
			wantGone(t, h, append(tokens, guest)...)
			if err := h.Transfers.Recall(t.Context(), v.ID, c); !mail.Is(err, mail.NotFound) {
				t.Errorf("a Recall of what is swept: got %v, want NotFound", err)
			}
		}
	})
}

func TestExpiredTransferIsSweptLikeARecalledOne(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Send(film1(film(40_000)))
		short := h.One(workflowtest.Ann.Address)
		m := film1(film(500))
		m.To = []string{"envoi+30j@home.test"}
		h.Send(m)
		long := h.One(workflowtest.Ann.Address)
		h.Move(14 * 24 * time.Hour)
		if _, err := h.Transfers.Open(t.Context(), link.Visit{Token: short.Tokens()[0]}); !mail.Is(err, mail.NotFound) {
			t.Errorf("before the sweep: got %v, want NotFound", err)
		}
		if n, err := h.Transfers.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("swept %d, %v; its owner can bring it back", n, err)
		}
		if v, err := h.Transfers.Open(t.Context(), link.Visit{Token: long.Tokens()[0]}); err != nil || len(h.Read(v.Files[0].Blob)) != 500 {
			t.Errorf("the other transfer: %v", err)
		}
		h.Move(transfer.Grace + time.Minute)
		if n, err := h.Transfers.Sweep(t.Context()); n != 1 || err != nil {
			t.Errorf("swept %d, %v; want one", n, err)
		}
		if n := h.Count(`SELECT COUNT(*) FROM transfer_file`); n != 1 {
			t.Errorf("%d files are left, want the other's", n)
		}
		h.Settle()
		h.Mails(workflowtest.Ann.Address) // a reminder
		h.Move(3 * 24 * time.Hour)
		wantGone(t, h, append(short.Tokens(), long.Tokens()...)...)
		h.Settle()
		h.None()
		h.Send(reply(h, short, "PROLONGER"))
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "arrivé à son terme") {
			t.Errorf("a late reply:\n%s", got.Text)
		}
	})
}

// An invitation that waits in the queue while its transfer is taken back is not sent.
func TestRecallOvertakesInvitations(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Fail(errors.New("the database is away"))
		m := film1(film(1000))
		m.To = append(m.To, "mamie@far.test")
		h.Send(m)
		ts, err := h.Transfers.List(t.Context())
		if err != nil || len(ts) != 1 {
			t.Fatalf("%d transfers, %v", len(ts), err)
		}
		if err := h.Transfers.Recall(t.Context(), ts[0].ID, link.Operator()); err != nil {
			t.Fatal(err)
		}
		h.Fail(nil)
		h.Move(10 * time.Minute)
		h.Settle()
		if got := h.Mails(mamie); len(got) != 0 {
			t.Errorf("mamie was told of what is gone:\n%s", got[0].Text)
		}
	})
}

func TestNoticeWaitsUntilItCanGo(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Fail(errors.New("no room"))
		h.Send(film1(film(1000)))
		h.None()
		h.Fail(nil)
		h.Move(time.Minute)
		h.Settle()
		if got := h.One(workflowtest.Ann.Address); len(got.Tokens()) != 2 {
			t.Errorf("the receipt:\n%s", got.Text)
		}
	})
}

func TestLeavingAccountTakesItsTransfersAlong(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		for range 3 {
			h.Send(film1(film(30_000)))
		}
		m := film1(film(10))
		m.User = workflowtest.Bob
		h.Send(m)
		bob := h.One(workflowtest.Bob.Address)
		if err := h.DB.Write(t.Context(), func(tx *store.Tx) error { return h.Transfers.Removed(t.Context(), tx, workflowtest.Ann.Account) }); err != nil {
			t.Fatal(err)
		}
		for _, r := range h.Mails(workflowtest.Ann.Address) {
			if _, err := h.Transfers.Open(t.Context(), link.Visit{Token: r.Tokens()[0]}); !mail.Is(err, mail.NotFound) {
				t.Errorf("a transfer of hers still opens: %v", err)
			}
		}
		if _, err := h.Transfers.Open(t.Context(), link.Visit{Token: bob.Tokens()[0]}); err != nil {
			t.Errorf("Bob's transfer: %v", err)
		}
	})
}

func TestFiftyFilesFitAReceipt(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		m := film1(film(10))
		for i := range 50 {
			m.Files = append(m.Files, workflowtest.File{Name: fmt.Sprintf("%s %d.jpg", strings.Repeat("photo de famille ", 8), i), Bytes: film(20)})
		}
		h.Send(m)
		got := h.One(workflowtest.Ann.Address)
		if !strings.Contains(got.Text, "Et 21 autres fichiers") || len(got.HTML) > 20_000 {
			t.Errorf("twin of %d bytes:\n%s", len(got.HTML), got.Text)
		}
	})
}

// L-01: the database holds no token, not even while notices wait.
func TestNoTokenIsAtRest(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		m := film1(film(1000))
		m.To = append(m.To, "mamie@far.test")
		h.Send(m)
		tokens := append(h.One(workflowtest.Ann.Address).Tokens(), h.One(mamie).Tokens()...)
		err := h.DB.Read(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.Query(t.Context(), `SELECT payload FROM job`)
			return store.Each(rows, err, func(scan func(...any) error) error {
				var b []byte
				err := scan(&b)
				for _, token := range tokens {
					if bytes.Contains(b, []byte(token)) {
						t.Errorf("a job holds a token: %s", b)
					}
				}
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestGuideIsSentInBothLanguages(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		for _, u := range []mail.User{workflowtest.Ann, workflowtest.Bob} {
			h.Send(workflowtest.Mail{User: u, To: []string{"aide@home.test"}, Subject: "?"})
			got := h.One(u.Address)
			if !strings.Contains(got.Text, locale.For(u.Lang).T("workflow-guide-title")) || !strings.Contains(got.Text, locale.For(u.Lang).T("workflow-guide-transfer-address", "At", "@home.test")) {
				t.Errorf("%s:\n%s", u.Lang, got.Text)
			}
		}
	})
}

// A crash between what a program did and the end of its job runs the job again.
func TestJobThatRunsTwiceHappensOnce(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		h.Twice = true
		m := film1(film(1000))
		m.To = append(m.To, "mamie@far.test")
		m.Header = "X-Nothing: here\r\n"
		h.Send(m)
		receipt := h.One(workflowtest.Ann.Address)
		h.One(mamie)
		h.Send(reply(h, receipt, "PROLONGER"))
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "samedi 5 décembre 2026") {
			t.Errorf("extended twice:\n%s", got.Text)
		}
		h.Send(workflowtest.Mail{To: []string{"envoi@home.test"}, Subject: "rien"})
		h.One(workflowtest.Ann.Address)
		h.Send(reply(h, receipt, "RAPPELER"))
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "C'est retiré") {
			t.Errorf("recalled twice:\n%s", got.Text)
		}
		h.None()
	})
}

// An attached mail is one file, byte for byte; what is attached to it is inside.
func TestAttachedMailIsOneFile(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		inner := h.Compose(workflowtest.Mail{To: []string{"x@far.test"}, Subject: "dedans", Text: "x", Files: []workflowtest.File{{Name: "a.bin", Bytes: film(3000)}}})
		m := film1(film(10))
		m.Files = []workflowtest.File{{Name: "avant.eml", Type: "message/rfc822", Bytes: inner, Plain: true}, {Name: "notes.txt", Type: "text/plain", Bytes: []byte("a\r\nb"), Plain: true}}
		h.Send(m)
		token := h.One(workflowtest.Ann.Address).Tokens()[0]
		v, err := h.Transfers.Open(t.Context(), link.Visit{Token: token})
		if err != nil || len(v.Files) != 2 {
			t.Fatalf("%+v, %v", v, err)
		}
		for i, want := range [][]byte{inner, []byte("a\r\nb")} {
			if f := v.Files[i]; f.SHA256 != sum(want) || f.Size != int64(len(want)) || !bytes.Equal(h.Read(f.Blob), want) {
				t.Errorf("%s: %d bytes, want %d", f.Name, f.Size, len(want))
			}
		}
		if err := h.Transfers.Recall(t.Context(), v.ID, link.Operator()); err != nil {
			t.Fatal(err)
		}
		wantGone(t, h, token)
	})
}

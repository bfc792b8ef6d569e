package outgoing_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"regexp"
	"strings"
	"testing"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/workflow/link"
	"colporteur/workflow/outgoing"
	"colporteur/workflow/workflowtest"
)

// film is bytes that do not compress.
func film(n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	b := make([]byte, n)
	r.Read(b)
	return b
}

func lines(b []byte, columns int) string {
	coded := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(coded) > columns {
		out.WriteString(coded[:columns] + "\r\n")
		coded = coded[columns:]
	}
	return out.String() + coded
}

// left is a mail on its way to a host elsewhere.
type left struct {
	to   mail.Recipient
	from mail.Address
	raw  string
}

// sent reads the mails that wait for the relay.
func sent(t *testing.T, h *workflowtest.House) (out []left) {
	t.Helper()
	var jobs []delivery.Relay
	if err := h.DB.Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT payload FROM job WHERE kind = 'relay' ORDER BY id`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var p []byte
			if err := scan(&p); err != nil {
				return err
			}
			jobs = append(jobs, delivery.Relay{})
			return json.Unmarshal(p, &jobs[len(jobs)-1])
		})
	}); err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		m, err := h.Messages.Get(t.Context(), j.Message)
		if err != nil {
			t.Fatal(err)
		}
		r, err := h.Messages.OpenMessage(t.Context(), m, 0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil || int64(len(b)) != m.Size || j.Size != m.Size+int64(len(j.Prefix)) {
			t.Fatalf("%d octets of %d: %v", len(b), m.Size, err)
		}
		for _, to := range j.To {
			out = append(out, left{to: to, from: j.From, raw: string(j.Prefix) + string(b)})
		}
	}
	return out
}

// submit has Ann send a mail as it stands.
func submit(t *testing.T, h *workflowtest.House, raw string, to ...string) error {
	t.Helper()
	env := &mail.Envelope{ID: fmt.Sprint(store.NewID()), Origin: mail.FromMember, From: workflowtest.Ann.Address, User: workflowtest.Ann,
		Client: mail.Client{Protocol: "ESMTPSA"}}
	for _, a := range to {
		if err := h.Door.Recipient(t.Context(), env, mail.Recipient{Address: mail.MustAddress(a)}); err != nil {
			t.Fatal(err)
		}
	}
	err := h.Door.Accept(t.Context(), env, strings.NewReader(raw))
	h.Settle()
	return err
}

const head = "From: Ann Petit <ann@home.test>\r\nTo: Bob <bob@far.test>, claire@loin.test\r\nSubject: Le film\r\nMessage-ID: <1@phone.test>\r\n" +
	"Date: Sat, 14 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"

// thunderbird is a mail as Thunderbird writes it: base64 in lines of 72.
func thunderbird(movie []byte) string {
	return head + "Content-Type: multipart/mixed; boundary=\"------------0ABC\"\r\n\r\nThis is a multi-part message in MIME format.\r\n" +
		"--------------0ABC\r\nContent-Type: multipart/alternative;\r\n boundary=\"------------0DEF\"\r\n\r\n" +
		"--------------0DEF\r\nContent-Type: text/plain; charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\nVoil\u00e0 le film.\r\n\r\n-- \r\nAnn\r\n" +
		"--------------0DEF\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<html><body><p>Voil\u00e0 le <b>film</b>.</p></body></html>\r\n\r\n" +
		"--------------0DEF--\r\n" +
		"--------------0ABC\r\nContent-Type: image/png; name=\"petit.png\"\r\nContent-Disposition: attachment; filename=\"petit.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines(film(5000), 72) + "\r\n" +
		"--------------0ABC\r\nContent-Type: video/mp4; name=\"=?UTF-8?Q?No=C3=ABl=2Emp4?=\"\r\nContent-Disposition: attachment; filename*=UTF-8''No%C3%ABl.mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines(movie, 72) + "\r\n" +
		"--------------0ABC--\r\n"
}

var address = regexp.MustCompile(`https://mail\.home\.test/t/([a-z2-7]{26})`)

// token is the link of a text.
func token(t *testing.T, text string) link.Token {
	t.Helper()
	m := address.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no link in:\n%s", text)
	}
	return link.Token(m[1])
}

// leaves are the bodies of a mail, decoded, by media type or file name.
func leaves(t *testing.T, raw string) (map[string]string, []string) {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	out, order := map[string]string{}, []string{}
	var walk func(kind, code, name string, r io.Reader)
	walk = func(kind, code, name string, r io.Reader) {
		what, params, err := mime.ParseMediaType(kind)
		if err != nil {
			t.Fatalf("%q: %v", kind, err)
		}
		if strings.HasPrefix(what, "multipart/") {
			order = append(order, what)
			for parts := multipart.NewReader(r, params["boundary"]); ; {
				p, err := parts.NextRawPart()
				if err == io.EOF {
					return
				}
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				walk(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p.FileName(), p)
			}
		}
		switch strings.ToLower(code) {
		case "base64":
			r = base64.NewDecoder(base64.StdEncoding, r)
		case "quoted-printable":
			r = quotedprintable.NewReader(r)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if name == "" {
			name = what
		}
		order = append(order, name)
		out[name] = string(b)
		out[name+" charset"] = params["charset"]
	}
	walk(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), "", m.Body)
	return out, order
}

// yes is a house in which Ann said yes.
func yes(t *testing.T, db *store.DB) *workflowtest.House {
	h := workflowtest.New(t, db)
	if err := h.Outgoing.Set(t.Context(), workflowtest.Ann.ID, outgoing.Yes, -1); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestEachRecipientElsewhereGetsAMailWithALinkOfTheirOwn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := yes(t, db)
		movie := film(3_000_000)
		raw := thunderbird(movie)
		if err := submit(t, h, raw, "bob@far.test", "claire@loin.test", "secret@loin.test"); err != nil {
			t.Fatal(err)
		}
		mails := sent(t, h)
		if len(mails) != 3 {
			t.Fatalf("%d mails left, want 3", len(mails))
		}
		seen := map[link.Token]bool{}
		for _, m := range mails {
			if len(m.raw) > 40_000 || strings.Contains(m.raw, lines(movie[:300], 72)[:70]) {
				t.Errorf("%d octets to %s", len(m.raw), m.to)
			}
			got, order := leaves(t, m.raw)
			if want := "multipart/mixed multipart/alternative text/plain text/html petit.png"; strings.Join(order, " ") != want {
				t.Errorf("parts %v, want %s", order, want)
			}
			if got["petit.png"] != string(film(5000)) {
				t.Error("the small file is damaged")
			}
			if !strings.HasPrefix(got["text/plain"], "Voilà le film.\r\n\r\n-- \r\nAnn\r\n") || !strings.Contains(got["text/plain"], "* Noël.mp4 (3\u00a0Mo)\r\n") {
				t.Errorf("text:\n%s", got["text/plain"])
			}
			if !strings.HasPrefix(got["text/html"], "<html><body><p>Voilà le <b>film</b>.</p>") || !strings.HasSuffix(got["text/html"], "</ul>\r\n</body></html>\r\n") {
				t.Errorf("HTML:\n%s", got["text/html"])
			}
			k := token(t, got["text/plain"])
			if token(t, got["text/html"]) != k || seen[k] {
				t.Error("text and HTML have other links, or two recipients have one")
			}
			seen[k] = true
			if !strings.Contains(m.raw, "Message-ID: <1@phone.test>\r\n") || !strings.HasPrefix(m.raw, "Received: ") {
				t.Errorf("header:\n%s", m.raw[:400])
			}
			v, err := h.Transfers.Open(t.Context(), link.Visit{Token: k})
			if err != nil {
				t.Fatal(err)
			}
			if v.Manage || v.Link.Person.Key() != m.to.Key() || len(v.Files) != 1 || v.Files[0].Name != "Noël.mp4" || v.Subject != "Le film" {
				t.Errorf("behind the link of %s: %+v", m.to, v)
			}
			if !bytes.Equal(h.Read(v.Files[0].Blob), movie) {
				t.Error("the file behind the link is another")
			}
		}
		if n := h.Count(`SELECT count(*) FROM message`); n != 3 {
			t.Errorf("%d messages, want those of the recipients only", n)
		}
		if n := h.Count(`SELECT count(*) FROM blob WHERE size > 1000000`); n != 1 {
			t.Errorf("%d large blobs, want the file alone", n)
		}
		receipt := h.One(workflowtest.Ann.Address)
		for _, s := range []string{"Noël.mp4", "Bob", "claire@loin.test", "secret@loin.test", "RAPPELER"} {
			if !strings.Contains(receipt.Text, s) {
				t.Errorf("the receipt lacks %q:\n%s", s, receipt.Text)
			}
		}
		h.Send(workflowtest.Mail{To: []string{strings.Trim(receipt.Header.Get("Reply-To"), "<>")}, Subject: "Re: x", Text: "RAPPELER"})
		for k := range seen {
			if _, err := h.Transfers.Open(t.Context(), link.Visit{Token: k}); !mail.Is(err, mail.NotFound) {
				t.Errorf("after the recall: %v", err)
			}
		}
	})
}

func TestAMailThatEveryHostTakesLeavesAsItIs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := yes(t, db)
		raw := thunderbird(film(1_000_000))
		if err := submit(t, h, raw, "bob@far.test"); err != nil {
			t.Fatal(err)
		}
		if m := sent(t, h); len(m) != 1 || !strings.HasSuffix(m[0].raw, raw) {
			t.Error("it was changed")
		}
		h.None()
	})
}

func sealedMail(kind string, movie []byte) string {
	switch kind {
	case "smime signed":
		return head + "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=s\r\n\r\n--s\r\n" +
			"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: text/plain\r\n\r\nx\r\n--m\r\nContent-Type: video/mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			lines(movie, 76) + "\r\n--m--\r\n\r\n--s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--s--\r\n"
	case "smime encrypted":
		return head + "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Disposition: attachment; filename=smime.p7m\r\n" +
			"Content-Transfer-Encoding: base64\r\n\r\n" + lines(movie, 76) + "\r\n"
	case "pgp encrypted":
		return head + "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=e\r\n\r\n--e\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n" +
			"--e\r\nContent-Type: application/octet-stream; name=encrypted.asc\r\n\r\n" + lines(movie, 76) + "\r\n--e--\r\n"
	case "inline pgp":
		return head + "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: text/plain\r\n\r\n" + strings.Repeat("mot ", 200) + "\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nabc\r\n-----END PGP MESSAGE-----\r\n" +
			"--m\r\nContent-Type: video/mp4; name=a.mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines(movie, 76) + "\r\n--m--\r\n"
	}
	panic(kind)
}

func TestSignedAndEncryptedMailIsNeverTouched(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := yes(t, db)
		h.Door.Message = 10 << 20
		movie := film(3_000_000)
		for _, kind := range []string{"smime signed", "smime encrypted", "pgp encrypted", "inline pgp"} {
			before := len(sent(t, h))
			raw := sealedMail(kind, movie)
			if err := submit(t, h, raw, "bob@far.test"); err != nil {
				t.Fatal(err)
			}
			if m := sent(t, h); len(m) != before+1 || !strings.HasSuffix(m[before].raw, raw) {
				t.Errorf("%s: it did not leave as it came", kind)
			}
		}
		h.None()
		if n := h.Count(`SELECT count(*) FROM transfer`); n != 0 {
			t.Errorf("%d transfers", n)
		}

		// Over what we take ourselves it is refused, or returned when that shows later.
		h.Door.Message, h.Outgoing.Ordinary = 1<<20, 1<<20
		if err := submit(t, h, sealedMail("smime signed", movie), "bob@far.test"); !mail.Is(err, mail.TooBig) {
			t.Errorf("a large signed mail: %v", err)
		}
		if err := submit(t, h, sealedMail("inline pgp", movie), "bob@far.test"); err != nil {
			t.Fatal(err)
		}
		if back := h.One(workflowtest.Ann.Address); !strings.Contains(back.Text, "chiffré") || !strings.Contains(back.Text, "envoi@home.test") {
			t.Errorf("returned with:\n%s", back.Text)
		}
		if n := h.Count(`SELECT count(*) FROM message m WHERE NOT EXISTS (SELECT 1 FROM job WHERE job.message = m.id)`); n != 0 {
			t.Errorf("%d messages are left over", n)
		}
	})
}

func TestWhoeverSaidNoSendsAsBefore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := workflowtest.New(t, db)
		if err := h.Outgoing.Set(t.Context(), workflowtest.Ann.ID, outgoing.No, -1); err != nil {
			t.Fatal(err)
		}
		raw := thunderbird(film(3_000_000))
		if err := submit(t, h, raw, "bob@far.test"); err != nil {
			t.Fatal(err)
		}
		if m := sent(t, h); len(m) != 1 || !strings.HasSuffix(m[0].raw, raw) {
			t.Error("it was changed")
		}
		h.Door.Message = 1 << 20
		if err := submit(t, h, raw, "bob@far.test"); !mail.Is(err, mail.TooBig) {
			t.Errorf("above our own limit: %v", err)
		}
	})
}

func TestMailAboveOurOwnLimitIsTakenToBeMadeLighter(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := yes(t, db)
		h.Door.Message, h.Outgoing.Ordinary = 3<<20, 4<<20
		movie := film(8_000_000)
		if err := submit(t, h, thunderbird(movie), "bob@far.test"); err != nil {
			t.Fatal(err)
		}
		m := sent(t, h)
		if len(m) != 1 || len(m[0].raw) > 40_000 {
			t.Fatalf("%d mails", len(m))
		}
		h.Door.Drop = 6 << 20
		if err := submit(t, h, thunderbird(movie), "bob@far.test"); !mail.Is(err, mail.TooBig) {
			t.Errorf("above what is taken at all: %v", err)
		}
	})
}

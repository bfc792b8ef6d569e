package outgoing_test

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"

	"colporteur/mail"
	"colporteur/store/storetest"
	"colporteur/workflow/link"
)

func latin(s string) string {
	out, err := charmap.ISO8859_1.NewEncoder().String(s)
	if err != nil {
		panic(err)
	}
	return out
}

// Mails as different programs build them; each has one large file.
func TestEveryShapeOfMailKeepsItsWordsAndGetsTheLink(t *testing.T) {
	t.Parallel()
	movie := film(3_000_000)
	file := "Content-Type: application/pdf; name=\"plan.pdf\"\r\nContent-Disposition: attachment; filename=\"plan.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines(movie, 76)
	japan, err := japanese.ISO2022JP.NewEncoder().String("こんにちは\r\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, body string
		order      string            // of the parts afterwards
		begins     map[string]string // decoded parts, in their charset
		charset    string            // of the text afterwards
		again      int               // how many links
	}{
		{name: "text of ASCII", body: "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nBonjour\r\n--b\r\n" + file + "\r\n--b--\r\n",
			order: "multipart/mixed text/plain", begins: map[string]string{"text/plain": "Bonjour\r\n"}, charset: "utf-8", again: 1},
		{name: "text of Latin-1 in quoted-printable", body: "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\u00c9t=E9 =3D\r\n bon\r\n--b\r\n" + file + "\r\n--b--\r\n",
			order: "multipart/mixed text/plain", charset: "ISO-8859-1", again: 1},
		{name: "text of Latin-1, 8bit", body: "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + latin("Été à la mer") + "\r\n--b\r\n" + file + "\r\n--b--\r\n",
			order: "multipart/mixed text/plain", begins: map[string]string{"text/plain": latin("Été à la mer\r\n")}, charset: "iso-8859-1", again: 1},
		{name: "Japanese text, whose charset has no é", body: "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + japan + "--b\r\n" + file + "\r\n--b--\r\n",
			order: "multipart/mixed text/plain", begins: map[string]string{"text/plain": "こんにちは\r\n"}, charset: "utf-8", again: 1},
		{name: "text in base64", body: "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines([]byte("Voilà.\r\n"), 76) + "\r\n--b\r\n" + file + "\r\n--b--\r\n",
			order: "multipart/mixed text/plain", begins: map[string]string{"text/plain": "Voilà.\r\n"}, charset: "utf-8", again: 1},
		{name: "charset that nobody knows", body: "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=klingon\r\n\r\nqapla\r\n--b\r\n" + file + "\r\n--b--\r\n",
			order: "multipart/mixed text/plain text/plain", again: 1},
		{name: "HTML only, without an end", body: "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=windows-1251\r\n\r\n<p>\xcf\xf0\xe8\r\n--b\r\n" + file + "\r\n--b--\r\n",
			order: "multipart/mixed text/html", begins: map[string]string{"text/html": "<p>\xcf\xf0\xe8\r\n<hr>"}, again: 2},
		{name: "no words at all", body: "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + file + "\r\n--b--\r\n", order: "multipart/mixed text/plain", charset: "utf-8", again: 1},
		{name: "nothing but the file", body: strings.Replace(file, "\r\n\r\n", "\r\nContent-Description: x\r\n\r\n", 1) + "\r\n", order: "text/plain", charset: "utf-8", again: 1},
		{name: "file between words, as Apple writes", body: "Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHaut\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
			"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>Haut</body></html>\r\n--b\r\n" + file + "\r\n--b\r\nContent-Type: text/html; charset=us-ascii\r\n\r\n<html><body>Bas</body></html>\r\n--b--\r\n--a--\r\n",
			order: "multipart/alternative text/plain multipart/mixed text/html text/html", again: 1},
		{name: "a multipart of which nothing is left", body: "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nVoilà\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + file + "\r\n--b--\r\n\r\n--a\r\nContent-Type: text/x-note\r\n\r\nfin\r\n--a--\r\n",
			order: "multipart/mixed text/plain text/x-note", begins: map[string]string{"text/plain": "Voilà\r\n", "text/x-note": "fin"}, again: 1},
		{name: "a note right before the file", body: "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nVoilà\r\n--a\r\nContent-Type: text/x-note\r\n\r\nfin\r\n--a\r\n" + file + "\r\n--a--\r\n",
			order: "multipart/mixed text/plain text/x-note", begins: map[string]string{"text/x-note": "fin"}, again: 1},
		{name: "an attached mail", body: "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nVoilà\r\n--a\r\nContent-Type: message/rfc822; name=\"ancien.eml\"\r\nContent-Disposition: attachment; filename=\"plan.pdf\"\r\n\r\nSubject: x\r\nContent-Type: text/plain\r\n\r\n" +
			lines(movie, 76) + "\r\n--a--\r\n", order: "multipart/mixed text/plain", again: 1},
		{name: "no closing delimiter", body: "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nVoilà\r\n--a\r\n" + file, again: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := yes(t, storetest.SQLite(t))
			if err := submit(t, h, head+c.body, "bob@far.test"); err != nil {
				t.Fatal(err)
			}
			mails := sent(t, h)
			if len(mails) != 1 || len(mails[0].raw) > 20_000 {
				t.Fatalf("%d mails", len(mails))
			}
			raw := mails[0].raw
			var sum *mail.Summary
			scan := &mail.Scanner{}
			if _, err := scan.Write([]byte(raw)); err != nil {
				t.Fatal(err)
			}
			if sum, _, err = scan.Close(); err != nil {
				t.Fatal(err)
			}
			if c.name != "no closing delimiter" {
				got, order := leaves(t, raw)
				if strings.Join(order, " ") != c.order {
					t.Errorf("parts %v, want %s:\n%s", order, c.order, raw)
				}
				for what, begin := range c.begins {
					if !strings.HasPrefix(got[what], begin) || what == "text/x-note" && got[what] != begin {
						t.Errorf("%s begins %q, want %q", what, got[what], begin)
					}
				}
				if c.charset != "" && got["text/plain charset"] != c.charset {
					t.Errorf("charset %q, want %q", got["text/plain charset"], c.charset)
				}
			}
			said := ""
			sum.Root.Walk(func(p *mail.Part) {
				if strings.HasPrefix(p.Type, "text/") {
					said += string(mail.AppendDecoded(nil, p.Encoding, []byte(raw[p.BodyOffset:p.BodyOffset+p.Size])))
				}
			})
			k := token(t, said)
			if n := strings.Count(said, string(k)); n < c.again {
				t.Errorf("the link stands %d times, want %d", n, c.again)
			}
			v, err := h.Transfers.Open(t.Context(), link.Visit{Token: k})
			if err != nil || len(v.Files) != 1 || v.Files[0].Name != "plan.pdf" {
				t.Fatalf("behind the link: %+v %v", v, err)
			}
		})
	}
}

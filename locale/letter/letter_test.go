package letter

import (
	"fmt"
	"strings"
	"testing"
)

func url(ref int64) string { return fmt.Sprintf("https://mail.test/t/%d", ref) }

func full(files int) *Letter {
	l := &Letter{Subject: "Votre envoi est prêt", Heading: "Votre envoi — Le film <b>"}
	l.LinkTo("Le lien à transmettre :", 7).Para("Jusqu'à samedi.\nMerci.").Quote("Voilà\n<script>alert(1)</script>")
	var its []Item
	for i := range files {
		its = append(its, Item{Name: strings.Repeat("nom ", 30) + fmt.Sprint(i), Detail: "312 Mo", Print: "SHA-256 " + strings.Repeat("0123456789abcdef", 4)})
	}
	return l.Items(its).Small("petit")
}

func TestTextAndTwinSayTheSame(t *testing.T) {
	t.Parallel()
	l := full(2)
	html, err := l.HTML("fr", url)
	if err != nil {
		t.Fatal(err)
	}
	text := l.Text(url)
	for _, s := range []string{"https://mail.test/t/7", "Jusqu", "Voilà", "312 Mo", "0123456789abcdef", "petit", "Le lien à transmettre :"} {
		if !strings.Contains(text, s) {
			t.Errorf("text lacks %q:\n%s", s, text)
		}
		if !strings.Contains(string(html), s) {
			t.Errorf("twin lacks %q:\n%s", s, html)
		}
	}
	if !strings.Contains(text, "\nhttps://mail.test/t/7\n") {
		t.Errorf("the link does not stand alone on its line:\n%s", text)
	}
}

func TestTwinLoadsNothingAndRunsNothing(t *testing.T) {
	t.Parallel()
	html, err := full(2).HTML("fr", url)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"<script", "<img", "src=", "url(", "<link", "@import", "<b>"} {
		if strings.Contains(strings.ToLower(string(html)), s) {
			t.Errorf("twin has %q:\n%s", s, html)
		}
	}
}

func TestLongestLetterStaysSmall(t *testing.T) {
	t.Parallel()
	l := full(30)
	html, err := l.HTML("fr", url)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(html); n >= 20_000 {
		t.Errorf("twin of a letter with 30 files is %d bytes", n)
	}
}

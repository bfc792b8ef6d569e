package workflow

import "testing"

func TestWordsOfAReplyEndWhereTheQuotationBegins(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][2]string{
		"Gmail, wrapped":       {"Quelle belle photo\u00a0!\n\nLe dim. 22 nov. 2026 à 18:04, Ann Petit via Colporteur\n<album+vacances@home.test> a écrit :\n\n> Ann partage", "Quelle belle photo\u00a0!"},
		"Gmail, English":       {"Lovely\n\nOn Sun, Nov 22, 2026 at 6:04 PM Ann Petit\n<album+x@home.test> wrote:\n\n> Ann shares", "Lovely"},
		"an iPhone":            {"Bravo\n\nEnvoyé de mon iPhone\n\n> Le 22 nov. 2026 à 18:04, Ann a écrit :", "Bravo"},
		"Outlook":              {"Bravo\n________________________________\nDe : Ann\nEnvoyé : dimanche", "Bravo"},
		"Outlook's telephone":  {"Bravo\nTélécharger Outlook pour Android", "Bravo"},
		"several paragraphs":   {"Un.\n\nDeux.\nLe lac est beau.", "Un.\n\nDeux.\nLe lac est beau."},
		"a sentence about him": {"Le chien dort.\n\nIl a écrit :\nouaf", "Le chien dort.\n\nIl a écrit :\nouaf"},
		"only a quotation":     {"> Ann shares", ""},
		"nothing":              {"", ""},
	} {
		if got := Words(c[0]); got != c[1] {
			t.Errorf("%s: got %q, want %q", name, got, c[1])
		}
	}
}

func TestLoneWordCommandsAndASentenceDoesNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		subject, text string
		want          Word
	}{
		{"Re: Album", "STOP", Stop}, {"Re: Album", "Stop.\n\n> Ann", Stop}, {"STOP", "", Stop}, {"Re: STOP", "> x", Stop},
		{"Re: Album", "Stop, quelle photo", None}, {"Re: Album", "Non mais quelle photo", None}, {"STOP", "Jolie", None},
		{"Re: Album", "Rappeler\nEnvoyé de mon iPhone", Recall}, {"", "", None}, {"Re: Photos", "Merci", None},
	} {
		if got := Lone(c.subject, c.text); got != c.want {
			t.Errorf("%q, %q: got %q, want %q", c.subject, c.text, got, c.want)
		}
	}
}

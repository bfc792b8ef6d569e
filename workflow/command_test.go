package workflow

import (
	"strings"
	"testing"

	"colporteur/locale"
)

func TestReplyIsUnderstood(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, subject, text string
		want                Word
	}{
		{"the word alone", "Re: Votre envoi est prêt", "RAPPELER", Recall},
		{"small letters, a full stop, a signature", "Re: x", "rappeler.\n\nEnvoyé de mon iPhone", Recall},
		{"the polite imperative", "Re: x", "Rappelez, s'il vous plaît", Recall},
		{"English", "Re: x", "Recall", Recall},
		{"extend", "Re: x", "PROLONGER\n\n> Votre envoi est prêt", Extend},
		{"a greeting first", "Re: x", "Bonjour,\n\nPROLONGER\n\nMerci", Extend},
		{"in the subject", "Re: RAPPELER", "", Recall},
		{"in the subject of a reply to a reply", "RE : Re: extend", "", Extend},
		{"help", "Re: x", "AIDE", Help},
		{"stop", "Re: x", "Stop", Stop},
		{"quoted words are not theirs", "Re: x", "> RAPPELER\n> PROLONGER", None},
		{"below a quotation's first line", "Re: x", "Le sam. 28 nov. 2026 à 14:02, Colporteur a écrit :\nRAPPELER", None},
		{"below an Outlook header", "Re: x", "Merci\n\nDe : Colporteur\nRAPPELER", None},
		{"in the middle of a sentence", "Re: x", "Merci, je vais rappeler Jean", None},
		{"a later sentence that begins so", "Re: x", "Merci\nrappeler Jean demain", None},
		{"too far down", "Re: x", "a\nb\nc\nd\ne\nRAPPELER", None},
		{"nothing", "", "", None},
		{"a subject that only mentions it", "Re: Votre envoi à prolonger", "", None},
	} {
		if got := ParseWord(c.subject, c.text); got != c.want {
			t.Errorf("%s: ParseWord(%q, %q): got %q, want %q", c.name, c.subject, c.text, got, c.want)
		}
	}
}

// A mail program may quote what it replies to without any mark.
func TestOurOwnWordsCommandNothing(t *testing.T) {
	t.Parallel()
	for _, lang := range locale.Langs {
		p := locale.For(lang)
		for _, id := range []string{"transfer-receipt-words", "transfer-commands", "transfer-not-understood", "transfer-recalled",
			"transfer-extended", "album-receipt-words", "album-commands", "album-not-understood"} {
			text := p.T(id, "Subject", "le film", "Name", "Vacances", "Date", "demain")
			if got := ParseWord("Re: x", "Colporteur\n"+text); got != None {
				t.Errorf("%s %s: %q commands %q", lang, id, text, got)
			}
		}
	}
}

func TestHTMLReplyIsReadAsItsAuthorSeesIt(t *testing.T) {
	t.Parallel()
	in := `<html><head><title>no</title><style>p{}</style></head><body><div>Rappeler</div><p>Merci&nbsp;!<br>Ann</p>` +
		`<script>alert(1)</script><blockquote><div>PROLONGER</div></blockquote></body></html>`
	got := tidy(plain(in), 1000)
	if want := "Rappeler\n\nMerci !\nAnn"; got != want {
		t.Errorf("plain(%q): got %q, want %q", in, got, want)
	}
}

func TestTextIsTidied(t *testing.T) {
	t.Parallel()
	in := "\r\n\r\nBonjour\x00\x07 à tous\t \r\n\r\n\r\n\r\nvoici‮ le film\r\n-- \r\nAnn, 1 rue du Moulin"
	if got, want := tidy(in, 1000), "Bonjour à tous\n\nvoici le film"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := tidy(strings.Repeat("é", 100), 10); got != strings.Repeat("é", 10)+"…" {
		t.Errorf("not cut at 10 characters: %q", got)
	}
}

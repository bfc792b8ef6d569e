package smtp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"colporteur/mail"
)

func TestEveryKindHasACode(t *testing.T) {
	t.Parallel()
	for k := range mail.Kind(mail.Kinds) {
		c := codes[k]
		class := c.basic / 100
		switch {
		case c.basic == 0 || !strings.HasPrefix(c.sentence, "kind-"):
			t.Errorf("kind %d has no code or sentence", k)
		case class != c.enhanced[0]:
			t.Errorf("%s: %d and %v disagree", c.sentence, c.basic, c.enhanced)
		case k.Temporary() != (class == 4):
			t.Errorf("%s: temporary is %v, the code %d", c.sentence, k.Temporary(), c.basic)
		}
	}
	for k, c := range authCodes {
		if c.basic/100 != c.enhanced[0] {
			t.Errorf("%d: %v", k, c)
		}
	}
}

func TestReplyHidesInternals(t *testing.T) {
	t.Parallel()
	s := &Server{}
	for _, err := range []error{
		errors.New("open /var/lib/secret: no such file"),
		fmt.Errorf("wrapped: %w", mail.Wrap(mail.Unavailable, errors.New("postgres://secret"))),
		mail.Refuse(mail.OverQuota, "mailbox-full").Because(errors.New("secret table")),
	} {
		if got := string(s.refuse("", err).line()); strings.Contains(got, "secret") || got[0] != '4' {
			t.Errorf("%v: %q", err, got)
		}
	}
	if got := s.refuse("", context.Canceled); got.basic != 451 {
		t.Errorf("cancelled: %v", got)
	}
}

func TestReplyIsAsciiInBoundedLines(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Veuillez réessayer à l’œil":       "Veuillez reessayer a l'oeil",
		"« oui » – bientôt…":               `" oui " - bientot...`,
		"two\r\n250 2.0.0 lines\r\n":       "two 250 2.0.0 lines",
		"nul\x00 esc\x1b[31m":              "nul esc [31m",
		"":                                 "",
		"日本":                               "??",
		strings.Repeat("x", 181):           strings.Repeat("x", 180) + "|x",
		strings.Repeat("mot ", 50) + "fin": strings.Repeat("mot ", 44) + "mot|" + strings.Repeat("mot ", 5) + "fin",
	} {
		if got := strings.Join(fold(in), "|"); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	s := &Server{Render: func(lang string, _ mail.Text) string { return strings.Repeat(lang+"é\r\n", 100) }}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(s.refuse("", mail.Refuse(mail.Policy, "x")).line()), "\r\n"), "\r\n") {
		if len(line) > 200 || !strings.HasPrefix(line[4:], "5.7.1 ") || strings.ContainsAny(line, "\r\n\xc3") {
			t.Errorf("%q", line)
		}
	}
}

func TestReplySpeaksTheMembersLanguage(t *testing.T) {
	t.Parallel()
	s := &Server{Render: func(lang string, t mail.Text) string { return lang + " " + t.ID }}
	for lang, want := range map[string]string{
		"fr": "550 5.7.1 fr x\r\n",
		"en": "550 5.7.1 en x\r\n",
		"":   "550-5.7.1 en x\r\n550 5.7.1 fr x\r\n",
	} {
		r := s.refuse(lang, mail.Refuse(mail.Policy, "x"))
		if got := string(r.line()); got != want {
			t.Errorf("%q: got %q, want %q", lang, got, want)
		}
	}
}

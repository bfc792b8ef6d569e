package imap

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"colporteur/mail"
)

func TestEveryKindHasAReply(t *testing.T) {
	t.Parallel()
	s := &Server{}
	code := regexp.MustCompile(`^[A-Z-]+$`)
	for k := range mail.Kind(mail.Kinds) {
		if !code.MatchString(string(replies[k].code)) || !strings.HasPrefix(replies[k].text, "kind-") {
			t.Errorf("kind %d: %+v", k, replies[k])
		}
		got := s.reply("fr", fmt.Errorf("folder: %w", mail.Wrap(k, errors.New("disk /dev/sda1"))))
		if got.kind != "NO" || got.code != replies[k].code || got.text != replies[k].text {
			t.Errorf("kind %d: %+v", k, got)
		}
	}
}

func TestReplyHidesInternals(t *testing.T) {
	t.Parallel()
	s := &Server{}
	for _, err := range []error{
		errors.New("no such table: secret"),
		mail.Refuse(mail.OverQuota, "mailbox-full").Because(errors.New("secret")),
		mail.Wrap(mail.Kind(999), errors.New("secret")),
	} {
		if got := s.reply("", err); strings.Contains(got.Error(), "secret") {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestSentencesAreOneLineOfASCII(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"L’œuvre est déjà là, «\u00a0voilà\u00a0»": `L'oeuvre est deja la, "voila"`,
		"Ce message est vide\u00a0: non":           "Ce message est vide : non",
		"[ALERT] no":                               "ALERT] no",
		"a\r\n* BYE":                               "a  * BYE",
		"日本":                                       "??",
		"":                                         "-",
	} {
		if got := ascii(in); got != want {
			t.Errorf("ascii(%q) = %q, want %q", in, got, want)
		}
	}
}

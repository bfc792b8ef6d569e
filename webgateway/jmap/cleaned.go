package jmap

import (
	"strings"

	"colporteur/mail"
	"colporteur/webgateway/sanitize"
)

// cleaned is HTML that a member gives us to send later, made harmless as a mail
// that came is. Pictures stay when they are in it, as data: URLs: then nothing
// else need be kept for it, or found again when it is sent. Those from elsewhere
// do not: whoever has them would hear of everybody who reads the mail.
//
// long and deep are the sentences for what is too large.
func cleaned(html string, most int, long, deep string) (string, error) {
	if len(html) > most {
		return "", mail.Refuse(mail.TooBig, long)
	}
	res, err := sanitize.HTML(strings.NewReader(html), sanitize.Options{MaxBytes: most})
	switch {
	case err != nil:
		return "", err
	case res.Cut:
		return "", mail.Refuse(mail.BadContent, deep)
	case len(res.HTML) > most: // links are written out longer
		return "", mail.Refuse(mail.TooBig, long)
	}
	return res.HTML, nil
}

package accounts

import (
	"strings"
	"unicode"

	"colporteur/mail"
	"colporteur/store"

	"golang.org/x/text/unicode/norm"
)

// checkNew says whether a new member or alias may have this address, and
// returns it in the spelling that is kept.
//
// What strangers may write to is decided elsewhere; here it is about names that
// people read and type. So: folded as Key folds (one identity for ANN, Ann and
// full-width Ａｎｎ), then Latin letters, digits, dot, dash and underscore. The
// Cyrillic а, the dotless ı or a letter with a loose accent never get in, and
// "+" is kept for details.
func checkNew(a mail.Address) (mail.Address, error) {
	local := mail.FoldLocal(a.Local)
	refuse := mail.Refuse(mail.BadAddress, "accounts-bad-name", "Name", a.Local)
	if local == "" || len(local) > 64 || !norm.NFKC.IsNormalString(local) {
		return mail.Address{}, refuse
	}
	for i, r := range local {
		edge := i == 0 || i == len(local)-1
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		case r == '.' && !edge && local[i+1] != '.', r == '_', r == '-' && !edge:
		case latin(r):
		default:
			return mail.Address{}, refuse
		}
	}
	return mail.Address{Local: local, Domain: a.Domain}, nil
}

// latin are the lower-case letters of European languages in Latin-1 and Latin
// Extended-A, without ı and ĸ, which read as i and k.
func latin(r rune) bool {
	return r >= 0xdf && r <= 0x17f && r != 0xf7 && r != 0x131 && r != 0x138 && unicode.IsLower(r)
}

// look is what an address looks like at a glance: two members never share one.
// Accents and dots are what people forget when they copy an address.
func look(a mail.Address) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(mail.FoldLocal(a.Local)) {
		if r != '.' && !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return b.String() + "@" + a.Domain
}

// roles are the words that always exist (RFC 2142); they lead to people but
// are nobody's name.
func isRole(local string) bool { return local == "postmaster" || local == "abuse" }

func withoutDetail(a mail.Address) mail.Address {
	if base, _, ok := strings.Cut(a.Local, "+"); ok && base != "" {
		a.Local = base
	}
	return a
}

// clean makes a person's text fit for one line and for the database.
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, store.Clean(s)))
}

package authres

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Letters of other scripts that people take for Latin ones (Unicode TS 39, the
// part of it that serves to deceive).
const (
	cyrillicAlike = "аеорсухіјѕһԁԛԝӏьғԍвкмнтгпАВЕКМНОРСТУХІЈЅԚԜӀ"
	greekAlike    = "ονατρυικχγεηωςΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
	armenianAlike = "օոսհցգքյզՕՍԼՏ"
)

var alikes = func() map[rune]bool {
	m := map[rune]bool{}
	for _, r := range cyrillicAlike + greekAlike + armenianAlike {
		m[r] = true
	}
	return m
}()

func looksLatin(r rune) bool { return alikes[r] || unicode.Is(unicode.Cherokee, r) }

// together are the scripts that belong in one word.
var together = [][]*unicode.RangeTable{
	{unicode.Latin, unicode.Han, unicode.Hiragana, unicode.Katakana},
	{unicode.Latin, unicode.Han, unicode.Hangul},
	{unicode.Latin, unicode.Han, unicode.Bopomofo},
}

// readable says whether the letters of a label, below a top-level domain, can
// only be read one way: all of one script, none that imitates Latin where Latin
// is expected, and no well-known name with an accent on it.
func readable(label, top string) bool {
	if isASCII(label) {
		return true
	}
	alike, letters := 0, 0
	for _, r := range label {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) {
			continue
		}
		letters++
		if looksLatin(r) {
			alike++
		}
		if oddLatin(r, top) {
			return false
		}
	}
	if !oneScript(label) {
		return false
	}
	if alike > 0 && alike == letters && isASCII(top) { // "оса.com", and "аррӏе.com"
		return false
	}
	return !wellKnown[bare(label)]
}

// oneScript says whether a label is written in one script, or in some that go
// together.
func oneScript(label string) bool {
	for _, set := range together {
		if all(label, set...) {
			return true
		}
	}
	for name, table := range unicode.Scripts {
		if name != "Common" && name != "Inherited" && all(label, table) {
			return true
		}
	}
	return all(label)
}

func all(label string, scripts ...*unicode.RangeTable) bool {
	for _, r := range label {
		if !unicode.In(r, unicode.Common, unicode.Inherited) && !unicode.In(r, scripts...) {
			return false
		}
	}
	return true
}

// oddLatin are Latin letters that no language of many readers has, and that look
// like others: phonetic ones, and the dotless i where it is not at home.
func oddLatin(r rune, top string) bool {
	switch {
	case r == 'ı':
		return top != "tr" && top != "az" && top != "kz"
	case r >= 0x250 && r <= 0x2af:
		return !strings.ContainsRune("ɓɔɖɗɛɣɩɲŋʋʒ", r) // African languages
	case r >= 0x1d00 && r <= 0x1dbf, r >= 0xa720 && r <= 0xa7ff, r >= 0xab30 && r <= 0xab6f, r == 0x0138, r == 0x017f, r == 0x0337, r == 0x0338:
		return true
	}
	return false
}

// bare is a label without accents.
func bare(label string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsMark(r):
			return -1
		case r == 'ı' || r == 'ł' || r == 'ɩ':
			return map[rune]rune{'ı': 'i', 'ł': 'l', 'ɩ': 'i'}[r]
		case r == 'ø':
			return 'o'
		case r == 'đ':
			return 'd'
		}
		return r
	}, norm.NFD.String(label))
}

// wellKnown are names, without accents of their own, that those who steal
// passwords borrow.
var wellKnown = map[string]bool{"amazon": true, "ameli": true, "amendes": true, "antai": true, "apple": true, "binance": true, "bnpparibas": true,
	"booking": true, "boursorama": true, "chronopost": true, "coinbase": true, "colissimo": true, "dhl": true, "docusign": true, "dropbox": true,
	"ebay": true, "facebook": true, "fedex": true, "free": true, "gmail": true, "google": true, "hotmail": true, "icloud": true, "impots": true,
	"instagram": true, "labanquepostale": true, "laposte": true, "leboncoin": true, "linkedin": true, "microsoft": true, "netflix": true,
	"orange": true, "outlook": true, "ovh": true, "paypal": true, "revolut": true, "sfr": true, "ups": true, "vinted": true, "wetransfer": true,
	"whatsapp": true, "yahoo": true}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

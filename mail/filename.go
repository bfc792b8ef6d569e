package mail

import (
	"path"
	"strings"
)

const maxFileName = 200

// FileName makes what a stranger calls a file fit to be one on every system:
// one path element, no controls, no leading dot, none of the names that
// Windows keeps for devices, at most 200 octets with its ending kept. "" when
// nothing is left.
func FileName(s string) string {
	s = Words(s)
	s = strings.TrimRight(s, `/\`)
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, s)
	s = strings.Trim(strings.TrimLeft(s, ". "), " ")
	s = strings.TrimRight(s, ". ")
	stem, _, _ := strings.Cut(s, ".")
	switch stem = strings.ToLower(strings.TrimRight(stem, " ")); {
	case stem == "con", stem == "prn", stem == "aux", stem == "nul",
		len(stem) == 4 && (stem[:3] == "com" || stem[:3] == "lpt") && stem[3] >= '1' && stem[3] <= '9':
		s = "_" + s
	}
	if len(s) > maxFileName {
		ext := path.Ext(s)
		if len(ext) > 20 {
			ext = ""
		}
		s = strings.TrimRight(limit(s[:len(s)-len(ext)], maxFileName-len(ext)), ". ") + ext
	}
	return s
}

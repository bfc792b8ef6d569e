package workflow

import (
	"colporteur/locale"
	"colporteur/mail"
)

// Names are the names of files as people get them: one path element each, none
// empty, none twice.
func Names(parts []*mail.Part, say locale.Printer) []string {
	taken := map[string]int{}
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = unique(taken, fileName(p, i+1, say))
	}
	return out
}

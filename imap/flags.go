package imap

import (
	"slices"
	"strings"
)

// systemFlags are those a client may set (RFC 3501 §2.3.2).
var systemFlags = []string{`\Answered`, `\Flagged`, `\Deleted`, `\Seen`, `\Draft`}

const (
	maxFlags   = 64 // in one command
	maxKeyword = 100
)

// cleanFlags are flags as the store keeps them. \Recent is the server's, and
// clients that copy flags send it back: it is left out.
func cleanFlags(in []string) ([]string, error) {
	out := []string{}
	seen := make(map[string]bool)
	for _, f := range in {
		name, ok := cleanFlag(f)
		if !ok {
			return nil, bad("Not a flag")
		}
		if key := strings.ToLower(name); name != "" && !seen[key] {
			seen[key] = true
			out = append(out, name)
		}
	}
	if len(out) > maxFlags {
		return nil, &status{"NO", "LIMIT", "Too many flags"}
	}
	return out, nil
}

func cleanFlag(f string) (string, bool) {
	if strings.HasPrefix(f, `\`) {
		for _, known := range systemFlags {
			if strings.EqualFold(f, known) {
				return known, true
			}
		}
		return "", strings.EqualFold(f, `\Recent`)
	}
	return f, writable(f) && len(f) <= maxKeyword
}

// writable reports whether f can be written as an atom (RFC 3501 §9).
func writable(f string) bool {
	for i := 0; i < len(f); i++ {
		if c := f[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return f != ""
}

// flagList is the FLAGS response: the system flags and the keywords in use.
func flagList(keywords []string) []string {
	return append(slices.Clone(systemFlags), slices.DeleteFunc(slices.Clone(keywords), func(k string) bool { return !writable(k) })...)
}

func has(flags []string, want string) bool { return slices.Contains(flags, want) }

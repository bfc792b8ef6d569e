package imap

import (
	"sort"
	"strings"

	proto "github.com/emersion/go-imap/v2"
)

// systemFlags are those a client may set (RFC 3501 §2.3.2).
var systemFlags = []proto.Flag{proto.FlagAnswered, proto.FlagFlagged, proto.FlagDeleted, proto.FlagSeen, proto.FlagDraft}

const (
	maxFlags   = 64 // in one command
	maxKeyword = 100
)

// cleanFlags are flags as the store keeps them. \Recent is the server's, and
// clients that copy flags send it back: it is left out.
func cleanFlags(in []proto.Flag) ([]string, error) {
	out := []string{}
	seen := make(map[string]bool)
	for _, f := range in {
		name, ok := cleanFlag(string(f))
		if !ok {
			return nil, bad("Not a flag")
		}
		if key := strings.ToLower(name); name != "" && !seen[key] {
			seen[key] = true
			out = append(out, name)
		}
	}
	if len(out) > maxFlags {
		return nil, &proto.Error{Type: proto.StatusResponseTypeNo, Code: proto.ResponseCodeLimit, Text: "Too many flags"}
	}
	return out, nil
}

func cleanFlag(f string) (string, bool) {
	if strings.HasPrefix(f, `\`) {
		for _, known := range systemFlags {
			if strings.EqualFold(f, string(known)) {
				return string(known), true
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

// wireFlags are an entry's flags as a response may carry them: one that cannot
// be written would break off the response.
func wireFlags(flags []string) []proto.Flag {
	out := make([]proto.Flag, 0, len(flags))
	for _, f := range flags {
		if writable(strings.TrimPrefix(f, `\`)) {
			out = append(out, proto.Flag(f))
		}
	}
	return out
}

// flagList is the FLAGS response: the system flags and the keywords in use.
func flagList(keywords map[string]bool) []proto.Flag {
	out := append([]proto.Flag{}, systemFlags...)
	names := make([]string, 0, len(keywords))
	for k := range keywords {
		names = append(names, k)
	}
	sort.Strings(names)
	return append(out, wireFlags(names)...)
}

func has(flags []string, want proto.Flag) bool {
	for _, f := range flags {
		if f == string(want) {
			return true
		}
	}
	return false
}

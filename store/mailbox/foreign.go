package mailbox

// UsableFlags are those of flags that a mail here can have. What other hosts
// hand out as flags is not always one (RFC 9051 §9, flag-keyword).
func UsableFlags(flags []string) []string {
	var out []string
	for _, f := range flags {
		if one, err := normalFlags([]string{f}); err == nil && len(out) < maxFlags {
			out = append(out, one...)
		}
	}
	return out
}

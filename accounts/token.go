package accounts

import (
	"encoding/base64"
	"strings"
)

// Token writes an address and an app password as one word, for programs that ask
// for a token and nothing else (RFC 6750 §2.1: letters, digits, - and _). It is no
// secret of its own: it is checked, and revoked, as that app password is.
func Token(address, password string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(address + ":" + password))
}

// ParseToken undoes Token, with or without padding.
func ParseToken(token string) (address, password string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(token, "="))
	if err != nil || len(raw) > 1000 {
		return "", "", false
	}
	return strings.Cut(string(raw), ":")
}

package host

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// NewPassword is one that can be read out on the telephone: 100 random bits.
func NewPassword() string {
	b := make([]byte, 13)
	rand.Read(b)
	s := strings.ToLower(base32.StdEncoding.EncodeToString(b)[:20])
	return s[:5] + "-" + s[5:10] + "-" + s[10:15] + "-" + s[15:]
}

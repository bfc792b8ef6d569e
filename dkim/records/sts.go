package records

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// How long others keep our policy (RFC 8461 §3.2). A policy in testing is
// wrong now and then, an enforced one should outlast a long holiday of whoever
// could attack.
const (
	stsTesting = 24 * time.Hour
	stsEnforce = 30 * 24 * time.Hour
)

// STSPolicy is the text of /.well-known/mta-sts.txt, and the id that its TXT
// record has: it changes with the text, and only with it.
func STSPolicy(mxHosts []string, mode string) (body, id string) {
	age := stsTesting
	if mode == "enforce" {
		age = stsEnforce
	}
	var b strings.Builder
	fmt.Fprintf(&b, "version: STSv1\r\nmode: %s\r\n", mode)
	for _, h := range mxHosts {
		fmt.Fprintf(&b, "mx: %s\r\n", h)
	}
	fmt.Fprintf(&b, "max_age: %d\r\n", int(age.Seconds()))
	sum := sha256.Sum256([]byte(b.String()))
	return b.String(), hex.EncodeToString(sum[:10]) // at most 32 letters and digits (§3.1)
}

package records

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
)

// TLSAValues are the TLSA data that a certificate chain fits (RFC 6698 §2.1),
// the one to publish first: 3 1 1, the leaf's key, which RFC 7672 §3.1 prefers
// because neither names nor dates count then. Usages 0 and 1 mean nothing to
// SMTP (§3.1.3); whole certificates instead of their hash are not worth the octets.
func TLSAValues(chain []*x509.Certificate) []string {
	var out []string
	for i, c := range chain {
		usage := 3
		if i > 0 {
			usage = 2
		}
		for _, selector := range []int{1, 0} {
			data := c.RawSubjectPublicKeyInfo
			if selector == 0 {
				data = c.Raw
			}
			short, long := sha256.Sum256(data), sha512.Sum512(data)
			out = append(out, fmt.Sprintf("%d %d 1 %s", usage, selector, hex.EncodeToString(short[:])),
				fmt.Sprintf("%d %d 2 %s", usage, selector, hex.EncodeToString(long[:])))
		}
	}
	return out
}

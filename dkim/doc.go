// Package dkim signs mail and judges the signatures of others (RFC 6376, with
// RFC 8301 for sizes and hashes and RFC 8463 for Ed25519). What follows from a
// signature is decided elsewhere; SPF, DMARC, ARC, keys and DNS records have
// packages below this one.
//
// # Signing
//
// Sign reads a mail once and returns one field per key, so that a mail carries
// an RSA signature, which everybody can check, and an Ed25519 one. The fields
// people see and those that decide how a body is shown are listed once more
// than they occur (oversigned), so that none can be added on the way.
//
// # Judging
//
// A Verifier starts with the header block: the keys are fetched side by side
// while the body is still arriving and is hashed as it passes, once for each
// canonical form whatever the number of signatures. Nothing of the body is
// kept. The words of the results follow RFC 8601 §2.7.1:
//
//	pass       the signature holds, and is acceptable
//	fail       acceptable, but the header or the body is not what was signed
//	policy     not acceptable: rsa-sha1 (RFC 8301 §3.1), a key under 1024 or over 4096
//	           bits (§3.2), expired, a second From or Subject beside the signed one,
//	           a header no two programs read alike
//	neutral    the signature field itself is unusable
//	permerror  its key is: none, revoked, unreadable, not for this use
//	temperror  the DNS did not answer
//
// # Why the hashing is our own
//
// go-msgauth reads the clock itself and cannot sign a mail without an empty
// line; it keeps a run of blank lines in memory, however long, hashes the body
// once per signature, asks the DNS without a context and in the order of the
// signatures, and says of l= only that it is there. It stands in the tests
// instead, as one of the others that must agree with us.
package dkim

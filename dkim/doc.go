// Package dkim is for proof of origin: DKIM, SPF, DMARC, ARC, and the DNS
// records to publish. Nothing of it is built yet; until then only SMTP AUTH
// proves a sender, and what leaves is not signed (smtp/relay.Relay.Sign is the
// place where a signer goes).
package dkim

// Package imap serves mailboxes to mail programs: IMAP4rev1 (RFC 3501) and
// IMAP4rev2 (RFC 9051) with their extensions.
//
// Everything about mailboxes is in store/mailbox; the grammar is in imap/wire;
// this package is the conversation between them.
//
// # A connection
//
// One goroutine reads commands, runs them and writes all responses: nothing
// is written to a client by anybody else. While a client waits (between two
// commands, in IDLE) its session holds no buffers. Strangers have smaller limits
// and one deadline until they have signed in.
//
// # A session's picture of a mailbox
//
// Sequence numbers belong to a session. view.go keeps the set of UIDs that the
// client knows, which sessions of one mailbox share, and the modseq up to which
// it was told of changes. What changed is told where RFC 9051 §7.5.1 permits it:
// never an EXPUNGE while FETCH, STORE or SEARCH run. Of a mail that is gone and
// that the client was not told of, everything can still be read.
package imap

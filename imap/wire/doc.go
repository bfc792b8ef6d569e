// Package wire is the grammar of IMAP (RFC 9051 §9): it reads commands and
// writes responses, and knows nothing of what they mean.
//
// # A command is lines joined by literals
//
// "{5}" at the end of a line announces five octets, after which the line goes
// on (RFC 9051 §4.3; "{5+}" without waiting, RFC 7888). Decoder holds one line
// at a time. What a handler does not read of its command Discard throws away,
// literals too, so that octets of a refused literal are never read as a command:
// an attacker chooses them.
//
// # Bounds
//
// A line, a literal that is held in memory, the number of both in one command,
// and the depth of parentheses are bounded by Limits. The message of an APPEND
// is streamed.
//
// # Memory
//
// A connection that waits holds no buffer: the first octet is read by itself,
// and then a buffer is taken from a pool. 1,000 clients in IDLE are the normal
// state of a mail server.
package wire

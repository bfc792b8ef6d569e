// Package mail is the vocabulary of the house: addresses, envelopes, messages,
// the kinds of refusal, a streaming walk over MIME (Scanner), and the mails we
// write ourselves (Compose, Report).
//
// It does no I/O of its own and imports nothing of ours; everything else
// imports it.
package mail

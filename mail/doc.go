// Package mail is the vocabulary of the house: addresses, envelopes, messages,
// the kinds of refusal, and a streaming walk over MIME.
//
// It does no I/O of its own and imports nothing of ours; everything else
// imports it.
package mail

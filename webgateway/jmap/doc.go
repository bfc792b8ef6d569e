// Package jmap serves members' mail to programs, and to our own webmail, over
// JMAP.
//
// # What is here
//
//	RFC 8620  core             request.go, reference.go, standard.go, session.go, problem.go
//	          blobs            blob.go, upload.go
//	          EventSource      event.go
//	RFC 8621  Mailbox          mailbox*.go
//	          Thread           thread.go
//	          Email            email*.go
//	          SearchSnippet    snippet.go
//	          Identity         identity*.go
//	          EmailSubmission  submission.go
//	          VacationResponse vacation.go
//	RFC 9425  Quota            quota.go
//	RFC 9610  AddressBook      contact_book.go
//	          ContactCard      contact_card.go, contact_query.go, contact_set.go
//
// # Ids and states
//
// Ids are those that IMAP shows as MAILBOXID, EMAILID and THREADID (RFC 8474).
// An account's one modseq is the state of its mailboxes, threads and emails
// alike; what counts as a change for IMAP counts as one here. Identities and the
// answer of who is away have counters of their own.
//
// # Who may
//
// A request is one member's, by their password or an app password (Basic), or
// by the session of our own web application. What they see of other accounts
// are the mailboxes that are shared with them; store/mailbox says which.
//
// # Bounds
//
// What a client sizes is bounded (limits.go), before it is decoded where that
// costs memory. JSON must be I-JSON (RFC 7493): no name twice in an object,
// valid UTF-8.
package jmap

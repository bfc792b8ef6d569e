// Package jmap serves members' mail to programs, and to our own webmail, over
// JMAP.
//
// # What is here
//
//	RFC 8620  core             request.go, reference.go, standard.go, session.go, problem.go
//	          blobs            blob.go, upload.go
//	          EventSource      event.go
//	          PushSubscription push.go, RFC 9749; package push pushes
//	RFC 8621  Mailbox          mailbox*.go
//	          Thread           thread.go
//	          Email            email*.go
//	          SearchSnippet    snippet.go
//	          Identity         identity*.go
//	          EmailSubmission  submission.go
//	          VacationResponse vacation.go
//	RFC 8887  WebSocket        websocket.go
//	RFC 9404  Blob             blob_upload.go, blob_get.go, blob_lookup.go
//	RFC 9425  Quota            quota.go
//	RFC 9610  AddressBook      contact_book.go
//	          ContactCard      contact_card.go, contact_query.go, contact_set.go
//	ours      sharing          sharing.go, and a file for each type
//	          mail             proof.go, snooze.go, unsubscribe.go
//
// # Ids and states
//
// Ids are those that IMAP shows as MAILBOXID, EMAILID and THREADID (RFC 8474).
// An account's one modseq is the state of its mailboxes, threads and emails
// alike; what counts as a change for IMAP counts as one here. EmailDelivery has the
// one at which unread mail last came where people look. Identities and the
// answer of who is away have counters of their own.
//
// # Who may
//
// A request is one member's, by their password or an app password (Basic), by a
// token that stands for an app password (Bearer, accounts.Token), or by the
// session of our own web application. What they see of other accounts
// are the mailboxes that are shared with them; store/mailbox says which.
//
// # What is said about mails
//
// urn:colporteur:params:jmap:mail is a capability of our own, an empty object in
// the session and in every account. A request that uses it may ask Email/get for
//
//	proof         null, or how far a reader can rely on who the mail says it is from:
//	              {level, word, detail, domain, warnings}; level is "member", "proven",
//	              "forwarded", "unproven", "doubtful" or "fake", the rest is in the
//	              member's language
//	snoozedUntil  UTCDate|null: when a mail that was put aside comes back
//
// and call, for the member's own account,
//
//	Email/snooze       {ids, until} → {updated, notUpdated}: the mails wait in the
//	                   mailbox with the role "snoozed", made at its first use, and come
//	                   back unread with the keyword $new; until null brings them back.
//	                   With unlessAnswered: true they stay where they are, and come
//	                   into the inbox then if nobody has answered
//	Email/unsubscribe  {emailId} → {done, status}: RFC 8058, for a mail whose sender is
//	                   proven and signed the two fields
//
// The keyword $muted keeps later mails of its conversation quiet: they come read
// and muted.
//
// # What members share
//
// urn:colporteur:params:jmap:sharing is a capability of our own. Its value in the
// session is an empty object; in the member's own account it has the numbers
// maxTransferDays, maxGuests, maxFiles (of a transfer that is created) and
// maxPhotos (of an album). It is of nobody else's account.
//
// It adds six data types. Each has /get, /query, and, but for Trace, /set with the
// arguments of RFC 8620 §5. A state is opaque: /changes and /queryChanges answer
// that nothing changed, or cannotCalculateChanges. A query has one filter
// condition and no operators. What is another member's is notFound. Dates are
// UTCDate; properties are server-set unless they are named as ones to set. /set
// takes a whole object back, when what cannot be changed is as it was.
//
// Transfer: files that were sent with a link.
//
//	id, title
//	url           String|null: the link to pass on; null when the owner took it away
//	              (Transfer/link {id} → {id, url} makes another), when the transfer
//	              is over, and when only who has its key can read the files
//	mailto        null
//	from          "mail" (to envoi@), "web" (a page, or a program), "outgoing" (files
//	              that were taken out of a mail to others)
//	handIn        somebody else handed the files in
//	createdAt, expiresAt
//	recalledAt    null, or when its owner took it back
//	graceUntil    null while it lives; then until when it can be brought back
//	frozen        the operator keeps it from everybody but its owner
//	needsPassword, needsCode, maxDownloads (null: any number), downloads
//	size, files   [{id, name, type, size, blobId}]; a blob of what is over is 410
//	recipients    ids of Guests
//
//	create: title, files [{blobId, name, type}], recipients [{email, name}], days,
//	        password, needsCode, maxDownloads. The mails that go out are those of envoi@;
//	        with quiet: true none goes to the member themselves. A file may be
//	        {upload} instead: the address of one that came to the url of
//	        Transfer/uploadTo {} → {url, maxSize, expiresAt}, piece by piece (tus 1.0,
//	        whose uploads go on after a broken line; a day without a byte ends them).
//	update: expiresAt (within maxTransferDays), recalled, password (null: none),
//	        needsCode, maxDownloads. destroy is recalled: true.
//	query:  {over, from}, newest first; sort by createdAt.
//
// Album: photos, with the people who may see them.
//
//	id, title, url, createdAt, recalledAt, graceUntil, frozen, needsPassword, needsCode
//	              as above; Album/link likewise
//	description   null
//	mailto        the address that adds to it
//	expiresAt     null: never
//	photos, size  how many, and octets as they came
//	cover         {photoId, url} of the first photo, or null
//	visibility    "link": whoever has the link to pass on; "guests": nobody else
//	guestsMayAdd, guestsMayComment
//
//	create: title. update: recalled, visibility, guestsMayAdd, guestsMayComment,
//	password, needsCode. destroy is recalled: true. Its name is that of its folder:
//	Mailbox/set changes it. query: no conditions, newest first; sort by createdAt.
//
// Photo: one of an album.
//
//	id, albumId, name, takenAt (null: not known), addedAt, caption, width, height
//	by            who added it, "" for the owner
//	kind          "photo" or "film"
//	thumbUrl, url, filmUrl (null: there is none)
//	              /jmap/photo/{accountId}/{id}/{form}, for whoever is signed in as
//	              its owner; form is 400.jpg, 1024.jpg, 2048.jpg, the same as .webp,
//	              clean, source or film. Asked at each request: 404 for others, 410
//	              while the album is over
//	blobId        of the file as it came
//	hidden        taken off; it can be brought back for a month
//
//	create: albumId, blobId, name, caption; answered when the picture is made. What
//	the album has already is alreadyExists. update: caption, hidden. destroy is
//	hidden: true. query: {albumId, hidden}, the first of which must be there, in the
//	order of the album; sort by takenAt.
//
// Comment: words about a photo, or an album.
//
//	id, albumId, photoId (null: the album), by, text, at
//
//	create: albumId, photoId, text. destroy. query: {albumId, photoId}, the first of
//	which must be there, oldest first; sort by at.
//
// Guest: somebody with a link of their own.
//
//	id, transferId|albumId, email, name
//	url           null: the link speaks in its person's name
//	lastSeenAt    of a transfer, when they had the last of its files; else null
//	downloads     of a transfer, how many of its files they have; else null
//	revokedAt     null: who has no link any more is no guest
//
//	create: transferId or albumId, email, name; the invitation is the program's.
//	update: revoked, true. destroy is the same. query: {transferId} or {albumId}.
//
// Trace: what became of a mail that the member sent, for as long as that is known.
//
//	id, messageId, sentAt
//	lines         [{at, address, verdict, text}]: address is "" when it is about all;
//	              verdict is "step", "done", "wait" or "lost"; text is in the
//	              member's language
//
//	query: {emailId} or {messageId}. There is no set, and no state that moves.
//
// The states of all but Trace are pushed (event.go).
//
// # Bounds
//
// What a client sizes is bounded (limits.go), before it is decoded where that
// costs memory. JSON must be I-JSON (RFC 7493): no name twice in an object,
// valid UTF-8.
package jmap

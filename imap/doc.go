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
//
// # Extensions
//
// What is announced, where it is specified, where it stands (a part of it,
// when it is in several files), and what shows that it works: a dialogue or a
// test. TestEveryCapabilityIsInTheTable keeps this list complete.
//
//	IMAP4rev1               RFC 3501  dispatch.go        testdata/select.txt
//	IMAP4rev2               RFC 9051  dispatch.go        testdata/rev2.txt
//	ACL                     RFC 4314  acl.go             testdata/acl.txt
//	APPENDLIMIT             RFC 7889  append.go          testdata/multiappend.txt
//	AUTH=OAUTHBEARER        RFC 7628  bearer.go          TestATokenSignsIn
//	AUTH=PLAIN              RFC 4616  front.go           testdata/authenticate.txt
//	AUTH=SCRAM-SHA-256      RFC 7677  scram.go           TestSCRAMSpeaksTheExampleOfRFC7677
//	AUTH=SCRAM-SHA-256-PLUS  RFC 9266  scram.go           TestSCRAMSignsInWithAndWithoutChannelBinding
//	BINARY                  RFC 3516  binary.go          TestAFetchSaysWhatItIsAskedInOneLine
//	CATENATE                RFC 4469  catenate.go        testdata/catenate.txt
//	CHILDREN                RFC 3348  list.go            testdata/list-extended.txt
//	COMPRESS=DEFLATE        RFC 4978  compress.go        TestASessionGoesOnCompressed
//	CONDSTORE               RFC 7162  condstore.go       testdata/condstore.txt
//	CONTEXT=SEARCH          RFC 5267  context.go         TestAFollowedSearchHearsOfWhatBeginsAndCeasesToMatch
//	CREATE-SPECIAL-USE      RFC 6154  folder.go          testdata/list-extended.txt
//	ENABLE                  RFC 5161  capability.go      testdata/rev2.txt
//	ESEARCH                 RFC 4731  esearch.go         TestESearchReturnsWhatWasAskedFor
//	ESORT                   RFC 5267  sort.go            TestSortAndThreadOrderAsTheRFCSays
//	ID                      RFC 2971  id.go              testdata/id.txt
//	IDLE                    RFC 2177  idle.go            testdata/idle.txt
//	INPROGRESS              RFC 9585  search.go          TestALongSearchSaysThatItGoesOn
//	JMAPACCESS              RFC 9698  number.go          TestJMAPIsToldWhereThereIsOne
//	LIST-EXTENDED           RFC 5258  list.go            testdata/list-extended.txt
//	LIST-METADATA           RFC 9590  list.go            testdata/metadata.txt
//	LIST-MYRIGHTS           RFC 8440  list.go            testdata/acl.txt
//	LIST-STATUS             RFC 5819  list.go            testdata/status.txt
//	LITERAL+                RFC 7888  wire/literal.go    TestOctetsOfARefusedLiteralAreNoCommand
//	LOGINDISABLED           RFC 9051  capability.go      TestNoPasswordTravelsInClear
//	MESSAGELIMIT            RFC 9738  messagelimit.go    TestOneCommandWorksOnSoManyMessages
//	METADATA                RFC 5464  metadata.go        testdata/metadata.txt
//	MOVE                    RFC 6851  copy.go            testdata/copy-move.txt
//	MULTIAPPEND             RFC 3502  append.go          testdata/multiappend.txt
//	NAMESPACE               RFC 2342  list.go            testdata/folders.txt
//	NOTIFY                  RFC 5465  notify.go          testdata/notify.txt
//	OBJECTID                RFC 8474  fetch.go           testdata/status.txt
//	PARTIAL                 RFC 9394  fetch_parse.go     TestAPageOfAFetchIsCounted
//	PREVIEW                 RFC 8970  fetch.go           TestAFetchSaysWhatItIsAskedInOneLine
//	QRESYNC                 RFC 7162  qresync.go         testdata/qresync.txt
//	QUOTA                   RFC 9208  quota.go           testdata/quota.txt
//	QUOTA=RES-MAILBOX       RFC 9208  quota.go           testdata/quota.txt
//	QUOTA=RES-STORAGE       RFC 9208  quota.go           testdata/quota.txt
//	REPLACE                 RFC 8508  replace.go         testdata/replace.txt
//	RIGHTS=kxte             RFC 4314  acl.go             testdata/acl.txt
//	SASL-IR                 RFC 4959  front.go           testdata/authenticate.txt
//	SAVEDATE                RFC 8514  fetch.go           testdata/savedate.txt
//	SEARCHRES               RFC 5182  search.go          testdata/search.txt
//	SORT                    RFC 5256  sort.go            testdata/sort-thread.txt
//	SORT=DISPLAY            RFC 5957  sort.go            TestSortAndThreadOrderAsTheRFCSays
//	SPECIAL-USE             RFC 6154  list.go            testdata/list-extended.txt
//	STARTTLS                RFC 9051  front.go           TestCommandsBeforeStartTLSAreForgotten
//	STATUS=SIZE             RFC 8438  status.go          testdata/status.txt
//	THREAD=ORDEREDSUBJECT   RFC 5256  thread.go          testdata/sort-thread.txt
//	THREAD=REFERENCES       RFC 5256  thread.go          testdata/sort-thread.txt
//	UIDBATCHES              RFC 10022 uidbatches.go      testdata/uidbatches.txt
//	UIDONLY                 RFC 9586  fetch.go           testdata/uidonly.txt
//	UIDPLUS                 RFC 4315  copy.go            testdata/copy-move.txt
//	UNAUTHENTICATE          RFC 8437  unauthenticate.go  testdata/unauthenticate.txt
//	UNSELECT                RFC 3691  select.go          testdata/select.txt
//	UTF8=ACCEPT             RFC 6855  capability.go      testdata/rev2.txt
//	WITHIN                  RFC 5032  search_keys.go     TestSearchKeysFindWhatTheySay
package imap

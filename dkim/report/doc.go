// Package report reads and writes the reports that mail hosts send each other:
// who sent mail in a domain's name and whether it was proven (DMARC aggregate
// reports, RFC 9990 and RFC 7489; failure reports, RFC 9991 and 6591), and
// whether connections could be encrypted (TLS-RPT, RFC 8460).
//
// # In
//
// Store.Take takes a mail that came to one of the addresses our DNS records
// name. Its parts are read as they stream: unpacked, parsed and summed up, each
// within bounds that a bomb hits early. What is about a domain of ours is kept
// for 400 days, and Summary tells a person what it means.
//
// Anybody can mail a report, so the mail itself is judged first: one that its
// reporter is not proven to have sent (RFC 9990, Email) is kept apart, in little
// room, and shown as not proven. A proven reporter can still lie about its own
// mail; it cannot speak for another.
//
// # Out
//
// Collector and TLSCollector count what the Door judged and what the relay met,
// by the day in UTC, in memory, and write it to the database every minute.
// Sender makes the reports of a day between one and four in the morning and
// sends each to those who asked for it, once: the row of the day is claimed for
// an hour, and Envelope.Once makes a second try of a mail do nothing.
//
// What a report of ours leaves out: envelope_to and every trace of a recipient,
// because with little mail it tells who writes to whom; human_result and the
// junk folder, because they tell a spammer how we judge; and the names of the
// members whose mail met a bad certificate.
//
// # Bounds
//
// 16 MB of one mail after unpacking, 4 MB of JSON, 100,000 records,
// 64 KB for one token of XML, 2,000 different rows of one report; a thousand
// reports and 20,000 rows a day for one domain of ours, fifty of one reporter, fifty that are not
// proven. What we count: 20,000 different rows in memory, 5,000 for one domain
// and day. What goes beyond is counted as one number and said.
package report

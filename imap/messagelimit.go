package imap

import (
	"strconv"

	"colporteur/store/mailbox"
)

// messageLimit is how many messages one command works on (RFC 9738). A program
// that does not know the extension would take what is left out for deleted, so
// the limit is far above any mailbox: it bounds a command, and bothers nobody.
const messageLimit = 1_000_000

func (s *session) messageLimit() int { return or(s.srv.MessageLimit, messageLimit) }

// limit cuts a set to the messages with the highest UIDs that one command may
// work on. code is the response code that says so, "" when all fit.
func (s *session) limit(set *mailbox.UIDSet) (cut *mailbox.UIDSet, code string) {
	most := s.messageLimit()
	if set.Len() <= most {
		return set, ""
	}
	lowest := set.At(set.Len() - most + 1)
	return set.Above(lowest - 1), "MESSAGELIMIT " + strconv.Itoa(most) + " " + strconv.FormatUint(uint64(lowest), 10)
}

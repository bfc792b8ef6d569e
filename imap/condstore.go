package imap

import (
	"strconv"

	"colporteur/store/mailbox"
)

// CONDSTORE and QRESYNC (RFC 7162). The modseq of a FETCH stands in fetch.go, the
// condition of a STORE in store.go, the search key in search.go.

var condstoreCapabilities = []string{"CONDSTORE", "QRESYNC"}

// highest is the response code that lets a client with QRESYNC keep its picture
// without asking (RFC 7162 §3.2.10.2), after what it removed itself.
func (s *session) highest(mod mailbox.ModSeq) string {
	return "HIGHESTMODSEQ " + strconv.FormatInt(int64(mod), 10)
}

// vanishedSince are the UIDs of within that went after a modseq, whether or not
// this session ever saw them.
func (s *session) vanishedSince(since mailbox.ModSeq, within *mailbox.UIDSet) (*mailbox.UIDSet, error) {
	gone, err := s.srv.Mailboxes.Vanished(s.ctx, s.view.box.ID, since)
	if err != nil {
		return nil, err
	}
	return gone.And(within), nil
}

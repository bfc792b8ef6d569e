package imap

import "strconv"

func appendNumber(b []byte, n uint32) []byte { return strconv.AppendUint(b, uint64(n), 10) }

// ownCapabilities are those whose value is the server's or the member's.
func (s *session) ownCapabilities() []string {
	if s.srv.JMAP != "" {
		return []string{"JMAPACCESS"} // RFC 9698
	}
	return nil
}

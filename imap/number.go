package imap

import "strconv"

func appendNumber(b []byte, n uint32) []byte { return strconv.AppendUint(b, uint64(n), 10) }

// ownCapabilities are those whose value is the server's or the member's.
func (s *session) ownCapabilities() []string {
	caps := []string{
		"APPENDLIMIT=" + strconv.FormatInt(s.srv.maxAppend(), 10), // RFC 7889
		"MESSAGELIMIT=" + strconv.Itoa(s.messageLimit()),          // RFC 9738
	}
	if s.srv.JMAP != "" {
		caps = append(caps, "JMAPACCESS") // RFC 9698
	}
	return caps
}

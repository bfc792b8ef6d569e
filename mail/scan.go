package mail

// Scanner reads a message once, as it streams by, and finds its structure.
// Memory does not grow with the message. Malformed input never fails: it is
// noted in Summary.Defects and read as well as it can be.
type Scanner struct {
	// Tap, when set, gets every octet of the message in order. part is the leaf
	// whose encoded body the octets belong to; nil for headers, boundary lines,
	// preambles and epilogues. The CRLF before a boundary belongs to the
	// boundary. When Tap is called with a part for the first time, the part's
	// header is complete. p is only valid during the call.
	Tap func(part *Part, p []byte) error

	// Text is how many bytes of decoded, folded text to keep for search; 0 is 1 MiB.
	Text int
}

// Write takes the next octets. It fails only when Tap does.
func (s *Scanner) Write(p []byte) (int, error) { panic("unwritten") }

// Close says the message has ended and returns what was found, and the text
// for search: subject, names, addresses, file names and text parts, folded
// (see Fold), separated by newlines.
func (s *Scanner) Close() (*Summary, []byte, error) { panic("unwritten") }

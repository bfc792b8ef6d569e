package mail

import (
	"bytes"
	"sync"
)

// Bounds of what a stranger's mail can make us keep. What lies beyond them is
// still passed on and counted; only its structure is not looked at.
const (
	maxHeader   = 256 << 10 // octets of one part's header that are read
	maxHeaders  = 1 << 20   // octets of all headers together that are; above it leastHeader of each
	leastHeader = 4 << 10
	maxParts    = 1000
	maxDepth    = 20
	maxBoundary = 500 // RFC 2046 §5.1.1 permits 70
	// maxLine is how long a line may be that is looked at as a whole: a boundary
	// and its padding, or the first line of a part.
	maxLine     = 1000
	maxDefects  = 20
	defaultText = 1 << 20
)

// Scanner reads a message once, as it streams by, and finds its structure.
// Memory does not grow with the message. Malformed input never fails: it is
// noted in Summary.Defects and read as well as it can be. The zero Scanner is
// ready for one message. How the message is cut into Writes changes nothing.
//
// A header ends at its empty line, whatever its lines look like, as IMAP
// clients and servers have it; only a part inside a multipart that begins
// with a line that is no field is taken for a body without a header.
type Scanner struct {
	// Tap, when set, gets every octet of the message in order. part is the leaf
	// whose encoded body the octets belong to; nil for headers, boundary lines,
	// preambles and epilogues. The CRLF before a boundary belongs to the
	// boundary. When Tap is called with a part for the first time, the part's
	// header is complete. p is only valid during the call.
	Tap func(part *Part, p []byte) error

	// Text is how many bytes of decoded, folded text to keep for search; 0 is 1 MiB.
	Text int

	*scratch
	sum     *Summary
	err     error
	off     int64 // octets passed on
	lines   int64 // line ends among them
	parts   int
	stack   []frame // what is open around part
	active  int     // how many of them a boundary may end
	depth   int
	part    *Part    // whose header is being read, or the leaf; nil in a preamble or epilogue
	message *Summary // whose header is being read; nil when it is a part's
	began   int64    // lines before the leaf's body

	inHeader bool
	first    bool // no line of this header was seen
	long     bool // the header line goes on
	skipped  bool // the header was too long
	headers  int  // octets of headers that were read

	// For the Card.
	fields []byte // lines of the message's header
	room   int    // of maxCard

	// In a body: what is not decided yet is held, from the line end that may
	// belong to a boundary on.
	pending bool
	held    []byte
	eol     int // how much of held is that line end

	code   transfer
	wanted bool // the leaf's text is being collected
	words  collector
}

// frame is a multipart or an attached message around what is being read.
type frame struct {
	part     *Part
	boundary string // "" when it has none, or it was closed
	message  bool
	began    int64 // lines before the body
}

// scratch is memory that serves one message after the other.
type scratch struct {
	head []byte // the header block
	line []byte // a header line under way
	text []byte // the decoded body of a text part
}

var scratches = sync.Pool{New: func() any { return &scratch{} }}

func (s *Scanner) begin() {
	s.scratch = scratches.Get().(*scratch)
	s.sum, s.room = &Summary{}, maxCard
	s.words.limit = s.Text
	if s.Text == 0 {
		s.words.limit = defaultText
	}
	s.openHeader(s.sum, nil)
}

// Write takes the next octets. It fails only when Tap does.
func (s *Scanner) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.sum == nil {
		s.begin()
	}
	s.feed(p)
	if s.err != nil {
		return 0, s.err
	}
	return len(p), nil
}

func (s *Scanner) feed(p []byte) {
	for len(p) > 0 && s.err == nil {
		if s.inHeader {
			p = s.header(p)
		} else {
			p = s.body(p)
		}
	}
}

// Close says the message has ended and returns what was found, and the text
// for search: subject, names, addresses, file names and text parts, folded
// (see Fold), separated by newlines.
func (s *Scanner) Close() (*Summary, []byte, error) {
	if s.sum == nil {
		s.begin()
	}
	if s.scratch == nil { // closed before
		return s.sum, s.words.out, s.err
	}
	if s.inHeader && len(s.line) > 0 {
		s.headerLine(bytes.Clone(s.line), false)
	}
	if !s.inHeader && s.pending {
		s.lastBodyLine()
	}
	s.endAbove(-1)
	s.sum.Preview = s.words.preview()
	s.sum.Attachment = hasAttachment(s.sum.Root, nil)
	s.sum.Card = s.card()
	if cap(s.text)+cap(s.head)+cap(s.line) <= 512<<10 {
		scratches.Put(s.scratch)
	}
	s.scratch = nil
	if s.err != nil {
		return nil, nil, s.err
	}
	return s.sum, s.words.out, nil
}

// emit passes octets on. part is nil for all that is not a leaf's body.
func (s *Scanner) emit(part *Part, p []byte) {
	if len(p) == 0 || s.err != nil {
		return
	}
	s.off += int64(len(p))
	s.lines += int64(bytes.Count(p, newline))
	if s.Tap != nil {
		s.err = s.Tap(part, p)
	}
	if s.wanted && part != nil && len(s.text) < s.words.limit {
		s.text = s.code.decode(s.text, p)
	}
}

var newline = []byte{'\n'}

func (s *Scanner) defect(what string) {
	if len(s.sum.Defects) >= maxDefects {
		return
	}
	for _, have := range s.sum.Defects {
		if have == what {
			return
		}
	}
	s.sum.Defects = append(s.sum.Defects, what)
}

package mail

import (
	"bytes"
)

// Bounds of what a stranger's mail can make us keep. What lies beyond them is
// still passed on and counted; only its structure is not looked at.
const (
	maxHeaderBlock = 256 << 10 // octets of one part's header
	maxParts       = 1000
	maxDepth       = 20
	maxDelimiter   = 1000 // octets of a line that may be a boundary; RFC 2046 permits 74
	defaultText    = 1 << 20
)

// Scanner reads a message once, as it streams by, and finds its structure.
// Memory does not grow with the message. Malformed input never fails: it is
// noted in Summary.Defects and read as well as it can be. The zero Scanner is
// ready for one message.
type Scanner struct {
	// Tap, when set, gets every octet of the message in order. part is the leaf
	// whose encoded body the octets belong to; nil for headers, boundary lines,
	// preambles and epilogues. The CRLF before a boundary belongs to the
	// boundary. When Tap is called with a part for the first time, the part's
	// header is complete. p is only valid during the call.
	Tap func(part *Part, p []byte) error

	// Text is how many bytes of decoded, folded text to keep for search; 0 is 1 MiB.
	Text int

	begun bool
	sum   *Summary
	off   int64 // of the next octet to be emitted
	lines int64 // line ends emitted
	parts int
	stack []frame
	state state
	bol   bool   // the next octet begins a line, and what ended the last one is emitted
	keep  []byte // not decided yet: the beginning of a boundary, or of a header line
	join  []byte // room for keep and the next octets together

	head    []byte // header block under way
	cut     bool   // it was too long
	midLine bool   // a header line that goes on

	leaf *Part
	raw  []byte // encoded body of a text part under way
	want bool   // raw is being collected
	text collector
	err  error
}

type state int

const (
	inHeader state = iota
	inBody         // of a leaf, a preamble or an epilogue
)

// frame is a part that is not closed yet.
type frame struct {
	part     *Part
	boundary []byte // "--" and the boundary; nil when there is none, or it was closed
	digest   bool
	lines    int64 // emitted before its body
}

func (s *Scanner) begin() {
	s.begun = true
	s.sum = &Summary{}
	s.text.limit = s.Text
	if s.text.limit == 0 {
		s.text.limit = defaultText
	}
	s.sum.Root = s.open(nil)
}

// open starts a part at the current offset.
func (s *Scanner) open(parent *Part) *Part {
	p := &Part{Type: "text/plain", Offset: s.off}
	s.parts++
	s.stack = append(s.stack, frame{part: p})
	if parent != nil {
		parent.Children = append(parent.Children, p)
	}
	s.state, s.head, s.cut, s.bol = inHeader, s.head[:0], false, true
	return p
}

// Write takes the next octets. It fails only when Tap does.
func (s *Scanner) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if !s.begun {
		s.begin()
	}
	data := p
	if len(s.keep) > 0 {
		s.join = append(append(s.join[:0], s.keep...), p...)
		data = s.join
	}
	n := s.consume(data, false)
	s.keep = append(s.keep[:0], data[n:]...)
	if s.err != nil {
		return 0, s.err
	}
	return len(p), nil
}

// consume reads as much of data as can be decided, and says how much.
func (s *Scanner) consume(data []byte, final bool) int {
	n := 0
	for n < len(data) && s.err == nil {
		was := s.state
		var k int
		if was == inHeader {
			k = s.header(data[n:], final)
		} else {
			k = s.body(data[n:], final)
		}
		if k == 0 && s.state == was {
			break
		}
		n += k
	}
	return n
}

// emit passes octets on.
func (s *Scanner) emit(part *Part, p []byte) {
	if len(p) == 0 || s.err != nil {
		return
	}
	s.off += int64(len(p))
	s.lines += int64(bytes.Count(p, newline))
	if s.Tap != nil {
		s.err = s.Tap(part, p)
	}
	if s.want && part != nil {
		if room := s.rawLimit() - len(s.raw); room > 0 {
			s.raw = append(s.raw, p[:min(room, len(p))]...)
		}
	}
}

// rawLimit is how much of an encoded text is kept for decoding.
func (s *Scanner) rawLimit() int { return (s.text.limit-len(s.text.folded))*3/2 + 256 }

var newline = []byte{'\n'}

// header reads one line of a header block.
func (s *Scanner) header(data []byte, final bool) int {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		if len(data) < 64<<10 && !final {
			return 0
		}
		i = len(data) - 1 // a part of an endless line, or the last one without its end
	}
	line := data[:i+1]
	whole := line[len(line)-1] == '\n'
	if !s.midLine {
		if k, _ := s.match(line); k >= 0 { // a boundary where a body should have been
			s.defect("header without a body")
			s.headerDone()
			if s.err == nil && s.state == inBody {
				return 0
			}
			return s.boundary(data[:0], line)
		}
		if text := bytes.TrimRight(line, "\r\n"); len(text) == 0 && whole {
			s.emit(nil, line)
			s.headerDone()
			return len(line)
		}
	}
	s.midLine = !whole
	if len(s.head)+len(line) <= maxHeaderBlock {
		s.head = append(s.head, line...)
	} else if !s.cut {
		s.cut = true
		s.defect("header too long")
	}
	s.emit(nil, line)
	return len(line)
}

// headerDone reads the fields of the part on top and goes on into its body.
func (s *Scanner) headerDone() {
	f := &s.stack[len(s.stack)-1]
	p := f.part
	p.BodyOffset, f.lines = s.off, s.lines
	if len(s.stack) > 1 && s.stack[len(s.stack)-2].digest {
		p.Type = "message/rfc822" // RFC 2046 §5.1.5
	}
	top, sum := false, s.sum
	if len(s.stack) == 1 {
		top = true
	} else if above := s.stack[len(s.stack)-2].part; above.Message != nil && above.Message.Root == p {
		top, sum = true, above.Message
	}
	h := parseHeader(s.head)
	if h.bad {
		s.defect("header line without a colon")
	}
	p.fill(h)
	if top {
		sum.fill(h)
		if sum == s.sum {
			s.text.header(sum)
		}
	}
	if p.Filename != "" {
		s.text.add(p.Filename)
	}
	s.state, s.bol, s.midLine, s.leaf, s.want = inBody, true, false, nil, false
	deep := len(s.stack) >= maxDepth || s.parts >= maxParts
	switch {
	case len(p.Type) > 10 && p.Type[:10] == "multipart/":
		b := p.Params["boundary"]
		if b == "" || len(b) > 200 || deep {
			if deep {
				s.defect("too many parts")
			} else {
				s.defect("missing boundary")
			}
			break
		}
		f.boundary = append([]byte("--"), b...)
		f.digest = p.Type == "multipart/digest"
		return
	case p.Type == "message/rfc822" || p.Type == "message/global":
		if p.Encoding == "base64" || p.Encoding == "quoted-printable" {
			break
		}
		if deep {
			s.defect("too many parts")
			break
		}
		p.Message = &Summary{}
		p.Message.Root = s.open(nil)
		return
	}
	if p.isAttachment() {
		s.sum.Attachment = true
	}
	s.leaf = p
	s.want = len(p.Type) > 5 && p.Type[:5] == "text/" && s.text.room()
	s.raw = s.raw[:0]
}

// body reads octets up to the next boundary.
func (s *Scanner) body(data []byte, final bool) int {
	if !s.bounded() {
		s.emit(s.leaf, data)
		return len(data)
	}
	from := 0
	if s.bol {
		if !final && len(data) < 2 && data[0] == '-' {
			return 0
		}
		if len(data) >= 2 && data[0] == '-' && data[1] == '-' {
			end := bytes.IndexByte(data, '\n')
			if end < 0 && !final && len(data) < maxDelimiter {
				return 0
			}
			line := data
			if end >= 0 {
				line = data[:end+1]
			}
			if k, _ := s.match(line); k >= 0 {
				return s.boundary(data[:0], line)
			}
		}
		s.bol = false
	}
	for {
		i := bytes.Index(data[from:], delimiter)
		if i < 0 {
			hold := 0
			if !final {
				hold = undecided(data)
			}
			s.emit(s.leaf, data[:len(data)-hold])
			return len(data) - hold
		}
		start := from + i + 1 // of the line
		before := start - 1   // of the line end that belongs to the boundary
		if before > 0 && data[before-1] == '\r' {
			before--
		}
		end := bytes.IndexByte(data[start:], '\n')
		if end < 0 && !final && len(data)-start < maxDelimiter {
			s.emit(s.leaf, data[:before])
			return before
		}
		line := data[start:]
		if end >= 0 {
			line = data[start : start+end+1]
		}
		if k, _ := s.match(line); k >= 0 {
			s.emit(s.leaf, data[:before])
			return before + s.boundary(data[before:start], line)
		}
		from = start
	}
}

var delimiter = []byte("\n--")

// undecided is how many octets at the end may be the beginning of "\r\n--".
func undecided(data []byte) int {
	for _, tail := range [...]string{"\r\n-", "\r\n", "\n-", "\r", "\n"} {
		if bytes.HasSuffix(data, []byte(tail)) {
			if tail[0] == '\n' && len(data) > len(tail) && data[len(data)-len(tail)-1] == '\r' {
				return len(tail) + 1
			}
			return len(tail)
		}
	}
	return 0
}

// bounded says whether any boundary can end what is being read.
func (s *Scanner) bounded() bool {
	for i := range s.stack {
		if s.stack[i].boundary != nil {
			return true
		}
	}
	return false
}

// match finds the open multipart whose boundary the line is, innermost first.
func (s *Scanner) match(line []byte) (index int, closing bool) {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return -1, false
	}
	line = bytes.TrimRight(line, " \t\r\n")
	for i := len(s.stack) - 1; i >= 0; i-- {
		b := s.stack[i].boundary
		if b == nil || !bytes.HasPrefix(line, b) {
			continue
		}
		switch rest := line[len(b):]; {
		case len(rest) == 0:
			return i, false
		case string(rest) == "--":
			return i, true
		}
	}
	return -1, false
}

// boundary ends what the line ends. before is the line end that belongs to it.
func (s *Scanner) boundary(before, line []byte) int {
	k, closing := s.match(line)
	s.closeTo(k + 1)
	s.leaf, s.want = nil, false
	s.emit(nil, before)
	s.emit(nil, line)
	if closing {
		s.stack[k].boundary = nil
		s.state, s.bol = inBody, true
	} else if s.parts >= maxParts {
		s.defect("too many parts")
		s.state, s.bol = inBody, true
	} else {
		s.open(s.stack[k].part)
	}
	return len(before) + len(line)
}

// closeTo ends all parts above index n of the stack.
func (s *Scanner) closeTo(n int) {
	for len(s.stack) > n {
		f := s.stack[len(s.stack)-1]
		s.stack = s.stack[:len(s.stack)-1]
		p := f.part
		if p == s.leaf && s.want {
			s.text.part(p, s.raw)
			s.raw = s.raw[:0]
			s.want = false
		}
		if p.BodyOffset == 0 && s.state == inHeader {
			p.BodyOffset, f.lines = s.off, s.lines
		}
		p.Size = s.off - p.BodyOffset
		p.Lines = s.lines - f.lines
	}
}

func (s *Scanner) defect(what string) {
	for _, have := range s.sum.Defects {
		if have == what {
			return
		}
	}
	s.sum.Defects = append(s.sum.Defects, what)
}

// Close says the message has ended and returns what was found, and the text
// for search: subject, names, addresses, file names and text parts, folded
// (see Fold), separated by newlines.
func (s *Scanner) Close() (*Summary, []byte, error) {
	if !s.begun {
		s.begin()
	}
	if rest := append([]byte(nil), s.keep...); len(rest) > 0 && s.err == nil {
		s.keep = nil
		s.consume(rest, true)
	}
	if s.err != nil {
		return nil, nil, s.err
	}
	if s.state == inHeader {
		if len(s.stack) > 1 || len(s.head) > 0 {
			s.headerDone()
		} else {
			s.stack[0].part.BodyOffset = s.off
		}
	}
	for i := range s.stack {
		if s.stack[i].boundary != nil {
			s.defect("missing last boundary")
		}
	}
	s.closeTo(0)
	s.sum.Preview = s.text.preview()
	return s.sum, s.text.folded, nil
}

package mail

import (
	"bytes"
	"strings"
)

// openHeader begins the header of a message, or of the next part of parent.
func (s *Scanner) openHeader(message *Summary, parent *Part) {
	p := &Part{Offset: s.off}
	s.parts++
	s.part, s.message = p, message
	if message != nil {
		message.Root = p
	} else {
		parent.Children = append(parent.Children, p)
	}
	s.inHeader, s.first, s.long, s.skipped = true, true, false, false
	s.head, s.line = s.head[:0], s.line[:0]
}

// header takes octets up to the end of a line and returns the rest.
func (s *Scanner) header(b []byte) []byte {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if s.long {
			s.headerOctets(b)
			return nil
		}
		s.line = append(s.line, b...)
		if len(s.line) > maxLine {
			s.headerLine(s.line, true)
		}
		return nil
	}
	line, rest := b[:i+1], b[i+1:]
	switch {
	case s.long:
		s.headerOctets(line)
		s.long = false
	case len(s.line) > 0:
		s.line = append(s.line, line...)
		s.headerLine(s.line, false)
	default:
		s.headerLine(line, false)
	}
	return rest
}

// headerLine takes a line, or with goesOn the beginning of one that is too
// long to be anything but a field.
func (s *Scanner) headerLine(line []byte, goesOn bool) {
	if !goesOn && (string(line) == "\r\n" || string(line) == "\n") {
		s.emit(nil, line)
		s.endHeader()
		return
	}
	if len(line) <= maxLine {
		if k, closing := s.match(line); k >= 0 {
			s.defect("header without an end")
			line = bytes.Clone(line) // it may be s.line, which the next header uses
			s.boundary(nil, line, k, closing)
			return
		}
	}
	if s.first && s.message == nil && !fieldLike(line[:min(len(line), maxLine)]) {
		s.defect("part without a header")
		line = bytes.Clone(line)
		s.endHeader()
		s.feed(line)
		return
	}
	s.headerOctets(line)
	s.line, s.first, s.long = s.line[:0], false, goesOn
}

// fieldLike says whether line may be a field.
func fieldLike(line []byte) bool {
	i := bytes.IndexByte(line, ':')
	if i <= 0 {
		return false
	}
	for _, c := range bytes.TrimRight(line[:i], " \t") {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

func (s *Scanner) headerOctets(b []byte) {
	// A thousand parts, each with a header as long as is allowed, would be kept
	// with the Summary: what all have together is bounded too.
	room := min(maxHeader, max(leastHeader, maxHeaders-s.headers)) - len(s.head)
	if room = max(room, 0); len(b) <= room {
		s.head = append(s.head, b...)
	} else {
		s.head = append(s.head, b[:room]...)
		s.skipped = true
	}
	s.emit(nil, b)
}

// endHeader reads the fields of the part whose header is complete, and decides
// what its body is.
func (s *Scanner) endHeader() {
	p, message := s.part, s.message
	s.inHeader, s.message, s.first = false, nil, false
	s.line = s.line[:0]
	p.BodyOffset = s.off
	fallback := "text/plain"
	if n := len(s.stack); message == nil && n > 0 && s.stack[n-1].part.Type == "multipart/digest" {
		fallback = "message/rfc822"
	}
	head := string(s.head)
	s.headers += len(head)
	f := pick(head, message != nil)
	f.part(p, fallback)
	if message != nil {
		f.summary(message)
		s.words.header(message)
	}
	s.written(&f, p, message)
	if message == s.sum && !s.skipped {
		s.fields = commonLines(head)
	}
	s.words.add(p.Filename)
	if f.bad {
		s.defect("bad header line")
	}
	if f.repeated {
		s.defect("repeated field")
	}
	if s.skipped {
		s.defect("header too long")
	}
	s.openBody(p)
}

// written keeps for the Card what a header says.
func (s *Scanner) written(f *fields, p *Part, message *Summary) {
	if s.room <= 0 {
		p.form = plainForm(p)
		if message != nil {
			message.envelope = []byte(noEnvelope)
		}
		return
	}
	p.form = f.form(p)
	s.room -= p.form.size()
	if message != nil {
		message.envelope = f.appendEnvelope(make([]byte, 0, 512), s.room)
		s.room -= len(message.envelope)
	}
}

// openBody goes on into the body of p.
func (s *Scanner) openBody(p *Part) {
	switch {
	case strings.HasPrefix(p.Type, "multipart/"):
		if s.openMultipart(p) {
			return
		}
	case p.Type == "message/rfc822" || p.Type == "message/global":
		if !plainEncoding(p.Encoding) {
			break // only its recipient will decode it
		}
		if s.depth >= maxDepth || s.parts >= maxParts {
			s.defect("too many parts")
			break
		}
		s.depth++
		s.stack = append(s.stack, frame{part: p, message: true, began: s.lines})
		p.Message = &Summary{}
		s.openHeader(p.Message, nil)
		return
	}
	s.openLeaf(p)
}

// plainEncoding: the octets are the content's own.
func plainEncoding(e string) bool { return e == "" || e == "8bit" || e == "binary" }

func (s *Scanner) openMultipart(p *Part) bool {
	boundary := p.Params["boundary"]
	switch {
	case boundary == "" || len(boundary) > maxBoundary:
		s.defect("missing boundary")
		return false
	case s.depth >= maxDepth || s.parts >= maxParts:
		s.defect("too many parts")
		return false
	}
	if !plainEncoding(p.Encoding) {
		s.defect("encoded multipart") // RFC 2045 §6.4 forbids it; the parts speak for themselves
		p.Encoding = ""
	}
	s.depth++
	s.active++
	s.stack = append(s.stack, frame{part: p, boundary: boundary, began: s.lines})
	s.part = nil
	s.startOfLine()
	return true
}

func (s *Scanner) openLeaf(p *Part) {
	s.part, s.began = p, s.lines
	s.wanted = strings.HasPrefix(p.Type, "text/") && s.words.room()
	s.text = s.text[:0]
	s.code.reset(p.Encoding)
	s.startOfLine()
}

// startOfLine: the body begins here, and may begin with a boundary.
func (s *Scanner) startOfLine() {
	s.held, s.eol = s.held[:0], 0
	s.pending = s.active > 0
}

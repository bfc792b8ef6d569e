package mail

import "bytes"

var dashes = []byte("\n--")

// body takes octets of a leaf, a preamble or an epilogue, and returns what
// follows the next boundary. Only lines that begin with "--" are looked at.
func (s *Scanner) body(b []byte) []byte {
	if s.pending {
		return s.decide(b)
	}
	if s.active == 0 {
		s.emit(s.part, b)
		return nil
	}
	for from := 0; ; {
		i := bytes.Index(b[from:], dashes)
		if i < 0 {
			s.hold(b)
			return nil
		}
		i += from
		line := b[i+1:]
		n := bytes.IndexByte(line[:min(len(line), maxLine+1)], '\n')
		if n < 0 {
			if len(line) <= maxLine { // it may go on
				s.keep(b, i)
				return nil
			}
			from = i + len(dashes)
			continue
		}
		if k, closing := s.match(line[:n+1]); k >= 0 {
			eol := lineEnd(b, i)
			s.emit(s.part, b[:eol])
			s.boundary(b[eol:i+1], line[:n+1], k, closing)
			return line[n+1:]
		}
		from = i + 1 + n
	}
}

// lineEnd is where the line end begins whose LF is at i.
func lineEnd(b []byte, i int) int {
	if i > 0 && b[i-1] == '\r' {
		return i - 1
	}
	return i
}

// hold passes b on but for an end that may begin a boundary.
func (s *Scanner) hold(b []byte) {
	n := len(b)
	switch {
	case b[n-1] == '\n':
		s.keep(b, n-1)
	case b[n-1] == '-' && n > 1 && b[n-2] == '\n':
		s.keep(b, n-2)
	case b[n-1] == '\r': // half a line end
		s.emit(s.part, b[:n-1])
		s.held, s.eol, s.pending = append(s.held[:0], '\r'), 0, true
	default:
		s.emit(s.part, b)
	}
}

// keep passes b on up to the line end whose LF is at i, and holds the rest.
func (s *Scanner) keep(b []byte, i int) {
	eol := lineEnd(b, i)
	s.emit(s.part, b[:eol])
	s.held = append(s.held[:0], b[eol:]...)
	s.eol, s.pending = i+1-eol, true
}

// release passes on what was held: it was no boundary.
func (s *Scanner) release() {
	s.emit(s.part, s.held)
	s.held, s.eol, s.pending = s.held[:0], 0, false
}

// decide takes octets until it is clear what the held line is.
func (s *Scanner) decide(b []byte) []byte {
	if s.eol == 0 && len(s.held) == 1 && s.held[0] == '\r' {
		if b[0] != '\n' {
			s.release()
			return b
		}
		s.held, s.eol = append(s.held, '\n'), 2
		return b[1:]
	}
	for len(s.held)-s.eol < 2 {
		if len(b) == 0 {
			return nil
		}
		if b[0] != '-' {
			s.release()
			return b
		}
		s.held = append(s.held, '-')
		b = b[1:]
	}
	room := maxLine - (len(s.held) - s.eol)
	n := bytes.IndexByte(b[:min(len(b), room+1)], '\n')
	if n < 0 {
		if len(b) > room {
			s.release()
			return b
		}
		s.held = append(s.held, b...)
		return nil
	}
	s.held = append(s.held, b[:n+1]...)
	line := s.held[s.eol:]
	if k, closing := s.match(line); k >= 0 {
		held := s.held
		s.held = nil // the boundary may hold its own line end
		s.boundary(held[:s.eol], held[s.eol:], k, closing)
		return b[n+1:]
	}
	end := lineEnd(s.held, len(s.held)-1)
	s.emit(s.part, s.held[:end])
	s.eol = copy(s.held, s.held[end:])
	s.held = s.held[:s.eol]
	return b[n+1:]
}

// lastBodyLine ends a body that ends with the message.
func (s *Scanner) lastBodyLine() {
	if k, closing := s.match(s.held[s.eol:]); k >= 0 {
		held := s.held
		s.held = nil
		s.boundary(held[:s.eol], held[s.eol:], k, closing)
		return
	}
	s.release()
}

// match finds the open multipart whose boundary the line is, innermost first;
// -1 when there is none. Nothing but blanks may follow: a boundary may begin
// like another.
func (s *Scanner) match(line []byte) (k int, closing bool) {
	if s.active == 0 || len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return -1, false
	}
	line = bytes.TrimRight(line[2:], " \t\r\n")
	full := s.parts >= maxParts
	for k := len(s.stack) - 1; k >= 0; k-- {
		b := s.stack[k].boundary
		if b == "" || len(line) < len(b) || string(line[:len(b)]) != b {
			continue
		}
		switch rest := line[len(b):]; {
		case len(rest) == 0 && !full:
			return k, false
		case string(rest) == "--":
			return k, true
		}
	}
	return -1, false
}

// boundary takes the boundary of the multipart at k of the stack. eol is the
// line end before it, which belongs to it.
func (s *Scanner) boundary(eol, line []byte, k int, closing bool) {
	s.endAbove(k)
	s.pending = false
	s.emit(nil, eol)
	f := &s.stack[k]
	if closing {
		f.boundary = ""
		s.active--
		s.part = nil
		// Its own line end may be that of the boundary around it.
		end := len(line)
		if end > 0 && line[end-1] == '\n' {
			end = lineEnd(line, end-1)
		}
		s.emit(nil, line[:end])
		s.inHeader = false
		if s.active == 0 {
			s.emit(nil, line[end:])
		} else if end < len(line) {
			s.held, s.eol, s.pending = append(s.held[:0], line[end:]...), len(line)-end, true
		}
		return
	}
	s.emit(nil, line)
	if s.parts == maxParts-1 {
		// One part for all that is left: too many to tell apart.
		s.parts++
		s.defect("too many parts")
		rest := &Part{Type: "application/octet-stream", Offset: s.off, BodyOffset: s.off}
		f.part.Children = append(f.part.Children, rest)
		s.inHeader = false
		s.openLeaf(rest)
		return
	}
	s.openHeader(nil, f.part)
}

// endAbove ends the leaf and all parts above k of the stack, at the current
// offset.
func (s *Scanner) endAbove(k int) {
	for s.inHeader { // an attached message may open another one
		s.endHeader()
	}
	s.endLeaf()
	for i := len(s.stack) - 1; i > k; i-- {
		f := &s.stack[i]
		f.part.Size, f.part.Lines = s.off-f.part.BodyOffset, s.lines-f.began
		if f.boundary != "" {
			s.active--
			s.defect("missing last boundary")
		}
		s.depth--
	}
	s.stack = s.stack[:k+1]
}

func (s *Scanner) endLeaf() {
	p := s.part
	if p == nil {
		return
	}
	s.part = nil
	p.Size, p.Lines = s.off-p.BodyOffset, s.lines-s.began
	if !s.wanted {
		return
	}
	s.wanted = false
	whole := len(s.text) < s.words.limit
	if whole {
		s.text = s.code.end(s.text)
	}
	if whole && s.code.isBad() {
		s.defect("bad " + knownEncoding(s.code.kind))
	}
	s.text = s.text[:min(len(s.text), s.words.limit)]
	text, ok := toUTF8(p.Params["charset"], s.text)
	if !ok {
		s.defect("unknown charset")
	}
	s.words.part(p, text, s.inMessage())
}

func knownEncoding(k transferKind) string {
	switch k {
	case base64Encoded:
		return "base64"
	case quotedPrintable:
		return "quoted-printable"
	}
	return "transfer encoding"
}

// inMessage says whether an attached message is open.
func (s *Scanner) inMessage() bool {
	for i := range s.stack {
		if s.stack[i].message {
			return true
		}
	}
	return false
}

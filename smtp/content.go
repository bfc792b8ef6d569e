package smtp

import (
	"bytes"
	"io"
	"time"

	"colporteur/mail"
)

// dotReader reads a mail after DATA: up to CR LF . CR LF and nothing else,
// without the dots that were added at line starts (RFC 5321 §4.5.2).
//
// It works on whole lines in the buffer, since a gigabyte comes through here.
type dotReader struct {
	w     *wire
	began time.Time
	n     int64
	inner bool // in the middle of a line
	cr    bool // the last octet was CR
	bare  bool // a CR or LF stood alone: all that is left to do is to find the end
	done  bool
	err   error
}

// slowest is the rate, in octets per second, under which a mail that has taken
// ten minutes is given up: one byte every few minutes would hold a place for ever.
const slowest = 512

// dataLimit is the deadline for the next octets of a mail of which n have come since began.
func (l Limits) dataLimit(began time.Time, n int64) time.Time {
	idle := time.Now().Add(l.Data)
	slow := began.Add(10*time.Minute + time.Duration(n/slowest)*time.Second)
	if slow.Before(idle) {
		return slow
	}
	return idle
}

func (d *dotReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if d.err != nil {
			return 0, d.err
		}
		n, need := d.take(p)
		if d.bare {
			d.err = mail.Refuse(mail.BareNewline, "kind-bare-newline")
			continue
		}
		if d.done {
			d.err = io.EOF
		}
		if n > 0 {
			return n, nil
		}
		if need {
			d.fill()
		}
	}
}

func (d *dotReader) fill() {
	if d.w.w == len(d.w.buf) {
		d.w.makeRoom()
	}
	before := d.w.w
	if d.w.r == d.w.w {
		before = 0
	}
	if d.err = d.w.fill(d.w.srv.Limits.dataLimit(d.began, d.n), true); d.err == io.EOF {
		d.err = io.ErrUnexpectedEOF
	}
	d.n += int64(d.w.w - before)
}

// take moves what it can from the wire's buffer to p. need says that it stopped
// for want of octets.
func (d *dotReader) take(p []byte) (n int, need bool) {
	b := d.w.buf[d.w.r:d.w.w]
	i := 0
	defer func() { d.w.r += i }()
	for {
		if !d.inner && i < len(b) && b[i] == '.' {
			switch rest := b[i:]; {
			case len(rest) >= 3 && rest[1] == '\r' && rest[2] == '\n':
				i += 3
				d.done = true
				return n, false
			case len(rest) < 2 || len(rest) < 3 && rest[1] == '\r':
				return n, true
			}
			i++
			d.inner = true
		}
		if i == len(b) {
			return n, true
		}
		if n == len(p) {
			return n, false
		}
		// A run of whole lines, up to the next one that begins with a dot.
		seg := b[i:min(len(b), i+len(p)-n)]
		k := 0
		for k < len(seg) {
			if !d.inner && seg[k] == '.' {
				break
			}
			line := seg[k:]
			lf := bytes.IndexByte(line, '\n')
			if lf < 0 {
				d.inner = true
				at := bytes.IndexByte(line, '\r')
				if d.cr || at >= 0 && at < len(line)-1 {
					d.bare = true
				}
				d.cr = line[len(line)-1] == '\r'
				k = len(seg)
				break
			}
			ended := lf > 0 && line[lf-1] == '\r' || lf == 0 && d.cr
			if !ended || lf > 0 && (d.cr || bytes.IndexByte(line[:lf-1], '\r') >= 0) {
				d.bare = true
			}
			d.cr = false
			d.inner = !ended
			k += lf + 1
		}
		n += copy(p[n:], seg[:k])
		i += k
		if d.bare {
			return n, false
		}
	}
}

// drain reads on to the true end after the mail was refused, so that the rest
// is never taken for commands. It says whether the end came.
func (d *dotReader) drain(limit int64) bool {
	if d.done {
		return true
	}
	if d.err != nil && !mail.Is(d.err, mail.BareNewline) {
		return false
	}
	scratch := d.w.srv.pool.Get().(*[]byte)
	defer d.w.srv.pool.Put(scratch)
	for d.n < limit {
		d.err, d.bare = nil, false
		_, need := d.take(*scratch)
		if d.done {
			return true
		}
		if need {
			if d.fill(); d.err != nil {
				return false
			}
		}
	}
	return false
}

// strictReader refuses a CR or LF alone in what BDAT brings.
type strictReader struct {
	r  io.Reader
	cr bool
}

func (s *strictReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	b := p[:n]
	for len(b) > 0 {
		line, lf := b, bytes.IndexByte(b, '\n')
		if lf >= 0 {
			line = b[:lf]
		}
		cr := bytes.IndexByte(line, '\r')
		switch {
		case s.cr && len(line) > 0, // CR, then something else
			lf == 0 && !s.cr, // LF without CR
			lf > 0 && cr != lf-1,
			lf < 0 && cr >= 0 && cr != len(line)-1:
			return 0, mail.Refuse(mail.BareNewline, "kind-bare-newline")
		}
		s.cr = lf < 0 && cr >= 0
		b = b[len(line):]
		if lf >= 0 {
			b = b[1:]
		}
	}
	if err == io.EOF && s.cr {
		return 0, mail.Refuse(mail.BareNewline, "kind-bare-newline")
	}
	return n, err
}

// content is the mail on its way to the Door: bounded, and with its header looked at.
type content struct {
	r      io.Reader
	left   int64 // octets until it is too big
	tooBig func() error
	check  func(head []byte) error // nil once the header has passed
	head   []byte
	err    error // why the mail is refused; the Door gets it too
}

// maxHead is how much of a header is looked at.
const maxHead = 256 << 10

var emptyLine = []byte("\r\n\r\n")

func (c *content) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		c.err = c.tooBig()
		return 0, c.err
	}
	if c.check != nil {
		if c.err = c.look(p[:n], err == io.EOF); c.err != nil {
			return 0, c.err
		}
	}
	if err != nil {
		c.err = err
	}
	return n, err
}

// look collects the header until its empty line. In nearly every mail it comes
// whole in the first read, and nothing is copied.
func (c *content) look(p []byte, last bool) error {
	from := max(0, len(c.head)-3)
	head := p
	if len(c.head) > 0 || !bytes.Contains(p, emptyLine) && !last {
		c.head = append(c.head, p...)
		head = c.head
	}
	i := bytes.Index(head[from:], emptyLine)
	switch {
	case bytes.HasPrefix(head, emptyLine[:2]): // no header at all
		head = nil
	case i >= 0:
		head = head[:from+i+2]
	case last:
	case len(head) > maxHead:
	default:
		return nil
	}
	check := c.check
	c.check, c.head = nil, nil
	return check(head)
}

package mail

// unquote decodes quoted-printable that comes in pieces (RFC 2045 §6.7). An
// escape that is none stays as it is written and is remembered as damage.
type unquote struct {
	esc  []byte // an escape under way, from its "="
	held []byte // white space that is dropped if the line ends here (rule 3)
	bad  bool
}

// maxHeld bounds what is kept waiting. A line has 76 characters; from that
// many blanks on they are no accident of transport.
const maxHeld = 1000

func (d *unquote) decode(dst, src []byte) []byte {
	for i := 0; i < len(src); {
		if len(d.esc) > 0 {
			d.esc = append(d.esc, src[i])
			i++
			dst = d.escape(dst)
			continue
		}
		// Text up to the next octet that means something.
		j := i
		for j < len(src) && !quotedSpecial[src[j]] {
			j++
		}
		if j > i {
			dst = append(d.release(dst), src[i:j]...)
			i = j
			continue
		}
		switch c := src[i]; c {
		case '=':
			dst = d.release(dst)
			d.esc = append(d.esc[:0], c)
		case ' ', '\t':
			if d.held = append(d.held, c); len(d.held) == maxHeld {
				dst = d.release(dst)
			}
		default: // CR, LF
			d.held = d.held[:0]
			dst = append(dst, c)
		}
		i++
	}
	return dst
}

var quotedSpecial = [256]bool{'=': true, ' ': true, '\t': true, '\r': true, '\n': true}

func (d *unquote) release(dst []byte) []byte {
	if len(d.held) > 0 {
		dst = append(dst, d.held...)
		d.held = d.held[:0]
	}
	return dst
}

// escape decides on "=" and what follows it so far.
func (d *unquote) escape(dst []byte) []byte {
	e := d.esc
	c := e[len(e)-1]
	if hi := hexDigit(e[1]); hi >= 0 { // =C3; lower case too, though it is not allowed
		if len(e) == 2 {
			return dst
		}
		if lo := hexDigit(c); lo >= 0 {
			d.esc = e[:0]
			return append(dst, byte(hi<<4|lo))
		}
		return d.literal(dst)
	}
	switch {
	case c == '\n': // a soft line break, blanks before its end or not
		d.esc = e[:0]
		return dst
	case c == '\r' && e[max(len(e)-2, 0)] != '\r', (c == ' ' || c == '\t') && len(e) < maxHeld:
		return dst
	}
	return d.literal(dst)
}

// literal gives up on an escape; its last octet is looked at afresh.
func (d *unquote) literal(dst []byte) []byte {
	d.bad = true
	n := len(d.esc) - 1
	last := d.esc[n]
	dst = append(dst, d.esc[:n]...)
	d.esc = d.esc[:0]
	return d.decode(dst, []byte{last})
}

func (d *unquote) end(dst []byte) []byte {
	if len(d.esc) > 1 && hexDigit(d.esc[1]) >= 0 {
		d.bad = true // cut short
		dst = append(dst, d.esc...)
	}
	d.esc, d.held = d.esc[:0], d.held[:0]
	return dst
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

package relay

import (
	"bufio"
	"bytes"
	"errors"
)

var errBareNewline = errors.New("a CR or LF alone in a stored message")

// dotWriter doubles a dot at the start of a line (RFC 5321 §4.5.2). It refuses
// a CR or LF alone, whatever the store may hold: some servers would end the
// mail there and read the rest as commands (SMTP smuggling).
type dotWriter struct {
	w    *bufio.Writer
	last byte
	in   bool // in the middle of a line
}

func (d *dotWriter) Write(p []byte) (int, error) {
	for i := 0; i < len(p); {
		// Runs without anything special go through at once.
		if n := bytes.IndexAny(p[i:], "\r\n."); n != 0 && d.last != '\r' {
			if n < 0 {
				n = len(p) - i
			}
			if _, err := d.w.Write(p[i : i+n]); err != nil {
				return i, err
			}
			i += n
			d.last, d.in = p[i-1], true
			continue
		}
		c := p[i]
		if (d.last == '\r') != (c == '\n') {
			return i, errBareNewline
		}
		if c == '.' && !d.in {
			if err := d.w.WriteByte('.'); err != nil {
				return i, err
			}
		}
		if err := d.w.WriteByte(c); err != nil {
			return i, err
		}
		d.last, d.in = c, c != '\n'
		i++
	}
	return len(p), nil
}

// finish makes sure that the final dot will stand on a line of its own.
func (d *dotWriter) finish() error {
	if d.last == '\r' {
		return errBareNewline
	}
	if !d.in {
		return nil
	}
	_, err := d.w.WriteString("\r\n")
	return err
}

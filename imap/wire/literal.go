package wire

import (
	"bytes"
	"io"
)

// Literal is octets that a client announced. Read gives them; it must be read
// to its end before the decoder goes on, or the command be discarded.
type Literal struct {
	Size   int64
	Binary bool // "~{": may have NUL in it

	d    *Decoder
	rest int64
	nul  bool
}

func (l *Literal) Read(p []byte) (int, error) {
	if l.rest == 0 {
		return 0, io.EOF
	}
	d := l.d
	if d.at == d.end && len(p) >= bufferSize {
		// Large reads need no buffer of ours.
		n, err := d.r.Read(p[:min(int64(len(p)), l.rest)])
		l.rest -= int64(n)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			d.fatal = err
		}
		return n, err
	}
	if d.at == d.end {
		if err := d.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p[:min(int64(len(p)), l.rest)], d.buf[d.at:d.end])
	d.at += n
	l.rest -= int64(n)
	return n, nil
}

func (l *Literal) skip(limit int64) error {
	if l.rest > limit {
		return ErrHopeless
	}
	for l.rest > 0 {
		d := l.d
		if d.at == d.end {
			if err := d.fill(); err != nil {
				return err
			}
		}
		n := min(int64(d.end-d.at), l.rest)
		d.at += int(n)
		l.rest -= n
	}
	return nil
}

// AtLiteral says whether a literal stands next, and how it was announced.
func (d *Decoder) AtLiteral() (size int64, binary, ok bool) {
	if d.stream != nil || !d.hasLit || d.pos != d.lit.from {
		return 0, false, false
	}
	return d.lit.size, d.lit.binary, true
}

// Literal begins a literal of at most limit octets that is to be streamed. A
// client that waits is told to go on. ErrTooBig: it was announced larger.
func (d *Decoder) Literal(limit int64) (*Literal, error) {
	size, binary, ok := d.AtLiteral()
	if !ok {
		return nil, d.expected("a literal")
	}
	if size < 0 || size > limit {
		return nil, ErrTooBig
	}
	if d.lit.sync {
		if err := d.Continue("Ready"); err != nil {
			d.fatal = err
			return nil, err
		}
	}
	d.hasLit = false
	d.stream = &Literal{Size: size, Binary: binary, d: d, rest: size}
	return d.stream, nil
}

// EndLiteral goes on with the line after a literal that was read to its end.
func (d *Decoder) EndLiteral() error {
	if d.stream == nil || d.stream.rest > 0 {
		return d.expected("the end of the literal")
	}
	d.stream = nil
	if err := d.readLine(); err != nil {
		return err
	}
	if d.refused {
		return syntax("Command line too long")
	}
	if d.spent > d.Limits.Command {
		return syntax("Command too long")
	}
	return nil
}

// held reads a literal into memory.
func (d *Decoder) inMemory() (string, error) {
	size, _, _ := d.AtLiteral()
	if size < 0 || size > d.Limits.Literal {
		return "", ErrTooBig
	}
	if d.spent += int(size); d.spent > d.Limits.Command {
		return "", ErrTooBig
	}
	l, err := d.Literal(d.Limits.Literal)
	if err != nil {
		return "", err
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(l, b); err != nil {
		return "", err
	}
	if err := d.EndLiteral(); err != nil {
		return "", err
	}
	if !l.Binary && bytes.IndexByte(b, 0) >= 0 {
		return "", syntax("NUL is not allowed")
	}
	return string(b), nil
}

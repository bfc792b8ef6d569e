package wire

import (
	"errors"
	"io"
	"strings"
	"sync"
)

// Limits bound what one command may hold in memory.
type Limits struct {
	Line    int   // octets of one line, CRLF included
	Literal int64 // octets of a literal that is held in memory
	Command int   // octets of all lines and literals held in memory
	Skip    int64 // octets of a refused literal that are read past; one above it ends the connection
}

// Before is for strangers, After for who has signed in. 64 KB lines are what
// Dovecot takes; programs send UIDs of a large mailbox one by one.
var (
	Before = Limits{Line: 8 << 10, Literal: 1 << 10, Command: 16 << 10, Skip: 64 << 10}
	After  = Limits{Line: 64 << 10, Literal: 64 << 10, Command: 256 << 10, Skip: 64 << 20}
)

// maxDepth is deeper than any program nests parentheses.
const maxDepth = 50

// SyntaxError is the answer BAD.
type SyntaxError struct{ Text string }

func (e *SyntaxError) Error() string { return e.Text }

func syntax(text string) error { return &SyntaxError{text} }

var (
	// ErrTooBig: a literal is larger than its place permits. The command ends with NO [TOOBIG].
	ErrTooBig = errors.New("imap: literal too big")
	// ErrHopeless: where the next command begins cannot be known, or is too far
	// away. The connection ends with BYE.
	ErrHopeless = errors.New("imap: the client does not speak IMAP")
)

// Decoder reads commands.
type Decoder struct {
	Limits Limits
	UTF8   bool // quoted strings and mailbox names are UTF-8 (RFC 6855, RFC 9051)

	// Continue sends a line "+ text" to the client, and all that was gathered before.
	Continue func(text string) error

	r    io.Reader
	buf  []byte // from pool; nil while the connection waits
	at   int    // the next octet of buf
	end  int
	one  [1]byte // the first octet after a wait
	held bool    // one is valid and not yet in buf

	line  []byte // the line at hand, without CRLF
	pos   int
	spent int   // of Limits.Command
	depth int   // of parentheses
	fatal error // nothing is read any more

	lit     literal // announced by the end of line
	hasLit  bool
	stream  *Literal // given out and not read to its end
	begun   bool     // a command is at hand
	refused bool     // its line was too long: nothing of it can be parsed
	head    string   // how that line began
}

// literal is what the end of a line announces.
type literal struct {
	size   int64 // -1: more than an int64 holds
	sync   bool  // the client waits for "+"
	binary bool  // "~{": NUL is permitted (RFC 3516)
	from   int   // where in line it is announced
}

const bufferSize = 8 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// NewDecoder reads from r.
func NewDecoder(r io.Reader, limits Limits) *Decoder { return &Decoder{r: r, Limits: limits} }

// Buffered is what was read from r and not yet given out.
func (d *Decoder) Buffered() []byte {
	if d.held {
		return d.one[:]
	}
	return d.buf[d.at:d.end]
}

// Reset goes on with another reader (STARTTLS, COMPRESS) and forgets what was
// buffered: for STARTTLS it came in clear, from whoever (CVE-2011-0411); for
// COMPRESS the caller has put Buffered before r.
func (d *Decoder) Reset(r io.Reader) {
	d.r, d.at, d.end, d.held = r, 0, 0, false
}

// Wait blocks until there is something to read, holding no buffer meanwhile.
func (d *Decoder) Wait() error {
	if d.held || d.at < d.end {
		return nil
	}
	d.release()
	n, err := d.r.Read(d.one[:])
	if n == 1 {
		d.held = true
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	d.fatal = err
	return err
}

// release gives back the buffers.
func (d *Decoder) release() {
	if d.buf != nil {
		buffers.Put((*[bufferSize]byte)(d.buf))
		d.buf, d.at, d.end = nil, 0, 0
	}
	if cap(d.line) > 256 {
		d.line = nil
	}
}

// fill reads at least one octet more.
func (d *Decoder) fill() error {
	err := d.more()
	if err != nil {
		d.fatal = err
	}
	return err
}

func (d *Decoder) more() error {
	if d.buf == nil {
		d.buf = buffers.Get().(*[bufferSize]byte)[:]
		d.at, d.end = 0, 0
	}
	if d.held {
		d.buf[0], d.at, d.end, d.held = d.one[0], 0, 1, false
		return nil
	}
	if d.at == d.end {
		d.at, d.end = 0, 0
	}
	for range 100 {
		n, err := d.r.Read(d.buf[d.end:])
		d.end += n
		if n > 0 {
			return nil
		}
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return io.ErrNoProgress
}

// Broken is the failure after which nothing is read any more: the connection's,
// or ErrHopeless.
func (d *Decoder) Broken() error { return d.fatal }

func (d *Decoder) readLine() error {
	err := d.nextLine()
	if err != nil {
		d.fatal = err
	}
	return err
}

// nextLine reads the next line of a command. A line that is too long is read
// past, and only its end is looked at.
func (d *Decoder) nextLine() error {
	d.line, d.pos, d.hasLit = d.line[:0], 0, false
	long := false
	total := int64(0)
	for {
		if d.at == d.end {
			if err := d.fill(); err != nil {
				return err
			}
		}
		part := d.buf[d.at:d.end]
		nl := indexByte(part, '\n')
		if nl >= 0 {
			part = part[:nl+1]
		}
		d.at += len(part)
		total += int64(len(part))
		d.line = append(d.line, part...)
		if len(d.line) > d.Limits.Line {
			if !long {
				d.head = string(d.line[:64])
			}
			long = true
			d.line = append(d.line[:0], d.line[len(d.line)-64:]...) // its end may announce a literal
		}
		if nl >= 0 {
			break
		}
		if total > d.Limits.Skip {
			return ErrHopeless
		}
	}
	d.spent += len(d.line)
	if n := len(d.line); n < 2 || d.line[n-2] != '\r' {
		// A line that ends with LF alone, or has CR or NUL in it, is not IMAP; to
		// guess where the next command begins is how commands are smuggled.
		return ErrHopeless
	}
	d.line = d.line[:len(d.line)-2]
	d.lit, d.hasLit = announced(d.line)
	if long {
		d.refused = true
		return nil
	}
	for _, c := range d.line {
		if c == 0 || c == '\r' {
			return ErrHopeless
		}
	}
	return nil
}

func indexByte(b []byte, c byte) int {
	for i := range b {
		if b[i] == c {
			return i
		}
	}
	return -1
}

// announced reads the literal at the end of line, if there is one.
func announced(line []byte) (lit literal, ok bool) {
	n := len(line)
	if n < 3 || line[n-1] != '}' {
		return lit, false
	}
	i := n - 2
	lit.sync = true
	if line[i] == '+' {
		lit.sync = false
		i--
	}
	last := i
	for i >= 0 && line[i] >= '0' && line[i] <= '9' {
		i--
	}
	if i < 0 || line[i] != '{' || i == last {
		return lit, false
	}
	for _, c := range line[i+1 : last+1] {
		digit := int64(c - '0')
		if lit.size > (1<<63-1-digit)/10 {
			lit.size = -1
			break
		}
		lit.size = lit.size*10 + digit
	}
	lit.from = i
	if i > 0 && line[i-1] == '~' {
		lit.from, lit.binary = i-1, true
	}
	return lit, true
}

// Begin reads the first line of a command. tag is "" when the line has none
// that could be repeated; name is in upper case, "UID FETCH" one name. A
// *SyntaxError leaves the command to be answered with BAD and discarded.
func (d *Decoder) Begin() (tag, name string, err error) {
	d.spent, d.depth, d.refused, d.stream, d.begun = 0, 0, false, nil, true
	if err := d.readLine(); err != nil {
		return "", "", err
	}
	head := string(d.line[:min(len(d.line), 256)])
	if d.refused {
		if tag, _, _ = strings.Cut(d.head, " "); !isTag(tag) {
			tag = ""
		}
		return tag, "", syntax("Command line too long")
	}
	tag, rest, spaced := strings.Cut(head, " ")
	if !isTag(tag) {
		return "", "", syntax("Not a tag")
	}
	if !spaced {
		return tag, "", syntax("A command is missing")
	}
	d.pos = len(tag) + 1
	name, rest, spaced = strings.Cut(rest, " ")
	d.pos += len(name)
	name = strings.ToUpper(name)
	if name == "UID" && spaced {
		sub, _, _ := strings.Cut(rest, " ")
		d.pos += 1 + len(sub)
		name += " " + strings.ToUpper(sub)
	}
	if name == "" || len(name) > 40 {
		return tag, "", syntax("Not a command")
	}
	return tag, name, nil
}

// Line reads one line that is no command: a SASL response, DONE.
func (d *Decoder) Line() (string, error) {
	d.spent, d.refused, d.stream = 0, false, nil
	if err := d.readLine(); err != nil {
		return "", err
	}
	if d.refused {
		return "", ErrHopeless
	}
	// It is no command, so a "}" at its end announces nothing.
	d.hasLit, d.pos = false, len(d.line)
	return string(d.line), nil
}

// Sending says whether the client is sending octets of this command that nobody
// has asked for.
func (d *Decoder) Sending() bool {
	return d.begun && (d.stream != nil && d.stream.rest > 0 || d.hasLit && !d.lit.sync)
}

// Discard reads past what is left of the command, so that the next octet begins
// another. ErrHopeless when that would take too long.
func (d *Decoder) Discard() error {
	if !d.begun {
		return nil
	}
	d.begun = false
	if d.stream != nil {
		if err := d.stream.skip(d.Limits.Skip); err != nil {
			return err
		}
		if err := d.readLine(); err != nil {
			return err
		}
	}
	for d.hasLit && !d.lit.sync {
		if d.lit.size < 0 {
			return ErrHopeless
		}
		l := &Literal{d: d, Size: d.lit.size, rest: d.lit.size}
		if err := l.skip(d.Limits.Skip); err != nil {
			return err
		}
		if err := d.readLine(); err != nil {
			return err
		}
	}
	d.hasLit = false
	return nil
}

// isTag says whether s is a tag; a longer one than 64 octets is nobody's.
func isTag(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAtomChar(c) && c != ']' || c == '+' {
			return false
		}
	}
	return true
}

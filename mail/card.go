package mail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
)

// Card is what mail programs ask about every mail of a mailbox, made once, when
// the mail arrives: ENVELOPE and BODYSTRUCTURE as IMAP writes them. Unlike a
// Summary, which is for people, it says what the header says: encoded words,
// groups, and parameters in their pieces stay as they are.
type Card struct {
	Header    int64  // octets of the message's header with its empty line
	Envelope  []byte // RFC 9051 §7.5.2
	Structure []byte // BODYSTRUCTURE with its extension data; see AppendStructure
	Fields    []byte // the lines of the header fields in commonFields; nil when there is too much of them
	Preview   string

	marks []byte // what AppendStructure can leave out
}

// Len is how many octets its text has.
func (c *Card) Len() int {
	return len(c.Envelope) + len(c.Structure) + len(c.Fields) + len(c.Preview) + len(c.marks)
}

// cardVersion is the first octet of an encoded Card. What another version made
// is made again from the Summary.
const cardVersion = 1

// Append encodes c.
func (c *Card) Append(b []byte) []byte {
	b = append(b, cardVersion)
	b = binary.AppendUvarint(b, uint64(c.Header))
	kept := uint64(0)
	if c.Fields != nil {
		kept = uint64(len(c.Fields)) + 1
	}
	for _, n := range [...]uint64{uint64(len(c.Envelope)), uint64(len(c.Structure)), uint64(len(c.marks)), kept} {
		b = binary.AppendUvarint(b, n)
	}
	return slices.Concat(b, c.Envelope, c.Structure, c.marks, c.Fields, []byte(c.Preview))
}

var errCard = errors.New("mail: not a card")

// ParseCard undoes Append. The result shares memory with b.
func ParseCard(b []byte) (c Card, err error) {
	if len(b) == 0 || b[0] != cardVersion {
		return c, errCard
	}
	b = b[1:]
	var n [5]uint64
	for i := range n {
		v, k := binary.Uvarint(b)
		if k <= 0 || v > 1<<31 && i > 0 {
			return c, errCard
		}
		n[i], b = v, b[k:]
	}
	c.Header = int64(n[0])
	take := func(n uint64) (p []byte) {
		if n > uint64(len(b)) {
			err = errCard
			return nil
		}
		p, b = b[:n:n], b[n:]
		return p
	}
	c.Envelope, c.Structure, c.marks = take(n[1]), take(n[2]), take(n[3])
	if n[4] > 0 {
		c.Fields = take(n[4] - 1)
	}
	c.Preview = string(b)
	return c, err
}

// A mark is a stretch of Structure: where it begins, counted from the beginning
// of the one before, and its length with a bit for its kind.
const (
	extension = 0 // extension data, which BODY leaves out
	global    = 1 // what message/global has over other types; IMAP4rev1 does not know it
)

type mark struct {
	from, to int
	kind     uint64
}

func appendMarks(b []byte, marks []mark) []byte {
	slices.SortFunc(marks, func(a, b mark) int { return a.from - b.from })
	last := 0
	for _, m := range marks {
		b = binary.AppendUvarint(b, uint64(m.from-last))
		b = binary.AppendUvarint(b, uint64(m.to-m.from)<<1|m.kind)
		last = m.from
	}
	return b
}

// AppendStructure writes BODYSTRUCTURE, or BODY without the extension data
// (RFC 9051 §7.5.2). To those who only know IMAP4rev1, rev2 being false, a
// message/global is a type like others.
func (c *Card) AppendStructure(b []byte, extended, rev2 bool) []byte {
	if extended && rev2 {
		return append(b, c.Structure...)
	}
	at, from := 0, 0
	for marks := c.marks; len(marks) > 0; {
		step, k := binary.Uvarint(marks)
		if k <= 0 {
			break
		}
		size, l := binary.Uvarint(marks[k:])
		if l <= 0 {
			break
		}
		marks = marks[k+l:]
		from += int(step)
		to := from + int(size>>1)
		if from < 0 || to < from || to > len(c.Structure) {
			break // never written so
		}
		if from < at || size&1 == extension && extended || size&1 == global && rev2 {
			continue // left out already, or wanted
		}
		b = append(b, c.Structure[at:from]...)
		at = to
	}
	return append(b, c.Structure[at:]...)
}

// card is made when the message has ended.
func (s *Scanner) card() *Card {
	c := &Card{Header: s.sum.Root.BodyOffset, Envelope: s.sum.envelope, Fields: s.fields, Preview: s.sum.Preview}
	c.structure(s.sum.Root)
	return c
}

func (c *Card) structure(root *Part) {
	w := structureWriter{b: make([]byte, 0, 400)}
	w.part(root)
	c.Structure, c.marks = w.b, appendMarks(nil, w.marks)
}

// MakeCard makes the card of a message that was kept without one. What only the
// header says is not in it: its words are encoded anew, groups are lost.
func (s *Summary) MakeCard() Card {
	c := Card{Envelope: s.appendEnvelope(nil), Preview: s.Preview}
	if s.Root != nil {
		c.Header = s.Root.BodyOffset
	}
	c.structure(s.Root)
	return c
}

// Precede completes what is known of a message before which header will be
// served: a Date and a Message-ID that its program left to us.
func (s *Summary) Precede(header []byte) {
	f := pick(string(header), true)
	if ids := MessageIDs(f.messageID); s.MessageID == "" && len(ids) > 0 {
		s.MessageID = ids[0]
	}
	c := s.Card
	if c == nil || len(header) == 0 {
		return
	}
	if rest, ok := bytes.CutPrefix(c.Envelope, []byte("(NIL ")); ok && f.hasDate {
		c.Envelope = append(append(appendText([]byte{'('}, f.date), ' '), rest...)
	}
	if rest, ok := bytes.CutSuffix(c.Envelope, []byte(" NIL)")); ok && f.messageID != "" {
		c.Envelope = append(appendText(append(rest[:len(rest):len(rest)], ' '), f.messageID), ')')
	}
	if c.Fields != nil {
		c.Fields = slices.Concat(commonLines(string(header)), c.Fields)
	}
}

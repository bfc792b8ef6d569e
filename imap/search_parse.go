package imap

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"

	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

// Bounds of one search, far above what programs send.
const (
	maxSearchDepth = 200
	maxSearchKeys  = 5000
	maxSearchTexts = 200 // keys that read mails
)

// criteria reads search keys (RFC 9051 §6.4.4 and the extensions in doc.go)
// into a query.
type criteria struct {
	s      *session
	d      *wire.Decoder
	utf8   func(string) (string, bool) // of the command's charset
	depth  int
	keys   int
	texts  int
	modseq bool // MODSEQ was asked for: the answer has one (RFC 7162 §3.1.5)
}

// charset begins criteria whose strings are in the charset of that name; "" is
// UTF-8, which programs send unasked.
func (s *session) charset(d *wire.Decoder, name string) (*criteria, error) {
	c := &criteria{s: s, d: d}
	switch strings.ToUpper(name) {
	case "", "UTF-8", "UTF8":
		c.utf8 = func(t string) (string, bool) { return strings.ToValidUTF8(t, "\uFFFD"), true }
		return c, nil
	case "US-ASCII", "ASCII":
		c.utf8 = func(t string) (string, bool) { return t, isASCII(t) }
		return c, nil
	}
	e, err := ianaindex.MIME.Encoding(name)
	if err != nil || e == nil || e == encoding.Replacement || len(name) > 40 {
		return nil, s.refuse("BADCHARSET (US-ASCII UTF-8)", "imap-bad-charset")
	}
	c.utf8 = func(t string) (string, bool) {
		u, err := e.NewDecoder().String(t)
		return u, err == nil
	}
	return c, nil
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// program reads keys to the end of the command: all of them must match.
func (c *criteria) program() (*mailbox.Query, error) {
	q := &mailbox.Query{}
	for {
		if err := c.key(q); err != nil {
			return nil, err
		}
		if c.d.AtEnd() {
			return q, nil
		}
		if err := c.d.SP(); err != nil {
			return nil, err
		}
	}
}

// key reads one key, and has q demand it too.
func (c *criteria) key(q *mailbox.Query) error {
	if c.keys++; c.keys > maxSearchKeys {
		return c.s.refuse("LIMIT", "imap-search-limit")
	}
	if c.depth++; c.depth > maxSearchDepth {
		return bad("Too deeply nested")
	}
	defer func() { c.depth-- }()
	switch b := c.d.Peek(); {
	case b == '(':
		if err := c.d.Open(); err != nil {
			return err
		}
		for {
			if err := c.key(q); err != nil {
				return err
			}
			if c.d.Close() {
				return nil
			}
			if err := c.d.SP(); err != nil {
				return err
			}
		}
	case b >= '0' && b <= '9', b == '*', b == '$':
		return c.set(q, false)
	}
	word, err := c.d.Word()
	if err != nil {
		return bad("Not a search key")
	}
	if f, ok := flagKeys[word]; ok {
		c.flag(q, f.flag, f.has)
		return nil
	}
	switch word {
	case "ALL", "OLD", "SAVEDATESUPPORTED": // OLD: nothing is ever \Recent here
		return nil
	case "RECENT", "NEW":
		never(q)
		return nil
	}
	argument := c.argument(word)
	if argument == nil {
		return bad("Unknown search key")
	}
	if err := c.d.SP(); err != nil {
		return err
	}
	return argument(q, word)
}

// flagKeys are keys that stand for a flag.
var flagKeys = map[string]struct {
	flag string
	has  bool
}{
	"ANSWERED": {`\Answered`, true}, "DELETED": {`\Deleted`, true}, "DRAFT": {`\Draft`, true}, "FLAGGED": {`\Flagged`, true}, "SEEN": {`\Seen`, true},
	"UNANSWERED": {`\Answered`, false}, "UNDELETED": {`\Deleted`, false}, "UNDRAFT": {`\Draft`, false}, "UNFLAGGED": {`\Flagged`, false}, "UNSEEN": {`\Seen`, false},
}

// argument is how the argument of a key is read; nil: there is no such key.
func (c *criteria) argument(word string) func(q *mailbox.Query, word string) error {
	switch word {
	case "FROM", "TO", "CC", "BCC", "SUBJECT":
		return c.field
	case "HEADER":
		return c.header
	case "TEXT", "BODY":
		return c.text
	case "KEYWORD", "UNKEYWORD":
		return c.keyword
	case "BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE", "SAVEDBEFORE", "SAVEDON", "SAVEDSINCE":
		return c.date
	case "YOUNGER", "OLDER":
		return c.within
	case "LARGER", "SMALLER":
		return c.size
	case "UID":
		return c.uids
	case "NOT":
		return c.not
	case "OR":
		return c.or
	case "MODSEQ":
		return c.modSeq
	case "EMAILID", "THREADID":
		return c.object
	}
	return nil
}

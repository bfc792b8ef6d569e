package imap

import (
	"bytes"
	"io"
	"strings"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// CATENATE (RFC 4469): a message is put together from what the client sends and
// what is here already, which it names by URLs. Nothing of it is held in memory:
// the next part is looked up when the one before was read.

// maxCatenated is how many parts one message has at most; each may be a lookup.
const maxCatenated = 500

// catenation reads "TEXT literal" and "URL url" up to the ")" behind them, and is
// the octets that they stand for.
type catenation struct {
	*session
	d    *wire.Decoder
	room int64 // octets that may still come

	cur     io.Reader // the part at hand; nil: another is to come
	close   func() error
	literal bool // it is one
	parts   int
	size    int64
	done    bool
}

func (c *catenation) Read(p []byte) (int, error) {
	for {
		if c.done {
			return 0, io.EOF
		}
		if c.cur == nil {
			if err := c.next(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := c.cur.Read(p)
		c.size += int64(n)
		if err == io.EOF {
			err = c.endPart()
			if n == 0 && err == nil {
				continue
			}
		}
		return n, err
	}
}

func (c *catenation) next() error {
	if c.parts > 0 {
		if c.d.Close() {
			if c.done = true; c.size == 0 {
				return c.refuse("CANNOT", "imap-empty-message")
			}
			return nil
		}
		if err := c.d.SP(); err != nil {
			return err
		}
	}
	if c.parts++; c.parts > maxCatenated {
		return c.refuse("LIMIT", "imap-too-many-parts")
	}
	switch {
	case c.d.IsWord("TEXT"):
		if err := c.d.SP(); err != nil {
			return err
		}
		lit, err := c.d.Literal(c.room)
		if err != nil {
			return err
		}
		c.room -= lit.Size
		c.cur, c.literal = lit, true
		return nil
	case c.d.IsWord("URL"):
		if err := c.d.SP(); err != nil {
			return err
		}
		url, err := c.d.AString()
		if err != nil {
			return err
		}
		r, size, err := c.openURL(url)
		if err != nil {
			return err
		}
		c.cur, c.close, c.literal = r, r.Close, false
		if c.room -= size; c.room < 0 {
			return wire.ErrTooBig
		}
		return nil
	}
	return bad("Expected TEXT or URL")
}

func (c *catenation) endPart() error {
	literal := c.literal
	c.end()
	if literal {
		return c.d.EndLiteral()
	}
	return nil
}

// end gives back what the part at hand holds.
func (c *catenation) end() {
	if c.close != nil {
		c.close()
	}
	c.cur, c.close, c.literal = nil, nil, false
}

// openURL finds the octets that a URL stands for.
func (s *session) openURL(raw string) (io.ReadCloser, int64, error) {
	u, ok := parseURL(raw)
	if !ok || !s.here(u) {
		return nil, 0, s.badURL(raw)
	}
	r, size, err := s.openPart(u)
	switch {
	case err == nil:
		return r, size, nil
	case mail.Is(err, mail.Gone), mail.Is(err, mail.NotFound), mail.Is(err, mail.Forbidden):
		// What one may not read is, for them, not there.
		return nil, 0, s.badURL(raw)
	}
	return nil, 0, err
}

// badURL repeats the URL, as far as a response code can (RFC 4469 §5).
func (s *session) badURL(raw string) error {
	shown := []byte(raw[:min(len(raw), 500)])
	for i, c := range shown {
		if c <= ' ' || c >= 0x7f || c == ']' {
			shown[i] = '?'
		}
	}
	return s.refuse("BADURL "+string(shown), "imap-bad-url")
}

// here says whether a URL is about this server and this member.
func (s *session) here(u mailURL) bool {
	return (u.host == "" || strings.EqualFold(u.host, s.srv.Hostname)) &&
		(u.user == "" || strings.EqualFold(u.user, s.user.Address.String()))
}

func (s *session) openPart(u mailURL) (io.ReadCloser, int64, error) {
	gone := mail.Wrap(mail.Gone, nil)
	id, account := mailbox.ID(0), mail.AccountID(0)
	switch {
	case u.mailbox != "":
		mb, have, err := s.srv.Mailboxes.Resolve(s.ctx, s.user, u.mailbox)
		if err != nil {
			return nil, 0, err
		}
		if !have.Has(mailbox.RightRead) || u.validity != 0 && u.validity != mb.UIDValidity {
			return nil, 0, gone
		}
		id, account = mb.ID, mb.Account
	case s.view != nil && !s.view.lost:
		id, account = s.view.box.ID, s.view.box.Account
	default:
		return nil, 0, gone
	}
	now, err := s.srv.Mailboxes.Snapshot(s.ctx, id)
	if err != nil {
		return nil, 0, err
	}
	entry, ok := now.Find(u.uid)
	if !ok {
		return nil, 0, gone
	}
	bodies, err := s.srv.Mailboxes.Bodies(s.ctx, account, []mailbox.EmailID{entry.Email}, true)
	if err != nil {
		return nil, 0, err
	}
	cards, err := s.srv.Mailboxes.Cards(s.ctx, []mailbox.Entry{entry})
	if err != nil {
		return nil, 0, err
	}
	if bodies[0] == nil || cards[0] == nil {
		return nil, 0, gone
	}
	m := fetched{entry: &entry, card: cards[0], source: source{body: bodies[0]}}
	sh := m.shape()
	where, ok := u.section.locate(&sh)
	if !ok {
		return nil, 0, gone
	}
	open := func(where span) (io.ReadCloser, error) { return s.srv.Mailboxes.OpenBody(s.ctx, m.body, where.from) }
	if u.section.names == nil {
		where = u.section.narrow(where)
		r, err := open(where)
		if err != nil {
			return nil, 0, err
		}
		return limited{io.LimitReader(r, where.size()), r}, where.size(), nil
	}
	where.to = min(where.to, where.from+maxFiltered)
	r, err := open(where)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	header := make([]byte, where.size())
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, 0, err
	}
	p := u.section.cut(appendFields(nil, header, u.section.names, u.section.what == "HEADER.FIELDS.NOT"))
	return io.NopCloser(bytes.NewReader(p.bytes)), p.size, nil
}

// limited is a part of what is read.
type limited struct {
	io.Reader
	io.Closer
}

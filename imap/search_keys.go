package imap

import (
	"strings"
	"time"

	"colporteur/store/mailbox"
)

// string reads text to look for.
func (c *criteria) string() (string, error) {
	raw, err := c.d.AString()
	if err != nil {
		return "", err
	}
	text, ok := c.utf8(raw)
	if !ok {
		return "", bad("Text is not in the charset of the command")
	}
	return strings.ReplaceAll(text, "\x00", ""), nil
}

func never(q *mailbox.Query) { q.UIDs = &mailbox.UIDSet{} }

// flag demands a flag or its absence. What a member has read in somebody else's
// mailbox is theirs, and no flag of the mail.
func (c *criteria) flag(q *mailbox.Query, flag string, has bool) {
	if g := c.s.view.guest; g != nil && flag == `\Seen` {
		seen := mailbox.Query{UIDs: g.seen}
		if seen.UIDs == nil {
			seen.UIDs = &mailbox.UIDSet{}
		}
		if has {
			q.And = append(q.And, seen)
		} else {
			q.Not = append(q.Not, seen)
		}
		return
	}
	if has {
		q.Flags = append(q.Flags, flag)
	} else {
		q.NotFlags = append(q.NotFlags, flag)
	}
}

func (c *criteria) keyword(q *mailbox.Query, word string) error {
	f, err := c.d.Flag()
	if err != nil {
		return err
	}
	name, ok := cleanFlag(f)
	if !ok {
		return bad("Not a flag")
	}
	switch has := word == "KEYWORD"; {
	case name != "":
		c.flag(q, name, has)
	case has: // \Recent
		never(q)
	}
	return nil
}

// reads counts keys that read mails.
func (c *criteria) reads() error {
	if c.texts++; c.texts > maxSearchTexts {
		return c.s.refuse("LIMIT", "imap-search-limit")
	}
	return nil
}

func (c *criteria) text(q *mailbox.Query, word string) error {
	text, err := c.string()
	if err != nil {
		return err
	}
	if word == "TEXT" {
		q.Text = append(q.Text, text)
	} else {
		q.Body = append(q.Body, text)
	}
	return c.reads()
}

func (c *criteria) field(q *mailbox.Query, word string) error {
	value, err := c.string()
	if err != nil {
		return err
	}
	q.Header = append(q.Header, mailbox.HeaderQuery{Field: strings.ToLower(word), Value: value})
	return nil
}

func (c *criteria) header(q *mailbox.Query, _ string) error {
	name, err := c.d.AString()
	if err != nil {
		return err
	}
	if err := c.d.SP(); err != nil {
		return err
	}
	return c.field(q, name)
}

// day is the time from midnight to midnight. INTERNALDATE is shown in UTC, so its
// days are those of UTC.
const day = 24 * time.Hour

func (c *criteria) date(q *mailbox.Query, word string) error {
	t, err := c.d.Date()
	if err != nil {
		return err
	}
	n := mailbox.Query{}
	since, before := &n.Since, &n.Before
	switch {
	case strings.HasPrefix(word, "SENT"):
		since, before, word = &n.SentSince, &n.SentBefore, word[4:]
	case strings.HasPrefix(word, "SAVED"):
		since, before, word = &n.SavedSince, &n.SavedBefore, word[5:]
	}
	switch word {
	case "SINCE":
		*since = t
	case "BEFORE":
		*before = t
	default:
		*since, *before = t, t.Add(day)
	}
	q.And = append(q.And, n)
	return nil
}

// within is RFC 5032.
func (c *criteria) within(q *mailbox.Query, word string) error {
	n, err := c.d.Number()
	if err != nil {
		return err
	}
	if n == 0 {
		return bad("An interval of no seconds")
	}
	at := c.s.srv.now().Add(-time.Duration(n) * time.Second)
	if word == "YOUNGER" {
		q.And = append(q.And, mailbox.Query{Since: at})
	} else {
		q.And = append(q.And, mailbox.Query{Before: at.Add(time.Microsecond)}) // "or equal"
	}
	return nil
}

func (c *criteria) size(q *mailbox.Query, word string) error {
	n, err := c.d.Number64()
	if err != nil {
		return err
	}
	if word == "LARGER" {
		q.And = append(q.And, mailbox.Query{Larger: &n})
	} else {
		q.And = append(q.And, mailbox.Query{Smaller: &n})
	}
	return nil
}

func (c *criteria) uids(q *mailbox.Query, _ string) error { return c.set(q, true) }

// set reads a set, of sequence numbers or UIDs. In a search numbers of mails
// that are not there are none: the client may have missed an EXPUNGE.
func (c *criteria) set(q *mailbox.Query, uid bool) error {
	n, err := c.d.NumSet()
	if err != nil {
		return err
	}
	v := c.s.view
	var set *mailbox.UIDSet
	switch {
	case n.Saved:
		set = c.s.saved.And(v.uids)
	case !uid && c.s.on.uidOnly:
		return &status{"BAD", "UIDREQUIRED", "Message numbers are not in use"} // RFC 9586 §3
	default:
		last := uint32(v.uids.Len())
		if uid {
			last = uint32(v.uids.Last())
		}
		ranges := make([]mailbox.UIDRange, len(n.Ranges))
		for i, r := range n.Ranges {
			from, to := r.Order(last)
			ranges[i] = mailbox.UIDRange{First: mailbox.UID(from), Last: mailbox.UID(to)}
		}
		if set = mailbox.RangeSet(ranges...); uid {
			set = set.And(v.uids)
		} else {
			set = v.uids.Pick(set)
		}
	}
	if q.UIDs != nil {
		set = set.And(q.UIDs)
	}
	q.UIDs = set
	return nil
}

func (c *criteria) not(q *mailbox.Query, _ string) error {
	n := mailbox.Query{}
	if err := c.key(&n); err != nil {
		return err
	}
	q.Not = append(q.Not, n)
	return nil
}

func (c *criteria) or(q *mailbox.Query, _ string) error {
	either := [2]mailbox.Query{}
	if err := c.key(&either[0]); err != nil {
		return err
	}
	if err := c.d.SP(); err != nil {
		return err
	}
	if err := c.key(&either[1]); err != nil {
		return err
	}
	q.Or = append(q.Or, either)
	return nil
}

// modSeq reads "[entry-name entry-type] number" (RFC 7162 §3.1.5). All metadata
// of a mail here have one modseq.
func (c *criteria) modSeq(q *mailbox.Query, _ string) error {
	if c.d.Peek() == '"' {
		if _, err := c.d.Quoted(); err != nil {
			return err
		}
		if err := c.d.SP(); err != nil {
			return err
		}
		switch kind, err := c.d.Word(); {
		case err != nil:
			return err
		case kind != "PRIV" && kind != "SHARED" && kind != "ALL":
			return bad("Not a kind of entry")
		}
		if err := c.d.SP(); err != nil {
			return err
		}
	}
	n, err := c.d.Number64()
	if err != nil {
		return err
	}
	c.modseq, c.s.on.condstore = true, true
	q.And = append(q.And, mailbox.Query{ModSeq: mailbox.ModSeq(n)})
	return nil
}

// object is EMAILID and THREADID (RFC 8474 §6).
func (c *criteria) object(q *mailbox.Query, word string) error {
	id, err := c.d.AString()
	if err != nil {
		return err
	}
	kind := byte('e')
	if word == "THREADID" {
		kind = 't'
	}
	n, ok := mailbox.ParseObjectID(kind, id)
	switch {
	case !ok || n == 0: // of no mail
		never(q)
	case word == "EMAILID":
		q.And = append(q.And, mailbox.Query{Email: mailbox.EmailID(n)})
	default:
		q.And = append(q.And, mailbox.Query{Thread: mailbox.ThreadID(n)})
	}
	return nil
}

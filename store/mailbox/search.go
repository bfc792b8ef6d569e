package mailbox

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
)

// candidate is a mail that a search has not ruled out, with what it has read of
// it: nothing more is read than is needed to decide.
type candidate struct {
	Entry
	decided bool          // it matches; nothing more is to be read
	sig     []byte        // while signatures are being read
	content *Content      // then the summaries
	text    *searchedText // then, one by one, the mails themselves
}

// Search returns matching entries by rising UID.
//
// What a listing knows is asked first. Then the signatures rule out nearly all
// mails that do not have the words; then come the summaries, in batches; and
// only what is still undecided is read.
func (s *Store) Search(ctx context.Context, box ID, q *Query) ([]Entry, error) {
	t := q.term()
	var found []candidate
	var account mail.AccountID
	err := s.read(ctx, func(tx *store.Tx) error {
		m, err := byID(ctx, tx, box)
		if err != nil {
			return err
		}
		account = m.Account
		entries, err := list(ctx, tx, `mailbox = $1 ORDER BY uid`, int64(box))
		if err != nil {
			return err
		}
		var ask []int
		for i := range entries {
			c := candidate{Entry: entries[i]}
			v := t.judge(&c)
			if v == no {
				continue
			}
			if c.decided = v == yes; !c.decided {
				ask = append(ask, len(found))
			}
			found = append(found, c)
		}
		return s.askSignatures(ctx, tx, &t, found, ask)
	})
	if err != nil {
		return nil, err
	}
	var out []Entry
	for some := range slices.Chunk(found, atOnce) {
		if err := s.askMails(ctx, account, &t, some); err != nil {
			return nil, err
		}
		for i := range some {
			if some[i].UID != 0 {
				out = append(out, some[i].Entry)
			}
		}
	}
	return out, nil
}

// askSignatures strikes out, with UID 0, what the signatures rule out.
func (s *Store) askSignatures(ctx context.Context, tx *store.Tx, t *term, found []candidate, ask []int) error {
	for some := range slices.Chunk(ask, atOnce) {
		if err := ctx.Err(); err != nil {
			return err
		}
		ids := make([]EmailID, len(some))
		at := make(map[EmailID][]int, len(some))
		for k, i := range some {
			ids[k] = found[i].Email
			at[ids[k]] = append(at[ids[k]], i)
		}
		set, args := in(nil, ids)
		rows, err := tx.Query(ctx, `SELECT id, sig FROM email WHERE id IN `+set, args...)
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var id EmailID
			var sig sql.RawBytes // of the row at hand: nothing is copied
			if err := scan(&id, &sig); err != nil {
				return err
			}
			for _, i := range at[id] {
				c := &found[i]
				c.sig = sig
				switch t.judge(c) {
				case no:
					c.UID = 0
				case yes: // NOT, of what cannot be in it
					c.decided = true
				}
				c.sig = nil
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// askMails decides what is undecided: by the summaries, then by the mails.
func (s *Store) askMails(ctx context.Context, account mail.AccountID, t *term, found []candidate) error {
	var ids []EmailID
	var ask []int
	for i := range found {
		if found[i].UID != 0 && !found[i].decided {
			ids, ask = append(ids, found[i].Email), append(ask, i)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	contents, err := s.Contents(ctx, account, ids)
	if err != nil {
		return err
	}
	var read []*candidate
	for k, i := range ask {
		c := &found[i]
		if c.content = contents[k]; c.content == nil { // expunged meanwhile
			c.UID = 0
			continue
		}
		switch t.judge(c) {
		case no:
			c.UID = 0
		case maybe:
			read = append(read, c)
		}
	}
	for some := range slices.Chunk(read, atOnceRead) {
		if err := s.readMails(ctx, t, some); err != nil {
			return err
		}
	}
	for i := range found {
		found[i].content = nil
	}
	return nil
}

// atOnceRead is how many mails a search reads at a time; each may hold a
// megabyte of text.
const atOnceRead = 4

// readMails decides by the mails themselves.
func (s *Store) readMails(ctx context.Context, t *term, some []*candidate) error {
	var wg sync.WaitGroup
	for _, c := range some {
		c.text = &searchedText{open: func() (io.ReadCloser, error) { return s.Open(ctx, c.content, 0) }, skip: int64(len(c.content.Prefix))}
		if t.reads {
			wg.Go(func() { c.text.words() })
		}
	}
	wg.Wait()
	for _, c := range some {
		v := t.judge(c)
		if err := c.text.err; err != nil {
			return kinded(err)
		}
		if v != yes {
			c.UID = 0
		}
		c.text = nil
	}
	return nil
}

// hasField looks for a value in a header field, in the summary if that has it.
func (c *candidate) hasField(f *field) verdict {
	if c.content == nil {
		return maybe
	}
	for _, v := range summarised(c.content.Summary, f.name) {
		if f.in(mail.Fold(v)) {
			return yes
		}
	}
	if c.text == nil {
		return maybe // it may be in what the summary leaves out
	}
	for _, h := range c.text.header() {
		if h.name == f.name && f.in(mail.Fold(mail.Words(h.value))) {
			return yes
		}
	}
	return no
}

// hasWord looks for a word in the text, or in the text and the header.
func (c *candidate) hasWord(w word, header bool) verdict {
	if c.text == nil {
		return maybe
	}
	all, body := c.text.words()
	if header {
		return verdictOf(w.in(all))
	}
	return verdictOf(w.in(body))
}

// summarised is what the summary has of a field, not folded.
func summarised(s *mail.Summary, field string) (values []string) {
	people := func(list []mail.Mailbox) {
		var b strings.Builder
		for i, m := range list {
			if i > 0 {
				b.WriteString(", ")
			}
			if m.Name != "" {
				b.WriteString(m.Name + " ")
			}
			b.WriteString("<" + m.Addr + ">")
		}
		if b.Len() > 0 {
			values = append(values, b.String())
		}
	}
	switch field {
	case "subject":
		if s.Subject != "" {
			values = append(values, s.Subject)
		}
	case "from":
		people(s.From)
	case "to":
		people(s.To)
	case "cc":
		people(s.Cc)
	case "bcc":
		people(s.Bcc)
	case "reply-to":
		people(s.ReplyTo)
	case "message-id":
		if s.MessageID != "" {
			values = append(values, "<"+s.MessageID+">")
		}
	}
	return values
}

// searchedText is a mail being searched. It reads the mail when it is asked,
// once for the header and once for the words.
type searchedText struct {
	open func() (io.ReadCloser, error)
	skip int64 // octets of ours before the message, which are no words of it
	err  error // the first failure; what follows it is not to be believed

	fields    []headerField
	hasHeader bool
	all, body string
	hasWords  bool
}

type headerField struct{ name, value string } // in lower case; unfolded

// reading opens the mail for f. A mail whose bytes are damaged has no words:
// one of them must not make a whole mailbox unsearchable.
func (t *searchedText) reading(f func(r io.Reader) error) {
	if t.err != nil {
		return
	}
	r, err := t.open()
	if err == nil {
		err = f(r)
		r.Close()
	}
	if !errors.Is(err, blob.ErrDamaged) && !errors.Is(err, store.ErrNoRows) {
		t.err = err
	}
}

func (t *searchedText) header() []headerField {
	if !t.hasHeader {
		t.hasHeader = true
		t.reading(func(r io.Reader) (err error) {
			t.fields, err = readHeader(r)
			return err
		})
	}
	return t.fields
}

func (t *searchedText) words() (all, body string) {
	if !t.hasWords {
		t.hasWords = true
		t.reading(func(r io.Reader) error {
			var scan mail.Scanner
			if _, err := io.CopyN(io.Discard, r, t.skip); err != nil {
				return err
			}
			if _, err := io.Copy(&scan, r); err != nil {
				return err
			}
			sum, words, err := scan.Close()
			if err != nil {
				return err
			}
			t.all = string(words)
			t.body = strings.TrimPrefix(t.all, string(mail.HeaderWords(sum)))
			return nil
		})
	}
	return t.all, t.body
}

// maxSearched is how much of a header a search looks at.
const maxSearched = 256 << 10

// readHeader reads a header block up to its empty line.
func readHeader(r io.Reader) (fields []headerField, err error) {
	br := bufio.NewReaderSize(io.LimitReader(r, maxSearched), 4096)
	for {
		line, err := br.ReadBytes('\n')
		text := bytes.TrimRight(line, "\r\n")
		switch {
		case len(text) == 0:
			if err == io.EOF {
				err = nil
			}
			return fields, err
		case text[0] == ' ' || text[0] == '\t':
			if n := len(fields); n > 0 {
				fields[n-1].value += " " + strings.TrimSpace(string(text))
			}
		default:
			if name, v, ok := bytes.Cut(text, []byte{':'}); ok {
				fields = append(fields, headerField{strings.ToLower(strings.TrimSpace(string(name))), strings.TrimSpace(string(v))})
			}
		}
		if err != nil && err != io.EOF {
			return fields, err
		}
	}
}

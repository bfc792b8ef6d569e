package mailbox

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Query is a search: every set field must match. The zero Query matches all.
// Substrings are compared without case and accents.
type Query struct {
	Header                []HeaderQuery // "subject", "from", …: substring of the decoded field; empty Value: present
	Body                  []string      // substring of decoded text parts
	Text                  []string      // substring of the decoded fields a person reads, file names, or text
	Flags                 []string      // has
	NotFlags              []string      // has not
	Since, Before         time.Time     // INTERNALDATE, [Since, Before)
	SentSince, SentBefore time.Time     // Date field
	Larger, Smaller       int64         // bytes; 0 is unset
	UIDs                  func(UID) bool
	ModSeq                ModSeq // at or above
	Not                   []Query
	Or                    [][2]Query
}

// HeaderQuery asks for a field.
type HeaderQuery struct{ Field, Value string }

// Search returns matching entries by rising UID.
func (s *Store) Search(ctx context.Context, box ID, q *Query) ([]Entry, error) {
	m, err := s.ByID(ctx, box)
	if err != nil {
		return nil, err
	}
	entries, err := s.Entries(ctx, box, 0, 0)
	if err != nil {
		return nil, err
	}
	look := &looker{s: s, ctx: ctx, account: m.Account, box: box, q: q.folded()}
	if look.q.reads() {
		if err := look.load(); err != nil {
			return nil, err
		}
	}
	var found []Entry
	for i := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ok, err := look.match(&look.q, &entries[i])
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, entries[i])
		}
	}
	return found, nil
}

// folded is q with its words ready to compare.
func (q *Query) folded() Query {
	f := *q
	f.Header = slices.Clone(q.Header)
	for i := range f.Header {
		f.Header[i] = HeaderQuery{textproto.CanonicalMIMEHeaderKey(f.Header[i].Field), strings.TrimSpace(mail.Fold(f.Header[i].Value))}
	}
	f.Body, f.Text = foldAll(q.Body), foldAll(q.Text)
	f.Not = nil
	for i := range q.Not {
		f.Not = append(f.Not, q.Not[i].folded())
	}
	f.Or = nil
	for i := range q.Or {
		f.Or = append(f.Or, [2]Query{q.Or[i][0].folded(), q.Or[i][1].folded()})
	}
	return f
}

func foldAll(words []string) []string {
	var out []string
	for _, w := range words {
		if w = strings.TrimSpace(mail.Fold(w)); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// reads says whether q asks for more than a listing knows.
func (q *Query) reads() bool {
	if len(q.Header)+len(q.Body)+len(q.Text) > 0 || !q.SentSince.IsZero() || !q.SentBefore.IsZero() {
		return true
	}
	return slices.ContainsFunc(q.Not, func(n Query) bool { return n.reads() }) ||
		slices.ContainsFunc(q.Or, func(o [2]Query) bool { return o[0].reads() || o[1].reads() })
}

// looker matches one mailbox against one query, and remembers what it read of
// the mail at hand.
type looker struct {
	s       *Store
	ctx     context.Context // of the search; a looker lives no longer
	account mail.AccountID
	box     ID
	q       Query
	sigs    map[EmailID][]byte

	at      EmailID // what follows belongs to this email
	content *Content
	words   string // folded text, header words first
	text    string // the same without header words
	read    bool
}

// load reads the signatures of the mailbox, at most 4 KB each.
func (l *looker) load() error {
	l.sigs = map[EmailID][]byte{}
	return l.s.DB.Read(l.ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(l.ctx, `SELECT e.id, e.sig FROM placement p JOIN email e ON e.id = p.email WHERE p.mailbox = $1`, int64(l.box))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var id EmailID
			var sig []byte
			err := scan(&id, &sig)
			l.sigs[id] = sig
			return err
		})
	})
}

// match asks first what costs least.
func (l *looker) match(q *Query, e *Entry) (bool, error) {
	if q.UIDs != nil && !q.UIDs(e.UID) || e.ModSeq < q.ModSeq ||
		q.Larger > 0 && e.Size <= q.Larger || q.Smaller > 0 && e.Size >= q.Smaller ||
		!q.Since.IsZero() && e.Date.Before(q.Since) || !q.Before.IsZero() && !e.Date.Before(q.Before) {
		return false, nil
	}
	for _, f := range q.Flags {
		if !hasFlag(e.Flags, f) {
			return false, nil
		}
	}
	for _, f := range q.NotFlags {
		if hasFlag(e.Flags, f) {
			return false, nil
		}
	}
	for i := range q.Not {
		if ok, err := l.match(&q.Not[i], e); ok || err != nil {
			return false, err
		}
	}
	for i := range q.Or {
		ok, err := l.match(&q.Or[i][0], e)
		if !ok && err == nil {
			ok, err = l.match(&q.Or[i][1], e)
		}
		if !ok || err != nil {
			return false, err
		}
	}
	sig := l.sigs[e.Email]
	for _, w := range append(slices.Clip(q.Body), q.Text...) {
		if !may(sig, w) {
			return false, nil
		}
	}
	for _, h := range q.Header {
		if indexed(h.Field) && !may(sig, h.Value) {
			return false, nil
		}
	}
	return l.verify(q, e)
}

// indexed says whether the words of a field are in the signature.
func indexed(field string) bool {
	switch field {
	case "Subject", "From", "To", "Cc", "Bcc", "Reply-To":
		return true
	}
	return false
}

// verify looks at the mail itself.
func (l *looker) verify(q *Query, e *Entry) (bool, error) {
	if !q.SentSince.IsZero() || !q.SentBefore.IsZero() || len(q.Header) > 0 {
		if err := l.open(e); err != nil || l.content == nil {
			return false, err
		}
		date := l.content.Summary.Date
		if date.IsZero() {
			date = e.Date
		}
		if !q.SentSince.IsZero() && date.Before(q.SentSince) || !q.SentBefore.IsZero() && !date.Before(q.SentBefore) {
			return false, nil
		}
	}
	for _, h := range q.Header {
		if ok, err := l.header(h); !ok || err != nil {
			return false, err
		}
	}
	if len(q.Body)+len(q.Text) == 0 {
		return true, nil
	}
	if err := l.readText(e); err != nil || l.content == nil {
		return false, err
	}
	for _, w := range q.Body {
		if !strings.Contains(l.text, w) {
			return false, nil
		}
	}
	for _, w := range q.Text {
		if !strings.Contains(l.words, w) {
			return false, nil
		}
	}
	return true, nil
}

// open makes e the mail at hand.
func (l *looker) open(e *Entry) (err error) {
	if l.at == e.Email {
		return nil
	}
	l.at, l.read = e.Email, false
	l.content, err = l.s.Content(l.ctx, l.account, e.Email)
	if mail.Is(err, mail.NotFound) { // expunged meanwhile
		return nil
	}
	return err
}

// readText reads the mail at hand once and keeps its words.
func (l *looker) readText(e *Entry) error {
	if err := l.open(e); err != nil || l.content == nil || l.read {
		return err
	}
	r, err := l.s.Messages.Open(l.ctx, l.content.Message, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	scan := &mail.Scanner{}
	if _, err := io.Copy(scan, r); err != nil {
		return err
	}
	sum, words, err := scan.Close()
	if err != nil {
		return err
	}
	l.words, l.read = string(words), true
	l.text = strings.TrimPrefix(l.words, string(mail.HeaderWords(sum)))
	return nil
}

// header looks for a value in a field of the mail at hand.
func (l *looker) header(h HeaderQuery) (bool, error) {
	r, err := l.s.Open(l.ctx, l.content, 0)
	if err != nil {
		return false, err
	}
	defer r.Close()
	values, err := fieldValues(r, h.Field)
	if err != nil {
		return false, err
	}
	for _, v := range values {
		if strings.Contains(mail.Fold(mail.Words(v)), h.Value) {
			return true, nil
		}
	}
	return false, nil
}

// maxSearched is how much of a header a search looks at.
const maxSearched = 256 << 10

// fieldValues reads a header block up to its empty line.
func fieldValues(r io.Reader, field string) (values []string, err error) {
	br := bufio.NewReaderSize(io.LimitReader(r, maxSearched), 4096)
	on := false
	for {
		line, err := br.ReadBytes('\n')
		text := bytes.TrimRight(line, "\r\n")
		if len(text) == 0 {
			if err == io.EOF || err == nil {
				return values, nil
			}
			return nil, err
		}
		if text[0] == ' ' || text[0] == '\t' {
			if on {
				values[len(values)-1] += " " + strings.TrimSpace(string(text))
			}
		} else if name, v, ok := bytes.Cut(text, []byte{':'}); ok {
			if on = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(string(name))) == field; on {
				values = append(values, strings.TrimSpace(string(v)))
			}
		}
		if err == io.EOF {
			return values, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

package mailbox

import (
	"slices"
	"strings"
	"time"

	"colporteur/mail"
)

// Query is a search: every set field must match. The zero Query matches all.
// Substrings are compared without case and accents.
type Query struct {
	Header                  []HeaderQuery // substring of the decoded field; empty Value: present
	Body                    []string      // substring of decoded text parts
	Text                    []string      // substring of the decoded fields a person reads, file names, or text
	Flags                   []string      // has: system flags and keywords
	NotFlags                []string      // has not
	Since, Before           time.Time     // INTERNALDATE, [Since, Before)
	SentSince, SentBefore   time.Time     // day of the Date field as its sender wrote it; without one, of INTERNALDATE
	SavedSince, SavedBefore time.Time     // when it came into this mailbox, [SavedSince, SavedBefore)
	Larger, Smaller         *int64        // octets
	UIDs                    *UIDSet       // nil: all
	ModSeq                  ModSeq        // at or above
	Email                   EmailID       // 0 is unset
	Thread                  ThreadID      // 0 is unset
	And                     []Query
	Not                     []Query
	Or                      [][2]Query

	// Progress, when set, is called now and then by the goroutine that searches,
	// with how many mails were decided about.
	Progress func(done int)
}

// HeaderQuery asks for a field: "subject", "from", …
type HeaderQuery struct{ Field, Value string }

// verdict of a query on what is known of a mail so far.
type verdict int

const (
	no verdict = iota
	maybe
	yes
)

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// term is a query made ready: words folded, and hashed for signatures.
type term struct {
	*Query
	header     []*field
	body, text []*word
	and, not   []*term
	or         [][2]*term
}

// field is a header field to look for.
type field struct {
	name string // lower case
	key  string // "\tname:"
	word
	id     int
	signed []*word // what the signature of a mail with this value has; nil: it has none
}

// word is folded text to look for.
type word struct {
	text  string
	slots []uint32 // of its sequences, in the largest signature
	id    int
}

// compiled is a term and all that it asks for, numbered.
type compiled struct {
	*term
	texts  []*word
	fields []*field
	sent   bool // it asks for the Date field
}

func compile(q *Query) *compiled {
	c := &compiled{}
	c.term = c.of(q)
	return c
}

func (c *compiled) of(q *Query) *term {
	t := &term{Query: q, body: wordsOf(q.Body), text: wordsOf(q.Text)}
	for _, w := range append(slices.Clip(t.body), t.text...) {
		w.id = len(c.texts)
		c.texts = append(c.texts, w)
	}
	c.sent = c.sent || t.asksSent()
	for _, h := range q.Header {
		name := strings.ToLower(strings.TrimSpace(h.Field))
		f := &field{name: name, key: "\t" + name + ":", word: wordOf(h.Value), id: len(c.fields)}
		c.fields = append(c.fields, f)
		if isSigned(name) {
			// In a signature names and addresses stand apart, without what is between them.
			f.signed = wordsOf(strings.FieldsFunc(h.Value, func(r rune) bool { return strings.ContainsRune(`<>"(),;:\`, r) }))
		}
		t.header = append(t.header, f)
	}
	for i := range q.And {
		t.and = append(t.and, c.of(&q.And[i]))
	}
	for i := range q.Not {
		t.not = append(t.not, c.of(&q.Not[i]))
	}
	for i := range q.Or {
		t.or = append(t.or, [2]*term{c.of(&q.Or[i][0]), c.of(&q.Or[i][1])})
	}
	return t
}

// wordsOf leaves out empty words, which are in every mail.
func wordsOf(texts []string) (words []*word) {
	for _, s := range texts {
		if w := wordOf(s); w.text != "" {
			words = append(words, &w)
		}
	}
	return words
}

func wordOf(s string) word {
	w := word{text: strings.TrimSpace(mail.Fold(s))}
	for i := 0; i+2 < len(w.text); i++ {
		w.slots = append(w.slots, slot(w.text[i], w.text[i+1], w.text[i+2]))
	}
	return w
}

// in says whether w stands in folded text.
func (w *word) in(text string) bool { return strings.Contains(text, w.text) }

// judge asks a term of a mail. Each source that is known of the mail answers
// what it can; the verdict is maybe while one that is not known yet may decide.
func (t *term) judge(m *candidate) verdict {
	v := t.listed(&m.Entry)
	for _, and := range t.and {
		if v == no {
			return no
		}
		v = min(v, and.judge(m))
	}
	for _, not := range t.not {
		if v == no {
			return no
		}
		v = min(v, yes-not.judge(m))
	}
	for _, or := range t.or {
		if v == no {
			return no
		}
		left := or[0].judge(m)
		if left < yes {
			left = max(left, or[1].judge(m))
		}
		v = min(v, left)
	}
	if v != no && t.asksSent() {
		v = min(v, t.sent(m))
	}
	for _, f := range t.header {
		if v != no {
			v = min(v, m.hasField(f))
		}
	}
	for _, w := range t.body {
		if v != no {
			v = min(v, m.hasWord(w, false))
		}
	}
	for _, w := range t.text {
		if v != no {
			v = min(v, m.hasWord(w, true))
		}
	}
	return v
}

// listed asks what a listing knows.
func (t *term) listed(e *Entry) verdict {
	if t.UIDs != nil && !t.UIDs.Contains(e.UID) || e.ModSeq < t.ModSeq ||
		t.Larger != nil && e.Size <= *t.Larger || t.Smaller != nil && e.Size >= *t.Smaller ||
		t.Email != 0 && e.Email != t.Email || t.Thread != 0 && e.Thread != t.Thread ||
		!t.Since.IsZero() && e.Date.Before(t.Since) || !t.Before.IsZero() && !e.Date.Before(t.Before) ||
		!t.SavedSince.IsZero() && e.savedAt().Before(t.SavedSince) || !t.SavedBefore.IsZero() && !e.savedAt().Before(t.SavedBefore) {
		return no
	}
	for _, f := range t.Flags {
		if !hasFlag(e.Flags, f) {
			return no
		}
	}
	for _, f := range t.NotFlags {
		if hasFlag(e.Flags, f) {
			return no
		}
	}
	return yes
}

// savedAt is when the mail came into its mailbox (RFC 8514); where that is not
// known its INTERNALDATE stands for it (§4.3).
func (e *Entry) savedAt() time.Time {
	if e.Saved.IsZero() {
		return e.Date
	}
	return e.Saved
}

func (t *term) asksSent() bool { return !t.SentSince.IsZero() || !t.SentBefore.IsZero() }

// sent compares days: the hour and the zone do not count (RFC 9051 §6.4.4).
func (t *term) sent(m *candidate) verdict {
	date, ok := m.sentDate()
	if !ok {
		return maybe
	}
	if date.IsZero() {
		date = m.Date
	}
	return verdictOf((t.SentSince.IsZero() || day(date) >= day(t.SentSince)) && (t.SentBefore.IsZero() || day(date) < day(t.SentBefore)))
}

// day numbers the calendar day that t falls on in its own zone.
func day(t time.Time) int {
	y, m, d := t.Date()
	return y*10000 + int(m)*100 + d
}

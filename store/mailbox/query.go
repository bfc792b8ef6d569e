package mailbox

import (
	"strings"
	"time"

	"colporteur/mail"
)

// Query is a search: every set field must match. The zero Query matches all.
// Substrings are compared without case and accents.
type Query struct {
	Header                []HeaderQuery  // "subject", "from", …: substring of the decoded field; empty Value: present
	Body                  []string       // substring of decoded text parts
	Text                  []string       // substring of the decoded fields a person reads, file names, or text
	Flags                 []string       // has
	NotFlags              []string       // has not
	Since, Before         time.Time      // INTERNALDATE, [Since, Before)
	SentSince, SentBefore time.Time      // day of the Date field as its sender wrote it; without one, of INTERNALDATE
	Larger, Smaller       int64          // bytes; 0 is unset
	UIDs                  func(UID) bool // nil: all
	ModSeq                ModSeq         // at or above
	Not                   []Query
	Or                    [][2]Query
}

// HeaderQuery asks for a field.
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
	header     []field
	body, text []word
	not        []term
	or         [][2]term
	reads      bool // it asks for words of the text, somewhere
}

type field struct {
	name string // lower case
	word
	signed []word // what the signature of a mail with this value has; nil: it has none
}

func (q *Query) term() term {
	t := term{Query: q, body: wordsOf(q.Body), text: wordsOf(q.Text)}
	t.reads = len(t.body)+len(t.text) > 0
	for _, h := range q.Header {
		f := field{name: strings.ToLower(h.Field), word: wordOf(h.Value)}
		if isSigned(f.name) {
			// In a signature names and addresses stand apart, without what is between them.
			f.signed = wordsOf(strings.FieldsFunc(h.Value, func(r rune) bool { return strings.ContainsRune(`<>"(),;:\`, r) }))
		}
		t.header = append(t.header, f)
	}
	for i := range q.Not {
		t.not = append(t.not, q.Not[i].term())
		t.reads = t.reads || t.not[i].reads
	}
	for i := range q.Or {
		t.or = append(t.or, [2]term{q.Or[i][0].term(), q.Or[i][1].term()})
		t.reads = t.reads || t.or[i][0].reads || t.or[i][1].reads
	}
	return t
}

// word is folded text to look for.
type word struct {
	text  string
	slots []uint32 // of its sequences, in the largest signature
}

func wordOf(s string) word {
	w := word{text: strings.TrimSpace(mail.Fold(s))}
	for i := 0; i+2 < len(w.text); i++ {
		w.slots = append(w.slots, slot(w.text[i], w.text[i+1], w.text[i+2]))
	}
	return w
}

// wordsOf leaves out empty words, which are in every mail.
func wordsOf(texts []string) (words []word) {
	for _, s := range texts {
		if w := wordOf(s); w.text != "" {
			words = append(words, w)
		}
	}
	return words
}

// in says whether w stands in folded text.
func (w word) in(text string) bool { return strings.Contains(text, w.text) }

// judge asks a term of a mail. Each source that is known of the mail answers
// what it can; the verdict is maybe while one that is not known yet may decide.
func (t *term) judge(m *candidate) verdict {
	v := t.listed(&m.Entry)
	for i := range t.not {
		if v == no {
			return no
		}
		v = min(v, yes-t.not[i].judge(m))
	}
	for i := range t.or {
		if v == no {
			return no
		}
		v = min(v, max(t.or[i][0].judge(m), t.or[i][1].judge(m)))
	}
	if v != no {
		v = min(v, t.signed(m.sig))
	}
	if v != no && (!t.SentSince.IsZero() || !t.SentBefore.IsZero()) {
		v = min(v, t.sent(m))
	}
	for i := range t.header {
		if v != no {
			v = min(v, m.hasField(&t.header[i]))
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
	if t.UIDs != nil && !t.UIDs(e.UID) || e.ModSeq < t.ModSeq ||
		t.Larger > 0 && e.Size <= t.Larger || t.Smaller > 0 && e.Size >= t.Smaller ||
		!t.Since.IsZero() && e.Date.Before(t.Since) || !t.Before.IsZero() && !e.Date.Before(t.Before) {
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

// signed asks the signature, which knows no better than maybe; yes when there
// is nothing to ask.
func (t *term) signed(sig []byte) verdict {
	if len(sig) == 0 {
		return yes
	}
	for _, words := range [][]word{t.body, t.text} {
		for _, w := range words {
			if !w.mayBeIn(sig) {
				return no
			}
		}
	}
	for i := range t.header {
		for _, w := range t.header[i].signed {
			if !w.mayBeIn(sig) {
				return no
			}
		}
	}
	return yes
}

// sent compares days: the hour and the zone do not count (RFC 9051 §6.4.4).
func (t *term) sent(m *candidate) verdict {
	if m.content == nil {
		return maybe
	}
	date := m.content.Summary.Date
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

package jmap

import (
	"context"
	"html"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

type snippetArgs struct {
	AccountID string         `json:"accountId"`
	Filter    jsontext.Value `json:"filter"`
	EmailIDs  []string       `json:"emailIds"`
}

type snippetAnswer struct {
	AccountID string   `json:"accountId"`
	List      []object `json:"list"`
	NotFound  any      `json:"notFound"`
}

const (
	snippetText = 64 << 10 // octets of a text that are looked at
	snippetLong = 200      // characters of a preview; RFC 8621 §5 has 255 octets as the bound
)

// getSnippets is SearchSnippet/get (RFC 8621 §5).
func getSnippets(ctx context.Context, c *Call, a *snippetArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	f, err := emailFilter(a.Filter)
	if err != nil {
		return nil, err
	}
	if len(a.EmailIDs) > maxObjectsInGet {
		return nil, &failure{Type: "requestTooLarge"}
	}
	subject, body := wordsOf(f)
	out := &snippetAnswer{AccountID: a.AccountID, List: []object{}}
	var missing []string
	var ids []mailbox.EmailID
	for _, s := range a.EmailIDs {
		if id, ok := number[mailbox.EmailID]('e', c.idOf(s)); ok {
			ids = append(ids, id)
		} else {
			missing = append(missing, s)
		}
	}
	letters, err := c.letters(ctx, account, ids, true)
	if err != nil {
		return nil, err
	}
	for i, l := range letters {
		if l == nil {
			missing = append(missing, emailID(ids[i]))
			continue
		}
		o := object{"emailId": emailID(ids[i]), "subject": marked(l.sum.Subject, subject, false), "preview": nil}
		if len(body) > 0 {
			if o["preview"] = marked(l.sum.Preview, body, true); o["preview"] == nil {
				text, err := l.words(ctx)
				if err != nil {
					return nil, err
				}
				o["preview"] = marked(text, body, true)
			}
		}
		out.List = append(out.List, o)
	}
	out.NotFound = orNull(missing)
	return out, nil
}

// words is the beginning of the text that a person reads.
func (l *letter) words(ctx context.Context) (string, error) {
	text, _, _ := l.flatten()
	var b strings.Builder
	for _, p := range text {
		if !p.isText() || b.Len() > snippetText {
			continue
		}
		v, err := l.value(ctx, p, snippetText)
		if err != nil {
			return "", err
		}
		s := v["value"].(string)
		if p.Type == "text/html" {
			s = mail.HTMLText(s)
		}
		b.WriteString(s + "\n")
	}
	return strings.Join(strings.Fields(b.String()), " "), nil
}

// wordsOf are the words that a filter looks for, folded: in the subject, and in
// the text. What it must not find is not among them.
func wordsOf(f *mailbox.Filter) (subject, body []string) {
	if f == nil || f.Join == mailbox.JoinNot && f.Condition == nil {
		return nil, nil
	}
	if f.Condition == nil {
		for _, one := range f.Of {
			s, b := wordsOf(one)
			subject, body = append(subject, s...), append(body, b...)
		}
		return subject, body
	}
	q := f.Condition
	return append(phrases(q.Subject), phrases(q.Text)...), append(phrases(q.Body), phrases(q.Text)...)
}

// phrases are the words of a text that is looked for, those in quotes together.
func phrases(s string) (list []string) {
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			part = strings.TrimSpace(mail.Fold(part))
			if part != "" {
				list = append(list, part)
			}
			continue
		}
		for w := range strings.FieldsSeq(part) {
			if w = mail.Fold(w); strings.TrimSpace(w) != "" {
				list = append(list, w)
			}
		}
	}
	return list
}

// marked is text as HTML with the words in <mark>, nil when none of them is in
// it. short cuts it to what stands around the first.
func marked(text string, words []string, short bool) any {
	if len(words) == 0 || text == "" {
		return nil
	}
	// Folded rune by rune, so that every octet knows which character it is of.
	var fold strings.Builder
	var at []int
	for i, r := range text {
		s := mail.Fold(string(r))
		fold.WriteString(s)
		for range len(s) {
			at = append(at, i)
		}
	}
	at = append(at, len(text))
	f := fold.String()
	hit := make([]bool, len(text)+1)
	first := -1
	for _, w := range words {
		for from := 0; ; {
			i := strings.Index(f[from:], w)
			if i < 0 {
				break
			}
			i += from
			end := at[i+len(w)-1]
			_, n := utf8.DecodeRuneInString(text[end:])
			for j := at[i]; j < end+n; j++ {
				hit[j] = true
			}
			if first < 0 || at[i] < first {
				first = at[i]
			}
			from = i + len(w)
		}
	}
	if first < 0 {
		return nil
	}
	from, to := 0, len(text)
	if short {
		from = max(first-60, 0)
		for from > 0 && !utf8.RuneStart(text[from]) {
			from--
		}
		if i := strings.IndexByte(text[from:first], ' '); from > 0 && i >= 0 {
			from += i + 1
		}
	}
	var b strings.Builder
	if from > 0 {
		b.WriteString("…")
	}
	in := false
	for i, r := range text[from:to] {
		if hit[from+i] != in {
			if in = !in; in {
				b.WriteString("<mark>")
			} else {
				b.WriteString("</mark>")
			}
		}
		if short && !in && b.Len() > snippetLong {
			b.WriteString("…")
			break
		}
		b.WriteString(html.EscapeString(string(r)))
	}
	if in {
		b.WriteString("</mark>")
	}
	return b.String()
}

package mailbox

import (
	"context"
	"encoding/binary"
	"slices"
	"sort"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"colporteur/mail"
	"colporteur/store"
)

// Columns of what mails are sorted and threaded by (RFC 5256): values one after
// the other, each with its length before it.
const (
	subjectKey     = "=subject" // "r" for an answer or a forwarded mail, else " ", and the base subject
	fromKey        = "=from"
	toKey          = "=to"
	ccKey          = "=cc"
	displayFromKey = "=displayfrom"
	displayToKey   = "=displayto"
	threadKey      = "=thread" // hashes of the Message-ID, or 0, and of what it refers to, oldest first
)

var sortColumns = []string{subjectKey, fromKey, toKey, ccKey, displayFromKey, displayToKey, threadKey}

// sortValue is what a mail is sorted by.
func sortValue(key string, sum *mail.Summary) string {
	switch key {
	case subjectKey:
		base, answer := baseSubject(sum.Subject)
		return " r"[number(answer):][:1] + casemap(base)
	case fromKey:
		return mailboxOf(sum.From)
	case toKey:
		return mailboxOf(sum.To)
	case ccKey:
		return mailboxOf(sum.Cc)
	case displayFromKey:
		return displayOf(sum.From)
	case displayToKey:
		return displayOf(sum.To)
	}
	refs := sum.References
	if len(refs) == 0 && len(sum.InReplyTo) > 0 {
		refs = sum.InReplyTo[:1] // RFC 5256 §3, REFERENCES (1)
	}
	own := uint64(0)
	if sum.MessageID != "" {
		own = uint64(threadHash(sum.MessageID))
	}
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+8*len(refs)), own)
	for _, r := range refs {
		b = binary.LittleEndian.AppendUint64(b, uint64(threadHash(r)))
	}
	return string(b)
}

// maxSortKey is how much of a text decides where it is sorted.
const maxSortKey = 256

// casemap makes texts comparable octet by octet (i;unicode-casemap, RFC 5051:
// title case, then decomposed).
func casemap(s string) string {
	if len(s) > maxSortKey {
		s = strings.ToValidUTF8(s[:maxSortKey], "")
	}
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return norm.NFKD.String(strings.Map(unicode.ToTitle, s))
		}
	}
	return strings.ToUpper(s)
}

// mailboxOf is the local part of the first address (RFC 5256 §3).
func mailboxOf(list []mail.Mailbox) string {
	if len(list) == 0 {
		return ""
	}
	local := list[0].Addr
	if i := strings.LastIndexByte(local, '@'); i >= 0 {
		local = local[:i]
	}
	return casemap(local)
}

// displayOf is the name of the first address, or the address (RFC 5957).
func displayOf(list []mail.Mailbox) string {
	switch {
	case len(list) == 0:
		return ""
	case list[0].Name != "":
		return casemap(list[0].Name)
	}
	return casemap(list[0].Addr)
}

// baseSubject takes off a subject what mail programs add (RFC 5256 §2.1), and
// says whether one of those marks made it an answer or a forwarded mail.
func baseSubject(s string) (base string, answer bool) {
	s = strings.Join(strings.Fields(s), " ")
	for {
		for { // (2)
			t := strings.TrimRight(s, " ")
			if cut, ok := cutSuffixFold(t, "(fwd)"); ok {
				t, answer = cut, true
			}
			if t == s {
				break
			}
			s = t
		}
		for { // (3) to (5)
			t := strings.TrimLeft(s, " ")
			if rest, ok := cutReply(t); ok {
				t, answer = rest, true
			} else if rest, ok := cutBlob(t); ok && rest != "" {
				t = rest
			}
			if t == s {
				break
			}
			s = t
		}
		if len(s) < 6 || !strings.EqualFold(s[:5], "[fwd:") || s[len(s)-1] != ']' { // (6)
			return s, answer
		}
		s, answer = s[5:len(s)-1], true
	}
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if n := len(s) - len(suffix); n >= 0 && strings.EqualFold(s[n:], suffix) {
		return s[:n], true
	}
	return s, false
}

// cutBlob takes off "[anything] ".
func cutBlob(s string) (string, bool) {
	if s == "" || s[0] != '[' {
		return s, false
	}
	i := strings.IndexAny(s[1:], "[]")
	if i < 0 || s[1+i] != ']' {
		return s, false
	}
	return strings.TrimLeft(s[i+2:], " "), true
}

// cutReply takes off "Re:", "Fw [x]:", and blobs before them.
func cutReply(s string) (string, bool) {
	t := s
	for {
		rest, ok := cutBlob(t)
		if !ok {
			break
		}
		t = rest
	}
	switch {
	case len(t) >= 3 && strings.EqualFold(t[:3], "fwd"):
		t = t[3:]
	case len(t) >= 2 && (strings.EqualFold(t[:2], "re") || strings.EqualFold(t[:2], "fw")):
		t = t[2:]
	default:
		return s, false
	}
	t = strings.TrimLeft(t, " ")
	if rest, ok := cutBlob(t); ok {
		t = rest
	}
	if t == "" || t[0] != ':' {
		return s, false
	}
	return t[1:], true
}

// keys are the values of entries in one column, in their order.
func (s *Store) keys(ctx context.Context, account mail.AccountID, entries []Entry, name string) ([]string, error) {
	values := make([]string, len(entries))
	var lost []int
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		lost = nil
		blocks, err := blocksOf(ctx, tx, account)
		if err != nil {
			return err
		}
		order := make([]int, len(entries)) // by email, so that blocks are read one at a time
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int {
			return int(min(max(int64(entries[a].Email-entries[b].Email), -1), 1))
		})
		var v *evidence
		var of []string
		for n, i := range order {
			if n&0xff == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			e := entries[i].Email
			if v == nil || e > v.last {
				k := sort.Search(len(blocks), func(k int) bool { return blocks[k].last >= e })
				if k == len(blocks) {
					lost = append(lost, i)
					continue
				}
				v = &evidence{block: blocks[k]}
				if v.first <= e {
					if of, err = v.values(ctx, tx, s, name); err != nil {
						return err
					}
				}
			}
			if at, ok := v.find(e, 0); ok && at < len(of) {
				values[i] = of[at]
			} else if e < v.first {
				v, lost = nil, append(lost, i)
			} else {
				lost = append(lost, i)
			}
		}
		return nil
	})
	if err != nil {
		return nil, kinded(err)
	}
	slices.Sort(lost)
	for some := range slices.Chunk(lost, atOnce) {
		ids := make([]EmailID, len(some))
		for k, i := range some {
			ids[k] = entries[i].Email
		}
		contents, err := s.Contents(ctx, account, ids)
		if err != nil {
			return nil, err
		}
		for k, i := range some {
			switch c := contents[k]; {
			case c == nil: // expunged meanwhile
			case name == sentColumn:
				values[i] = string(binary.BigEndian.AppendUint64(nil, uint64(store.Micros(c.Summary.Date))))
			default:
				values[i] = sortValue(name, c.Summary)
			}
		}
	}
	return values, nil
}

// values reads the emails of a block and one value of each.
func (v *evidence) values(ctx context.Context, tx *store.Tx, s *Store, name string) ([]string, error) {
	emails, err := s.column(ctx, tx, emailColumn, []*block{v.block})
	if err != nil {
		return nil, err
	}
	v.emails = emails[v.id]
	column, err := s.column(ctx, tx, name, []*block{v.block})
	if err != nil {
		return nil, err
	}
	data := column[v.id]
	out := make([]string, 0, v.mails)
	for data != "" {
		if name == sentColumn {
			out, data = append(out, data[:8]), data[12:]
			continue
		}
		n, k := binary.Uvarint([]byte(data[:min(len(data), binary.MaxVarintLen64)]))
		if k <= 0 || n > uint64(len(data)-k) {
			break
		}
		out, data = append(out, data[k:k+int(n)]), data[k+int(n):]
	}
	return out, nil
}

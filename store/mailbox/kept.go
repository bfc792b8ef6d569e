package mailbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
)

// What search wants of a mail is made while it is delivered, and kept sealed
// beside its bytes (blob.Writer.Beside): its header fields and its text, both
// folded. A search that has to look into a mail looks there: it is a third of
// the mail, and nothing is left to decode.
//
//	version  date  zone  len(fields)  len(header words)  len(all)  S2(fields, text)
//
// Fields are "\tname:value" one after the other. Folded text has no tabs and no
// controls, so nothing in a value can pass for a field. A value of one 0x01 is
// not kept: whoever wants it reads the mail.

const keptVersion = 1

// notKept stands for a value, or for all further fields when it stands alone.
const notKept = "\x01"

// Bounds of the fields that are kept.
const (
	maxKeptValue  = 2 << 10
	maxKeptFields = 8 << 10
)

// Heading gathers the header of a message that streams by.
type Heading struct {
	raw   []byte
	ended bool
}

func (h *Heading) Write(p []byte) (int, error) {
	if !h.ended {
		from, n := max(0, len(h.raw)-3), len(p)
		if i := bytes.Index(p, []byte("\r\n\r\n")); i >= 0 {
			n = i + 4
		}
		h.raw = append(h.raw, p[:min(n, maxSearched-len(h.raw))]...)
		if i := bytes.Index(h.raw[from:], []byte("\r\n\r\n")); i >= 0 {
			h.raw, h.ended = h.raw[:from+i+2], true
		} else if len(h.raw) >= maxSearched || bytes.HasPrefix(h.raw, []byte("\r\n")) {
			h.ended = true
		}
	}
	return len(p), nil
}

type headerField struct{ name, value string } // in lower case; unfolded

// maxSearched is how much of a header a search looks at.
const maxSearched = 256 << 10

// headerFields takes a header block apart.
func headerFields(raw []byte) (fields []headerField) {
	for block := string(raw); block != ""; {
		end := 0 // of the field: the line end that no blank follows
		for {
			i := strings.IndexByte(block[end:], '\n')
			if i < 0 {
				end = len(block)
				break
			}
			if end += i + 1; end == len(block) || block[end] != ' ' && block[end] != '\t' {
				break
			}
		}
		field := strings.TrimRight(block[:end], "\r\n")
		block = block[end:]
		if field == "" {
			return fields
		}
		if name, v, ok := strings.Cut(field, ":"); ok {
			fields = append(fields, headerField{strings.ToLower(strings.TrimSpace(name)), unfold(v)})
		}
	}
	return fields
}

// unfold joins the lines of a value.
func unfold(v string) string {
	if v = strings.TrimSpace(v); strings.IndexByte(v, '\n') < 0 {
		return v
	}
	var b strings.Builder
	for line := range strings.SplitSeq(v, "\n") {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.TrimSpace(line))
	}
	return b.String()
}

// Keep makes what blob.Writer.Beside is to be given for a mail: its heading, and
// what Scanner.Close returned. nil: it would be too much.
func Keep(h *Heading, sum *mail.Summary, text []byte) []byte {
	scratch := keptScratch.Get().(*[]byte)
	defer keptScratch.Put(scratch)
	clear := h.fields((*scratch)[:0])
	fields := len(clear)
	clear = append(clear, text...)
	if cap(clear) <= 256<<10 {
		*scratch = clear
	}
	_, zone := sum.Date.Zone()
	out := make([]byte, 0, 64+len(clear)*2/3)
	out = append(out, keptVersion)
	out = binary.AppendVarint(out, store.Micros(sum.Date))
	out = binary.AppendVarint(out, int64(zone))
	out = binary.AppendUvarint(out, uint64(fields))
	out = binary.AppendUvarint(out, uint64(min(len(mail.HeaderWords(sum)), len(text))))
	out = binary.AppendUvarint(out, uint64(len(clear)))
	if out = squeeze(out, clear); len(out) > blob.MaxBeside {
		return nil
	}
	return out
}

var keptScratch = sync.Pool{New: func() any { return new([]byte) }}

// fields appends those of the header, folded, to b.
func (h *Heading) fields(b []byte) []byte {
	b = foldFields(b, h.raw)
	if len(h.raw) >= maxSearched {
		b = append(b, "\t"+notKept...)
	}
	return b
}

// keep is Keep for a mail that is asked at once.
func keep(h *Heading, sum *mail.Summary, text []byte) *kept {
	k := &kept{date: sum.Date, fields: string(h.fields(nil)), all: string(text)}
	k.body = k.all[min(len(mail.HeaderWords(sum)), len(k.all)):]
	return k
}

// foldFields appends the folded fields of a header block to b.
func foldFields(b, raw []byte) []byte {
	from := len(b)
	for _, f := range headerFields(raw) {
		if len(b)-from > maxKeptFields {
			return append(b, "\t"+notKept...)
		}
		if len(f.name) > 100 || strings.ContainsAny(f.name, "\t\n"+notKept) || f.name == "" {
			continue // nobody asks for it
		}
		// What signs and traces a mail is long and random. Values with a link do
		// not leave the sealed mail: links can be keys.
		if isTrace(f.name) || len(f.value) > maxKeptValue || strings.Contains(f.value, "://") {
			b = append(append(append(b, '\t'), f.name...), ":"+notKept...)
		} else {
			b = appendField(b, f)
		}
	}
	return b
}

// appendField appends a field as searches compare it: as it was written, and, if
// it has quotes, also as a person would write it.
func appendField(b []byte, f headerField) []byte {
	value := mail.Fold(mail.Words(f.value))
	b = append(append(append(append(b, '\t'), f.name...), ':'), value...)
	if bare := unquote.Replace(value); bare != value {
		b = append(append(append(append(b, '\t'), f.name...), ':'), bare...)
	}
	return b
}

var unquote = strings.NewReplacer(`"`, "", `\`, "")

// isTrace says whether a field is written by servers for servers.
func isTrace(name string) bool {
	switch name {
	case "received", "dkim-signature", "domainkey-signature", "authentication-results", "autocrypt", "openpgp",
		"face", "x-face", "x-received", "x-gm-message-state", "x-google-dkim-signature", "x-google-smtp-source":
		return true
	}
	return strings.HasPrefix(name, "arc-") || strings.HasPrefix(name, "x-ms-") || strings.HasPrefix(name, "x-forefront-") ||
		strings.HasPrefix(name, "x-microsoft-")
}

// kept is what Keep made, read again.
type kept struct {
	date   time.Time // of the Date field, in its zone; zero: none
	fields string    // "\tname:value…"
	all    string    // the words
	body   string    // those that are not of the header
}

var errKept = errors.New("what is kept for search is damaged")

// readKept reads it into memory of its own.
func readKept(p []byte) (*kept, error) {
	if len(p) == 0 || p[0] != keptVersion {
		return nil, errKept
	}
	r := bytes.NewReader(p[1:])
	micros, err := binary.ReadVarint(r)
	zone, err2 := binary.ReadVarint(r)
	fields, err3 := binary.ReadUvarint(r)
	head, err4 := binary.ReadUvarint(r)
	size, err5 := binary.ReadUvarint(r)
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		return nil, errKept
	}
	if fields > size || size > 16<<20 {
		return nil, errKept
	}
	text, err := unsqueeze(nil, p[len(p)-r.Len():], int(size))
	if err != nil {
		return nil, err
	}
	k := &kept{fields: string(text[:fields]), all: string(text[fields:])}
	k.body = k.all[min(int(head), len(k.all)):]
	if micros != 0 {
		k.date = time.UnixMicro(micros).In(time.FixedZone("", int(zone)))
	}
	return k, nil
}

// hasField asks folded fields for one.
func hasField(fields string, f *field) verdict {
	v := no
	for rest := fields; ; {
		i := strings.Index(rest, f.key)
		if i < 0 {
			break
		}
		rest = rest[i+len(f.key):]
		value := rest
		if j := strings.IndexByte(value, '\t'); j >= 0 {
			value = value[:j]
		}
		if f.in(value) {
			return yes
		}
		if value == notKept {
			v = maybe
		}
	}
	if v == no && strings.HasSuffix(fields, "\t"+notKept) {
		return maybe
	}
	return v
}

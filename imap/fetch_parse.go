package imap

import (
	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

// fetchKind is one of the things that can be asked of a message.
type fetchKind uint8

const (
	fetchDate fetchKind = iota
	fetchSize
	fetchEnvelope
	fetchBody // without extension data
	fetchStructure
	fetchEmailID
	fetchThreadID
	fetchPreview
	fetchSaveDate
	fetchSection
	fetchBinary
	fetchBinarySize
)

// fetchItem is one of them with its section.
type fetchItem struct {
	kind fetchKind
	section
	label []byte // the name, and the space before the value
}

// fetching is what a FETCH asks for.
type fetching struct {
	set   wire.NumSet
	items []fetchItem

	uid, flags, modseq bool
	see                bool // it sets \Seen

	changed  bool           // only what changed
	since    mailbox.ModSeq // after this
	vanished bool           // and what went
	partial  *fetchRange
}

// fetchRange is "PARTIAL 1:10", or "-1:-10" from the end (RFC 9394).
type fetchRange struct {
	from, to uint32
	last     bool
}

// cut is the UIDs of set at the places of r.
func (r *fetchRange) cut(set *mailbox.UIDSet) *mailbox.UIDSet {
	from, to, n := int64(min(r.from, r.to)), int64(max(r.from, r.to)), int64(set.Len())
	if r.last {
		from, to = n+1-to, n+1-from
	}
	from, to = max(from, 1), min(to, n)
	if from > to {
		return nil
	}
	return set.Pick(mailbox.RangeSet(mailbox.UIDRange{First: mailbox.UID(from), Last: mailbox.UID(to)}))
}

var fetchMacros = map[string][]string{ // RFC 9051 §6.4.5
	"FAST": {"FLAGS", "INTERNALDATE", "RFC822.SIZE"},
	"ALL":  {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"},
	"FULL": {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"},
}

var simpleItems = map[string]fetchKind{
	"INTERNALDATE": fetchDate, "RFC822.SIZE": fetchSize, "ENVELOPE": fetchEnvelope, "BODYSTRUCTURE": fetchStructure,
	"EMAILID": fetchEmailID, "THREADID": fetchThreadID, "SAVEDATE": fetchSaveDate, "PREVIEW": fetchPreview,
}

// parseFetch reads the arguments of FETCH.
func parseFetch(d *wire.Decoder) (f fetching, err error) {
	if err = d.SP(); err != nil {
		return f, err
	}
	if f.set, err = d.NumSet(); err != nil {
		return f, err
	}
	if err = d.SP(); err != nil {
		return f, err
	}
	if d.Peek() == '(' {
		err = d.List(func() error { return f.item(d, false) })
		if err == nil && len(f.items) == 0 && !f.uid && !f.flags && !f.modseq {
			err = bad("Nothing is asked for")
		}
	} else {
		err = f.item(d, true)
	}
	if err != nil {
		return f, err
	}
	if d.Is(' ') {
		if err := d.List(func() error { return f.modifier(d) }); err != nil {
			return f, err
		}
	}
	return f, d.End()
}

func (f *fetching) item(d *wire.Decoder, alone bool) error {
	if len(f.items) == maxItems {
		return &status{"NO", "LIMIT", "Too many items"}
	}
	word, err := d.Word()
	if err != nil {
		return err
	}
	if macro := fetchMacros[word]; macro != nil && alone {
		f.flags = true
		for _, name := range macro[1:] {
			f.named(name)
		}
		return nil
	}
	switch word {
	case "UID":
		f.uid = true
	case "FLAGS":
		f.flags = true
	case "MODSEQ":
		f.modseq = true
	case "PREVIEW":
		// LAZY and not come to the same: a preview was made when the mail came.
		if d.Ahead(3) == " (L" || d.Ahead(3) == " (l" {
			d.Is(' ')
			err = d.List(func() error {
				if w, err := d.Word(); err != nil || w != "LAZY" {
					return bad("Unknown modifier of PREVIEW")
				}
				return nil
			})
		}
		f.named(word)
	case "BODY":
		if d.Peek() == '[' {
			return f.section(d, "BODY", true)
		}
		f.named(word)
	case "BODY.PEEK":
		return f.section(d, "BODY", false)
	case "BINARY":
		return f.section(d, "BINARY", true)
	case "BINARY.PEEK":
		return f.section(d, "BINARY", false)
	case "BINARY.SIZE":
		return f.section(d, word, false)
	case "RFC822":
		f.add(fetchItem{kind: fetchSection, label: []byte("RFC822 ")})
		f.see = true
	case "RFC822.HEADER":
		f.add(fetchItem{kind: fetchSection, section: section{what: "HEADER"}, label: []byte("RFC822.HEADER ")})
	case "RFC822.TEXT":
		f.add(fetchItem{kind: fetchSection, section: section{what: "TEXT"}, label: []byte("RFC822.TEXT ")})
		f.see = true
	default:
		if _, ok := simpleItems[word]; !ok {
			return bad("Unknown item of FETCH")
		}
		f.named(word)
	}
	return err
}

// named adds an item without a section, once: a client that asks twice gets it
// once.
func (f *fetching) named(word string) {
	kind, ok := simpleItems[word]
	if !ok {
		kind = fetchBody
	}
	for _, have := range f.items {
		if have.kind == kind {
			return
		}
	}
	f.add(fetchItem{kind: kind, label: []byte(word + " ")})
}

func (f *fetching) add(i fetchItem) { f.items = append(f.items, i) }

func (f *fetching) section(d *wire.Decoder, name string, see bool) (err error) {
	i := fetchItem{kind: fetchSection}
	switch name {
	case "BINARY":
		i.kind = fetchBinary
	case "BINARY.SIZE":
		i.kind = fetchBinarySize
	}
	if i.section, err = readSection(d, name != "BODY"); err != nil {
		return err
	}
	if name != "BINARY.SIZE" {
		if err = i.readPartial(d); err != nil {
			return err
		}
	}
	i.label = i.appendLabel(nil, name)
	f.see = f.see || see
	f.add(i)
	return nil
}

// modifier reads one of CHANGEDSINCE and VANISHED (RFC 7162) and PARTIAL (RFC 9394).
func (f *fetching) modifier(d *wire.Decoder) error {
	word, err := d.Word()
	if err != nil {
		return err
	}
	switch word {
	case "CHANGEDSINCE":
		if err := d.SP(); err != nil {
			return err
		}
		n, err := d.Number64()
		f.changed, f.since, f.modseq = true, mailbox.ModSeq(n), true
		return err
	case "VANISHED":
		f.vanished = true
		return nil
	case "PARTIAL":
		if err := d.SP(); err != nil {
			return err
		}
		f.partial, err = readRange(d)
		return err
	}
	return bad("Unknown modifier of FETCH")
}

func readRange(d *wire.Decoder) (*fetchRange, error) {
	r := &fetchRange{last: d.Is('-')}
	var err error
	if r.from, err = d.Number(); err != nil {
		return nil, err
	}
	if err := d.Byte(':'); err != nil {
		return nil, err
	}
	if d.Is('-') != r.last {
		return nil, bad("A range from one end to the other")
	}
	if r.to, err = d.Number(); err != nil {
		return nil, err
	}
	if r.from == 0 || r.to == 0 {
		return nil, bad("Ranges begin at 1")
	}
	return r, nil
}

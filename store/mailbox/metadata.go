package mailbox

import (
	"context"
	"errors"
	"sort"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

// Bounds of annotations (RFC 5464). What they take stands outside the quota, so
// it is small.
const (
	MaxNote  = 64 << 10 // octets of one value
	maxEntry = 255      // octets of an entry's name
	maxNotes = 200      // of one mailbox and one reader
	maxSpace = 4 << 20  // octets of all that one account pays for
)

// Note is one annotation (RFC 5464): what a program keeps with a mailbox.
type Note struct {
	Entry string // "/private/comment", in lower case
	Value string
}

// ErrManyNotes and ErrBigNote are what SetNotes refuses; protocols have names for both.
var (
	ErrManyNotes = errors.New("mailbox: too many annotations")
	ErrBigNote   = errors.New("mailbox: annotation too large")
)

// NoteDepth is how far below an entry Notes looks (RFC 5464 §4.2.2).
type NoteDepth int

const (
	DepthZero NoteDepth = iota
	DepthOne
	DepthAll
)

// Notes finds annotations of a mailbox, or of the server when box is 0. Private
// ones are viewer's. An entry that is not there is left out.
func (s *Store) Notes(ctx context.Context, box ID, viewer mail.AccountID, entries []string, depth NoteDepth) (notes []Note, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		notes = nil
		rows, err := tx.Query(ctx, `SELECT viewer, entry, value FROM metadata WHERE mailbox = $1 AND (viewer = 0 OR viewer = $2)`, int64(box), int64(viewer))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var of int64
			var entry string
			var value []byte
			if err := scan(&of, &entry, &value); err != nil {
				return err
			}
			if entry = "/shared" + entry; of != 0 {
				entry = "/private" + strings.TrimPrefix(entry, "/shared")
			}
			for _, want := range entries {
				if within(want, entry, depth) {
					notes = append(notes, Note{entry, string(value)})
					break
				}
			}
			return nil
		})
	})
	sort.Slice(notes, func(i, j int) bool { return notes[i].Entry < notes[j].Entry })
	return notes, err
}

func within(want, entry string, depth NoteDepth) bool {
	if want == entry {
		return true
	}
	below, ok := strings.CutPrefix(entry, want+"/")
	return ok && (depth == DepthAll || depth == DepthOne && !strings.Contains(below, "/"))
}

// EntryName is the one spelling of an entry's name (RFC 5464 §3.2); "" if it
// cannot be one.
func EntryName(s string) string {
	s = strings.ToLower(s)
	if len(s) > maxEntry || strings.Contains(s, "//") || strings.HasSuffix(s, "/") || strings.ContainsAny(s, "*%") {
		return ""
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return ""
		}
	}
	if s != "/private" && s != "/shared" && !strings.HasPrefix(s, "/private/") && !strings.HasPrefix(s, "/shared/") {
		return ""
	}
	return s
}

// SetNote is what SetNotes is to do with one entry; a nil value removes it.
type SetNote struct {
	Entry string
	Value *string
}

// SetNotes sets annotations of a mailbox, or viewer's own of the server when
// box is 0: all or none. Shared ones are paid for by payer, whose the mailbox is.
func (s *Store) SetNotes(ctx context.Context, box ID, viewer, payer mail.AccountID, notes []SetNote) error {
	for _, n := range notes {
		if n.Value != nil && len(*n.Value) > MaxNote {
			return ErrBigNote
		}
	}
	tooMany := false
	err := s.write(ctx, func(tx *store.Tx) error {
		tooMany = false
		if err := lockAccount(ctx, tx, payer); err != nil {
			return err
		}
		if box != 0 { // a mailbox that went leaves no notes behind
			if _, err := byID(ctx, tx, box); err != nil {
				return err
			}
		}
		for _, n := range notes {
			of, pays, entry := int64(viewer), int64(viewer), strings.TrimPrefix(n.Entry, "/private")
			if shared, ok := strings.CutPrefix(n.Entry, "/shared"); ok {
				of, pays, entry = 0, int64(payer), shared
			}
			var err error
			if n.Value == nil {
				_, err = tx.Exec(ctx, `DELETE FROM metadata WHERE mailbox = $1 AND viewer = $2 AND entry = $3`, int64(box), of, entry)
			} else {
				_, err = tx.Exec(ctx, `INSERT INTO metadata (mailbox, viewer, entry, payer, value) VALUES ($1, $2, $3, $4, $5)
					ON CONFLICT (mailbox, viewer, entry) DO UPDATE SET value = excluded.value`, int64(box), of, entry, pays, []byte(*n.Value))
			}
			if err != nil {
				return err
			}
		}
		for _, who := range []mail.AccountID{viewer, payer} {
			var here, space int64
			err := tx.QueryRow(ctx, `SELECT coalesce(sum(CASE WHEN mailbox = $1 THEN 1 ELSE 0 END), 0), coalesce(sum(length(value) + length(entry)), 0)
				FROM metadata WHERE payer = $2`, int64(box), int64(who)).Scan(&here, &space)
			if err != nil {
				return err
			}
			if here > maxNotes || space > maxSpace {
				tooMany = true
				return ErrManyNotes
			}
		}
		return nil
	})
	if tooMany {
		return ErrManyNotes
	}
	return err
}

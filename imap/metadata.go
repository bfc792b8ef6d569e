package imap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

var metadataCommands = commands{
	"GETMETADATA": {in: member, run: (*session).getMetadata},
	"SETMETADATA": {in: member, run: (*session).setMetadata},
}

var metadataCapabilities = []string{"METADATA"}

const maxEntries = 100 // in one command

// parseEntry reads the name of an annotation.
func parseEntry(d *wire.Decoder) (string, error) {
	s, err := d.AString()
	if err != nil {
		return "", err
	}
	name := mailbox.EntryName(s)
	if name == "" {
		return "", bad("Not the name of an entry") // RFC 5464 §3.2
	}
	return name, nil
}

// parseEntries reads one name, or a list of them.
func parseEntries(d *wire.Decoder) (entries []string, err error) {
	entries = []string{}
	one := func() error {
		name, err := parseEntry(d)
		if err == nil && len(entries) == maxEntries {
			err = bad("Too many entries")
		}
		if !slices.Contains(entries, name) {
			entries = append(entries, name)
		}
		return err
	}
	if d.Peek() == '(' {
		return entries, d.List(one)
	}
	return entries, one()
}

// noteOptions are those of GETMETADATA (RFC 5464 §4.2).
type noteOptions struct {
	depth   mailbox.NoteDepth
	maxSize int64 // -1: none
}

func (o *noteOptions) parse(d *wire.Decoder) error {
	word, err := d.Word()
	if err != nil {
		return err
	}
	if err := d.SP(); err != nil {
		return err
	}
	switch word {
	case "MAXSIZE":
		n, err := d.Number()
		o.maxSize = int64(n)
		return err
	case "DEPTH":
		depth, err := d.Word()
		i := slices.Index([]string{"0", "1", "INFINITY"}, depth)
		if err == nil && i < 0 {
			err = bad("Unknown DEPTH")
		}
		o.depth = mailbox.NoteDepth(max(i, 0))
		return err
	}
	return bad("Unknown option of GETMETADATA")
}

// getMetadata takes the options before the mailbox, where the grammar has them,
// and after it, where RFC 5464's examples and many programs have them.
func (s *session) getMetadata(d *wire.Decoder) error {
	o := noteOptions{maxSize: -1}
	if err := d.SP(); err != nil {
		return err
	}
	given := d.Peek() == '('
	if given {
		if err := d.List(func() error { return o.parse(d) }); err != nil {
			return err
		}
		if err := d.SP(); err != nil {
			return err
		}
	}
	name, err := d.Mailbox()
	if err != nil {
		return err
	}
	if err := d.SP(); err != nil {
		return err
	}
	if ahead := d.Ahead(2); !given && (strings.EqualFold(ahead, "(M") || strings.EqualFold(ahead, "(D")) {
		if err := d.List(func() error { return o.parse(d) }); err != nil {
			return err
		}
		if err := d.SP(); err != nil {
			return err
		}
	}
	entries, err := parseEntries(d)
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	if name == "" {
		return s.showNotes("", 0, entries, o.depth, o.maxSize)
	}
	m, _, err := s.box(name, mailbox.RightRead, false)
	if err != nil {
		return err
	}
	return s.showNotes(mailbox.Name(name), m.ID, entries, o.depth, o.maxSize)
}

// showNotes is the METADATA response for a mailbox, or for the server when id is
// 0. An entry that is not there is NIL when it was asked for by its name.
func (s *session) showNotes(name string, id mailbox.ID, entries []string, depth mailbox.NoteDepth, maxSize int64) error {
	notes, err := s.srv.Mailboxes.Notes(s.ctx, id, s.user.Account, entries, depth)
	if err != nil {
		return err
	}
	if id == 0 && slices.ContainsFunc(entries, func(e string) bool {
		return e == "/shared/admin" || strings.HasPrefix("/shared/admin", e+"/") && depth != mailbox.DepthZero
	}) {
		// Whom to write to (RFC 5464 §6.2.1).
		notes = append(notes, mailbox.Note{Entry: "/shared/admin", Value: "mailto:postmaster@" + s.user.Address.Domain})
	}
	longest := int64(0)
	first := true
	begin := func(entry string) {
		if first {
			s.e.Raw("* METADATA ").Mailbox(name).Raw(" (")
		} else {
			s.e.SP()
		}
		first = false
		s.e.String(entry).SP()
	}
	for _, n := range notes {
		if size := int64(len(n.Value)); maxSize >= 0 && size > maxSize {
			longest = max(longest, size)
			continue
		}
		begin(n.Entry)
		if strings.IndexByte(n.Value, 0) >= 0 {
			s.e.Literal8(int64(len(n.Value)), strings.NewReader(n.Value))
		} else {
			s.e.String(n.Value)
		}
	}
	for _, entry := range entries {
		if depth == mailbox.DepthZero && !slices.ContainsFunc(notes, func(n mailbox.Note) bool { return n.Entry == entry }) {
			begin(entry)
			s.e.Raw("NIL")
		}
	}
	if !first {
		s.e.Raw(")").CRLF()
	}
	if longest > 0 {
		s.code = fmt.Sprintf("METADATA LONGENTRIES %d", longest)
	}
	return nil
}

func (s *session) setMetadata(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	name, err := d.Mailbox()
	if err != nil {
		return err
	}
	if err := d.SP(); err != nil {
		return err
	}
	var notes []mailbox.SetNote
	shared := false
	err = d.List(func() error {
		entry, err := parseEntry(d)
		if err != nil {
			return err
		}
		if entry == "/private" || entry == "/shared" {
			return bad("Not the name of an entry")
		}
		shared = shared || strings.HasPrefix(entry, "/shared/")
		if err := d.SP(); err != nil {
			return err
		}
		value, given, err := d.NString()
		if err != nil {
			return err
		}
		if len(notes) == maxEntries {
			return bad("Too many entries")
		}
		n := mailbox.SetNote{Entry: entry}
		if given {
			n.Value = &value
		}
		notes = append(notes, n)
		return nil
	})
	if errors.Is(err, wire.ErrTooBig) {
		return s.noteRefused(mailbox.ErrBigNote)
	}
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	id, payer := mailbox.ID(0), s.user.Account
	if name == "" {
		if shared { // the server's are the operator's
			return mail.Refuse(mail.Forbidden, "kind-forbidden")
		}
	} else {
		// Who reads may keep notes of their own; what others see takes the right to
		// change something there (RFC 5464 §3.3).
		need := mailbox.RightRead
		if shared {
			need += mailbox.RightWrite
		}
		m, _, err := s.box(name, need, false)
		if err != nil {
			return err
		}
		id, payer = m.ID, m.Account
	}
	return s.noteRefused(s.srv.Mailboxes.SetNotes(s.ctx, id, s.user.Account, payer, notes))
}

func (s *session) noteRefused(err error) error {
	switch {
	case errors.Is(err, mailbox.ErrBigNote):
		return s.refuse(fmt.Sprintf("METADATA MAXSIZE %d", mailbox.MaxNote), "kind-too-big")
	case errors.Is(err, mailbox.ErrManyNotes):
		return s.refuse("METADATA TOOMANY", "kind-too-many")
	}
	return err
}

package imap

import (
	"errors"
	"io"
	"slices"

	"colporteur/mail"
	"colporteur/store/mailbox"

	proto "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// fetchAtOnce is how many summaries are in memory at a time.
const fetchAtOnce = 200

// Fetch answers message by message. Nothing of a message's bytes is held but
// what one copy buffer takes.
func (s *session) Fetch(w *imapserver.FetchWriter, set proto.NumSet, options *proto.FetchOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.open(false)
	if err != nil {
		return err
	}
	if n := len(options.BodySection) + len(options.BinarySection) + len(options.BinarySectionSize); n > maxSections {
		return bad("Too many sections")
	}
	f := fetch{session: s, view: v, w: w, options: options}
	for uids := range slices.Chunk(s.pick(v, set), fetchAtOnce) {
		if err := f.batch(uids); err != nil {
			return s.fail(err)
		}
	}
	return f.undecodable
}

const maxSections = 200

type fetch struct {
	*session
	view    *view
	w       *imapserver.FetchWriter
	options *proto.FetchOptions

	undecodable error // the answer, when a BINARY could not be had
}

func (f *fetch) batch(uids []mailbox.UID) error {
	entries, err := f.entries(uids)
	if err != nil {
		return err
	}
	seen, err := f.see(entries)
	if err != nil {
		return err
	}
	var contents []*mailbox.Content
	if f.needsContent() {
		ids := make([]mailbox.EmailID, len(entries))
		for i, e := range entries {
			ids[i] = e.Email
		}
		if contents, err = f.srv.Mailboxes.Contents(f.ctx, f.user.Account, ids); err != nil {
			return err
		}
	}
	for i, e := range entries {
		var c *mailbox.Content
		if contents != nil {
			if c = contents[i]; c == nil || c.Summary == nil {
				continue // purged since: an EXPUNGE will tell
			}
		}
		if err := f.message(e, c, seen[e.UID]); err != nil {
			return err
		}
	}
	return nil
}

// entries reads the store's entries of uids. Neighbours are read together; a
// few scattered UIDs do not read what lies between them.
func (f *fetch) entries(uids []mailbox.UID) ([]mailbox.Entry, error) {
	var out []mailbox.Entry
	for len(uids) > 0 {
		n := 1
		for n < len(uids) && f.view.seq(uids[n])-f.view.seq(uids[n-1]) <= 8 {
			n++
		}
		first, last := uids[0], uids[n-1]
		limit := int(f.view.seq(last)-f.view.seq(first)) + 1
		got, err := f.srv.Mailboxes.Entries(f.ctx, f.view.box, first-1, limit)
		if err != nil {
			return nil, err
		}
		for _, e := range got {
			if _, ok := slices.BinarySearch(uids[:n], e.UID); ok {
				out = append(out, e)
			}
		}
		uids = uids[n:]
	}
	return out, nil
}

// see sets \Seen where a body is read without PEEK (RFC 3501 §6.4.5), and says
// which messages had not been seen. The entries are brought up to date.
func (f *fetch) see(entries []mailbox.Entry) (map[mailbox.UID]bool, error) {
	reads := false
	for _, b := range f.options.BodySection {
		reads = reads || !b.Peek
	}
	for _, b := range f.options.BinarySection {
		reads = reads || !b.Peek
	}
	if !reads || f.view.readOnly {
		return nil, nil
	}
	var unseen []mailbox.UID
	for _, e := range entries {
		if !has(e.Flags, proto.FlagSeen) {
			unseen = append(unseen, e.UID)
		}
	}
	if len(unseen) == 0 {
		return nil, nil
	}
	now, _, err := f.srv.Mailboxes.SetFlags(f.ctx, f.view.box, unseen, mailbox.AddFlags, []string{string(proto.FlagSeen)}, 0)
	if err != nil {
		return nil, err
	}
	seen := make(map[mailbox.UID]bool, len(now))
	for _, e := range now {
		if i, ok := slices.BinarySearchFunc(entries, e.UID, func(a mailbox.Entry, uid mailbox.UID) int { return int(int64(a.UID) - int64(uid)) }); ok {
			entries[i] = e
		}
		f.view.tell(e)
		seen[e.UID] = true
	}
	return seen, nil
}

func (f *fetch) needsContent() bool {
	o := f.options
	return o.Envelope || o.BodyStructure != nil || len(o.BodySection)+len(o.BinarySection)+len(o.BinarySectionSize) > 0
}

// message writes one FETCH response. What can fail is done before the response
// begins; after that a failure can only end the connection.
func (f *fetch) message(e mailbox.Entry, c *mailbox.Content, flagsToo bool) error {
	seq := f.view.seq(e.UID)
	if seq == 0 {
		return nil
	}
	sections, err := f.sections(c)
	if err != nil {
		return err
	}
	defer func() {
		for _, s := range sections {
			s.Close()
		}
	}()

	r := f.w.CreateMessage(seq)
	o := f.options
	if o.UID {
		r.WriteUID(proto.UID(e.UID))
	}
	if o.Flags || flagsToo {
		r.WriteFlags(wireFlags(e.Flags))
	}
	if o.InternalDate {
		r.WriteInternalDate(e.Date)
	}
	if o.RFC822Size {
		r.WriteRFC822Size(e.Size)
	}
	if o.Envelope {
		r.WriteEnvelope(envelope(c.Summary))
	}
	if o.BodyStructure != nil {
		r.WriteBodyStructure(structure(c.Summary.Root))
	}
	var failed error
	for _, s := range sections {
		if s.bare != nil {
			r.WriteBinarySectionSize(s.bare, uint32(min(s.size, maxUint32)))
			continue
		}
		var dst io.WriteCloser
		if s.binary != nil {
			dst = r.WriteBinarySection(s.binary, s.size)
		} else {
			dst = r.WriteBodySection(s.body, s.size)
		}
		n, err := io.Copy(dst, io.LimitReader(s, s.size))
		if err == nil && n < s.size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			failed = err
			f.wire.abort(errAborted)
			dst.Close()
			break
		}
		if err := dst.Close(); err != nil {
			failed = err
			f.wire.abort(errAborted)
			break
		}
	}
	closed := r.Close()
	if failed != nil {
		if f.ctx.Err() == nil && !errors.Is(failed, errAborted) {
			f.srv.log().Error("fetch broken off", "user", f.user.Address, "err", failed)
		}
		return errAborted
	}
	return closed
}

var errAborted = mail.Wrap(mail.Gone, errors.New("imap: connection ended in the middle of a response"))

package imap

import (
	"context"
	"io"
	"strconv"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// APPEND (RFC 9051 §6.3.12), of several messages at once (MULTIAPPEND, RFC 3502),
// with octets that may be NUL (BINARY, RFC 3516) or that are put together from
// what is here (CATENATE, RFC 4469: catenate.go).

// Appender files what a member uploads.
type Appender interface {
	// File files all that next yields until io.EOF, in their order and in one
	// transaction: all of them, or none. It reads each Body to its end before it asks
	// for the next, and stores as it reads. An old that is not nil is taken away in
	// the same transaction.
	//
	// A failure of next or of a Body is returned, perhaps wrapped. Other kinds:
	// OverQuota, TooBig, TooMany, BadContent, NotFound (the mailbox went away), Gone
	// (old did), DiskFull, Unavailable, and what a program behind the mailbox says.
	File(ctx context.Context, u mail.User, to mailbox.Mailbox, next func() (*mailbox.Upload, error), old *mailbox.Spot) ([]mailbox.Placed, error)
}

var (
	appendCommands     = commands{"APPEND": {in: member, run: (*session).append}}
	appendCapabilities = []string{"MULTIAPPEND", "CATENATE"}
)

func (s *session) append(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	name, err := d.Mailbox()
	if err != nil {
		return err
	}
	a := &uploads{session: s, d: d}
	mb, placed, err := a.file(name, nil)
	if err != nil {
		return err
	}
	s.code = appended(mb, placed)
	return nil
}

// appended is the APPENDUID response code (RFC 4315 §3, RFC 3502 §6.3.11): the
// UIDs of one transaction rise, so a set says them in their order.
func appended(mb mailbox.Mailbox, placed []mailbox.Placed) string {
	uids := make([]mailbox.UID, len(placed))
	for i, p := range placed {
		uids[i] = p.UID
	}
	b := append(strconv.AppendUint([]byte("APPENDUID "), uint64(mb.UIDValidity), 10), ' ')
	return string(appendUIDs(b, mailbox.MakeUIDSet(uids...)))
}

// uploads are the messages of one APPEND or REPLACE, read while they are filed.
type uploads struct {
	*session
	d      *wire.Decoder
	single bool // REPLACE takes one

	mb     mailbox.Mailbox
	rights mailbox.Rights

	head  *uploadHead // read, and not yet given out
	count int
	read  []int // which of them this member has read, in somebody else's mailbox
	close bool  // a ")" follows the literal: UTF8 (…)
	cat   *catenation
	err   error // of the command; File may have wrapped it
}

// uploadHead is what stands before the octets of a message.
type uploadHead struct {
	mailbox.Upload
	catenate bool
}

// maxUploads is how many messages one APPEND may bring: small ones wait in
// memory for the transaction.
const maxUploads = 1000

// file reads the messages and files them. The first is looked at before the
// mailbox is: a command that makes no sense does not tell what there is.
func (a *uploads) file(name string, old *mailbox.Spot) (mailbox.Mailbox, []mailbox.Placed, error) {
	var err error
	if a.head, err = a.readHead(); err != nil {
		return a.mb, nil, err
	}
	if a.mb, a.rights, err = a.box(name, mailbox.RightInsert, true); err != nil {
		return a.mb, nil, err
	}
	placed, err := a.srv.Appender.File(a.ctx, a.user, a.mb, a.next, old)
	if a.cat != nil { // File gave up in the middle of it
		a.cat.end()
	}
	switch {
	case a.err != nil:
		return a.mb, nil, a.err
	case mail.Is(err, mail.NotFound):
		return a.mb, nil, a.refuse("TRYCREATE", "imap-no-folder")
	case err != nil:
		return a.mb, nil, err
	}
	uids := make([]mailbox.UID, len(a.read))
	for i, n := range a.read {
		uids[i] = placed[n].UID
	}
	return a.mb, placed, a.filed(a.mb, len(uids) > 0, uids...)
}

// next is the next message; File calls it when it has read the one before.
func (a *uploads) next() (*mailbox.Upload, error) {
	u, err := a.following()
	if err != nil && err != io.EOF {
		a.err = err
	}
	return u, err
}

func (a *uploads) following() (*mailbox.Upload, error) {
	if a.head == nil {
		if err := a.endBody(); err != nil {
			return nil, err
		}
		if a.d.AtEnd() {
			return nil, io.EOF
		}
		if a.single {
			return nil, a.d.End()
		}
		var err error
		if a.head, err = a.readHead(); err != nil {
			return nil, err
		}
	}
	h := a.head
	a.head = nil
	if a.count == maxUploads {
		return nil, a.refuse("LIMIT", "imap-too-many-messages")
	}
	var read bool
	if h.Flags, read = a.filing(a.mb, a.rights, h.Flags); read {
		a.read = append(a.read, a.count)
	}
	a.count++
	if h.catenate {
		a.cat = &catenation{session: a.session, d: a.d, room: a.srv.maxAppend()}
		h.Body = &watched{a.cat, &a.err}
		return &h.Upload, nil
	}
	if h.Size == 0 {
		// That is also how a client takes back what it has sent of many (RFC 3502 §6.3.11).
		return nil, a.refuse("CANNOT", "imap-empty-message")
	}
	lit, err := a.d.Literal(a.srv.maxAppend())
	if err != nil {
		return nil, err
	}
	h.Body = &watched{lit, &a.err}
	return &h.Upload, nil
}

// endBody goes on behind the octets of a message.
func (a *uploads) endBody() error {
	if a.cat != nil {
		done := a.cat.done
		a.cat.end()
		if a.cat = nil; !done {
			return bad("The message was not read to its end")
		}
		return nil
	}
	if err := a.d.EndLiteral(); err != nil {
		return err
	}
	if a.close && !a.d.Close() {
		return bad("Expected )")
	}
	a.close = false
	return nil
}

// readHead reads " (flags) date" and what announces the octets.
func (a *uploads) readHead() (*uploadHead, error) {
	d, h := a.d, &uploadHead{}
	if err := d.SP(); err != nil {
		return nil, err
	}
	var err error
	if d.Peek() == '(' {
		if h.Flags, err = d.Flags(); err != nil {
			return nil, err
		}
		if err := d.SP(); err != nil {
			return nil, err
		}
	}
	if h.Flags, err = cleanFlags(h.Flags); err != nil {
		return nil, err
	}
	h.Date = a.srv.now()
	if d.Peek() == '"' {
		if h.Date, err = d.DateTime(); err != nil {
			return nil, err
		}
		if err := d.SP(); err != nil {
			return nil, err
		}
	}
	switch {
	case d.IsWord("CATENATE"):
		if err := d.SP(); err != nil {
			return nil, err
		}
		h.Size, h.catenate = -1, true
		return h, d.Open()
	case d.IsWord("UTF8"):
		// RFC 9755 §4: headers in UTF-8, of a client that knows that we know. They are
		// kept as they are, and without the word too.
		if err := d.SP(); err != nil {
			return nil, err
		}
		if err := d.Open(); err != nil {
			return nil, err
		}
		a.close = true
	}
	size, binary, ok := d.AtLiteral()
	if !ok || a.close && !binary {
		return nil, bad("Expected a literal")
	}
	h.Size = size
	return h, nil
}

// watched remembers what ended the reading: what went wrong with the command is
// told as it was, however File wraps it.
type watched struct {
	r   io.Reader
	err *error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		*w.err = err
	}
	return n, err
}

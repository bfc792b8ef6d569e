package imap

import (
	"maps"

	"colporteur/imap/wire"
)

// state says when a command is permitted.
type state uint8

const (
	stranger state = 1 << iota // not signed in
	member                     // signed in, whether or not a mailbox is selected
	selected                   // a mailbox is selected
)

// command is one entry of the table. run reads its arguments to their end
// before it does anything. A nil error is the tagged OK (session.code is its
// response code); *status, *wire.SyntaxError and *mail.Error are NO or BAD.
type command struct {
	in      state
	run     func(*session, *wire.Decoder) error
	numbers bool // it names messages by sequence number, unless it begins with UID
	quiet   bool // no EXPUNGE may be told while it answers (RFC 9051 §7.5.1), unless it begins with UID
}

type commands map[string]command

// table is every command. Each group stands in the file of its name.
var table = together(
	coreCommands, idCommands, loginCommands, selectCommands,
	fetchCommands, storeCommands, copyCommands, expungeCommands, appendCommands, replaceCommands, batchesCommands,
	searchCommands, sortCommands, threadCommands,
	listCommands, folderCommands, statusCommands, aclCommands, metadataCommands, quotaCommands,
	idleCommands, notifyCommands, compressCommands,
)

func together(groups ...commands) commands {
	all := commands{}
	for _, g := range groups {
		maps.Copy(all, g)
	}
	return all
}

var coreCommands = commands{
	"CAPABILITY": {in: stranger | member, run: (*session).sayCapability},
	"NOOP":       {in: stranger | member, run: (*session).noop},
	"CHECK":      {in: selected, run: (*session).noop},
	"LOGOUT":     {in: stranger | member, run: (*session).logout},
	"ENABLE":     {in: member, run: (*session).enable},
}

func (s *session) noop(d *wire.Decoder) error { return d.End() }

func (s *session) logout(d *wire.Decoder) error {
	if err := d.End(); err != nil {
		return err
	}
	s.e.Raw("* BYE Logging out").CRLF()
	s.answer(nil)
	s.over = true
	return nil
}

// # How a command is written
//
// Read the arguments from d to d.End; ask s.box for a mailbox by name and the
// rights it takes; s.set turns a wire.NumSet into UIDs of the view. Entries come
// from s.snapshot(); what it no longer has and the view still knows, from
// Mailboxes.Expunged. s.flags(e) are the flags to show. After a change of one's
// own, s.view.tell(e) keeps sync from telling it again. s.tellGone takes mails out
// of the view. Responses go to s.e; the dispatcher syncs, answers and flushes.

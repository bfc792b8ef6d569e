package imap

import (
	"slices"

	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

var statusCommands = commands{
	"STATUS": {in: member, run: (*session).status},
}

var statusCapabilities = []string{"STATUS=SIZE"}

// statusItems are all items of STATUS: RFC 9051 §6.3.11, 7162, 7889, 8438, 8474, 9208.
var statusItems = []string{"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "HIGHESTMODSEQ",
	"APPENDLIMIT", "MAILBOXID", "DELETED-STORAGE"}

func parseStatusItems(d *wire.Decoder) (items []string, err error) {
	items = []string{}
	err = d.List(func() error {
		item, err := d.Word()
		switch {
		case err != nil:
			return err
		case !slices.Contains(statusItems, item):
			return bad("Unknown item of STATUS")
		case !slices.Contains(items, item):
			items = append(items, item)
		}
		return nil
	})
	return items, err
}

func (s *session) status(d *wire.Decoder) error {
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
	items, err := parseStatusItems(d)
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return bad("STATUS needs an item")
	}
	if err := d.End(); err != nil {
		return err
	}
	m, _, err := s.box(name, mailbox.RightRead, false)
	if err != nil {
		return err
	}
	return s.showStatus(mailbox.Name(name), m, items)
}

// showStatus is the STATUS response. What the mailbox's row does not say is
// looked up before anything is written.
func (s *session) showStatus(name string, m mailbox.Mailbox, items []string) error {
	values := make([]int64, len(items))
	for i, item := range items {
		switch item {
		case "MESSAGES":
			values[i] = int64(m.Total)
		case "RECENT": // RFC 9051 has none, and nobody counts them
		case "UIDNEXT":
			values[i] = int64(m.UIDNext)
		case "UIDVALIDITY":
			values[i] = int64(m.UIDValidity)
		case "SIZE":
			values[i] = m.Size
		case "HIGHESTMODSEQ":
			s.on.condstore = true // RFC 7162 §3.1
			values[i] = int64(m.HighestMod)
		case "APPENDLIMIT":
			values[i] = s.srv.maxAppend()
		case "UNSEEN", "DELETED", "DELETED-STORAGE":
			var err error
			if values[i], err = s.counted(item, m); err != nil {
				return err
			}
		}
	}
	s.e.Raw("* STATUS ").Mailbox(name).Raw(" (")
	for i, item := range items {
		if i > 0 {
			s.e.SP()
		}
		s.e.Raw(item).SP()
		if item == "MAILBOXID" {
			s.e.Raw("(" + mailbox.ObjectID('m', int64(m.ID)) + ")")
			continue
		}
		s.e.Num64(values[i])
	}
	s.e.Raw(")").CRLF()
	return nil
}

// counted is what depends on flags: who reads a mailbox of another account has
// their own \Seen.
func (s *session) counted(item string, m mailbox.Mailbox) (int64, error) {
	if item == "UNSEEN" && (m.Account == s.user.Account || m.Total == 0) {
		return int64(m.Unseen), nil
	}
	if m.Total == 0 {
		return 0, nil
	}
	now, err := s.srv.Mailboxes.Snapshot(s.ctx, m.ID)
	if err != nil {
		return 0, err
	}
	if item == "UNSEEN" {
		n, err := s.srv.Mailboxes.Unseen(s.ctx, now, s.user.Account)
		return int64(n), err
	}
	n, size := int64(0), int64(0)
	for i := range now.Len() {
		if e := now.At(i); has(e.Flags, `\Deleted`) {
			n, size = n+1, size+e.Size
		}
	}
	if item == "DELETED" {
		return n, nil
	}
	return size, nil
}

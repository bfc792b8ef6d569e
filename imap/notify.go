package imap

import (
	"slices"
	"strings"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// NOTIFY (RFC 5465): a client names mailboxes and events, and is told of them
// whenever it runs no command. What is told of the selected mailbox is what IDLE
// tells; of the others, a STATUS or a LIST.

var (
	notifyCommands     = commands{"NOTIFY": {in: member, run: (*session).notify}}
	notifyCapabilities = []string{"NOTIFY"}
)

// notifying is what a client asked to be told of.
type notifying struct {
	selected *events      // of the selected mailbox; nil: nothing without a command
	delayed  bool         // SELECTED-DELAYED: an EXPUNGE waits for a command that permits it
	groups   []eventGroup // of the others: the first that matches a mailbox counts
	known    map[mailbox.ID]mailbox.Folder
}

type events struct {
	messages bool // MessageNew and MessageExpunge, which come together only
	flags    bool
	names    bool // MailboxName
	subs     bool // SubscriptionChange
	fetch    *fetching
}

// eventGroup is a filter and the events it is for.
type eventGroup struct {
	kind  string // INBOXES, PERSONAL, SUBSCRIBED, SUBTREE, MAILBOXES
	names []string
	events
}

const supportedEvents = "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange"

// covers says whether the group is for a mailbox.
func (g *eventGroup) covers(f mailbox.Folder) bool {
	switch g.kind {
	case "INBOXES": // to which mail is delivered: the INBOX alone, until filters are
		return f.Role == mailbox.Inbox
	case "PERSONAL":
		return f.Rights == mailbox.AllRights
	case "SUBSCRIBED":
		return f.Subscribed
	case "SUBTREE":
		return slices.ContainsFunc(g.names, func(n string) bool { return f.Shown == n || strings.HasPrefix(f.Shown, n+"/") })
	}
	return slices.Contains(g.names, f.Shown)
}

func (s *session) notify(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	word, err := d.Word()
	if err != nil {
		return err
	}
	if word == "NONE" {
		if err := d.End(); err != nil {
			return err
		}
		s.notifies = nil
		return nil
	}
	if word != "SET" {
		return bad("Expected SET or NONE")
	}
	if err := d.SP(); err != nil {
		return err
	}
	n := &notifying{}
	status := false
	if d.Peek() != '(' {
		if word, err = d.Word(); err != nil || word != "STATUS" {
			return bad("Expected STATUS or a list of events")
		}
		status = true
		if err := d.SP(); err != nil {
			return err
		}
	}
	for {
		if err := n.readGroup(d); err != nil {
			return err
		}
		if d.AtEnd() {
			break
		}
		if err := d.SP(); err != nil {
			return err
		}
	}
	if err := s.recall(n); err != nil {
		return err
	}
	if status {
		for _, f := range n.known {
			if g := n.group(f); g != nil && g.messages && !s.isSelected(f) && f.Exists {
				if err := s.showStatus(f.Shown, f.Mailbox, s.noticed()); err != nil {
					return err
				}
			}
		}
	}
	s.notifies = n
	return nil
}

const maxGroups = 100

// readGroup reads "(filter events)".
func (n *notifying) readGroup(d *wire.Decoder) error {
	if len(n.groups) == maxGroups {
		return &status{"NO", "NOTIFICATIONOVERFLOW", "Too many groups of events"}
	}
	if err := d.Open(); err != nil {
		return err
	}
	g := eventGroup{}
	var err error
	if g.kind, err = d.Word(); err != nil {
		return err
	}
	switch g.kind {
	case "SELECTED", "SELECTED-DELAYED", "INBOXES", "PERSONAL", "SUBSCRIBED":
	case "SUBTREE", "MAILBOXES":
		if err = d.SP(); err != nil {
			return err
		}
		one := func() error {
			name, err := d.Mailbox()
			if len(g.names) == maxGroups {
				return &status{"NO", "NOTIFICATIONOVERFLOW", "Too many mailboxes"}
			}
			g.names = append(g.names, mailbox.Name(name))
			return err
		}
		if d.Peek() == '(' {
			err = d.List(one)
		} else {
			err = one()
		}
		if err != nil {
			return err
		}
	default:
		return bad("Unknown filter of NOTIFY")
	}
	if err = d.SP(); err != nil {
		return err
	}
	if err = g.readEvents(d); err != nil {
		return err
	}
	if !d.Close() {
		return bad("Expected )")
	}
	if g.fetch != nil && !strings.HasPrefix(g.kind, "SELECTED") {
		return bad("Only of the selected mailbox can messages be fetched") // RFC 5465 §5.2
	}
	if strings.HasPrefix(g.kind, "SELECTED") {
		if n.selected != nil {
			return bad("SELECTED stands there once")
		}
		n.selected, n.delayed = &g.events, g.kind == "SELECTED-DELAYED"
		return nil
	}
	n.groups = append(n.groups, g)
	return nil
}

// readEvents reads "NONE" or "(event …)".
func (e *events) readEvents(d *wire.Decoder) error {
	if d.Peek() != '(' {
		word, err := d.Word()
		if err == nil && word != "NONE" {
			err = bad("Expected events")
		}
		return err
	}
	arrives, goes := false, false
	err := d.List(func() error {
		word, err := d.Word()
		if err != nil {
			return err
		}
		switch word {
		case "MESSAGENEW":
			arrives = true
			if d.Ahead(2) == " (" {
				d.Is(' ')
				e.fetch = &fetching{uid: true}
				return d.List(func() error { return e.fetch.item(d, false) })
			}
		case "MESSAGEEXPUNGE":
			goes = true
		case "FLAGCHANGE":
			e.flags = true
		case "MAILBOXNAME":
			e.names = true
		case "SUBSCRIPTIONCHANGE":
			e.subs = true
		default:
			return &status{"NO", "BADEVENT (" + supportedEvents + ")", "This event is not supported"}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if arrives != goes || e.flags && !arrives {
		return bad("MessageNew and MessageExpunge come together, and FlagChange with both") // RFC 5465 §5
	}
	e.messages = arrives
	return nil
}

// recall notes how everything is now: what differs later is news.
func (s *session) recall(n *notifying) error {
	list, err := s.srv.Mailboxes.Folders(s.ctx, s.user)
	if err != nil {
		return err
	}
	n.known = make(map[mailbox.ID]mailbox.Folder, len(list))
	for _, f := range list {
		if f.Exists {
			n.known[f.ID] = f
		}
	}
	return nil
}

func (n *notifying) group(f mailbox.Folder) *eventGroup {
	for i := range n.groups {
		if n.groups[i].covers(f) {
			return &n.groups[i]
		}
	}
	return nil
}

func (s *session) isSelected(f mailbox.Folder) bool { return s.view != nil && s.view.box.ID == f.ID }

// noticed are the items of a STATUS that nobody asked for (RFC 5465 §5).
func (s *session) noticed() []string {
	items := []string{"MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN"}
	if s.on.condstore {
		items = append(items, "HIGHESTMODSEQ")
	}
	return items
}

// waitNotifying waits for the client and tells it what happens meanwhile.
func (s *session) waitNotifying() error {
	changed, end := s.srv.Mailboxes.Watch(s.watchedAll()...)
	defer end()
	var input <-chan error
	for {
		s.tellNews()
		if err := s.e.Flush(); err != nil {
			s.conn.leave("imap-session-ended") // wakes the goroutine that reads
			if input != nil {
				<-input
			}
			return err
		}
		said, err := s.await(&input, changed)
		if said || err != nil {
			return err
		}
	}
}

// watchedAll are the accounts of all mailboxes that the client is told of.
func (s *session) watchedAll() []mail.AccountID {
	all := s.watched()
	for _, f := range s.notifies.known {
		if !slices.Contains(all, f.Account) {
			all = append(all, f.Account)
		}
	}
	return all
}

// tellNews compares everything with what the client was told.
func (s *session) tellNews() {
	n := s.notifies
	if s.view != nil && n.selected != nil && n.selected.messages {
		before := s.view.uids.Last()
		s.sync(!n.delayed)
		if n.selected.fetch != nil {
			s.fetchNew(*n.selected.fetch, s.view.uids.Above(before))
		}
	}
	if len(n.groups) == 0 {
		return
	}
	was := n.known
	if err := s.recall(n); err != nil {
		n.known = was // the next change will tell
		return
	}
	for id, now := range n.known {
		old, had := was[id]
		g := n.group(now)
		if g == nil {
			continue
		}
		switch {
		case g.events.names && !had:
			s.tellName(now, "")
		case g.events.names && old.Shown != now.Shown:
			s.tellName(now, old.Shown)
		case g.subs && old.Subscribed != now.Subscribed:
			s.tellName(now, "")
		}
		moved := old.Total != now.Total || old.UIDNext != now.UIDNext
		if !s.isSelected(now) && old.HighestMod != now.HighestMod && (g.messages && moved || g.flags) {
			s.showStatus(now.Shown, now.Mailbox, s.noticed())
		}
	}
	for id, old := range was {
		if _, still := n.known[id]; !still {
			if g := n.group(old); g != nil && g.events.names {
				old.Exists, old.Role = false, ""
				s.tellName(old, "")
			}
		}
	}
}

// tellName is the LIST for a mailbox that came, went, or has another name (RFC 5465 §5.4).
func (s *session) tellName(f mailbox.Folder, oldName string) {
	s.e.Raw("* LIST (")
	switch {
	case !f.Exists:
		s.e.Raw(`\NonExistent`)
	case f.Subscribed:
		s.e.Raw(`\Subscribed`)
	}
	s.e.Raw(`) "/" `).Mailbox(f.Shown)
	if oldName != "" {
		s.e.Raw(` ("OLDNAME" (`).Mailbox(oldName).Raw("))")
	}
	s.e.CRLF()
}

// fetchNew sends what the client wants to know of each new mail.
func (s *session) fetchNew(plan fetching, set *mailbox.UIDSet) {
	if set.Len() == 0 {
		return
	}
	now, err := s.fetchable()
	if err != nil || now == nil {
		return
	}
	f := fetch{session: s, plan: plan, now: now}
	f.prepare()
	if err := f.all(set); err != nil && s.ctx.Err() == nil {
		s.srv.log().Error("imap notify", "user", s.user.Address, "err", err)
	}
}

package imap

import (
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store/mailbox"

	proto "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

var roles = map[mailbox.Role]proto.MailboxAttr{
	mailbox.Sent:    proto.MailboxAttrSent,
	mailbox.Drafts:  proto.MailboxAttrDrafts,
	mailbox.Trash:   proto.MailboxAttrTrash,
	mailbox.Junk:    proto.MailboxAttrJunk,
	mailbox.Archive: proto.MailboxAttrArchive,
}

// folder is one name LIST may show: a mailbox, or a level above one.
type folder struct {
	name     string
	box      *mailbox.Mailbox // nil: only a level
	children bool
	below    bool // a subscribed one is below it
}

// folders are the mailboxes and the levels above them, in the store's order.
func folders(boxes []mailbox.Mailbox) []*folder {
	list := make([]*folder, 0, len(boxes))
	byName := make(map[string]*folder, len(boxes))
	for i := range boxes {
		f := &folder{name: boxes[i].Name, box: &boxes[i]}
		list = append(list, f)
		byName[f.name] = f
	}
	for i := range boxes {
		name := boxes[i].Name
		for {
			cut := strings.LastIndexByte(name, '/')
			if cut < 0 {
				break
			}
			name = name[:cut]
			p := byName[name]
			if p == nil {
				p = &folder{name: name}
				byName[name] = p
				list = append(list, p)
			}
			p.children = true
			p.below = p.below || boxes[i].Subscribed
		}
	}
	return list
}

// List serves LIST (RFC 3501, 5258, 5819, 6154) and LSUB.
func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, options *proto.ListOptions) error {
	lsub := s.wire.name() == "LSUB"
	if len(patterns) == 0 || lsub && patterns[0] == "" {
		// What is the separator? (RFC 3501 §6.3.8)
		return w.WriteList(&proto.ListData{Attrs: []proto.MailboxAttr{proto.MailboxAttrNoSelect}, Delim: '/'})
	}
	if len(patterns) > maxPatterns {
		return bad("Too many patterns")
	}
	var matchers []pattern
	for _, p := range patterns {
		m, ok := parsePattern(ref, p)
		if !ok {
			return bad("Pattern too long")
		}
		matchers = append(matchers, m)
	}
	boxes, err := s.srv.Mailboxes.List(s.ctx, s.user.Account)
	if err != nil {
		return s.fail(err)
	}
	for _, f := range folders(boxes) {
		if !slices.ContainsFunc(matchers, func(m pattern) bool { return m.match(f.name) }) {
			continue
		}
		data, ok := f.data(options, lsub)
		if !ok {
			continue
		}
		if options.ReturnStatus != nil && f.box != nil {
			if data.Status, err = s.status(*f.box, options.ReturnStatus); err != nil {
				if mail.Is(err, mail.NotFound) {
					continue // deleted since List
				}
				return s.fail(err)
			}
		}
		if err := w.WriteList(data); err != nil {
			return err
		}
	}
	return nil
}

// data is the response for f; false if the options leave it out.
func (f *folder) data(options *proto.ListOptions, lsub bool) (*proto.ListData, bool) {
	d := &proto.ListData{Delim: '/', Mailbox: f.name}
	subscribed := f.box != nil && f.box.Subscribed
	if options.SelectSubscribed && !subscribed {
		// A level above something subscribed: LSUB shows it (RFC 3501 §6.3.9),
		// LIST with RECURSIVEMATCH too (RFC 5258 §3.5).
		if !f.below || !lsub && !options.SelectRecursiveMatch {
			return nil, false
		}
		if lsub {
			d.Attrs = append(d.Attrs, proto.MailboxAttrNoSelect)
			return d, true
		}
	}
	if options.SelectSpecialUse && (f.box == nil || roles[f.box.Role] == "") {
		return nil, false
	}
	if f.box == nil {
		if lsub {
			return nil, false
		}
		d.Attrs = append(d.Attrs, proto.MailboxAttrNonExistent, proto.MailboxAttrNoSelect)
	}
	if f.children {
		d.Attrs = append(d.Attrs, proto.MailboxAttrHasChildren)
	} else {
		d.Attrs = append(d.Attrs, proto.MailboxAttrHasNoChildren)
	}
	if f.box != nil {
		if role := roles[f.box.Role]; role != "" {
			d.Attrs = append(d.Attrs, role)
		}
	}
	if subscribed && !lsub && (options.SelectSubscribed || options.ReturnSubscribed) {
		d.Attrs = append(d.Attrs, proto.MailboxAttrSubscribed)
	}
	if options.SelectRecursiveMatch && f.below {
		d.ChildInfo = &proto.ListDataChildInfo{Subscribed: true}
	}
	return d, true
}

func (s *session) Status(name string, options *proto.StatusOptions) (*proto.StatusData, error) {
	mb, err := s.box(name, false)
	if err != nil {
		return nil, err
	}
	data, err := s.status(mb, options)
	return data, s.fail(err)
}

func (s *session) status(mb mailbox.Mailbox, options *proto.StatusOptions) (*proto.StatusData, error) {
	total, unseen, none, size, limit := uint32(mb.Total), uint32(mb.Unseen), uint32(0), mb.Size, s.AppendLimit()
	d := &proto.StatusData{
		Mailbox:       mb.Name,
		NumMessages:   &total,
		NumRecent:     &none,
		UIDNext:       proto.UID(mb.UIDNext),
		UIDValidity:   mb.UIDValidity,
		NumUnseen:     &unseen,
		Size:          &size,
		AppendLimit:   &limit,
		HighestModSeq: uint64(mb.HighestMod),
	}
	if options.NumDeleted || options.DeletedStorage {
		found, err := s.srv.Mailboxes.Find(s.ctx, mb.ID, &mailbox.Query{Flags: []string{string(proto.FlagDeleted)}})
		if err != nil {
			return nil, err
		}
		n, bytes := uint32(len(found)), int64(0)
		for _, e := range found {
			bytes += e.Size
		}
		d.NumDeleted, d.DeletedStorage = &n, &bytes
	}
	return d, nil
}

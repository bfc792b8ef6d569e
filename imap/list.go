package imap

import (
	"strings"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

var listCommands = commands{
	"LIST":      {in: member, run: (*session).list},
	"LSUB":      {in: member, run: (*session).lsub},
	"NAMESPACE": {in: member, run: (*session).namespace},
}

var listCapabilities = []string{"LIST-EXTENDED", "LIST-STATUS", "LIST-MYRIGHTS", "LIST-METADATA", "SPECIAL-USE", "CHILDREN", "NAMESPACE"}

// uses are the roles as attributes (RFC 6154 §2).
var uses = map[mailbox.Role]string{
	mailbox.Sent: `\Sent`, mailbox.Drafts: `\Drafts`, mailbox.Trash: `\Trash`, mailbox.Junk: `\Junk`, mailbox.Archive: `\Archive`,
}

// listing is what one LIST asks for (RFC 5258).
type listing struct {
	lsub     bool
	patterns patterns

	// Which names.
	subscribed bool
	special    bool
	recursive  bool // names above matching ones too (RECURSIVEMATCH)

	// What is said about each.
	saySubscribed bool
	status        []string // items (RFC 5819); nil: none
	rights        bool     // RFC 8440
	notes         []string // entries (RFC 9590)
}

func (s *session) lsub(d *wire.Decoder) error {
	o := listing{lsub: true, subscribed: true}
	if err := o.parseNames(d); err != nil {
		return err
	}
	return s.showList(&o)
}

func (s *session) list(d *wire.Decoder) error {
	var o listing
	if err := d.SP(); err != nil {
		return err
	}
	if d.Peek() == '(' {
		if err := d.List(func() error { return o.parseSelection(d) }); err != nil {
			return err
		}
		if o.recursive && !o.subscribed && !o.special {
			return bad("RECURSIVEMATCH stands with another option") // RFC 9051 §6.3.9.1
		}
		if err := d.SP(); err != nil {
			return err
		}
	}
	if err := o.parsePatterns(d); err != nil {
		return err
	}
	if d.Is(' ') {
		if word, err := d.Word(); err != nil || word != "RETURN" {
			return bad("Expected RETURN")
		}
		if err := d.SP(); err != nil {
			return err
		}
		if err := d.List(func() error { return o.parseReturn(d) }); err != nil {
			return err
		}
	}
	if err := d.End(); err != nil {
		return err
	}
	return s.showList(&o)
}

func (o *listing) parseNames(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	if err := o.parsePatterns(d); err != nil {
		return err
	}
	return d.End()
}

func (o *listing) parsePatterns(d *wire.Decoder) error {
	ref, err := d.ListMailbox()
	if err != nil {
		return err
	}
	if err := d.SP(); err != nil {
		return err
	}
	o.patterns, err = listPatterns(d, ref)
	return err
}

func (o *listing) parseSelection(d *wire.Decoder) error {
	word, err := d.Word()
	switch word {
	case "SUBSCRIBED":
		o.subscribed, o.saySubscribed = true, true
	case "SPECIAL-USE":
		o.special = true
	case "RECURSIVEMATCH":
		o.recursive = true
	case "REMOTE": // there are none
	default:
		if err == nil {
			err = bad("Unknown selection option of LIST")
		}
	}
	return err
}

func (o *listing) parseReturn(d *wire.Decoder) error {
	word, err := d.Word()
	if err != nil {
		return err
	}
	switch word {
	case "SUBSCRIBED":
		o.saySubscribed = true
	case "CHILDREN", "SPECIAL-USE": // are said always
	case "MYRIGHTS":
		o.rights = true
	case "STATUS":
		if err := d.SP(); err != nil {
			return err
		}
		o.status, err = parseStatusItems(d)
	case "METADATA":
		if err := d.SP(); err != nil {
			return err
		}
		o.notes, err = parseEntries(d)
	default:
		err = bad("Unknown return option of LIST")
	}
	return err
}

// name is one that LIST may show: a mailbox, a level above one, or one that
// somebody is subscribed to and that is not there.
type name struct {
	mailbox.Folder
	children bool
	below    bool // a subscribed one is below it
	use      bool // one with a special use is below it
}

// names are a member's folders and the levels above them.
func names(folders []mailbox.Folder) []*name {
	list := make([]*name, 0, len(folders))
	by := make(map[string]*name, len(folders))
	for i := range folders {
		n := &name{Folder: folders[i]}
		list = append(list, n)
		by[n.Shown] = n
	}
	for i := range folders {
		f := &folders[i]
		for above := f.Shown; ; {
			cut := strings.LastIndexByte(above, '/')
			if cut < 0 {
				break
			}
			above = above[:cut]
			n := by[above]
			if n == nil {
				n = &name{Folder: mailbox.Folder{Shown: above}}
				by[above] = n
				list = append(list, n)
			}
			n.children = n.children || f.Exists
			n.below = n.below || f.Subscribed
			n.use = n.use || uses[f.Role] != ""
		}
	}
	return list
}

func (s *session) showList(o *listing) error {
	if len(o.patterns) == 1 && o.patterns[0] == "" {
		// What is the separator? (RFC 9051 §6.3.9)
		s.e.Raw("* ").Raw(s.name).Raw(` (\Noselect) "/" ""`).CRLF()
		return nil
	}
	folders, err := s.srv.Mailboxes.Folders(s.ctx, s.user)
	if err != nil {
		return err
	}
	for _, n := range names(folders) {
		if !o.patterns.match(n.Shown) || !o.wants(n) {
			continue
		}
		s.showName(o, n)
		if err := s.showMore(o, n); err != nil {
			return err
		}
	}
	return nil
}

// wants says whether n is one of those that were asked for.
func (o *listing) wants(n *name) bool {
	switch {
	case o.lsub:
		// A level above a subscribed one stands for it (RFC 3501 §6.3.9).
		return n.Subscribed || n.below
	case !o.subscribed && !o.special:
		return n.Exists || n.children
	}
	if (!o.subscribed || n.Subscribed) && (!o.special || uses[n.Role] != "") {
		return true
	}
	return o.recursive && (o.subscribed && n.below || o.special && n.use)
}

// showName is the LIST response of one name.
func (s *session) showName(o *listing, n *name) {
	kind := "* LIST ("
	if o.lsub {
		kind = "* LSUB ("
	}
	s.e.Raw(kind)
	first := true
	attribute := func(a string, on bool) {
		if !on {
			return
		}
		if !first {
			s.e.SP()
		}
		s.e.Raw(a)
		first = false
	}
	if o.lsub {
		attribute(`\Noselect`, !n.Subscribed || !n.Exists)
	} else {
		// \NonExistent says it all; programs from before RFC 5258 know the other.
		attribute(`\NonExistent`, !n.Exists)
		attribute(`\Noselect`, !n.Exists)
		attribute(`\Subscribed`, n.Subscribed && o.saySubscribed)
		attribute(`\HasChildren`, n.children)
		attribute(`\HasNoChildren`, !n.children)
		attribute(uses[n.Role], uses[n.Role] != "")
	}
	s.e.Raw(`) "/" `).Mailbox(n.Shown)
	if o.recursive && o.subscribed && n.below {
		s.e.Raw(` ("CHILDINFO" ("SUBSCRIBED"))`)
	}
	s.e.CRLF()
}

// showMore is what a LIST asks for beside the names.
func (s *session) showMore(o *listing, n *name) error {
	if !n.Exists {
		return nil
	}
	if o.rights {
		s.e.Raw("* MYRIGHTS ").Mailbox(n.Shown).SP().Raw(n.Rights.Told()).CRLF()
	}
	if o.notes != nil && n.Rights.Has(mailbox.RightRead) {
		if err := s.showNotes(n.Shown, n.ID, o.notes, mailbox.DepthZero, -1); err != nil {
			return err
		}
	}
	if o.status != nil && n.Rights.Has(mailbox.RightRead) {
		err := s.showStatus(n.Shown, n.Mailbox, o.status)
		if err != nil && !mail.Is(err, mail.NotFound) { // deleted meanwhile
			return err
		}
	}
	return nil
}

// namespace: one's own have no prefix, those of others stand below one level (RFC 2342).
func (s *session) namespace(d *wire.Decoder) error {
	if err := d.End(); err != nil {
		return err
	}
	s.e.Raw(`* NAMESPACE (("" "/")) NIL (("` + mailbox.Shared + `/" "/"))`).CRLF()
	return nil
}

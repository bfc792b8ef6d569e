package importer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"colporteur/delivery"
	"colporteur/store/mailbox"
)

// folder is one of the other mailbox.
type folder struct {
	delivery.ImportFolder
	Once bool // it shows mail of all folders: only what is nowhere else is copied

	items []item   // what is to be copied
	flags []string // sets of flags that items refer to, joined by spaces
	place delivery.ImportPlace
	done  Tally
	shut  bool // it could not be looked at, which was said
}

// roles by special use (RFC 6154 §2).
var roles = map[imap.MailboxAttr]mailbox.Role{
	imap.MailboxAttrSent:    mailbox.Sent,
	imap.MailboxAttrDrafts:  mailbox.Drafts,
	imap.MailboxAttrTrash:   mailbox.Trash,
	imap.MailboxAttrJunk:    mailbox.Junk,
	imap.MailboxAttrArchive: mailbox.Archive,
	imap.MailboxAttrAll:     mailbox.Archive,
}

// names of special folders on hosts that do not say which they are, as mail
// programs make them in our two languages, and their neighbours' at that.
var names = byName(map[mailbox.Role]string{
	mailbox.Sent:    "sent,sent items,sent messages,sent mail,sent-mail,envoyés,messages envoyés,éléments envoyés,courriers envoyés,gesendet,enviados,inviati",
	mailbox.Drafts:  "drafts,draft,brouillons,brouillon,entwürfe,borradores,bozze",
	mailbox.Trash:   "trash,deleted items,deleted messages,deleted,bin,corbeille,éléments supprimés,messages supprimés,papierkorb,papelera,cestino",
	mailbox.Junk:    "junk,junk mail,junk e-mail,junk email,spam,bulk mail,indésirables,courrier indésirable,courriers indésirables,pourriels",
	mailbox.Archive: "archive,archives",
})

func byName(all map[mailbox.Role]string) map[string]mailbox.Role {
	m := map[string]mailbox.Role{}
	for role, names := range all {
		for name := range strings.SplitSeq(names, ",") {
			m[name] = role
		}
	}
	return m
}

// list finds the folders to be copied, in the order in which they are.
func (s *source) list(ctx context.Context) ([]*folder, error) {
	c, err := s.connected(ctx)
	if err != nil {
		return nil, err
	}
	var opt *imap.ListOptions
	if caps := c.Caps(); caps.Has(imap.CapListExtended) || caps.Has(imap.CapIMAP4rev2) {
		opt = &imap.ListOptions{ReturnSubscribed: true, ReturnSpecialUse: caps.Has(imap.CapSpecialUse) || caps.Has(imap.CapIMAP4rev2)}
	}
	all, err := c.List("", "*", opt).Collect()
	if err != nil {
		return nil, fmt.Errorf("list of folders: %w", err)
	}
	space := &imap.NamespaceData{}
	if caps := c.Caps(); caps.Has(imap.CapNamespace) || caps.Has(imap.CapIMAP4rev2) {
		if found, err := c.Namespace().Wait(); err == nil {
			space = found
		} else if !refusal(err) {
			return nil, err
		}
	}
	return s.choose(all, space, opt != nil)
}

// choose says which folders are copied, and where to.
func (s *source) choose(all []*imap.ListData, space *imap.NamespaceData, subscriptions bool) ([]*folder, error) {
	prefix := personal(all, space)
	role := map[string]mailbox.Role{} // by name there
	taken := map[mailbox.Role]bool{}
	for _, l := range all {
		for _, a := range l.Attrs {
			if r := roles[a]; r != "" {
				role[l.Mailbox] = r
				taken[r] = true
			}
		}
	}
	for _, l := range all {
		r := names[strings.ToLower(strings.TrimPrefix(l.Mailbox, prefix))]
		if r != "" && !taken[r] && !has(l, imap.MailboxAttrNoSelect) {
			role[l.Mailbox], taken[r] = r, true
		}
	}
	var out []*folder
	for _, l := range all {
		wanted := slices.Contains(s.Folders, l.Mailbox)
		switch {
		case has(l, imap.MailboxAttrNoSelect), has(l, imap.MailboxAttrNonExistent):
			continue
		case s.Folders != nil && !wanted:
			continue
		case s.Folders == nil && foreign(l.Mailbox, space):
			continue
		case s.Folders == nil && (has(l, imap.MailboxAttrFlagged) || has(l, imap.MailboxAttrImportant)):
			continue // another view of what is elsewhere
		}
		f := &folder{Once: has(l, imap.MailboxAttrAll)}
		f.Name = l.Mailbox
		f.Hidden = subscriptions && !has(l, imap.MailboxAttrSubscribed)
		f.Path = path(strings.TrimPrefix(l.Mailbox, prefix), l.Delim)
		f.Role, f.Below = special(l.Mailbox, l.Delim, role)
		out = append(out, f)
	}
	for _, name := range s.Folders {
		if !slices.ContainsFunc(out, func(f *folder) bool { return f.Name == name }) {
			return nil, fmt.Errorf("%w: %s", ErrNoFolder, name)
		}
	}
	slices.SortStableFunc(out, func(a, b *folder) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Path, b.Path))
	})
	return out, nil
}

// rank: INBOX first, for that is what people look for; what repeats others last.
func rank(f *folder) int {
	switch {
	case f.Once:
		return 2
	case f.Path == "INBOX":
		return 0
	}
	return 1
}

func has(l *imap.ListData, a imap.MailboxAttr) bool { return slices.Contains(l.Attrs, a) }

// personal is what stands before every name of a member's own folders: hosts
// that come from Courier keep them all below INBOX.
func personal(all []*imap.ListData, space *imap.NamespaceData) string {
	for _, n := range space.Personal {
		if n.Prefix != "" {
			return n.Prefix
		}
	}
	prefix := ""
	for _, l := range all {
		if l.Mailbox == "INBOX" {
			continue
		}
		first, _, below := strings.Cut(l.Mailbox, string(l.Delim))
		if l.Delim == 0 || !below || !strings.EqualFold(first, "INBOX") || len(space.Personal) > 0 {
			return ""
		}
		prefix = first + string(l.Delim)
	}
	return prefix
}

// foreign says whether a folder is somebody else's, shared with this member.
func foreign(name string, space *imap.NamespaceData) bool {
	for _, n := range append(slices.Clone(space.Other), space.Shared...) {
		if n.Prefix != "" && (strings.HasPrefix(name, n.Prefix) || name == strings.TrimSuffix(n.Prefix, string(n.Delim))) {
			return true
		}
	}
	return false
}

// special is the role of a folder or of the nearest one above it, and what
// stands below that.
func special(name string, delim rune, role map[string]mailbox.Role) (r mailbox.Role, below string) {
	for at := name; ; {
		if r := role[at]; r != "" {
			return r, path(strings.TrimPrefix(strings.TrimPrefix(name, at), string(delim)), delim)
		}
		i := -1
		if delim != 0 {
			i = strings.LastIndex(at, string(delim))
		}
		if i <= 0 {
			return "", ""
		}
		at = at[:i]
	}
}

package mailbox

import (
	"context"
	"strings"

	"colporteur/mail"
)

// Rights are what somebody may do with a mailbox: letters of RFC 4314 §2.1.
type Rights string

const (
	RightLookup      Rights = "l" // see that it is there
	RightRead        Rights = "r" // SELECT, FETCH, SEARCH, COPY from it
	RightSeen        Rights = "s" // keep \Seen
	RightWrite       Rights = "w" // flags other than \Seen and \Deleted
	RightInsert      Rights = "i" // APPEND, COPY into it
	RightPost        Rights = "p" // send to its address
	RightCreate      Rights = "k" // mailboxes below it
	RightDelete      Rights = "x" // DELETE and RENAME it
	RightDeleteMails Rights = "t" // \Deleted
	RightExpunge     Rights = "e" // EXPUNGE
	RightAdminister  Rights = "a" // ACLs
	AllRights        Rights = "lrswipkxtea"
)

// Has says whether r has all the rights of need.
func (r Rights) Has(need Rights) bool {
	for _, c := range string(need) {
		if !strings.ContainsRune(string(r), c) {
			return false
		}
	}
	return true
}

// MayChange says whether r permits to change anything of the messages: a
// mailbox without is read-only.
func (r Rights) MayChange() bool { return strings.ContainsAny(string(r), "swite") }

// Resolve finds a mailbox by the name that u sees, and what u may do there. Kind
// NotFound when there is none, or none that u may see.
func (s *Store) Resolve(ctx context.Context, u mail.User, name string) (Mailbox, Rights, error) {
	m, err := s.Get(ctx, u.Account, name)
	return m, AllRights, err
}

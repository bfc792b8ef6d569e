package mailbox

import (
	"context"
	"strings"

	"colporteur/mail"
)

// People says who there is beside whoever owns a mailbox; accounts.Service does.
// Rights are granted to accounts: a member's stands for the member, a group's for
// all who are in the group.
type People interface {
	// Groups are the accounts of the groups that a member is in.
	Groups(ctx context.Context, u mail.UserID) ([]mail.AccountID, error)
	// AccountOf finds the account of a member's or a group's address; kind NotFound.
	AccountOf(ctx context.Context, a mail.Address) (mail.AccountID, error)
	// AddressesOf are the addresses that these accounts are known by. One that
	// is gone is left out.
	AddressesOf(ctx context.Context, accounts []mail.AccountID) (map[mail.AccountID]mail.Address, error)
}

// Shared is the first level of the names under which a member sees mailboxes of
// other accounts: "Shared/club@home.test/INBOX". It is one word for everybody:
// programs show a translation, and keep the name.
const Shared = "Shared"

// IsShared says whether a name is one of those.
func IsShared(name string) bool { return name == Shared || strings.HasPrefix(name, Shared+"/") }

// SharedName is how others than its owner see a mailbox.
func SharedName(owner mail.Address, name string) string {
	return Shared + "/" + owner.String() + "/" + name
}

// cutShared takes a shared name apart. local is "" for the level above a
// person's mailboxes.
func cutShared(name string) (owner mail.Address, local string, ok bool) {
	rest, ok := strings.CutPrefix(name, Shared+"/")
	if !ok {
		return owner, "", false
	}
	who, local, _ := strings.Cut(rest, "/")
	owner, err := mail.ParseAddress(who)
	return owner, Name(local), err == nil
}

// principals are the accounts whose rights u has.
func (s *Store) principals(ctx context.Context, u mail.User) ([]mail.AccountID, error) {
	all := []mail.AccountID{u.Account}
	if s.People == nil {
		return all, nil
	}
	groups, err := s.People.Groups(ctx, u.ID)
	return append(all, groups...), err
}

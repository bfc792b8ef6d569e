package mailbox

import (
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

// groupRights are what the members of a new group may do with its mailboxes: all
// but to let others in.
const groupRights Rights = "lrswipkxte"

// Has says whether r has all the rights of need.
func (r Rights) Has(need Rights) bool {
	for i := 0; i < len(need); i++ {
		if strings.IndexByte(string(r), need[i]) < 0 {
			return false
		}
	}
	return true
}

// MayChange says whether r permits to change anything of the messages: a
// mailbox without is read-only.
func (r Rights) MayChange() bool { return strings.ContainsAny(string(r), "swite") }

// With is r and more, Without is r but for less; both in the one order.
func (r Rights) With(more Rights) Rights {
	return pickRights(func(one Rights) bool { return r.Has(one) || more.Has(one) })
}

func (r Rights) Without(less Rights) Rights {
	return pickRights(func(one Rights) bool { return r.Has(one) && !less.Has(one) })
}

func pickRights(ok func(Rights) bool) Rights {
	out := make([]byte, 0, len(AllRights))
	for i := range len(AllRights) {
		if ok(AllRights[i : i+1]) {
			out = append(out, AllRights[i])
		}
	}
	return Rights(out)
}

// The rights of RFC 2086 that became several (RFC 4314 §2.1.1).
var obsolete = map[byte]Rights{'c': "kx", 'd': "te"}

// ParseRights reads what a program wrote: "c" and "d" stand for what they
// became. Kind BadSyntax for letters that are no rights here.
func ParseRights(s string) (Rights, error) {
	var r Rights
	for i := 0; i < len(s); i++ {
		one := Rights(s[i : i+1])
		switch {
		case obsolete[s[i]] != "":
			r = r.With(obsolete[s[i]])
		case AllRights.Has(one):
			r = r.With(one)
		default:
			return "", mail.Refuse(mail.BadSyntax, "mailbox-bad-rights")
		}
	}
	return r, nil
}

// Told is r as programs of either RFC read it: with "c" or "d" where any of
// what these became is there.
func (r Rights) Told() string {
	told := string(r)
	for _, old := range "cd" {
		if strings.ContainsAny(string(r), string(obsolete[byte(old)])) {
			told += string(old)
		}
	}
	return told
}

// MaySet says whether r permits to set or clear this flag (RFC 4314 §4, STORE).
func (r Rights) MaySet(flag string) bool {
	switch {
	case strings.EqualFold(flag, seen):
		return r.Has(RightSeen)
	case strings.EqualFold(flag, deleted):
		return r.Has(RightDeleteMails)
	}
	return r.Has(RightWrite)
}

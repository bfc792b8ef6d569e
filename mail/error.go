package mail

import (
	"errors"
	"fmt"
)

// Kind says what went wrong, once, where it is first understood. Each protocol
// turns kinds into its own codes in exactly one file.
type Kind int

const (
	Internal     Kind = iota // our fault; try again later
	Unavailable              // a part we need (database, object store) is away; try again
	DiskFull                 // no room; try again when there is
	NoSuchUser               // the domain is ours, the person is not
	RelayDenied              // neither sender nor recipient is ours
	BadAddress               // not an address
	BadSyntax                // a command or parameter we cannot read
	NotYours                 // a member uses an address that is not theirs
	AuthRequired             // sign in first
	AuthFailed               // wrong name or password
	Suspended                // the member is suspended
	OverQuota                // the mailbox is full
	TooBig                   // the mail, or a file, is over the limit
	TooMany                  // recipients, connections, parts, …: fewer at once
	RateLimited              // slower, please
	Mixed                    // programs and people in one transaction; send the rest apart
	BareNewline              // a CR or LF alone (SMTP smuggling)
	BadContent               // content we cannot take
	Loop                     // this mail has been here before
	Policy                   // refused by a rule, for good
	NotFound                 // no such thing
	Conflict                 // it exists already, or changed meanwhile
	Forbidden                // it exists, and is not for you (outsiders are told NotFound)
	Gone                     // the place this goes to does not take mail (null MX, 5xx from afar)
	kinds                    // count, for tests
)

// Kinds is the number of kinds: tables that map them are tested against it.
const Kinds = int(kinds)

// Text names a sentence of package locale and its arguments; the sentence is
// read by strangers, so it never carries a cause.
type Text struct {
	ID   string
	Args map[string]any
}

// Error is a failure with a kind for programs, a Text for the stranger and a
// cause for the operator's log.
type Error struct {
	Kind Kind
	Text Text
	Err  error
}

// Refuse makes an Error whose sentence is id of package locale; args are
// alternating names and values.
func Refuse(kind Kind, id string, args ...any) *Error {
	return &Error{Kind: kind, Text: MakeText(id, args...)}
}

// MakeText pairs up alternating names and values.
func MakeText(id string, args ...any) Text {
	t := Text{ID: id}
	if len(args) > 0 {
		t.Args = make(map[string]any, len(args)/2)
		for i := 0; i+1 < len(args); i += 2 {
			t.Args[args[i].(string)] = args[i+1]
		}
	}
	return t
}

// Wrap gives err a kind; the sentence is the kind's own ("kind-…" in locale).
func Wrap(kind Kind, err error) *Error { return &Error{Kind: kind, Err: err} }

// Because adds the cause for the log.
func (e *Error) Because(err error) *Error { e.Err = err; return e }

func (e *Error) Error() string {
	switch {
	case e.Err != nil && e.Text.ID != "":
		return fmt.Sprintf("%s: %v", e.Text.ID, e.Err)
	case e.Err != nil:
		return e.Err.Error()
	case len(e.Text.Args) > 0:
		return fmt.Sprintf("%s %v", e.Text.ID, e.Text.Args)
	}
	if e.Text.ID == "" {
		return fmt.Sprintf("error of kind %d", e.Kind)
	}
	return e.Text.ID
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first Error in err's chain; Internal if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err has kind k.
func Is(err error, k Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == k
}

// Temporary reports whether trying again later may succeed.
func (k Kind) Temporary() bool {
	switch k {
	case Internal, Unavailable, DiskFull, OverQuota, TooMany, RateLimited, Mixed:
		return true
	}
	return false
}

package mailbox

import (
	"time"
)

// AccountQuery is a question about all emails of an account that a member sees.
type AccountQuery struct {
	Filter   *Filter // nil: all
	Sort     []EmailOrder
	Collapse bool // of each thread only the first
}

// Filter is a tree: a condition, or others joined.
type Filter struct {
	Join      Join
	Of        []*Filter  // when Condition is nil
	Condition *Condition // the zero Condition matches all
}

// Join is how the parts of a Filter count.
type Join int

const (
	JoinAnd Join = iota
	JoinOr
	JoinNot // none of them
)

// Condition is what RFC 8621 §4.4.1 lets a client ask: all that is set must
// match. Flags are as IMAP writes them. Words of a text stand apart, and each
// must be there; those in quotes stand together.
type Condition struct {
	In            ID   // 0: anywhere
	InOtherThan   []ID // in a mailbox that is none of these; nil: not asked
	Before, After time.Time
	MinSize       *int64 // at least
	MaxSize       *int64 // less than
	Has, Lacks    string // a flag
	AllInThread   string // a flag that all emails of its thread have
	SomeInThread  string
	NoneInThread  string
	Attachment    *bool
	Text          string
	From, To      string
	Cc, Bcc       string
	Subject, Body string
	Header        *HeaderQuery // an empty Value: the field is there
}

// EmailOrder is one criterion. What is equal by all comes as it was received,
// the last first; so it does without any criterion.
type EmailOrder struct {
	By      SortKey
	Flag    string // of ByFlag, ByAllInThread, BySomeInThread
	Reverse bool
}

// More to sort emails by: who has the flag comes last, or first when reversed.
const (
	ByFlag SortKey = 100 + iota
	ByAllInThread
	BySomeInThread
)

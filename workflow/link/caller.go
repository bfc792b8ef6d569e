package link

import "colporteur/mail"

// Caller is somebody who asks for something that is shared. The zero Caller is
// nobody and may nothing.
type Caller struct {
	link     Link
	member   mail.UserID
	operator bool
}

// Holder is whoever came with a link that Open gave back.
func Holder(l Link) Caller { return Caller{link: l} }

// Member is a member who signed in, or whose mail proved to be theirs.
func Member(u mail.UserID) Caller { return Caller{member: u} }

// Operator is who runs the host, at its command line.
func Operator() Caller { return Caller{operator: true} }

// Right is what a caller wants to do.
type Right int

const (
	Read    Right = iota + 1 // see it and take its bytes
	Manage                   // extend it, take it back, change its rules
	Comment                  // leave words
	Add                      // add photos or files
)

// May decides, for transfers and albums alike, whether c has a right to a thing
// of owner. Nothing else grants; what is not named here is denied.
func (c Caller) May(r Right, kind string, thing int64, owner mail.UserID) bool {
	if owner == 0 || thing == 0 {
		return false
	}
	switch r {
	case Read:
		return c.holds(kind, thing) || c.member == owner
	case Comment:
		// Whoever was given the link to pass on is nobody in particular.
		return c.holds(kind, thing) && (c.link.Manage || c.link.Rules.Comment && !c.link.Public) || c.member == owner
	case Add:
		return c.holds(kind, thing) && (c.link.Manage || c.link.Rules.Add && !c.link.Public) || c.member == owner
	case Manage:
		return c.holds(kind, thing) && c.link.Manage && c.link.Owner == owner || c.member == owner || c.operator
	}
	return false
}

func (c Caller) holds(kind string, thing int64) bool {
	return c.link.ID != 0 && c.link.Kind == kind && c.link.Thing == thing && c.link.Revoked.IsZero()
}

package mail

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// AccountID names an account: it owns mailboxes, modseq and quota.
type AccountID int64

// UserID names a member, who signs in. Zero is nobody.
type UserID int64

// User is a member as the protocols see one, after they proved who they are.
type User struct {
	ID      UserID
	Account AccountID
	Address Address // the primary one
	Name    string  // display name, may be empty
	Lang    string  // "fr" or "en"

	// Credential names what they signed in with, so that what they leave behind can
	// end with it. It is no secret; "" when nobody signed in.
	Credential string
}

// Client is the other end of a connection.
type Client struct {
	IP       netip.Addr
	Helo     string // as it named itself
	Protocol string // RFC 3848: SMTP, ESMTP, ESMTPS, ESMTPSA, UTF8SMTPSA, … or HTTP, LOCAL
	TLS      string // "TLS1.3 TLS_AES_128_GCM_SHA256", or empty
}

// Origin says which side of the house a mail came in by.
type Origin int

const (
	FromMX     Origin = iota // from the Internet; proves nothing until proof of origin is built
	FromMember               // submission after AUTH, or the web: User is proven
	FromSystem               // a workflow's reply or a bounce: may go anywhere
)

// Body is the MAIL FROM BODY parameter.
type Body int

const (
	Body7Bit   Body = iota
	Body8Bit        // RFC 6152
	BodyBinary      // RFC 3030; never kept in a mailbox nor relayed as it is
)

// Notify is the DSN wish of a recipient (RFC 3461 §4.1); 0 means not said.
type Notify int

const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// Ret is what a bounce should return (RFC 3461 §4.3).
type Ret int

const (
	RetUnsaid Ret = iota
	RetFull
	RetHeaders
)

// Recipient is one RCPT TO.
type Recipient struct {
	Address
	ORCPT  string `json:",omitempty"` // as given, "rfc822;…"
	Notify Notify `json:",omitempty"`

	// Lost is why this recipient cannot be served, found out after the mail
	// was accepted; the relay only has to tell the sender. Zero in life.
	Lost Text `json:",omitzero"`

	// Dest is where the Door found this recipient to go, filled in at RCPT.
	Dest []Destination `json:"-"`
}

// Envelope is what SMTP says about a mail, apart from the mail.
type Envelope struct {
	ID     string // our id of this mail, in Received, logs and the trace
	Origin Origin
	From   Address
	To     []Recipient
	User   User // proven sender; zero from outside
	Client Client

	Size       int64 // as declared with SIZE; 0 when not said
	Body       Body
	UTF8       bool // SMTPUTF8
	RequireTLS bool
	EnvID      string
	Ret        Ret
	Received   time.Time

	// Release is when the mail may go on at the earliest (RFC 4865, JMAP's
	// FUTURERELEASE); zero is now.
	Release time.Time

	// Once, when set, names this mail among those we make ourselves: the Door
	// accepts it one time, and says nil and does nothing the next.
	Once string
}

// Where is the kind of a Destination.
type Where int

const (
	ToMailbox Where = iota + 1 // an account of ours
	ToProgram                  // a workflow
	ToRelay                    // somewhere else
)

// Destination is where one recipient's copy goes.
type Destination struct {
	Where   Where
	Account AccountID // ToMailbox
	Quota   int64     // ToMailbox: bytes; 0 is no limit
	Detail  string    // ToMailbox: what follows the + of ann+lists@
	Program string    // ToProgram: the workflow's pattern, such as "album+{name}"
	Addr    Address   // the address after aliases
	Lang    string    // of the account, "" when not known
}

// Resolver is DNS; *net.Resolver is one, world.Zone another.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

var _ Resolver = (*net.Resolver)(nil)

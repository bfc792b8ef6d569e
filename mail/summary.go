package mail

import "time"

// Summary is everything about a message that is computed once, at delivery:
// the IMAP envelope, the MIME structure with offsets, a preview.
//
// Words are decoded to UTF-8 (RFC 2047), bounded, and free of control
// characters. It is kept as JSON, hence the short names.
type Summary struct {
	Date       time.Time `json:"d,omitzero"`
	Subject    string    `json:"s,omitempty"`
	From       []Mailbox `json:"f,omitempty"`
	Sender     []Mailbox `json:"sd,omitempty"` // empty: as From
	ReplyTo    []Mailbox `json:"rt,omitempty"` // empty: as From
	To         []Mailbox `json:"t,omitempty"`
	Cc         []Mailbox `json:"c,omitempty"`
	Bcc        []Mailbox `json:"b,omitempty"`
	InReplyTo  []string  `json:"ir,omitempty"` // message ids without <>
	MessageID  string    `json:"m,omitempty"`
	References []string  `json:"r,omitempty"`  // at most the last 20
	Preview    string    `json:"p,omitempty"`  // the first 250 characters of the text a person would read
	Attachment bool      `json:"a,omitempty"`  // something a person would call an attachment
	Lang       string    `json:"l,omitempty"`  // Content-Language's first primary subtag, lower case
	Auto       string    `json:"au,omitempty"` // Auto-Submitted other than "no", or "list"/"bulk" (Precedence, List-Id), or "auto" (X-Auto-Response-Suppress): never answered (RFC 3834)
	Root       *Part     `json:"x,omitempty"`
	Defects    []string  `json:"df,omitempty"` // constant phrases: "bad base64", "missing boundary", …
	Card       *Card     `json:"-"`            // of a message that was just scanned; it is kept beside the Summary

	envelope []byte // while it is scanned; see Card
}

// Mailbox is a display name and an address as a header field shows them.
// Group syntax is flattened. Addr may be unparsable text from the field.
type Mailbox struct {
	Name string `json:"n,omitempty"`
	Addr string `json:"a,omitempty"`
}

// Part is one node of the MIME tree. Offsets count from the first octet of the
// message; Offset..BodyOffset is the part's header with its empty line,
// BodyOffset..BodyOffset+Size the encoded body, without the CRLF that belongs
// to the next boundary (RFC 2046 §5.1.1).
type Part struct {
	Type        string            `json:"t"` // "text/plain", lower case, never empty
	Params      map[string]string `json:"p,omitempty"`
	ID          string            `json:"i,omitempty"` // Content-ID, as written
	Description string            `json:"ds,omitempty"`
	Encoding    string            `json:"e,omitempty"` // lower case; "" is 7bit
	Disposition string            `json:"d,omitempty"` // lower case
	DispParams  map[string]string `json:"dp,omitempty"`
	Filename    string            `json:"f,omitempty"` // decoded (RFC 2231, RFC 2047), one path element, "" if none
	Language    []string          `json:"l,omitempty"`
	Location    string            `json:"lo,omitempty"`
	MD5         string            `json:"m5,omitempty"`
	Offset      int64             `json:"o,omitempty"`
	BodyOffset  int64             `json:"b,omitempty"`
	Size        int64             `json:"z,omitempty"`
	Lines       int64             `json:"n,omitempty"`
	Children    []*Part           `json:"c,omitempty"` // multipart/*

	// Of a mail to a program: the decoded body, kept as a blob of its own while
	// the mail streamed in. Zero when there is none.
	Blob    int64    `json:"bl,omitempty"` // its id in store/blob
	Decoded int64    `json:"bz,omitempty"` // octets
	SHA256  string   `json:"bh,omitempty"` // hex, of the decoded octets
	Damaged bool     `json:"bd,omitempty"` // the encoding was broken: octets may be missing
	Message *Summary `json:"m,omitempty"`  // message/rfc822 and message/global: its envelope; its Root is the body

	form *form // while it is scanned; see Card
}

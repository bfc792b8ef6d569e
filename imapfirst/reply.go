package imap

import (
	"errors"
	"strings"
	"unicode"

	"colporteur/mail"

	proto "github.com/emersion/go-imap/v2"
	"golang.org/x/text/unicode/norm"
)

// Response codes go-imap has no name for (RFC 5530, RFC 6154).
const (
	codeNone    proto.ResponseCode = ""
	codeUseAttr proto.ResponseCode = "USEATTR"
)

// replies says how each Kind is answered: a response code (RFC 5530) and the
// sentence when the error has none of its own.
var replies = [mail.Kinds]struct {
	code proto.ResponseCode
	text string
}{
	mail.Internal:     {proto.ResponseCodeServerBug, "kind-internal"},
	mail.Unavailable:  {proto.ResponseCodeUnavailable, "kind-unavailable"},
	mail.DiskFull:     {proto.ResponseCodeUnavailable, "kind-disk-full"},
	mail.NoSuchUser:   {proto.ResponseCodeNonExistent, "kind-no-such-user"},
	mail.RelayDenied:  {proto.ResponseCodeNoPerm, "kind-relay-denied"},
	mail.BadAddress:   {proto.ResponseCodeCannot, "kind-bad-address"},
	mail.BadSyntax:    {proto.ResponseCodeCannot, "kind-bad-syntax"},
	mail.NotYours:     {proto.ResponseCodeNoPerm, "kind-not-yours"},
	mail.AuthRequired: {proto.ResponseCodePrivacyRequired, "kind-auth-required"},
	mail.AuthFailed:   {proto.ResponseCodeAuthenticationFailed, "kind-auth-failed"},
	mail.Suspended:    {proto.ResponseCodeContactAdmin, "kind-suspended"},
	mail.OverQuota:    {proto.ResponseCodeOverQuota, "kind-over-quota"},
	mail.TooBig:       {proto.ResponseCodeTooBig, "kind-too-big"},
	mail.TooMany:      {proto.ResponseCodeLimit, "kind-too-many"},
	mail.RateLimited:  {proto.ResponseCodeLimit, "kind-rate-limited"},
	mail.Mixed:        {proto.ResponseCodeCannot, "kind-mixed"},
	mail.BareNewline:  {proto.ResponseCodeCannot, "kind-bare-newline"},
	mail.BadContent:   {proto.ResponseCodeCannot, "kind-bad-content"},
	mail.Loop:         {proto.ResponseCodeCannot, "kind-loop"},
	mail.Policy:       {proto.ResponseCodeCannot, "kind-policy"},
	mail.NotFound:     {proto.ResponseCodeNonExistent, "kind-not-found"},
	mail.Conflict:     {proto.ResponseCodeAlreadyExists, "kind-conflict"},
	mail.Forbidden:    {proto.ResponseCodeNoPerm, "kind-forbidden"},
	mail.Gone:         {proto.ResponseCodeNonExistent, "kind-gone"},
}

// reply turns an error into the NO a client sees. Of the cause nothing gets
// out; the caller logs it.
func (s *Server) reply(lang string, err error) *proto.Error {
	var done *proto.Error
	if errors.As(err, &done) {
		return done
	}
	kind, text := mail.Internal, mail.Text{}
	var e *mail.Error
	if errors.As(err, &e) && e.Kind >= 0 && int(e.Kind) < mail.Kinds {
		kind, text = e.Kind, e.Text
	}
	r := replies[kind]
	if text.ID == "" {
		text = mail.MakeText(r.text)
	}
	return &proto.Error{Type: proto.StatusResponseTypeNo, Code: r.code, Text: s.render(lang, text)}
}

// ours reports whether the operator should see the cause of err.
func ours(err error) bool {
	switch mail.KindOf(err) {
	case mail.Internal, mail.Unavailable, mail.DiskFull:
		return true
	}
	return false
}

// bad is the answer to a command that makes no sense; a programmer reads it.
func bad(text string) *proto.Error {
	return &proto.Error{Type: proto.StatusResponseTypeBad, Code: proto.ResponseCodeClientBug, Text: text}
}

// render is a sentence as a response may carry it: one line of ASCII, because
// resp-text is 7-bit (RFC 3501 §9) and older programs show anything else as
// rubbish.
func (s *Server) render(lang string, t mail.Text) string {
	text := t.ID
	if s.Render != nil {
		text = s.Render(lang, t)
	}
	return ascii(text)
}

var letters = strings.NewReplacer("œ", "oe", "Œ", "OE", "æ", "ae", "Æ", "AE", "’", "'", "‘", "'",
	"«\u00a0", `"`, "\u00a0»", `"`, "«\u202f", `"`, "\u202f»", `"`, "«", `"`, "»", `"`, "“", `"`, "”", `"`,
	"–", "-", "—", "-", "…", "...", "€", "EUR")

// ascii takes the accents off.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(letters.Replace(s)) {
		switch {
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r):
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		default:
			b.WriteByte('?')
		}
	}
	// A response ends with text; a code must not be forged by one.
	if t := strings.TrimLeft(b.String(), " ["); t != "" {
		return t
	}
	return "-"
}

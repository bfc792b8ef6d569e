package imap

import (
	"errors"
	"strings"
	"unicode"

	"colporteur/imap/wire"
	"colporteur/mail"

	"golang.org/x/text/unicode/norm"
)

// status is a tagged response that is no plain OK. It is the error that a
// command returns when it knows what the client is to be told.
type status struct {
	kind string // NO, BAD
	code string // response code without brackets, may be empty
	text string
}

func (e *status) Error() string { return e.kind + " " + e.text }

// replies says how each Kind is answered: a response code (RFC 5530) and the
// sentence when the error has none of its own.
var replies = [mail.Kinds]struct {
	code string
	text string
}{
	mail.Internal:     {"SERVERBUG", "kind-internal"},
	mail.Unavailable:  {"UNAVAILABLE", "kind-unavailable"},
	mail.DiskFull:     {"UNAVAILABLE", "kind-disk-full"},
	mail.NoSuchUser:   {"NONEXISTENT", "kind-no-such-user"},
	mail.RelayDenied:  {"NOPERM", "kind-relay-denied"},
	mail.BadAddress:   {"CANNOT", "kind-bad-address"},
	mail.BadSyntax:    {"CANNOT", "kind-bad-syntax"},
	mail.NotYours:     {"NOPERM", "kind-not-yours"},
	mail.AuthRequired: {"PRIVACYREQUIRED", "kind-auth-required"},
	mail.AuthFailed:   {"AUTHENTICATIONFAILED", "kind-auth-failed"},
	mail.Suspended:    {"CONTACTADMIN", "kind-suspended"},
	mail.OverQuota:    {"OVERQUOTA", "kind-over-quota"},
	mail.TooBig:       {"TOOBIG", "kind-too-big"},
	mail.TooMany:      {"LIMIT", "kind-too-many"},
	mail.RateLimited:  {"LIMIT", "kind-rate-limited"},
	mail.Mixed:        {"CANNOT", "kind-mixed"},
	mail.BareNewline:  {"CANNOT", "kind-bare-newline"},
	mail.BadContent:   {"CANNOT", "kind-bad-content"},
	mail.Loop:         {"CANNOT", "kind-loop"},
	mail.Policy:       {"CANNOT", "kind-policy"},
	mail.NotFound:     {"NONEXISTENT", "kind-not-found"},
	mail.Conflict:     {"ALREADYEXISTS", "kind-conflict"},
	mail.Forbidden:    {"NOPERM", "kind-forbidden"},
	mail.Gone:         {"NONEXISTENT", "kind-gone"},
}

// reply turns an error into the NO or BAD a client sees. Of the cause nothing
// gets out; the caller logs it.
func (s *Server) reply(lang string, err error) *status {
	var done *status
	var bad *wire.SyntaxError
	switch {
	case errors.As(err, &done):
		return done
	case errors.As(err, &bad):
		return &status{"BAD", "", bad.Text}
	case errors.Is(err, wire.ErrTooBig):
		err = mail.Wrap(mail.TooBig, err)
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
	return &status{"NO", r.code, s.render(lang, text)}
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
func bad(text string) error { return &status{"BAD", "CLIENTBUG", text} }

// refuse is a NO whose code no Kind stands for.
func (s *session) refuse(code, id string, args ...any) error {
	return &status{"NO", code, s.srv.render(s.user.Lang, mail.MakeText(id, args...))}
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

package smtp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"colporteur/mail"

	gosmtp "github.com/emersion/go-smtp"
	"golang.org/x/text/unicode/norm"
)

// code is a basic reply code and its enhanced one (RFC 3463), side by side so
// that they cannot drift apart.
type code struct {
	basic    int
	enhanced gosmtp.EnhancedCode
}

// codes is what each kind of refusal is to a mail program, and the id of the
// kind's own sentence.
var codes = [mail.Kinds]struct {
	code
	sentence string
}{
	mail.Internal:     {code{451, gosmtp.EnhancedCode{4, 3, 0}}, "kind-internal"},
	mail.Unavailable:  {code{451, gosmtp.EnhancedCode{4, 3, 0}}, "kind-unavailable"},
	mail.DiskFull:     {code{452, gosmtp.EnhancedCode{4, 3, 1}}, "kind-disk-full"},
	mail.NoSuchUser:   {code{550, gosmtp.EnhancedCode{5, 1, 1}}, "kind-no-such-user"},
	mail.RelayDenied:  {code{550, gosmtp.EnhancedCode{5, 7, 1}}, "kind-relay-denied"},
	mail.BadAddress:   {code{553, gosmtp.EnhancedCode{5, 1, 3}}, "kind-bad-address"},
	mail.BadSyntax:    {code{501, gosmtp.EnhancedCode{5, 5, 4}}, "kind-bad-syntax"},
	mail.NotYours:     {code{553, gosmtp.EnhancedCode{5, 7, 1}}, "kind-not-yours"},
	mail.AuthRequired: {code{530, gosmtp.EnhancedCode{5, 7, 0}}, "kind-auth-required"},
	mail.AuthFailed:   {code{535, gosmtp.EnhancedCode{5, 7, 8}}, "kind-auth-failed"},
	mail.Suspended:    {code{550, gosmtp.EnhancedCode{5, 2, 1}}, "kind-suspended"},
	mail.OverQuota:    {code{452, gosmtp.EnhancedCode{4, 2, 2}}, "kind-over-quota"},
	mail.TooBig:       {code{552, gosmtp.EnhancedCode{5, 3, 4}}, "kind-too-big"},
	mail.TooMany:      {code{452, gosmtp.EnhancedCode{4, 5, 3}}, "kind-too-many"},
	mail.RateLimited:  {code{450, gosmtp.EnhancedCode{4, 7, 1}}, "kind-rate-limited"},
	mail.Mixed:        {code{452, gosmtp.EnhancedCode{4, 5, 3}}, "kind-mixed"},
	mail.BareNewline:  {code{550, gosmtp.EnhancedCode{5, 5, 2}}, "kind-bare-newline"},
	mail.BadContent:   {code{550, gosmtp.EnhancedCode{5, 6, 0}}, "kind-bad-content"},
	mail.Loop:         {code{554, gosmtp.EnhancedCode{5, 4, 6}}, "kind-loop"},
	mail.Policy:       {code{550, gosmtp.EnhancedCode{5, 7, 1}}, "kind-policy"},
	mail.NotFound:     {code{550, gosmtp.EnhancedCode{5, 1, 1}}, "kind-not-found"},
	mail.Conflict:     {code{554, gosmtp.EnhancedCode{5, 3, 0}}, "kind-conflict"},
	mail.Forbidden:    {code{550, gosmtp.EnhancedCode{5, 7, 1}}, "kind-forbidden"},
	mail.Gone:         {code{556, gosmtp.EnhancedCode{5, 1, 10}}, "kind-gone"}, // RFC 7505 §4.2
}

// authCodes are the kinds that AUTH has codes of its own for (RFC 4954 §6, RFC 5248).
var authCodes = map[mail.Kind]code{
	mail.Suspended:   {535, gosmtp.EnhancedCode{5, 7, 13}},
	mail.RateLimited: {454, gosmtp.EnhancedCode{4, 7, 0}},
	mail.Unavailable: {454, gosmtp.EnhancedCode{4, 7, 0}},
	mail.Internal:    {454, gosmtp.EnhancedCode{4, 7, 0}},
}

// farewells are the codes of the sentences with which we hang up. Other
// sentences have 4.7.0: there were too many of something.
var farewells = map[string]code{
	"smtp-busy":          {421, gosmtp.EnhancedCode{4, 3, 2}},
	"smtp-shutting-down": {421, gosmtp.EnhancedCode{4, 3, 2}},
}

var needUTF8 = code{553, gosmtp.EnhancedCode{5, 6, 7}} // RFC 6531 §3.5, RFC 5248

// refusal is a reply that is ready to be sent.
type refusal struct {
	code
	text []string
}

func fixed(basic int, a, b, c int, text string) refusal {
	return refusal{code{basic, gosmtp.EnhancedCode{a, b, c}}, []string{text}}
}

// What only programs read: the protocol was not kept. None repeats what the
// client said, so no page can be made of it in a browser.
var (
	badLineEnd     = fixed(501, 5, 5, 2, "lines end in CR LF")
	badCharacter   = fixed(501, 5, 5, 2, "a character that has no place in a command")
	badHelo        = fixed(501, 5, 5, 4, "tell us your name")
	badArgument    = fixed(501, 5, 5, 4, "wrong argument")
	badPath        = fixed(501, 5, 5, 4, "not <address> and parameters")
	badChunk       = fixed(501, 5, 5, 4, "not a chunk size that is taken here")
	badHold        = fixed(501, 5, 5, 4, "not a time to which mail is held here")
	badTLSWish     = fixed(530, 5, 7, 10, "REQUIRETLS goes with TLS")
	badSequence    = fixed(503, 5, 5, 1, "not now")
	badBase64      = fixed(501, 5, 5, 2, "not base64")
	badSASL        = fixed(501, 5, 5, 2, "not a message of this mechanism")
	authTooLong    = fixed(500, 5, 5, 6, "too long") // RFC 4954 §4
	badMechanism   = fixed(504, 5, 5, 4, "no such mechanism here")
	tooLong        = fixed(500, 5, 5, 2, "the line is too long")
	unknownCommand = fixed(500, 5, 5, 2, "no such command")
	notImplemented = fixed(502, 5, 5, 1, "not offered here")
	needTLS        = fixed(538, 5, 7, 11, "STARTTLS first: a password does not go in the clear")
	goAhead        = fixed(220, 2, 0, 0, "ready for TLS")
	idle           = fixed(421, 4, 4, 2, "nothing was said for too long")
	notSMTP        = fixed(421, 4, 7, 0, "this is a mail server")
	lost           = fixed(451, 4, 4, 2, "the mail broke off")
	senderOK       = fixed(250, 2, 1, 0, "OK")
	recipientOK    = fixed(250, 2, 1, 5, "OK")
	signedIn       = fixed(235, 2, 7, 0, "signed in")
)

// line is the reply on the wire. Every line has the enhanced code (RFC 2034 §4).
func (r refusal) line() []byte {
	var b []byte
	for i, t := range r.text {
		sep := byte('-')
		if i == len(r.text)-1 {
			sep = ' '
		}
		b = fmt.Appendf(b, "%d%c%d.%d.%d %s\r\n", r.basic, sep, r.enhanced[0], r.enhanced[1], r.enhanced[2], t)
	}
	return b
}

// smtp is the reply for go-smtp to write; it puts the enhanced code on the last line only.
func (r refusal) smtp() *gosmtp.SMTPError {
	var b strings.Builder
	for i, t := range r.text {
		if i < len(r.text)-1 {
			fmt.Fprintf(&b, "%d.%d.%d %s\n", r.enhanced[0], r.enhanced[1], r.enhanced[2], t)
		} else {
			b.WriteString(t)
		}
	}
	return &gosmtp.SMTPError{Code: r.basic, EnhancedCode: r.enhanced, Message: b.String()}
}

// say makes a reply of a sentence: in the member's language, or in both for a stranger.
func (s *Server) say(lang string, c code, t mail.Text) refusal {
	langs := []string{lang}
	if lang != "fr" && lang != "en" {
		langs = []string{"en", "fr"}
	}
	r := refusal{code: c}
	for _, lang := range langs {
		text := t.ID
		if s.Render != nil {
			text = s.Render(lang, t)
		}
		for _, line := range fold(text) {
			if n := len(r.text); n == 0 || r.text[n-1] != line {
				r.text = append(r.text, line)
			}
		}
	}
	return r
}

// refuse makes the reply to an error. One that has no kind is our own fault:
// its cause is for the log, never for the client.
func (s *Server) refuse(lang string, err error) refusal {
	kind := mail.KindOf(err)
	if kind == mail.Internal && errors.Is(err, context.Canceled) {
		kind = mail.Unavailable
	}
	e := codes[kind]
	return s.say(lang, e.code, sentence(err, e.sentence))
}

// refuseAuth is refuse for AUTH, which has codes of its own.
func (s *Server) refuseAuth(lang string, err error) refusal {
	kind := mail.KindOf(err)
	c, ok := authCodes[kind]
	if !ok {
		c = codes[mail.AuthFailed].code
	}
	return s.say(lang, c, sentence(err, codes[kind].sentence))
}

func sentence(err error, otherwise string) mail.Text {
	var e *mail.Error
	if errors.As(err, &e) && e.Text.ID != "" {
		return e.Text
	}
	return mail.MakeText(otherwise)
}

// farewell is a 421 with a sentence.
func (s *Server) farewell(lang, id string) refusal {
	c, ok := farewells[id]
	if !ok {
		c = code{421, gosmtp.EnhancedCode{4, 7, 0}}
	}
	return s.say(lang, c, mail.MakeText(id))
}

// maxReplyText leaves room for the codes in a line of 200.
const maxReplyText = 180

// fold makes a sentence fit for a reply: ASCII (RFC 5321 §4.2), in lines of
// bounded length, and without line ends of its own.
func fold(s string) []string {
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		switch {
		case r < ' ' || r == 0xa0 || r == 0x202f || unicode.IsSpace(r):
			b.WriteByte(' ')
		case r < 0x7f:
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r):
		case r == 'œ':
			b.WriteString("oe")
		case r == 'Œ':
			b.WriteString("OE")
		case r == 'æ':
			b.WriteString("ae")
		case r == '’' || r == '‘':
			b.WriteByte('\'')
		case r == '«' || r == '»' || r == '“' || r == '”':
			b.WriteByte('"')
		case r == '–' || r == '—' || r == '‑':
			b.WriteByte('-')
		case r == '…':
			b.WriteString("...")
		default:
			b.WriteByte('?')
		}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(b.String()) {
		for len(word) > maxReplyText {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			lines, word = append(lines, word[:maxReplyText]), word[maxReplyText:]
		}
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > maxReplyText:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	if line != "" || len(lines) == 0 {
		lines = append(lines, line)
	}
	return lines
}

package smtp

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// command is one line as the client sent it.
type command struct {
	verb string // upper case
	arg  string

	// Of MAIL and RCPT.
	path   string // what stood between the brackets, without a source route
	params string // what came after
	size   int64  // SIZE; 0 when not said
	bad    bool   // the path or SIZE could not be read
	secure bool   // REQUIRETLS (RFC 8689)
	hold   hold   // HOLDFOR and HOLDUNTIL (RFC 4865)
}

// hold is when a mail may leave at the earliest; zero is now.
type hold struct {
	wait  time.Duration
	until time.Time
	bad   bool
}

// maxHold is how far ahead that may be.
const maxHold = 31 * 24 * time.Hour

// at is the moment; false when it is not one we offer.
func (h hold) at(now time.Time) (time.Time, bool) {
	t := h.until
	if h.wait > 0 {
		t = now.Add(h.wait)
	}
	return t, !h.bad && !(h.wait > 0 && !h.until.IsZero()) && !t.After(now.Add(maxHold+time.Minute))
}

// clean checks a line octet by octet and takes its CR LF away.
//
// Only CR LF ends a line (RFC 5321 §2.3.8): who splits at other ends sees other
// commands than we do. NUL and other controls cut addresses short in logs.
func clean(line []byte) (text string, r *refusal) {
	n := len(line)
	if n < 2 || line[n-2] != '\r' {
		return "", &badLineEnd
	}
	line = line[:n-2]
	ascii := true
	for _, c := range line {
		switch {
		case c == '\r':
			return "", &badLineEnd
		case c < ' ' || c == 0x7f:
			return "", &badCharacter
		case c >= 0x80:
			ascii = false
		}
	}
	if !ascii && (!utf8.Valid(line) || bytes.ContainsFunc(line, func(r rune) bool { return r <= 0x9f && r >= 0x80 })) {
		return "", &badCharacter
	}
	return strings.TrimRight(string(line), " "), nil
}

func parseCommand(text string) command {
	verb, arg, _ := strings.Cut(text, " ")
	c := command{verb: strings.ToUpper(verb), arg: strings.TrimLeft(arg, " ")}
	switch c.verb {
	case "MAIL":
		c.cutPath("FROM:")
	case "RCPT":
		c.cutPath("TO:")
	}
	return c
}

// cutPath takes MAIL's and RCPT's argument apart. go-smtp would undo the quotes
// of a local part, after which "a@b"@c and a@b@c look alike, and it knows no
// <Postmaster> (RFC 5321 §4.5.1).
func (c *command) cutPath(prefix string) {
	if len(c.arg) < len(prefix) || !strings.EqualFold(c.arg[:len(prefix)], prefix) {
		c.bad = true
		return
	}
	s := strings.TrimLeft(c.arg[len(prefix):], " ")
	switch {
	case s == "":
		c.bad = true
		return
	case s[0] != '<': // old scanners and scripts leave the brackets out
		c.path, c.params, _ = strings.Cut(s, " ")
	default:
		end := closing(s)
		if end < 0 || end+1 < len(s) && s[end+1] != ' ' {
			c.bad = true
			return
		}
		c.path, c.params = s[1:end], s[end+1:]
	}
	if strings.HasPrefix(c.path, "@") { // a source route is read and ignored (RFC 5321 §4.1.1.3, appendix C)
		route, rest, ok := strings.Cut(c.path, ":")
		if !ok || strings.ContainsAny(route, "\"<> \\") {
			c.bad = true
			return
		}
		c.path = rest
	}
	c.cutParams()
}

// closing finds the bracket that ends a path, past quoted ones.
func closing(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case quoted:
		case s[i] == '<':
			return -1
		case s[i] == '>':
			return i
		}
	}
	return -1
}

// cutParams takes what go-smtp must not see out of MAIL's parameters: it reads
// SIZE in 32 bits, with a refusal that does not say where large files go; asks
// a connection for its TLS that is not its own; and does not know RFC 4865.
func (c *command) cutParams() {
	if c.verb != "MAIL" {
		return
	}
	fields := strings.Fields(c.params)
	kept := fields[:0]
	for _, f := range fields {
		name, value, has := strings.Cut(f, "=")
		switch strings.ToUpper(name) {
		case "SIZE":
			n, err := strconv.ParseUint(value, 10, 63)
			if err != nil && !(strings.Contains(err.Error(), "range") && len(value) <= 20) || !has { // RFC 1870 §3: up to 20 digits
				c.bad = true
				return
			}
			c.size = int64(n) // the largest there is when out of range
		case "REQUIRETLS":
			c.secure, c.bad = true, c.bad || has
		case "HOLDFOR":
			n, err := strconv.ParseUint(value, 10, 31)
			c.hold.wait = time.Duration(n) * time.Second
			c.hold.bad = c.hold.bad || err != nil || n == 0
		case "HOLDUNTIL":
			t, err := time.Parse(time.RFC3339, value)
			c.hold.until, c.hold.bad = t, c.hold.bad || err != nil
		default:
			kept = append(kept, f)
		}
	}
	c.params = strings.Join(kept, " ")
}

// param is a parameter as it was written, without decoding.
func (c *command) param(name string) string {
	for f := range strings.FieldsSeq(c.params) {
		if k, v, ok := strings.Cut(f, "="); ok && strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// parseChunk reads BDAT's argument strictly: if we and go-smtp understood a
// length differently, part of a mail would be taken for commands.
func parseChunk(arg string) (n int64, ok bool) {
	size, last, more := strings.Cut(arg, " ")
	if more && !strings.EqualFold(last, "LAST") || size == "" || len(size) > 10 {
		return 0, false
	}
	for _, c := range size {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	u, err := strconv.ParseUint(size, 10, 32)
	return int64(u), err == nil
}

// foreign says whether a line comes from a program that speaks something else:
// browsers led here by a page (ALPACA) speak HTTP, and a header line of theirs
// is a word with a colon.
func foreign(text string) bool {
	verb, _, _ := strings.Cut(text, " ")
	switch strings.ToUpper(verb) {
	case "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE", "PRI":
		return true
	}
	return len(verb) > 1 && strings.HasSuffix(verb, ":")
}

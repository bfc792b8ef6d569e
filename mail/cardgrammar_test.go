package mail

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// checkCard holds the texts of a card to the grammar of RFC 9051 §9.
func checkCard(t interface{ Fatalf(string, ...any) }, c *Card) {
	whole := func(what string, text []byte, read func(*grammar)) {
		g := &grammar{s: string(text)}
		defer func() {
			if why := recover(); why != nil {
				t.Fatalf("%s: %v at %d of %.3000q", what, why, g.i, g.s)
			}
		}()
		read(g)
		if g.i != len(g.s) {
			panic("more than one")
		}
		if !utf8.ValidString(g.s) {
			panic("not UTF-8")
		}
	}
	whole("ENVELOPE", c.Envelope, (*grammar).envelope)
	whole("BODYSTRUCTURE", c.AppendStructure(nil, true, true), func(g *grammar) { g.extended, g.rev2 = true, true; g.body() })
	whole("BODY", c.AppendStructure(nil, false, true), func(g *grammar) { g.rev2 = true; g.body() })
	whole("BODYSTRUCTURE for IMAP4rev1", c.AppendStructure(nil, true, false), func(g *grammar) { g.extended = true; g.body() })
	whole("BODY for IMAP4rev1", c.AppendStructure(nil, false, false), (*grammar).body)
}

// grammar reads what a client reads, as strictly as the RFC is written. It panics
// with what is wrong.
type grammar struct {
	s        string
	i        int
	extended bool
	rev2     bool
}

func (g *grammar) is(text string) bool {
	if strings.HasPrefix(g.s[g.i:], text) {
		g.i += len(text)
		return true
	}
	return false
}

func (g *grammar) need(text string) {
	if !g.is(text) {
		panic("no " + strconv.Quote(text))
	}
}

func (g *grammar) number() int64 {
	from := g.i
	for g.i < len(g.s) && g.s[g.i] >= '0' && g.s[g.i] <= '9' {
		g.i++
	}
	n, err := strconv.ParseInt(g.s[from:g.i], 10, 64)
	if err != nil {
		panic("no number")
	}
	return n
}

func (g *grammar) string() string {
	if g.is("{") {
		n := int(g.number())
		g.need("}\r\n")
		if n > len(g.s)-g.i {
			panic("a literal without its end")
		}
		lit := g.s[g.i : g.i+n]
		g.i += n
		if strings.Contains(lit, "\x00") {
			panic("NUL in a literal")
		}
		return lit
	}
	g.need(`"`)
	var b strings.Builder
	for {
		if g.i == len(g.s) {
			panic("a string without its end")
		}
		c := g.s[g.i]
		g.i++
		switch {
		case c == '"':
			return b.String()
		case c == '\\':
			if c = g.s[g.i]; c != '"' && c != '\\' {
				panic("a backslash before something else")
			}
			g.i++
		case c == 0 || c == '\r' || c == '\n' || c >= 0x80:
			panic("an octet that no quoted string holds")
		}
		b.WriteByte(c)
	}
}

func (g *grammar) nstring() {
	if !g.is("NIL") {
		g.string()
	}
}

func (g *grammar) envelope() {
	g.need("(")
	g.nstring()
	g.need(" ")
	g.nstring()
	for range 6 {
		g.need(" ")
		g.addresses()
	}
	g.need(" ")
	g.nstring()
	g.need(" ")
	g.nstring()
	g.need(")")
}

// addresses: "(" 1*address ")" / nil, and groups that begin and end.
func (g *grammar) addresses() {
	if g.is("NIL") {
		return
	}
	g.need("(")
	group := false
	for first := true; first || !g.is(")"); first = false {
		g.need("(")
		nameless := g.is("NIL")
		if !nameless {
			g.string()
		}
		g.need(" ")
		g.nstring()
		g.need(" ")
		begins := !g.is("NIL")
		if begins {
			g.string()
		}
		g.need(" ")
		if g.is("NIL") { // a group
			if begins == group || !nameless {
				panic("a group in a group, or an end without its beginning")
			}
			group = begins
		} else {
			if g.string(); !begins {
				panic("an address without its mailbox")
			}
		}
		g.need(")")
	}
	if group {
		panic("a group without its end")
	}
}

func (g *grammar) body() {
	g.need("(")
	if strings.HasPrefix(g.s[g.i:], "(") {
		for strings.HasPrefix(g.s[g.i:], "(") {
			g.body()
		}
		g.need(" ")
		g.string()
		if g.extended {
			g.need(" ")
			g.params()
			g.tail()
		}
		g.need(")")
		return
	}
	kind := g.string()
	g.need(" ")
	sub := g.string()
	g.need(" ")
	g.params()
	g.need(" ")
	g.nstring()
	g.need(" ")
	g.nstring()
	g.need(" ")
	g.string()
	g.need(" ")
	if g.number() >= 1<<32 {
		panic("more octets than a number has")
	}
	switch {
	case kind == "text":
		g.need(" ")
		g.number()
	case kind == "message" && (sub == "rfc822" || sub == "global" && g.rev2):
		g.need(" ")
		g.envelope()
		g.need(" ")
		g.body()
		g.need(" ")
		g.number()
	case kind == "multipart":
		panic("a multipart without parts")
	}
	if g.extended {
		g.need(" ")
		g.nstring()
		g.tail()
	}
	g.need(")")
}

func (g *grammar) params() {
	if g.is("NIL") {
		return
	}
	g.need("(")
	for {
		g.string()
		g.need(" ")
		g.string()
		if g.is(")") {
			return
		}
		g.need(" ")
	}
}

// tail: disposition, language, location.
func (g *grammar) tail() {
	g.need(" ")
	if !g.is("NIL") {
		g.need("(")
		g.string()
		g.need(" ")
		g.params()
		g.need(")")
	}
	g.need(" ")
	if g.is("(") {
		for g.string(); g.is(" "); {
			g.string()
		}
		g.need(")")
	} else {
		g.nstring()
	}
	g.need(" ")
	g.nstring()
}

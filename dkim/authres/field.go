// Package authres writes down what was found out about a mail's origin, in
// Authentication-Results fields (RFC 8601), and reads what others wrote down.
//
// It is also where a verdict becomes what members see: BadgeOf, and nothing else.
//
// # What is written
//
// One clause per result, each with the property that says what it is about. A
// signature that leaves an end of the body unsigned (l=) is written as
// "policy", RFC 8601's word for a result that holds and is not acceptable to
// us, so that nobody who reads the field takes it for a proof.
package authres

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"colporteur/mail"
)

// Field is the whole field, folded, with its line end. member is who signed in,
// "" for nobody; v may be nil.
func Field(authserv string, v *mail.Verdict, member string) string {
	const name = "Authentication-Results: "
	var b strings.Builder
	b.WriteString(name + token(authserv) + ";")
	clauses := clauses(v, member)
	for i, c := range clauses {
		b.WriteString("\r\n\t")
		column := 8
		for j, word := range c {
			if j > 0 && column+1+len(word) > 77 {
				b.WriteString("\r\n\t ")
				column = 9
			} else if j > 0 {
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += len(word)
		}
		if i < len(clauses)-1 {
			b.WriteByte(';')
		}
	}
	b.WriteString("\r\n")
	return b.String()
}

// Value is the same on one line and without its name, for an ARC set.
func Value(authserv string, v *mail.Verdict, member string) string {
	var b strings.Builder
	b.WriteString(token(authserv))
	for _, c := range clauses(v, member) {
		b.WriteString("; " + strings.Join(c, " "))
	}
	return b.String()
}

// clauses are the results, each as words that may stand on lines of their own.
func clauses(v *mail.Verdict, member string) (out [][]string) {
	if member != "" {
		out = append(out, []string{"auth=pass", "smtp.auth=" + token(member)})
	}
	if v != nil {
		out = append(out, spf(v)...)
		for _, s := range v.DKIM {
			out = append(out, dkim(s))
		}
		if r := v.ARC; r.Result != "" && r.Result != mail.None {
			c := clause("arc", r.Result, r.Reason)
			if r.Origin != nil {
				c = property(c, origin, string(r.Origin.DMARC.Result))
			}
			out = append(out, c)
		}
		if d := v.DMARC; d.Result != "" {
			c := clause("dmarc", d.Result, "")
			c = property(c, "header.from", d.From)
			if d.Policy != nil {
				c = property(c, "polrec.p", string(d.Policy.P))
				if d.Policy.Demand != d.Policy.P { // after sp, np and t
					c = property(c, "policy.dmarc", string(d.Policy.Demand))
				}
			}
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return [][]string{{"none"}}
	}
	return out
}

// origin is the property that says what a trusted sealer saw arrive; a policy of
// ours, for we decided to trust it (RFC 8601 §2.4).
const origin = "policy.origin"

func spf(v *mail.Verdict) (out [][]string) {
	if s := v.MailFrom; s.Result != "" {
		c := clause("spf", s.Result, "")
		if local, ok := strings.CutPrefix(s.Sender, "postmaster@"); ok && v.Helo.Result != "" && v.Helo.Domain == s.Domain && local == s.Domain {
			return [][]string{property(c, "smtp.helo", s.Domain)} // the null sender: one identity
		}
		out = append(out, property(c, "smtp.mailfrom", s.Domain))
	}
	if s := v.Helo; s.Result != "" && s.Result != mail.None {
		out = append(out, property(clause("spf", s.Result, ""), "smtp.helo", s.Domain))
	}
	return out
}

func dkim(s mail.DKIMResult) []string {
	result, reason := s.Result, s.Reason
	if result == "" {
		result = mail.None
	}
	if s.Partial && result == mail.Pass {
		result, reason = mail.PolicyNo, partial
	}
	if result == mail.Pass {
		reason = ""
	}
	c := clause("dkim", result, reason)
	c = property(c, "header.d", s.Domain)
	c = property(c, "header.s", s.Selector)
	c = property(c, "header.i", s.Identity)
	c = property(c, "header.a", s.Algorithm)
	return property(c, "header.b", s.Signature) // RFC 6008
}

// partial is the reason of a signature that holds for a part of the body only.
const partial = "it leaves an end of the body unsigned"

func clause(method string, r mail.Result, reason string) []string {
	c := []string{method + "=" + token(string(r))}
	if reason != "" {
		c = append(c, "reason="+quote(reason))
	}
	return c
}

func property(c []string, name, value string) []string {
	if value == "" {
		return c
	}
	return append(c, name+"="+token(value))
}

// maxValue bounds what a stranger's name may take of a line.
const maxValue = 320

// token is v as RFC 8601's pvalue: as it stands where it may, else quoted.
func token(v string) string {
	if v == "" || len(v) > maxValue {
		return quote(v)
	}
	for i := 0; i < len(v); i++ {
		if c := v[i]; c <= ' ' || c == 0x7f || strings.IndexByte(`()<>,;:\"[]?=`, c) >= 0 {
			return quote(v)
		}
	}
	if strings.Contains(v, "/") && !strings.Contains(v, "@") { // a tspecial; base64 has it
		return quote(v)
	}
	if strings.IndexFunc(v, unseen) >= 0 {
		return quote(v)
	}
	return v
}

// unseen says whether a character has no place in a header: controls, marks that
// turn the direction of writing, what is no UTF-8.
func unseen(r rune) bool {
	return unicode.IsControl(r) || r == utf8.RuneError || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// quote makes a quoted string on one line (RFC 5322 §3.2.4).
func quote(v string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range v {
		if b.Len() > maxValue {
			b.WriteString("…")
			break
		}
		switch {
		case unseen(r):
			b.WriteByte(' ')
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

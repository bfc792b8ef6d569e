package jmap

import (
	"colporteur/dkim/authres"
	"colporteur/mail"
)

// proof is how far a reader can rely on who a mail says it is from: a word, the
// reason, and what else to beware of, in the member's language.
type proof struct {
	Level    string   `json:"level"` // member, proven, forwarded, unproven, doubtful or fake
	Word     string   `json:"word"`
	Detail   string   `json:"detail"`
	Domain   string   `json:"domain"`
	Warnings []string `json:"warnings"`
}

var levels = map[authres.Level]string{authres.Unproven: "unproven", authres.Member: "member", authres.Proven: "proven", authres.Forwarded: "forwarded",
	authres.Doubtful: "doubtful", authres.Fake: "fake"}

// proofOf is read from the field that delivery wrote beside the mail, nil where
// there is none: the member's own, what was copied from elsewhere.
func (c *Call) proofOf(l *letter) *proof {
	v, member, ok := authres.FromPrefix(l.prefix, c.srv.Hostname)
	if !ok {
		return nil
	}
	b := authres.BadgeOf(v, member)
	p := &proof{Level: levels[b.Level], Word: c.words(b.Text), Detail: c.words(b.Detail), Domain: b.Domain, Warnings: []string{}}
	if len(l.sum.From) > 0 && b.Level != authres.Member {
		for _, w := range authres.Warnings(l.sum.From[0], l.sum.ReplyTo) {
			p.Warnings = append(p.Warnings, c.words(w))
		}
	}
	return p
}

// words are a sentence in the member's language.
func (c *Call) words(t mail.Text) string {
	if c.srv.Render == nil {
		return ""
	}
	return c.srv.Render(c.User.Lang, t)
}

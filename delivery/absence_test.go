package delivery

import (
	"testing"

	"colporteur/mail"
)

func TestOnlyMailThatAPersonProvablySentIsAnswered(t *testing.T) {
	t.Parallel()
	spf := &mail.Verdict{MailFrom: mail.SPFResult{Result: mail.Pass, Domain: "far.test"}}
	signed := &mail.Verdict{MailFrom: mail.SPFResult{Result: mail.Fail, Domain: "far.test"}, DKIM: []mail.DKIMResult{{Result: mail.Pass, Domain: "far.test"}}}
	of := func(from string) mail.Envelope { return mail.Envelope{From: mail.MustAddress(from)} }
	for _, c := range []struct {
		name string
		env  mail.Envelope
		head header
		sum  *mail.Summary
		want bool
	}{
		{"proven by its host", of("bob@far.test"), header{verdict: spf}, &mail.Summary{}, true},
		{"forwarded, and signed", of("bob@far.test"), header{verdict: signed}, &mail.Summary{}, true},
		{"a member's", mail.Envelope{Origin: mail.FromMember, From: mail.MustAddress("bob@home.test")}, header{}, &mail.Summary{}, true},
		{"another's proof", of("victim@else.test"), header{verdict: spf}, &mail.Summary{}, false},
		{"no proof", of("bob@far.test"), header{verdict: &mail.Verdict{}}, &mail.Summary{}, false},
		{"nobody judged", of("bob@far.test"), header{}, &mail.Summary{}, false},
		{"Junk", of("bob@far.test"), header{verdict: spf, decision: decision{junk: true}}, &mail.Summary{}, false},
		{"automatic", of("bob@far.test"), header{verdict: spf}, &mail.Summary{Auto: "list"}, false},
		{"a bounce", mail.Envelope{}, header{verdict: spf}, &mail.Summary{}, false},
		{"ours", mail.Envelope{Origin: mail.FromSystem, From: mail.MustAddress("bob@far.test")}, header{verdict: spf}, &mail.Summary{}, false},
		{"unreadable", of("bob@far.test"), header{verdict: spf}, nil, false},
	} {
		if got := answerable(&c.env, &c.head, c.sum); got != c.want {
			t.Errorf("%s: answered %t, want %t", c.name, got, c.want)
		}
	}
}

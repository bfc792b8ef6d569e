package delivery

import (
	"context"
	"errors"
	"testing"

	"colporteur/mail"
)

// strangers knows ann, who writes from far.test and strict.far.test, and bob, from far.test.
type strangers struct{}

func (strangers) Writer(_ context.Context, to mail.Destination, from mail.Address) (Writer, error) {
	switch {
	case to.Program == "r.{token}" && to.Addr.Local == "r.living":
		return Writer{Guest: true}, nil
	case to.Program == "envoi.{secret}" && to.Addr.Local == "envoi.right":
		return Writer{User: mail.User{ID: 1, Address: mail.MustAddress("ann@home.test")}, Secret: true}, nil
	case secretive(to.Program):
		return Writer{}, mail.Wrap(mail.NotFound, nil)
	}
	switch from.String() {
	case "ann@far.test", "ann@strict.far.test":
		return Writer{User: mail.User{ID: 1, Address: mail.MustAddress("ann@home.test")}}, nil
	case "bob@far.test":
		return Writer{User: mail.User{ID: 2, Address: mail.MustAddress("bob@home.test")}}, nil
	case "db@far.test":
		return Writer{}, errors.New("the database is away")
	}
	return Writer{}, mail.Wrap(mail.NotFound, nil)
}

func TestWhoAMailFromOutsideIsFromFollowsFromItsProof(t *testing.T) {
	t.Parallel()
	dkim := func(domain string, r mail.Result) []mail.DKIMResult {
		return []mail.DKIMResult{{Domain: domain, Result: r}}
	}
	pass := mail.DMARCResult{Result: mail.Pass, From: "far.test", Org: "far.test", Policy: policy(mail.DemandReject), DKIM: true}
	bySPF := pass
	bySPF.DKIM, bySPF.SPF = false, true
	none := mail.DMARCResult{Result: mail.None, From: "far.test", Org: "far.test"}
	fail := func(p *mail.DMARCPolicy) mail.DMARCResult {
		return mail.DMARCResult{Result: mail.Fail, From: "far.test", Org: "far.test", Policy: p}
	}
	strict := mail.DMARCResult{Result: mail.Pass, From: "strict.far.test", Org: "far.test", Policy: policy(mail.DemandReject), SPF: true}
	strict.Policy.Strict.DKIM = true
	for _, c := range []struct {
		name    string
		program string
		local   string
		from    string // envelope
		author  []string
		v       *mail.Verdict
		sender  mail.UserID // acts for
		ask     mail.UserID // is asked
		proven  bool
		why     string // refusal
	}{
		{"signed", "envoi", "envoi", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: pass}, 1, 0, true, ""},
		{"signed, without a policy", "envoi", "envoi", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: none, DKIM: dkim("far.test", mail.Pass)}, 1, 0, true, ""},
		{"SPF alone", "envoi", "envoi", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: bySPF}, 0, 1, false, ""},
		{"nothing", "envoi", "envoi", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: none}, 0, 1, false, ""},
		{"somebody else's signature", "envoi", "envoi", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: none, DKIM: dkim("evil.test", mail.Pass)}, 0, 1, false, ""},
		{"a broken signature", "envoi", "envoi", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: none, DKIM: dkim("far.test", mail.Fail)}, 0, 1, false, ""},
		{"a signature over a part", "envoi", "envoi", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: none, DKIM: []mail.DKIMResult{{Domain: "far.test", Result: mail.Pass, Partial: true}}}, 0, 1, false, ""},
		{"signed above, and the policy wants it exact", "envoi", "envoi", "ann@strict.far.test", []string{"ann@strict.far.test"}, &mail.Verdict{DMARC: strict, DKIM: dkim("far.test", mail.Pass)}, 0, 1, false, ""},
		{"a forgery", "envoi", "envoi", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: fail(policy(mail.DemandQuarantine))}, 0, 0, false, "judge-forged"},
		{"a forgery that its domain only watches", "envoi", "envoi", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: fail(policy(mail.DemandNone))}, 0, 1, false, ""},
		{"another member's name inside", "envoi", "envoi", "ann@far.test", []string{"bob@far.test"}, &mail.Verdict{DMARC: pass}, 0, 0, false, "program-author"},
		{"two authors", "envoi", "envoi", "ann@far.test", []string{"ann@far.test", "bob@far.test"}, &mail.Verdict{DMARC: pass}, 0, 0, false, "program-author"},
		{"an author whom the verdict is not about", "envoi", "envoi", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Pass, From: "evil.test", DKIM: true}}, 0, 0, false, "program-author"},
		{"nobody judged", "envoi", "envoi", "ann@far.test", []string{"ann@far.test"}, nil, 0, 0, false, "program-author"},
		{"a stranger", "envoi", "envoi", "x@evil.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: pass}, 0, 0, false, "program-members-only"},
		{"a scanner", "envoi.{secret}", "envoi.right", "scan@copy.test", []string{"scan@copy.test"}, &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.None, From: "copy.test"}}, 1, 0, true, ""},
		{"a scanner that guesses", "envoi.{secret}", "envoi.wrong", "scan@copy.test", []string{"scan@copy.test"}, &mail.Verdict{DMARC: none}, 0, 0, false, "program-members-only"},
		{"a forgery at a secret address", "envoi.{secret}", "envoi.right", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: fail(policy(mail.DemandReject))}, 0, 0, false, "judge-forged"},
		{"a guest", "r.{token}", "r.living", "x@evil.test", []string{"x@evil.test"}, &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.None, From: "evil.test"}}, 0, 0, false, ""},
		{"a guest who signs", "r.{token}", "r.living", "x@evil.test", []string{"x@evil.test"}, &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Pass, From: "evil.test", DKIM: true}}, 0, 0, true, ""},
		{"a member who replies from elsewhere", "r.{token}", "r.living", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: pass}, 1, 0, true, ""},
		{"a member's reply that nothing proves", "r.{token}", "r.living", "ann@far.test", []string{"ann@far.test"}, &mail.Verdict{DMARC: bySPF}, 0, 0, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &Door{Outsiders: strangers{}}
			s := &mail.Summary{}
			for _, a := range c.author {
				s.From = append(s.From, mail.Mailbox{Addr: a})
			}
			to := mail.Destination{Where: mail.ToProgram, Program: c.program, Addr: mail.Address{Local: c.local, Domain: "home.test"}}
			env := &mail.Envelope{Origin: mail.FromMX, From: mail.MustAddress(c.from)}
			got, err := d.fromOutside(t.Context(), env, &header{verdict: c.v}, s, mail.Recipient{Address: to.Addr}, to)
			if c.why != "" {
				var refusal *mail.Error
				if !errors.As(err, &refusal) || refusal.Text.ID != c.why {
					t.Errorf("%v, want %s", err, c.why)
				}
				return
			}
			if err != nil || got.Sender.ID != c.sender || got.For.ID != c.ask || got.Proven != c.proven || !got.Outside {
				t.Errorf("sender %d, asked %d, proven %v (%v); want %d, %d, %v", got.Sender.ID, got.For.ID, got.Proven, err, c.sender, c.ask, c.proven)
			}
		})
	}
}

func TestStrangersAreRefusedBeforeTheirBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		d       *Door
		from    string
		program string
		local   string
		taken   bool
		kind    mail.Kind
	}{
		{"who is known", &Door{Outsiders: strangers{}}, "ann@far.test", "envoi", "envoi", true, 0},
		{"who is not", &Door{Outsiders: strangers{}}, "x@evil.test", "envoi", "envoi", false, mail.Policy},
		{"a guest", &Door{Outsiders: strangers{}}, "x@evil.test", "r.{token}", "r.living", true, 0},
		{"who guesses a token", &Door{Outsiders: strangers{}}, "x@evil.test", "r.{token}", "r.dead", false, mail.NoSuchUser},
		{"who guesses a secret", &Door{Outsiders: strangers{}}, "x@evil.test", "envoi.{secret}", "envoi.wrong", false, mail.NoSuchUser},
		{"nobody could be asked", &Door{Outsiders: strangers{}}, "db@far.test", "envoi", "envoi", false, mail.Internal}, // temporary: the sender's host tries again
		{"a host without rooms", &Door{}, "ann@far.test", "envoi", "envoi", false, mail.Policy},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := mail.Destination{Where: mail.ToProgram, Program: c.program, Addr: mail.Address{Local: c.local, Domain: "home.test"}}
			err := c.d.admit(t.Context(), &mail.Envelope{Origin: mail.FromMX, From: mail.MustAddress(c.from)}, mail.Recipient{Address: to.Addr}, to)
			if c.taken != (err == nil) || err != nil && mail.KindOf(err) != c.kind {
				t.Errorf("%v (kind %d), want kind %d", err, mail.KindOf(err), c.kind)
			}
		})
	}
}

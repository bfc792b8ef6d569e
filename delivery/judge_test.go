package delivery

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
)

// town is a directory in which home.test is ours.
type town struct{}

func (town) Resolve(_ context.Context, a mail.Address) ([]mail.Destination, error) {
	return []mail.Destination{{Where: mail.ToRelay, Addr: a}}, nil
}
func (town) MaySend(context.Context, mail.UserID, mail.Address) error { return nil }
func (town) Ours(_ context.Context, d string) (bool, error) {
	return d == "home.test" || strings.HasSuffix(d, ".home.test"), nil
}

func policy(d mail.Demand) *mail.DMARCPolicy { return &mail.DMARCPolicy{Demand: d, P: d} }

func TestWhatIsDoneWithAMailFollowsFromItsProof(t *testing.T) {
	t.Parallel()
	spf := func(r mail.Result, d string) mail.SPFResult { return mail.SPFResult{Result: r, Domain: d} }
	signed := []mail.DKIMResult{{Result: mail.Pass, Domain: "list.test"}}
	partly := []mail.DKIMResult{{Result: mail.Pass, Domain: "list.test", Partial: true}}
	fail := func(d mail.Demand) mail.DMARCResult {
		return mail.DMARCResult{Result: mail.Fail, From: "bank.test", Policy: policy(d)}
	}
	pass := mail.DMARCResult{Result: mail.Pass, From: "bank.test", Policy: policy(mail.DemandReject)}
	for _, c := range []struct {
		name string
		from string
		v    mail.Verdict
		want string // action
		why  string // override, or the refusal's sentence
	}{
		{"proven", "x@bank.test", mail.Verdict{DMARC: pass}, ToInbox, ""},
		{"nothing is known", "x@else.test", mail.Verdict{DMARC: mail.DMARCResult{Result: mail.None, From: "else.test"}}, ToInbox, ""},
		{"reject and nobody vouches", "x@bank.test", mail.Verdict{DMARC: fail(mail.DemandReject), MailFrom: spf(mail.SoftFail, "bank.test")}, Refused, "judge-forged"},
		{"reject and a list vouches", "l@list.test", mail.Verdict{DMARC: fail(mail.DemandReject), MailFrom: spf(mail.Pass, "list.test")}, ToJunk, "local_policy"},
		{"reject and a list signed", "l@list.test", mail.Verdict{DMARC: fail(mail.DemandReject), DKIM: signed}, ToJunk, "local_policy"},
		{"a signature over a part vouches for nothing", "l@list.test", mail.Verdict{DMARC: fail(mail.DemandReject), DKIM: partly}, Refused, "judge-forged"},
		{"quarantine", "x@bank.test", mail.Verdict{DMARC: fail(mail.DemandQuarantine)}, ToJunk, ""},
		{"none", "x@bank.test", mail.Verdict{DMARC: fail(mail.DemandNone)}, ToInbox, ""},
		{"several authors", "x@bank.test", mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Fail}}, ToJunk, ""},
		{"a domain that never sends, without DMARC", "x@bank.test", mail.Verdict{DMARC: mail.DMARCResult{Result: mail.None, From: "bank.test"}, MailFrom: spf(mail.Fail, "bank.test")}, ToJunk, ""},
		{"our name in From", "x@else.test", mail.Verdict{DMARC: mail.DMARCResult{Result: mail.None, From: "home.test"}, MailFrom: spf(mail.Pass, "else.test")}, Refused, "judge-our-name"},
		{"a name below ours", "x@else.test", mail.Verdict{DMARC: mail.DMARCResult{Result: mail.None, From: "pay.home.test"}}, Refused, "judge-our-name"},
		{"our name, proven by SPF alone", "news@home.test", mail.Verdict{DMARC: mail.DMARCResult{Result: mail.None, From: "home.test"}, MailFrom: spf(mail.Pass, "home.test")}, ToInbox, ""},
		{"our name, proven by a signature", "x@list.test", mail.Verdict{DMARC: mail.DMARCResult{Result: mail.None, From: "home.test"}, DKIM: []mail.DKIMResult{{Result: mail.Pass, Domain: "home.test"}}}, ToInbox, ""},
		{"our name, and it could not be found out", "x@else.test", mail.Verdict{DMARC: mail.DMARCResult{Result: mail.TempError, From: "home.test"}}, Refused, "judge-not-now"},
		{"our sender only", "ann@home.test", mail.Verdict{DMARC: mail.DMARCResult{Result: mail.None, From: "else.test"}, MailFrom: spf(mail.Fail, "home.test")}, Refused, "judge-our-sender"},
		{"our member's mail comes back by a forwarder", "ann@home.test", mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Pass, From: "home.test"}, MailFrom: spf(mail.Fail, "home.test")}, ToInbox, ""},
		{"a trusted seal", "l@list.test", mail.Verdict{DMARC: fail(mail.DemandReject), ARC: mail.ARCResult{Result: mail.Pass, Origin: &mail.Verdict{DMARC: pass}}}, ToInbox, "trusted_forwarder"},
		{"a trusted seal on a forgery", "l@list.test", mail.Verdict{DMARC: fail(mail.DemandReject), ARC: mail.ARCResult{Result: mail.Pass, Origin: &mail.Verdict{DMARC: fail(mail.DemandReject)}}}, Refused, "judge-forged"},
		{"a listed domain, proven", "x@alumni.test", mail.Verdict{DMARC: fail(mail.DemandReject), MailFrom: spf(mail.Pass, "alumni.test")}, ToInbox, "trusted_forwarder"},
		{"a listed domain, only claimed", "x@alumni.test", mail.Verdict{DMARC: fail(mail.DemandReject), MailFrom: spf(mail.Fail, "alumni.test")}, Refused, "judge-forged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &Door{Directory: town{}, Forwarders: []string{"alumni.test", "203.0.113.0/24"}}
			env := &mail.Envelope{From: mail.MustAddress(c.from), Client: mail.Client{IP: netip.MustParseAddr("192.0.2.1")}}
			got, err := d.decide(t.Context(), env, &c.v)
			if err != nil {
				t.Fatal(err)
			}
			why := got.override
			if got.refuse != nil {
				why = got.refuse.Text.ID
			}
			if got.action() != c.want || why != c.why {
				t.Errorf("got %s (%s), want %s (%s)", got.action(), why, c.want, c.why)
			}
			if env.Client.IP = netip.MustParseAddr("203.0.113.9"); true { // a listed network
				if got, _ := d.decide(t.Context(), env, &c.v); got.action() != ToInbox {
					t.Errorf("by a listed network: got %s", got.action())
				}
			}
		})
	}
}

func TestANetworkThatForgesIsBelievedLessForADay(t *testing.T) {
	t.Parallel()
	var r repute
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	ip, neighbour, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.200"), netip.MustParseAddr("198.51.100.1")
	for range badAt {
		if r.bad(ip, now) {
			t.Fatal("bad too soon")
		}
		r.forged(ip, now)
	}
	if !r.bad(neighbour, now) || r.bad(other, now) {
		t.Errorf("neighbour %v, another network %v, want true and false", r.bad(neighbour, now), r.bad(other, now))
	}
	if r.bad(ip, now.Add(badFor)) {
		t.Error("still bad after a day")
	}
	if r.forged(netip.Addr{}, now); r.bad(netip.Addr{}, now) {
		t.Error("no address is bad")
	}
}

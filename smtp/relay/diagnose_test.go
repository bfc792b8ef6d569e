package relay

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestKnownRefusalsSetThePaceAndTellTheAdminOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		reply string
		d     Diagnosis
		lost  bool
		pause time.Duration // of the destination
		told  int
	}{
		{"our address, for now", "421 4.7.0 S775", Diagnosis{Scope: "ip", Meaning: "relay-why-later"}, false, blockPause, 1},
		{"our address, for good", "550 5.7.1 S3140", Diagnosis{Scope: "ip"}, true, blockPause, 1},
		{"our address, not as bad as it says", "550 5.7.1 S3150", Diagnosis{Scope: "ip", Temporary: true, Wait: time.Hour}, false, time.Hour, 1},
		{"rate", "451 4.7.650 slow", Diagnosis{Scope: "rate", Wait: 7 * time.Minute}, false, 7 * time.Minute, 0},
		{"our domain", "550 5.7.1 DMARC", Diagnosis{Scope: "domain"}, true, 0, 1},
		{"content", "554 5.7.1 spam", Diagnosis{Scope: "content"}, true, 0, 0},
	} {
		n := newInternet(t)
		n.site("far.test", func(s *sink) {
			s.answer = func(line string) string {
				if strings.HasPrefix(line, "MAIL") {
					return c.reply
				}
				return ""
			}
		})
		n.relay.Recognise = func(host string, code int, enhanced, text string) (Diagnosis, bool) {
			return c.d, host == "mx.far.test" && strings.HasPrefix(c.reply, "4") == (code < 500) && strings.HasPrefix(text, enhanced)
		}
		told := 0
		n.relay.Blocked = func(_ context.Context, d Diagnosis, host, reply string) {
			if told++; d != c.d || host != "mx.far.test" || reply != c.reply {
				t.Errorf("%s: told %+v %s %s", c.name, d, host, reply)
			}
		}
		p := n.one(n.mail("bob@far.test"))
		if p.sent || p.lost() != c.lost || p.last.status[:1] == "4" == c.lost {
			t.Errorf("%s: lost %v, %v", c.name, p.lost(), p.last)
		}
		if c.d.Meaning != "" && p.last.why.ID != c.d.Meaning {
			t.Errorf("%s: says %s", c.name, p.last.why.ID)
		}
		if until := n.relay.pacer().limit("far.test").Again; !until.IsZero() && until.Sub(n.clock) != c.pause || until.IsZero() && c.pause != 0 {
			t.Errorf("%s: paused for %v, want %v", c.name, until.Sub(n.clock), c.pause)
		}
		n.clock = n.clock.Add(c.pause)
		n.one(n.mail("eve@far.test"))
		if want := c.told * (1 + int(min(c.pause/time.Hour, 1))); told != want {
			t.Errorf("%s: the admin was told %d times, want %d", c.name, told, want)
		}
	}
}

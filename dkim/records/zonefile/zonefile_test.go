package zonefile

import (
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
)

func FuzzATextSurvivesItsLine(f *testing.F) {
	for _, s := range []string{"", "v=spf1 mx ~all", `a "quoted" \ text`, strings.Repeat("0123456789", 60), "\x00\xff é;", `\255\"`, strings.Repeat(`"`, 255) + "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 30_000 {
			return
		}
		rr, err := mdns.NewRR(TXT("x.test", s))
		if err != nil {
			t.Fatalf("%q: %v", TXT("x.test", s), err)
		}
		for _, part := range rr.(*mdns.TXT).Txt {
			if n := len(Unescape(part)); n > maxString {
				t.Errorf("a string of %d octets", n)
			}
		}
		if got := Unescape(strings.Join(rr.(*mdns.TXT).Txt, "")); got != s {
			t.Errorf("got %q, want %q", got, s)
		}
	})
}

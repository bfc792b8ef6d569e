package workflow

import (
	"context"
	"strings"
	"testing"
)

type nothing struct{}

func (nothing) Process(context.Context, *Inbound) error { return nil }

func house() *Mux {
	m := &Mux{}
	for _, p := range []string{"envoi", "envoi+{days}", "send", "album+{name}", "album-{name}", "aide", "help", "r.{token}"} {
		m.Handle(p, nothing{})
	}
	return m
}

func TestMuxKnowsItsAddresses(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("a2", 13)
	for _, c := range []struct{ local, pattern, name, value string }{
		{"envoi", "envoi", "", ""},
		{"ENVOI", "envoi", "", ""},
		{"Envoi+7j", "envoi+{days}", "days", "7j"},
		{"envoi+30d", "envoi+{days}", "days", "30d"},
		{"envoi+90", "envoi+{days}", "days", "90"},
		{"album+Vacances", "album+{name}", "name", "vacances"},
		{"album-été", "album-{name}", "name", "été"},
		{"r." + token, "r.{token}", "token", token},
		{"R." + strings.ToUpper(token), "r.{token}", "token", token},
		{"envoi+", "", "", ""},
		{"envoi+bientot", "", "", ""},
		{"envois", "", "", ""},
		{"album+", "", "", ""},
		{"album+a/b", "", "", ""},
		{"album+a b", "", "", ""},
		{"album+" + strings.Repeat("x", 60), "", "", ""},
		{"r.jean", "", "", ""},
		{"r." + token + "a", "", "", ""},
		{"", "", "", ""},
		{"ann", "", "", ""},
	} {
		pattern, ok := house().Match(c.local)
		if pattern != c.pattern || ok != (c.pattern != "") {
			t.Errorf("Match(%q): got %q, %v; want %q", c.local, pattern, ok, c.pattern)
		}
		if _, vars, _ := house().match(c.local); vars[c.name] != c.value {
			t.Errorf("Match(%q): variables %v; want %s=%q", c.local, vars, c.name, c.value)
		}
	}
}

func TestMuxRefusesPatternsItCannotServe(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"x+{color}", "{name}", "x+{name}y", "envoi"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Handle(%q) did not panic", pattern)
				}
			}()
			house().Handle(pattern, nothing{})
		}()
	}
}

func TestPausesGrowToSixHours(t *testing.T) {
	t.Parallel()
	last := Pause(1)
	if last.Minutes() != 1 {
		t.Errorf("first pause: got %v, want a minute", last)
	}
	for n := 2; n < 100; n++ {
		p := Pause(n)
		if p < last || p.Hours() > 6 {
			t.Fatalf("pause %d: got %v after %v", n, p, last)
		}
		last = p
	}
	if last.Hours() != 6 {
		t.Errorf("last pause: got %v, want six hours", last)
	}
}

package world_test

import (
	"strings"
	"testing"
	"time"

	cmail "colporteur/mail"
	"colporteur/world"
)

func TestForwardedMailLeavesWithAReturnPathOfOursAndABounceFindsItsSender(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far, away := w.Server("home.test"), w.Server("far.test"), w.Server("away.test")
	bob, carol := far.Member("bob"), away.Member("carol")
	for alias, to := range map[string]string{"quartier@home.test": carol.Address, "parti@home.test": "gone@away.test"} {
		if err := home.Accounts.AddAlias(t.Context(), cmail.MustAddress(alias), cmail.MustAddress(to)); err != nil {
			t.Fatal(err)
		}
	}
	bob.Send("quartier@home.test", world.Subject("Pour tous"), world.Text("Bonjour à tous.\r\n"))
	w.Settle()
	m := carol.Inbox().One().Says("Bonjour à tous.")
	rp := m.Header.Get("Return-Path")
	if !strings.HasPrefix(rp, "<SRS0=") || !strings.HasSuffix(rp, "@home.test>") {
		t.Errorf("forwarded with the return path %s", rp)
	}
	if from := m.Header.Get("From"); !strings.Contains(from, bob.Address) {
		t.Errorf("forwarded with From: %s", from)
	}
	bob.Inbox().Empty()

	bob.Send("parti@home.test", world.Subject("Es-tu là ?"))
	w.Settle()
	bounce := bob.Inbox().One()
	if !strings.Contains(bounce.Raw, "gone@away.test") || bounce.Header.Get("Return-Path") != "<>" {
		t.Errorf("the bounce:\n%s", bounce.Raw)
	}

	// A stranger cannot write by it.
	err := home.FromOutside("spam@elsewhere.test", []string{strings.Trim(rp, "<>")}, []byte("From: <spam@elsewhere.test>\r\nSubject: x\r\n\r\nx\r\n"))
	if err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("a stranger's mail to a return path: %v", err)
	}
}

func TestAMailWaitsForItsHour(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann"), home.Member("bob")
	carol := home.Member("carol")
	hour := w.Clock.Now().Add(6 * time.Hour)
	env := &cmail.Envelope{ID: "later1", Origin: cmail.FromMember, From: cmail.MustAddress(ann.Address), Release: hour,
		User: cmail.User{ID: ann.Account.ID, Account: ann.Account.Account, Address: cmail.MustAddress(ann.Address)}, Client: cmail.Client{Protocol: "HTTP"}}
	for _, to := range []string{bob.Address, carol.Address} {
		if err := home.Door.Recipient(t.Context(), env, cmail.Recipient{Address: cmail.MustAddress(to)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := home.Door.Accept(t.Context(), env, strings.NewReader("From: <ann@home.test>\r\nSubject: Plus tard\r\n\r\nVoici.\r\n")); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	bob.Inbox().Empty()
	if err := home.Accounts.Remove(t.Context(), carol.Account.ID); err != nil {
		t.Fatal(err)
	}
	home.Stop()
	home.Start() // a restart forgets nothing
	w.Advance(5*time.Hour + 50*time.Minute)
	w.Settle()
	bob.Inbox().Empty()
	w.Advance(15 * time.Minute)
	w.Settle()
	if m := bob.Inbox().One(); m.Subject != "Plus tard" {
		t.Errorf("got %q", m.Subject)
	}
	if got := tale(t, home, bob.Address); !strings.HasPrefix(got, "accepted accepted") || strings.Contains(got, ";") {
		t.Errorf("the trace tells: %q", got)
	}
	if bounce := ann.Inbox().One(); !strings.Contains(bounce.Raw, carol.Address) {
		t.Errorf("who left meanwhile is not named:\n%s", bounce.Raw)
	}
}

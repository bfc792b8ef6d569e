package world_test

import (
	"fmt"
	"testing"

	cmail "colporteur/mail"
	"colporteur/world"
)

func TestAMemberAtTheHourlyLimitIsToldOfToTheAdminOnce(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	admin := home.Member("admin", "en")
	ann := home.Member("ann")
	if err := home.Accounts.AddAlias(t.Context(), cmail.MustAddress("postmaster@home.test"), cmail.MustAddress(admin.Address)); err != nil {
		t.Fatal(err)
	}
	var limit error
	for n := 0; n < 7 && limit == nil; n++ {
		var to []string
		for i := range 100 {
			to = append(to, fmt.Sprintf("ann+%d-%d@home.test", n, i))
		}
		limit = ann.Submit(to, []byte("From: <ann@home.test>\r\nSubject: x\r\n\r\nx\r\n"))
	}
	if limit == nil {
		t.Fatal("no limit was reached")
	}
	w.Settle()
	m := admin.Inbox().One().Says("colporteur member suspend ann@home.test", "127.0.0.1")
	if m.Subject != "ann@home.test sends unusually much mail" {
		t.Errorf("subject %q", m.Subject)
	}
}

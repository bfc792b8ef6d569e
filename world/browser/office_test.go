package browser_test

import (
	"testing"

	"colporteur/mail"
	"colporteur/office"
	"colporteur/world"
)

func TestTheOfficeInARealBrowser(t *testing.T) {
	t.Parallel()
	ready(t)
	ctx := t.Context()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann"), home.Member("bob")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(home.Accounts.AddAlias(ctx, mail.MustAddress("postmaster@home.test"), mail.MustAddress(ann.Address)))
	must(home.Accounts.AddAlias(ctx, mail.MustAddress("contact@home.test"), mail.MustAddress(ann.Address), mail.MustAddress(bob.Address)))
	must(home.Office.Change(ctx, office.Act{Who: ann.Address, What: office.Settled}, func(c *office.Settings) {
		c.Name, c.Contact, c.Step = "Les Amis de la Combe", "Marie, 03 29 00 00 00", office.Steps+1
		c.Front.FR = "# Bienvenue\n\nLe courrier des membres.\n\n- Réunion le jeudi\n- https://combe.example/programme"
	}))
	must(home.Office.Note(ctx, office.Act{Who: ann.Address, What: office.Suspended, About: bob.Address}))
	must(home.Office.Refused(ctx, office.Refusing{Who: "Orange", Scope: "ip", Server: "smtp-in.orange.fr", Form: "https://postmaster.orange.fr/"}))
	must(home.Accounts.Suspend(ctx, bob.Account.ID))
	w.Server("nowhere.test").Stop()
	ann.Send("somebody@nowhere.test", world.Subject("x"), world.Text("x"))
	ann.Send("envoi@home.test", world.Subject("Le film de la fête"), world.Text("x"), world.Attach("film.mp4", "video/mp4", []byte("film")))
	must(home.Queue.Idle(ctx, "program"))
	walk(t, home, ann, desk{Name: "office", First: "/admin/members", Pages: []leaf{
		{Name: "overview", Path: "/admin"},
		{Name: "members", Path: "/admin/members"},
		{Name: "new", Path: "/admin/members/new"},
		{Name: "member", Path: "/admin/members/bob@home.test"},
		{Name: "directory", Path: "/admin/directory"},
		{Name: "queue", Path: "/admin/queue"},
		{Name: "trace", Path: "/admin/trace"},
		{Name: "links", Path: "/admin/links"},
		{Name: "settings", Path: "/admin/settings"},
		{Name: "acts", Path: "/admin/acts"},
		{Name: "start1", Path: "/admin/start?step=1"},
		{Name: "start2", Path: "/admin/start?step=2"},
		{Name: "start3", Path: "/admin/start?step=3"},
		{Name: "start4", Path: "/admin/start?step=4"},
		{Name: "front", Path: "/"},
	}})
}

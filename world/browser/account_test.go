package browser_test

import (
	"bytes"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/world"
)

func TestTheAccountPagesInARealBrowser(t *testing.T) {
	t.Parallel()
	ready(t)
	w := world.New(t)
	home := w.Server("home.test")
	at := &home.Gateway.Account.Servers // of a host on the Internet
	at.IMAPS, at.IMAP, at.Submissions, at.Submission = 993, 143, 465, 587
	ann, bob := home.Member("ann"), home.Member("bob")
	bob.Send(ann.Address, world.Subject("Les comptes de l'association pour l'année passée, à relire"), world.Text("x"),
		world.Attach("comptes.ods", "application/octet-stream", bytes.Repeat([]byte("0123456789abcdef"), 100_000)))
	w.Settle()
	if _, err := home.Accounts.AddAppPassword(t.Context(), ann.Account.ID, "Thunderbird du bureau"); err != nil {
		t.Fatal(err)
	}
	if err := home.Accounts.ShowPictures(t.Context(), ann.Account.ID, mail.MustAddress("lettre@ailleurs.test"), true); err != nil {
		t.Fatal(err)
	}
	pages := []leaf{{Name: "me", Path: "/account"}}
	for _, name := range []string{"room", "room/photos", "password", "code", "programs", "devices", "devices/apple", "devices/android", "devices/thunderbird",
		"devices/outlook", "devices/other", "sessions", "news", "addresses", "pictures", "export"} {
		pages = append(pages, leaf{Name: strings.ReplaceAll(name, "/", "-"), Path: "/account/" + name})
	}
	pages = append(pages,
		leaf{Name: "code-offered", Path: "/account/code", Fill: map[string]string{"#begin": ann.Password}, Press: ".fields button"},
		leaf{Name: "device-code", Path: "/account/devices/apple", Press: "form[action*=code] button"},
		leaf{Name: "wrong-password", Path: "/account/password", Fill: map[string]string{"input[name=old]": ann.Password, "input[name=new]": "une phrase assez longue", "input[name=again]": "une autre phrase, longue"}, Press: ".fields button"},
		leaf{Name: "secret", Path: "/account/addresses", Press: "form[action*=secret] button"})
	walk(t, home, ann, desk{Name: "account", First: "/account", Pages: pages})
}

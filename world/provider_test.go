package world_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	cmail "colporteur/mail"
	"colporteur/world"
)

// refuser is a server elsewhere that says one thing to every MAIL.
func refuser(t *testing.T, w *world.World, ip, reply string) {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(ip, fmt.Sprint(w.Port())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprintf(c, "220 mx ready\r\n")
				lines := bufio.NewScanner(c)
				for lines.Scan() {
					switch verb, _, _ := strings.Cut(strings.ToUpper(lines.Text()), " "); verb {
					case "QUIT":
						fmt.Fprintf(c, "221 bye\r\n")
						return
					case "MAIL":
						fmt.Fprintf(c, "%s\r\n", reply)
					default:
						fmt.Fprintf(c, "250 OK\r\n")
					}
				}
			}()
		}
	}()
}

func TestWhenABigProviderKeepsUsOutTheAdminHearsOnceAndTheMemberInPlainWords(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Advance(time.Until(time.Now().Truncate(24 * time.Hour).Add(30 * time.Hour))) // morning: a day is not over in five hours
	home := w.Server("home.test")
	admin, ann := home.Member("admin"), home.Member("ann", "en")
	if err := home.Accounts.AddAlias(t.Context(), cmail.MustAddress("postmaster@home.test"), cmail.MustAddress(admin.Address)); err != nil {
		t.Fatal(err)
	}
	ip := strings.Split(home.Addr("mx"), ":")[0]
	ip = ip[:strings.LastIndexByte(ip, '.')] + ".200"
	w.DNS.Add("hotmail.test. MX 10 hotmail-com.olc.protection.outlook.com.", "hotmail-com.olc.protection.outlook.com. A "+ip)
	refuser(t, w, ip, "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).")
	ann.Send("bob@hotmail.test", world.Subject("Hello"))
	w.Settle()
	if all, err := home.Office.Refusals(t.Context()); err != nil || len(all) != 1 || all[0].Who != "Outlook.com" || all[0].Scope != "ip" || all[0].Form == "" {
		t.Errorf("what the office knows: %+v, %v", all, err)
	}
	m := admin.Inbox().One().Says("olcsupport.office.com", "S3140", "mail.home.test")
	if !strings.Contains(m.Subject, "Outlook") {
		t.Errorf("subject %q", m.Subject)
	}
	bounce := ann.Inbox().One().Says("bob@hotmail.test", "S3140")
	if strings.Contains(bounce.Text, "provider-") || strings.Contains(bounce.Text, "relay-why") {
		t.Errorf("what Ann reads:\n%s", bounce.Text)
	}
	w.Advance(5 * time.Hour) // the pause is over: it is tried again, and refused again
	ann.Send("carol@hotmail.test")
	w.Settle()
	if n := len(ann.Inbox().All); n != 2 {
		t.Errorf("Ann has %d bounces, want 2", n)
	}
	admin.Inbox().One() // once a day is enough
	t.Logf("%s\n%s", m.Text, bounce.Text)
}

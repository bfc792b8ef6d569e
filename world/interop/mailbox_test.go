package interop

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"colporteur/world"
)

// What the server holds, seen by a client that the tests trust: the programs
// under test are compared with it.

// ann signs in beside the program that is tested.
func ann(t *testing.T, p *world.Process) *imapclient.Client {
	t.Helper()
	return login(t, "localhost:"+port(p.Ports["imap"]), filepath.Join(p.Data, "ca.pem"), "ann@home.test", "ann pass word")
}

func letter(subject, text string) string {
	return fmt.Sprintf("From: Bob <bob@elsewhere.invalid>\r\nTo: ann@home.test\r\nSubject: %s\r\nMessage-ID: <%s@elsewhere.invalid>\r\n\r\n%s\r\n",
		subject, strings.ReplaceAll(subject, " ", "."), text)
}

// deliver brings ann a mail as a stranger's server would.
func deliver(t *testing.T, p *world.Process, subject, text string) {
	t.Helper()
	out, err := try(t.TempDir(), letter(subject, text), tool(t, "curl", "curl"), "-sS", "--url", "smtp://"+p.Ports["mx"],
		"--mail-from", "x@elsewhere.invalid", "--mail-rcpt", "ann@home.test", "-T", "-")
	if err != nil {
		t.Fatalf("curl: %v\n%s", err, out)
	}
}

func appendTo(t *testing.T, c *imapclient.Client, folder, raw string, flags ...imap.Flag) {
	t.Helper()
	cmd := c.Append(folder, int64(len(raw)), &imap.AppendOptions{Flags: flags})
	cmd.Write([]byte(raw))
	cmd.Close()
	if _, err := cmd.Wait(); err != nil {
		t.Fatalf("append to %s: %v", folder, err)
	}
}

// subjects of a folder's mails, each followed by its flags, in order.
func subjects(t *testing.T, c *imapclient.Client, folder string) (out []string) {
	t.Helper()
	for _, m := range mails(t, c, folder) {
		out = append(out, strings.TrimSpace(subject(string(m.body))+" "+m.flags))
	}
	return out
}

func subject(raw string) string {
	for line := range strings.Lines(raw) {
		if s, ok := strings.CutPrefix(line, "Subject: "); ok {
			return strings.TrimSpace(s)
		}
		if strings.TrimSpace(line) == "" {
			break
		}
	}
	return ""
}

// change marks or deletes the mails of a folder that have these subjects.
func change(t *testing.T, c *imapclient.Client, folder string, flag imap.Flag, which ...string) {
	t.Helper()
	if _, err := c.Select(folder, nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for _, s := range which {
		found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: s}}}, nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		if len(found.AllUIDs()) != 1 {
			t.Fatalf("%s has %d mails of subject %q", folder, len(found.AllUIDs()), s)
		}
		if err := c.Store(found.All, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{flag}}, nil).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if flag == imap.FlagDeleted {
		if err := c.Expunge().Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// is compares what a folder holds with what it should hold.
func is(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

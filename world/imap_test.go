package world_test

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"colporteur/world"
)

func TestThePhoneSeesWhatTheLaptopDoesWhileItIdles(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	ann.Send(ann.Address, world.Subject("premier"))
	w.Settle()

	exists, flags, gone := make(chan uint32, 10), make(chan []imap.Flag, 10), make(chan uint32, 10)
	phone, err := imapclient.DialInsecure(home.Addr("imap"), &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				exists <- *d.NumMessages
			}
		},
		Fetch: func(m *imapclient.FetchMessageData) {
			if b, err := m.Collect(); err == nil {
				flags <- b.Flags
			}
		},
		Expunge: func(n uint32) { gone <- n },
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer phone.Close()
	if err := phone.Login(ann.Address, ann.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := phone.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := phone.Idle()
	if err != nil {
		t.Fatal(err)
	}
	wait := func(what string, c any) {
		t.Helper()
		timeout := time.After(10 * time.Second)
		switch c := c.(type) {
		case chan uint32:
			select {
			case <-c:
			case <-timeout:
				t.Fatalf("the phone did not hear of %s", what)
			}
		case chan []imap.Flag:
			select {
			case <-c:
			case <-timeout:
				t.Fatalf("the phone did not hear of %s", what)
			}
		}
	}
	ann.Send(ann.Address, world.Subject("second"))
	wait("the new mail", exists)

	laptop := ann.IMAP()
	defer laptop.Close()
	if _, err := laptop.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := laptop.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen, imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	wait("the flag", flags)
	if err := laptop.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	wait("the expunge", gone)
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWordsAreFoundWithoutAccentsAndInParts(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	ann.Send(ann.Address, world.Subject("Réunion de l'été"), world.Text("Nous parlerons du budget prévisionnel, Henri.\r\n"))
	ann.Send(ann.Address, world.Subject("Autre chose"), world.Text("Bien.\r\n"))
	w.Settle()
	c := ann.IMAP()
	defer c.Close()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		name string
		c    imap.SearchCriteria
		n    int
	}{
		{"part of a word", imap.SearchCriteria{Body: []string{"prevision"}}, 1},
		{"a subject", imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "reunion"}}}, 1},
		{"a subject is not a body", imap.SearchCriteria{Body: []string{"Réunion"}}, 0},
		{"but it is text", imap.SearchCriteria{Text: []string{"Réunion"}}, 1},
		{"nowhere", imap.SearchCriteria{Text: []string{"introuvable"}}, 0},
		{"two letters", imap.SearchCriteria{Body: []string{"ri"}}, 1},
	} {
		got, err := c.Search(&q.c, nil).Wait()
		if err != nil {
			t.Fatalf("%s: %v", q.name, err)
		}
		if n := len(got.AllSeqNums()); n != q.n {
			t.Errorf("%s: %d mails, want %d", q.name, n, q.n)
		}
	}
}

func TestAQuotaIsSaidBeforeTheMailIsSent(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	quota := int64(100_000)
	ann.Quota(quota)
	err := home.FromOutside("a@elsewhere.invalid", []string{ann.Address}, []byte("Subject: x\r\n\r\n"+strings.Repeat("0123456789\r\n", 9000)))
	if err != nil {
		t.Errorf("a mail that goes over while it arrives: %v, want it taken (it may exceed by that one)", err)
	}
	err = home.FromOutside("a@elsewhere.invalid", []string{ann.Address}, []byte("Subject: y\r\n\r\ny\r\n"))
	if code(err) != 452 {
		t.Errorf("the next one: %v, want 452", err)
	}
	c := ann.IMAP()
	defer c.Close()
	raw := "Subject: z\r\n\r\nz\r\n"
	cmd := c.Append("INBOX", int64(len(raw)), nil)
	cmd.Write([]byte(raw))
	cmd.Close()
	if _, err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "OVERQUOTA") {
		t.Errorf("APPEND: %v, want OVERQUOTA", err)
	}
}

package world_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"colporteur/config"
	"colporteur/store/storetest"
	"colporteur/world"
)

// idler is a program that idles on its INBOX and notes what it is told.
type idler struct {
	t      testing.TB
	who    string
	exists chan uint32
	gone   chan uint32
	flags  chan []imap.Flag
}

// idles begins to IDLE at a host.
func idles(t testing.TB, m *world.Member, at *world.Server, who string) *idler {
	t.Helper()
	i := &idler{t, who, make(chan uint32, 100), make(chan uint32, 100), make(chan []imap.Flag, 100)}
	c, err := imapclient.DialInsecure(at.Addr("imap"), &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				i.exists <- *d.NumMessages
			}
		},
		Fetch: func(m *imapclient.FetchMessageData) {
			if b, err := m.Collect(); err == nil {
				i.flags <- b.Flags
			}
		},
		Expunge: func(n uint32) { i.gone <- n },
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(m.Address, m.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { idle.Close(); c.Close() })
	return i
}

// hears waits until it is told of n mails.
func (i *idler) hears(n uint32) time.Duration {
	i.t.Helper()
	began := time.Now()
	for end := time.After(20 * time.Second); ; {
		select {
		case got := <-i.exists:
			if got == n {
				return time.Since(began)
			}
		case <-end:
			i.t.Fatalf("%s did not hear that there are %d mails", i.who, n)
		}
	}
}

func TestAMailIsPushedFromWhicheverHostTookIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		nodes int
	}{{"one host on SQLite", 1}, {"two hosts on one PostgreSQL", 2}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			var cluster *storetest.Server
			change := func(*config.Config) {}
			if c.nodes > 1 {
				cluster = storetest.NewServer(t)
				url := cluster.Database(t)
				change = func(cfg *config.Config) { cfg.Database.URL = url }
			}
			hosts := []*world.Server{w.Server("home.test", change)}
			for len(hosts) < c.nodes {
				hosts = append(hosts, hosts[0].Node())
			}
			ann := hosts[0].Member("ann")
			var clients []*idler
			for i, h := range hosts {
				clients = append(clients, idles(t, ann, h, fmt.Sprintf("who idles at host %d", i)))
			}
			n := uint32(0)
			deliver := func(at *world.Server) {
				t.Helper()
				n++
				if err := at.FromOutside("bob@elsewhere.invalid", []string{ann.Address}, fmt.Appendf(nil, "Subject: %d\r\n\r\nBonjour.\r\n", n)); err != nil {
					t.Fatal(err)
				}
				for _, i := range clients {
					t.Logf("mail %d: %s heard after %v", n, i.who, i.hears(n))
				}
			}
			for range 3 {
				for _, h := range hosts {
					deliver(h)
				}
			}

			// Flags and expunges go the same way.
			laptop := ann.IMAP()
			defer laptop.Close()
			if _, err := laptop.Select("INBOX", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			if err := laptop.Store(imap.SeqSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
				t.Fatal(err)
			}
			if err := laptop.Expunge().Close(); err != nil {
				t.Fatal(err)
			}
			n--
			for _, i := range clients {
				select {
				case got := <-i.gone:
					if got != 2 {
						t.Errorf("%s was told that %d is gone, want 2", i.who, got)
					}
				case <-time.After(20 * time.Second):
					t.Fatalf("%s did not hear of the expunge", i.who)
				}
			}

			if cluster == nil {
				return
			}
			// The database goes away and comes back: so does the push.
			cluster.Restart(t)
			for _, h := range hosts {
				deliver(h)
			}
		})
	}
}

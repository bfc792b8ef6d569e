package world_test

import (
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"colporteur/config"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/world"
)

// program is a mail program that stays connected; ended is closed when it is not any more.
func program(t *testing.T, s *world.Server, m *world.Member) (ended <-chan struct{}) {
	t.Helper()
	c, err := imapclient.DialInsecure(s.Addr("imap"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(m.Address, m.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c.Closed()
}

// hearing waits until so many nodes hear of each other's members.
func hearing(t *testing.T, s *world.Server, nodes int) {
	t.Helper()
	for began := time.Now(); ; {
		n := 0
		if err := s.DB.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN "member"'`).Scan(&n)
		}); err != nil {
			t.Fatal(err)
		}
		if n == nodes {
			return
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%d of %d nodes hear", n, nodes)
		}
	}
}

func TestWhoIsSuspendedIsCutOffAtEveryNode(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	database := storetest.Postgres(t)
	home := w.Server("home.test", func(c *config.Config) { c.Database.URL = database })
	other := home.Node()
	ann, bob := home.Member("ann"), home.Member("bob")
	hearing(t, home, 2)
	ends := func(what string, ended <-chan struct{}) {
		t.Helper()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%s goes on", what)
		}
	}
	anns, bobs := program(t, other, ann), program(t, other, bob)
	if err := home.Accounts.Suspend(t.Context(), ann.Account.ID); err != nil {
		t.Fatal(err)
	}
	ends("a suspended member's program at the other node", anns)
	select {
	case <-bobs:
		t.Error("somebody else's is cut too")
	default:
	}
	here, there := program(t, home, bob), bobs
	if err := other.Accounts.SetPassword(t.Context(), bob.Account.ID, "another one of bob"); err != nil {
		t.Fatal(err)
	}
	ends("a program with the old password at this node", here)
	ends("a program with the old password at the other", there)

	// What was said while a node heard nothing is found out when it hears again.
	carl, dora := home.Member("carl"), home.Member("dora")
	carls, doras := program(t, other, carl), program(t, other, dora)
	if err := home.DB.Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(t.Context(), `UPDATE member SET suspended = 1 WHERE id = $1`, int64(carl.Account.ID)); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN "member"'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ends("a program of somebody who was suspended unheard", carls)
	select {
	case <-doras:
		t.Error("who did nothing is cut off with them")
	default:
	}
}

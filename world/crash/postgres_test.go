package crash

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"colporteur/store/storetest"
	"colporteur/world"
)

func TestAPostgresThatRestartsUnderLoadLosesNothing(t *testing.T) {
	url := storetest.Postgres(t)
	p := world.Setup(t, filepath.Join(t.TempDir(), "data"), `url\s*=\s*"sqlite"`, fmt.Sprintf("url = %q", url))
	p.Start()
	p.Run("domain", "add", "home.test", "--config", p.Config)
	p.Member("ann@home.test", "storm pass")
	l := &ledger{acked: map[string]bool{}}
	stop, ended := make(chan struct{}), make(chan map[int]int, 4)
	for k := range 4 {
		go func() { ended <- persistent(p, l, fmt.Sprintf("p%d", k), stop) }()
	}
	await := func(n int) {
		t.Helper()
		deadline := time.Now().Add(60 * time.Second)
		for l.size() < n {
			if time.Now().After(deadline) {
				t.Fatalf("only %d of %d mails were taken\n%s", l.size(), n, p.Log())
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	await(50)
	for range 3 {
		storetest.Restart(t)
		await(l.size() + 50) // it came back by itself
	}
	close(stop)
	codes := map[int]int{}
	for range 4 {
		for c, n := range <-ended {
			codes[c] += n
		}
	}
	have := fetchAll(t, p)
	for id := range l.acked {
		if raw, ok := have[id]; !ok || !whole(raw) {
			t.Errorf("%s was acknowledged and is lost or not whole", id)
		}
	}
	for c := range codes {
		if c != 451 && c != 421 {
			t.Errorf("%d mails were answered with %d; a database that restarts is 451", codes[c], c)
		}
	}
	t.Logf("%d acknowledged, refused meanwhile: %v", len(l.acked), codes)
}

package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/dkim"
	"colporteur/dkim/keyring"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
)

func TestTwoNodesShareOneDatabase(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(db)
		a, b := w.ring(true), w.ring(true)
		both := func() {
			t.Helper()
			var wait sync.WaitGroup
			errs := make([]error, 2)
			for i, r := range []*keyring.Ring{a, b} {
				wait.Go(func() { errs[i] = r.Tick(t.Context()) })
			}
			wait.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
		}
		both()
		both()
		want(t, "at first", lives(t, a), "c2611e active, c2611r active")
		signs(t, a)
		want(t, "b signs", signs(t, b), "c2611r c2611e")
		w.sleep(166 * day)
		both()
		w.sleep(14 * day)
		want(t, "b signs with the old ones", signs(t, b), "c2611r c2611e")
		if err := a.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.sleep(61 * time.Second)
		want(t, "b knows within a minute", signs(t, b), "c2705r c2705e")
		both()
		want(t, "at the end", lives(t, b), "c2611e retired, c2611r retired, c2705e active, c2705r active")
	})
}

// slow is a DNS before whose first answer something else happens.
type slow struct {
	*world
	meanwhile func()
	once      sync.Once
}

func (s *slow) LookupTXT(ctx context.Context, name string) ([]string, error) {
	s.once.Do(s.meanwhile)
	return s.world.LookupTXT(ctx, name)
}

func TestANodeThatIsLateBringsNoOldKeyBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(db)
		a, b := w.ring(true), w.ring(false)
		if _, err := a.Ensure(t.Context(), "home.test"); err != nil {
			t.Fatal(err)
		}
		b.DNS = &slow{world: w, meanwhile: func() {
			tick(t, a)
			if _, err := a.Rotate(t.Context(), "home.test"); err != nil {
				t.Error(err)
			}
		}}
		tick(t, b)
		want(t, "lives", lives(t, a), "c2611be active, c2611br active, c2611e retired, c2611r retired")
	})
}

func TestTheWrongMasterKeyIsSaidClearly(t *testing.T) {
	t.Parallel()
	w := newWorld(storetest.SQLite(t))
	tick(t, w.ring(true))
	r := w.ring(true)
	r.Key = []byte("another-master-key-of-32-bytes!!")
	_, err := r.Signing(t.Context(), "home.test")
	if !errors.Is(err, keyring.ErrWrongKey) || !strings.Contains(err.Error(), "c2611r of home.test") {
		t.Errorf("got %v", err)
	}
	r.Key = nil
	if _, err := r.Signing(t.Context(), "home.test"); err == nil || !strings.Contains(err.Error(), "0 bytes, not 32") {
		t.Errorf("no key: got %v", err)
	}
	// A row moved elsewhere does not open there.
	if err := w.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE dkim_key SET domain = 'evil.test'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ring(true).Signing(t.Context(), "evil.test"); !errors.Is(err, keyring.ErrWrongKey) {
		t.Errorf("a key that was moved: got %v", err)
	}
}

func TestSigningAsksNobodyForEachMail(t *testing.T) {
	t.Parallel()
	w := newWorld(storetest.SQLite(t))
	r := w.ring(false)
	tick(t, r)
	w.asked = 0
	for range 100 {
		signs(t, r)
	}
	want(t, "looks for keys that are not published", fmt.Sprint(w.asked), "2")
	w.byHand(t, r, keyring.Made)
	w.sleep(31 * time.Second)
	want(t, "then", signs(t, r), "c2611r c2611e")
	asked := w.asked
	if err := w.db.Close(); err != nil { // nothing is read for a minute
		t.Fatal(err)
	}
	for range 100 {
		want(t, "signs", signs(t, r), "c2611r c2611e")
	}
	want(t, "looks", fmt.Sprint(w.asked-asked), "0")
	w.sleep(time.Hour)
	want(t, "the database is away", signs(t, r), "c2611r c2611e")
}

func TestADeathBetweenAnyTwoStepsIsMadeGood(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, publishes := range []bool{true, false} {
			deaths := 0
			stride := map[string]int{"sqlite": 1, "postgres": 3}[db.Engine()]
			for at := 1; ; at += stride {
				w := newWorld(db)
				domain := fmt.Sprintf("d%v%d.home.test", publishes, at)
				ring := func() *keyring.Ring {
					r := w.ring(publishes)
					r.Domains = func(context.Context) ([]string, error) { return []string{domain}, nil }
					return r
				}
				run := func(die bool) (died bool) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					n := 0
					w.mu.Lock()
					w.before = func() {
						if n++; die && n == at {
							died = true
							cancel()
						}
					}
					w.mu.Unlock()
					err := ring().Tick(ctx)
					if err != nil && !died {
						t.Fatal(err)
					}
					return died
				}
				// Days on which something happens, in the life of two pairs.
				died := false
				for _, d := range []int{0, 1, 165, 14, 15, 30} {
					w.sleep(time.Duration(d) * day)
					died = run(true) || died
					run(false)
					if !publishes { // a diligent person
						all, err := ring().List(t.Context(), domain)
						if err != nil {
							t.Fatal(err)
						}
						for _, e := range all {
							w.txt[e.Name()] = []string{e.Wanted()}
						}
						run(false)
					}
				}
				if !died {
					break
				}
				deaths++
				all, err := ring().List(t.Context(), domain)
				if err != nil {
					t.Fatal(err)
				}
				states := map[keyring.State]int{}
				for _, e := range all {
					states[e.State]++
				}
				if len(all) != 4 || states[keyring.Active] != 2 || states[keyring.Gone] != 2 {
					t.Errorf("publishes %v, death at step %d: got %v", publishes, at, states)
				}
				if len(w.letters) > 3 {
					t.Errorf("publishes %v, death at step %d: %d letters", publishes, at, len(w.letters))
				}
			}
			if deaths == 0 {
				t.Error("nobody died")
			}
		}
	})
}

func TestWhatIsSignedVerifies(t *testing.T) {
	t.Parallel()
	w := newWorld(storetest.SQLite(t))
	r := w.ring(true)
	tick(t, r)
	keys, err := r.Signing(t.Context(), "home.test")
	if err != nil || len(keys) != 2 {
		t.Fatalf("got %d keys, %v", len(keys), err)
	}
	message := "From: ann@home.test\r\nTo: bob@far.test\r\nSubject: hello\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\n\r\nBody\r\n"
	fields, err := dkim.Sign(t.Context(), keys, w.clock(), writerTo(message))
	if err != nil {
		t.Fatal(err)
	}
	v := &dkim.Verifier{DNS: w, Now: w.clock}
	signed := string(fields) + message
	header, _, _ := strings.Cut(signed, "\r\n\r\n")
	got := v.Begin(t.Context(), []byte(header+"\r\n\r\n"))
	got.Write([]byte(signed))
	results := got.Results()
	if len(results) != 2 {
		t.Fatalf("got %+v", results)
	}
	for _, res := range results {
		if res.Result != mail.Pass {
			t.Errorf("got %+v", res)
		}
	}
}

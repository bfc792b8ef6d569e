package keyring_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"colporteur/dkim/keyring"
	"colporteur/store"
	"colporteur/store/storetest"
)

func TestAYearOfAPairThatWePublishOurselves(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(db)
		r := w.ring(true)
		want(t, "before anything", signs(t, r), "")
		tick(t, r)
		want(t, "after one round", lives(t, r), "c2611e active, c2611r active")
		want(t, "signs", signs(t, r), "c2611r c2611e")
		days := map[int]string{}
		eventful := []int{165, 166, 179, 180, 194, 195, 224, 225, 346, 359, 360}
		for n := 1; n <= 365; n++ {
			w.sleep(day)
			if n%10 == 0 || slices.Contains(eventful, n) {
				tick(t, r)
			}
			days[n] = lives(t, r)
		}
		for n, expected := range map[int]string{
			165: "c2611e active, c2611r active",
			166: "c2611e active, c2611r active, c2705e published, c2705r published",
			179: "c2611e active, c2611r active, c2705e published, c2705r published",
			180: "c2611e retired, c2611r retired, c2705e active, c2705r active",
			194: "c2611e retired, c2611r retired, c2705e active, c2705r active",
			195: "c2611e revoked, c2611r revoked, c2705e active, c2705r active",
			224: "c2611e revoked, c2611r revoked, c2705e active, c2705r active",
			225: "c2611e gone, c2611r gone, c2705e active, c2705r active",
			360: "c2611e gone, c2611r gone, c2705e retired, c2705r retired, c2711e active, c2711r active",
		} {
			want(t, fmt.Sprintf("day %d", n), days[n], expected)
		}
		want(t, "signs after a year", signs(t, r), "c2711r c2711e")
		if len(w.letters) != 0 {
			t.Errorf("a person was told: %q", w.letters)
		}
		// What is in the DNS is what is wanted, and nothing else.
		for _, e := range list(t, r) {
			if got := strings.Join(w.txt[e.Name()], "|"); got != e.Wanted() {
				t.Errorf("%s (%s): got %q, want %q", e.Name(), e.State, got, e.Wanted())
			}
		}
	})
}

func TestOldKeysAreRevokedAndTheirSecretsDestroyed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(db)
		r := w.ring(true)
		tick(t, r)
		if _, err := r.Rotate(t.Context(), "home.test"); err != nil {
			t.Fatal(err)
		}
		want(t, "rotated", lives(t, r), "c2611be active, c2611br active, c2611e retired, c2611r retired")
		w.sleep(15 * day)
		tick(t, r)
		want(t, "in the DNS", w.txt["c2611r._domainkey.home.test"][0], "v=DKIM1; k=rsa; p=")
		var left int
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM dkim_key WHERE state = 'revoked' AND length(sealed) > 0`).Scan(&left)
		}); err != nil || left != 0 {
			t.Errorf("%d secrets of revoked keys are left, %v", left, err)
		}
	})
}

func TestAKeyWaitsForItsRecordAsLongAsItTakes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(db)
		r := w.ring(false)
		tick(t, r)
		want(t, "nothing published", signs(t, r), "")
		if len(w.letters) != 0 {
			t.Errorf("setup printed the records a moment ago, and already: %q", w.letters)
		}
		for range 3 {
			w.sleep(day)
			tick(t, r)
		}
		if len(w.letters) != 1 || !strings.Contains(w.letters[0], `c2611r._domainkey.home.test. IN TXT "v=DKIM1; k=rsa; p=MII`) || !strings.Contains(w.letters[0], `c2611e._domainkey`) {
			t.Fatalf("want one letter with both records, got %d: %q", len(w.letters), w.letters)
		}
		w.byHand(t, r, keyring.Made)
		want(t, "at the first mail after that", signs(t, r), "c2611r c2611e")
		w.letters = nil
		for range 400 { // nobody publishes the next pair
			w.sleep(day)
			tick(t, r)
		}
		want(t, "400 days on", lives(t, r), "c2611e active, c2611r active, c2705e made, c2705r made")
		want(t, "signs", signs(t, r), "c2611r c2611e")
		if len(w.letters) != 1 || !strings.Contains(w.letters[0], "c2705r._domainkey") {
			t.Errorf("want one letter, got %q", w.letters)
		}
		w.byHand(t, r, keyring.Made)
		tick(t, r)
		want(t, "published at last", lives(t, r), "c2611e retired, c2611r retired, c2705e active, c2705r active")
		w.letters = nil
		for range 60 { // nobody takes the old one away
			w.sleep(day)
			tick(t, r)
		}
		want(t, "later", lives(t, r), "c2611e gone, c2611r gone, c2705e active, c2705r active")
		if len(w.letters) != 1 || !strings.Contains(w.letters[0], `c2611r._domainkey.home.test. IN TXT "v=DKIM1; k=rsa; p="`) {
			t.Errorf("want one letter about old keys, got %q", w.letters)
		}
	})
}

func TestOneLineDoesNotWaitForTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(storetest.SQLite(t))
	r := w.ring(false)
	tick(t, r)
	w.view = func(s string) string { return s[:min(len(s), 255)] } // what some web forms keep of an RSA key
	w.byHand(t, r, keyring.Made)
	want(t, "with a cut RSA key", signs(t, r), "c2611e")
	w.view = nil
	w.sleep(31 * time.Second)
	want(t, "with a whole one", signs(t, r), "c2611r c2611e")
}

func TestADNSThatLiesActivatesNothing(t *testing.T) {
	t.Parallel()
	other := newWorld(storetest.SQLite(t))
	other.made = 3
	tick(t, other.ring(true))
	foreign := other.txt["c2611r._domainkey.home.test"][0]
	for name, view := range map[string]func(string) string{
		"another key":         func(string) string { return foreign },
		"revoked":             func(string) string { return "v=DKIM1; p=" },
		"cut":                 func(s string) string { return s[:len(s)-5] },
		"a typo":              func(s string) string { return strings.Replace(s, "v=DKIM1", "v=DKIM", 1) },
		"not for mail":        func(s string) string { return s + "; s=other" },
		"only for SHA-1":      func(s string) string { return s + "; h=sha1" },
		"quotes in the text":  func(s string) string { return `"` + s + `"` },
		"64 KB":               func(s string) string { return s + strings.Repeat("A", 64<<10) },
		"something else":      func(string) string { return "google-site-verification=x" },
		"bytes":               func(string) string { return "\x00\xff\x80p=" },
		"the other algorithm": func(s string) string { return strings.Replace(s, "k=rsa", "k=ed25519", 1) + "; k=rsa" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(storetest.SQLite(t))
			w.view = view
			r := w.ring(true)
			tick(t, r)
			w.sleep(time.Hour)
			tick(t, r)
			want(t, "lives", lives(t, r), "c2611e made, c2611r made")
			want(t, "signs", signs(t, r), "")
		})
	}
	t.Run("two keys", func(t *testing.T) {
		t.Parallel()
		w := newWorld(storetest.SQLite(t))
		r := w.ring(false)
		tick(t, r)
		w.byHand(t, r, keyring.Made)
		for name := range w.txt {
			w.txt[name] = append(w.txt[name], foreign)
		}
		tick(t, r)
		want(t, "lives", lives(t, r), "c2611e made, c2611r made")
	})
}

func TestARecordMayBeWrittenInAnotherWay(t *testing.T) {
	t.Parallel()
	w := newWorld(storetest.SQLite(t))
	w.view = func(s string) string {
		v, p, _ := strings.Cut(s, "p=")
		return "  " + strings.ReplaceAll(v, "; ", " ;\t") + "t=s; n=our key; p = " + p[:20] + " " + p[20:] + ";"
	}
	r := w.ring(true)
	tick(t, r)
	want(t, "lives", lives(t, r), "c2611e active, c2611r active")
}

func TestAVanishedRecordIsToldOnceAndTheKeySignsOn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(db)
		r := w.ring(false)
		tick(t, r)
		w.byHand(t, r, keyring.Made)
		tick(t, r)
		for round := range 2 {
			w.letters = nil
			delete(w.txt, "c2611r._domainkey.home.test")
			w.sleep(time.Hour)
			tick(t, r)
			if len(w.letters) != 0 {
				t.Errorf("round %d: one look was enough to cry: %q", round, w.letters)
			}
			for range 5 {
				w.sleep(time.Hour)
				tick(t, r)
			}
			want(t, "signs", signs(t, r), "c2611r c2611e")
			if len(w.letters) != 1 || !strings.Contains(w.letters[0], "c2611r._domainkey") || strings.Contains(w.letters[0], "c2611e") {
				t.Errorf("round %d: want one letter about one key, got %q", round, w.letters)
			}
			w.byHand(t, r, keyring.Active)
			w.sleep(time.Hour)
			tick(t, r)
			if all := list(t, r); !all[0].Trouble.IsZero() || !all[0].Told.IsZero() {
				t.Errorf("the trouble did not end: %+v", all[0])
			}
		}
	})
}

func TestWhatWePublishIsMendedByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(storetest.SQLite(t))
	r := w.ring(true)
	tick(t, r)
	w.txt["c2611r._domainkey.home.test"] = []string{"v=DKIM1; p="}
	w.sleep(time.Hour)
	tick(t, r)
	if got := w.txt["c2611r._domainkey.home.test"][0]; !strings.Contains(got, "p=MII") {
		t.Errorf("got %q", got)
	}
	if all := list(t, r); !all[0].Trouble.IsZero() || len(w.letters) != 0 {
		t.Errorf("trouble is left: %+v, letters %q", all[0], w.letters)
	}
}

func TestAPublisherThatFailsIsTriedAgainAndAPersonAskedAfterADay(t *testing.T) {
	t.Parallel()
	w := newWorld(storetest.SQLite(t))
	w.refuse = errors.New("REFUSED")
	r := w.ring(true)
	for range 23 {
		tick(t, r)
		w.sleep(time.Hour)
	}
	want(t, "no letter yet", fmt.Sprint(len(w.letters)), "0")
	for range 5 {
		w.sleep(time.Hour)
		tick(t, r)
	}
	want(t, "letters", fmt.Sprint(len(w.letters)), "1")
	w.refuse = nil
	tick(t, r)
	want(t, "lives", lives(t, r), "c2611e active, c2611r active")
}

func TestASilentDNSMovesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(storetest.SQLite(t))
	r := w.ring(true)
	tick(t, r)
	before := lives(t, r)
	w.dead = true
	for range 200 {
		w.sleep(day)
		tick(t, r)
	}
	want(t, "signs", signs(t, r), "c2611r c2611e")
	if before+", c2705e made, c2705r made" != lives(t, r) {
		t.Errorf("got %s", lives(t, r))
	}
	for _, l := range w.letters {
		if strings.Contains(l, "no longer in the DNS") {
			t.Errorf("silence was taken for a loss: %q", l)
		}
	}
}

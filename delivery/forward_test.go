package delivery

import (
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
)

func TestABounceOfForwardedMailFindsItsWayBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		d := &Door{DB: db, Directory: town{}, ReturnKey: []byte("a key"), Now: func() time.Time { return now }}
		back := func(a string) string {
			to, err := d.wayBack(t.Context(), mail.MustAddress(a))
			if err != nil {
				return err.Error()
			}
			return to.String()
		}
		for _, from := range []string{
			"bob@else.test", "Bob.Mixed+tag@else.test", "a=b@else.test",
			"SRS0=abcd=xy=first.test=ann@else.test", "SRS1=abcd=first.test==hash=xy=third.test=ann@else.test",
			"bounce-mc.us1_12345.67890-ann=home.test-and-more-0123456789@mail123.bulk.test", `"quoted local"@else.test`,
		} {
			path, err := d.returnPath(t.Context(), mail.MustAddress(from), "home.test")
			if err != nil {
				t.Fatalf("%s: %v", from, err)
			}
			if len(path.Local) > 64 || path.Domain != "home.test" {
				t.Errorf("%s: return path %s", from, path)
			}
			want := from
			switch {
			case strings.HasPrefix(from, "SRS0"): // back past the host between
				want = from
			case strings.HasPrefix(from, "SRS1"):
				want = "SRS0=hash=xy=third.test=ann@first.test"
			}
			if got := back(path.String()); got != want {
				t.Errorf("%s: by %s back to %s, want %s", from, path, got, want)
			}
			if got := back(strings.ToLower(path.String())); !strings.EqualFold(got, want) {
				t.Errorf("%s: a host that writes small letters leads to %s", from, got)
			}
			// One changed character leads nowhere.
			forged := []byte(path.String())
			forged[6]++
			if a, err := mail.ParseAddress(string(forged)); err == nil {
				if to, err := d.wayBack(t.Context(), a); err == nil {
					t.Errorf("%s: forged %s leads to %s", from, a, to)
				}
			}
		}
		short, _ := d.returnPath(t.Context(), mail.MustAddress("bob@else.test"), "home.test")
		long, _ := d.returnPath(t.Context(), mail.MustAddress(strings.Repeat("x", 60)+"@else.test"), "home.test")
		now = now.Add(srsLife + 49*time.Hour)
		for _, a := range []mail.Address{short, long} {
			if to, err := d.wayBack(t.Context(), a); err == nil {
				t.Errorf("after %v %s still leads to %s", srsLife, a, to)
			}
		}
	})
}

func TestOnlyABounceComesBackByAReturnPath(t *testing.T) {
	t.Parallel()
	d := &Door{Directory: town{}, ReturnKey: []byte("a key")}
	path, err := d.returnPath(t.Context(), mail.MustAddress("bob@else.test"), "home.test")
	if err != nil {
		t.Fatal(err)
	}
	dest, err := d.resolve(t.Context(), &mail.Envelope{}, path)
	if err != nil || len(dest) != 1 || dest[0].Addr.String() != "bob@else.test" {
		t.Errorf("a bounce: got %v, %v", dest, err)
	}
	if dest, err := d.resolve(t.Context(), &mail.Envelope{From: mail.MustAddress("spam@far.test")}, path); err == nil {
		t.Errorf("a stranger's mail goes to %v", dest)
	}
}

package secure_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"colporteur/smtp/relay/secure"
	"colporteur/store"
	"colporteur/store/storetest"
)

const enforce = "version: STSv1\r\nmode: enforce\r\nmx: mx.far.test\r\nmax_age: 604800\r\n"

func failure(err error) string {
	var f *secure.Failure
	if errors.As(err, &f) {
		return f.Type
	}
	if err != nil {
		return "? " + err.Error()
	}
	return ""
}

func TestAnEnforcedPolicyWantsItsHostsAndTheirCertificates(t *testing.T) {
	t.Parallel()
	n := policies(t, storetest.SQLite(t))
	n.publish("1", enforce)
	h := n.host(t, "MX.far.test.")
	if h.Kind != secure.STS || !h.Require || h.Testing || h.Forbidden || h.ServerName != "mx.far.test" || len(h.Policy) != 4 || h.MX[0] != "mx.far.test" {
		t.Fatalf("got %+v", h)
	}
	later := start.AddDate(1, 0, 0)
	for _, c := range []struct {
		name, want string
		cert       tls.Certificate
	}{
		{"good", "", n.ca.issue(later, "mx.far.test")},
		{"a star", "", n.ca.issue(later, "*.far.test")},
		{"another's", secure.CertHostMismatch, n.ca.issue(later, "far.test")},
		{"expired", secure.CertExpired, n.ca.issue(start.Add(-time.Hour), "mx.far.test")},
		{"of an authority of its own", secure.CertNotTrusted, newAuthority(t).issue(later, "mx.far.test")},
	} {
		if got := failure(shake(t, h, c.cert)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if h := n.host(t, "mx.evil.test"); !h.Forbidden || !h.Require || h.Kind != secure.STS {
		t.Errorf("a host that the policy does not name: %+v", h)
	}
	if n.fetched() != 1 || n.noted() != "" {
		t.Errorf("fetched %d times", n.fetched())
	}
}

func TestAPolicyThatIsTriedOutOnlyReports(t *testing.T) {
	t.Parallel()
	n := policies(t, storetest.SQLite(t))
	n.publish("1", strings.Replace(enforce, "enforce", "testing", 1))
	h := n.host(t, "mx.far.test")
	if h.Kind != secure.STS || !h.Testing || h.Require || h.Forbidden {
		t.Fatalf("got %+v", h)
	}
	later := start.AddDate(1, 0, 0)
	if got := failure(shake(t, h, n.ca.issue(later, "far.test"))); got != secure.CertHostMismatch {
		t.Errorf("got %q", got)
	}
	if h = n.host(t, "mx.evil.test"); h.Forbidden || failure(shake(t, h, n.ca.issue(later, "mx.evil.test"))) != secure.ValidationFailure {
		t.Errorf("a host that the policy does not name: %+v", h)
	}
}

func TestModeNoneAndNoRecordAreNoPolicy(t *testing.T) {
	t.Parallel()
	n := policies(t, storetest.SQLite(t))
	for _, txt := range []string{"", "v=STSv1; id=a b", "v=STSv1", "v=STSv2; id=1", "id=1; v=STSv1", "v=STSv1; id=" + strings.Repeat("1", 33), strings.Repeat("v=STSv1;", 8000)} {
		n.Remove("_mta-sts.far.test", 0)
		if txt != "" {
			n.TXT("_mta-sts.far.test", txt)
		}
		if h := n.host(t, "mx.far.test"); h.Kind != secure.NoPolicy || h.Require || h.Verify != nil {
			t.Errorf("%.40q: got %+v", txt, h)
		}
		n.move(2 * time.Minute) // the DNS remembers what there is not
	}
	n.publish("1", enforce)
	n.Add(`_mta-sts.far.test. TXT "v=STSv1; id=2"`)
	if h := n.host(t, "mx.far.test"); h.Kind != secure.NoPolicy || n.fetched() != 0 {
		t.Errorf("two records: got %+v", h)
	}
	n.move(time.Hour)
	n.publish("3", "version: STSv1\nmode: none\nmax_age: 60\n")
	n.Add(`_mta-sts.far.test. TXT "something else"`) // is not counted
	if h := n.host(t, "mx.far.test"); h.Kind != secure.NoPolicy || h.Require || n.fetched() != 1 {
		t.Errorf("mode none: got %+v after %d fetches", h, n.fetched())
	}
}

func TestABadSiteGivesNoPolicyAndIsReported(t *testing.T) {
	t.Parallel()
	text := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, body)
		}
	}
	for _, c := range []struct {
		name, want string
		prepare    func(t *testing.T, n *network)
	}{
		{"a redirect", secure.STSPolicyFetchError, func(t *testing.T, n *network) {
			n.serve(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("Location", "https://mta-sts.far.test/elsewhere")
				w.WriteHeader(http.StatusFound)
				io.WriteString(w, enforce)
			})
		}},
		{"a megabyte", secure.STSPolicyFetchError, func(t *testing.T, n *network) {
			n.serve(text("text/plain", enforce+strings.Repeat("x: y\n", 200_000)))
		}},
		{"a page", secure.STSPolicyFetchError, func(t *testing.T, n *network) { n.serve(text("text/html", enforce)) }},
		{"no type", secure.STSPolicyFetchError, func(t *testing.T, n *network) {
			n.serve(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = nil
				io.WriteString(w, enforce)
			})
		}},
		{"not found", secure.STSPolicyFetchError, func(t *testing.T, n *network) {
			n.serve(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); io.WriteString(w, enforce) })
		}},
		{"nonsense", secure.STSPolicyInvalid, func(t *testing.T, n *network) { n.serve(text("text/plain", "mode: yes")) }},
		{"another's certificate", secure.STSWebPKIInvalid, func(t *testing.T, n *network) {
			n.present(n.ca.issue(start.AddDate(1, 0, 0), "far.test"))
		}},
		{"an expired certificate", secure.STSWebPKIInvalid, func(t *testing.T, n *network) {
			n.present(n.ca.issue(start.Add(-time.Hour), "mta-sts.far.test"))
		}},
		{"a certificate of its own making", secure.STSWebPKIInvalid, func(t *testing.T, n *network) {
			n.present(newAuthority(t).issue(start.AddDate(1, 0, 0), "mta-sts.far.test"))
		}},
		{"no address", secure.STSPolicyFetchError, func(t *testing.T, n *network) { n.Remove("mta-sts.far.test", 0) }},
		{"nobody listens", secure.STSPolicyFetchError, func(t *testing.T, n *network) { n.finder.HTTPS = 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := policies(t, storetest.SQLite(t))
			n.publish("1", enforce)
			c.prepare(t, n)
			if h := n.host(t, "mx.far.test"); h.Kind != secure.NoPolicy || h.Require {
				t.Errorf("got %+v", h)
			}
			if n.fetched() > 1 {
				t.Errorf("asked %d times", n.fetched())
			}
			if got := n.noted(); got != "far.test sts "+c.want {
				t.Errorf("noted %q", got)
			}
		})
	}
}

// A site in our own neighbourhood must not be asked at all, by whatever name.
func TestAPolicyIsNotFetchedFromTheNeighbourhood(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, records string }{
		{"loopback", "mta-sts.far.test. A 127.0.0.1"},
		{"metadata", "mta-sts.far.test. A 169.254.169.254"},
		{"an alias", "mta-sts.far.test. CNAME inside.test.|inside.test. A 127.0.0.1"},
		{"IPv6", "mta-sts.far.test. AAAA ::1"},
		{"an address in an address", "mta-sts.far.test. AAAA 64:ff9b::7f00:1"},
		{"both", "mta-sts.far.test. AAAA fd00::1|mta-sts.far.test. A 10.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := policies(t, storetest.SQLite(t))
			n.finder.AllowPrivate = false
			n.publish("1", enforce)
			n.Remove("mta-sts.far.test", 0)
			n.Add(strings.Split(c.records, "|")...)
			if h := n.host(t, "mx.far.test"); h.Kind != secure.NoPolicy || n.fetched() != 0 {
				t.Errorf("got %+v, fetched %d times", h, n.fetched())
			}
			if got := n.noted(); got != "far.test sts "+secure.STSPolicyFetchError {
				t.Errorf("noted %q", got)
			}
		})
	}
}

func TestAPolicyLastsAsLongAsItSays(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		n := policies(t, db)
		n.publish("1", enforce)
		kind := func(want string, fetched int) {
			t.Helper()
			if h := n.host(t, "mx.far.test"); h.Kind != want || n.fetched() != fetched {
				t.Fatalf("got %s after %d fetches, want %s after %d", h.Kind, n.fetched(), want, fetched)
			}
		}
		kind(secure.STS, 1)
		n.move(23 * time.Hour)
		kind(secure.STS, 1)
		n.move(2 * time.Hour)
		kind(secure.STS, 2) // a day is over
		n.publish("2", strings.Replace(enforce, "mx: mx", "mx: other", 1))
		if n.host(t, "mx.far.test").Forbidden {
			t.Error("fetched twice in a minute")
		}
		n.move(2 * time.Minute)
		if !n.host(t, "mx.far.test").Forbidden || n.fetched() != 3 {
			t.Error("a new id was not noticed")
		}
		// Whatever an attacker keeps from us, the policy stays.
		n.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
		n.move(48 * time.Hour)
		kind(secure.STS, 4)
		kind(secure.STS, 4) // a fetch that failed is not tried again at once
		n.Remove("_mta-sts.far.test", 0)
		n.move(time.Hour)
		kind(secure.STS, 4)
		n.Break("_mta-sts.far.test")
		kind(secure.STS, 4)
		n.finder = &secure.Finder{DNS: n.finder.DNS, DB: db, HTTPS: n.finder.HTTPS, AllowPrivate: true, Roots: n.finder.Roots, Now: n.Now}
		kind(secure.STS, 4) // nor does a restart forget it
		n.move(5*24*time.Hour + time.Hour)
		kind(secure.NoPolicy, 4)
	})
}

func TestAFailingSiteIsLeftAlone(t *testing.T) {
	t.Parallel()
	n := policies(t, storetest.SQLite(t))
	n.publish("1", enforce)
	n.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	for i := range 20 {
		n.Remove("_mta-sts.far.test", mdns.TypeTXT)
		n.TXT("_mta-sts.far.test", fmt.Sprint("v=STSv1; id=", i))
		n.host(t, "mx.far.test")
		n.move(time.Second)
	}
	if n.fetched() != 1 {
		t.Errorf("asked %d times within a minute", n.fetched())
	}
	n.publish("1", enforce)
	n.move(6 * time.Minute)
	if h := n.host(t, "mx.far.test"); h.Kind != secure.STS {
		t.Errorf("mended: got %+v", h)
	}
}

func TestOneFetchServesAllWhoWait(t *testing.T) {
	t.Parallel()
	n := policies(t, storetest.SQLite(t))
	n.publish("1", enforce)
	const crowd = 30
	n.serve(func(w http.ResponseWriter, r *http.Request) {
		// All have looked at the record by then, and most wait for this answer.
		for tick := time.NewTicker(time.Millisecond); n.Asked("_mta-sts.far.test") < crowd && r.Context().Err() == nil; <-tick.C {
		}
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, enforce)
	})
	var all sync.WaitGroup
	for range crowd {
		all.Go(func() {
			h, err := n.finder.Domain(t.Context(), "far.test").Host(t.Context(), "mx.far.test", false)
			if err != nil || h.Kind != secure.STS {
				t.Errorf("got %+v, %v", h, err)
			}
		})
	}
	all.Wait()
	if n.fetched() != 1 {
		t.Errorf("fetched %d times", n.fetched())
	}
}

// Whoever fetches may leave; those who wait for the same do not suffer.
func TestWhoLeavesTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	n := policies(t, storetest.SQLite(t))
	n.publish("1", enforce)
	waiting := make(chan struct{})
	var first sync.Once
	n.serve(func(w http.ResponseWriter, r *http.Request) {
		hang := false
		first.Do(func() { hang = true })
		if hang {
			close(waiting)
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, enforce)
	})
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := n.finder.Domain(ctx, "far.test").Host(ctx, "mx.far.test", false); err == nil {
			t.Error("who left got an answer")
		}
	})
	<-waiting
	all.Go(func() {
		h, err := n.finder.Domain(t.Context(), "far.test").Host(t.Context(), "mx.far.test", false)
		if err != nil || h.Kind != secure.STS {
			t.Errorf("got %+v, %v", h, err)
		}
	})
	leave()
	all.Wait()
	if got := n.noted(); got != "" {
		t.Errorf("noted %q", got)
	}
}

func TestPoliciesAreRefreshedBeforeTheyEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		n := policies(t, db)
		n.publish("1", enforce)
		n.host(t, "mx.far.test")
		for range 10 { // ten days without mail, of a policy for seven
			n.move(25 * time.Hour)
			if err := n.finder.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n.fetched() != 11 {
			t.Errorf("fetched %d times", n.fetched())
		}
		n.Remove("_mta-sts.far.test", 0)
		if h := n.host(t, "mx.far.test"); h.Kind != secure.STS {
			t.Errorf("got %+v", h)
		}
	})
}

func TestWithoutItsDatabaseNothingIsGuessed(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	n := policies(t, db)
	n.publish("1", enforce)
	db.Close()
	h, err := n.finder.Domain(t.Context(), "far.test").Host(t.Context(), "mx.far.test", false)
	if err == nil || h.Kind != secure.STS {
		t.Errorf("got %+v, %v", h, err)
	}
}

package accounts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

func TestAddressesLeadWhereTheyShould(t *testing.T) {
	each(t, func(h *house) {
		h.Programs = func(local string) (string, bool) {
			word, _, _ := strings.Cut(local, "+")
			return word, word == "envoi" || word == "album"
		}
		h.clock.pass(time.Second) // which domain is the first is a matter of time
		h.must(h.AddDomain(h.Context(), "far.home.test"))
		h.member("ann@home.test")
		h.member("bob@home.test")
		h.member("album@far.home.test")
		h.must(h.alias("contact@home.test", "ann@home.test", "carol@else.test"))
		h.must(h.alias("bureau@home.test", "contact@home.test", "bob@home.test", "ann@home.test"))
		h.must(h.alias("photos@home.test", "album+fete@home.test"))
		for address, want := range map[string]string{
			"ann@home.test":            "ann@home.test",
			"Ann@HOME.test":            "ann@home.test",
			"ａｎｎ@home.test":            "ann@home.test",
			"ann+Lists.x@home.test":    "ann@home.test (Lists.x)",
			"ann+@home.test":           "ann@home.test",
			"+ann@home.test":           "nobody",
			"dave@home.test":           "nobody",
			"\"ann \"@home.test":       "nobody",
			"contact@home.test":        "ann@home.test, relay:carol@else.test",
			"contact+x@home.test":      "ann@home.test (x), relay:carol@else.test",
			"bureau@home.test":         "ann@home.test, bob@home.test, relay:carol@else.test",
			"carol@else.test":          "relay:carol@else.test",
			"envoi@home.test":          "envoi:envoi@home.test",
			"Envoi+7j@home.test":       "envoi:Envoi+7j@home.test",
			"album+Lac@home.test":      "album:album+Lac@home.test",
			"album+Lac@far.home.test":  "album@far.home.test (Lac)", // the member was there first
			"photos@home.test":         "album:album+fete@home.test",
			"envoi@mail.home.test":     "nobody", // the host's own name has roles only
			"ann@mail.home.test":       "nobody",
			"abuse@mail.home.test":     "ann@home.test",
			"postmaster@far.home.test": "album@far.home.test",
			"PostMaster":               "ann@home.test",
		} {
			h.want(address, want)
			h.want(address, want) // and again, out of memory
		}
	})
}

func TestPostmasterAndAbuseAlwaysReachSomebody(t *testing.T) {
	each(t, func(h *house) {
		_, err := h.Resolve(h.Context(), mail.MustAddress("postmaster@home.test"))
		h.fails(err, mail.Unavailable) // nobody yet: the sender keeps it
		h.must(h.AddDomain(h.Context(), "third.test"))
		h.must(h.alias("postmaster@third.test", "later@third.test")) // named before they exist
		ann := h.member("ann@home.test")
		bob := h.member("bob@home.test")
		h.want("abuse@home.test", "ann@home.test")
		h.want("postmaster+x@home.test", "ann@home.test")
		h.want("postmaster@third.test", "ann@home.test")
		h.member("later@third.test")
		h.want("postmaster@third.test", "later@third.test")
		h.must(h.Suspend(h.Context(), ann.ID))
		h.want("abuse@home.test", "bob@home.test")
		h.fails(h.MaySend(h.Context(), bob.ID, mail.MustAddress("postmaster@home.test")), mail.NotYours)
		h.must(h.alias("postmaster@home.test", "chief@else.test"))
		h.want("abuse@home.test", "relay:chief@else.test")
		h.want("Postmaster", "relay:chief@else.test")
		h.must(h.AddDomain(h.Context(), "other.test"))
		h.want("abuse@other.test", "relay:chief@else.test")
		h.must(h.alias("abuse@home.test", "bob@home.test"))
		h.want("abuse@home.test", "bob@home.test")
		h.must(h.MaySend(h.Context(), bob.ID, mail.MustAddress("abuse@home.test")))
	})
}

func TestAliasesNeverLoopNorSpread(t *testing.T) {
	each(t, func(h *house) {
		h.member("ann@home.test")
		h.must(h.alias("a@home.test", "ann@home.test"))
		h.must(h.alias("b@home.test", "a@home.test"))
		h.fails(h.alias("a@home.test", "b@home.test"), mail.Loop)
		h.fails(h.alias("a@home.test", "a@home.test"), mail.Loop)
		h.fails(h.alias("c@home.test", "nobody@home.test"), mail.NoSuchUser)
		h.fails(h.alias("ann@home.test", "x@else.test"), mail.Conflict)
		h.fails(h.alias("x@else.test", "ann@home.test"), mail.NotFound)
		h.want("a@home.test", "ann@home.test") // what was refused never was

		var many []string
		for i := range maxTargets + 1 {
			many = append(many, fmt.Sprintf("p%d@else.test", i))
		}
		h.must(h.alias("many@home.test", many[:maxTargets]...))
		h.fails(h.alias("many@home.test", many...), mail.TooMany)
		h.fails(h.alias("more@home.test", "many@home.test", "ann@home.test"), mail.TooMany)
		dest, err := h.Resolve(h.Context(), mail.MustAddress("many@home.test"))
		if err != nil || len(dest) != maxTargets {
			h.Errorf("got %d destinations, %v, want %d", len(dest), err, maxTargets)
		}

		// A loop in the table all the same, as a restore could bring one.
		h.must(h.change(h.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(h.Context(), `INSERT INTO alias (key, target) VALUES ($1, $2), ($2, $1)`, "x@home.test", "y@home.test")
			return err
		}))
		h.want("x@home.test", "nobody")
	})
}

func TestOneSuspendedTargetDoesNotStopTheOthers(t *testing.T) {
	each(t, func(h *house) {
		ann, bob := h.member("ann@home.test"), h.member("bob@home.test")
		h.must(h.alias("both@home.test", "ann@home.test", "bob@home.test"))
		h.must(h.Suspend(h.Context(), ann.ID))
		h.want("ann@home.test", "suspended")
		h.want("both@home.test", "bob@home.test")
		h.must(h.Suspend(h.Context(), bob.ID))
		h.want("both@home.test", "suspended")
		h.must(h.Resume(h.Context(), ann.ID))
		h.want("both@home.test", "ann@home.test")
	})
}

func TestMembersSendOnlyAsThemselves(t *testing.T) {
	each(t, func(h *house) {
		ann, bob := h.member("ann@home.test"), h.member("bob@home.test")
		h.must(h.alias("tresorier@home.test", "ann@home.test"))
		h.must(h.alias("bureau@home.test", "ann@home.test", "bob@home.test"))
		h.must(h.alias("dehors@home.test", "ann@else.test"))
		for address, want := range map[string]bool{
			"ann@home.test": true, "ANN@home.test": true, "ann+x@home.test": true,
			"tresorier@home.test": true, "tresorier+x@home.test": true,
			"bob@home.test": false, "bureau@home.test": false, "dehors@home.test": false,
			"ann@else.test": false, "nobody@home.test": false, "envoi@home.test": false,
		} {
			err := h.MaySend(h.Context(), ann.ID, mail.MustAddress(address))
			if (err == nil) != want {
				h.Errorf("ann as %s: got %v, want %v", address, err, want)
			} else if !want {
				h.fails(err, mail.NotYours)
			}
		}
		h.fails(h.MaySend(h.Context(), bob.ID, mail.MustAddress("tresorier@home.test")), mail.NotYours)
		h.fails(h.MaySend(h.Context(), bob.ID, mail.Address{}), mail.NotYours)
		h.fails(h.MaySend(h.Context(), 12345, ann.Address), mail.NotFound)
		h.must(h.Suspend(h.Context(), ann.ID))
		h.fails(h.MaySend(h.Context(), ann.ID, ann.Address), mail.Suspended)
	})
}

func TestChangesAreFeltAtOnce(t *testing.T) {
	each(t, func(h *house) {
		h.want("ann@home.test", "nobody")
		ann := h.member("ann@home.test")
		h.want("ann@home.test", "ann@home.test")
		h.want("x@new.test", "relay:x@new.test")
		h.must(h.AddDomain(h.Context(), "new.test"))
		h.want("x@new.test", "nobody")
		h.must(h.alias("x@new.test", "ann@home.test"))
		h.want("x@new.test", "ann@home.test")
		quota, en := int64(7), "en"
		_, err := h.Update(h.Context(), ann.ID, Update{Quota: &quota, Lang: &en})
		h.must(err)
		dest, err := h.Resolve(h.Context(), ann.Address)
		if err != nil || dest[0].Quota != 7 || dest[0].Lang != "en" {
			h.Errorf("got %+v, %v, want the new quota and language", dest, err)
		}
		h.must(h.RemoveAlias(h.Context(), mail.MustAddress("x@new.test")))
		h.want("x@new.test", "nobody")
		h.fails(h.RemoveAlias(h.Context(), mail.MustAddress("x@new.test")), mail.NotFound)
	})
}

func TestAnotherNodesChangeIsFeltWithinSeconds(t *testing.T) {
	t.Parallel()
	each := func(h *house) {
		ann := h.member("ann@home.test")
		other := &Service{DB: h.DB, Now: h.clock.now}
		h.want("ann@home.test", "ann@home.test")
		h.must(other.Suspend(h.Context(), ann.ID))
		h.clock.pass(elsewhere)
		h.want("ann@home.test", "suspended")
	}
	// Only PostgreSQL has other nodes: a second server on a SQLite file does not start.
	eachPostgres(t, each)
}

func TestAnAnswerFromBeforeAChangeIsNotKept(t *testing.T) {
	t.Parallel()
	var c cache
	_, generation := c.getDomains(nil)
	c.clear() // a change commits while the query runs
	a := mail.MustAddress("ann@home.test")
	c.put(a, answer{}, generation)
	c.putDomains([]string{"old.test"}, h0, generation)
	if _, ok := c.get(a, always); ok {
		t.Error("the old answer was kept")
	}
	if d, _ := c.getDomains(always); d != nil {
		t.Errorf("the old domains were kept: %v", d)
	}
}

func TestTheMemoryOfTheDirectoryIsBounded(t *testing.T) {
	t.Parallel()
	var c cache
	for i := range cacheSize + cacheSize/2 {
		c.put(mail.Address{Local: fmt.Sprint(i), Domain: "home.test"}, answer{}, 0)
	}
	if len(c.answers) > cacheSize {
		t.Errorf("%d answers are kept, want at most %d", len(c.answers), cacheSize)
	}
}

func TestAnAbsentDatabaseIsNotNobody(t *testing.T) {
	t.Parallel()
	h := openSQLite(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Resolve(ctx, mail.MustAddress("ann@home.test"))
	var known *mail.Error
	if err != nil && (!errors.As(err, &known) || !known.Kind.Temporary()) {
		t.Errorf("got %v, want a failure that passes", err)
	}
	if err == nil {
		t.Error("a cancelled query found somebody")
	}
}

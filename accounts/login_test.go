package accounts

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/mail"
)

const secret = "correct horse"

func (h *house) secretMember(address string) Member {
	h.Helper()
	m, err := h.AddMember(h.Context(), NewMember{Address: mail.MustAddress(address), Password: secret})
	h.must(err)
	return m
}

func (h *house) login(name, password, ip string) error {
	_, err := h.Login(h.Context(), name, password, from(ip))
	return err
}

func TestLoginKnowsItsPeople(t *testing.T) {
	each(t, func(h *house) {
		ann := h.secretMember("ann@home.test")
		h.member("nopassword@home.test")
		u, err := h.Login(h.Context(), " ANN@home.test ", secret, from("192.0.2.1"))
		want := ann.User()
		want.Credential = u.Credential
		if err != nil || u != want || u.Credential == "" {
			h.Errorf("got %+v, %v, want %+v", u, err, want)
		}
		h.must(h.login("ann", secret, "192.0.2.1")) // one domain: the name is enough
		for _, c := range [][2]string{
			{"ann@home.test", "wrong horse"}, {"ann@home.test", ""}, {"ann@home.test", secret + "\x00"},
			{"nobody@home.test", secret}, {"nopassword@home.test", ""}, {"nopassword@home.test", secret},
			{"", secret}, {strings.Repeat("a", 500), secret}, {"ann@home.test\x00\xff", secret},
			{"ann@home.test", strings.Repeat("x", maxPassword+1)},
		} {
			h.fails(h.login(c[0], c[1], "192.0.2.2"), mail.AuthFailed)
		}
		h.must(h.AddDomain(h.Context(), "second.test"))
		h.fails(h.login("ann", secret, "192.0.2.1"), mail.AuthFailed)
	})
}

func TestThePasswordIsTheSameOnEveryKeyboard(t *testing.T) {
	t.Parallel()
	h := openSQLite(t)
	_, err := h.AddMember(t.Context(), NewMember{Address: mail.MustAddress("zoe@home.test"), Password: "caf\u00e9 cr\u00e8me"})
	h.must(err)
	h.must(h.login("zoe@home.test", "cafe\u0301 cre\u0300me", "192.0.2.1"))
}

func TestSuspensionAndNewPasswordsAreFeltByTheNextLogin(t *testing.T) {
	each(t, func(h *house) {
		ann := h.secretMember("ann@home.test")
		var cut []mail.UserID
		h.Changed = func(u mail.UserID) { cut = append(cut, u) }
		h.must(h.login("ann@home.test", secret, "192.0.2.1"))
		h.must(h.Suspend(h.Context(), ann.ID))
		h.must(h.Suspend(h.Context(), ann.ID))
		h.fails(h.login("ann@home.test", secret, "192.0.2.1"), mail.Suspended)
		h.fails(h.login("ann@home.test", "wrong horse", "192.0.2.1"), mail.AuthFailed)
		h.must(h.Resume(h.Context(), ann.ID))
		h.must(h.login("ann@home.test", secret, "192.0.2.1"))
		h.must(h.SetPassword(h.Context(), ann.ID, "another horse"))
		h.fails(h.login("ann@home.test", secret, "192.0.2.1"), mail.AuthFailed)
		h.must(h.login("ann@home.test", "another horse", "192.0.2.1"))
		h.must(h.Remove(h.Context(), ann.ID))
		h.fails(h.login("ann@home.test", "another horse", "192.0.2.1"), mail.AuthFailed)
		if len(cut) != 3 {
			h.Errorf("sessions were cut %d times, want at suspension, new password and removal", len(cut))
		}
	})
}

func TestPasswordsMustBeOfUse(t *testing.T) {
	t.Parallel()
	h := openSQLite(t)
	ann := h.member("ann@home.test")
	h.fails(h.SetPassword(t.Context(), ann.ID, "sept ch"), mail.BadContent)
	h.fails(h.SetPassword(t.Context(), ann.ID, strings.Repeat("x", 1<<20)), mail.BadContent)
	h.must(h.SetPassword(t.Context(), ann.ID, "huit car"))
}

func TestGuessesFromOneAddressAreThrottled(t *testing.T) {
	t.Parallel()
	h := openSQLite(t)
	h.secretMember("ann@home.test")
	h.secretMember("bob@home.test")
	h.must(h.login("ann@home.test", secret, "192.0.2.1"))
	hashed := 0
	for i := range 300 {
		err := h.login(fmt.Sprintf("user%d@home.test", i), "wrong horse", "192.0.2.66")
		if mail.Is(err, mail.AuthFailed) {
			hashed++
		} else if !mail.Is(err, mail.RateLimited) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if hashed != int(networkPace.burst) {
		t.Errorf("%d of 300 guesses were tried, want %v", hashed, networkPace.burst)
	}
	h.fails(h.login("bob@home.test", secret, "192.0.2.66"), mail.RateLimited)
	h.must(h.login("bob@home.test", secret, "192.0.2.67"))
	h.must(h.login("ann@home.test", secret, "192.0.2.1"))
	h.clock.pass(networkPace.forgive)
	h.must(h.login("bob@home.test", secret, "192.0.2.66"))
	// One /64 is one attacker.
	for i := range 30 {
		h.login("ann@home.test", "wrong horse", fmt.Sprintf("2001:db8::%x", i+1))
	}
	h.fails(h.login("bob@home.test", secret, "2001:db8::ffff"), mail.RateLimited)
	h.must(h.login("bob@home.test", secret, "2001:db8:0:1::1"))
}

func TestGuessesFromEverywhereDoNotLockTheMemberOut(t *testing.T) {
	each(t, func(h *house) {
		h.secretMember("ann@home.test")
		h.must(h.login("ann@home.test", secret, "192.0.2.1"))
		tried := 0
		for i := range 250 {
			err := h.login("ann@home.test", fmt.Sprint("guess number ", i), fmt.Sprintf("198.51.100.%d", i))
			if mail.Is(err, mail.AuthFailed) {
				tried++
			}
		}
		if tried > int(namePace.burst) {
			h.Errorf("%d guesses from 250 addresses were tried, want at most %v", tried, namePace.burst)
		}
		// Not even with the right password from where the member never was.
		h.fails(h.login("ann@home.test", secret, "203.0.113.5"), mail.RateLimited)
		h.must(h.login("ann@home.test", secret, "192.0.2.1"))
		// Nor after a restart, which forgets what was in memory.
		h.Service = &Service{DB: h.DB, Now: h.clock.now}
		for i := range 40 {
			h.login("ann@home.test", fmt.Sprint("guess number ", i), fmt.Sprintf("198.51.100.%d", i))
		}
		h.fails(h.login("ann@home.test", secret, "203.0.113.5"), mail.RateLimited)
		h.must(h.login("ann@home.test", secret, "192.0.2.1"))
		// Somebody on the member's own network is throttled by himself.
		for range int(pairPace.burst) {
			h.login("ann@home.test", "wrong horse", "192.0.2.1")
		}
		h.fails(h.login("ann@home.test", secret, "192.0.2.1"), mail.RateLimited)
	})
}

func TestTheMemoryOfRightPasswordsAnswersNoGuesses(t *testing.T) {
	t.Parallel()
	h := openSQLite(t)
	h.secretMember("ann@home.test")
	h.must(h.login("ann@home.test", secret, "192.0.2.1"))
	for i := range 40 {
		h.login("ann@home.test", "wrong horse", fmt.Sprintf("198.51.100.%d", i))
	}
	h.fails(h.login("ann@home.test", secret, "198.51.100.200"), mail.RateLimited)
}

func TestManyGuessesAtOnceDoNotKeepAMemberWaiting(t *testing.T) {
	t.Parallel()
	h := openSQLite(t)
	h.secretMember("ann@home.test")
	h.must(h.login("ann@home.test", secret, "192.0.2.1"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	kinds := map[mail.Kind]int{}
	for i := range 200 {
		wg.Go(func() {
			_, err := h.Login(t.Context(), fmt.Sprintf("u%d@home.test", i), "wrong horse", from("192.0.2.66"))
			mu.Lock()
			defer mu.Unlock()
			kinds[mail.KindOf(err)]++
		})
	}
	wg.Wait()
	// Two may be hashing when the twentieth fails.
	if n := kinds[mail.AuthFailed]; n > int(networkPace.burst)+hashesAtOnce || kinds[mail.RateLimited] != 200-n {
		t.Errorf("got %v, want about %v tried and the rest sent away", kinds, networkPace.burst)
	}
}

func TestARightPasswordIsHashedOnce(t *testing.T) {
	t.Parallel()
	h := openSQLite(t)
	h.secretMember("ann@home.test")
	h.must(h.login("ann@home.test", secret, "192.0.2.1"))
	// Both turns are taken: whoever needs a hash now waits for ever.
	h.hashing <- struct{}{}
	h.hashing <- struct{}{}
	h.must(h.login("ann@home.test", secret, "192.0.2.2"))
	<-h.hashing
	<-h.hashing
	h.clock.pass(remembered)
	if _, ok := h.logins.get(h.mac("login", "ann@home.test", secret), h.clock.now()); ok {
		t.Error("a password is remembered for longer than it should")
	}
	if len(h.logins.right) != 1 {
		t.Errorf("%d passwords are remembered, want 1", len(h.logins.right))
	}
}

func TestNobodyCostsWhatSomebodyCosts(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	h := openSQLite(t)
	h.secretMember("ann@home.test")
	if _, err := h.AddAppPassword(t.Context(), h.one("ann@home.test").ID, "phone"); err != nil {
		t.Fatal(err)
	}
	median := func(name string) time.Duration {
		var took []time.Duration
		for i := range 9 {
			start := time.Now()
			h.fails(h.login(name, "wrong horse", fmt.Sprintf("10.0.%d.1", i)), mail.AuthFailed)
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	known, unknown := median("ann@home.test"), median("nobody@home.test")
	// Wide, because the machine is shared; without the made-up hash it is 1 to 50.
	if r := float64(known) / float64(unknown); r < 0.5 || r > 2 {
		t.Errorf("a wrong password takes %v, nobody %v", known, unknown)
	}
}

func (h *house) one(address string) Member {
	h.Helper()
	m, err := h.ByAddress(h.Context(), mail.MustAddress(address))
	h.must(err)
	return m
}

func TestAppPasswordsSignIn(t *testing.T) {
	each(t, func(h *house) {
		ann := h.secretMember("ann@home.test")
		var cut int
		h.Changed = func(mail.UserID) { cut++ }
		phone, err := h.AddAppPassword(h.Context(), ann.ID, "téléphone")
		h.must(err)
		laptop, err := h.AddAppPassword(h.Context(), ann.ID, "portable")
		h.must(err)
		if len(phone) < 20 || phone == laptop {
			h.Errorf("got %q and %q", phone, laptop)
		}
		h.must(h.login("ann@home.test", phone, "192.0.2.1"))
		h.must(h.login("ann@home.test", strings.ToUpper(strings.ReplaceAll(laptop, "-", " ")), "192.0.2.1"))
		h.must(h.login("ann@home.test", secret, "192.0.2.1"))

		// The proof of RFC 5802 §3, made by a client that has the second one.
		all, err := h.Verifiers(h.Context(), "ann@home.test")
		h.must(err)
		if len(all) != 2 || string(all[0].Salt) != string(all[1].Salt) || all[0].Iterations != all[1].Iterations {
			h.Fatalf("got %d verifiers, want two with one salt", len(all))
		}
		stored, server := scramKeys(laptop, all[0].Salt)
		if !hmac.Equal(stored, all[1].StoredKey) || !hmac.Equal(server, all[1].ServerKey) || all[1].User.ID != ann.ID {
			h.Error("the verifier is not the password's")
		}

		list, err := h.AppPasswords(h.Context(), ann.ID)
		h.must(err)
		if len(list) != 2 || list[0].Name != "téléphone" {
			h.Errorf("got %+v", list)
		}
		h.must(h.RevokeAppPassword(h.Context(), ann.ID, list[0].ID))
		h.fails(h.RevokeAppPassword(h.Context(), ann.ID, list[0].ID), mail.NotFound)
		h.fails(h.RevokeAppPassword(h.Context(), ann.ID+1, list[1].ID), mail.NotFound)
		h.fails(h.login("ann@home.test", phone, "192.0.2.1"), mail.AuthFailed)
		h.must(h.login("ann@home.test", laptop, "192.0.2.1"))
		if cut != 1 {
			h.Errorf("sessions were cut %d times, want once", cut)
		}
		h.must(h.Suspend(h.Context(), ann.ID))
		all, err = h.Verifiers(h.Context(), "ann@home.test")
		h.must(err)
		if len(all) != 1 || all[0].User.ID != 0 {
			h.Error("a suspended member has verifiers")
		}
	})
}

func TestNobodysVerifierIsMadeUpButConstant(t *testing.T) {
	t.Parallel()
	h := openSQLite(t)
	h.Key = []byte("0123456789abcdef0123456789abcdef")
	ann := h.member("ann@home.test")
	get := func(s *Service, name string) Verifier {
		all, err := s.Verifiers(t.Context(), name)
		if err != nil || len(all) != 1 || all[0].User != (mail.User{}) || len(all[0].StoredKey) != sha256.Size || len(all[0].Salt) != saltSize || all[0].Iterations != iterations {
			t.Fatalf("%s: got %+v, %v", name, all, err)
		}
		return all[0]
	}
	again := &Service{DB: h.DB, Key: h.Key}
	for _, name := range []string{"nobody@home.test", "NoBody@home.test", "ann@home.test", "\x00\xff"} {
		if a, b := get(h.Service, name), get(again, name); string(a.Salt) != string(b.Salt) {
			t.Errorf("%q has another salt after a restart", name)
		}
	}
	if string(get(h.Service, "nobody@home.test").Salt) == string(get(h.Service, "other@home.test").Salt) {
		t.Error("two names have one salt")
	}
	before := get(h.Service, "ann@home.test").Salt
	if _, err := h.AddAppPassword(t.Context(), ann.ID, "phone"); err != nil {
		t.Fatal(err)
	}
	all, err := h.Verifiers(t.Context(), "ann@home.test")
	if err != nil || string(all[0].Salt) != string(before) {
		t.Errorf("ann's first app password changed her salt: %v", err)
	}
}

func TestThrottlesAreBounded(t *testing.T) {
	t.Parallel()
	var b throttle
	for i := range throttleSize + throttleSize/2 {
		b.fail(fmt.Sprint(i), h0, namePace)
	}
	if len(b.buckets) > throttleSize {
		t.Errorf("%d names are remembered, want at most %d", len(b.buckets), throttleSize)
	}
	// An hour later all of those are forgiven: they go first.
	b.fail("later", h0.Add(time.Hour), namePace)
	for i := range throttleSize {
		b.fail(fmt.Sprint("new", i), h0.Add(time.Hour), namePace)
	}
	if len(b.buckets) > throttleSize {
		t.Errorf("%d names are remembered, want at most %d", len(b.buckets), throttleSize)
	}
}

func TestUnreadableHashesAdmitNobody(t *testing.T) {
	t.Parallel()
	for _, phc := range []string{"", "$argon2id$v=19$m=19456,t=2,p=1$$", "$argon2id$v=19$m=4294967295,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "plain"} {
		if verify("plain", phc) {
			t.Errorf("%q let somebody in", phc)
		}
	}
}

// A program's password opens what programs do, which is less than a person may.
func TestAPersonSignsInWithTheirOwnPasswordOnly(t *testing.T) {
	each(t, func(h *house) {
		m := h.member("ann@home.test")
		h.must(h.SetPassword(h.Context(), m.ID, "trois mots ici"))
		app, err := h.AddAppPassword(h.Context(), m.ID, "phone")
		h.must(err)
		signIn := func(password string) ([]byte, error) {
			_, stamp, err := h.SignIn(h.Context(), "ann@home.test", password, from("192.0.2.1"))
			return stamp, err
		}
		_, err = signIn(app)
		h.fails(err, mail.AuthFailed)
		// Nor once it is remembered that it was right.
		_, err = h.Login(h.Context(), "ann@home.test", app, from("192.0.2.1"))
		h.must(err)
		_, err = signIn(app)
		h.fails(err, mail.AuthFailed)
		stamp, err := signIn("trois mots ici")
		h.must(err)
		u, standing, err := h.Standing(h.Context(), m.ID)
		h.must(err)
		if u.ID != m.ID || !bytes.Equal(stamp, standing) {
			t.Errorf("%v: stamp %x, standing %x", u, stamp, standing)
		}
		h.must(h.SetPassword(h.Context(), m.ID, "trois autres mots"))
		if _, standing, err = h.Standing(h.Context(), m.ID); err != nil || bytes.Equal(stamp, standing) {
			t.Errorf("another password has the same stamp: %v", err)
		}
		h.must(h.Suspend(h.Context(), m.ID))
		_, err = signIn("trois autres mots")
		h.fails(err, mail.Suspended)
	})
}

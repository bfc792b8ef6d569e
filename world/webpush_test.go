package world_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/config"
	"colporteur/outward"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/world"
)

const webPush = "urn:ietf:params:jmap:webpush-vapid"

// pushed is what a device was told.
type pushed struct {
	device string
	Type   string                       `json:"@type"`
	ID     string                       `json:"pushSubscriptionId"`
	Code   string                       `json:"verificationCode"`
	Of     map[string]map[string]string `json:"changed"`
}

// pushService carries pushes to devices: it takes what is signed, and the devices
// read what was sealed for them.
type pushService struct {
	t    testing.TB
	at   *httptest.Server
	key  string // that pushes must be signed with
	came chan pushed

	mu      sync.Mutex
	devices map[string]*device
	status  int
}

type device struct {
	private *ecdh.PrivateKey
	auth    []byte
}

func newPushService(t testing.TB, hosts ...*world.Server) *pushService {
	p := &pushService{t: t, came: make(chan pushed, 100), devices: map[string]*device{}, status: http.StatusCreated}
	p.at = httptest.NewTLSServer(http.HandlerFunc(p.take))
	t.Cleanup(p.at.Close)
	for _, h := range hosts {
		h.Push.Client = outward.New(outward.Options{AllowPrivate: true, TLS: p.at.Client().Transport.(*http.Transport).TLSClientConfig})
	}
	return p
}

func (p *pushService) answers(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

// subscribes makes a device, and is what it asks our server for.
func (p *pushService) subscribes(name string) map[string]any {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	d := &device{private, make([]byte, 16)}
	rand.Read(d.auth)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.devices[name] = d
	enc := base64.RawURLEncoding.EncodeToString
	return map[string]any{"deviceClientId": name, "url": p.at.URL + "/" + name, "types": []string{"EmailDelivery"},
		"keys": map[string]string{"p256dh": enc(private.PublicKey().Bytes()), "auth": enc(d.auth)}}
}

func (p *pushService) take(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := strings.TrimPrefix(r.URL.Path, "/")
	body, err := io.ReadAll(r.Body)
	d := p.devices[name]
	if err != nil || d == nil {
		p.t.Errorf("%q was asked: %v", r.URL.Path, err)
		return
	}
	if err := p.signed(r); err != nil {
		p.t.Errorf("a push to %s: %v", name, err)
	}
	plain, err := d.read(body)
	n := pushed{device: name}
	if err != nil || json.Unmarshal(plain, &n) != nil || r.Header.Get("TTL") == "" {
		p.t.Errorf("%s cannot read what was pushed: %v %q", name, err, plain)
	}
	w.WriteHeader(p.status)
	p.came <- n
}

// signed is RFC 8292, as a push service looks at it.
func (p *pushService) signed(r *http.Request) error {
	rest, _ := strings.CutPrefix(r.Header.Get("Authorization"), "vapid t=")
	token, k, _ := strings.Cut(rest, ", k=")
	parts := strings.Split(token, ".")
	if k != p.key || len(parts) != 3 {
		return fmt.Errorf("not with the key of the session: %q", r.Header.Get("Authorization"))
	}
	point, _ := base64.RawURLEncoding.DecodeString(k)
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return err
	}
	claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(sig) != 64 || !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return fmt.Errorf("the signature is wrong")
	}
	if !bytes.Contains(claims, []byte(`"aud":"`+p.at.URL+`"`)) {
		return fmt.Errorf("it is for another service: %s", claims)
	}
	return nil
}

// read is RFC 8291 §3, written for these tests alone.
func (d *device) read(body []byte) ([]byte, error) {
	if len(body) < 86+17 || len(body) > 4096 {
		return nil, fmt.Errorf("%d octets", len(body))
	}
	sender, err := ecdh.P256().NewPublicKey(body[21:86])
	if err != nil {
		return nil, err
	}
	secret, err := d.private.ECDH(sender)
	if err != nil {
		return nil, err
	}
	derive := func(secret, salt []byte, about string, n int) []byte {
		b, err := hkdf.Key(sha256.New, secret, salt, about, n)
		if err != nil {
			panic(err)
		}
		return b
	}
	ikm := derive(secret, d.auth, "WebPush: info\x00"+string(d.private.PublicKey().Bytes())+string(body[21:86]), 32)
	block, err := aes.NewCipher(derive(ikm, body[:16], "Content-Encoding: aes128gcm\x00", 16))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, derive(ikm, body[:16], "Content-Encoding: nonce\x00", 12), body[86:], nil)
	return bytes.TrimSuffix(plain, []byte{2}), err
}

// next is what a device is told next.
func (p *pushService) next(device, about string) pushed {
	p.t.Helper()
	select {
	case n := <-p.came:
		if n.device != device {
			p.t.Fatalf("%s: %s was told %+v, want %s", about, n.device, n, device)
		}
		return n
	case <-time.After(20 * time.Second):
		p.t.Fatalf("%s: %s was told nothing", about, device)
	}
	panic("unreachable")
}

func (p *pushService) silent(about string) {
	p.t.Helper()
	select {
	case n := <-p.came:
		p.t.Errorf("%s: %+v was pushed", about, n)
	default:
	}
}

// subscriptions is one call about them, which names no account.
type subscriptions func(method string, args map[string]any) world.Answer

func ofProgram(t testing.TB, c *world.JMAP) subscriptions {
	return func(method string, args map[string]any) world.Answer {
		t.Helper()
		var out struct{ MethodResponses [][]any }
		c.Do("POST", "/jmap/api", "application/json", request(t, method, args), http.StatusOK, &out)
		return answered(t, method, out.MethodResponses)
	}
}

func ofBrowser(t testing.TB, b *browser, at *world.Server) subscriptions {
	return func(method string, args map[string]any) world.Answer {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+at.Addr("http")+"/jmap/api", bytes.NewReader(request(t, method, args)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		for _, c := range b.jar.Cookies(&url.URL{Scheme: "http", Host: "mail." + at.Domain, Path: "/"}) {
			r.AddCookie(c)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out struct{ MethodResponses [][]any }
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
			t.Fatalf("%s: %v", resp.Status, err)
		}
		return answered(t, method, out.MethodResponses)
	}
}

func request(t testing.TB, method string, args map[string]any) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{"using": []string{"urn:ietf:params:jmap:core", webPush}, "methodCalls": []any{[]any{method, args, "0"}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func answered(t testing.TB, method string, got [][]any) world.Answer {
	t.Helper()
	if len(got) != 1 || got[0][0] != method {
		t.Fatalf("%s: %v", method, got)
	}
	return world.Answer{Name: method, Args: got[0][1].(map[string]any)}
}

// begins subscribes a device and says its code back.
func (p *pushService) begins(ask subscriptions, name string) (id string) {
	p.t.Helper()
	id = ask("PushSubscription/set", map[string]any{"create": map[string]any{"d": p.subscribes(name)}}).Text("created/d/id")
	v := p.next(name, "subscribed")
	if id == "" || v.Type != "PushVerification" || v.ID != id || v.Code == "" {
		p.t.Fatalf("%s: subscription %q, told %+v", name, id, v)
	}
	p.verifies(ask, id, v.Code)
	return id
}

func (p *pushService) verifies(ask subscriptions, id, code string) {
	p.t.Helper()
	got := ask("PushSubscription/set", map[string]any{"update": map[string]any{id: map[string]any{"verificationCode": code}}})
	if _, ok := got.At("updated").(map[string]any)[id]; !ok {
		p.t.Fatalf("the code is not taken: %v", got.Args)
	}
}

func comes(t testing.TB, at *world.Server, to *world.Member, subject string) {
	t.Helper()
	at.World.Advance(10 * time.Second) // pushes keep their distance
	if err := at.FromOutside("carl@elsewhere.invalid", []string{to.Address}, fmt.Appendf(nil, "From: carl@elsewhere.invalid\r\nSubject: %s\r\n\r\nBonjour.\r\n", subject)); err != nil {
		t.Fatal(err)
	}
}

func applicationServerKey(c *world.JMAP) string {
	var s struct {
		Capabilities map[string]struct{ ApplicationServerKey string }
	}
	c.Do("GET", "/jmap/session", "", nil, http.StatusOK, &s)
	return s.Capabilities[webPush].ApplicationServerKey
}

func TestNewMailRingsAtADeviceThatProvedItself(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w, database := world.New(t), "sqlite"
			if engine == "postgres" {
				database = storetest.Postgres(t)
			}
			home := w.Server("home.test", func(c *config.Config) { c.Database.URL = database })
			last := home
			if engine == "postgres" {
				last = home.Node() // two hosts see every commit; each mail rings once
			}
			p := newPushService(t, home, last)
			ann, bob := home.Member("ann"), home.Member("bob")
			c := ann.JMAP()
			p.key = applicationServerKey(c)
			anns, bobs := ofProgram(t, c), ofProgram(t, bob.JMAP())

			never := anns("PushSubscription/set", map[string]any{"create": map[string]any{"d": p.subscribes("never")}}).Text("created/d/id")
			p.next("never", "subscribed")
			phone := anns("PushSubscription/set", map[string]any{"create": map[string]any{"d": p.subscribes("phone")}}).Text("created/d/id")
			v := p.next("phone", "subscribed")
			if v.Type != "PushVerification" || v.ID != phone {
				t.Fatalf("told %+v", v)
			}
			comes(t, home, ann, "before")
			wrong := anns("PushSubscription/set", map[string]any{"update": map[string]any{phone: map[string]any{"verificationCode": "guessed"}}})
			if wrong.Text("notUpdated/"+phone+"/type") != "invalidProperties" {
				t.Errorf("a guessed code: %v", wrong.Args)
			}
			w.Settle()
			p.silent("before the code came back")
			p.verifies(anns, phone, v.Code)

			comes(t, last, ann, "first")
			told := p.next("phone", "a mail")
			if told.Type != "StateChange" || len(told.Of) != 1 || len(told.Of[c.Account]) != 1 || told.Of[c.Account]["EmailDelivery"] == "" {
				t.Errorf("told %+v", told)
			}

			// Flags, what goes to Junk and what others get ring nowhere. That they were
			// seen is told by a device that asked for everything.
			all := p.subscribes("tablet")
			delete(all, "types")
			tablet := anns("PushSubscription/set", map[string]any{"create": map[string]any{"d": all}}).Text("created/d/id")
			p.verifies(anns, tablet, p.next("tablet", "subscribed").Code)
			w.Advance(10 * time.Second)
			id := newest(t, c, "first")
			c.Call("Email/set", world.Args{"update": world.Args{id: world.Args{"keywords/$seen": true}}})
			if told := p.next("tablet", "a flag").Of[c.Account]; told["Email"] == "" || told["EmailDelivery"] != "" {
				t.Errorf("told of a flag: %v", told)
			}
			w.Settle()
			w.Advance(10 * time.Second)
			laptop := ann.IMAP()
			defer laptop.Close()
			spam := []byte("Subject: spam\r\n\r\nBonjour.\r\n")
			cmd := laptop.Append("Indésirables", int64(len(spam)), nil)
			cmd.Write(spam)
			cmd.Close()
			if _, err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			if told := p.next("tablet", "Junk").Of[c.Account]; told["Email"] == "" || told["EmailDelivery"] != "" {
				t.Errorf("told of Junk: %v", told)
			}
			w.Settle()
			p.silent("a flag and Junk")
			anns("PushSubscription/set", map[string]any{"destroy": []string{tablet}})
			comes(t, home, bob, "for bob")
			comes(t, home, ann, "second")
			p.next("phone", "another mail")
			w.Settle()
			p.silent("after two mails")

			// What is ann's is nobody else's.
			if got := bobs("PushSubscription/get", map[string]any{"ids": nil}); len(got.At("list").([]any)) != 0 {
				t.Errorf("bob sees %v", got.Args)
			}
			got := bobs("PushSubscription/set", map[string]any{"update": map[string]any{phone: map[string]any{"types": nil}}, "destroy": []string{never}})
			if got.Text("notUpdated/"+phone+"/type") != "notFound" || got.Text("notDestroyed/"+never+"/type") != "notFound" {
				t.Errorf("bob changes them: %v", got.Args)
			}
			list := anns("PushSubscription/get", map[string]any{"ids": []string{phone, never}})
			raw, _ := json.Marshal(list.Args)
			if list.Text("list/0/verificationCode") != v.Code || list.At("list/1/verificationCode") != nil || bytes.Contains(raw, []byte(p.at.URL)) {
				t.Errorf("ann sees %s", raw)
			}

			// The service says that the device is gone.
			p.answers(http.StatusGone)
			comes(t, home, ann, "third")
			p.next("phone", "for the last time")
			w.Settle()
			if got := anns("PushSubscription/get", map[string]any{"ids": []string{phone}}); got.Text("notFound/0") != phone {
				t.Errorf("after 410: %v", got.Args)
			}
			if got := anns("PushSubscription/set", map[string]any{"destroy": []string{never}}); got.Text("destroyed/0") != never {
				t.Errorf("destroyed: %v", got.Args)
			}
			p.silent("at the end")
		})
	}
}

// A lost telephone falls silent with the sign-in that it was given.
func TestADeviceFallsSilentWithWhatItSignedInWith(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	p := newPushService(t, home)
	ann := home.Member("ann")
	p.key = applicationServerKey(ann.JMAP())
	app, err := home.Accounts.AddAppPassword(t.Context(), ann.Account.ID, "programme")
	if err != nil {
		t.Fatal(err)
	}
	program := *ann
	program.Password = app
	b := newBrowser(t).enter(home, ann)
	p.begins(ofBrowser(t, b, home), "browser")
	p.begins(ofProgram(t, ann.JMAP()), "password")
	p.begins(ofProgram(t, program.JMAP()), "program")
	n := 0
	ring := func(when string, want ...string) {
		t.Helper()
		n++
		comes(t, home, ann, fmt.Sprint(when, n))
		var got []string
		for range want {
			select {
			case e := <-p.came:
				got = append(got, e.device)
			case <-time.After(20 * time.Second):
			}
		}
		w.Settle()
		p.silent(when)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %v ring, want %v", when, got, want)
		}
	}
	ring("all signed in", "browser", "password", "program")
	if code, _, _ := b.do(home, "POST", "/logout", url.Values{}); code != http.StatusSeeOther {
		t.Fatal(code)
	}
	ring("signed out", "password", "program")
	if err := home.Accounts.SetPassword(t.Context(), ann.Account.ID, "another one of ann"); err != nil {
		t.Fatal(err)
	}
	ring("another password", "program")
	rows := func() (n int) {
		if err := home.DB.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM push_subscription`).Scan(&n)
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if rows() != 1 {
		t.Errorf("%d subscriptions are left", rows())
	}
	apps, err := home.Accounts.AppPasswords(t.Context(), ann.Account.ID)
	if err != nil || len(apps) != 1 {
		t.Fatal(err, apps)
	}
	if err := home.Accounts.RevokeAppPassword(t.Context(), ann.Account.ID, apps[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := home.Push.Sweep(t.Context()); err != nil || rows() != 0 {
		t.Errorf("%d subscriptions after the app password is revoked: %v", rows(), err)
	}
}

// Whoever is asked to push must not be made to ask its own neighbourhood.
func TestOurOwnNetworkIsNotPushedTo(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test", func(c *config.Config) { c.Relay.AllowPrivate = false })
	anns := ofProgram(t, home.Member("ann").JMAP())
	for address, words := range map[string]string{
		"https://127.0.0.1/x": "joignables publiquement", "https://[::1]/x": "joignables publiquement", "https://169.254.169.254/latest": "joignables publiquement",
		"https://localhost/x": "joignables publiquement", "https://push.example.net:8443/x": "joignables publiquement", "http://push.example.net/x": "https", "nothing": "https",
	} {
		got := anns("PushSubscription/set", map[string]any{"create": map[string]any{"d": map[string]any{"deviceClientId": "d", "url": address}}})
		if got.Text("notCreated/d/type") != "invalidProperties" || !strings.Contains(got.Text("notCreated/d/description"), words) {
			t.Errorf("%s: %v", address, got.Args)
		}
	}
}

package keyring_test

import (
	"context"
	"crypto"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/dkim/keyring"
	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
)

// world is the DNS, a publisher for it, a person who gets mail, and a clock.
type world struct {
	db  *store.DB
	key []byte

	mu      sync.Mutex
	now     time.Time
	txt     map[string][]string
	dead    bool                // the DNS does not answer
	view    func(string) string // what the DNS makes of a text; nil leaves it
	asked   int
	made    int
	refuse  error // of the publisher
	letters []string
	told    map[string]bool
	before  func() // each step outside the database
}

func newWorld(db *store.DB) *world {
	return &world{db: db, key: []byte("0123456789abcdef0123456789abcdef"), now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
		txt: map[string][]string{}, told: map[string]bool{}}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) sleep(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) step(ctx context.Context) error {
	if w.before != nil {
		w.before()
	}
	return ctx.Err()
}

func (w *world) LookupTXT(ctx context.Context, name string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if err := w.step(ctx); err != nil {
		return nil, err
	}
	if w.dead {
		return nil, &net.DNSError{Err: "silence", Name: name, IsTemporary: true}
	}
	have := slices.Clone(w.txt[name])
	if len(have) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	if w.view != nil {
		for i := range have {
			have[i] = w.view(have[i])
		}
	}
	return have, nil
}

func (w *world) Covers(_ context.Context, name string) bool {
	return strings.HasSuffix(name, "home.test")
}

func (w *world) SetTXT(ctx context.Context, name, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.step(ctx); err != nil {
		return err
	}
	if w.refuse != nil {
		return w.refuse
	}
	w.txt[name] = []string{text}
	return nil
}

func (w *world) DeleteTXT(ctx context.Context, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.step(ctx); err != nil {
		return err
	}
	delete(w.txt, name)
	return nil
}

func (w *world) notify(ctx context.Context, domain, key string, subject mail.Text, paragraphs ...mail.Text) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.step(ctx); err != nil {
		return err
	}
	if w.told[domain+key] {
		return nil
	}
	w.told[domain+key] = true
	p := locale.For("en")
	letter := p.Text(subject)
	for _, t := range paragraphs {
		letter += "\n" + p.Text(t)
	}
	w.letters = append(w.letters, letter)
	return nil
}

// spare are keys made once for all tests: they differ, and that is all that counts.
var spare = sync.OnceValues(func() ([]crypto.Signer, error) {
	var out []crypto.Signer
	for range 6 {
		key, err := keyring.Generate(keyring.RSA)
		if err != nil {
			return nil, err
		}
		out = append(out, key)
	}
	return out, nil
})

func (w *world) generate(algorithm string) (crypto.Signer, error) {
	if algorithm != keyring.RSA {
		return keyring.Generate(algorithm)
	}
	keys, err := spare()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made++
	return keys[w.made%len(keys)], nil
}

// ring is a node; more than one may be at work.
func (w *world) ring(publishes bool) *keyring.Ring {
	r := &keyring.Ring{DB: w.db, Key: w.key, DNS: w, Notify: w.notify, Now: w.clock, Generate: w.generate,
		Domains: func(context.Context) ([]string, error) { return []string{"home.test"}, nil }}
	if publishes {
		r.Publisher = w
	}
	return r
}

// by publishes by hand what is wanted of the keys in some states.
func (w *world) byHand(t testing.TB, r *keyring.Ring, states ...keyring.State) {
	t.Helper()
	for _, e := range list(t, r) {
		if slices.Contains(states, e.State) {
			w.mu.Lock()
			w.txt[e.Name()] = []string{e.Wanted()}
			w.mu.Unlock()
		}
	}
}

func list(t testing.TB, r *keyring.Ring) []keyring.Entry {
	t.Helper()
	all, err := r.List(t.Context(), "home.test")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// lives is "c2611r active, …", in the order of selectors.
func lives(t testing.TB, r *keyring.Ring) string {
	t.Helper()
	var out []string
	for _, e := range list(t, r) {
		out = append(out, e.Selector+" "+string(e.State))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func tick(t testing.TB, r *keyring.Ring) {
	t.Helper()
	if err := r.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func signs(t testing.TB, r *keyring.Ring) string {
	t.Helper()
	keys, err := r.Signing(t.Context(), "home.test")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, k := range keys {
		out = append(out, k.Selector)
	}
	return strings.Join(out, " ")
}

func want(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\ngot  %s\nwant %s", what, got, want)
	}
}

const day = 24 * time.Hour

// writerTo is a message at hand.
type writerTo string

func (m writerTo) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, string(m))
	return int64(n), err
}

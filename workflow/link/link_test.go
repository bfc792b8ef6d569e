package link_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/workflow/link"
)

// world is a service with a clock that the test moves.
type world struct {
	*link.Service
	clock time.Time
}

func newWorld(db *store.DB) *world {
	w := &world{clock: time.Date(2026, 11, 14, 10, 0, 0, 0, time.UTC)}
	w.Service = &link.Service{DB: db, Key: bytes.Repeat([]byte{7}, 32), Now: func() time.Time { return w.clock }}
	return w
}

func (w *world) make(t *testing.T, l link.Link) (link.Link, link.Token) {
	t.Helper()
	var token link.Token
	err := w.DB.Write(t.Context(), func(tx *store.Tx) (err error) {
		l, token, err = w.Add(t.Context(), tx, l)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return l, token
}

func (w *world) do(t *testing.T, f func(ctx context.Context, tx *store.Tx) error) {
	t.Helper()
	if err := w.DB.Write(t.Context(), func(tx *store.Tx) error { return f(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

var mamie = link.Link{Kind: link.Transfer, Thing: 5, Owner: 9, Person: mail.MustAddress("mamie@example.net"), Lang: "fr"}

func TestLinkOpensWithItsTokenOnly(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(db)
		made, token := w.make(t, mamie)
		got, err := w.Open(t.Context(), link.Visit{Token: token})
		if err != nil || got.ID != made.ID || got.Person != mamie.Person || got.Thing != 5 || got.Owner != 9 || got.Manage || got.Lang != "fr" {
			t.Fatalf("Open: got %+v, %v", got, err)
		}
		if again := w.Token(got); again != token {
			t.Errorf("the token made again differs")
		}
		for name, other := range map[string]link.Token{
			"nothing": "", "a prefix": token[:25], "longer": token + "a", "capitals": link.Token(strings.ToUpper(string(token))),
			"the reply's": w.ReplyToken(got), "another": w.Token(link.Link{ID: got.ID + 1}), "NUL": "\x00", "not UTF-8": "\xff",
		} {
			if _, err := w.Open(t.Context(), link.Visit{Token: other}); !mail.Is(err, mail.NotFound) {
				t.Errorf("%s: got %v, want NotFound", name, err)
			}
		}
	})
}

func TestRevokedAndExpiredLinksAreNotFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(db)
		l := mamie
		l.Expires = w.clock.Add(time.Hour)
		_, expiring := w.make(t, l)
		l.Thing, l.Expires = 6, time.Time{}
		kept, forever := w.make(t, l)

		w.clock = w.clock.Add(time.Hour)
		if _, err := w.Open(t.Context(), link.Visit{Token: expiring}); !mail.Is(err, mail.NotFound) {
			t.Errorf("expired: got %v, want NotFound", err)
		}
		if _, err := w.Open(t.Context(), link.Visit{Token: forever}); err != nil {
			t.Errorf("another thing's link: %v", err)
		}
		w.do(t, func(ctx context.Context, tx *store.Tx) error { return w.Revoke(ctx, tx, link.Transfer, 6) })
		if _, err := w.Open(t.Context(), link.Visit{Token: forever}); !mail.Is(err, mail.NotFound) {
			t.Errorf("revoked: got %v, want NotFound", err)
		}
		if ls, err := w.List(t.Context(), link.Transfer, 6); err != nil || len(ls) != 0 {
			t.Errorf("List after Revoke: %v, %v", ls, err)
		}
		// A reply to the mail of an ended link is still understood, for a while.
		if got, err := w.ByReply(t.Context(), w.ReplyToken(kept)); err != nil || got.Revoked.IsZero() {
			t.Errorf("ByReply after Revoke: %+v, %v", got, err)
		}
		w.clock = w.clock.Add(31 * 24 * time.Hour)
		if err := w.Sweep(t.Context(), 30*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		if _, err := w.ByReply(t.Context(), w.ReplyToken(kept)); !mail.Is(err, mail.NotFound) {
			t.Errorf("ByReply after Sweep: got %v, want NotFound", err)
		}
	})
}

func TestExtendMovesEveryLivingLink(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(db)
		l := mamie
		l.Expires = w.clock.Add(time.Hour)
		_, a := w.make(t, l)
		l.Manage = true
		_, b := w.make(t, l)
		until := w.clock.Add(48 * time.Hour)
		w.do(t, func(ctx context.Context, tx *store.Tx) error {
			return w.Extend(ctx, tx, link.Transfer, 5, until, time.Hour)
		})
		w.clock = w.clock.Add(47 * time.Hour)
		for i, token := range []link.Token{a, b} { // the owner's own lives longer
			if got, err := w.Open(t.Context(), link.Visit{Token: token}); err != nil || !got.Expires.Equal(until.Add(time.Duration(i)*time.Hour)) {
				t.Errorf("got %+v, %v", got, err)
			}
		}
		ls, err := w.List(t.Context(), link.Transfer, 5)
		if err != nil || len(ls) != 2 || !ls[0].Manage {
			t.Errorf("List: got %+v, %v; want the owner's first", ls, err)
		}
	})
}

// L-01: at least 128 bits, no structure, no reuse; only the hash at rest.
func TestTokensAreUnlikeAndNotAtRest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(db)
		seen := map[link.Token]bool{}
		prefixes := map[link.Token]bool{}
		for i := range 2000 {
			l := link.Link{ID: link.ID(i + 1)}
			for _, token := range []link.Token{w.Token(l), w.ReplyToken(l)} {
				if len(token) != link.TokenLength || seen[token] {
					t.Fatalf("token %d: %d characters, seen %v", i, len(token), seen[token])
				}
				seen[token], prefixes[token[:4]] = true, true
			}
		}
		if len(prefixes) < 3900 {
			t.Errorf("only %d beginnings in 4000 tokens", len(prefixes))
		}
		made, token := w.make(t, mamie)
		var row []any
		cols := make([]any, 16)
		for i := range cols {
			cols[i] = new(any)
		}
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT * FROM link WHERE id = $1`, int64(made.ID)).Scan(cols...)
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cols {
			row = append(row, *c.(*any))
		}
		for _, secret := range []link.Token{token, w.ReplyToken(made)} {
			for i, v := range row {
				if b, ok := v.([]byte); ok && bytes.Contains(b, []byte(secret)) || v == string(secret) {
					t.Errorf("column %d holds a token", i)
				}
			}
		}
	})
}

func TestMissingKeyMakesNoTokens(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a service without a key made a token that anybody can make")
		}
	}()
	(&link.Service{}).Token(link.Link{ID: 1})
}

func TestWhoMayWhat(t *testing.T) {
	t.Parallel()
	guest := mamie
	guest.ID = 1
	own := guest
	own.Manage = true
	revoked := own
	revoked.Revoked = time.Now()
	for _, c := range []struct {
		name         string
		by           link.Caller
		kind         string
		thing        int64
		read, manage bool
	}{
		{"nobody", link.Caller{}, link.Transfer, 5, false, false},
		{"a guest", link.Holder(guest), link.Transfer, 5, true, false},
		{"the owner's link", link.Holder(own), link.Transfer, 5, true, true},
		{"a revoked link", link.Holder(revoked), link.Transfer, 5, false, false},
		{"a link that was never made", link.Holder(link.Link{Kind: link.Transfer, Thing: 5, Manage: true, Owner: 9}), link.Transfer, 5, false, false},
		{"a link to another transfer", link.Holder(own), link.Transfer, 6, false, false},
		{"a transfer's link at an album", link.Holder(own), link.Album, 5, false, false},
		{"the member", link.Member(9), link.Transfer, 5, true, true},
		{"another member", link.Member(8), link.Transfer, 5, false, false},
		{"member zero", link.Member(0), link.Transfer, 5, false, false},
		{"the operator", link.Operator(), link.Transfer, 5, false, true},
		{"the operator at nothing", link.Operator(), link.Transfer, 0, false, false},
	} {
		if got := c.by.May(link.Read, c.kind, c.thing, 9); got != c.read {
			t.Errorf("%s may read: got %v", c.name, got)
		}
		if got := c.by.May(link.Manage, c.kind, c.thing, 9); got != c.manage {
			t.Errorf("%s may manage: got %v", c.name, got)
		}
		if c.by.May(0, c.kind, c.thing, 9) || c.by.May(link.Read, c.kind, c.thing, 0) || c.by.May(link.Manage, c.kind, c.thing, 0) {
			t.Errorf("%s may what nobody may", c.name)
		}
	}
}

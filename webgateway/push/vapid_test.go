package push

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/store"
	"colporteur/store/storetest"
)

func service(db *store.DB) *Service {
	return &Service{DB: db, Key: bytes.Repeat([]byte{7}, 32), Contact: "https://mail.home.test",
		Now: func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }}
}

func TestAPushIsSignedForOneServiceAndHalfADay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := service(db)
		u, _ := url.Parse("https://Push.Example.net:443/secret/path")
		got, err := s.authorization(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		rest, ok := strings.CutPrefix(got, "vapid t=")
		token, k, ok2 := strings.Cut(rest, ", k=")
		parts := strings.Split(token, ".")
		if !ok || !ok2 || len(parts) != 3 {
			t.Fatalf("got %q", got)
		}
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), b64(t, k))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		signature := b64(t, parts[2])
		if len(signature) != 64 || !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
			t.Error("the signature is wrong")
		}
		var claims struct {
			Aud, Sub string
			Exp      int64
		}
		if err := json.Unmarshal(b64(t, parts[1]), &claims); err != nil {
			t.Fatal(err)
		}
		if claims.Aud != "https://push.example.net" || claims.Sub != s.Contact || claims.Exp != s.now().Add(12*time.Hour).Unix() {
			t.Errorf("claims %+v", claims)
		}
		if app, err := s.ApplicationServerKey(t.Context()); err != nil || app != k {
			t.Errorf("%q, %v: not the key that signs", app, err)
		}
	})
}

func TestTheKeyIsMadeOnceByHoweverManyNodes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keys := make([]string, 5)
		var all sync.WaitGroup
		for i := range keys {
			all.Go(func() { keys[i], _ = service(db).ApplicationServerKey(t.Context()) })
		}
		all.Wait()
		for _, k := range keys {
			if k == "" || k != keys[0] {
				t.Errorf("keys %q", keys)
			}
		}
		var sealed []byte
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT sealed FROM push_key`).Scan(&sealed)
		}); err != nil {
			t.Fatal(err)
		}
		other := service(db)
		other.Key = bytes.Repeat([]byte{8}, 32)
		if _, err := other.ApplicationServerKey(t.Context()); err == nil {
			t.Error("another master key opens it")
		}
		if _, err := service(db).unseal(placeOf(1), sealed); err == nil {
			t.Error("it opens as something else")
		}
	})
}

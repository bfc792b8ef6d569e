package push

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"colporteur/store"
)

// believed is how long a token of ours counts; RFC 8292 §2 permits a day.
const believed = 12 * time.Hour

var errWrongKey = errors.New("the master key does not open it")

// ApplicationServerKey is our public key as browsers want it (RFC 9749 §3): what is
// pushed to an address that was made for it must bear its signature. It is made
// once: with another one every subscription would be worth nothing.
func (s *Service) ApplicationServerKey(ctx context.Context) (string, error) {
	key, err := s.private(ctx)
	if err != nil {
		return "", err
	}
	return public(key)
}

func public(key *ecdsa.PrivateKey) (string, error) {
	point, err := key.PublicKey.Bytes()
	return base64.RawURLEncoding.EncodeToString(point), err
}

// private is our key. Of two nodes that make it at once, the faster wins.
func (s *Service) private(ctx context.Context) (*ecdsa.PrivateKey, error) {
	s.key.Lock()
	defer s.key.Unlock()
	if s.key.PrivateKey != nil {
		return s.key.PrivateKey, nil
	}
	sealed, err := s.kept(ctx)
	if errors.Is(err, store.ErrNoRows) {
		if err = s.makeKey(ctx); err == nil {
			sealed, err = s.kept(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("push key: %w", err)
	}
	raw, err := s.unseal("key", sealed)
	if err != nil {
		return nil, fmt.Errorf("push key: %w", err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return nil, fmt.Errorf("push key: %w", err)
	}
	s.key.PrivateKey = key
	return key, nil
}

func (s *Service) kept(ctx context.Context) (sealed []byte, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT sealed FROM push_key WHERE id = 1`).Scan(&sealed)
	})
	return sealed, err
}

func (s *Service) makeKey(ctx context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	raw, err := key.Bytes()
	if err != nil {
		return err
	}
	sealed, err := s.seal("key", raw)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO push_key (id, sealed) VALUES (1, $1) ON CONFLICT DO NOTHING`, sealed)
		return err
	})
}

// authorization says to the service at u that a push is ours (RFC 8292 §2 and §3).
func (s *Service) authorization(ctx context.Context, u *url.URL) (string, error) {
	key, err := s.private(ctx)
	if err != nil {
		return "", err
	}
	k, err := public(key)
	if err != nil {
		return "", err
	}
	claims := map[string]any{"aud": origin(u), "exp": s.now().Add(believed).Unix()}
	if s.Contact != "" {
		claims["sub"] = s.Contact
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding.EncodeToString
	token := enc([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + enc(body)
	sum := sha256.Sum256([]byte(token))
	r, t, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", err
	}
	// The two numbers, each in 32 octets (RFC 7518 §3.4): not ASN.1.
	signature := append(r.FillBytes(make([]byte, 32)), t.FillBytes(make([]byte, 32))...)
	return "vapid t=" + token + "." + enc(signature) + ", k=" + k, nil
}

// origin is RFC 6454's: a default port is not said.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Port() == "443" {
		host = strings.TrimSuffix(host, ":443")
	}
	return "https://" + host
}

// seal encrypts what is kept; what was sealed for another purpose does not open.
func (s *Service) seal(purpose string, plain []byte) ([]byte, error) {
	a, err := s.aead()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, a.NonceSize())
	rand.Read(nonce)
	return a.Seal(nonce, nonce, plain, []byte("push "+purpose)), nil
}

func (s *Service) unseal(purpose string, sealed []byte) ([]byte, error) {
	a, err := s.aead()
	if err != nil {
		return nil, err
	}
	if len(sealed) < a.NonceSize() {
		return nil, errWrongKey
	}
	plain, err := a.Open(nil, sealed[:a.NonceSize()], sealed[a.NonceSize():], []byte("push "+purpose))
	if err != nil {
		return nil, errWrongKey
	}
	return plain, nil
}

func (s *Service) aead() (cipher.AEAD, error) {
	if len(s.Key) != 32 {
		return nil, fmt.Errorf("the key that encrypts what push keeps has %d bytes, not 32", len(s.Key))
	}
	block, err := aes.NewCipher(s.mac("seal", "")) // HMAC has the key itself
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

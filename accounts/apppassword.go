package accounts

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// iterations of PBKDF2 for SCRAM-SHA-256: the least that RFC 7677 §4 permits.
// App passwords are random, 120 bits; more would protect nothing.
const iterations = 4096

// maxAppPasswords of one member: a SCRAM exchange tries them all.
const maxAppPasswords = 50

// AppPassword is one random password for one mail program; the password itself
// is shown once and kept nowhere.
type AppPassword struct {
	ID      int64
	Name    string // what the member calls it: "téléphone"
	Created time.Time

	storedKey, serverKey []byte
}

// Verifier is what SCRAM-SHA-256 needs of one app password (RFC 5802 §3).
type Verifier struct {
	User       mail.User
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// AddAppPassword makes a password for one program and returns it, to be shown once.
func (s *Service) AddAppPassword(ctx context.Context, id mail.UserID, name string) (password string, err error) {
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		password, err = s.addAppPassword(ctx, tx, id, name)
		return err
	})
	if err != nil {
		return "", kinded(err)
	}
	return password, nil
}

func (s *Service) addAppPassword(ctx context.Context, tx *store.Tx, id mail.UserID, name string) (string, error) {
	raw := make([]byte, 15)
	rand.Read(raw)
	password := grouped(strings.ToLower(base32.StdEncoding.EncodeToString(raw)))
	name = clean(name)
	if name == "" || len(name) > 200 {
		return "", mail.Refuse(mail.BadContent, "accounts-bad-settings")
	}
	var salt []byte
	if err := tx.QueryRow(ctx, `SELECT salt FROM member WHERE id = $1 FOR UPDATE`, int64(id)).Scan(&salt); err != nil {
		return "", missingMember(err)
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM app_password WHERE member = $1`, int64(id)).Scan(&n); err != nil {
		return "", err
	}
	if n >= maxAppPasswords {
		return "", mail.Refuse(mail.TooMany, "accounts-too-many-app-passwords", "Max", maxAppPasswords)
	}
	stored, server := scramKeys(password, salt)
	_, err := tx.Exec(ctx, `INSERT INTO app_password (id, member, name, stored_key, server_key, created)
		VALUES ($1, $2, $3, $4, $5, $6)`, store.NewID(), int64(id), name, stored, server, store.Micros(s.now()))
	return password, err
}

// grouped writes abcdefgh as abcd-efgh: people type these.
func grouped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i += 4 {
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(s[i:min(i+4, len(s))])
	}
	return b.String()
}

// regrouped undoes what people and keyboards do to a password of ours:
// capitals, spaces, missing dashes. Anything else stays as it is.
func regrouped(s string) string {
	bare := strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(s))
	if len(bare) != 24 {
		return s
	}
	return grouped(bare)
}

// AppPasswords lists those of a member, oldest first.
func (s *Service) AppPasswords(ctx context.Context, id mail.UserID) ([]AppPassword, error) {
	var all []AppPassword
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = appPasswords(ctx, tx, id)
		return err
	})
	return all, kinded(err)
}

func appPasswords(ctx context.Context, tx *store.Tx, id mail.UserID) ([]AppPassword, error) {
	var all []AppPassword
	rows, err := tx.Query(ctx, `SELECT id, name, stored_key, server_key, created FROM app_password WHERE member = $1 ORDER BY id`, int64(id))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var a AppPassword
		var created int64
		err := scan(&a.ID, &a.Name, &a.storedKey, &a.serverKey, &created)
		a.Created = store.Time(created)
		all = append(all, a)
		return err
	})
	return all, err
}

// RevokeAppPassword ends one and cuts the member's sessions; kind NotFound.
func (s *Service) RevokeAppPassword(ctx context.Context, id mail.UserID, app int64) error {
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		if err := s.changed(ctx, tx, id); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `DELETE FROM app_password WHERE id = $1 AND member = $2`, app, int64(id))
		if err == nil && n == 0 {
			return mail.Refuse(mail.NotFound, "accounts-no-app-password")
		}
		return err
	})
	return kinded(err)
}

// Verifiers finds SCRAM verifiers for a name; a made-up but constant one when
// there is no such member, so that guessing names teaches nothing. All of them
// share salt and iterations: SCRAM names these before it knows which one the
// client has. A suspended member has the made-up one too. Nothing is counted
// here: guessing 120 random bits is hopeless at any pace.
func (s *Service) Verifiers(ctx context.Context, name string) ([]Verifier, error) {
	key := s.nameKey(ctx, name)
	l, err := s.lookup(ctx, key, "")
	if err != nil {
		return nil, kinded(err)
	}
	salt := l.salt
	if salt == nil {
		salt = s.madeUpSalt(key)
	}
	var all []Verifier
	if l.member.Suspended.IsZero() {
		for _, a := range l.apps {
			all = append(all, Verifier{l.member.User(), salt, iterations, a.storedKey, a.serverKey})
		}
	}
	if len(all) == 0 {
		stored, server := s.mac("stored", key), s.mac("server", key)
		all = append(all, Verifier{mail.User{}, salt, iterations, stored[:], server[:]})
	}
	return all, nil
}

func (s *Service) madeUpSalt(key string) []byte {
	m := s.mac("salt", key)
	return m[:saltSize]
}

// scramKeys is RFC 5802 §3: what the server keeps of a password.
func scramKeys(password string, salt []byte) (stored, server []byte) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		panic(err) // only of lengths that are constants here
	}
	sign := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	hashed := sha256.Sum256(sign("Client Key"))
	return hashed[:], sign("Server Key")
}

// app finds the app password that this is and says what it was compared with;
// "" if it is none. The cost is one derivation, whether there are any or not.
func (l *login) app(password string, salt []byte) string {
	stored, _ := scramKeys(regrouped(password), salt)
	found := ""
	for _, a := range l.apps {
		if subtle.ConstantTimeCompare(a.storedKey, stored) == 1 {
			found = string(a.storedKey)
		}
	}
	return found
}

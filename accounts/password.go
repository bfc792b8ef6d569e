package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"colporteur/mail"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"
)

// argon2id as OWASP recommends it for servers: about 56 ms of one core here.
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	argonKey     = 32

	saltSize = 16

	// hashesAtOnce bounds memory and cores that strangers' guesses can take.
	hashesAtOnce = 2
	// waiting bounds how many strangers stand in line for a hash: behind two
	// seconds of it nobody can sign in.
	waiting = 64

	minPassword = 8
	maxPassword = 1024 // octets; longer ones are refused before any hashing
)

// prepared is the password as it is hashed: RFC 8265 OpaqueString, so that an
// "é" typed on a Mac and on Windows is the same; what that refuses stays as it is.
func prepared(password string) string {
	for i := range len(password) {
		if password[i] >= 0x80 {
			if p, err := precis.OpaqueString.String(password); err == nil {
				return p
			}
			break
		}
	}
	return password
}

// hash makes the PHC string of a new password.
func (s *Service) hash(ctx context.Context, password string) (string, error) {
	if utf8.RuneCountInString(password) < minPassword {
		return "", mail.Refuse(mail.BadContent, "accounts-password-short", "Min", minPassword)
	}
	if len(password) > maxPassword {
		return "", mail.Refuse(mail.BadContent, "accounts-password-long", "Max", maxPassword)
	}
	s.prepare()
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
	case <-ctx.Done():
		return "", kinded(ctx.Err())
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	key := argon2.IDKey([]byte(prepared(password)), salt, argonTime, argonMemory, argonThreads, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// verify compares a prepared password with a PHC string. One that cannot be
// read, such as "" of nobody, costs the same and is always wrong.
func verify(password, phc string) bool {
	salt, want, m, t, p, ok := parsePHC(phc)
	if !ok {
		salt, want, m, t, p = make([]byte, saltSize), make([]byte, argonKey), argonMemory, argonTime, argonThreads
	}
	got := argon2.IDKey([]byte(password), salt, t, m, p, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && ok
}

func parsePHC(phc string) (salt, key []byte, m, t uint32, p uint8, ok bool) {
	f := strings.Split(phc, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return
	}
	if n, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &m, &t, &p); n != 3 || err != nil {
		return
	}
	// A row must not be able to ask for more than the host has.
	if m < 8 || m > 1<<18 || t < 1 || t > 16 || p < 1 || p > 16 {
		return
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(f[4])
	key, err2 := base64.RawStdEncoding.DecodeString(f[5])
	return salt, key, m, t, p, err1 == nil && err2 == nil && len(salt) >= 8 && len(key) >= 16 && len(key) <= 64
}

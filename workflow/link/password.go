package link

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"colporteur/mail"
)

// Cost of one guess: 19 MiB and two passes, about 60 ms (OWASP's least for
// argon2id). Few run at once, so that guessing cannot take the machine's memory.
const (
	passwordTime   = 2
	passwordMemory = 19 << 10 // KiB
	passwordMost   = 1 << 10  // bytes of a password
)

var hashing = make(chan struct{}, 2)

// HashPassword makes what Rules.Password holds; "" of "".
func HashPassword(ctx context.Context, password string) (string, error) {
	if password == "" {
		return "", nil
	}
	if len(password) > passwordMost {
		return "", mail.Refuse(mail.Policy, "unlock-too-long")
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	sum, err := argon(ctx, password, salt)
	if err != nil {
		return "", err
	}
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=1$%s$%s", passwordMemory, passwordTime, enc(salt), enc(sum)), nil
}

func argon(ctx context.Context, password string, salt []byte) ([]byte, error) {
	select {
	case hashing <- struct{}{}:
		defer func() { <-hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, passwordTime, passwordMemory, 1, 32), nil
}

// matches says whether a password is the one of a hash of ours.
func matches(ctx context.Context, hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || len(password) > passwordMost {
		return false, nil
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, nil
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return false, nil
	}
	got, err := argon(ctx, password, salt)
	return subtle.ConstantTimeCompare(got, want) == 1, err
}

package link

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
)

var base32lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// TokenLength is how many characters a token has: 128 bits, five to a character.
const TokenLength = 26

// Token makes the token of a link again (for reminders).
func (s *Service) Token(l Link) Token { return s.derive("page", l) }

// ReplyToken makes the token of the address that replies go to. Who knows it
// cannot find the page's: both come from the key alone.
func (s *Service) ReplyToken(l Link) Token { return s.derive("reply", l) }

func (s *Service) derive(use string, l Link) Token {
	if len(s.Key) < 32 {
		panic("link: the key is missing") // anybody could make tokens of an empty key
	}
	h := hmac.New(sha256.New, s.Key)
	h.Write([]byte(use))
	h.Write([]byte{0})
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(l.ID)))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(l.Generation)))
	return Token(base32lower.EncodeToString(h.Sum(nil)[:16]))
}

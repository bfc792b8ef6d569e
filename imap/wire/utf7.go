package wire

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Modified UTF-7 (RFC 3501 §5.1.3): printable ASCII stands for itself, "&-" for
// "&", and all else is UTF-16 in base64 with "," for "/", between "&" and "-".
var utf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding).Strict()

// EncodeUTF7 writes a UTF-8 name.
func EncodeUTF7(s string) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] < 0x7f && s[i] != '&'
	}
	if plain {
		return s
	}
	var b strings.Builder
	var wide []byte
	flush := func() {
		if len(wide) > 0 {
			b.WriteString("&" + utf7.EncodeToString(wide) + "-")
			wide = wide[:0]
		}
	}
	for _, r := range s {
		switch {
		case r == '&':
			flush()
			b.WriteString("&-")
		case r >= ' ' && r < 0x7f:
			flush()
			b.WriteByte(byte(r))
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				wide = append(wide, byte(u>>8), byte(u))
			}
		}
	}
	flush()
	return b.String()
}

// DecodeUTF7 reads a name. ok is false unless s is how EncodeUTF7 writes it.
func DecodeUTF7(s string) (name string, ok bool) {
	if strings.IndexByte(s, '&') < 0 {
		for i := 0; i < len(s); i++ {
			if s[i] < ' ' || s[i] >= 0x7f {
				return "", false
			}
		}
		return s, true
	}
	var b strings.Builder
	for rest := s; rest != ""; {
		plain, shifted, found := strings.Cut(rest, "&")
		b.WriteString(plain)
		if !found {
			break
		}
		code, after, ended := strings.Cut(shifted, "-")
		if !ended {
			return "", false
		}
		rest = after
		if code == "" {
			b.WriteByte('&')
			continue
		}
		raw, err := utf7.DecodeString(code)
		if err != nil || len(raw)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(raw)/2)
		for i := range units {
			units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
		}
		for _, r := range utf16.Decode(units) {
			b.WriteRune(r)
		}
	}
	name = b.String()
	// One spelling for each name: also refuses half surrogates, shifted ASCII,
	// "&AOk-&AOk-" and control characters in clear.
	if !utf8.ValidString(name) || EncodeUTF7(name) != s {
		return "", false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return "", false
		}
	}
	return name, true
}

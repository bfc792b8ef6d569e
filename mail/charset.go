package mail

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// toUTF8 converts text in the named charset. It always returns valid UTF-8;
// ok is false when the charset is unknown and the text was guessed at. The
// result may share memory with b.
func toUTF8(name string, b []byte) (_ []byte, ok bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "", "us-ascii", "ascii", "ansi_x3.4-1968", "7bit", "8bit", "utf-8", "utf8", "unicode-1-1-utf-8", "x-utf_8j":
		return guess(b, strings.HasPrefix(name, "utf")), true
	case "utf-7", "utf7", "unicode-1-1-utf-7", "x-unicode-2-0-utf-7":
		return utf7(b), true
	case "iso-2022-kr":
		return convert(korean.EUCKR, shifted(b)), true
	case "iso-2022-cn", "iso-2022-cn-ext":
		return convert(simplifiedchinese.GBK, shifted(b)), true
	case "hz-gb-2312":
		return convert(simplifiedchinese.HZGB2312, b), true
	}
	if e := lookup(name); e != nil {
		return convert(e, b), true
	}
	r, err := charset.Reader(name, bytes.NewReader(b))
	if err != nil {
		return guess(b, false), false
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return guess(b, false), false
	}
	return bytes.ToValidUTF8(text, replacement), true
}

var replacement = []byte("\uFFFD")

// lookup prefers the names of browsers: they read "iso-8859-1" as
// windows-1252 and "gb2312" as GBK, which is what their users' programs write.
func lookup(name string) encoding.Encoding {
	switch name {
	case "cp932", "ms932", "windows-932", "x-ms-cp932":
		return japanese.ShiftJIS
	case "cp949", "ms949", "uhc", "x-windows-949", "ks_c_5601":
		return korean.EUCKR
	case "cp936", "ms936", "windows-936":
		return simplifiedchinese.GBK
	case "cp950", "ms950", "windows-950":
		return traditionalchinese.Big5
	case "cp50220", "cp50221", "iso-2022-jp-ms":
		return japanese.ISO2022JP
	case "latin-1", "iso8859_1", "8859-1", "iso-8859-1-windows-3.1-latin-1":
		return charmap.Windows1252
	}
	e, err := htmlindex.Get(name)
	if err != nil || e == encoding.Replacement {
		return nil
	}
	return e
}

func convert(e encoding.Encoding, b []byte) []byte {
	text, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return guess(b, false)
	}
	return text
}

// guess reads 8-bit text without a label: UTF-8 if it is that, else
// windows-1252, which is what old programs meant. Text labelled UTF-8 keeps
// what is good in it.
func guess(b []byte, labelled bool) []byte {
	if utf8.Valid(b) {
		return b
	}
	if !labelled {
		return convertSingle(b)
	}
	return bytes.ToValidUTF8(b, replacement)
}

func convertSingle(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/4)
	for _, c := range b {
		out = utf8.AppendRune(out, charmap.Windows1252.DecodeByte(c))
	}
	return out
}

// shifted turns the seven-bit forms of RFC 1557 and RFC 1922 into their
// eight-bit twins: between SO and SI each octet gets its high bit. The
// designations themselves (ESC $ …) are dropped.
func shifted(b []byte) []byte {
	out := make([]byte, 0, len(b))
	high := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == 0x1b:
			for i+1 < len(b) && i < len(b) && b[i+1] >= 0x20 && b[i+1] <= 0x2f { // intermediates
				i++
			}
			i++ // final
		case c == 0x0e:
			high = true
		case c == 0x0f, c == '\n': // a line begins in ASCII
			high = false
			if c == '\n' {
				out = append(out, c)
			}
		case high && c > 0x20 && c < 0x7f:
			out = append(out, c|0x80)
		default:
			out = append(out, c)
		}
	}
	return out
}

// utf7 reads RFC 2152. It is only ever shown as text: as HTML it is a classic
// way around filters.
func utf7(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '+' {
			if b[i] < utf8.RuneSelf {
				out = append(out, b[i])
			} else {
				out = append(out, replacement...)
			}
			continue
		}
		j := i + 1
		for j < len(b) && base64Values[b[j]] < 64 {
			j++
		}
		if j == i+1 {
			out = append(out, '+')
		} else {
			raw, _ := base64.RawStdEncoding.DecodeString(string(b[i+1 : j]))
			units := make([]uint16, 0, len(raw)/2)
			for k := 0; k+1 < len(raw); k += 2 {
				units = append(units, uint16(raw[k])<<8|uint16(raw[k+1]))
			}
			out = append(out, string(utf16.Decode(units))...)
		}
		if j < len(b) && b[j] == '-' {
			j++
		}
		i = j - 1
	}
	return out
}

// UTF8 converts text in the named charset. ok is false when the charset is
// unknown, or when something in the text was not of it.
func UTF8(charset string, b []byte) (text string, ok bool) {
	out, ok := toUTF8(charset, b)
	return string(out), ok && !bytes.Contains(out, replacement)
}

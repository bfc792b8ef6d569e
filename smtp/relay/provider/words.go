package provider

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxText is how much of a reply is looked at; what matters stands at its
// beginning, and some write advertisements after it.
const maxText = 2 << 10

// plain is a reply ready to be looked at: lower case, on one line, without
// quotes, addresses and enhanced codes. Servers repeat the code on each line, in
// the middle of what they say.
func plain(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), maxText)], " ")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\u2018' || r == '\u2019':
			return '\''
		case unicode.IsControl(r) || unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return unicode.ToLower(r)
	}, text)
	words := strings.Fields(unquote(text))
	kept := words[:0]
	for _, w := range words {
		// Whom we wrote to is the sender's choice; whom to write to is the server's.
		if isEnhanced(strings.TrimPrefix(w, "#")) || strings.Contains(w, "@") && !contact(w) {
			continue
		}
		kept = append(kept, w)
	}
	return strings.Join(kept, " ")
}

// contact says whether an address is one that a refusal names to be asked.
func contact(w string) bool {
	w = strings.TrimLeft(w, "(<")
	return strings.HasPrefix(w, "tosa@") || strings.HasPrefix(w, "toda@")
}

// unquote leaves out what stands in quotes or angle brackets, where words of the
// mail stand, and names. A quote that does not end goes to the end.
func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		end := byte(0)
		switch c := s[i]; {
		case c == '"':
			end = '"'
		case c == '<':
			end = '>'
		case c == '\'' && (i == 0 || s[i-1] == ' ' || s[i-1] == '(' || s[i-1] == ':'): // not an apostrophe
			end = '\''
		default:
			b.WriteByte(c)
			continue
		}
		b.WriteByte(' ')
		n := strings.IndexByte(s[i+1:], end)
		if n < 0 {
			return b.String()
		}
		i += n + 1
	}
	return b.String()
}

// isEnhanced says whether a word is a code of RFC 3463.
func isEnhanced(w string) bool {
	if len(w) < 5 || w[0] != '2' && w[0] != '4' && w[0] != '5' || w[1] != '.' {
		return false
	}
	subject, detail, ok := strings.Cut(w[2:], ".")
	return ok && number(subject) && number(detail)
}

func number(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 3
}

// The ways in which servers say how long to wait.
var (
	clock = regexp.MustCompile(`\b(?:in|for|after|wait) (\d{1,2}):(\d\d):(\d\d)\b`) // milter-greylist
	count = regexp.MustCompile(`\b(?:in|for|after|wait|within|dans|at least) (\d{1,5}) ?(s|sec|secs|seconds?|secondes?|m|mins?|minutes?|h|hours?|heures?)\b`)
)

// waitSaid is how long a reply asks to wait, between a minute and a day; 0 when
// it does not say.
func waitSaid(words string) time.Duration {
	var d time.Duration
	if m := clock.FindStringSubmatch(words); m != nil {
		d = amount(m[1], time.Hour) + amount(m[2], time.Minute) + amount(m[3], time.Second)
	} else if m := count.FindStringSubmatch(words); m != nil {
		unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour}[m[2][0]]
		d = amount(m[1], unit)
	}
	if d <= 0 {
		return 0
	}
	return min(max(d, time.Minute), 24*time.Hour)
}

func amount(s string, unit time.Duration) time.Duration {
	n, _ := strconv.Atoi(s)
	return time.Duration(n) * unit
}

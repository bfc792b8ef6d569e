package report

import (
	"strconv"
	"strings"
	"time"
)

// day is the day in UTC that most of a time lies in, in days since 1970.
func day(begin, end time.Time) int64 { return (begin.Unix() + end.Unix()) / 2 / 86400 }

func moment(s string) time.Time {
	s, _, _ = strings.Cut(s, ".") // some write fractions
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > 1<<33 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

func number(s string) int64 {
	s, _, _ = strings.Cut(s, ".")
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return min(n, maxCount)
}

// domain is what a report calls one, as we compare them; "" when it cannot be one.
func domain(s string) string {
	s = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(s), "."))
	if len(s) > 253 {
		return ""
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return ""
		}
	}
	return s
}

// result is a word of RFC 8601 §2.7; old reporters have names of their own.
func result(s string) string {
	switch s {
	case "unknown":
		return "temperror"
	case "error":
		return "permerror"
	case "hardfail":
		return "fail"
	}
	return oneOf(s, "none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror")
}

func oneOf(s string, words ...string) string {
	for _, w := range words {
		if s == w {
			return w
		}
	}
	return ""
}

package vcard

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// unescape undoes the escapes of RFC 6350 §3.4; a backslash before anything else
// stays, as vCard 2.1 has it.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch i++; s[i] {
		case 'n', 'N':
			b.WriteByte('\n')
		case ',', ';', '\\', ':', '"':
			b.WriteByte(s[i])
		default:
			b.WriteByte('\\')
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`, ",", `\,`, ";", `\;`).Replace(s)
}

// split splits at separators that are not escaped; the parts are as they were.
func split(s string, at byte) (parts []string) {
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case at:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// words are the items of a list, unescaped, without empty ones.
func words(s string, at byte) (list []string) {
	for _, w := range split(s, at) {
		if w = strings.TrimSpace(unescape(w)); w != "" {
			list = append(list, w)
		}
	}
	return list
}

// date reads the dates of RFC 6350 §4.3.1 and those that vCard 3.0 wrote. It is
// nil for what is none.
func date(s string, omitted string) map[string]any {
	s = strings.TrimSpace(s)
	if t, err := time.Parse(time.RFC3339, s); err == nil && (t.UTC().Hour() != 0 || t.UTC().Minute() != 0) {
		return map[string]any{"@type": "Timestamp", "utc": t.UTC().Format(time.RFC3339)}
	}
	if day, _, ok := strings.Cut(s, "T"); ok {
		s = day
	}
	var y, m, d string
	switch digits := strings.ReplaceAll(s, "-", ""); {
	case strings.HasPrefix(s, "---"):
		d = digits
	case strings.HasPrefix(s, "--"):
		if m = digits; len(digits) == 4 {
			m, d = digits[:2], digits[2:]
		}
	case len(digits) == 8:
		y, m, d = digits[:4], digits[4:6], digits[6:]
	case len(s) == 7 && s[4] == '-':
		y, m = s[:4], s[5:]
	case len(s) == 4:
		y = s
	default:
		return nil
	}
	if y == omitted { // Apple writes 1604 for no year
		y = ""
	}
	out := map[string]any{"@type": "PartialDate"}
	for _, p := range []struct {
		name, text  string
		least, most int
	}{{"year", y, 0, 9999}, {"month", m, 1, 12}, {"day", d, 1, 31}} {
		if p.text == "" {
			continue
		}
		n, err := strconv.Atoi(p.text)
		if err != nil || n < p.least || n > p.most {
			return nil
		}
		out[p.name] = float64(n)
	}
	if len(out) == 1 {
		return nil
	}
	return out
}

// dated writes what date reads; "" for what has no form there.
func dated(d map[string]any, four bool) string {
	if s, ok := d["utc"].(string); ok {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return ""
		}
		if four {
			return t.UTC().Format("20060102T150405Z")
		}
		return t.UTC().Format(time.RFC3339)
	}
	n := func(name string) int {
		f, ok := d[name].(float64)
		if !ok {
			return -1
		}
		return int(f)
	}
	y, m, day := n("year"), n("month"), n("day")
	switch {
	case y >= 0 && m > 0 && day > 0 && four:
		return fmt.Sprintf("%04d%02d%02d", y, m, day)
	case y >= 0 && m > 0 && day > 0:
		return fmt.Sprintf("%04d-%02d-%02d", y, m, day)
	case y >= 0 && m > 0:
		return fmt.Sprintf("%04d-%02d", y, m)
	case y >= 0 && day < 0:
		return fmt.Sprintf("%04d", y)
	case y < 0 && m > 0 && day > 0:
		return fmt.Sprintf("--%02d%02d", m, day)
	case y < 0 && m > 0:
		return fmt.Sprintf("--%02d", m)
	case y < 0 && day > 0:
		return fmt.Sprintf("---%02d", day)
	}
	return ""
}

// moment reads the time of a change: REV, CREATED. "" when it is none.
func moment(s string) string {
	for _, form := range []string{time.RFC3339, "20060102T150405Z", "20060102T150405Z0700", "20060102T150405", "2006-01-02T15:04:05", "2006-01-02", "20060102"} {
		if t, err := time.Parse(form, strings.TrimSpace(s)); err == nil && t.Year() > 0 && t.UTC().Year() < 10000 {
			return t.UTC().Format(time.RFC3339)
		}
	}
	return ""
}

package mail

import (
	"strings"
	"time"
)

// ParseDate reads a Date field as leniently as it can: RFC 5322 with its
// obsolete zones and two-digit years, missing seconds or zone, dashes, the
// order of asctime and of ISO 8601. The zone is kept. Zero when it cannot.
func ParseDate(v string) time.Time {
	var d dateReader
	d.zone = time.UTC
	for v = v[:min(len(v), 200)]; v != ""; {
		i := 0
		for i < len(v) && !strings.ContainsRune(" \t,;()\r\n", rune(v[i])) {
			i++
		}
		if i == 0 {
			if v[0] == '(' { // comment; nobody nests them here
				_, v, _ = strings.Cut(v, ")")
			} else {
				v = v[1:]
			}
			continue
		}
		d.token(v[:i])
		v = v[i:]
	}
	switch { // RFC 5322 §4.3
	case d.digits <= 2 && d.year < 50:
		d.year += 2000
	case d.digits <= 3:
		d.year += 1900
	}
	if d.day < 1 || d.day > 31 || d.month == 0 || d.digits == 0 || d.year < 1900 || d.year > 9998 ||
		d.hour > 23 || d.minute > 59 || d.second > 60 {
		return time.Time{}
	}
	return time.Date(d.year, d.month, d.day, d.hour, d.minute, min(d.second, 59), 0, d.zone)
}

type dateReader struct {
	year, digits         int
	month                time.Month
	day                  int
	hour, minute, second int
	clock, zoned         bool
	zone                 *time.Location
}

func (d *dateReader) token(t string) {
	if t == "" {
		return
	}
	if t, rest, ok := strings.Cut(t, "T"); ok && strings.Count(t, "-") == 2 { // 2026-11-22T10:00:00Z
		d.token(t)
		if i := strings.IndexAny(rest, "+-Z"); i > 0 {
			d.token(rest[:i])
			d.token(rest[i:])
			return
		}
		d.token(rest)
		return
	}
	switch {
	case !d.clock && strings.Contains(t, ":") && t[0] != '+' && t[0] != '-':
		d.time(t)
	case !d.zoned && d.clock && (t[0] == '+' || t[0] == '-'):
		d.offset(t)
	case strings.Contains(t, "-") && len(t) > 5:
		for _, t := range strings.SplitN(t, "-", 3) {
			if t != "" {
				d.token(t)
			}
		}
	default:
		if n, ok := number(t); ok {
			d.number(n, len(t))
		} else {
			d.name(t)
		}
	}
}

// number: the first is the day, unless it can only be a year.
func (d *dateReader) number(n, digits int) {
	switch {
	case digits >= 3 && d.digits == 0:
		d.year, d.digits = n, digits
	case d.digits != 0 && d.month == 0 && digits <= 2 && n >= 1 && n <= 12: // ISO 8601
		d.month = time.Month(n)
	case d.day == 0:
		d.day = n
	case d.digits == 0:
		d.year, d.digits = n, digits
	}
}

func (d *dateReader) time(t string) {
	t, _, _ = strings.Cut(t, ".") // fractions
	ok := true
	for i, s := range strings.Split(t, ":") {
		n, good := number(s)
		switch ok = ok && good; i {
		case 0:
			d.hour = n
		case 1:
			d.minute = n
		case 2:
			d.second = n
		}
	}
	if !ok {
		d.hour = 99 // refused at the end
	}
	d.clock = true
}

func (d *dateReader) offset(t string) {
	n, ok := number(strings.Replace(t[1:], ":", "", 1))
	if !ok || n/100 > 23 || n%100 > 59 {
		return
	}
	d.fix(t[0] == '-', n/100*60+n%100)
}

func (d *dateReader) fix(west bool, minutes int) {
	d.zoned = true
	if west {
		minutes = -minutes
	}
	if minutes != 0 {
		d.zone = time.FixedZone("", minutes*60)
	}
}

func (d *dateReader) name(t string) {
	if len(t) >= 3 && d.month == 0 {
		var low [3]byte
		for i := range low {
			low[i] = t[i] | 0x20
		}
		if i := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", string(low[:])); i >= 0 && i%3 == 0 {
			d.month = time.Month(i/3 + 1)
			return
		}
	}
	if !d.clock || d.zoned {
		return
	}
	switch strings.ToUpper(t) { // RFC 5322 §4.3; others are read as UTC
	case "EST":
		d.fix(true, 5*60)
	case "EDT":
		d.fix(true, 4*60)
	case "CST":
		d.fix(true, 6*60)
	case "CDT":
		d.fix(true, 5*60)
	case "MST":
		d.fix(true, 7*60)
	case "MDT":
		d.fix(true, 6*60)
	case "PST":
		d.fix(true, 8*60)
	case "PDT":
		d.fix(true, 7*60)
	case "CET", "MET":
		d.fix(false, 60)
	case "CEST", "MEST":
		d.fix(false, 120)
	}
}

func number(s string) (int, bool) {
	if s == "" || len(s) > 6 {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

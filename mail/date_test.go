package mail

import (
	"testing"
	"time"
)

func TestDatesAreReadLeniently(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Sun, 22 Nov 2026 21:00:05 +0100":          "2026-11-22T21:00:05+01:00",
		"22 Nov 2026 21:00 +0000":                  "2026-11-22T21:00:00Z",
		"Sun,22 nov 2026 21:00:05 -0330 (comment)": "2026-11-22T21:00:05-03:30",
		"Fri, 21 Nov 97 09:55:06 EST":              "1997-11-21T09:55:06-05:00",
		"1 Jan 05 1:02:03 GMT":                     "2005-01-01T01:02:03Z",
		"1 Jan 105 1:02:03 UT":                     "2005-01-01T01:02:03Z",
		"Sun Nov 22 21:00:05 2026":                 "2026-11-22T21:00:05Z",
		"Sun Nov 22 21:00:05 CET 2026":             "2026-11-22T21:00:05+01:00",
		"2026-11-22T21:00:05Z":                     "2026-11-22T21:00:05Z",
		"2026-11-22T21:00:05.123+02:00":            "2026-11-22T21:00:05+02:00",
		"2026-11-22 21:00:05 -0700":                "2026-11-22T21:00:05-07:00",
		"22-Nov-2026 21:00:05 +0100":               "2026-11-22T21:00:05+01:00",
		"Sunday, 22-November-26 21:00:05 GMT":      "2026-11-22T21:00:05Z",
		"22 Nov 2026":                              "2026-11-22T00:00:00Z",
		"22 Nov 2026 23:59:60 +0000":               "2026-11-22T23:59:59Z",
		"22 Nov 2026 21:00:05 +9999":               "2026-11-22T21:00:05Z",
		"22 Nov 2026 21:00:05 XYZ":                 "2026-11-22T21:00:05Z",
		"22 Nov 2026 21:00:05":                     "2026-11-22T21:00:05Z",
		"":                                         "",
		"tomorrow":                                 "",
		"32 Nov 2026 21:00:05 +0000":               "",
		"22 Nov 2026 25:00:05 +0000":               "",
		"22 Nov 99999 21:00:05 +0000":              "",
		"22 Nov 1066 21:00:05 +0000":               "",
		"22 Foo 2026 21:00:05 +0000":               "",
		"22 Nov 2026 2x:00:05 +0000":               "",
		"((((((":                                   "",
	} {
		got := ""
		if d := ParseDate(in); !d.IsZero() {
			got = d.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// A Summary is kept as JSON, which refuses some times.
func FuzzParseDate(f *testing.F) {
	f.Add("Sun, 22 Nov 2026 21:00:05 +0100")
	f.Add("2026-11-22T21:00:05.123+23:59")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := ParseDate(s).MarshalJSON(); err != nil {
			t.Fatal(err)
		}
	})
}

package dmarc

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"

	"colporteur/mail"
)

// said is a DNS that is made up as it is asked: what stands at _dmarc below a
// domain, "" for nothing.
type said func(domain string) string

func (s said) LookupTXT(_ context.Context, name string) ([]string, error) {
	if txt := s(strings.TrimPrefix(name, "_dmarc.")); txt != "" {
		return []string{txt}, nil
	}
	return nil, &net.DNSError{Err: "nothing", Name: name, IsNotFound: true}
}

func (s said) Exists(context.Context, string) (bool, error) { return true, nil }

// The cases of the public suffix list, under four ways to publish.
func TestOrganisationsOfThePublicSuffixList(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "corpora", "psl", "tests", "test_psl.txt"))
	if err != nil {
		t.Skip("the corpora are not beside this checkout")
	}
	cases := regexp.MustCompile(`(?m)^checkPublicSuffix\('([^']+)', (?:null|'([^']+)')\);`).FindAllStringSubmatch(string(b), -1)
	checked := 0
	for _, m := range cases {
		name, err := mail.Domain(m[1])
		if err != nil {
			continue // a leading dot
		}
		suffix, icann := publicsuffix.PublicSuffix(name)
		want := name // a suffix, or below nothing that is known
		if m[2] != "" {
			if want, err = mail.Domain(m[2]); err != nil {
				t.Fatal(err)
			}
		}
		org := func(s said) string {
			w := climb(t.Context(), s, name)
			got, err := w.organisation()
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		isSuffix := func(d string) bool { s, _ := publicsuffix.PublicSuffix(d); return s == d }
		if got := org(func(d string) string {
			if isSuffix(d) || d == suffix {
				return "v=DMARC1; psd=y"
			}
			return ""
		}); got != want {
			t.Errorf("%s, every suffix has psd=y: got %s, want %s", name, got, want)
		}
		// By the letter of RFC 9989 §4.10.2, everything below a suffix with a record
		// would be one organisation.
		if icann && m[2] != "" {
			if got := org(func(d string) string {
				if under(suffix, d) {
					return "v=DMARC1; p=reject"
				}
				return ""
			}); got != want {
				t.Errorf("%s, its suffixes have records of RFC 7489: got %s, want %s", name, got, want)
			}
		}
		if got := org(func(d string) string {
			if d == want {
				return "v=DMARC1; p=none"
			}
			return ""
		}); got != want {
			t.Errorf("%s, the organisation has a record of RFC 7489: got %s, want %s", name, got, want)
		}
		if got := org(func(string) string { return "" }); got != name {
			t.Errorf("%s, nobody has a record: got %s", name, got)
		}
		checked++
	}
	if checked < 60 {
		t.Errorf("%d cases were checked", checked)
	}
}

// What the list and the walk see differently, as RFC 9989 wants it.
func TestTheWalkAndTheListDiffer(t *testing.T) {
	t.Parallel()
	// The record alone below the organisation: its name is an organisation of its
	// own, and the parent without a record does not prove its mail.
	below := said(func(d string) string {
		if d == "news.example.co.uk" {
			return "v=DMARC1; p=reject"
		}
		return ""
	})
	if got := Evaluate(t.Context(), below, Author{Domain: "news.example.co.uk"}, mail.SPFResult{}, signed("example.co.uk")); got.Result != mail.Fail || got.Org != "news.example.co.uk" {
		t.Errorf("got %+v", got)
	}
	// A record at the organisation is found from any depth, as with the list.
	at := said(func(d string) string {
		if d == "example.co.uk" {
			return "v=DMARC1; p=reject"
		}
		return ""
	})
	if got := Evaluate(t.Context(), at, Author{Domain: "a.b.example.co.uk"}, sent("c.example.co.uk"), nil); got.Result != mail.Pass || got.Org != "example.co.uk" {
		t.Errorf("got %+v", got)
	}
	// A registry that says it is one organisation is.
	one := said(func(d string) string {
		if d == "co.uk" {
			return "v=DMARC1; p=reject; psd=n"
		}
		return ""
	})
	if got := Evaluate(t.Context(), one, Author{Domain: "a.co.uk"}, mail.SPFResult{}, signed("b.co.uk")); got.Result != mail.Pass || got.Org != "co.uk" {
		t.Errorf("got %+v", got)
	}
	// A company whose domain the list has in its private part is one organisation
	// when it publishes.
	company := said(func(d string) string {
		if d == "github.io" {
			return "v=DMARC1; p=reject"
		}
		return ""
	})
	if got := Evaluate(t.Context(), company, Author{Domain: "a.github.io"}, mail.SPFResult{}, signed("github.io")); got.Result != mail.Pass {
		t.Errorf("got %+v", got)
	}
}

package dkim

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
)

// zone is a DNS with nothing but TXT records.
type zone map[string][]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if txts, ok := z[name]; ok {
		return txts, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z zone) with(name string, txts ...string) zone {
	out := zone{name: txts}
	for n, t := range z {
		if n != name {
			out[n] = t
		}
	}
	return out
}

func crlfs(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

func headerOf(message string) []byte {
	if strings.HasPrefix(message, crlf) {
		return []byte(crlf)
	}
	i := strings.Index(message, crlf+crlf)
	if i < 0 {
		return []byte(message)
	}
	return []byte(message[:i+4])
}

// verify judges a mail three ways: whole, octet by octet (when it is short),
// and with a header that was cut; all have to agree.
func verify(t testing.TB, v *Verifier, message string) []mail.DKIMResult {
	t.Helper()
	x := v.Begin(context.Background(), headerOf(message))
	x.Write([]byte(message))
	want := x.Results()
	y := v.Begin(context.Background(), []byte(message[:min(20, len(message)/2)]))
	step := max(1, len(message)/5000)
	for i := 0; i < len(message); i += step {
		y.Write([]byte(message[i:min(i+step, len(message))]))
	}
	got := y.Results()
	if len(got) != len(want) {
		t.Fatalf("in pieces: %d results, whole: %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("in pieces: %+v\n   whole: %+v", got[i], want[i])
		}
	}
	return want
}

const rfc6376Key = "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkM" +
	"oGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/R" +
	"tdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToI" +
	"MmPSPDdQPNUYckcQ2QIDAQAB"

// published are the keys of the RFCs' examples, and of the mails in the corpora.
var published = zone{
	"brisbane._domainkey.example.com":          {rfc6376Key},
	"s.flags._domainkey.example.com":           {strings.Replace(rfc6376Key, "; p=", "; t=s; p=", 1)},
	"brisbane._domainkey.football.example.com": {"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
	"test._domainkey.football.example.com": {"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR" +
		"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC" +
		"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3" +
		"Ip3G+2kryOTIKT+l/K4w3QIDAQAB"},
	"yg4mwqurec7fkhzutopddd3ytuaqrvuz._domainkey.amazon.com": {"p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC5bK96ORNNFosbAaVNZU/gVzhANHyd00o1O7qbEeMNLKPNpS8/TYwdlrVnQ7JtJHjIR9EPj61jgtS604XpAltDMYvic2I40AaKgSfr4dDlRcALRtlVqmG7U5MdLiMyabxXPl2s/oqkevALySg0sr/defHC+qAhmdot9Ii/ZQ3YcQIDAQAB"},
	"v2._domainkey.newsletters.cnn.com":                      {"v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqd2EItai1ml2NEcqHw2LVvPcAk47vsawT1VefsguODwAiEMVwZxICrfqRlaZ7HC//r42raw9ZOCk48ymgvsR9vLVXEHcBL0cHiOi1AS57GUNcMzBd3SqxSJTQbt5RWfqas4p2mf2PAcvI/pmCCGJg+8zPimNnFZrarZyuUZCdzI7N6pp3TJVXpfDyNEKa1S/wl8W1tufjkwr8As8LQgoxw7/zQyMOm1fyFyxmPh+wd1dMHOBG7a1vV/UvH8QA8ou7BINPUcmGctdCglGtXme4FONjp4jJYCfGGoxicydIKXlgUyaLIT52mhnGYmfaXQyq7ZscvXD3ygIKmTY6a+mvwIDAQAB"},
	"v2._domainkey.emailalerts.cnn.com":                      {"v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2c1CEPSZ2BZXPmjt//RXAU/DVIV6gouJ399kcM4oOhwLj1z1fsETHU1uXTTbdyAKBqkI0LXC1Po2f1PtPxomkUwZ39SxDpvHgmzXp0+6O/XHeu9nZtx3YXsIEN65ELqAqN4aKDrM5Dhgs/5ZJibU6YtUfqm2CbRaVQ/9Mj07gEOYXYqSkwtQcqGf1Mxq2Q3y90L7MghdavHCpz/vtvcQCBu9oZhc6thHr4+maPJghNCLDJkQRQpjMqX7oZii9oXtAAbwuSjuIauEWQqVEmSxFekXgbVMOSgBnLwlzBL5/RH/CwaZf2//GqDlMK7EgSNRY+5nyUJjbjpfu5Iy1T12rwIDAQAB"},
	"fm3._domainkey.fastmail.com":                            {"v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr2KQLQU8JamLSgEKT5oooh+WmyLrLJZzR4IaNqrIiBin3rCHH3wJfWck95fJQ+MXoWnMOSTon24DxD4Pfkit5ugZvcrO8BH06F9HNcGhqEBhNtarD0rsyOfc+6YDZEGXA0WiiW6z2oIEz6aGtVotp8mRY77GY2uM8Ke5wz27ZDb3BMjNkTOxrNquIrvOfXdLCY81mPtRpEKQA3GLL1Qa4uFLvXgT3VEZApthFW2rBywSCJnKCn6fPveK3iraeTqFh0Ye3BLEGPGzfNPg5QadOPt8RrCVQ0/kF47sMg1lHkT2MrGPTCOTxcfPJKkKzHo7/XF3bqAWk6wxqK5Jq0NmIQIDAQAB"},
}

// in2023 is after the corpora's mails were sent and before they expire.
func in2023() time.Time { return time.Date(2023, 10, 23, 21, 30, 0, 0, time.UTC) }

func corpus(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "corpora", "dkim", "dkim_verifier", "test", "data")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the corpora are not beside this checkout")
	}
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return crlfs(string(b))
}

func TestPublishedExamplesAreJudgedAsTheyShould(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file string
		want string
	}{
		{"rfc6376-A.2.eml", "pass"},
		{"rfc6376-A.2-body_modified.eml", "fail"},
		{"rfc6376-A.2-header_subject_modified.eml", "fail"},
		{"rfc6376-A.2-ill_formed-missing_v.eml", "neutral"},
		{"rfc6376-A.2-ill_formed-list_id.eml", "pass"},
		{"rfc8463-A.3.eml", "pass pass"},
		{"rfc8463-A.3-key_algo_mismatch.eml", "permerror permerror"},
		{"fakePayPal.eml", ""},
		{"ill_formed-from.eml", ""},
		{"bimi/rfc6376-A.2-with_bimi.eml", "pass"},
		{"dkim/added_header-date.eml", "policy"},
		{"dkim/added_header-from.eml", "policy"},
		{"dkim/added_header-subject.eml", "policy"},
		{"dkim/added_header-to.eml", "policy"},
		{"dkim/alignment-from_not_in_auid.eml", "pass"},
		{"dkim/alignment-from_not_in_sdid.eml", "pass"},
		{"dkim/alignment-signed_by_parent_domain.eml", "pass"},
		{"dkim/flags_s-auid_and_sdid_match.eml", "pass"},
		{"dkim/flags_s-auid_is_subdomain_of_sdid.eml", "permerror"},
		{"dkim/header_with_non_ascii_char.eml", "pass"},
		{"dkim/time-received_after_creation.eml", "pass"},
		{"dkim/time-received_briefly_before_creation.eml", "pass"},
		{"dkim/time-received_long_before_creation.eml", "pass"},
		{"dkim/unsigned_header-content-type.eml", "pass"},
		{"dkim/unsigned_header-reply_to-in_domain.eml", "pass"},
		{"dkim/unsigned_header-reply_to-invalid.eml", "pass"},
		{"dkim/unsigned_header-reply_to-not_in_domain.eml", "pass"},
		{"original/Fastmail from Amazon - Verify your new Amazon account.eml", "pass permerror"},
		{"original/Fastmail from CNN - Thanks for subscribing to 5 Things.eml", "pass"},
		{"original/Fastmail from CNN - Welcome to CNN Breaking News.eml", "pass"},
		{"original/Fastmail from Fastmail - How to keep your email private.eml", "pass permerror"},
		{"original/Fastmail from Fastmail - Welcome! Get set up in 3 steps..eml", "pass permerror"},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			v := &Verifier{DNS: published, Now: in2023}
			results := verify(t, v, corpus(t, c.file))
			var got []string
			for _, r := range results {
				got = append(got, string(r.Result))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%q, want %q: %+v", got, c.want, results)
			}
		})
	}
}

func TestAMailWithoutSignatureCostsNothing(t *testing.T) {
	message := []byte("From: a@b.test\r\nSubject: x\r\n\r\n" + strings.Repeat("body\r\n", 1000))
	header := message[:bytes.Index(message, []byte("\r\n\r\n"))+4]
	v := &Verifier{}
	n := testing.AllocsPerRun(100, func() {
		x := v.Begin(context.Background(), header)
		x.Write(message)
		if x.Results() != nil {
			t.Fatal("results")
		}
	})
	if n > 1 {
		t.Errorf("%v allocations", n)
	}
}

package dkim

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"colporteur/mail"
)

func TestAKeyRecordIsReadAsItIsMeant(t *testing.T) {
	t.Parallel()
	const ed = "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	rsaOnly := strings.TrimPrefix(rfc6376Key, "v=DKIM1; ")
	for _, c := range []struct {
		name, txt string
		want      string // "" is an error
	}{
		{"the RFC's", rfc6376Key, "rsa"},
		{"without v=", rsaOnly, "rsa"},
		{"only v= and p=, no blanks", "v=DKIM1;k=ed25519;" + ed, "ed25519"},
		{"semicolons too many", "v=DKIM1;; k=ed25519; ; " + ed + ";;", "ed25519"},
		{"folded key", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7Ty \t WQHOg7hcvP\r\n apiMlrwIaaPcHURo=", "ed25519"},
		{"without padding", "k=ed25519; " + strings.TrimRight(ed, "="), "ed25519"},
		{"unknown tags", "v=DKIM1; g=*; n=a note; zz=1; k=ed25519; " + ed, "ed25519"},
		{"revoked", "v=DKIM1; p=", "revoked"},
		{"revoked, with a blank", "v=DKIM1; k=ed25519; p= ;", "revoked"},
		{"testing", "t=y; k=ed25519; " + ed, "ed25519 testing"},
		{"strict", "t=s; k=ed25519; " + ed, "ed25519 strict"},
		{"both", "t=y : s; k=ed25519; " + ed, "ed25519 testing strict"},
		{"empty", "", ""},
		{"SPF", "v=spf1 -all", ""},
		{"another version", "v=DKIM2; " + rsaOnly, ""},
		{"v= not first", rsaOnly + "; v=DKIM1", ""},
		{"lower-case v=", "v=dkim1; " + rsaOnly, ""},
		{"no p=", "v=DKIM1; k=rsa", ""},
		{"p= twice", "v=DKIM1; " + rsaOnly + "; p=", ""},
		{"p= cut", rfc6376Key[:120], ""},
		{"p= with a stray sign", strings.Replace(rfc6376Key, "p=MI", "p=M!I", 1), ""},
		{"p= in quotes", strings.Replace(rfc6376Key, "p=MI", `p="MI`, 1) + `"`, ""},
		{"backslashes", `v=DKIM1\; k=rsa\; ` + rsaOnly, ""},
		{"unknown k=", "k=ecdsa; " + ed, ""},
		{"Ed25519 under k=rsa", "k=rsa; " + ed, ""},
		{"RSA under k=ed25519", "k=ed25519; " + rsaOnly, ""},
		{"a tag without =", "v=DKIM1; k=ed25519 " + ed[2:] + "; p", ""},
		{"64 KB", "v=DKIM1; n=" + strings.Repeat("x", 64<<10) + "; " + rsaOnly, ""},
		{"64 KB of semicolons", strings.Repeat(";", 64<<10), ""},
		{"4 KB of tags", strings.Repeat("a=;", 1000), ""},
		{"NUL", "v=DKIM1; p=\x00", ""},
	} {
		r, err := ParseRecord(c.txt)
		got := ""
		if err == nil {
			got = r.Algorithm
			if r.Revoked {
				got = "revoked"
			}
			if r.Testing {
				got += " testing"
			}
			if r.Strict {
				got += " strict"
			}
			if !r.Revoked && r.Key == nil {
				t.Errorf("%s: no key", c.name)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q (%v), want %q", c.name, got, err, c.want)
		}
	}
}

func TestWhatWePublishIsReadBack(t *testing.T) {
	t.Parallel()
	keys, z := pair()
	for _, k := range keys {
		r, err := ParseRecord(z[KeyName(k.Selector, k.Domain)][0])
		if err != nil {
			t.Fatal(err)
		}
		ok := false
		switch key := k.Signer.Public().(type) {
		case *rsa.PublicKey:
			ok = key.Equal(r.Key)
		case ed25519.PublicKey:
			ok = key.Equal(r.Key)
		}
		if !ok {
			t.Errorf("%s: another key", k.Selector)
		}
	}
	if _, err := PublicRecord("x"); err == nil {
		t.Error("a string is a key")
	}
}

// modulus is the record of an RSA key of that many bits which nobody can sign with.
func modulus(t testing.TB, bits int) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der)
}

func TestTheKeyDecides(t *testing.T) {
	t.Parallel()
	keys, z := pair()
	r1, e1 := z["r1._domainkey.home.test"][0], z["e1._domainkey.home.test"][0]
	der := x509.MarshalPKCS1PublicKey(keys[0].Signer.Public().(*rsa.PublicKey))
	message := sign(t, hard["plain"])
	for _, c := range []struct {
		name string
		txts []string // of the RSA key
		want mail.Result
	}{
		{"as published", []string{r1}, mail.Pass},
		{"a bare RSAPublicKey (erratum 3017)", []string{"p=" + base64.StdEncoding.EncodeToString(der)}, mail.Pass},
		{"another key", []string{strings.Replace(r1, "IDAQAB", "IDAQAR", 1)}, mail.Fail},
		{"no record", []string{}, mail.PermError},
		{"an Ed25519 key", []string{e1}, mail.PermError},
		{"revoked", []string{"v=DKIM1; p="}, mail.PermError},
		{"a typo", []string{"v=DKIM1; k=rsa; p=MIIB"}, mail.PermError},
		{"only for sha1", []string{strings.Replace(r1, "k=rsa", "k=rsa; h=sha1", 1)}, mail.PermError},
		{"for sha256 too", []string{strings.Replace(r1, "k=rsa", "k=rsa; h=sha1 : sha256", 1)}, mail.Pass},
		{"for another service", []string{strings.Replace(r1, "k=rsa", "k=rsa; s=tlsrpt", 1)}, mail.PermError},
		{"for mail", []string{strings.Replace(r1, "k=rsa", "k=rsa; s=tlsrpt:email", 1)}, mail.Pass},
		{"for all", []string{strings.Replace(r1, "k=rsa", "k=rsa; s=*", 1)}, mail.Pass},
		{"testing", []string{strings.Replace(r1, "k=rsa", "k=rsa; t=y", 1)}, mail.Pass},
		{"beside a wildcard's SPF", []string{"v=spf1 -all", r1}, mail.Pass},
		{"the right one is second", []string{rfc6376Key, r1}, mail.Pass},
		{"the right one is far down", []string{rfc6376Key, rfc6376Key, rfc6376Key, rfc6376Key, rfc6376Key, r1}, mail.Fail},
		{"512 bits", []string{modulus(t, 512)}, mail.PolicyNo},
		{"1023 bits", []string{modulus(t, 1023)}, mail.PolicyNo},
		{"1024 bits", []string{modulus(t, 1024)}, mail.Fail},
		{"4096 bits", []string{modulus(t, 4096)}, mail.Fail},
		{"4097 bits", []string{modulus(t, 4097)}, mail.PolicyNo},
		{"8192 bits", []string{modulus(t, 8192)}, mail.PolicyNo},
		{"500,000 bits", []string{modulus(t, 500_000)}, mail.PermError},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := &Verifier{DNS: z.with("r1._domainkey.home.test", c.txts...), Now: now}
			rs := verify(t, v, message)
			if rs[0].Result != c.want {
				t.Errorf("%+v, want %s", rs[0], c.want)
			}
			if rs[0].Testing != (c.name == "testing") {
				t.Errorf("testing: %v", rs[0].Testing)
			}
			if rs[0].Result != mail.Pass && rs[0].Reason == "" {
				t.Error("no reason")
			}
			if rs[1].Result != mail.Pass {
				t.Errorf("the other signature: %+v", rs[1])
			}
		})
	}
}

func TestSmallAndLargeKeysHold(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{1024, 4096} {
		key := Key{"home.test", "s", rsaKey(t, bits)}
		record, err := PublicRecord(key.Signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		message := head + "\r\nHello.\r\n"
		field := handmade(t, key, message, "a=rsa-sha256; c=relaxed/relaxed; h=from")
		rs := verify(t, &Verifier{DNS: zone{"s._domainkey.home.test": {record}}, Now: now}, field+message)
		if results(rs) != "pass" {
			t.Errorf("%d: %+v", bits, rs)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(rfc6376Key)
	f.Add("v=DKIM1; k=ed25519; t=y:s; h=sha256; s=*; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
	f.Add("v=DKIM1; p=")
	f.Add(";;=;p==")
	f.Add(strings.Repeat("a=;", 100))
	f.Fuzz(func(t *testing.T, txt string) {
		r, err := ParseRecord(txt)
		if err != nil {
			return
		}
		if r.Revoked != (r.Key == nil) {
			t.Fatalf("%+v", r)
		}
		if r.Revoked {
			return
		}
		r.size()
		r.holds(make([]byte, 32), make([]byte, 64))
		again, err := PublicRecord(r.Key)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > maxRecord {
			return
		}
		if _, err := ParseRecord(again); err != nil {
			t.Fatalf("%q: %v", again, err)
		}
	})
}

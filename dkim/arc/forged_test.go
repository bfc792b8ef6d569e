package arc

import (
	"encoding/base64"
	"strings"
	"testing"

	"colporteur/dkim"
	"colporteur/mail"
)

// forge is a mail with a first set whose signatures are good, whatever they
// say: ams and as are added to the usual tags, h is what the message signature
// covers.
func forge(t *testing.T, sealer, signer dkim.Key, h, cv string, ams, as dkim.Tags) string {
	t.Helper()
	d, err := dkim.Read(t.Context(), text(message))
	if err != nil {
		t.Fatal(err)
	}
	algorithm := func(k dkim.Key) string {
		a, err := k.Algorithm()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	names := strings.Split(h, ":")
	results := []byte("ARC-Authentication-Results: i=1; mx.test; none\r\n")
	message1, err := signer.Append(nil, "ARC-Message-Signature", append(dkim.Tags{
		{Name: "i", Value: "1"}, {Name: "a", Value: algorithm(signer)}, {Name: "c", Value: "relaxed/relaxed"},
		{Name: "d", Value: signer.Domain}, {Name: "s", Value: "s"}, {Name: "h", Value: h},
		{Name: "bh", Value: base64.StdEncoding.EncodeToString(d.Body)}}, ams...), d.Signed(names))
	if err != nil {
		t.Fatal(err)
	}
	c := chain{sets: []set{{message: message1, results: results}}}
	seal, err := sealer.Append(nil, "ARC-Seal", append(dkim.Tags{
		{Name: "i", Value: "1"}, {Name: "a", Value: algorithm(sealer)}, {Name: "cv", Value: cv},
		{Name: "d", Value: sealer.Domain}, {Name: "s", Value: "s"}}, as...), c.scope(nil, 0))
	if err != nil {
		t.Fatal(err)
	}
	return string(seal) + string(message1) + string(results) + message
}

func TestAGoodSignatureDoesNotExcuseABadSet(t *testing.T) {
	t.Parallel()
	keys, z := hosts()
	one := keys[0]
	body := "15" // octets of the canonical body
	for _, c := range []struct {
		name, h, cv string
		ams, as     dkim.Tags
		before      string
		want        mail.Result
	}{
		{name: "as it should be", want: mail.Pass},
		{name: "unknown tags", ams: dkim.Tags{{Name: "zz", Value: "1"}}, as: dkim.Tags{{Name: "zz", Value: "1"}}, want: mail.Pass},
		{name: "cv=pass in the first", cv: "pass", want: mail.Fail},
		{name: "cv=fail", cv: "fail", want: mail.Fail},
		{name: "h= in the seal", as: dkim.Tags{{Name: "h", Value: "from"}}, want: mail.Fail},
		{name: "v= in the seal", as: dkim.Tags{{Name: "v", Value: "1"}}, want: mail.Fail},
		{name: "l=", ams: dkim.Tags{{Name: "l", Value: body}}, want: mail.Fail},
		{name: "a seal covered", h: "from:arc-seal", want: mail.Fail},
		{name: "From not covered", h: "subject", want: mail.Fail},
		{name: "expired", ams: dkim.Tags{{Name: "x", Value: "1000000000"}}, want: mail.Fail},
		{name: "a second From above", before: "From: x@y.test\r\n", want: mail.Fail},
		{name: "a line that is no field", before: "Dear reader\r\n", want: mail.Fail},
	} {
		if c.h == "" {
			c.h = "from:subject"
		}
		if c.cv == "" {
			c.cv = "none"
		}
		r := judge(t, &Verifier{DNS: z}, c.before+forge(t, one, one, c.h, c.cv, c.ams, c.as))
		if r.Result != c.want {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}

func TestASealByOneAndABodyByAnotherIsNobodysWord(t *testing.T) {
	t.Parallel()
	keys, z := hosts()
	v := &Verifier{DNS: z, Trusted: []string{"one.test"}, AuthServ: func(int, string) *mail.Verdict { return &mail.Verdict{} }}
	if r := judge(t, v, forge(t, keys[0], keys[1], "from", "none", nil, nil)); r.Result != mail.Pass || r.Origin != nil {
		t.Errorf("%+v", r)
	}
	if r := judge(t, v, forge(t, keys[0], keys[0], "from", "none", nil, nil)); r.Result != mail.Pass || r.Origin == nil {
		t.Errorf("%+v", r)
	}
}

// A host that says pass without having looked cannot make an old seal good.
func TestEverySealIsChecked(t *testing.T) {
	t.Parallel()
	keys, z := hosts()
	m := forge(t, keys[0], keys[0], "from", "none", nil, nil)
	m = strings.Replace(m, "cv=none; d=one.test;", "cv=none; d=one.test; t=1;", 1)
	fields, err := Seal(t.Context(), keys[2], now(), mail.Pass, "mx.three.test; arc=pass", text(m))
	if err != nil {
		t.Fatal(err)
	}
	r := judge(t, &Verifier{DNS: z}, string(fields)+m)
	if r.Result != mail.Fail || !strings.Contains(r.Reason, "the seal of set 1") {
		t.Errorf("%+v\n%s", r, fields)
	}
}

func TestAnInstanceIsOneToFifty(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "0", "51", "+1", "-1", "1x", "1.0", "99999999999999999999", "i"} {
		if n, err := instance(s); err == nil {
			t.Errorf("%q is %d", s, n)
		}
	}
	for _, s := range []string{"i=1; mx.test; none", " i = 1 ;mx.test; none", "i=1;mx.test; none"} {
		if n, rest, err := cutInstance(s); n != 1 || rest != "mx.test; none" || err != nil {
			t.Errorf("%q: %d, %q, %v", s, n, rest, err)
		}
	}
	for _, s := range []string{"", "mx.test; none", "j=1; x", "i=1x; x", "i=; x", "; i=1"} {
		if _, _, err := cutInstance(s); err == nil {
			t.Errorf("%q has an instance", s)
		}
	}
}

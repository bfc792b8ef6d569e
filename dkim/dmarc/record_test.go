package dmarc

import (
	"reflect"
	"strings"
	"testing"

	"colporteur/mail"
)

func TestRecordsAreRead(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Record{
		"v=DMARC1":                  {P: "none", PSD: 'u'},
		"v=DMARC1; p=reject":        {P: "reject", PSD: 'u'},
		"V = DMARC1 ;P = Reject ; ": {P: "reject", PSD: 'u'},
		"v=DMARC1;sp=none;np=reject;p=quarantine;t=y;psd=n;adkim=s;aspf=s;fo=1:d;x=y": {P: "quarantine", SP: "none", NP: "reject", Testing: true, PSD: 'n', StrictDKIM: true, StrictSPF: true},
		"v=DMARC1; p=reject; pct=0; rf=afrf; ri=86400":                                {P: "reject", Testing: true, PSD: 'u'},
		"v=DMARC1; p=reject; pct=10":                                                  {P: "reject", PSD: 'u'},
		"v=DMARC1; p=reject; pct=0; t=n":                                              {P: "reject", PSD: 'u'},
		"v=DMARC1; p=none; p=reject; adkim=strict; psd=yes; t=1":                      {P: "none", PSD: 'u'},
		"v=DMARC1; p=none; rua=mailto:a@b.test!10m, mailto:c%2Bd@b%C3%BCcher.example ,https://x.test/y,MAILTO:e@f.test?subject=x": {
			P: "none", PSD: 'u', Reports: []string{"a@b.test", "c+d@xn--bcher-kva.example", "e@f.test"}},
		"v=DMARC1; p=reject rua=mailto:a@b.test":                {P: "none", PSD: 'u', Broken: "the record's p= cannot be read"},
		"v=DMARC1; p=rejekt; sp=reject; rua=mailto:a@b.test":    {P: "none", PSD: 'u', Reports: []string{"a@b.test"}},
		"v=DMARC1; p=reject; sp=nope; rua=https://x.test/":      {P: "none", PSD: 'u'},
		"v=DMARC1; p=reject; np=; rua=nonsense":                 {P: "reject", PSD: 'u', Broken: "the record's np= cannot be read"},
		"v=DMARC1; p=reject; junk; =x; rua=mailto:a@b.test\x00": {P: "reject", PSD: 'u'},
		"v=DMARC1; p=réject":                                    {P: "none", PSD: 'u'},
	} {
		got, err := Parse(in)
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%q: got %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", ";", "v=DMARC2; p=none", "v=dmarc1; p=none", "p=none; v=DMARC1", " v=DMARC1; p=none", "v=DMARC1 p=none", "v=DMARC1\x00", "v=spf1 -all", "=DMARC1"} {
		if got, err := Parse(in); err == nil {
			t.Errorf("%q: got %+v", in, got)
		}
	}
}

func TestALongRecordIsCutOffBehindATag(t *testing.T) {
	t.Parallel()
	got, err := Parse("v=DMARC1; p=reject; rua=" + strings.Repeat("mailto:a@b.test,", 4000) + "; sp=none")
	if err != nil || got.P != mail.DemandReject || got.SP != "" || len(got.Reports) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = Parse("v=DMARC1; rua=" + strings.Repeat("mailto:a@b.test,", 200) + "; p=none")
	if err != nil || len(got.Reports) != maxReports {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err = Parse("v=DMARC1" + strings.Repeat(" ", 64_000)); err == nil {
		t.Errorf("got %+v", got)
	}
}

func FuzzRecord(f *testing.F) {
	for _, s := range []string{"v=DMARC1", "v=DMARC1; p=reject; sp=none; np=reject; t=y; psd=u; rua=mailto:a@b.test!10m,x:y", "v=DMARC1;p=;rua=mailto:%", "V\t=DMARC1;;;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, txt string) {
		r, err := Parse(txt)
		if err != nil {
			return
		}
		if r.P == "" || r.PSD == 0 || len(r.Reports) > maxReports {
			t.Fatalf("%q: %+v", txt, r)
		}
		for _, a := range r.Reports {
			if got, err := mail.ParseAddress(a); err != nil || got.String() != a {
				t.Fatalf("%q: an address for reports is %q", txt, a)
			}
		}
	})
}

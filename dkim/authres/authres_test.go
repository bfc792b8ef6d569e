package authres

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"colporteur/locale"
	"colporteur/mail"
)

func TestAVerdictIsWrittenForOthersToRead(t *testing.T) {
	t.Parallel()
	v := &mail.Verdict{
		MailFrom: mail.SPFResult{Result: mail.Pass, Domain: "far.test", Sender: "bob@far.test"},
		Helo:     mail.SPFResult{Result: mail.None, Domain: "mx.far.test"},
		DKIM: []mail.DKIMResult{
			{Result: mail.Pass, Domain: "far.test", Selector: "s1", Algorithm: "rsa-sha256", Signature: "abc/+12=", Reason: "ignored"},
			{Result: mail.Fail, Domain: "list.test", Selector: "s2", Reason: "the body is not what was signed"},
			{Result: mail.Pass, Domain: "part.test", Selector: "s3", Partial: true},
		},
		DMARC: mail.DMARCResult{Result: mail.Pass, From: "far.test", Policy: &mail.DMARCPolicy{P: mail.DemandReject}},
	}
	got := Field("mail.home.test", v, "")
	want := "Authentication-Results: mail.home.test;\r\n" +
		"\tspf=pass smtp.mailfrom=far.test;\r\n" +
		"\tdkim=pass header.d=far.test header.s=s1 header.a=rsa-sha256\r\n\t header.b=\"abc/+12=\";\r\n" +
		"\tdkim=fail reason=\"the body is not what was signed\" header.d=list.test\r\n\t header.s=s2;\r\n" +
		"\tdkim=policy reason=\"it leaves an end of the body unsigned\"\r\n\t header.d=part.test header.s=s3;\r\n" +
		"\tdmarc=pass header.from=far.test polrec.p=reject\r\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := Field("mail.home.test", nil, ""); got != "Authentication-Results: mail.home.test;\r\n\tnone\r\n" {
		t.Errorf("nothing to say: %q", got)
	}
	if got := Value("mail.home.test", nil, "ann@home.test"); got != "mail.home.test; auth=pass smtp.auth=ann@home.test" {
		t.Errorf("a member: %q", got)
	}
}

func TestNobodyWritesAFieldThroughHisName(t *testing.T) {
	t.Parallel()
	evil := "x\r\nBcc: all@home.test\r\n\"; dmarc=pass header.from=bank.test (\x00\u202e"
	v := &mail.Verdict{
		MailFrom: mail.SPFResult{Result: mail.Fail, Domain: evil},
		DKIM:     []mail.DKIMResult{{Result: mail.Fail, Domain: evil, Selector: evil, Identity: evil, Algorithm: evil, Signature: evil, Reason: evil + strings.Repeat("x", 5000)}},
		DMARC:    mail.DMARCResult{Result: mail.Fail, From: evil},
	}
	field := Field("mail.home.test", v, evil)
	for line := range strings.SplitSeq(strings.TrimSuffix(field, "\r\n"), "\r\n") {
		if !strings.HasPrefix(line, "Authentication-Results:") && !strings.HasPrefix(line, "\t") {
			t.Errorf("a line of its own: %q", line)
		}
		if len(line) > 900 {
			t.Errorf("a line of %d octets", len(line))
		}
	}
	if strings.ContainsAny(strings.ReplaceAll(field, "\r\n", ""), "\r\n\x00") {
		t.Errorf("controls in %q", field)
	}
	_, value, _ := strings.Cut(field, ":")
	r, err := Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Methods {
		if m.Name == "dmarc" && m.Result != "fail" {
			t.Errorf("a name became a result: %+v", r)
		}
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	result := rapid.SampledFrom([]mail.Result{mail.None, mail.Pass, mail.Fail, mail.SoftFail, mail.Neutral, mail.PolicyNo, mail.TempError, mail.PermError})
	domain := rapid.StringMatching(`[a-z]{1,8}(\.[a-z0-9]{1,8}){1,3}`)
	text := rapid.StringMatching(`[ -~é]{0,40}`)
	rapid.Check(t, func(t *rapid.T) {
		v := &mail.Verdict{}
		if d := domain.Draw(t, "mailfrom"); true {
			v.MailFrom = mail.SPFResult{Result: result.Draw(t, "spf"), Domain: d, Sender: d}
		}
		for range rapid.IntRange(0, 4).Draw(t, "signatures") {
			s := mail.DKIMResult{Result: result.Draw(t, "dkim"), Domain: domain.Draw(t, "d"), Selector: rapid.StringMatching(`[a-z0-9]{1,10}`).Draw(t, "s"),
				Identity: text.Draw(t, "i"), Signature: rapid.StringMatching(`[A-Za-z0-9+/=]{0,8}`).Draw(t, "b")}
			if s.Result == mail.Pass {
				s.Partial = rapid.Bool().Draw(t, "partial")
			} else {
				s.Reason = strings.TrimSpace(text.Draw(t, "reason"))
			}
			v.DKIM = append(v.DKIM, s)
		}
		v.DMARC = mail.DMARCResult{Result: result.Draw(t, "dmarc"), From: domain.Draw(t, "from")}
		if rapid.Bool().Draw(t, "record") {
			p := rapid.SampledFrom([]mail.Demand{mail.DemandNone, mail.DemandQuarantine, mail.DemandReject}).Draw(t, "p")
			v.DMARC.Policy = &mail.DMARCPolicy{P: p, Demand: p}
		}
		_, folded, _ := strings.Cut(Field("mail.home.test", v, ""), ":")
		for _, value := range []string{folded, Value("mail.home.test", v, "")} {
			r, err := Parse(value)
			if err != nil {
				t.Fatalf("%q: %v", value, err)
			}
			got := ToVerdict(r)
			for i := range got.DKIM { // folds may take blanks along
				got.DKIM[i].Identity = v.DKIM[i].Identity
			}
			if r.AuthServ != "mail.home.test" || !reflect.DeepEqual(got, v) {
				t.Fatalf("%q:\ngot  %+v\nwant %+v", value, got, v)
			}
		}
	})
}

func TestAFieldThatClaimsToBeOursIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	ours := []string{
		"Authentication-Results: mail.home.test; spf=pass\r\n",
		"authentication-results : MAIL.home.TEST; spf=pass\r\n",
		"Authentication-Results:\r\n\tmail.home.test;\r\n\tspf=pass\r\n",
		"Authentication-Results: (a (nested) comment) mail.home.test 1; spf=pass\r\n",
		"Authentication-Results: mail.home.test/1; spf=pass\r\n",
		"Authentication-Results: \"mail.home.test\"; spf=pass\r\n",
		"Authentication-Results: \"ma\\il.home.test\"; spf=pass\r\n",
		"Authentication-Results: mail.home.test.; spf=pass\r\n",
		"Authentication-Results: mail.home.test\r\n",
		"Authentication-Results: mail.home.test; ((((\r\n",
		"Authentication-Results: \"mail.home.test; spf=pass\r\n",
	}
	theirs := []string{
		"Authentication-Results: mx.far.test; spf=pass smtp.mailfrom=mail.home.test\r\n",
		"Authentication-Results: mail.home.test.far.test; spf=pass\r\n",
		"ARC-Authentication-Results: i=1; mail.home.test; spf=pass\r\n",
		"X-Authentication-Results: mail.home.test; spf=pass\r\n",
		"Subject: Authentication-Results: mail.home.test; spf=pass\r\n",
		"Authentication-Results: \r\n",
	}
	for _, f := range ours {
		header := "From: x@y.test\r\n" + f + "Subject: hi\r\n\r\nAuthentication-Results: mail.home.test; spf=pass\r\n"
		got := Forged([]byte(header), "mail.home.test")
		if len(got) != 1 || header[got[0][0]:got[0][1]] != f {
			t.Errorf("%q: got %v", f, got)
		}
	}
	for _, f := range theirs {
		if got := Forged([]byte("From: x@y.test\r\n"+f+"\r\n"), "mail.home.test"); len(got) != 0 {
			t.Errorf("%q was taken for ours: %v", f, got)
		}
	}
	if got := Forged([]byte("Authentication-Results: xn--bcher-kva.test; spf=pass\r\nAuthentication-Results: bücher.test; spf=pass\r\n"), "bücher.test"); len(got) != 2 {
		t.Errorf("two spellings of one name: %v", got)
	}
	if got := Forged([]byte("Authentication-Results: mail.home.test; spf=pa"), "mail.home.test"); len(got) != 1 {
		t.Errorf("a header that was cut off: %v", got)
	}
}

func TestWhatRealServersWriteIsRead(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"mx.google.com;\r\n       dkim=pass header.i=@asso.test header.s=s header.b=\"a/b+c=d\";\r\n       spf=pass (google.com: domain of x@asso.test designates 192.0.2.1 as permitted sender) smtp.mailfrom=x@asso.test;\r\n       dmarc=pass (p=REJECT sp=NONE dis=NONE) header.from=asso.test": "dkim=pass asso.test spf=pass asso.test dmarc=pass asso.test",
		"spf.mail.test 1; none": "",
		"a.test; dkim=hardfail header.d=b.test; x-what=ever y; ;; =;":                           "dkim=fail b.test",
		"a.test; dkim/1 = pass (ok) header . d = b.test":                                        "dkim=pass ",
		"a.test; spf=pass smtp.mailfrom=\"a;b\"@c.test; dmarc=bestguesspass header.from=c.test": "spf=pass c.test dmarc=none c.test",
		"a.test; dkim=pass header.b=ab==; dmarc=pass header.from=c.test":                        "dkim=pass  dmarc=pass c.test",
	} {
		r, err := Parse(value)
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		var got []string
		v := ToVerdict(r)
		for _, s := range v.DKIM {
			got = append(got, fmt.Sprintf("dkim=%s %s", s.Result, s.Domain))
		}
		if v.MailFrom.Result != "" {
			got = append(got, fmt.Sprintf("spf=%s %s", v.MailFrom.Result, v.MailFrom.Domain))
		}
		if v.DMARC.Result != "" {
			got = append(got, fmt.Sprintf("dmarc=%s %s", v.DMARC.Result, v.DMARC.From))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: got %q, want %q", value, s, want)
		}
	}
	for _, bad := range []string{"", ";", "(nobody); spf=pass", strings.Repeat("x", maxField+1), "\"open; spf=pass"} {
		if r, err := Parse(bad); err == nil {
			t.Errorf("%.40q: got %+v", bad, r)
		}
	}
}

// corpus are the fields of third-party mails.
func corpus(t testing.TB) (values []string) {
	dir, _ := os.Getwd()
	for ; dir != "/"; dir = filepath.Dir(dir) {
		files, _ := filepath.Glob(filepath.Join(dir, "shared/corpora/dkim/dkim_verifier/test/data/arh/*.eml"))
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range mail.FieldRanges(b, "Authentication-Results") {
				_, v, _ := strings.Cut(string(b[at[0]:at[1]]), ":")
				values = append(values, v)
			}
		}
		if len(files) > 0 {
			return values
		}
	}
	return nil
}

func TestFieldsOfTheCorpusAreRead(t *testing.T) {
	t.Parallel()
	all := corpus(t)
	if all == nil {
		t.Skip("the third-party mails in ../shared/corpora/dkim are not here")
	}
	methods := 0
	for _, value := range all {
		if r, err := Parse(value); err == nil {
			methods += len(r.Methods)
		}
	}
	if len(all) < 15 || methods < 20 {
		t.Errorf("%d fields with %d results", len(all), methods)
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range append(corpus(f), "mail.home.test; spf=pass smtp.mailfrom=a@b.test (c (d)) reason=\"x\\\"\"; dkim=fail header.b=a=", "a;\"", "a/1 2;b=(") {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r, err := Parse(value)
		if err == nil {
			ToVerdict(r)
		}
		Forged([]byte("Authentication-Results:"+value+"\r\n\r\n"), "mail.home.test")
	})
}

func TestEachVerdictHasItsBadge(t *testing.T) {
	t.Parallel()
	dm := func(r mail.Result, from string) *mail.Verdict {
		return &mail.Verdict{DMARC: mail.DMARCResult{Result: r, From: from}}
	}
	signed := dm(mail.None, "far.test")
	signed.DKIM = []mail.DKIMResult{{Result: mail.Pass, Domain: "far.test"}}
	elsewhere := dm(mail.None, "far.test")
	elsewhere.DKIM = []mail.DKIMResult{{Result: mail.Pass, Domain: "mailer.test"}, {Result: mail.Pass, Domain: "far.test", Partial: true}}
	forwarded := dm(mail.Fail, "far.test")
	forwarded.ARC = mail.ARCResult{Result: mail.Pass, Origin: dm(mail.Pass, "far.test")}
	for name, c := range map[string]struct {
		v      *mail.Verdict
		member string
		want   Level
	}{
		"a member":           {nil, "ann@home.test", Member},
		"nobody judged":      {nil, "", Unproven},
		"proven":             {dm(mail.Pass, "far.test"), "", Proven},
		"signed, no policy":  {signed, "", Proven},
		"signed by others":   {elsewhere, "", Unproven},
		"forwarded":          {forwarded, "", Forwarded},
		"forged":             {dm(mail.Fail, "far.test"), "", Fake},
		"several authors":    {dm(mail.Fail, ""), "", Fake},
		"the DNS was silent": {dm(mail.TempError, "far.test"), "", Doubtful},
		"no author":          {dm(mail.PermError, ""), "", Doubtful},
		"nothing is known":   {dm(mail.None, "far.test"), "", Unproven},
	} {
		b := BadgeOf(c.v, c.member)
		if b.Level != c.want {
			t.Errorf("%s: got level %d, want %d", name, b.Level, c.want)
		}
		for _, lang := range locale.Langs {
			for _, text := range []mail.Text{b.Text, b.Detail} {
				if s := locale.For(lang).Text(text); s == "" || s == text.ID || strings.Contains(s, "<no value>") {
					t.Errorf("%s in %s: %q", name, lang, s)
				}
			}
		}
	}
}

func TestOnlyWhatWeWroteBesideTheMessageCounts(t *testing.T) {
	t.Parallel()
	v := &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Pass, From: "far.test"}}
	prefix := "Return-Path: <x@far.test>\r\n" + Field("mail.home.test", v, "") + "Received: x\r\n"
	got, member, ok := FromPrefix([]byte(prefix), "mail.home.test")
	if !ok || member != "" || got.DMARC.Result != mail.Pass {
		t.Errorf("got %+v, %q, %v", got, member, ok)
	}
	if _, member, ok := FromPrefix([]byte(Field("mail.home.test", nil, "ann@home.test")), "mail.home.test"); !ok || member != "ann@home.test" {
		t.Errorf("a member: got %q, %v", member, ok)
	}
	if _, _, ok := FromPrefix([]byte("Received: x\r\n"), "mail.home.test"); ok {
		t.Error("a prefix without results has some")
	}
}

func TestAForwardedMailIsStillThatWhenItIsRead(t *testing.T) {
	t.Parallel()
	v := &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Fail, From: "far.test", Policy: &mail.DMARCPolicy{P: mail.DemandReject}},
		ARC: mail.ARCResult{Result: mail.Pass, Sealers: []string{"list.test"}, Origin: &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Pass, From: "far.test"}}}}
	got, _, ok := FromPrefix([]byte(Field("mail.home.test", v, "")), "mail.home.test")
	if !ok || BadgeOf(got, "").Level != Forwarded {
		t.Errorf("got %+v", got)
	}
	v.ARC.Origin = nil // not a sealer that we trust
	got, _, _ = FromPrefix([]byte(Field("mail.home.test", v, "")), "mail.home.test")
	if BadgeOf(got, "").Level != Fake {
		t.Errorf("got %+v", got.ARC)
	}
}

func TestTheBadgeIsTheSameBesideTheMessage(t *testing.T) {
	t.Parallel()
	result := rapid.SampledFrom([]mail.Result{mail.None, mail.Pass, mail.Fail, mail.TempError, mail.PermError})
	domain := rapid.SampledFrom([]string{"far.test", "news.far.test", "mailer.test"})
	rapid.Check(t, func(t *rapid.T) {
		v := &mail.Verdict{MailFrom: mail.SPFResult{Result: result.Draw(t, "spf"), Domain: domain.Draw(t, "mailfrom")},
			DKIM:  []mail.DKIMResult{{Result: result.Draw(t, "dkim"), Domain: domain.Draw(t, "d"), Partial: rapid.Bool().Draw(t, "partial")}},
			DMARC: mail.DMARCResult{Result: result.Draw(t, "dmarc"), From: rapid.SampledFrom([]string{"", "far.test"}).Draw(t, "from")}}
		if rapid.Bool().Draw(t, "policy") {
			demand := rapid.SampledFrom([]mail.Demand{mail.DemandNone, mail.DemandReject})
			v.DMARC.Policy = &mail.DMARCPolicy{P: demand.Draw(t, "p"), Demand: demand.Draw(t, "demand")}
		}
		got, member, ok := FromPrefix([]byte(Field("mail.home.test", v, "")), "mail.home.test")
		if a, b := BadgeOf(v, ""), BadgeOf(got, member); !ok || !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v:\nnow   %+v\nlater %+v", v, a, b)
		}
	})
}

func TestADomainThatOnlyWatchesCallsNobodyAForger(t *testing.T) {
	t.Parallel()
	for p, want := range map[mail.Demand]Level{mail.DemandNone: Unproven, mail.DemandQuarantine: Fake, mail.DemandReject: Fake} {
		v := &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Fail, From: "far.test", Policy: &mail.DMARCPolicy{P: p, Demand: p}}}
		if b := BadgeOf(v, ""); b.Level != want || b.Domain != "far.test" {
			t.Errorf("%s: %+v", p, b)
		}
	}
}

func TestOurNameInPiecesIsFoundToo(t *testing.T) {
	t.Parallel()
	for _, f := range []string{"mail.(x)home.test; spf=pass", "mail.\"home\".test; spf=pass", "\"mail\".home.test 1; spf=pass", "mail.\r\n home.test; spf=pass", "(mail.home.test; spf=pass"} {
		if got := Forged([]byte("Authentication-Results: "+f+"\r\n\r\n"), "mail.home.test"); len(got) != 1 {
			t.Errorf("%q was not found", f)
		}
	}
	if got := Forged([]byte("Authentication-Results: "+strings.Repeat("a(x)", 50_000)+"\r\n\r\n"), "mail.home.test"); len(got) != 0 {
		t.Error("a long name was taken for ours")
	}
}

func TestAValueIsNotReadInSquareTime(t *testing.T) {
	t.Parallel()
	start := time.Now()
	for _, s := range []string{strings.Repeat("=", 60_000), strings.Repeat("\"a\"", 20_000), strings.Repeat("(", 60_000), strings.Repeat("a=b ", 15_000), strings.Repeat(";a=b", 15_000)} {
		if r, err := Parse("a.test; dkim=pass header.b=x" + s); err == nil {
			ToVerdict(r)
		}
	}
	if d := time.Since(start); d > 500*time.Millisecond {
		t.Errorf("took %v", d)
	}
}

func TestTwoResultsOfDMARCAreNone(t *testing.T) {
	t.Parallel()
	r, err := Parse("a.test; dmarc=pass header.from=b.test; dmarc=fail header.from=c.test; dmarc=pass header.from=c.test")
	if err != nil {
		t.Fatal(err)
	}
	if v := ToVerdict(r); v.DMARC.Result != mail.PermError {
		t.Errorf("got %+v", v.DMARC)
	}
}

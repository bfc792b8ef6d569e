package mail

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParametersAreReadLeniently(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, value, params string }{
		{`text/plain`, "text/plain", `null`},
		{`Text/HTML; Charset=UTF-8`, "text/html", `{"charset":"UTF-8"}`},
		{`text/plain;charset="utf-8";format=flowed;`, "text/plain", `{"charset":"utf-8","format":"flowed"}`},
		{`text/plain; charset=us-ascii (plain text)`, "text/plain", `{"charset":"us-ascii"}`},
		{`text/plain (a comment); charset=x`, "text/plain", `{"charset":"x"}`},
		{`attachment; filename=two words.pdf; size=3`, "attachment", `{"filename":"two words.pdf","size":"3"}`},
		{`attachment; filename="a;b\"c.pdf"`, "attachment", `{"filename":"a;b\"c.pdf"}`},
		{`attachment; filename="C:\docs\a.txt"`, "attachment", `{"filename":"C:\\docs\\a.txt"}`},
		{`attachment; filename="no end`, "attachment", `{"filename":"no end"}`},
		{`attachment; filename="=?utf-8?q?=C3=A9.pdf?="`, "attachment", `{"filename":"é.pdf"}`},
		{`attachment; filename==?utf-8?q?=C3=A9.pdf?=`, "attachment", `{"filename":"é.pdf"}`},
		{"attachment; filename=\"caf\xe9.pdf\"", "attachment", `{"filename":"café.pdf"}`},
		{`attachment; filename*=utf-8''%C3%A9t%C3%A9.pdf`, "attachment", `{"filename":"été.pdf"}`},
		{`attachment; filename=plain.pdf; filename*=utf-8'fr'%C3%A9.pdf`, "attachment", `{"filename":"é.pdf"}`},
		{`attachment; filename*=iso-8859-1''%E9.pdf; filename=plain.pdf`, "attachment", `{"filename":"é.pdf"}`},
		{`attachment; filename*0=long; filename*1="er name"; filename*2=.pdf`, "attachment", `{"filename":"longer name.pdf"}`},
		{`attachment; filename*1*=%A9b; filename*0*=utf-8''a%C3; filename*2=c`, "attachment", `{"filename":"aéбc"}`},
		{`attachment; filename*0=a; filename*2=c`, "attachment", `{"filename":"a"}`},
		{`attachment; filename*=%zz%C3`, "attachment", `{"filename":"%zzÃ"}`},
		{`x/y; a=1; a=2; =3; ;; b; c=`, "x/y", `{"a":"1","c":""}`},
		{`multipart/mixed; boundary="=?utf-8?q?a?= "`, "multipart/mixed", `{"boundary":"=?utf-8?q?a?="}`},
		{`multipart/mixed; boundary=a=b`, "multipart/mixed", `{"boundary":"a=b"}`},
		{``, "", `null`},
		{`;`, "", `null`},
	} {
		value, params := parseParams(c.in)
		want := strings.Replace(c.params, "aéбc", "aébc", 1)
		if got := asJSON(t, params); value != c.value || got != want {
			t.Errorf("%s: %q %s, want %q %s", c.in, value, got, c.value, want)
		}
	}
}

func TestParametersAreBounded(t *testing.T) {
	t.Parallel()
	if _, p := parseParams("a/b" + strings.Repeat(";x=1", 100_000)); len(p) > maxParams {
		t.Errorf("%d parameters", len(p))
	}
	var many strings.Builder
	for i := range 5000 {
		many.WriteString("; f*" + strings.Repeat("0", i%3) + "1*=%41")
	}
	parseParams("a/b" + many.String())
	if _, p := parseParams("a/b; f*0*=utf-8''" + strings.Repeat("%C3%A9", 10_000)); len(p["f"]) > maxWords {
		t.Errorf("%d octets in a parameter", len(p["f"]))
	}
}

func TestWrittenParametersAreReadAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := clean(rapid.StringOfN(rapid.RuneFrom([]rune(`abc "\;=%'*é中😀()`)), 0, 120, -1).Draw(t, "v"))
		if strings.Contains(v, "=?") || strings.TrimSpace(v) != v {
			t.Skip()
		}
		var h headerWriter
		h.params("Content-Disposition", "attachment", param("filename", v))
		for line := range strings.Lines(h.b.String()) {
			if len(line) > 78 {
				t.Fatalf("a line of %d: %q", len(line), line)
			}
		}
		_, value, _ := splitField(h.b.String())
		_, params := parseParams(unfold(value))
		if params["filename"] != v {
			t.Fatalf("%q was written as %q, and read as %q", v, h.b.String(), params["filename"])
		}
	})
}

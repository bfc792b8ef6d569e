package sanitize

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// inspect looks at what came out as a browser would read it, and knows only what
// may be there: nothing of how it was made.
func inspect(t *testing.T, in, out string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(out))
	if err != nil {
		t.Errorf("%.200q: what came out cannot be parsed: %v", in, err)
		return
	}
	harmless := regexp.MustCompile(`^(html|head|body|a|abbr|acronym|address|article|aside|b|bdi|bdo|big|blockquote|br|caption|center|cite|code|col|colgroup|dd|del|dfn|dir|div|dl|dt|em|figcaption|figure|font|footer|h[1-6]|header|hgroup|hr|i|img|ins|kbd|li|main|mark|menu|nav|nobr|ol|p|pre|q|s|samp|section|small|span|strike|strong|style|sub|sup|table|tbody|td|tfoot|th|thead|time|tr|tt|u|ul|var|wbr)$`)
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		switch n.Type {
		case html.CommentNode:
			t.Errorf("%.200q: a comment stays: %q", in, n.Data)
		case html.ElementNode:
			if n.Namespace != "" || !harmless.MatchString(n.Data) {
				t.Errorf("%.200q: <%s> stays", in, n.Data)
			}
			if n.Data == "style" && n.FirstChild != nil {
				styled(t, in, n.FirstChild.Data)
			}
			for _, a := range n.Attr {
				v := strings.ToLower(strings.Join(strings.Fields(a.Val), ""))
				switch {
				case strings.HasPrefix(a.Key, "on"), a.Key == "srcdoc", a.Key == "id", a.Key == "name", a.Key == "formaction", a.Key == "srcset", a.Key == "ping", a.Key == "action", a.Key == "background":
					t.Errorf("%.200q: %s=%q stays", in, a.Key, a.Val)
				case a.Key == "href":
					if !regexp.MustCompile(`^(https?://[^/]|mailto:|tel:)`).MatchString(v) {
						t.Errorf("%.200q: a link leads to %q", in, a.Val)
					}
				case a.Key == "src":
					if n.Data != "img" || !regexp.MustCompile(`^(/blob/|/proxy/|data:image/(png|jpe?g|gif|webp);base64,[a-z0-9+/=]*$)`).MatchString(v) {
						t.Errorf("%.200q: <%s> is had from %q", in, n.Data, a.Val)
					}
				case a.Key == "style":
					styled(t, in, a.Val)
				default:
					if strings.Contains(v, "javascript:") || strings.Contains(v, "vbscript:") {
						t.Errorf("%.200q: %s=%q stays", in, a.Key, a.Val)
					}
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(doc)
}

func styled(t *testing.T, in, s string) {
	t.Helper()
	s = strings.ReplaceAll(s, `url("/proxy/x")`, "") // that alone is had by a style
	if bad := regexp.MustCompile(`(?i)url\s*\(|@import|expression|behavior|binding|javascript|position|z-index|\\|<|content:|image-set|@font|attr\(|var\(`).FindString(s); bad != "" {
		t.Errorf("%.200q: %q stays in a style: %q", in, bad, s)
	}
}

var options = Options{
	CID: func(id string) (string, bool) {
		return "/blob/" + strings.NewReplacer("<", "", ">", "", `"`, "").Replace(id), true
	},
	Remote: func(string) (string, bool) { return "/proxy/x", true },
}

func clean(t *testing.T, in string) Result {
	t.Helper()
	r, err := HTML(strings.NewReader(in), options)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNothingActiveStaysOfHostileMail(t *testing.T) {
	for _, in := range vectors {
		r := clean(t, in)
		inspect(t, in, r.HTML)
		// Read again it is the same: nobody finds something else in it.
		if again := clean(t, r.HTML).HTML; again != r.HTML && !strings.Contains(r.HTML, "/blob/") && !strings.Contains(r.HTML, "/proxy/") {
			t.Errorf("%.200q: made harmless it is\n%q, and once more\n%q", in, r.HTML, again)
		}
	}
	if len(vectors) < 120 {
		t.Errorf("only %d kinds are tried", len(vectors))
	}
}

func TestWhatIsTooMuchIsCutAndStaysWhole(t *testing.T) {
	for name, in := range map[string]string{
		"deep":       strings.Repeat("<div>", 100_000) + "x",
		"deep table": strings.Repeat("<table><tr><td>", 30_000) + "x",
		"attributes": "<p " + strings.Repeat("a=b ", 100_000) + ">x",
		"wide":       strings.Repeat("<b>x</b>", 300_000),
		"long":       strings.Repeat("mot ", 3_000_000),
		"open":       strings.Repeat("<b><i>", 5_000) + "x",
		"style":      "<style>" + strings.Repeat("p{color:red}", 100_000) + "</style>x",
		"tags":       strings.Repeat("<", 1_000_000),
		"nul":        strings.Repeat("<\x00s\x00cript>", 1000),
	} {
		r := clean(t, in)
		inspect(t, name, r.HTML)
		if len(r.HTML) > 20<<20 {
			t.Errorf("%s: %d octets came out", name, len(r.HTML))
		}
	}
}

func TestOrdinaryMailStaysAsItWasWritten(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"<p>Été <b>à la mer</b> &amp; au soleil</p>", "<p>Été <b>à la mer</b> &amp; au soleil</p>"},
		{`<div style="color: #333; font-family: 'Segoe UI', Arial; margin: 0 auto;">x</div>`, `<div style="color:#333;font-family:&#39;Segoe UI&#39;,Arial;margin:0 auto">x</div>`},
		{`<table width="600" cellpadding="0" bgcolor="#ffffff"><tr><td align="center" style="padding:10px 20px">x</td></tr></table>`,
			`<table width="600" cellpadding="0" bgcolor="#ffffff"><tbody><tr><td align="center" style="padding:10px 20px">x</td></tr></tbody></table>`},
		{`<a href="https://asso.example/a?b=c&d=é" title="t">lien</a>`, `<a target="_blank" rel="noopener noreferrer nofollow" href="https://asso.example/a?b=c&amp;d=é" title="t">lien</a>`},
		{`<a href="mailto:a@b.example">m</a>`, `<a target="_blank" rel="noopener noreferrer nofollow" href="mailto:a@b.example">m</a>`},
		{`<blockquote type="cite">cité</blockquote>`, `<blockquote type="cite">cité</blockquote>`},
		{`<style>p.MsoNormal, li { margin: 0cm; color: red } @media (max-width: 600px) { .col { width: 100% !important } }</style><p class="MsoNormal">x</p>`,
			`<style>p.MsoNormal,li{margin:0cm;color:red;}@media (max-width:600px){.col{width:100%!important;}}</style><p class="MsoNormal">x</p>`},
		{`<img src="cid:photo@x" width="10" alt="la mer">`, `<img src="/blob/photo@x" width="10" alt="la mer">`},
		{`<o:p>&nbsp;</o:p><!--[if mso]><b>outlook</b><![endif]-->fin`, "\u00a0fin"},
		{"<pre>\n\ndeux lignes</pre>", "<pre>\n\ndeux lignes</pre>"},
		{`<font face="Arial" size=2 color=red>x</font><center>y</center>`, `<font color="red" face="Arial" size="2">x</font><center>y</center>`},
		{`<form><label>Nom</label><button>Continuer</button></form>`, `NomContinuer`},
	} {
		if got := clean(t, c.in).HTML; got != c.out {
			t.Errorf("%s\nbecame %s\nwant   %s", c.in, got, c.out)
		}
	}
}

func TestPicturesFromElsewhereAreNamedAndNotLoaded(t *testing.T) {
	in := `<img src="https://cdn.example/a.png" alt="logo"><img src="http://t.example/open.gif?u=1" width=1 height="1"><img src="//x.example/b.png"><img src="https://q.example/p" style="display: none">`
	o := options
	o.Remote = func(string) (string, bool) { return "", false }
	r, err := HTML(strings.NewReader(in), o)
	if err != nil || strings.Contains(r.HTML, "src=") || !strings.Contains(r.HTML, `alt="logo"`) {
		t.Errorf("%s %v", r.HTML, err)
	}
	if got := fmt.Sprint(r.Remote, r.Trackers); got != "[cdn.example q.example t.example] [q.example t.example]" {
		t.Errorf("named: %s", got)
	}
}

func TestMailsOfThirdPartiesAreMadeHarmless(t *testing.T) {
	found, err := filepath.Glob("../../../shared/corpora/mime/*/*")
	if err != nil || len(found) == 0 {
		t.Skip("../shared/corpora is not there")
	}
	for _, name := range found {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // a folder
		}
		r := clean(t, string(b))
		inspect(t, name, r.HTML)
	}
}

func FuzzNothingActiveStays(f *testing.F) {
	for _, v := range vectors {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, in string) { inspect(t, in, clean(t, in).HTML) })
}

func BenchmarkNewsletter(b *testing.B) {
	in := "<style>.a{color:red}</style>" + strings.Repeat(`<table width="600" style="border-collapse:collapse;margin:0 auto"><tr><td align="center" style="padding:10px 20px;font-family:Arial">Bonjour à tous <a href="https://asso.example/x">lien</a></td></tr></table>`, 500)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := HTML(strings.NewReader(in), options); err != nil {
			b.Fatal(err)
		}
	}
}

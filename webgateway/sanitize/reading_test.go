package sanitize

import (
	"strings"
	"testing"
)

func reading(t *testing.T, in string) (r Result, asked []string) {
	t.Helper()
	r, err := HTML(strings.NewReader(in), Options{
		Remote: func(u string) (string, bool) { asked = append(asked, u); return "/proxy/x", true },
		Quoted: "Texte cité",
		Misled: func(m Misled) string { return "mène à " + m.Leads },
	})
	if err != nil {
		t.Fatal(err)
	}
	inspect(t, in, strings.NewReplacer("<details><summary>", "<div>", "</summary>", "", "</details>", "</div>").Replace(r.HTML))
	return r, asked
}

func TestOnlyPicturesThatSomebodySeesAreAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		in     string
		asked  string
		pixels int
	}{
		"a photo":               {`<img src="https://cdn.test/a.jpg" width="600">`, "https://cdn.test/a.jpg", 0},
		"its host is a tracker": {`<img src="https://asso.us5.list-manage.com/track/open.php?u=1">`, "", 1},
		"under their own name":  {`<img src="https://news.asso.test/wf/open?upn=x" alt="">`, "", 1},
		"one by one":            {`<img src="https://x.test/p.gif" style="width: 1px; height:1px">`, "", 1},
		"only its height":       {`<img src="https://x.test/p.gif" height="1">`, "", 1},
		"nought":                {`<img src="https://x.test/p.gif" width=0 height=20>`, "", 1},
		"cannot be seen":        {`<img src="https://x.test/p.gif" style="opacity:0">`, "", 1},
		"in what is not seen":   {`<div style="display:none;max-height:0"><p><img src="https://x.test/p.gif"></p></div><img src="https://x.test/q.gif">`, "https://x.test/q.gif", 1},
		"in a closed box":       {`<div style="max-height:0px;overflow:hidden"><img src="https://x.test/p.gif"></div>`, "", 1},
		"a line":                {`<img src="https://x.test/line.gif" width="600" height="1">`, "", 0},
		"with a thin border":    {`<img src="https://x.test/a.gif" style="border-width:1px;width:100%">`, "https://x.test/a.gif", 0},
		"other sizes":           {`<img srcset="https://x.test/a.png 1x, https://x.test/b.png 2x">`, "https://x.test/a.png", 0},
		"both":                  {`<img src="https://x.test/a.png" srcset="https://x.test/b.png 2x">`, "https://x.test/a.png", 0},
		"sources":               {`<picture><source srcset="https://x.test/a.avif"><img src="https://x.test/a.png"></picture>`, "https://x.test/a.png", 0},
		"behind a cell":         {`<table background="https://x.test/a.png"><tr><td background="https://x.test/b.png" style="color:red">x</td></tr></table>`, "https://x.test/a.png https://x.test/b.png", 0},
		"behind words":          {`<p style="background:#fff url('https://x.test/a.png') no-repeat">x</p>`, "https://x.test/a.png", 0},
		"in a sheet":            {`<style>p{background-image:url(https://x.test/a.png)}</style>`, "https://x.test/a.png", 0},
		"a pixel behind words":  {`<p style="background:url(https://x.test/a.png);width:1px;height:1px"></p>`, "", 1},
		"a name and a password": {`<img src="https://ann:secret@x.test/a.png">`, "", 0},
		"a list's bullets":      {`<ul style="list-style-image:url(https://x.test/a.png)"><li>x</ul>`, "", 0},
		"not of the web":        {`<img src="ftp://x.test/a.png"><img src="//x.test/a.png"><img src="/mail/picture?u=x">`, "", 0},
	} {
		r, asked := reading(t, c.in)
		if got := strings.Join(asked, " "); got != c.asked || r.Pixels != c.pixels || r.Pictures != len(asked) || (r.Pixels > 0) != (len(r.Trackers) > 0) {
			t.Errorf("%s: asked for %q, %d pixels of %v, %d pictures; want %q and %d\n%s", name, got, r.Pixels, r.Trackers, r.Pictures, c.asked, c.pixels, r.HTML)
		}
		if strings.Contains(r.HTML, "x.test") || strings.Count(r.HTML, "/proxy/x") != len(asked) {
			t.Errorf("%s: %s", name, r.HTML)
		}
	}
}

func TestAPictureBehindWordsStaysBehindThem(t *testing.T) {
	for in, want := range map[string]string{
		`<p style="background: #fff url(https://x.test/a.png) no-repeat center / cover">x</p>`: `<p style="background:#fff url(&#34;/proxy/x&#34;) no-repeat center/cover">x</p>`,
		`<table background="https://x.test/a.png" style="color:red"></table>`:                  `<table style="color:red;background-image:url(&#34;/proxy/x&#34;)"></table>`,
		`<table background="https://x.test/a.png" width="3"></table>`:                          `<table style="background-image:url(&#34;/proxy/x&#34;)" width="3"></table>`,
	} {
		if r, _ := reading(t, in); r.HTML != want {
			t.Errorf("%s\nbecame %s\nwant   %s", in, r.HTML, want)
		}
	}
	r, err := HTML(strings.NewReader(`<p style="background: #fff url(https://x.test/a.png)">x</p>`), Options{})
	if err != nil || r.HTML != `<p style="background-color:#fff">x</p>` || r.Pictures != 1 {
		t.Errorf("without its picture: %+v %v", r, err)
	}
	// Whatever a proxy is called, nothing gets out of url("…").
	r, _ = HTML(strings.NewReader(`<p style="background-image: url(https://x.test/a.png)">x</p>`), Options{Remote: func(string) (string, bool) { return `/x");color:red;x("`, true }})
	if r.HTML != "<p>x</p>" {
		t.Errorf("an address that ends the style: %s", r.HTML)
	}
}

func TestTheRulesOfAMailStayWithinItsBox(t *testing.T) {
	r, err := HTML(strings.NewReader(`<style>p, header {color:red} @media print { + header, * {display:none} }</style>`), Options{Scope: "#letter"})
	if want := `<style>#letter p,#letter header{color:red;}@media print{#letter +header,#letter *{display:none;}}</style>`; err != nil || r.HTML != want {
		t.Errorf("%s %v\nwant %s", r.HTML, err, want)
	}
}

func TestNoMailIsAsHighAsItsFrame(t *testing.T) {
	for _, unit := range []string{"vh", "dvh", "VMIN", "vmax", "svb"} {
		in := "<style>p{min-height:100" + unit + "}</style><p style=\"height:1e2" + unit + ";color:red\">x</p>"
		if r, _ := reading(t, in); strings.Contains(r.HTML, "height") || !strings.Contains(r.HTML, "color:red") {
			t.Errorf("%s: %s", in, r.HTML)
		}
	}
}

func TestALinkThatSaysAnotherAddressIsTold(t *testing.T) {
	for in, want := range map[string]string{
		`<a href="https://evil.test/login">https://www.banque.example/login</a>`:          "www.banque.example evil.test",
		`<a href="https://evil.test/"><b>www.</b>banque<i>.fr</i></a>`:                    "www.banque.fr evil.test",
		`<a href="https://evil.test/"> banque.fr/compte?x </a>`:                           "banque.fr evil.test",
		`<a href="https://banque.fr.evil.test/">banque.fr</a>`:                            "banque.fr banque.fr.evil.test",
		`<a href="mailto:x@evil.test">contact@banque.fr</a>`:                              "banque.fr evil.test",
		`<a href="https://banque.fr@evil.test/">ici</a>`:                                  "banque.fr evil.test",
		`<a href="https://xn--bnque-wqa.fr/">banque.fr</a>`:                               "banque.fr xn--bnque-wqa.fr",
		`<a href="https://click.banque.fr/x">https://www.banque.fr</a>`:                   "",
		`<a href="https://evil.test/">Node.js</a>`:                                        "",
		`<a href="https://evil.test/">lisez-moi.md</a>`:                                   "",
		`<a href="https://evil.test/">Version 2.0</a>`:                                    "",
		`<a href="https://evil.test/">voir www.banque.fr et la suite</a>`:                 "",
		`<a href="https://été.fr/">https://xn--t-9fab.fr</a>`:                             "",
		`<a href="mailto:a@banque.fr">a@banque.fr</a>`:                                    "",
		`<a href="tel:+33123">banque.fr</a>`:                                              "",
		`<a href="https://evil.test/"><img src="cid:x" alt="https://banque.fr"></a>`:      "",
		`<a href="javascript:alert(1)">https://banque.fr</a>`:                             "",
		`<a href="https://a.github.io/">https://b.github.io</a>`:                          "b.github.io a.github.io",
		`<a href="https://evil.test/">` + strings.Repeat("<b>", 300) + `banque.fr</a>fin`: "",
	} {
		r, _ := reading(t, in)
		got := ""
		if len(r.Misled) > 0 {
			got = r.Misled[0].Shown + " " + r.Misled[0].Leads
		}
		if got != want || strings.Contains(r.HTML, "(mène à ") != (want != "") {
			t.Errorf("%s: %q, want %q\n%s", in, got, want, r.HTML)
		}
	}
	r, _ := reading(t, strings.Repeat(`<a href="https://evil.test/">banque.fr</a>`, 100))
	if len(r.Misled) != maxMisled || strings.Count(r.HTML, "mène à") != 100 {
		t.Errorf("%d are told", len(r.Misled))
	}
}

func TestWhatIsQuotedIsFoldedAndTheAnswerIsNot(t *testing.T) {
	long := strings.Repeat("beaucoup de mots ", 150)
	for name, c := range map[string]struct{ in, folded, open string }{
		"Thunderbird":      {`<p>Oui.</p><div class="moz-cite-prefix">Le 3, Bob a écrit :</div><blockquote type="cite"><p>Viens ?</p></blockquote>`, "Viens", "Oui"},
		"Gmail":            {`<div dir="ltr">Oui.</div><br><div class="gmail_quote gmail_quote_container"><div class="gmail_attr">Le 3, Bob a écrit :</div><blockquote>Viens ?</blockquote></div>`, "Viens", "Oui"},
		"Yahoo":            {`<div>Oui.</div><div id="x" class="yahoo_quoted"><div>Bob a écrit</div><div>Viens ?</div></div>`, "Viens", "Oui"},
		"Outlook":          {`<div class="WordSection1"><p>Oui.</p><div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm"><p><b>De :</b> Bob</p></div></div><p>Viens ?</p></div>`, "Viens", "Oui"},
		"Outlook's page":   {`<div>Oui.</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg">De : Bob</div><div>Viens ?</div>`, "Viens", "Oui"},
		"an old Outlook":   {`<p>Oui.</p><p>-----Message d'origine-----<br>De : Bob</p><p>Viens ?</p>`, "Viens", "Oui"},
		"line by line":     {`<p>Oui.</p><blockquote>Viens ?</blockquote><p>Volontiers.</p>`, "", "Viens"},
		"long, then more":  {`<p>Oui.</p><blockquote>` + long + `</blockquote><p>Volontiers.</p>`, "beaucoup", "Volontiers"},
		"nothing before":   {`<blockquote>Viens ?</blockquote>`, "", "Viens"},
		"a picture before": {`<img src="cid:x"><blockquote>Viens ?</blockquote>`, "Viens", ""},
		"passed on":        {`<p>Pour toi.</p><div class="gmail_quote">---------- Forwarded message ---------<br>Viens ?</div>`, "", "Viens"},
		"in a quotation":   {`<p>Oui.</p><blockquote>Viens ?<blockquote>Où ?</blockquote></blockquote>`, "Viens", "Oui"},
	} {
		r, _ := reading(t, c.in)
		open, folded := r.HTML, ""
		if i := strings.Index(open, "<details>"); i >= 0 {
			j := strings.LastIndex(open, "</details>")
			open, folded = open[:i]+open[j:], open[i:j]
		}
		if strings.Count(r.HTML, "<details>") > 1 || r.Quoted != (c.folded != "") || !strings.Contains(folded, c.folded) || c.folded != "" && strings.Contains(open, c.folded) || !strings.Contains(open, c.open) {
			t.Errorf("%s: %s", name, r.HTML)
		}
	}
	if r := clean(t, `<p>Oui.</p><details open><summary>x</summary>y</details><blockquote>Viens ?</blockquote>`); strings.Contains(r.HTML, "details") || r.Quoted {
		t.Errorf("a mail folds by itself: %s", r.HTML)
	}
}

func TestHostileMailStaysHarmlessWhenItIsFolded(t *testing.T) {
	for _, in := range vectors {
		reading(t, in)
		reading(t, "<p>x</p><blockquote>"+in)
		reading(t, "<p>x</p><div class=gmail_quote>"+in)
		reading(t, `<p>x</p><div id=appendonsend></div>`+in)
		reading(t, `<a href="https://evil.test/">banque.fr`+in)
	}
}

// What is looked at again and again is looked at briefly.
func TestALotOfBoxesAreReadQuickly(t *testing.T) {
	for name, in := range map[string]string{
		"links":  strings.Repeat(`<a href="https://x.test">`+strings.Repeat("<b>", 20), 4000),
		"boxes":  "x" + strings.Repeat("<div>", 400) + strings.Repeat("<p></p>", 50_000),
		"quotes": "x" + strings.Repeat("<blockquote class=gmail_quote>", 400) + strings.Repeat("<span>", 100) + strings.Repeat("y", 100_000),
	} {
		r, _ := reading(t, in)
		if r.HTML == "" {
			t.Error(name)
		}
	}
}

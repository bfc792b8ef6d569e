package browser_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"colporteur/outward"
	"colporteur/world"
)

// watching is what the script in Node is told.
type watching struct {
	Chromium string `json:"chromium"`
	Base     string `json:"base"`
	Shots    string `json:"shots"`
	Ann      reader `json:"ann"`
	Bob      reader `json:"bob"`
}

// everything is a mail with whatever a mail may be made of: none of it may be
// taken for an attack by the third wall.
const everything = `<style>p{color:#333}@media (max-width:600px){.c{width:100%!important}}</style>
<table width="600" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" align="center" summary="s" role="presentation"><caption>c</caption><colgroup span="1"><col span="1"></colgroup><thead><tr><th colspan="1" scope="col" abbr="a" nowrap>t</th></tr></thead>
<tbody><tr valign="top"><td headers="x" rowspan="1" class="c" style="padding:10px;font-family:'Segoe UI',Arial">x</td></tr></tbody><tfoot><tr><td>f</td></tr></tfoot></table>
<font face="Arial" size="2" color="red">f</font><center>c</center><big>b</big><tt>t</tt><strike>s</strike><nobr>n</nobr><hr size="1" noshade><ol start="3" type="a" reversed><li value="2" type="i">l</ol><ul type="disc"><li>l</ul><dir><li>d</dir><menu><li>m</menu>
<b>b</b><i>i</i><u>u</u><s>s</s><em>e</em><strong>s</strong><small>s</small><sub>s</sub><sup>s</sup><del>d</del><ins>i</ins><code>c</code><kbd>k</kbd><samp>s</samp><var>v</var><cite>c</cite><q>q</q><abbr title="t">a</abbr><acronym>a</acronym><address>a</address><bdo dir="rtl">b</bdo><bdi>b</bdi><dfn>d</dfn><mark>m</mark><wbr>
<time datetime="2026-11-23">t</time><dl><dt>t<dd>d</dl><h1>1</h1><h2>2</h2><h6>6</h6><pre>p</pre><article>a</article><section>s</section><header>h</header><footer>f</footer><main>m</main><aside>a</aside><nav>n</nav><figure>f<figcaption>c</figcaption></figure><hgroup><h3>h</h3></hgroup>
<a href="https://home.test/" title="t">lien</a> <a href="mailto:a@home.test">m</a> <a href="tel:+33123">t</a> <a href="https://evil.test/">www.banque.fr</a><img src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7" alt="a" hspace="1" vspace="1" border="0" width="3" height="3">
<p lang="fr" dir="ltr" align="left">Tout est là.</p><blockquote type="cite" cite="https://x.test/">cité à la fin</blockquote>`

func letterOf(from, to, subject, body string) []byte {
	return fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%d.%d@far.test>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n%s\r\n",
		from, to, subject, len(body), len(subject), strings.ReplaceAll(body, "\n", "\r\n"))
}

// TestPicturesInARealBrowser keeps its screenshots in $COLPORTEUR_SHOTS, if that is set.
func TestPicturesInARealBrowser(t *testing.T) {
	t.Parallel()
	ready(t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: install Debian's package chromium (make deps does)")
	}
	var mu sync.Mutex
	var asked []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, fmt.Sprintf("%s %q %q", r.URL.Path, r.Header.Get("Referer")+r.Header.Get("Cookie")+r.Header.Get("Accept-Language"), r.Header.Get("Sec-Fetch-Dest")))
		mu.Unlock()
		w.Write(photo(2))
	}))
	t.Cleanup(elsewhere.Close)

	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	far.Publish("p=none")
	home.Gateway.Webmail.Fetch = outward.New(outward.Options{HTTP: true, AllowPrivate: true})
	ann, cleo, bob := home.Member("ann", "fr"), home.Member("cleo", "en"), far.Member("bob")
	pictures := fmt.Sprintf(`<p>Bonjour</p><p><img src="%[1]s/one" alt="la mer" width="300"> <img srcset="%[1]s/two 1x, %[1]s/two-large 2x" alt="le port" width="300"></p><img src="%[1]s/pixel?u=ann" width="1" height="1"><img src="%[1]s/track/open.php?u=ann">`+
		`<div style="background-image:url(%[1]s/behind);padding:20px">derrière</div><p><a href="https://evil.test/compte">https://www.banque.fr/compte</a></p><blockquote>Ce que tu disais.</blockquote>`, elsewhere.URL)
	for _, to := range []*world.Member{ann, cleo} {
		if err := bob.Submit([]string{to.Address}, letterOf(bob.Address, to.Address, "Vacances", pictures)); err != nil {
			t.Fatal(err)
		}
	}
	if err := home.FromOutside("x@elsewhere.test", []string{ann.Address}, letterOf(bob.Address, ann.Address, "Contrefait", pictures)); err != nil {
		t.Fatal(err)
	}
	if err := ann.Submit([]string{ann.Address}, letterOf(ann.Address, ann.Address, "Tout", everything)); err != nil {
		t.Fatal(err)
	}
	ann.Send(ann.Address, world.Subject("Pieces"), world.Attach("mer.jpg", "image/jpeg", photo(3)), world.Attach("notes.txt", "text/plain", []byte("Des notes du mois.\n")), world.Attach("plan.pdf", "application/pdf", []byte("%PDF-1.4\n")))
	w.Settle()

	s := watching{Chromium: chromium, Base: "http://" + home.Addr("http"), Shots: os.Getenv("COLPORTEUR_SHOTS"), Ann: reader{ann.Address, ann.Password, "fr"}, Bob: reader{cleo.Address, cleo.Password, "en"}}
	if s.Shots == "" {
		s.Shots = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "picture.mjs")
	node.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Chromium goes with it
	node.Cancel = func() error { return syscall.Kill(-node.Process.Pid, syscall.SIGKILL) }
	node.Stderr = os.Stderr
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, string(told))
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch line := lines.Text(); {
		case line == "do asked":
			mu.Lock()
			fmt.Fprintln(in, strings.Join(asked, " | "))
			asked = nil
			mu.Unlock()
		case strings.HasPrefix(line, "ok "):
			t.Log(line)
		default:
			t.Error(line)
		}
	}
	if err := node.Wait(); err != nil && !t.Failed() {
		t.Error(err)
	}
}

package report

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	stdmail "net/mail"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"colporteur/dns/dnstest"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// door keeps each mail once, as the real one does.
type door struct {
	mu   sync.Mutex
	once map[string]bool
	got  []posted
	fail error
}

type posted struct {
	env  *mail.Envelope
	data []byte
}

func (d *door) Accept(_ context.Context, env *mail.Envelope, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	if d.once[env.Once] {
		return nil
	}
	if d.once == nil {
		d.once = map[string]bool{}
	}
	d.once[env.Once] = true
	d.got = append(d.got, posted{env, b})
	return nil
}

func (d *door) recipients() (all []string) {
	for _, p := range d.got {
		all = append(all, p.env.To[0].String())
	}
	slices.Sort(all)
	return all
}

// part is one of a mail, decoded.
type part struct {
	name, kind string
	data       []byte
}

// opened takes a mail apart with the standard library, as strangers would.
func opened(t testing.TB, raw []byte) (stdmail.Header, string, []part) {
	t.Helper()
	m, err := stdmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
			t.Errorf("line %.60q", line)
		}
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	var parts []part
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return m.Header, kind + " " + params["report-type"], parts
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, raw)
		}
		var body io.Reader = p
		switch p.Header.Get("Content-Transfer-Encoding") {
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, p)
		case "quoted-printable":
			body = quotedprintable.NewReader(p)
		}
		b, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		media, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		parts = append(parts, part{p.FileName(), media, b})
	}
}

func (p posted) inbound(t testing.TB, v *mail.Verdict) Inbound {
	_, _, parts := opened(t, p.data)
	return inbound(v, parts...)
}

func inbound(v *mail.Verdict, parts ...part) Inbound {
	return Inbound{From: mail.Address{}, To: mail.Address{Local: "dmarc-reports", Domain: "home.test"}, Verdict: v,
		Parts: func(yield func(name, mediaType string, r io.Reader) error) error {
			for _, p := range parts {
				if err := yield(p.name, p.kind, bytes.NewReader(p.data)); err != nil {
					return err
				}
			}
			return nil
		}}
}

func provenBy(domain string) *mail.Verdict {
	return &mail.Verdict{DMARC: mail.DMARCResult{Result: mail.Pass, From: domain, DKIM: true}}
}

func ours(domains ...string) func(context.Context, string) (bool, error) {
	return func(_ context.Context, d string) (bool, error) {
		return slices.ContainsFunc(domains, func(o string) bool { return d == o || strings.HasSuffix(d, "."+o) }), nil
	}
}

// judged is a mail from sender.test as the Door tells of it.
func judged(ok bool, reports ...string) *mail.Verdict {
	v := &mail.Verdict{
		MailFrom: mail.SPFResult{Result: mail.Pass, Domain: "sender.test"},
		DKIM: []mail.DKIMResult{{Result: mail.Fail, Domain: "list.test", Selector: "l"},
			{Result: mail.Pass, Domain: "sender.test", Selector: "s1"}},
		DMARC: mail.DMARCResult{Result: mail.Pass, From: "sender.test", SPF: true, DKIM: true,
			Policy: &mail.DMARCPolicy{Domain: "sender.test", Demand: mail.DemandReject, P: mail.DemandReject, SP: mail.DemandQuarantine, Reports: reports}},
	}
	if !ok {
		v.MailFrom.Result = mail.SoftFail
		v.DKIM = nil
		v.DMARC.Result, v.DMARC.SPF, v.DMARC.DKIM = mail.Fail, false, false
	}
	return v
}

func home(context.Context) string { return "home.test" }

func letter(to string) *mail.Envelope {
	a, _ := mail.ParseAddress(to)
	return &mail.Envelope{From: mail.Address{Local: "a", Domain: "sender.test"}, To: []mail.Recipient{{Address: a}}}
}

func TestADayIsReportedOnceAndReadBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		ctx := t.Context()
		z := dnstest.New(t)
		z.TXT("sender.test._report._dmarc.watch.example", "v=DMARC1; rua=mailto:elsewhere@watch.example")
		z.TXT("sender.test._report._dmarc.crooked.example", "v=DMARC1; rua=mailto:victim@victim.example")
		z.TXT("sender.test._report._dmarc.odd.example", "hello")
		c := &clock{t: noon}
		col := &Collector{DB: db, Now: c.now}
		ip, six := netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("2001:db8::1")
		rua := []string{"d@sender.test", "x@watch.example", "x@crooked.example", "x@odd.example", "small@sender.test!1k"}
		col.Note(judged(true, rua...), ip, letter("ann@home.test"), "inbox", "")
		col.Note(judged(true, rua...), ip, letter("bob@home.test"), "junk", "")
		if err := col.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		col.Note(judged(true, rua...), ip, letter("ann@home.test"), "inbox", "")
		col.Note(judged(false, rua...), six, letter("ann@home.test"), "refused", "")
		col.Note(judged(false, rua...), six, letter("ann@home.test"), "junk", "local_policy")
		col.Note(judged(false, rua...), six, letter("DMARC-reports@home.test"), "refused", "") // would go round for ever
		col.Note(judged(false), six, letter("ann@home.test"), "refused", "")                   // nobody asks
		col.Note(nil, six, letter("ann@home.test"), "refused", "")
		if err := col.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		d := &door{}
		sender := func() *Sender { return &Sender{DB: db, Door: d, DNS: z.Client(), Domain: home, Now: c.now} }
		send := func(want int) {
			t.Helper()
			if n, err := sender().Send(ctx); err != nil || n != want {
				t.Fatalf("%d reports left, want %d: %v", n, want, err)
			}
		}
		send(0)
		c.set(noon.Add(12*time.Hour + 30*time.Minute)) // too soon
		send(0)
		c.set(noon.Add(16*time.Hour + time.Minute))
		var both sync.WaitGroup
		var left atomic.Int64
		for range 4 { // as many nodes
			both.Go(func() {
				n, err := sender().Send(ctx)
				if err != nil {
					t.Error(err)
				}
				left.Add(int64(n))
			})
		}
		if both.Wait(); left.Load() != 2 {
			t.Errorf("%d reports left", left.Load())
		}
		send(0)
		c.set(noon.Add(40 * time.Hour))
		send(0)
		if got := d.recipients(); !slices.Equal(got, []string{"d@sender.test", "elsewhere@watch.example"}) {
			t.Fatalf("sent to %v", got)
		}
		env := d.got[0].env
		if !env.From.IsZero() || env.Origin != mail.FromSystem || env.To[0].Notify != mail.NotifyNever || env.Once == "" {
			t.Errorf("envelope %+v", env)
		}
		header, _, parts := opened(t, d.got[0].data)
		subject := header.Get("Subject")
		if !strings.HasPrefix(subject, "Report Domain: sender.test Submitter: home.test Report-ID: <20261121.") || header.Get("From") != "dmarc-reports@home.test" {
			t.Errorf("subject %q from %q", subject, header.Get("From"))
		}
		if len(parts) != 2 || parts[1].name != "home.test!sender.test!1795219200!1795305599.xml.gz" || parts[1].kind != "application/gzip" {
			t.Fatalf("parts %+v", parts)
		}
		if !strings.Contains(string(parts[0].data), "take rua= out") {
			t.Errorf("text %q", parts[0].data)
		}
		strict(t, parts[1].data)
		f, err := Open(bytes.NewReader(parts[1].data))
		if err != nil {
			t.Fatal(err)
		}
		a, err := ParseAggregate(f)
		if err != nil {
			t.Fatal(err)
		}
		want := []Counted{
			{Row{Source: ip.Unmap(), Disposition: "pass", DKIM: true, SPF: true, From: "sender.test", SPFDomain: "sender.test", SPFResult: "pass", DKIMDomain: "sender.test", DKIMResult: "pass"}, 3},
			{Row{Source: six, Disposition: "reject", From: "sender.test", SPFDomain: "sender.test", SPFResult: "softfail"}, 1},
			{Row{Source: six, Disposition: "quarantine", Reason: "local_policy", From: "sender.test", SPFDomain: "sender.test", SPFResult: "softfail"}, 1},
		}
		if len(a.Rows) != len(want) {
			t.Fatalf("read back %+v", a.Rows)
		}
		for _, w := range want {
			if !slices.Contains(a.Rows, w) {
				t.Errorf("%+v is not in %+v", w, a.Rows)
			}
		}
		if a.Org != "home.test" || a.Email != "postmaster@home.test" || a.Policy != "reject" || !strings.Contains(subject, "<"+a.ID+">") || a.End.Sub(a.Begin) != 24*time.Hour-time.Second {
			t.Errorf("read back %+v", a)
		}

		// And at the other end.
		there := &Store{DB: db, Ours: ours("sender.test"), Now: c.now}
		for range 2 {
			if err := there.Take(ctx, d.got[0].inbound(t, provenBy("home.test"))); err != nil {
				t.Fatal(err)
			}
		}
		sum, err := there.Summary(ctx, "sender.test", noon.Add(-240*time.Hour))
		if err != nil || sum.Mails != 5 || sum.Pass != 3 || sum.Refused != 1 || sum.Quarantined != 1 || len(sum.Reporters) != 1 || len(sum.Sources) != 2 || sum.Policy != "reject" {
			t.Errorf("%v, %+v", err, sum)
		}
	})
}

// strict holds a report to the elements RFC 9990 has, in its order.
func strict(t testing.TB, packed []byte) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	order := map[string][]string{
		"feedback":         {"version", "report_metadata", "policy_published", "extension", "record"},
		"report_metadata":  {"org_name", "email", "extra_contact_info", "report_id", "date_range", "error", "generator"},
		"date_range":       {"begin", "end"},
		"policy_published": {"domain", "discovery_method", "p", "sp", "np", "fo", "adkim", "aspf", "testing"},
		"record":           {"row", "identifiers", "auth_results"},
		"row":              {"source_ip", "count", "policy_evaluated"},
		"policy_evaluated": {"disposition", "dkim", "spf", "reason"},
		"reason":           {"type", "comment"},
		"identifiers":      {"header_from", "envelope_from"},
		"auth_results":     {"dkim", "spf"},
		"dkim":             {"domain", "selector", "result"},
		"spf":              {"domain", "scope", "result"},
	}
	type open struct {
		name string
		last int
	}
	var path []open
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if tok.Name.Space != "urn:ietf:params:xml:ns:dmarc-2.0" {
				t.Errorf("<%s> is in %q", tok.Name.Local, tok.Name.Space)
			}
			if n := len(path); n > 0 {
				at := slices.Index(order[path[n-1].name], tok.Name.Local)
				if at < path[n-1].last {
					t.Errorf("<%s> has no place there in <%s>", tok.Name.Local, path[n-1].name)
				}
				path[n-1].last = max(at, 0)
			}
			path = append(path, open{name: tok.Name.Local})
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
	for _, private := range []string{"envelope_to", "ann@", "bob@", "ann", "human_result"} {
		if strings.Contains(string(text), private) {
			t.Errorf("%q is in\n%s", private, text)
		}
	}
}

func TestAReportWaitsForDNSAndForTheDoor(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := storetest.SQLite(t)
	z := dnstest.New(t)
	z.Break("sender.test._report._dmarc.watch.example")
	c := &clock{t: noon}
	col := &Collector{DB: db, Now: c.now}
	col.Note(judged(true, "d@sender.test", "x@watch.example"), netip.MustParseAddr("192.0.2.1"), letter("ann@home.test"), "inbox", "")
	if err := col.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	d := &door{fail: mail.Wrap(mail.Unavailable, errors.New("away"))}
	s := &Sender{DB: db, Door: d, DNS: z.Client(), Domain: home, Now: c.now}
	step := func(at time.Duration, want int) {
		t.Helper()
		c.set(noon.Add(at))
		if n, err := s.Send(ctx); err != nil || n != want {
			t.Fatalf("%v: %d reports left, want %d: %v", at, n, want, err)
		}
	}
	step(17*time.Hour, 0)
	d.fail = nil
	step(17*time.Hour+30*time.Minute, 0) // claimed by the try before
	step(18*time.Hour+time.Minute, 1)
	z.Mend("sender.test._report._dmarc.watch.example")
	z.TXT("sender.test._report._dmarc.watch.example", "v=DMARC1")
	step(20*time.Hour, 1)
	step(22*time.Hour, 0)
	if got := d.recipients(); !slices.Equal(got, []string{"d@sender.test", "x@watch.example"}) {
		t.Errorf("sent to %v", got)
	}
	// Rows are forgotten once they are told.
	var left int
	err := db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM report_seen`).Scan(&left)
	})
	if err != nil || left != 0 {
		t.Errorf("%d rows are left: %v", left, err)
	}
}

func TestNobodyWaitsForEverForAReport(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := storetest.SQLite(t)
	c := &clock{t: noon}
	col := &Collector{DB: db, Now: c.now}
	col.Note(judged(true, "d@sender.test"), netip.MustParseAddr("192.0.2.1"), letter("ann@home.test"), "inbox", "")
	if err := col.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	s := &Sender{DB: db, Door: &door{fail: errors.New("broken")}, DNS: dnstest.New(t).Client(), Domain: home, Now: c.now}
	for _, at := range []time.Duration{20, 40, 61, 70} {
		c.set(noon.Add(at * time.Hour))
		if _, err := s.Send(ctx); err != nil {
			t.Fatal(err)
		}
	}
	s.Door = &door{}
	if n, err := s.Send(ctx); err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestWhatIsTooMuchIsCountedAndSaid(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := storetest.SQLite(t)
	c := &clock{t: noon}
	col := &Collector{DB: db, Now: c.now}
	for i := range maxOfDomain + 7 {
		ip := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		col.Note(judged(true, "d@sender.test"), ip, letter("ann@home.test"), "inbox", "")
	}
	if err := col.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 5 { // what is new in the next minute finds no room either
		col.Note(judged(true, "d@sender.test"), netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}), letter("ann@home.test"), "inbox", "")
	}
	if err := col.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	d := &door{}
	c.set(noon.Add(20 * time.Hour))
	s := &Sender{DB: db, Door: d, DNS: dnstest.New(t).Client(), Domain: home, Now: c.now}
	if n, err := s.Send(ctx); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	_, _, parts := opened(t, d.got[0].data)
	z, err := gzip.NewReader(bytes.NewReader(parts[1].data))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(z)
	if n := strings.Count(string(text), "<record>"); n != maxOfDomain || !strings.Contains(string(text), "<error>12 more messages") {
		t.Errorf("%d records, %.600s", n, text)
	}
	if int64(len(parts[1].data)) > 1<<20 {
		t.Errorf("the report is %d octets", len(parts[1].data))
	}
}

func TestDispositionsTellWhatDMARCDid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		result           mail.Result
		demand, p        mail.Demand
		testing          bool
		action, override string
		want             string
	}{
		{"proven", mail.Pass, mail.DemandReject, mail.DemandReject, false, "inbox", "", "pass "},
		{"proven, and junk for other reasons", mail.Pass, mail.DemandReject, mail.DemandReject, false, "junk", "", "pass "},
		{"proven without a demand", mail.Pass, mail.DemandNone, mail.DemandNone, false, "inbox", "", "none "},
		{"refused as asked", mail.Fail, mail.DemandReject, mail.DemandReject, false, "refused", "", "reject "},
		{"junk instead", mail.Fail, mail.DemandReject, mail.DemandReject, false, "junk", "local_policy", "quarantine local_policy"},
		{"a forwarder", mail.Fail, mail.DemandReject, mail.DemandReject, false, "inbox", "trusted_forwarder", "none trusted_forwarder"},
		{"an unknown word", mail.Fail, mail.DemandReject, mail.DemandReject, false, "inbox", "whim", "none local_policy"},
		{"no demand, and junk for other reasons", mail.Fail, mail.DemandNone, mail.DemandNone, false, "junk", "", "none "},
		{"more than asked", mail.Fail, mail.DemandQuarantine, mail.DemandQuarantine, false, "refused", "", "quarantine "},
		{"a test", mail.Fail, mail.DemandQuarantine, mail.DemandReject, true, "junk", "", "quarantine policy_test_mode"},
	} {
		dm := &mail.DMARCResult{Result: c.result, Policy: &mail.DMARCPolicy{Demand: c.demand, P: c.p, Testing: c.testing}}
		what, reason := disposition(dm, c.action, c.override)
		if got := what + " " + reason; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTLSReportsGoWhereTheyAreWanted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		ctx := t.Context()
		var mu sync.Mutex
		var got []part
		web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			mu.Lock()
			defer mu.Unlock()
			switch r.URL.Path {
			case "/moved":
				http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
			case "/":
				got = append(got, part{r.Method, r.Header.Get("Content-Type"), b})
				w.WriteHeader(http.StatusCreated)
			}
		}))
		t.Cleanup(web.Close)
		roots := x509.NewCertPool()
		roots.AddCert(web.Certificate())
		z := dnstest.New(t)
		z.TXT("_smtp._tls.far.test", "v=TLSRPTv1; rua=mailto:tls@far.test,"+web.URL+"/, "+web.URL+"/moved,ftp://x,mailto:tls@far.test")
		z.TXT("_smtp._tls.twice.test", "v=TLSRPTv1;rua=mailto:a@twice.test")
		z.TXT("_smtp._tls.twice.test", "v=TLSRPTv1;rua=mailto:b@twice.test")
		c := &clock{t: noon}
		col := &TLSCollector{DB: db, Now: c.now}
		policy := []string{"version: STSv1", "mode: enforce", "mx: *.far.test"}
		for range 3 {
			col.Note(Outcome{Domain: "far.test", Host: "mx.far.test", IP: "192.0.2.1", Kind: "sts", Policy: policy, MX: []string{"*.far.test"}})
		}
		col.Note(Outcome{Domain: "far.test", Host: "mx.far.test", IP: "192.0.2.1", Kind: "sts", Policy: policy, MX: []string{"*.far.test"}, Failure: "certificate-expired", Reason: "since <yesterday>"})
		col.Note(Outcome{Domain: "far.test"})
		col.Note(Outcome{Domain: "twice.test"})
		col.Note(Outcome{Domain: "silent.test"})
		col.Note(Outcome{Domain: "not a name"})
		if err := col.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		d := &door{}
		c.set(noon.Add(17 * time.Hour))
		s := &Sender{DB: db, Door: d, DNS: z.Client(), Domain: home, Lang: "fr", Now: c.now, AllowPrivate: true, Roots: roots}
		for _, want := range []int{2, 0} {
			if n, err := s.Send(ctx); err != nil || n != want {
				t.Fatalf("%d left, want %d: %v", n, want, err)
			}
		}
		if r := d.recipients(); !slices.Equal(r, []string{"tls@far.test"}) {
			t.Fatalf("mailed to %v", r)
		}
		if len(got) != 1 || got[0].name != "POST" || got[0].kind != "application/tlsrpt+gzip" {
			t.Fatalf("posted %+v", got)
		}
		header, kind, parts := opened(t, d.got[0].data)
		if kind != "multipart/report tlsrpt" || header.Get("TLS-Report-Domain") != "far.test" || header.Get("TLS-Report-Submitter") != "home.test" ||
			header.Get("TLS-Required") != "No" || !strings.HasPrefix(header.Get("Subject"), "Report Domain: far.test Submitter: home.test Report-ID: <") {
			t.Errorf("%s %v", kind, header)
		}
		if len(parts) != 2 || parts[1].kind != "application/tlsrpt+gzip" || parts[1].name != "home.test!far.test!1795219200!1795305599.json.gz" || !bytes.Equal(parts[1].data, got[0].data) {
			t.Fatalf("%+v", parts)
		}
		if !strings.Contains(string(parts[0].data), "À qui écrire") {
			t.Errorf("%s", parts[0].data)
		}
		f, err := Open(bytes.NewReader(parts[1].data))
		if err != nil {
			t.Fatal(err)
		}
		r, err := ParseTLS(f)
		if err != nil || len(r.Results) != 2 {
			t.Fatalf("%v %+v", err, r)
		}
		sts := r.Results[slices.IndexFunc(r.Results, func(u Under) bool { return u.Policy.Kind == "sts" })]
		if sts.Summary.Good != 3 || sts.Summary.Bad != 1 || !slices.Equal(sts.Policy.Text, policy) || sts.Policy.Domain != "far.test" || len(sts.Details) != 1 ||
			sts.Details[0] != (TLSFailure{Result: "certificate-expired", Host: "mx.far.test", IP: "192.0.2.1", Count: 1, Reason: "since <yesterday>"}) {
			t.Errorf("%+v", sts)
		}

		there := &Store{DB: db, Ours: ours("far.test"), Now: c.now}
		for range 2 {
			if err := there.Take(ctx, d.got[0].inbound(t, provenBy("home.test"))); err != nil {
				t.Fatal(err)
			}
		}
		sum, err := there.Summary(ctx, "far.test", noon.Add(-240*time.Hour))
		if err != nil || sum.TLS.Good != 4 || sum.TLS.Bad != 1 || len(sum.TLS.Failures) != 1 {
			t.Errorf("%v %+v", err, sum)
		}
	})
}

func TestReportsAreNotPostedToThisHouse(t *testing.T) {
	t.Parallel()
	asked := false
	web := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(web.Close)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	s := &Sender{Roots: roots}
	for _, uri := range []string{web.URL + "/", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/latest", "https://10.1.2.3/", "https://0.0.0.0/",
		"https://100.64.0.1/", "https://[fd00::1]/", "https://[fe80::1%25lo]/", "https://user@192.0.2.1/", "http://192.0.2.1/", "https:///x", "https://x\x00y/"} {
		err := s.post(t.Context(), uri, nil)
		if !errors.As(err, new(refusal)) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if asked {
		t.Error("a connection was made")
	}
	for ip, want := range map[string]bool{"8.8.8.8": true, "2606:4700::1111": true, "192.0.2.1": false, "64:ff9b::a00:1": false, "255.255.255.255": false, "224.0.0.1": false} {
		if got := public(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %v", ip, got)
		}
	}
}

func TestAddressesForReportsAreRead(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a@b.test": "a@b.test 0", "mailto:a@b.test": "a@b.test 0", "MAILTO:a@b.test!10m": "a@b.test 10485760", " a@b.test!5k ": "a@b.test 5120", "a@b.test!": "a@b.test 0",
		"mailto:a%21b@c.test": "a!b@c.test 0", "mailto:a@b.test?subject=x": "a@b.test 0", "a@b.test!99999999999t": "a@b.test 1152921504606846976",
		"https://x": "", "": "", "mailto:": "", "a@b.test\r\nX: y": "",
	} {
		got := ""
		if t, ok := parseTarget(in); ok {
			got = fmt.Sprint(t.addr, t.max)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestWhatWasCountedOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	col := &Collector{DB: db, Now: (&clock{t: noon}).now}
	tls := &TLSCollector{DB: db, Now: (&clock{t: noon}).now}
	ctx, stop := context.WithCancel(t.Context())
	var both sync.WaitGroup
	both.Go(func() {
		if err := col.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	both.Go(func() {
		if err := tls.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	col.Note(judged(true, "d@sender.test"), netip.MustParseAddr("192.0.2.1"), letter("ann@home.test"), "inbox", "")
	tls.Note(Outcome{Domain: "far.test"})
	stop()
	both.Wait()
	var n int
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM report_seen`).Scan(&n)
	})
	if err != nil || n != 2 {
		t.Errorf("%d rows: %v", n, err)
	}
}

func TestWhatCannotBeWrittenIsKept(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	col := &Collector{DB: db, Now: (&clock{t: noon}).now}
	col.Note(judged(true, "d@sender.test"), netip.MustParseAddr("192.0.2.1"), letter("ann@home.test"), "inbox", "")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := col.Flush(gone); err == nil {
		t.Fatal("it was written")
	}
	col.Note(judged(true, "d@sender.test"), netip.MustParseAddr("192.0.2.1"), letter("ann@home.test"), "inbox", "")
	if err := col.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT count FROM report_seen`).Scan(&n)
	})
	if err != nil || n != 2 {
		t.Errorf("%d mails: %v", n, err)
	}
}

func FuzzTarget(f *testing.F) {
	f.Add("mailto:a@b.test!10m")
	f.Fuzz(func(t *testing.T, s string) {
		if to, ok := parseTarget(s); ok && (to.max < 0 || strings.ContainsAny(to.addr.String(), "\r\n")) {
			t.Errorf("%q: %+v", s, to)
		}
	})
}

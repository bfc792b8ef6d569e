package report

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Summary is what the reports of some days say about one domain.
type Summary struct {
	Domain string
	Since  time.Time
	Until  time.Time

	Verdicts []mail.Text // what it all means, worst first

	// Mail that was seen in the domain's name, by reporters who are proven.
	Mails       int64
	Pass, Fail  int64
	Refused     int64
	Quarantined int64

	Policy    string // that the domain asked for, in the newest report
	Reporters []Reporter
	Sources   []Source
	More      int64 // mails of sources that are not among Sources

	// What came from nobody knows whom is in none of the figures above.
	UnprovenReports, UnprovenMails int64

	TLS      TLSHealth
	Failures []Sample
}

// Reporter is who reports on us.
type Reporter struct {
	Domain, Org string
	Reports     int64
	Last        time.Time
}

// Who a source is.
type Who string

const (
	WhoOwn     Who = "own"     // our own server
	WhoKnown   Who = "known"   // something proves that it may use the name
	WhoUnknown Who = "unknown" //
)

// Source is an address that sends mail in our name.
type Source struct {
	IP      netip.Addr // zero is many
	Network netip.Prefix
	Name    string // reverse name, "" when not known
	Who     Who

	Mails, Pass, Fail int64
	DKIM, SPF         int64 // of Mails: pass and are aligned
	Refused           int64
	Quarantined       int64

	Others []string // domains that it proves instead of ours

	Means mail.Text // what it is, and what to do

	kind  string
	lists int64 // of Fail: a list or forwarder, as the reporter thinks
	ours  int64 // of Fail: with a signature of ours that does not hold
}

// TLSHealth is whether others could send us mail encrypted.
type TLSHealth struct {
	Good, Bad int64
	Reporters int64
	Failures  []TLSTrouble
}

// TLSTrouble is one thing that went wrong.
type TLSTrouble struct {
	Result, Host string
	Count        int64
	Means        mail.Text
}

// Sample is one mail that somebody could not prove to be ours.
type Sample struct {
	At       time.Time
	Source   string
	Reporter string
	Failure  string
	Result   string
	Proven   bool
}

const (
	maxSources  = 50
	maxNames    = 20
	maxSamples  = 10
	maxOthers   = 3
	nameTimeout = 3 * time.Second
)

// Summary sums up what was reported about a domain of ours since a day.
// Refuses with NotFound what is not ours.
func (s *Store) Summary(ctx context.Context, name string, since time.Time) (*Summary, error) {
	name = domain(name)
	home, err := s.home(ctx, name)
	if _, no := err.(unwanted); no {
		return nil, mail.Refuse(mail.NotFound, "report-not-ours", "Domain", name).Because(err)
	}
	if err != nil {
		return nil, err
	}
	sum := &Summary{Domain: name, Since: since, Until: orNow(s.Now)}
	groups := map[netip.Addr]*Source{}
	others := map[netip.Addr]map[string]int64{}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		*sum = Summary{Domain: name, Since: since, Until: sum.Until}
		clear(groups)
		clear(others)
		q := asked{ctx, tx, home, name, since.Unix() / 86400}
		if err := q.totals(sum); err != nil {
			return err
		}
		if err := q.reporters(sum); err != nil {
			return err
		}
		if err := q.sources(groups, others); err != nil {
			return err
		}
		if err := q.transport(sum); err != nil {
			return err
		}
		return q.samples(sum)
	})
	if err != nil {
		return nil, err
	}
	s.arrange(ctx, sum, groups, others)
	return sum, nil
}

// asked is a domain, and the snapshot that answers about it.
type asked struct {
	ctx   context.Context
	tx    *store.Tx
	home  string
	name  string
	since int64
}

// each asks about the domain and those below it, where {about} stands.
func (q *asked) each(sql string, f func(scan func(...any) error) error) error {
	below := "%." + strings.NewReplacer(`\`, `\\`, `_`, `\_`, `%`, `\%`).Replace(q.name)
	rows, err := q.tx.Query(q.ctx, strings.Replace(sql, "{about}", `home = $1 AND (domain = $2 OR domain LIKE $3 ESCAPE '\') AND day >= $4`, 1), q.home, q.name, below, q.since)
	return store.Each(rows, err, f)
}

func (q *asked) totals(sum *Summary) error {
	return q.each(`SELECT proven, dkim, spf, disposition, CAST(SUM(count) AS BIGINT) FROM report_row WHERE {about} GROUP BY proven, dkim, spf, disposition`, func(scan func(...any) error) error {
		var proven, dkim, spf, n int64
		var disposition string
		if err := scan(&proven, &dkim, &spf, &disposition, &n); err != nil {
			return err
		}
		if proven == 0 {
			sum.UnprovenMails += n
			return nil
		}
		sum.Mails += n
		if dkim+spf > 0 {
			sum.Pass += n
			return nil
		}
		sum.Fail += n
		switch disposition {
		case "reject":
			sum.Refused += n
		case "quarantine":
			sum.Quarantined += n
		}
		return nil
	})
}

func (q *asked) reporters(sum *Summary) error {
	newest := int64(0)
	err := q.each(`SELECT kind, proven, reporter, MAX(org), COUNT(*), MAX(day) FROM report_taken WHERE {about} GROUP BY kind, proven, reporter ORDER BY COUNT(*) DESC, reporter`, func(scan func(...any) error) error {
		var kind string
		var proven, last int64
		var r Reporter
		if err := scan(&kind, &proven, &r.Domain, &r.Org, &r.Reports, &last); err != nil {
			return err
		}
		switch {
		case proven == 0:
			sum.UnprovenReports += r.Reports
		case kind == kindTLS:
			sum.TLS.Reporters++
		case len(sum.Reporters) < maxSources:
			r.Last = time.Unix(last*86400, 0).UTC()
			sum.Reporters = append(sum.Reporters, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return q.each(`SELECT policy, day FROM report_taken WHERE {about} AND kind = 'dmarc' AND proven = 1 AND policy <> '' ORDER BY day DESC, taken DESC LIMIT 1`, func(scan func(...any) error) error {
		return scan(&sum.Policy, &newest)
	})
}

func (q *asked) sources(groups map[netip.Addr]*Source, others map[netip.Addr]map[string]int64) error {
	return q.each(`SELECT source, disposition, dkim, spf, reason, spf_domain, spf_result, dkim_domain, dkim_result, CAST(SUM(count) AS BIGINT) FROM report_row
		WHERE {about} AND proven = 1 GROUP BY source, disposition, dkim, spf, reason, spf_domain, spf_result, dkim_domain, dkim_result
		ORDER BY SUM(count) DESC LIMIT 20000`, func(scan func(...any) error) error {
		var source, disposition, reason, spfDomain, spfResult, dkimDomain, dkimResult string
		var dkim, spf, n int64
		if err := scan(&source, &disposition, &dkim, &spf, &reason, &spfDomain, &spfResult, &dkimDomain, &dkimResult, &n); err != nil {
			return err
		}
		ip, _ := netip.ParseAddr(source) // "" is the zero one
		g := groups[ip]
		if g == nil {
			g = &Source{IP: ip}
			groups[ip] = g
			others[ip] = map[string]int64{}
		}
		g.Mails += n
		g.DKIM += dkim * n
		g.SPF += spf * n
		if dkim+spf > 0 {
			g.Pass += n
			return nil
		}
		g.Fail += n
		switch disposition {
		case "reject":
			g.Refused += n
		case "quarantine":
			g.Quarantined += n
		}
		if reason == "mailing_list" || reason == "trusted_forwarder" || reason == "forwarded" {
			g.lists += n
		}
		if related(dkimDomain, q.name) && dkimResult != "pass" && dkimResult != "" {
			g.ours += n
		}
		if spfResult == "pass" && !related(spfDomain, q.name) && spfDomain != "" {
			others[ip][spfDomain] += n
		}
		if dkimResult == "pass" && !related(dkimDomain, q.name) && dkimDomain != "" {
			others[ip][dkimDomain] += n
		}
		return nil
	})
}

func (q *asked) transport(sum *Summary) error {
	return q.each(`SELECT result, host, CAST(SUM(count) AS BIGINT) FROM report_tls WHERE {about} AND proven = 1 GROUP BY result, host ORDER BY SUM(count) DESC, result, host LIMIT 1000`, func(scan func(...any) error) error {
		var t TLSTrouble
		if err := scan(&t.Result, &t.Host, &t.Count); err != nil {
			return err
		}
		if t.Result == "" {
			sum.TLS.Good += t.Count
			return nil
		}
		sum.TLS.Bad += t.Count
		if len(sum.TLS.Failures) < maxSources {
			t.Means = mail.MakeText("report-tls-"+t.Result, "Host", cmp.Or(t.Host, q.name))
			sum.TLS.Failures = append(sum.TLS.Failures, t)
		}
		return nil
	})
}

func (q *asked) samples(sum *Summary) error {
	rows, err := q.tx.Query(q.ctx, `SELECT at, source, reporter, failure, result, proven FROM report_failure WHERE home = $1 AND at >= $2 ORDER BY proven DESC, at DESC LIMIT $3`,
		q.home, q.since*86400*1e6, maxSamples)
	return store.Each(rows, err, func(scan func(...any) error) error {
		var f Sample
		var at, proven int64
		if err := scan(&at, &f.Source, &f.Reporter, &f.Failure, &f.Result, &proven); err != nil {
			return err
		}
		f.At, f.Proven = store.Time(at), proven == 1
		sum.Failures = append(sum.Failures, f)
		return nil
	})
}

// arrange finds out who the sources are, and puts those first that need somebody.
func (s *Store) arrange(ctx context.Context, sum *Summary, groups map[netip.Addr]*Source, others map[netip.Addr]map[string]int64) {
	for ip, g := range groups {
		if ip.IsValid() {
			bits := 24
			if ip.Is6() {
				bits = 48
			}
			g.Network, _ = ip.Prefix(bits)
		}
		for _, d := range slices.SortedFunc(maps.Keys(others[ip]), func(a, b string) int {
			return cmp.Or(cmp.Compare(others[ip][b], others[ip][a]), strings.Compare(a, b))
		}) {
			if len(g.Others) < maxOthers {
				g.Others = append(g.Others, d)
			}
		}
		switch {
		case ip.IsValid() && s.Own != nil && s.Own(ip):
			g.Who = WhoOwn
		case g.Pass > 0:
			g.Who = WhoKnown
		default:
			g.Who = WhoUnknown
		}
		g.explain(sum)
	}
	list := slices.SortedFunc(maps.Values(groups), func(a, b *Source) int {
		return cmp.Or(cmp.Compare(urgency[a.kind], urgency[b.kind]), cmp.Compare(b.Mails, a.Mails), a.IP.Compare(b.IP))
	})
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	shown := int64(0)
	for i, g := range list {
		if i == maxSources {
			break
		}
		if s.Name != nil && i < maxNames && g.IP.IsValid() && ctx.Err() == nil {
			g.Name = clip(s.Name(ctx, g.IP))
		}
		sum.Sources = append(sum.Sources, *g)
		shown += g.Mails
	}
	sum.More = max(0, sum.Mails-shown)
	sum.judge()
}

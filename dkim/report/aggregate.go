package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
)

// Aggregate is a DMARC aggregate report, summed up.
type Aggregate struct {
	Org   string // as the reporter calls itself
	Email string
	ID    string // unique for the reporter and the domain
	Begin time.Time
	End   time.Time

	Domain string // where the policy stands
	Policy string // p=: none, quarantine, reject; "" when not said

	Rows    []Counted // records that say the same are one row, in the order they came
	Records int       // as they stood in the report
}

// Row is what a report says of the mails of one source.
type Row struct {
	Source      netip.Addr // zero: several, beyond the bound of different rows
	Disposition string     // none, pass, quarantine, reject
	DKIM, SPF   bool       // passes and is aligned
	Reason      string     // why the policy was not followed, "" when it was
	From        string     // the author's domain

	SPFDomain  string // what was checked, aligned or not
	SPFResult  string
	DKIMDomain string // of the signature that says most
	DKIMResult string
}

// Counted is a Row and how many mails it stands for.
type Counted struct {
	Row
	Count int64
}

// Bounds of what strangers send.
const (
	maxXML     = 16 << 20 // takes half a second to read
	maxToken   = 64 << 10
	maxTokens  = 2_000_000 // of 16 MB of honest records there are fewer
	maxDepth   = 16
	maxRecords = 100_000
	maxRows    = 2_000
	maxText    = 255 // of one value; a domain name fits
	maxCount   = 1_000_000_000
)

// ErrTooBig says that a report is larger than any honest one.
var ErrTooBig = errors.New("the report is too big")

// ParseAggregate reads the XML of RFC 9990 and of RFC 7489 appendix C as they
// are in fact written: with and without namespace and version, with fields
// missing, in any order, and in any case. What it does not know it skips. There
// is no document type in a report, so one is refused, and with it every entity
// but XML's own five.
func ParseAggregate(r io.Reader) (*Aggregate, error) {
	t := &tokens{r: newGuard(r)}
	d := xml.NewDecoder(t.r)
	d.CharsetReader = charset
	t.d = d
	p := &aggregateReader{rows: map[Row]int{}}
	if err := p.read(t); err != nil {
		return nil, fmt.Errorf("aggregate report: %w", err)
	}
	return p.finish()
}

func brief(s string) string { return s[:min(len(s), 40)] }

// aggregateReader is where in the report we are.
type aggregateReader struct {
	Aggregate
	rows map[Row]int

	space string   // of the root element
	path  []string // names, lower case, of the elements that are open
	skip  int      // elements that are open inside one that we do not know
	text  []byte

	row      Row
	count    int64
	domain   string // of the result under way
	result   string
	scope    string
	best     int // how much the signature in row says
	seenRoot bool
}

func (p *aggregateReader) read(t *tokens) error {
	for {
		tok, err := t.next()
		if err == io.EOF && p.seenRoot && len(p.path) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.Directive:
			return errors.New("a document type has no place in a report")
		case xml.StartElement:
			if err := p.start(tok.Name); err != nil {
				return err
			}
		case xml.EndElement:
			if p.skip > 0 {
				p.skip--
				continue
			}
			if err := p.end(); err != nil {
				return err
			}
			if len(p.path) == 0 {
				return nil // what follows the report is not looked at
			}
		case xml.CharData:
			if p.skip == 0 && len(p.path) > 0 {
				p.text = append(p.text, tok[:min(len(tok), maxText+1-min(len(p.text), maxText+1))]...)
			}
		}
	}
}

func (p *aggregateReader) start(name xml.Name) error {
	local := strings.ToLower(name.Local)
	if len(p.path) == 0 {
		if local != "feedback" {
			return fmt.Errorf("<%s> is not a report", brief(local))
		}
		p.space, p.seenRoot = name.Space, true
	}
	if p.skip > 0 || local == "extension" || name.Space != "" && name.Space != p.space {
		if p.skip++; p.skip > maxDepth {
			return ErrTooBig
		}
		return nil
	}
	if len(p.path) == maxDepth {
		return ErrTooBig
	}
	p.path = append(p.path, local)
	p.text = p.text[:0]
	switch local {
	case "record":
		if p.Records++; p.Records > maxRecords {
			return ErrTooBig
		}
		p.row, p.count, p.best = Row{}, 0, -1
	case "dkim", "spf":
		p.domain, p.result, p.scope = "", "", ""
	}
	return nil
}

// above is the n-th name above the innermost, "" beyond the root.
func (p *aggregateReader) above(n int) string {
	if i := len(p.path) - 1 - n; i >= 0 {
		return p.path[i]
	}
	return ""
}

func (p *aggregateReader) end() error {
	name, in := p.above(0), p.above(1)
	text := strings.TrimSpace(strings.ToValidUTF8(string(p.text), ""))
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	p.text = p.text[:0]
	low := strings.ToLower(text)
	switch in {
	case "report_metadata":
		switch name {
		case "org_name":
			p.Org = text
		case "email":
			p.Email = text
		case "report_id":
			p.ID = text
		}
	case "date_range":
		switch name {
		case "begin":
			p.Begin = moment(text)
		case "end":
			p.End = moment(text)
		}
	case "policy_published":
		switch name {
		case "domain":
			p.Domain = domain(text)
		case "p":
			p.Policy = oneOf(low, "none", "quarantine", "reject")
		}
	case "row":
		switch name {
		case "source_ip":
			if ip, err := netip.ParseAddr(text); err == nil {
				p.row.Source = ip.Unmap().WithZone("")
			}
		case "count":
			p.count = number(text)
		}
	case "policy_evaluated":
		switch name {
		case "disposition":
			p.row.Disposition = oneOf(low, "none", "pass", "quarantine", "reject")
		case "dkim":
			p.row.DKIM = low == "pass"
		case "spf":
			p.row.SPF = low == "pass"
		}
	case "reason":
		if name == "type" && p.row.Reason == "" {
			p.row.Reason = oneOf(low, "forwarded", "sampled_out", "trusted_forwarder", "mailing_list", "local_policy", "policy_test_mode", "other")
		}
	case "identifiers":
		if name == "header_from" {
			p.row.From = domain(text)
		}
	case "dkim", "spf":
		switch name {
		case "domain":
			p.domain = domain(text)
		case "result":
			p.result = result(low)
		case "scope":
			p.scope = low
		}
	case "auth_results":
		switch name {
		case "spf":
			if p.scope != "helo" || p.row.SPFDomain == "" { // DMARC looks at MAIL FROM
				p.row.SPFDomain, p.row.SPFResult = p.domain, p.result
			}
		case "dkim":
			p.signature()
		}
	case "feedback":
		if name == "record" {
			p.add()
		}
	}
	p.path = p.path[:len(p.path)-1]
	return nil
}

// signature keeps the one that says most: one that passes rather than one that
// fails, and of those one of the author's domain, as far as can be seen.
func (p *aggregateReader) signature() {
	says := 0
	if p.result == "pass" {
		says = 2
	}
	if related(p.domain, p.row.From) || related(p.domain, p.Domain) {
		says++
	}
	if says > p.best {
		p.best, p.row.DKIMDomain, p.row.DKIMResult = says, p.domain, p.result
	}
}

// related says whether a is b, below it, or above it.
func related(a, b string) bool {
	return a != "" && b != "" && (a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a) && strings.Contains(a, "."))
}

func (p *aggregateReader) add() {
	if p.count <= 0 {
		return
	}
	row := p.row
	if row.From == "" {
		row.From = p.Domain
	}
	i, ok := p.rows[row]
	if !ok && len(p.Rows) >= maxRows { // the rest is one row for each outcome
		row = Row{Disposition: row.Disposition, DKIM: row.DKIM, SPF: row.SPF, From: p.Domain}
		i, ok = p.rows[row]
	}
	if !ok {
		i = len(p.Rows)
		p.rows[row] = i
		p.Rows = append(p.Rows, Counted{Row: row})
	}
	p.Rows[i].Count = min(p.Rows[i].Count+p.count, maxCount)
}

func (p *aggregateReader) finish() (*Aggregate, error) {
	a := p.Aggregate
	switch {
	case a.Domain == "":
		return nil, errors.New("aggregate report: it does not say about which domain")
	case a.ID == "":
		return nil, errors.New("aggregate report: it has no id")
	case a.Begin.IsZero() || a.End.Before(a.Begin):
		return nil, errors.New("aggregate report: it does not say about which day")
	}
	return &a, nil
}

package report

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"time"

	"colporteur/mail"
)

// The XML of RFC 9990, in the order its tables have. What it could hold and
// ours does not is in the package comment.
type (
	xmlFeedback struct {
		XMLName  xml.Name    `xml:"urn:ietf:params:xml:ns:dmarc-2.0 feedback"`
		Version  string      `xml:"version"`
		Metadata xmlMetadata `xml:"report_metadata"`
		Policy   xmlPolicy   `xml:"policy_published"`
		Records  []xmlRecord `xml:"record"`
	}
	xmlMetadata struct {
		Org       string  `xml:"org_name"`
		Email     string  `xml:"email"`
		ID        string  `xml:"report_id"`
		Range     xmlSpan `xml:"date_range"`
		Error     string  `xml:"error,omitempty"`
		Generator string  `xml:"generator"`
	}
	xmlSpan struct {
		Begin int64 `xml:"begin"`
		End   int64 `xml:"end"`
	}
	xmlPolicy struct {
		Domain  string `xml:"domain"`
		Method  string `xml:"discovery_method"`
		P       string `xml:"p"`
		SP      string `xml:"sp"`
		NP      string `xml:"np,omitempty"`
		ADKIM   string `xml:"adkim"`
		ASPF    string `xml:"aspf"`
		Testing string `xml:"testing"`
	}
	xmlRecord struct {
		Row struct {
			Source    string `xml:"source_ip"`
			Count     int64  `xml:"count"`
			Evaluated struct {
				Disposition string     `xml:"disposition"`
				DKIM        string     `xml:"dkim"`
				SPF         string     `xml:"spf"`
				Reason      *xmlReason `xml:"reason"`
			} `xml:"policy_evaluated"`
		} `xml:"row"`
		Identifiers struct {
			From     string `xml:"header_from"`
			Envelope string `xml:"envelope_from"`
		} `xml:"identifiers"`
		Auth struct {
			DKIM []xmlDKIM `xml:"dkim"`
			SPF  *xmlSPF   `xml:"spf"`
		} `xml:"auth_results"`
	}
	xmlReason struct {
		Type string `xml:"type"`
	}
	xmlDKIM struct {
		Domain   string `xml:"domain"`
		Selector string `xml:"selector"`
		Result   string `xml:"result"`
	}
	xmlSPF struct {
		Domain string `xml:"domain"`
		Scope  string `xml:"scope"`
		Result string `xml:"result"`
	}
)

// generator names us in reports.
const generator = "colporteur"

// dated is what every report of ours says of itself.
type dated struct {
	Receiver string // our domain
	Contact  string
	owed
}

func (d dated) begin() time.Time { return time.Unix(d.day*86400, 0).UTC() }

// end is the last second of the day: reports that overlapped would be refused
// by readers who look for duplicates.
func (d dated) end() time.Time { return d.begin().Add(24*time.Hour - time.Second) }

// id is the same whenever a report is made again.
func (d dated) id(kind string) string {
	return d.begin().Format("20060102") + "." + digestHex(kind+" "+d.domain+" "+d.Receiver) + "@" + d.Receiver
}

// file is a name as RFC 9990 and RFC 8460 §5.1 want it.
func (d dated) file(extension string) string {
	return fmt.Sprintf("%s!%s!%d!%d.%s", d.Receiver, d.domain, d.begin().Unix(), d.end().Unix(), extension)
}

// subject serves both kinds (RFC 9990, RFC 8460 §5.3).
func (d dated) subject(kind string) string {
	return "Report Domain: " + d.domain + " Submitter: " + d.Receiver + " Report-ID: <" + d.id(kind) + ">"
}

func word(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}

// aggregate writes the XML of one day, gzipped.
func (d dated) aggregate(policy *mail.DMARCPolicy, rows []rowOf[seen], lost int64) ([]byte, error) {
	f := xmlFeedback{Version: "1.0", Metadata: xmlMetadata{Org: d.Receiver, Email: d.Contact, ID: d.id(kindDMARC),
		Range: xmlSpan{d.begin().Unix(), d.end().Unix()}, Generator: generator}}
	if lost > 0 {
		f.Metadata.Error = fmt.Sprintf("%d more messages are not in this report: there were too many different ones", lost)
	}
	p := policy.P
	if p == "" {
		p = mail.DemandNone
	}
	f.Policy = xmlPolicy{Domain: d.domain, Method: "treewalk", P: string(p), SP: string(p), NP: string(policy.NP), Testing: word(policy.Testing, "y", "n"),
		ADKIM: word(policy.Strict.DKIM, "s", "r"), ASPF: word(policy.Strict.SPF, "s", "r")}
	if policy.SP != "" {
		f.Policy.SP = string(policy.SP)
	}
	for _, row := range rows {
		s := row.this
		var r xmlRecord
		r.Row.Source, r.Row.Count = s.IP, row.count
		e := &r.Row.Evaluated
		e.Disposition, e.DKIM, e.SPF = s.Disposition, word(s.DKIM, "pass", "fail"), word(s.SPF, "pass", "fail")
		if s.Reason != "" {
			e.Reason = &xmlReason{s.Reason}
		}
		r.Identifiers.From, r.Identifiers.Envelope = s.From, s.Envelope
		for _, k := range s.Signatures {
			r.Auth.DKIM = append(r.Auth.DKIM, xmlDKIM(k))
		}
		if s.SPFDomain != "" {
			r.Auth.SPF = &xmlSPF{s.SPFDomain, "mfrom", s.SPFResult}
		}
		f.Records = append(f.Records, r)
	}
	return gzipped(func(w io.Writer) error {
		if _, err := io.WriteString(w, xml.Header); err != nil {
			return err
		}
		e := xml.NewEncoder(w)
		e.Indent("", " ")
		return e.Encode(f)
	})
}

// transport writes the JSON of one day, gzipped.
func (d dated) transport(rows []rowOf[met]) ([]byte, error) {
	t := TLS{Org: d.Receiver, Range: TLSRange{d.begin(), d.end()}, Contact: d.Contact, ID: d.id(kindTLS)}
	at := map[string]int{} // by policy
	for _, row := range rows {
		m := row.this
		key, err := json.Marshal([]any{m.Kind, m.Policy, m.MX})
		if err != nil {
			return nil, err
		}
		i, ok := at[string(key)]
		if !ok {
			if len(t.Results) == maxList {
				continue
			}
			i = len(t.Results)
			at[string(key)] = i
			t.Results = append(t.Results, Under{Policy: TLSPolicy{Kind: m.Kind, Text: m.Policy, Domain: d.domain, MX: m.MX}})
		}
		u := &t.Results[i]
		if m.Result == "" {
			u.Summary.Good += amount(row.count)
			continue
		}
		u.Summary.Bad += amount(row.count)
		if len(u.Details) < maxList {
			u.Details = append(u.Details, TLSFailure{Result: m.Result, Host: m.Host, IP: m.IP, Count: amount(row.count), Reason: m.Reason})
		}
	}
	return gzipped(func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(t)
	})
}

// gzipped has no name and no time in it: the same report is the same octets.
func gzipped(write func(io.Writer) error) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := write(z); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

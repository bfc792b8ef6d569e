package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// TLS is a report of RFC 8460, as JSON.
type TLS struct {
	Org     string      `json:"organization-name"`
	Range   TLSRange    `json:"date-range"`
	Contact string      `json:"contact-info,omitempty"`
	ID      string      `json:"report-id"`
	Results list[Under] `json:"policies"`
}

// TLSRange is the day it is about (RFC 8460 §4.1).
type TLSRange struct {
	Begin time.Time `json:"start-datetime"`
	End   time.Time `json:"end-datetime"`
}

// UnmarshalJSON takes RFC 3339, with and without its zone.
func (r *TLSRange) UnmarshalJSON(b []byte) error {
	var raw struct {
		Begin string `json:"start-datetime"`
		End   string `json:"end-datetime"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	r.Begin, r.End = instant(raw.Begin), instant(raw.End)
	return nil
}

func instant(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && t.Unix() > 0 && t.Unix() < 1<<33 {
			return t.UTC()
		}
	}
	return time.Time{}
}

// Under is what happened under one policy.
type Under struct {
	Policy  TLSPolicy        `json:"policy"`
	Summary TLSSummary       `json:"summary"`
	Details list[TLSFailure] `json:"failure-details,omitempty"`
}

// TLSPolicy is a policy as it was applied.
type TLSPolicy struct {
	Kind   string `json:"policy-type"` // tlsa, sts, no-policy-found
	Text   texts  `json:"policy-string,omitempty"`
	Domain string `json:"policy-domain"`
	MX     texts  `json:"mx-host,omitempty"`
}

// TLSSummary counts sessions.
type TLSSummary struct {
	Good amount `json:"total-successful-session-count"`
	Bad  amount `json:"total-failure-session-count"`
}

// TLSFailure is one way in which sessions failed.
type TLSFailure struct {
	Result string `json:"result-type"`
	From   string `json:"sending-mta-ip,omitempty"`
	Host   string `json:"receiving-mx-hostname,omitempty"`
	IP     string `json:"receiving-ip,omitempty"`
	Count  amount `json:"failed-session-count"`
	Reason string `json:"failure-reason-code,omitempty"`
}

const (
	maxJSON = 4 << 20
	maxList = 500 // policies of a report, failures of a policy, lines of a policy
)

// ParseTLS reads a report. Lists are cut where no honest report has more.
func ParseTLS(r io.Reader) (*TLS, error) {
	left := int64(maxJSON)
	var t TLS
	if err := json.NewDecoder(&limited{r, &left}).Decode(&t); err != nil {
		return nil, fmt.Errorf("tls report: %w", err)
	}
	switch {
	case t.ID == "":
		return nil, errors.New("tls report: it has no id")
	case t.Range.Begin.IsZero() || t.Range.End.Before(t.Range.Begin):
		return nil, errors.New("tls report: it does not say about which day")
	case len(t.Results) == 0:
		return nil, errors.New("tls report: there is nothing in it")
	}
	return &t, nil
}

// list is a JSON array that is read element by element, and no further than
// maxList: two octets of a stranger's would be two hundred of ours.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	b = bytes.TrimSpace(b)
	if len(b) == 0 || b[0] != '[' {
		return nil // null, or something nobody promised
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() && len(*l) < maxList {
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		*l = append(*l, v)
	}
	return nil
}

// texts is a list of strings; some send one string alone, others null.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	*t = nil
	var one string
	if json.Unmarshal(b, &one) == nil {
		if one != "" {
			*t = texts{one}
		}
		return nil
	}
	var l list[any]
	if err := l.UnmarshalJSON(b); err != nil {
		return err
	}
	for _, v := range l {
		if s, ok := v.(string); ok {
			*t = append(*t, s)
		}
	}
	return nil
}

// amount is a number; some put it in quotes.
type amount int64

func (a *amount) UnmarshalJSON(b []byte) error {
	*a = amount(number(strings.Trim(string(b), `"`)))
	return nil
}

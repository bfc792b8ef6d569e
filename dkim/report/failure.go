package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"colporteur/mail"
)

// Failure is a report about one mail that was not proven (RFC 9991, RFC 6591).
// Of the mail itself nothing is kept: neither whom it was for nor what it said.
type Failure struct {
	Domain  string // whose name was used
	Kind    string // dmarc, spf, signature, bodyhash, revoked, adsp
	Result  string // delivered, spam, policy, reject, other, smg-policy-action
	Source  netip.Addr
	Arrived time.Time // zero when not said
}

const (
	maxFeedback = 64 << 10
	maxFields   = 200
)

// ParseFailure reads the fields of a message/feedback-report (RFC 5965 §3).
// Feedback of other types, such as complaints, is refused.
func ParseFailure(r io.Reader) (*Failure, error) {
	left := int64(maxFeedback)
	b := bufio.NewReader(&limited{r, &left})
	var f Failure
	var kind, name, value string
	take := func() {
		v := strings.TrimSpace(value)
		v = v[:min(len(v), 4*maxText)]
		low := strings.ToLower(v)
		switch name {
		case "feedback-type":
			kind = low
		case "reported-domain":
			f.Domain = domain(v)
		case "auth-failure":
			f.Kind = oneOf(low, "dmarc", "spf", "signature", "bodyhash", "revoked", "adsp")
		case "delivery-result":
			f.Result = oneOf(low, "delivered", "spam", "policy", "reject", "other", "smg-policy-action")
		case "source-ip":
			if ip, err := netip.ParseAddr(strings.Trim(v, "[]")); err == nil {
				f.Source = ip.Unmap().WithZone("")
			}
		case "arrival-date", "received-date":
			f.Arrived = mail.ParseDate(v)
		}
		name, value = "", ""
	}
	for n := 0; n < maxFields; {
		line, err := b.ReadString('\n')
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("feedback report: %w", err)
		}
		ended := err == io.EOF
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "" && kind == "" && name == "":
			// some put an empty line first
		case line == "":
			ended = true // those of other reports in the same part are not ours to count
		case line[0] == ' ' || line[0] == '\t':
			value += line
		default:
			take()
			n++
			before, after, ok := strings.Cut(line, ":")
			if ok {
				name, value = strings.ToLower(strings.TrimSpace(before)), after
			}
		}
		if ended {
			break
		}
	}
	take()
	switch {
	case kind == "":
		return nil, errors.New("feedback report: it has no type")
	case kind != "auth-failure":
		return nil, fmt.Errorf("feedback report: one of type %q", brief(kind))
	case f.Domain == "":
		return nil, errors.New("feedback report: it does not say about which domain")
	}
	return &f, nil
}

package secure

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Modes of an MTA-STS policy (RFC 8461 §3.2, §5).
const (
	Enforce = "enforce" // no mail but over TLS that is proven, to hosts that are named
	Testing = "testing" // as before, and failures are reported
	None    = "none"    // no policy any more
)

// Policy is what a domain demands with MTA-STS (RFC 8461 §3.2).
type Policy struct {
	Mode   string
	MX     []string // names in lower case; "*.example.com" stands for one label more
	MaxAge time.Duration
}

const (
	longest   = 31_557_600 * time.Second // RFC 8461 §3.2
	maxPolicy = 64 << 10                 // octets, RFC 8461 §3.3
)

// keys that a policy must have; "mx" not when the mode is "none".
var keys = []string{"version", "mode", "max_age", "mx"}

// ParsePolicy reads the file of a policy. Keys that it does not know are
// extensions, and of a key that must not come twice the first counts. An empty
// line, and the final dot of a name, are mistakes that change no meaning. How
// long it may be is up to whoever got it.
func ParsePolicy(text string) (*Policy, error) {
	p := &Policy{}
	seen := map[string]bool{}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, "\r \t")
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("a line without a colon: %.60q", line)
		}
		value = strings.TrimLeft(value, " \t")
		again := seen[key]
		if slices.Contains(keys, key) {
			seen[key] = true
		}
		switch {
		case key == "mx":
			mx, err := pattern(value)
			if err != nil {
				return nil, err
			}
			p.MX = append(p.MX, mx)
		case again:
		case key == "version" && value != "STSv1":
			return nil, fmt.Errorf("version %.20q", value)
		case key == "mode":
			if value != Enforce && value != Testing && value != None {
				return nil, fmt.Errorf("mode %.20q", value)
			}
			p.Mode = value
		case key == "max_age":
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil || len(value) > 10 {
				return nil, fmt.Errorf("max_age %.20q", value)
			}
			p.MaxAge = time.Duration(min(n, uint64(longest/time.Second))) * time.Second
		}
	}
	for _, key := range keys {
		if !seen[key] && (key != "mx" || p.Mode != None) {
			return nil, errors.New("there is no " + key)
		}
	}
	return p, nil
}

// pattern reads the name of a mail exchanger.
func pattern(s string) (string, error) {
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	name := strings.TrimPrefix(s, "*.")
	ok := len(name) > 0 && len(name) <= 253
	for label := range strings.SplitSeq(name, ".") {
		ok = ok && len(label) > 0 && len(label) <= 63 && !strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
		})
	}
	if !ok {
		return "", fmt.Errorf("mx %.80q is not the name of a host", s)
	}
	return s, nil
}

// Names says whether host is one of the policy's (RFC 8461 §4.1).
func (p *Policy) Names(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	_, parent, _ := strings.Cut(host, ".")
	return slices.Contains(p.MX, host) || parent != "" && slices.Contains(p.MX, "*."+parent)
}

// Lines are the policy's, for reports (RFC 8460 §4.4).
func (p *Policy) Lines() []string {
	lines := []string{"version: STSv1", "mode: " + p.Mode}
	for _, mx := range p.MX {
		lines = append(lines, "mx: "+mx)
	}
	return append(lines, "max_age: "+strconv.FormatInt(int64(p.MaxAge/time.Second), 10))
}

// String is the file of the policy.
func (p *Policy) String() string { return strings.Join(p.Lines(), "\r\n") + "\r\n" }

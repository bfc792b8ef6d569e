package relay

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/smtp/relay/provider"
)

// What a refusal asks for, where that is known.
const (
	senseGrey  = "greylist" // come back in a few minutes
	senseFull  = "full"     // the recipient's mailbox is
	senseRate  = "rate"     // less, and later
	senseBlock = "block"    // our address is on a list
	senseDNS   = "dns"      // the directory does not answer
)

// greylisted finds the way most greylists say it, and the wait some name.
var (
	greylisted = regexp.MustCompile(`(?i)gr[ae]y-?\s?list`)
	comeBack   = regexp.MustCompile(`(?i)\b(?:in|after|for|wait|dans)\s+(\d{1,4})\s*(s|sec|m|min)[a-z]*\b`)
	tooMany    = regexp.MustCompile(`(?i)rate.?limit|too (many|fast|much)|throttl|trop de `)
)

// sense is what a reply of class 4 asks for, by its code and its words.
func sense(r reply, cmd string) (what string, wait time.Duration) {
	text, subject := r.text(), strings.SplitN(r.status(), ".", 2)[1]
	switch {
	case r.class() != 4:
		return "", 0
	case subject == "2.2":
		return senseFull, 0
	case greylisted.MatchString(text):
		what = senseGrey
	case subject == "4.5", (cmd != "RCPT" || subject == "7.0") && tooMany.MatchString(text):
		return senseRate, 0
	case cmd == "RCPT" && (r.code == 450 || r.code == 451):
		what = senseGrey // most often
	default:
		return "", 0
	}
	if m := comeBack.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		wait = time.Duration(n) * time.Second
		if strings.HasPrefix(strings.ToLower(m[2]), "m") {
			wait = time.Duration(n) * time.Minute
		}
		wait = min(max(wait, time.Minute), time.Hour)
	}
	return what, wait
}

// Diagnosis is what a big provider's refusal means.
type Diagnosis = provider.Diagnosis

// know has a failure mean what d says.
func (f *failure) know(d Diagnosis) {
	f.diagnosis = &d
	if d.Meaning != "" {
		f.why = mail.MakeText(d.Meaning, "Provider", d.Provider, "Form", d.Form)
	}
	f.wait = max(f.wait, min(d.Wait, 24*time.Hour))
	switch d.Scope {
	case "ip":
		f.sense, f.trouble = senseBlock, true
	case "domain": // mail of our other domains may pass
		f.sense, f.trouble = senseBlock, false
	case "rate":
		f.sense, f.trouble = senseRate, true
	case "greylist":
		f.sense, f.trouble = senseGrey, false
	case "full":
		f.sense, f.trouble = senseFull, false
	case "sender", "recipient", "content", "auth", "tls":
		f.trouble = false
	}
	if d.Temporary && f.permanent {
		f.permanent, f.status = false, forNow(f.status)
	}
}

// forNow is an enhanced code (RFC 3463) as one of class 4.
func forNow(status string) string {
	if len(status) > 1 {
		return "4" + status[1:]
	}
	return status
}

package records

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"colporteur/dkim"
	"colporteur/dkim/dmarc"
	"colporteur/dkim/keyring"
	"colporteur/dkim/spf"
	"colporteur/mail"
)

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

// containing are the texts with one of these words in them, whatever the case:
// who mistypes a record still means it.
func containing(texts []string, words ...string) []string {
	var out []string
	for _, t := range texts {
		low := strings.ToLower(t[:min(len(t), 4096)])
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(low, w) }) {
			out = append(out, t)
		}
	}
	return out
}

// begins says whether a record is of a version: "v=spf1" and then a blank or the end.
func begins(text, version string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(text), version)
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == ';' || rest[0] == '\t')
}

func (c *checker) spf(ctx context.Context, r Record) Finding {
	all, err := c.texts(ctx, r.Name)
	if err != nil {
		return r.unknown()
	}
	var ours []string
	for _, t := range all {
		if begins(t, "v=spf1") {
			ours = append(ours, t)
		}
	}
	switch {
	case len(ours) == 0:
		if near := containing(all, "spf1", "spf2"); len(near) > 0 {
			return r.say(Wrong, near, "spf-typo", "Now", short(near[0]))
		}
		return r.missing()
	case len(ours) > 1: // RFC 7208 §4.5: permerror
		return r.say(Wrong, ours, "spf-two").fix("fix-spf-two")
	}
	end := last(ours[0])
	if end == "+all" || end == "all" {
		return r.say(Wrong, ours, "spf-all").harmful()
	}
	addrs, err := c.addresses(ctx, r.Host)
	if err != nil {
		return r.unknown()
	}
	if len(addrs) == 0 {
		return r.say(Unknown, ours, "spf-no-address")
	}
	sender := ""
	if r.Kind == SPF {
		sender = "postmaster@" + r.Name
	}
	for _, ip := range addrs {
		switch got := spf.Check(ctx, c.dns, ip, r.Host, sender); got.Result {
		case mail.Pass:
		case mail.TempError:
			return r.unknown()
		case mail.PermError:
			if strings.Contains(got.Reason, "limit reached") {
				return r.say(Wrong, ours, "spf-ten", "Now", short(ours[0]))
			}
			return r.say(Wrong, ours, "spf-broken", "Now", short(ours[0]))
		default:
			return r.say(Wrong, ours, "spf-not-us", "Address", ip.String(), "Now", short(ours[0])).fix("fix-spf-not-us")
		}
	}
	if r.Kind == SPF && end != "-all" && end != "~all" && !strings.HasPrefix(end, "redirect=") {
		return r.good(ours).advise("advice-spf-open")
	}
	return r.good(ours)
}

func last(record string) string {
	f := strings.Fields(strings.ToLower(record))
	for i := len(f) - 1; i > 0; i-- {
		if strings.HasSuffix(f[i], "all") || strings.HasPrefix(f[i], "redirect=") {
			return f[i]
		}
	}
	return ""
}

func (c *checker) dkim(ctx context.Context, r Record) []Finding {
	all, err := c.texts(ctx, r.Name)
	if err != nil {
		if r.Key.State == keyring.Gone {
			return nil
		}
		return []Finding{r.unknown()}
	}
	sight := keyring.Compare(*r.Key, all)
	keys := containing(all, "p=", "dkim1")
	switch r.Key.State {
	case keyring.Gone:
		if sight == keyring.Wrong {
			return []Finding{r.say(Extra, keys, "dkim-left").fix("fix-remove")}
		}
		return nil
	case keyring.Revoked:
		if sight == keyring.Wrong {
			return []Finding{r.say(Extra, keys, "dkim-unrevoked").fix("fix-replace")}
		}
		return []Finding{r.good(keys)} // to have none says the same
	}
	switch sight {
	case keyring.Right:
		return []Finding{r.good(all)}
	case keyring.Missing:
		return []Finding{r.missing()}
	}
	return []Finding{r.say(Wrong, keys, keyFault(r.Key.Record, keys))}
}

// keyFault names what is wrong with a key record that is not want.
func keyFault(want string, keys []string) string {
	if len(keys) > 1 {
		return "dkim-two"
	}
	got, err := dkim.ParseRecord(keys[0])
	p := func(s string) string { return strings.Join(strings.Fields(tag(s, "p")), "") }
	switch is := p(keys[0]); {
	case strings.ContainsAny(keys[0], "\"\\()"):
		return "dkim-quotes"
	case is != "" && len(is) < len(p(want)) && strings.HasPrefix(p(want), strings.TrimRight(is, ";=")):
		return "dkim-cut"
	case err != nil:
		return "dkim-unreadable"
	case got.Revoked:
		return "dkim-now-revoked"
	case is == p(want):
		return "dkim-limited"
	}
	return "dkim-other"
}

// dmarcTags are the known ones, RFC 7489's included.
var dmarcTags = []string{"v", "p", "sp", "np", "t", "rua", "ruf", "fo", "adkim", "aspf", "psd", "pct", "rf", "ri"}

func (c *checker) dmarc(ctx context.Context, r Record) Finding {
	all, err := c.texts(ctx, r.Name)
	if err != nil {
		return r.unknown()
	}
	var found []*dmarc.Record
	var texts []string
	for _, t := range all {
		if d, err := dmarc.Parse(t); err == nil {
			found, texts = append(found, d), append(texts, t)
		}
	}
	switch {
	case len(found) == 0:
		if near := containing(all, "dmarc", "p="); len(near) > 0 {
			return r.say(Wrong, near, "dmarc-typo", "Now", short(near[0]))
		}
		return r.missing()
	case len(found) > 1: // RFC 9989 §4.10.1: then none counts
		return r.say(Wrong, texts, "dmarc-two").fix("fix-dmarc-two")
	case found[0].Broken != "":
		return r.say(Wrong, texts, "dmarc-broken", "Now", short(texts[0]))
	}
	rua := false
	for part := range strings.SplitSeq(texts[0], ";") {
		tag, value, _ := strings.Cut(part, "=")
		tag = strings.ToLower(strings.TrimSpace(tag))
		rua = rua || tag == "rua" && strings.TrimSpace(value) != ""
		switch value = strings.ToLower(strings.TrimSpace(value)); {
		case tag != "" && !slices.Contains(dmarcTags, tag):
			return r.say(Wrong, texts, "dmarc-tag", "Now", short(tag))
		case (tag == "p" || tag == "sp" || tag == "np") && value != "none" && value != "quarantine" && value != "reject":
			return r.say(Wrong, texts, "dmarc-broken", "Now", short(texts[0])) // others take it for p=none
		}
	}
	switch d := found[0]; {
	case rua && len(d.Reports) == 0:
		return r.say(Wrong, texts, "dmarc-rua")
	case !rua:
		return r.good(texts).advise("advice-dmarc-reports", "Address", DMARCReports+"@"+r.Domain)
	case d.P == mail.DemandNone || d.P == "" || d.Testing:
		return r.good(texts).advise("advice-dmarc-none")
	default:
		return r.good(texts)
	}
}

// version are the texts of one version, and those that look like a failed try.
func version(all []string, v string, near ...string) (right, failed []string) {
	for _, t := range all {
		if begins(t, strings.ToLower(v)) {
			right = append(right, t)
		}
	}
	return right, containing(all, near...)
}

func tag(text, name string) string {
	for part := range strings.SplitSeq(text, ";") {
		if k, v, ok := strings.Cut(part, "="); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (c *checker) sts(ctx context.Context, r Record) Finding {
	all, err := c.texts(ctx, r.Name)
	if err != nil {
		return r.unknown()
	}
	found, near := version(all, "v=STSv1", "sts", "id=")
	switch {
	case len(found) == 0 && len(near) > 0:
		return r.say(Wrong, near, "sts-typo", "Now", short(near[0]))
	case len(found) == 0:
		return r.missing()
	case len(found) > 1: // RFC 8461 §3.1: then there is no policy
		return r.say(Wrong, found, "sts-two")
	case tag(found[0], "id") != tag(r.Values[0], "id"):
		return r.say(Wrong, found, "sts-id")
	}
	return r.good(found)
}

// leadsHere is for names of a domain that must lead to the host.
func (c *checker) leadsHere(ctx context.Context, r Record) Finding {
	addrs, err := c.addresses(ctx, r.Name)
	if err != nil {
		return r.unknown()
	}
	if len(addrs) == 0 {
		return r.missing()
	}
	same, err := c.same(ctx, r.Name, r.Host)
	switch {
	case err != nil:
		return r.unknown()
	case !same:
		return r.say(Wrong, []string{list(addrs)}, string(r.Kind)+"-elsewhere", "Now", list(addrs))
	}
	return r.good([]string{list(addrs)})
}

func (c *checker) tlsrpt(ctx context.Context, r Record) Finding {
	all, err := c.texts(ctx, r.Name)
	if err != nil {
		return r.unknown()
	}
	found, near := version(all, "v=TLSRPTv1", "tlsrpt", "rua=")
	switch {
	case len(found) == 0 && len(near) > 0, len(found) == 1 && !mailtoOrHTTPS(tag(found[0], "rua")):
		return r.say(Wrong, append(found, near...), "tlsrpt-typo", "Now", short(append(found, near...)[0]))
	case len(found) == 0:
		return r.missing()
	case len(found) > 1: // RFC 8460 §3
		return r.say(Wrong, found, "tlsrpt-two")
	}
	return r.good(found)
}

func mailtoOrHTTPS(rua string) bool {
	for uri := range strings.SplitSeq(rua, ",") {
		uri = strings.ToLower(strings.TrimSpace(uri))
		if strings.HasPrefix(uri, "mailto:") && strings.Contains(uri, "@") || strings.HasPrefix(uri, "https://") {
			return true
		}
	}
	return false
}

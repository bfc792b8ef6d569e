package records

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"

	"colporteur/dkim/keyring"
)

// Provider is what we write records through, as providers of libdns do.
type Provider interface {
	libdns.RecordGetter
	libdns.RecordAppender
	libdns.RecordSetter
	libdns.RecordDeleter
}

// Finer is what a Provider may know besides.
type Finer interface {
	// Zone is the zone that name lies in; an error when it is not the provider's.
	Zone(ctx context.Context, name string) (string, error)
	// RRset is the records of one name and type as the primary has them now.
	RRset(ctx context.Context, name, kind string) ([]libdns.Record, error)
}

// Publisher puts our records into the DNS, and leaves those of others alone.
//
// What is missing is added. Only names that nobody but us has a use for are
// changed or emptied: our DKIM selectors, _mta-sts and the TLSA of our own port.
// An SPF, DMARC or MX record that a person wrote stays, however wrong: that is
// said, and theirs to mend.
type Publisher struct {
	Provider Provider
	Zone     string        // the only zone that is changed; "" asks the provider, which must be a Finer
	TTL      time.Duration // 0 is an hour
	Log      *slog.Logger

	mu    sync.Mutex
	zones map[string]foundZone
}

type foundZone struct {
	zone string
	at   time.Time
}

const zoneAge = 10 * time.Minute // that a name has no zone is asked again

var _ keyring.Publisher = (*Publisher)(nil)

// zone is where name lies, "" when we may not write there.
func (p *Publisher) zone(ctx context.Context, name string) string {
	if p.Zone != "" {
		if z := trim(p.Zone); name == z || strings.HasSuffix(name, "."+z) {
			return z + "."
		}
		return ""
	}
	finer, ok := p.Provider.(Finer)
	if !ok {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if f, ok := p.zones[name]; ok && time.Since(f.at) < zoneAge {
		return f.zone
	}
	if p.zones == nil || len(p.zones) > 10_000 {
		p.zones = map[string]foundZone{}
	}
	zone, err := finer.Zone(ctx, name)
	if err != nil {
		zone = ""
	}
	p.zones[name] = foundZone{zone, time.Now()}
	return zone
}

// Covers implements keyring.Publisher.
func (p *Publisher) Covers(ctx context.Context, name string) bool {
	return p.zone(ctx, trim(name)) != ""
}

// SetTXT implements keyring.Publisher.
func (p *Publisher) SetTXT(ctx context.Context, name, text string) error {
	zone := p.zone(ctx, trim(name))
	if zone == "" {
		return fmt.Errorf("%s lies in no zone that we may change", name)
	}
	_, err := p.Provider.SetRecords(ctx, zone, []libdns.Record{libdns.TXT{Name: libdns.RelativeName(name, zone), TTL: p.ttl(), Text: text}})
	return p.did(ctx, err, name, "TXT")
}

// DeleteTXT implements keyring.Publisher.
func (p *Publisher) DeleteTXT(ctx context.Context, name string) error {
	zone := p.zone(ctx, trim(name))
	if zone == "" {
		return fmt.Errorf("%s lies in no zone that we may change", name)
	}
	_, err := p.Provider.DeleteRecords(ctx, zone, []libdns.Record{libdns.RR{Name: libdns.RelativeName(name, zone), Type: "TXT"}})
	return p.did(ctx, err, name, "no TXT")
}

func (p *Publisher) did(ctx context.Context, err error, name, kind string) error {
	if err == nil && p.Log != nil {
		p.Log.InfoContext(ctx, "record published", "name", name, "type", kind)
	}
	return err
}

func (p *Publisher) ttl() time.Duration {
	if p.TTL == 0 {
		return time.Hour
	}
	return p.TTL
}

// Published is what became of one record that we tried to publish.
type Published struct {
	Record Record
	Err    error
}

// Publish puts right what found says, as far as we may. Each record is a
// change of its own: a server that does not take one takes the others.
// Addresses come first: some servers refuse an MX that leads nowhere.
func (p *Publisher) Publish(ctx context.Context, found []Finding) []Published {
	var out []Published
	for _, f := range slices.SortedStableFunc(slices.Values(found), func(a, b Finding) int { return first(a) - first(b) }) {
		r := f.Record
		replace := f.Verdict == Wrong && ours(r.Kind)
		if len(r.Values) == 0 || r.Kind == DKIM || r.Kind == Reverse || f.Verdict != Missing && !replace {
			continue // DKIM is the keyring's
		}
		zone := p.zone(ctx, r.Name)
		if zone == "" {
			continue
		}
		there, err := p.there(ctx, zone, r)
		switch {
		case err == nil && there && !replace:
			continue // the primary has it: what we asked has not heard of it yet
		case err == nil && replace:
			_, err = p.Provider.SetRecords(ctx, zone, p.wire(r, zone))
		case err == nil:
			_, err = p.Provider.AppendRecords(ctx, zone, p.wire(r, zone))
		}
		out = append(out, Published{r, p.did(ctx, err, r.Name, r.Type)})
	}
	return out
}

func first(f Finding) int {
	if f.Record.Kind == Address {
		return 0
	}
	return 1
}

// ours says whether nobody else has a use for records of a kind.
func ours(k Kind) bool { return k == STS || k == TLSA }

func (p *Publisher) wire(r Record, zone string) []libdns.Record {
	var out []libdns.Record
	for _, v := range r.Values {
		out = append(out, libdns.RR{Name: libdns.RelativeName(r.Name, zone), TTL: p.ttl(), Type: r.Type, Data: v})
	}
	return out
}

// there asks the primary itself whether it has something that r would stand
// beside: a second SPF record would be worse than none, and so would one beside
// an alias.
func (p *Publisher) there(ctx context.Context, zone string, r Record) (bool, error) {
	for _, kind := range []string{r.Type, "CNAME"} {
		have, err := p.have(ctx, zone, r.Name, kind)
		if err != nil {
			return false, err
		}
		for _, h := range have {
			if r.Type != "TXT" || h.RR().Type == "CNAME" || strings.EqualFold(prefix(h.RR().Data), prefix(r.Values[0])) {
				return true, nil
			}
		}
	}
	return false, nil
}

func (p *Publisher) have(ctx context.Context, zone, name, kind string) ([]libdns.Record, error) {
	if finer, ok := p.Provider.(Finer); ok {
		return finer.RRset(ctx, name, kind)
	}
	all, err := p.Provider.GetRecords(ctx, zone)
	return slices.DeleteFunc(all, func(r libdns.Record) bool {
		rr := r.RR()
		return rr.Type != kind || trim(libdns.AbsoluteName(rr.Name, zone)) != name
	}), err
}

// prefix is what kind of text it is: "v=spf1".
func prefix(text string) string {
	end := strings.IndexAny(text, " ;\t")
	if end < 0 {
		end = len(text)
	}
	return text[:end]
}

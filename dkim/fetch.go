package dkim

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"colporteur/mail"
)

// TXT asks the DNS, as net.Resolver does: the strings of one record are
// joined, and a *net.DNSError with IsNotFound says that there is none. Every
// other error means that it is not known. It must end when ctx does.
type TXT interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// FetchTime bounds all the lookups for one mail together.
const FetchTime = 15 * time.Second

// maxRecords is how many keys under one name are tried (RFC 6376 §6.1.2 (4)
// leaves open which of several counts).
const maxRecords = 4

// Fetch is a number of keys being fetched side by side. Its goroutines end
// with the lookups, which end with the context or after FetchTime, whether
// anybody waits for them or not.
type Fetch struct {
	ctx   context.Context
	names map[string]*fetched
}

type fetched struct {
	done chan struct{}
	txts []string
	err  error
}

// KeyName is where a key stands.
func KeyName(selector, domain string) string { return selector + "._domainkey." + domain }

// StartFetch looks all names up at once, each once.
func StartFetch(ctx context.Context, dns TXT, names []string) *Fetch {
	f := &Fetch{names: map[string]*fetched{}}
	for _, name := range names {
		f.names[name] = &fetched{done: make(chan struct{})}
	}
	if len(f.names) == 0 {
		return f
	}
	var cancel context.CancelFunc
	f.ctx, cancel = context.WithTimeout(ctx, FetchTime)
	var all sync.WaitGroup
	for name, k := range f.names {
		all.Go(func() {
			defer close(k.done)
			if dns == nil {
				k.err = errors.New("no resolver")
				return
			}
			k.txts, k.err = dns.LookupTXT(f.ctx, name)
		})
	}
	go func() {
		all.Wait()
		cancel()
	}()
	return f
}

// records waits for the keys under name. The result is None when there are any.
func (f *Fetch) records(name string) ([]*Record, mail.Result, string) {
	k := f.names[name]
	if k == nil {
		return nil, mail.TempError, "the key was not fetched"
	}
	select {
	case <-k.done:
	case <-f.ctx.Done():
		// The context also ends when all are done: look once more.
		select {
		case <-k.done:
		default:
			return nil, mail.TempError, "the DNS did not answer for the key"
		}
	}
	if k.err != nil {
		var e *net.DNSError
		if errors.As(k.err, &e) && e.IsNotFound {
			return nil, mail.PermError, "no key"
		}
		return nil, mail.TempError, "the DNS did not answer for the key"
	}
	var records []*Record
	reason := "no key"
	for i, txt := range k.txts {
		r, err := ParseRecord(txt)
		switch {
		case err == nil && len(records) < maxRecords:
			records = append(records, r)
		case err != nil && i == 0:
			reason = err.Error()
		}
	}
	if len(records) == 0 {
		return nil, mail.PermError, reason
	}
	return records, mail.None, ""
}

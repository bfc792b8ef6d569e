package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Store keeps the reports of others about our domains.
type Store struct {
	DB *store.DB

	// Ours says whether a domain, or one above it, is ours.
	Ours func(ctx context.Context, domain string) (bool, error)

	// Own says whether our mail leaves from an address; nil knows none.
	Own func(ip netip.Addr) bool

	// Name is the reverse name of an address, "" when there is none; nil asks nobody.
	Name func(ctx context.Context, ip netip.Addr) string

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards
}

// Inbound is a mail that came to an address for reports.
type Inbound struct {
	From    mail.Address // envelope sender
	To      mail.Address
	Verdict *mail.Verdict // nil is a mail that nobody judged
	// Own is the domain in whose name we made the mail ourselves, so that it
	// needs no verdict; "" when it came from elsewhere.
	Own string
	// Parts calls yield with each part that is no multipart, decoded. It ends
	// with yield's error.
	Parts func(yield func(name, mediaType string, r io.Reader) error) error
}

const (
	keep        = 400 * 24 * time.Hour
	maxParts    = 50 // looked at in one mail
	maxFiles    = 4  // of them, that may be reports
	maxFailures = 200

	// Reports about one domain of ours in a day.
	maxTaken    = 1000
	maxReporter = 50
	maxUnproven = 50
	maxDayRows  = 20_000
	// maxUnprovenRows of one report: anybody can send them.
	maxUnprovenRows = 200
)

// proven says whether a mail is its author's (RFC 9990, Email): by DMARC, or by
// an aligned signature where the author's domain publishes no policy.
func (in *Inbound) proven() (reporter string, ok bool) {
	if in.Own != "" {
		return in.Own, true
	}
	if in.Verdict == nil {
		return domain(in.From.Domain), false
	}
	dm := in.Verdict.DMARC
	if dm.From == "" {
		return domain(in.From.Domain), false
	}
	return domain(dm.From), dm.Result == mail.Pass || dm.Result == mail.None && dm.DKIM
}

// Take reads the reports in a mail and keeps what they say of our domains. A
// report that was taken before does nothing. An error of kind BadContent says
// that there is nothing to keep, and that another try will not find it; after
// others the mail may be taken again.
func (s *Store) Take(ctx context.Context, in Inbound) error {
	reporter, proven := in.proven()
	left, parts, files, kept := int64(maxXML), 0, 0, 0
	var bad, broken error
	err := in.Parts(func(name, mediaType string, r io.Reader) error {
		if parts++; parts > maxParts || files == maxFiles || broken != nil {
			return nil
		}
		keepIt, err := s.read(name, mediaType, r, &left)
		if keepIt == nil && err == nil {
			return nil // not meant as a report
		}
		files++
		if err != nil {
			bad = errors.Join(bad, err)
			return nil
		}
		err = keepIt(ctx, reporter, proven)
		if errors.As(err, new(unwanted)) {
			bad = errors.Join(bad, err)
			return nil
		}
		if broken = err; err == nil {
			kept++
		}
		return err
	})
	switch {
	case broken != nil:
		return broken
	case err != nil:
		return fmt.Errorf("parts of a report: %w", err)
	case kept > 0:
		if bad != nil {
			orDiscard(s.Log).InfoContext(ctx, "part of a report was not kept", "from", in.From.String(), "err", bad)
		}
		return nil
	case bad == nil:
		bad = errNoReport
	}
	return mail.Wrap(mail.BadContent, bad)
}

// unwanted is a report that could be read and is not kept.
type unwanted string

func (u unwanted) Error() string { return string(u) }

// keeper writes one report down.
type keeper func(ctx context.Context, reporter string, proven bool) error

// read parses one part. Both results are nil when it is none of ours to read.
func (s *Store) read(name, mediaType string, r io.Reader, left *int64) (keeper, error) {
	mediaType, _, _ = strings.Cut(strings.ToLower(mediaType), ";")
	mediaType = strings.TrimSpace(mediaType)
	name = strings.ToLower(name)
	switch {
	case mediaType == "message/feedback-report":
		f, err := ParseFailure(r)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, reporter string, proven bool) error {
			return s.failure(ctx, f, reporter, proven)
		}, nil
	case strings.HasPrefix(mediaType, "text/") && mediaType != "text/xml" && !packed(name),
		strings.HasPrefix(mediaType, "message/"), strings.HasPrefix(mediaType, "image/"):
		return nil, nil
	}
	file, err := open(r, left)
	if err != nil {
		return nil, err
	}
	if file.Form == JSON {
		t, err := ParseTLS(file)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, reporter string, proven bool) error { return s.tls(ctx, t, reporter, proven) }, nil
	}
	a, err := ParseAggregate(file)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, reporter string, proven bool) error {
		return s.aggregate(ctx, a, reporter, proven)
	}, nil
}

// packed says whether a file that is sent as text is named like a report.
func packed(name string) bool {
	for _, end := range []string{".xml", ".json", ".gz", ".zip"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// home is the domain of ours that name is or is below: the one highest up, so
// that a stranger who makes up names below it makes up no rooms to fill.
func (s *Store) home(ctx context.Context, name string) (string, error) {
	found := ""
	for d := name; d != ""; {
		ours, err := s.Ours(ctx, d)
		if err != nil {
			return "", err
		}
		if !ours {
			break
		}
		found = d
		_, d, _ = strings.Cut(d, ".")
	}
	if found == "" {
		return "", unwanted("the report is about " + brief(name) + ", which is not ours")
	}
	return found, nil
}

// Sweep forgets what is older than 400 days.
func (s *Store) Sweep(ctx context.Context) (swept int, err error) {
	old := store.Micros(orNow(s.Now).Add(-keep))
	for {
		var n int64
		err := s.DB.Write(ctx, func(tx *store.Tx) (err error) {
			const some = `(SELECT id FROM report_taken WHERE taken < $1 ORDER BY taken, id LIMIT 20)`
			for _, q := range []string{`DELETE FROM report_row WHERE taken IN ` + some, `DELETE FROM report_tls WHERE taken IN ` + some} {
				if _, err = tx.Exec(ctx, q, old); err != nil {
					return err
				}
			}
			if n, err = tx.Exec(ctx, `DELETE FROM report_taken WHERE id IN `+some, old); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `DELETE FROM report_failure WHERE taken < $1`, old)
			return err
		})
		if err != nil || n == 0 {
			return swept, err
		}
		swept += int(n)
	}
}

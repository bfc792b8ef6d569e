package delivery

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// # Return paths of forwarded mail
//
// An alias may lead to another host. That host asks the sender's domain whether
// we may send for it (SPF), and it says no. So forwarded mail leaves with a
// return path of ours that a bounce finds its way back by (the Sender Rewriting
// Scheme): SRS0=hash=day=domain=local@alias.domain, and SRS1 when the sender is
// an SRS address already, which goes back past the hosts between. A sender too
// long for a local part of 64 octets, as mailing services have them, is kept
// in a row, and the return path names the row. The hash keeps strangers from
// having us carry mail anywhere; and only bounces come back by it.

const (
	srsLife = 21 * 24 * time.Hour // how long a bounce may take; five days of trying, and then some
	srsHash = 8                   // characters of base32: 40 bits
	maxSRS  = 64                  // RFC 5321 §4.5.3.1.1
)

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Forward says that a mail goes on to a host elsewhere because an alias leads there.
type Forward struct {
	By      mail.Address // the alias
	Results string       // value of our Authentication-Results, for the seal
	Chain   mail.Result  // of the ARC chain as it came
	// Rewrite: the author's domain asks that mail without its proof be refused,
	// and the proof does not survive. From becomes the alias.
	Rewrite bool
}

// resolve is the directory's answer, or where a bounce of forwarded mail leads.
func (d *Door) resolve(ctx context.Context, env *mail.Envelope, rcpt mail.Address) ([]mail.Destination, error) {
	if len(rcpt.Local) > 4 && strings.EqualFold(rcpt.Local[:3], "srs") && strings.ContainsRune("01=", rune(rcpt.Local[3])) {
		ours, err := d.Directory.Ours(ctx, rcpt.Domain)
		if err != nil {
			return nil, kinded(err)
		}
		if ours {
			to, err := d.wayBack(ctx, rcpt)
			if err == nil && !env.From.IsZero() {
				// RFC 5321 §4.5.5: what a return path is for has a null one.
				err = mail.Refuse(mail.Policy, "forward-bounces-only")
			}
			if err != nil {
				return nil, err
			}
			return []mail.Destination{{Where: mail.ToRelay, Addr: to}}, nil
		}
	}
	dest, err := d.Directory.Resolve(ctx, rcpt)
	return dest, kinded(err)
}

// forward is how a relayed copy differs because an alias leads there, and its
// return path; nil when it is no forwarding.
func (d *Door) forward(ctx context.Context, env *mail.Envelope, head *header, by mail.Address) (*Forward, mail.Address, error) {
	if env.Origin != mail.FromMX || env.From.IsZero() && strings.HasPrefix(strings.ToLower(by.Local), "srs") {
		return nil, env.From, nil
	}
	f := &Forward{By: by}
	if v := head.verdict; v != nil {
		f.Results, f.Chain = value(head.results), v.ARC.Result
		dm := v.DMARC
		f.Rewrite = dm.Policy != nil && dm.Policy.Demand != mail.DemandNone && !dm.DKIM
	}
	if env.From.IsZero() {
		return f, env.From, nil
	}
	ours, err := d.Directory.Ours(ctx, env.From.Domain)
	if err != nil || ours {
		return f, env.From, kinded(err)
	}
	from, err := d.returnPath(ctx, env.From, by.Domain)
	return f, from, err
}

// value is a field without its name, on one line.
func value(field []byte) string {
	_, v, _ := strings.Cut(string(field), ":")
	return strings.Join(strings.Fields(v), " ")
}

// day counts days in the two characters that SRS has for them, round after
// round of 1024.
func day(t time.Time) string {
	n := t.Unix() / 86400 % 1024
	const digits = "abcdefghijklmnopqrstuvwxyz234567"
	return string([]byte{digits[n>>5], digits[n&31]})
}

// within says whether stamp is a day of the last three weeks.
func within(stamp string, now time.Time) bool {
	for t := now.Add(24 * time.Hour); now.Sub(t) <= srsLife; t = t.Add(-24 * time.Hour) {
		if strings.EqualFold(day(t), stamp) {
			return true
		}
	}
	return false
}

func (d *Door) sign(parts ...string) string {
	h := hmac.New(sha256.New, d.ReturnKey)
	h.Write([]byte(strings.ToLower(strings.Join(parts, "="))))
	return base32Lower.EncodeToString(h.Sum(nil))[:srsHash]
}

// returnPath makes an address at domain by which a bounce goes back to from.
func (d *Door) returnPath(ctx context.Context, from mail.Address, domain string) (mail.Address, error) {
	local := ""
	switch kind, rest, _ := strings.Cut(from.Local, "="); {
	case strings.EqualFold(kind, "SRS0") && rest != "":
		local = "SRS1=" + d.sign(from.Domain, rest) + "=" + from.Domain + "==" + rest
	case strings.EqualFold(kind, "SRS1") && rest != "":
		if _, rest, ok := strings.Cut(rest, "="); ok { // the hash of the host before us is of no use
			if first, inner, ok := strings.Cut(rest, "=="); ok {
				local = "SRS1=" + d.sign(first, inner) + "=" + first + "==" + inner
			}
		}
	}
	if local == "" {
		stamp := day(d.now())
		local = "SRS0=" + d.sign(stamp, from.Domain, from.Local) + "=" + stamp + "=" + from.Domain + "=" + from.Local
	}
	if a, err := mail.ParseAddress(mail.Address{Local: local, Domain: domain}.String()); err == nil && len(local) <= maxSRS && a.Local == local {
		return a, nil
	}
	// The same sender has the same row, so a newsletter makes one.
	h := hmac.New(sha256.New, d.ReturnKey)
	h.Write([]byte("row " + from.String()))
	token := base32Lower.EncodeToString(h.Sum(nil)[:15])
	err := d.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO return_path (token, address, at) VALUES ($1, $2, $3)
			ON CONFLICT (token) DO UPDATE SET at = excluded.at`, token, store.Clean(from.String()), store.Micros(d.now()))
		return err
	})
	return mail.Address{Local: "SRS=" + token, Domain: domain}, kinded(err)
}

// wayBack is whom a return path of ours leads to; kind NoSuchUser when it was
// not made here, or too long ago.
func (d *Door) wayBack(ctx context.Context, a mail.Address) (mail.Address, error) {
	none := mail.Refuse(mail.NoSuchUser, "accounts-no-such-user", "Address", a.String())
	kind, rest, _ := strings.Cut(a.Local, "=")
	switch strings.ToUpper(kind) {
	case "SRS":
		var address string
		err := d.DB.Read(ctx, func(tx *store.Tx) error {
			return tx.QueryRow(ctx, `SELECT address FROM return_path WHERE token = $1 AND at > $2`, strings.ToLower(store.Clean(rest)),
				store.Micros(d.now().Add(-srsLife))).Scan(&address)
		})
		if errors.Is(err, store.ErrNoRows) {
			return mail.Address{}, none
		}
		if err != nil {
			return mail.Address{}, kinded(err)
		}
		return mail.ParseAddress(address)
	case "SRS0":
		part := strings.SplitN(rest, "=", 4)
		if len(part) == 4 && d.signed(part[0], part[1], part[2], part[3]) && within(part[1], d.now()) {
			if to, err := mail.ParseAddress(mail.Address{Local: part[3], Domain: part[2]}.String()); err == nil {
				return to, nil
			}
		}
	case "SRS1":
		hash, rest, _ := strings.Cut(rest, "=")
		if first, inner, ok := strings.Cut(rest, "=="); ok && d.signed(hash, first, inner) {
			if to, err := mail.ParseAddress(mail.Address{Local: "SRS0=" + inner, Domain: first}.String()); err == nil {
				return to, nil
			}
		}
	}
	return mail.Address{}, none
}

func (d *Door) signed(hash string, parts ...string) bool {
	return hmac.Equal([]byte(strings.ToLower(hash)), []byte(d.sign(parts...)))
}

// sweepReturns forgets rows that no bounce will ask for.
func (d *Door) sweepReturns(ctx context.Context, tx *store.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM return_path WHERE at < $1`, store.Micros(d.now().Add(-srsLife)))
	if err != nil {
		return fmt.Errorf("return paths: %w", err)
	}
	return nil
}

package accounts

import (
	"context"
	"errors"
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

// maxTargets bounds what one alias may lead to, over all its steps.
const maxTargets = 100

// Resolve implements delivery.Directory. Kinds: NoSuchUser, Suspended,
// Unavailable. Programs at aliases and details are found too; see the package
// comment for the order.
func (s *Service) Resolve(ctx context.Context, rcpt mail.Address) ([]mail.Destination, error) {
	a, err := s.answer(ctx, rcpt)
	if err != nil {
		return nil, err
	}
	return slices.Clone(a.dest), a.err
}

// MaySend implements delivery.Directory: the primary address, other addresses
// and aliases that lead only to the member, each also with +detail. That
// postmaster and abuse reach somebody who was never named for it gives no
// right to speak as them.
func (s *Service) MaySend(ctx context.Context, u mail.UserID, addr mail.Address) error {
	m, err := s.ByID(ctx, u)
	if err != nil {
		return err
	}
	if !m.Suspended.IsZero() {
		return mail.Refuse(mail.Suspended, "accounts-you-are-suspended")
	}
	a, err := s.answer(ctx, addr)
	if err != nil {
		return err
	}
	if a.err == nil && !a.fallback && len(a.dest) == 1 && a.dest[0].Where == mail.ToMailbox && a.dest[0].Account == m.Account {
		return nil
	}
	return mail.Refuse(mail.NotYours, "accounts-not-yours", "Address", addr.String(), "Yours", m.Address.String())
}

// Ours implements delivery.Directory: a domain of ours, or one below it, for
// what is written as ann@shop.home.test is read as home.test's too.
func (s *Service) Ours(ctx context.Context, domain string) (bool, error) {
	domains, _, err := s.domains(ctx)
	if err != nil || domain == "" {
		return false, err
	}
	for _, d := range domains {
		if d == domain || strings.HasSuffix(domain, "."+d) {
			return true, nil
		}
	}
	return domain == s.Hostname, nil
}

func (s *Service) answer(ctx context.Context, rcpt mail.Address) (answer, error) {
	if got, ok := s.cache.get(rcpt, s.fresh); ok {
		return got, nil
	}
	domains, generation, err := s.domains(ctx)
	if err != nil {
		return answer{}, err
	}
	ask := rcpt
	if ask.Domain == "" { // RFC 5321 §4.5.1: the bare postmaster
		if len(domains) == 0 {
			return answer{}, mail.Wrap(mail.Unavailable, errors.New("there is no domain yet"))
		}
		ask.Domain = domains[0]
	}
	if !s.ours(domains, ask.Domain) {
		// Not remembered: strangers may name any number of these, and no query was needed.
		return answer{dest: []mail.Destination{{Where: mail.ToRelay, Addr: ask}}}, nil
	}
	var got answer
	err = s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		w := walk{Service: s, tx: tx, domains: domains, seen: map[string]bool{}}
		got, err = w.resolve(ctx, ask)
		return err
	})
	if err != nil {
		return answer{}, kinded(err)
	}
	got.at = s.now()
	s.cache.put(rcpt, got, generation)
	return got, nil
}

func (s *Service) ours(domains []string, d string) bool {
	return slices.Contains(domains, d) || s.Hostname != "" && d == s.Hostname
}

// walk follows one address to its ends.
type walk struct {
	*Service
	tx      *store.Tx
	domains []string
	seen    map[string]bool
	dest    []mail.Destination
	refused error // of a target that takes no mail; counts when nothing else is left
}

func (w *walk) resolve(ctx context.Context, a mail.Address) (answer, error) {
	fallback, err := w.follow(ctx, a)
	if err != nil {
		return answer{}, err
	}
	got := answer{dest: w.dest, fallback: fallback}
	if len(w.dest) == 0 {
		got.err = w.refused
		if got.err == nil { // an alias that leads back to itself
			got.err = noSuchUser(a)
		}
	}
	return got, nil
}

func noSuchUser(a mail.Address) error {
	return mail.Refuse(mail.NoSuchUser, "accounts-no-such-user", "Address", a.String())
}

// follow adds what a leads to. One target of an alias that is suspended or
// gone does not keep the mail from the others.
func (w *walk) follow(ctx context.Context, a mail.Address) (fallback bool, err error) {
	if w.seen[a.Key()] {
		return false, nil
	}
	w.seen[a.Key()] = true
	if len(w.seen) > 2*maxTargets || len(w.dest) > maxTargets {
		return false, mail.Wrap(mail.Policy, errors.New("an alias leads to too many addresses"))
	}
	if !w.ours(w.domains, a.Domain) {
		w.add(mail.Destination{Where: mail.ToRelay, Addr: a})
		return false, nil
	}
	base, detail, detailed := strings.Cut(a.Local, "+")
	role, before := mail.FoldLocal(base), len(w.dest)
	plain := mail.Address{Local: base, Domain: a.Domain}
	for _, try := range []struct {
		addr   mail.Address
		detail string
		skip   bool
	}{{a, "", false}, {plain, detail, !detailed || base == ""}} {
		if try.skip {
			continue
		}
		found, err := w.member(ctx, try.addr, try.detail)
		if found || err != nil {
			return false, err
		}
		found, err = w.alias(ctx, try.addr, try.detail)
		if err != nil || found && (len(w.dest) > before || !isRole(role)) {
			return false, err
		}
	}
	if w.Programs != nil && slices.Contains(w.domains, a.Domain) {
		if pattern, ok := w.Programs(mail.FoldLocal(a.Local)); ok {
			w.add(mail.Destination{Where: mail.ToProgram, Program: pattern, Addr: a})
			return false, nil
		}
	}
	if isRole(role) { // also when it has an alias that leads to nobody any more
		return true, w.role(ctx, role, a)
	}
	if w.refused == nil {
		w.refused = noSuchUser(a)
	}
	return false, nil
}

func (w *walk) add(d mail.Destination) {
	for _, have := range w.dest {
		if have.Where == d.Where && have.Account == d.Account && (d.Where == mail.ToMailbox || have.Addr.Key() == d.Addr.Key()) {
			return
		}
	}
	w.dest = append(w.dest, d)
}

// addMember adds the mailbox of a member, or notes why it takes no mail.
func (w *walk) addMember(scan func(...any) error, detail string) error {
	m, err := scanMember(scan)
	if err != nil {
		return err
	}
	if !m.Suspended.IsZero() {
		w.refused = mail.Refuse(mail.Suspended, "accounts-suspended", "Address", m.Address.String())
		return nil
	}
	w.add(mail.Destination{Where: mail.ToMailbox, Account: m.Account, Quota: m.Quota, Detail: detail, Addr: m.Address, Lang: m.Lang})
	return nil
}

func (w *walk) member(ctx context.Context, a mail.Address, detail string) (found bool, err error) {
	err = w.addMember(w.tx.QueryRow(ctx, `SELECT `+memberColumns+`
		FROM address ad JOIN account a ON a.id = ad.account JOIN member m ON m.account = a.id
		WHERE ad.key = $1 ORDER BY m.id`, store.Clean(a.Key())).Scan, detail)
	if errors.Is(err, store.ErrNoRows) {
		return w.group(ctx, a, detail)
	}
	return true, err
}

func (w *walk) alias(ctx context.Context, a mail.Address, detail string) (found bool, err error) {
	targets, err := aliasTargets(ctx, w.tx, a)
	if err != nil {
		return false, err
	}
	for _, t := range targets {
		if detail != "" && !strings.Contains(t.Local, "+") && slices.Contains(w.domains, t.Domain) {
			t.Local += "+" + detail
		}
		if _, err := w.follow(ctx, t); err != nil {
			return false, err
		}
	}
	return len(targets) > 0, nil
}

func aliasTargets(ctx context.Context, tx *store.Tx, a mail.Address) ([]mail.Address, error) {
	var targets []mail.Address
	rows, err := tx.Query(ctx, `SELECT target FROM alias WHERE key = $1 ORDER BY target`, store.Clean(a.Key()))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		t, err := mail.ParseAddress(text)
		targets = append(targets, t)
		return err
	})
	return targets, err
}

// role finds who reads postmaster and abuse where nobody said so: abuse goes
// where postmaster goes; postmaster to the first domain's, then to the first
// member. RFC 5321 §4.5.1 and RFC 2142 want these to exist always.
func (w *walk) role(ctx context.Context, role string, a mail.Address) error {
	next := []mail.Address{{Local: "postmaster", Domain: a.Domain}}
	if len(w.domains) > 0 {
		next = append(next, mail.Address{Local: "postmaster", Domain: w.domains[0]})
	}
	for _, n := range next {
		before := len(w.dest)
		if _, err := w.alias(ctx, n, ""); err != nil || len(w.dest) > before {
			return err
		}
	}
	err := w.addMember(w.tx.QueryRow(ctx, `SELECT `+memberColumns+`
		FROM member m JOIN account a ON a.id = m.account WHERE m.suspended = 0
		ORDER BY CASE WHEN a.domain = $1 THEN 0 ELSE 1 END, m.id LIMIT 1`, a.Domain).Scan, "")
	if errors.Is(err, store.ErrNoRows) {
		// The mail waits at its sender's until there is a first member.
		return mail.Wrap(mail.Unavailable, errors.New("nobody reads "+role+": there is no member yet"))
	}
	return err
}

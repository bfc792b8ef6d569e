package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
)

const (
	unseen   = 90 * 24 * time.Hour // after which a place is new again
	learning = 7 * 24 * time.Hour  // after the first sign-in: nobody is warned of their own telephone
	again    = 24 * time.Hour      // how exactly "seen" is kept
)

// SignedIn hears of every sign-in, and tells the member when it came from a
// network where they were not in the last 90 days. A program that fetches mail
// every minute costs a look into memory. That something goes wrong keeps nobody out.
//
// A place is the network alone, not the program or the password: a new
// telephone signs in to read and to send, and is one piece of news.
func (s *Service) SignedIn(ctx context.Context, u mail.User, c mail.Client) {
	if u.ID == 0 || !c.IP.IsValid() || len(s.Key) < 32 {
		return
	}
	net := network(c.IP)
	place, now := s.place(u.ID, net), s.now()
	if s.places.fresh(place, now) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		known, err := s.seen(ctx, tx, u.ID, place)
		if err != nil || known {
			return err
		}
		return s.Tell(ctx, tx, signIn(u, c, net, fmt.Sprintf("%x/%d", place[:8], store.Micros(now)), now.In(s.zone())))
	})
	if err != nil {
		s.log().WarnContext(ctx, "sign-in not noted", "user", u.ID, "err", err)
		return
	}
	s.places.put(place, now)
}

// seen notes that a member was at a place, and says whether there is nothing to
// tell about it.
func (s *Service) seen(ctx context.Context, tx *store.Tx, member mail.UserID, place [sha256.Size]byte) (known bool, err error) {
	now := s.now()
	note := func(p []byte, more string) error {
		_, err := tx.Exec(ctx, `INSERT INTO notify_place (member, place, seen) VALUES ($1, $2, $3) ON CONFLICT (member, place) `+more,
			int64(member), p, store.Micros(now))
		return err
	}
	// The row without a place says since when we watch.
	if err := note([]byte{}, `DO NOTHING`); err != nil {
		return false, err
	}
	at := func(p []byte) (t time.Time, err error) {
		var us int64
		err = tx.QueryRow(ctx, `SELECT seen FROM notify_place WHERE member = $1 AND place = $2`, int64(member), p).Scan(&us)
		if err == store.ErrNoRows {
			return time.Time{}, nil
		}
		return store.Time(us), err
	}
	since, err := at([]byte{})
	if err != nil {
		return false, err
	}
	last, err := at(place[:])
	if err != nil {
		return false, err
	}
	if err := note(place[:], `DO UPDATE SET seen = excluded.seen`); err != nil {
		return false, err
	}
	return now.Sub(since) < learning || !last.IsZero() && now.Sub(last) < unseen, nil
}

// place is a network of a member, without saying which.
func (s *Service) place(member mail.UserID, net string) [sha256.Size]byte {
	h := hmac.New(sha256.New, s.Key)
	fmt.Fprintf(h, "place\x00%d\x00%s", member, net)
	return [sha256.Size]byte(h.Sum(nil))
}

// network is where an address belongs: providers give their customers another
// one of it every day.
func network(ip netip.Addr) string {
	ip, bits := ip.Unmap().WithZone(""), 24
	if ip.Is6() {
		bits = 48
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return ip.String()
	}
	return p.String()
}

// signIn is the warning.
func signIn(u mail.User, c mail.Client, net, key string, at time.Time) Note {
	p := locale.For(u.Lang)
	from, _, _ := strings.Cut(net, "/")
	from = p.T("notify-signin-network", "Network", strings.TrimSuffix(strings.TrimSuffix(from, ".0"), "::"))
	if ip := c.IP.Unmap(); ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		from = p.T("notify-signin-local")
	}
	what := p.T("notify-signin-send")
	switch {
	case strings.HasPrefix(c.Protocol, "IMAP"):
		what = p.T("notify-signin-read")
	case strings.HasPrefix(c.Protocol, "HTTP"):
		what = p.T("notify-signin-web")
	}
	line := p.T("notify-signin", "Address", u.Address.String(), "Date", p.Date(at), "Time", at.Format("15:04"), "What", what, "From", from)
	l := letter.Letter{Subject: p.T("notify-signin-subject"), Heading: p.T("notify-signin-subject")}
	l.Para(line).Para(p.T("notify-signin-yours")).Para(p.T("notify-signin-else", "Postmaster", "postmaster@"+u.Address.Domain))
	return Note{Kind: SignIn, Key: key, Member: u.ID, To: u.Address, ToName: u.Name, Lang: p.Lang, From: house(u.Address), Letter: l, Line: line}
}

// house is who writes to members of a domain.
func house(a mail.Address) mail.Address { return mail.Address{Local: "aide", Domain: a.Domain} }

// memory is which places were seen lately, so that most sign-ins ask no database.
type memory struct {
	mu   sync.Mutex
	seen map[[sha256.Size]byte]time.Time
}

// remembered bounds memory.
const remembered = 20_000

func (m *memory) fresh(p [sha256.Size]byte, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.seen[p]
	return ok && now.Sub(t) < again
}

func (m *memory) put(p [sha256.Size]byte, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil || len(m.seen) >= remembered {
		m.seen = map[[sha256.Size]byte]time.Time{}
	}
	m.seen[p] = now
}

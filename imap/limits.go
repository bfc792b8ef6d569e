package imap

import (
	"net"
	"net/netip"
	"time"

	"colporteur/mail"
)

// network is what a limit per address counts: everybody owns a whole /64.
func network(ip netip.Addr) netip.Addr {
	if ip.Is6() {
		p, _ := ip.Prefix(64)
		return p.Addr()
	}
	return ip
}

func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.IPv4Unspecified() // a pipe in a test
}

func (s *Server) admit(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for o := range s.conns {
		if network(o.ip) == network(c.ip) {
			n++
		}
	}
	if n >= or(s.PerIP, 60) {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[*conn]struct{})
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) forget(c *conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// enter makes c a connection of u; kind TooMany if u has enough of them.
func (s *Server) enter(c *conn, u mail.User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for o := range s.conns {
		if o != c && o.user.ID == u.ID {
			n++
		}
	}
	if n >= or(s.PerMember, 40) {
		return mail.Refuse(mail.TooMany, "imap-too-many-connections")
	}
	c.user = u
	return nil
}

// exit makes c a stranger's again (UNAUTHENTICATE).
func (s *Server) exit(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.user = mail.User{}
}

// Members are those with sessions open, each with what they signed in with.
func (s *Server) Members() (list []mail.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.user.ID != 0 {
			list = append(list, c.user)
		}
	}
	return list
}

// Cut ends every session of a member, at once.
func (s *Server) Cut(u mail.UserID) {
	s.mu.Lock()
	var cut []*conn
	for c := range s.conns {
		if c.user.ID == u {
			cut = append(cut, c)
		}
	}
	s.mu.Unlock()
	for _, c := range cut {
		c.mu.Lock()
		stop := c.stop
		c.mu.Unlock()
		stop() // no command of theirs does anything more
		c.leave("imap-session-ended")
		time.AfterFunc(time.Second, c.cut) // whoever is in the middle of something, or reads nothing
	}
}

package smtp

import (
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestNoOrderOfCommandsBreaksASession throws pieces of dialogues at a server,
// in any order and cut anywhere. start's cleanup finds panics, goleak what is
// left running; here, mails must be whole.
func TestNoOrderOfCommandsBreaksASession(t *testing.T) {
	t.Parallel()
	pieces := []string{
		"EHLO x\r\n", "HELO x\r\n", "MAIL FROM:<a@far.test>\r\n", "MAIL FROM:<> BODY=BINARYMIME\r\n", "RCPT TO:<ann@home.test>\r\n",
		"RCPT TO:<envoi@home.test>\r\n", "RCPT TO:<nobody@home.test>\r\n", "DATA\r\n", "whole\r\n.\r\n", ".\r\n", "BDAT 7\r\nwhole\r\n", "BDAT 7 LAST\r\nwhole\r\n",
		"BDAT 0 LAST\r\n", "BDAT 7\r\nbr\noken", "RSET\r\n", "NOOP\r\n", "QUIT\r\n", "STARTTLS\r\n", "AUTH PLAIN\r\n", "AUTH LOGIN =\r\n", "*\r\n", "=\r\n", "\r\n", "\n",
		"AUTH PLAIN AGFubkBob21lLnRlc3QAc2VjcmV0\r\n", "MAIL FROM:<ann@home.test>\r\n", "From: ann@home.test\r\n\r\nwhole\r\n.\r\n", "BDAT x\r\n", "VRFY x\r\n", "\x00\r\n",
	}
	for _, role := range []Role{MX, Submission} {
		h := start(t, role, func(s *Server) {
			s.InsecureAuthFrom = netip.Addr.IsLoopback
			s.Limits = Limits{PerIP: 1e6, UnknownPerIP: 1e6, PerMember: 1e6, BadCommands: 200}
		})
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(role), uint64(worker)))
				for range 40 {
					var all strings.Builder
					for range 3 + rnd.IntN(40) {
						all.WriteString(pieces[rnd.IntN(len(pieces))])
					}
					text := all.String()
					if rnd.IntN(3) == 0 {
						text = text[:rnd.IntN(len(text))]
					}
					p := h.dial(t)
					p.SetDeadline(time.Now().Add(5 * time.Second))
					go func() {
						io.WriteString(p.Conn, text)
						p.Conn.(interface{ CloseWrite() error }).CloseWrite()
					}()
					io.Copy(io.Discard, p.r)
					p.Close()
				}
			})
		}
		wg.Wait()
		for _, m := range h.door.all() {
			if strings.Contains(m.body, "\nMAIL") || strings.Contains(m.body, "broken") {
				t.Errorf("kept %q", m.body)
			}
		}
	}
}

package imap

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// believer is a session in a crowd. What the mailbox holds it cannot know; but
// what it is told must fit together.
type believer struct {
	*raw
	n    int
	view []uint32 // UIDs, 0 where it has not asked yet
	high uint32   // the highest UID it heard of
	err  error
}

// do runs a command and hears what comes.
func (b *believer) do(cmd string, quiet bool) {
	if b.err != nil {
		return
	}
	b.n++
	tag := fmt.Sprintf("b%d", b.n)
	b.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(b.Conn, tag+" "+cmd+"\r\n"); err != nil {
		b.err = err
		return
	}
	for b.err == nil {
		a, err := readAnswer(b.br)
		switch n := a.number(1); {
		case err != nil:
			b.err = fmt.Errorf("%s: %w", cmd, err)
		case a.atom(0) == tag:
			if a.atom(1) == "BAD" {
				b.err = fmt.Errorf("%s: %v", cmd, a)
			}
			return
		case a.atom(2) == "EXISTS":
			if n < len(b.view) {
				b.err = fmt.Errorf("%s: EXISTS %d after %d", cmd, n, len(b.view))
			}
			for len(b.view) < n {
				b.view = append(b.view, 0)
			}
		case a.atom(2) == "EXPUNGE":
			if quiet || n < 1 || n > len(b.view) {
				b.err = fmt.Errorf("%s: EXPUNGE %d of %d", cmd, n, len(b.view))
				return
			}
			b.view = slices.Delete(b.view, n-1, n)
		case a.atom(2) == "FETCH":
			b.fetched(cmd, n, pairs(a[3]))
		}
	}
}

func (b *believer) fetched(cmd string, n int, items map[string]any) {
	uid := uint32(0)
	if s, ok := items["UID"].(string); ok {
		fmt.Sscan(s, &uid)
	}
	switch {
	case n < 1 || n > len(b.view):
		b.err = fmt.Errorf("%s: FETCH %d of %d", cmd, n, len(b.view))
	case uid != 0 && b.view[n-1] != 0 && b.view[n-1] != uid:
		b.err = fmt.Errorf("%s: mail %d is UID %d, was %d", cmd, n, uid, b.view[n-1])
	case uid != 0:
		b.view[n-1] = uid
		b.high = max(b.high, uid)
		known := slices.DeleteFunc(slices.Clone(b.view), func(u uint32) bool { return u == 0 })
		if !slices.IsSorted(known) || len(slices.Compact(known)) != len(known) {
			b.err = fmt.Errorf("%s: UIDs do not rise: %v", cmd, b.view)
		}
	}
}

func TestACrowdOfSessionsEndsInAgreement(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(s *Server) { s.PerMember, s.PerIP = 100, 100 })
	const sessions, steps = 20, 120
	crowd := make([]*believer, sessions)
	for i := range crowd {
		crowd[i] = &believer{raw: h.login("ann")}
		crowd[i].do("SELECT INBOX", false)
	}
	var wg sync.WaitGroup
	for i, b := range crowd {
		rnd := rand.New(rand.NewPCG(7, uint64(i)))
		wg.Go(func() {
			for n := 0; n < steps && b.err == nil; n++ {
				seq := "1"
				if len(b.view) > 0 {
					seq = fmt.Sprint(1 + rnd.IntN(len(b.view)))
				}
				body := fmt.Sprintf("Subject: %d of %d\r\n\r\n", n, i)
				switch k := rnd.IntN(12); {
				case k < 4 || len(b.view) == 0:
					b.do(fmt.Sprintf("APPEND INBOX ($s%d) {%d+}\r\n%s", i%3, len(body), body), false)
				case k == 4:
					b.do("COPY "+seq+" Archive", false)
				case k == 5:
					b.do("MOVE "+seq+" Archive", false)
				case k == 6:
					b.do("STORE "+seq+` +FLAGS (\Deleted)`, true)
				case k == 7:
					b.do("EXPUNGE", false)
				case k == 8:
					b.do("STORE "+seq+` FLAGS (\Seen $x)`, true)
				case k == 9:
					b.do("FETCH 1:* (UID FLAGS)", true)
				case k == 10:
					b.do("UID SEARCH UNSEEN", false)
				default:
					b.do("NOOP", false)
				}
			}
		})
	}
	wg.Wait()
	ann := h.Accounts.(people)["ann@home.test"]
	total := 0
	for _, name := range []string{"INBOX", "Archive"} {
		m, err := h.Mailboxes.Get(t.Context(), ann.Account, name)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := h.Mailboxes.Entries(t.Context(), m.ID, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		unseen := 0
		for i, e := range entries {
			if !slices.Contains(e.Flags, `\Seen`) {
				unseen++
			}
			if i > 0 && e.UID <= entries[i-1].UID || e.ModSeq > m.HighestMod || e.UID >= m.UIDNext {
				t.Errorf("%s: %+v behind %+v", name, e, m)
			}
		}
		if m.Total != len(entries) || m.Unseen != unseen {
			t.Errorf("%s counts %d, %d unseen; it holds %d, %d", name, m.Total, m.Unseen, len(entries), unseen)
		}
		total += len(entries)
		if name != "INBOX" {
			continue
		}
		for i, b := range crowd {
			b.do("NOOP", false)
			b.do("FETCH 1:* (UID FLAGS)", true)
			if b.err != nil {
				t.Errorf("session %d: %v", i, b.err)
				continue
			}
			var want []uint32
			for _, e := range entries {
				want = append(want, uint32(e.UID))
			}
			if !slices.Equal(b.view, want) {
				t.Errorf("session %d believes in %v, there are %v", i, b.view, want)
			}
		}
	}
	if total == 0 {
		t.Errorf("%d mails", total)
	}
}

// Package crash holds the tests that take the ground from under a running
// server: kill -9, full disks, a database that restarts.
package crash

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"

	"colporteur/world"
)

// rounds of the storm; COLPORTEUR_CRASH_ROUNDS changes it.
func rounds() int {
	if n, err := strconv.Atoi(os.Getenv("COLPORTEUR_CRASH_ROUNDS")); err == nil {
		return n
	}
	return 50
}

// body is a mail whose last line proves that it is whole.
func body(id string, size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Message-ID: <%s@storm.test>\r\nSubject: %s\r\nFrom: <storm@storm.test>\r\n\r\n", id, id)
	for b.Len() < size {
		fmt.Fprintf(&b, "%016x%016x%016x%016x\r\n", rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64())
	}
	sum := sha256.Sum256([]byte(b.String()))
	return b.String() + "sum " + hex.EncodeToString(sum[:]) + "\r\n"
}

// whole says whether a mail, with whatever fields stand before it, is all there.
func whole(raw string) bool {
	i := strings.Index(raw, "Message-ID: <")
	j := strings.LastIndex(raw, "sum ")
	if i < 0 || j < i {
		return false
	}
	sum := sha256.Sum256([]byte(raw[i:j]))
	return strings.TrimRight(raw[j+4:], "\r\n") == hex.EncodeToString(sum[:])
}

type ledger struct {
	sync.Mutex
	acked map[string]bool
	tried int
}

func (l *ledger) ack(id string) { l.Lock(); l.acked[id] = true; l.Unlock() }
func (l *ledger) try()          { l.Lock(); l.tried++; l.Unlock() }
func (l *ledger) size() int     { l.Lock(); defer l.Unlock(); return len(l.acked) }

func TestNothingAcknowledgedIsLostWhenTheServerIsKilled(t *testing.T) {
	p := world.Setup(t, filepath.Join(t.TempDir(), "data"))
	p.Member("ann@home.test", "storm pass")
	l := &ledger{acked: map[string]bool{}}
	for round := range rounds() {
		p.Start()
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for k := range 4 {
			wg.Go(func() { sendUntil(p, l, fmt.Sprintf("s%d.%d", round, k), stop) })
		}
		for k := range 2 {
			wg.Go(func() { appendUntil(p, l, fmt.Sprintf("a%d.%d", round, k), stop) })
		}
		// The blow falls at a random moment of the load, not of the start.
		target := l.size() + 5 + rand.IntN(60)
		deadline := time.Now().Add(20 * time.Second)
		for l.size() < target {
			if time.Now().After(deadline) {
				t.Fatalf("round %d: only %d of %d mails were taken\n%s", round, l.size(), target, p.Log())
			}
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
		}
		p.Kill()
		close(stop)
		wg.Wait()
	}
	p.Start()
	have := fetchAll(t, p)
	lost, partial := 0, 0
	for id := range l.acked {
		raw, ok := have[id]
		switch {
		case !ok:
			lost++
		case !whole(raw):
			partial++
		}
	}
	for id, raw := range have {
		if !l.acked[id] && !whole(raw) {
			partial++
		}
	}
	t.Logf("%d rounds: %d mails tried, %d acknowledged, %d found; lost %d, partial %d", rounds(), l.tried, len(l.acked), len(have), lost, partial)
	if lost > 0 || partial > 0 {
		t.Errorf("acknowledged but lost: %d; partial: %d", lost, partial)
	}
	if strings.Contains(p.Log(), "panic") {
		t.Errorf("a panic in the log:\n%s", p.Log())
	}
	if err := p.Stop(); err != nil {
		t.Errorf("the last one did not stop by itself: %v", err)
	}
}

// sizes are inline, at the border, and in files.
var sizes = []int{500, 9000, 16 << 10, 40_000, 120_000}

func sendUntil(p *world.Process, l *ledger, name string, stop chan struct{}) {
	c, err := smtp.Dial(p.Ports["mx"])
	if err != nil {
		return
	}
	defer c.Close()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		id := fmt.Sprintf("%s.%d", name, i)
		l.try()
		err := c.SendMail("storm@storm.test", []string{"ann@home.test"}, strings.NewReader(body(id, sizes[i%len(sizes)])))
		if err != nil {
			return
		}
		l.ack(id)
	}
}

// persistent sends until it is stopped, whatever it is answered, and counts
// the refusals by code.
func persistent(p *world.Process, l *ledger, name string, stop chan struct{}) map[int]int {
	codes := map[int]int{}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return codes
		default:
		}
		id := fmt.Sprintf("%s.%d", name, i)
		l.try()
		c, err := smtp.Dial(p.Ports["mx"])
		if err == nil {
			err = c.SendMail("storm@storm.test", []string{"ann@home.test"}, strings.NewReader(body(id, sizes[i%len(sizes)])))
			c.Close()
		}
		if err == nil {
			l.ack(id)
			continue
		}
		code, _ := refusal(err)
		codes[code]++
	}
}

func appendUntil(p *world.Process, l *ledger, name string, stop chan struct{}) {
	c, err := imapclient.DialInsecure(p.Ports["imap"], nil)
	if err != nil {
		return
	}
	defer c.Close()
	if err := c.Login("ann@home.test", "storm pass").Wait(); err != nil {
		return
	}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		id := fmt.Sprintf("%s.%d", name, i)
		raw := body(id, sizes[i%len(sizes)])
		l.try()
		cmd := c.Append("INBOX", int64(len(raw)), nil)
		if _, err := cmd.Write([]byte(raw)); err != nil {
			return
		}
		if err := cmd.Close(); err != nil {
			return
		}
		if _, err := cmd.Wait(); err != nil {
			return
		}
		l.ack(id)
	}
}

func fetchAll(t *testing.T, p *world.Process) map[string]string {
	t.Helper()
	c, err := imapclient.DialInsecure(p.Ports["imap"], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("ann@home.test", "storm pass").Wait(); err != nil {
		t.Fatal(err)
	}
	sel, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	uids := map[imap.UID]bool{}
	section := &imap.FetchItemBodySection{Peek: true}
	for from := uint32(1); from <= sel.NumMessages; from += 50 {
		var set imap.SeqSet
		set.AddRange(from, min(from+49, sel.NumMessages))
		msgs, err := c.Fetch(set, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range msgs {
			if uids[m.UID] {
				t.Errorf("UID %d twice", m.UID)
			}
			uids[m.UID] = true
			raw := string(m.FindBodySection(section))
			id := raw[strings.Index(raw, "Message-ID: <")+len("Message-ID: <"):]
			have[id[:strings.Index(id, "@")]] = raw
		}
	}
	if len(uids) != int(sel.NumMessages) {
		t.Errorf("the mailbox says %d messages and shows %d", sel.NumMessages, len(uids))
	}
	return have
}

func refusal(err error) (int, string) {
	var e *smtp.SMTPError
	if errors.As(err, &e) {
		return e.Code, e.Message
	}
	var ne net.Error
	if errors.As(err, &ne) {
		return 0, ne.Error()
	}
	return 0, fmt.Sprint(err)
}

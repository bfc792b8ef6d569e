package crash

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/store/storetest"
	"colporteur/world"
)

// told is what programs were told about ann's mailboxes, and build upon.
type told struct {
	sync.Mutex
	acts     int
	validity map[string]string
	box      map[string]*remembered
}

// remembered is one mailbox as programs know it.
type remembered struct {
	mails   map[uint32]string // by UID, what is the mail; also of those that are gone
	gone    map[uint32]bool
	flagged map[uint32]bool
	unsure  map[uint32]bool // the answer to the last command about it did not come
	uid     uint32          // the highest seen
	mod     uint64
}

func newTold() *told {
	w := &told{validity: map[string]string{}, box: map[string]*remembered{}}
	for _, name := range []string{"INBOX", "Archives"} {
		w.box[name] = &remembered{mails: map[uint32]string{}, gone: map[uint32]bool{}, flagged: map[uint32]bool{}, unsure: map[uint32]bool{}}
	}
	return w
}

func (w *told) done() int { w.Lock(); defer w.Unlock(); return w.acts }

var (
	saidMod      = regexp.MustCompile(`(?:MODSEQ \(|HIGHESTMODSEQ )(\d+)`)
	saidAppend   = regexp.MustCompile(`APPENDUID (\d+) (\d+)\]`)
	saidCopy     = regexp.MustCompile(`COPYUID (\d+) (\d+) (\d+)\]`)
	saidNext     = regexp.MustCompile(`UIDNEXT (\d+)`)
	saidValidity = regexp.MustCompile(`UIDVALIDITY (\d+)`)
	saidVanished = regexp.MustCompile(`VANISHED \(EARLIER\) (\S+)`)
	saidMail     = regexp.MustCompile(`FETCH \(UID (\d+) FLAGS \(([^)]*)\)[^{]*\{\d+\}\r\nSubject: (\S+)`)
)

func number(t testing.TB, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// peer is a program that speaks IMAP line by line.
type peer struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
	w *told
}

// visit signs in and selects the INBOX; nil when the server is gone.
func (w *told) visit(t testing.TB, p *world.Process, selects string) (*peer, string) {
	c, err := net.Dial("tcp", p.Ports["imap"])
	if err != nil {
		return nil, ""
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	q := &peer{t, c, bufio.NewReader(c), w}
	q.r.ReadString('\n')
	if _, ok := q.do(`LOGIN ann@home.test "storm pass"`); !ok {
		c.Close()
		return nil, ""
	}
	q.do("ENABLE QRESYNC")
	said, ok := q.do(selects)
	if !ok {
		c.Close()
		return nil, ""
	}
	return q, said
}

// do runs a command and returns all that was said; false: no OK came.
func (q *peer) do(command string) (string, bool) {
	if _, err := fmt.Fprintf(q.c, "x %s\r\n", command); err != nil {
		return "", false
	}
	var all strings.Builder
	for {
		line, err := q.r.ReadString('\n')
		all.WriteString(line)
		switch {
		case err != nil:
			return all.String(), false
		case strings.HasPrefix(line, "x OK"):
			return all.String(), true
		case strings.HasPrefix(line, "x "):
			q.t.Errorf("%.60q: %s", command, line)
			return all.String(), false
		}
	}
}

// hear notes the modseqs that were said about the INBOX. Only a whole line was said.
func (w *told) hear(t testing.TB, said string) {
	for _, m := range saidMod.FindAllStringSubmatch(said, -1) {
		w.box["INBOX"].mod = max(w.box["INBOX"].mod, number(t, m[1]))
	}
}

// live files, marks, moves and deletes mails until the server or the test ends.
func (w *told) live(t testing.TB, p *world.Process, name string, stop chan struct{}) {
	q, _ := w.visit(t, p, "SELECT INBOX")
	if q == nil {
		return
	}
	defer q.c.Close()
	inbox, archive := w.box["INBOX"], w.box["Archives"]
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		id := fmt.Sprintf("%s.%d", name, i)
		raw := body(id, sizes[i%len(sizes)])
		said, ok := q.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(raw), raw))
		m := saidAppend.FindStringSubmatch(said)
		if !ok {
			return
		}
		if m == nil {
			t.Errorf("no APPENDUID: %s", said)
			return
		}
		uid := uint32(number(t, m[2]))
		w.Lock()
		if was, given := inbox.mails[uid]; given {
			t.Errorf("UID %d of %s was given again, to %s", uid, was, id)
		}
		inbox.mails[uid], inbox.uid = id, max(inbox.uid, uid)
		w.acts++
		w.Unlock()

		// act runs a command about this mail alone.
		act := func(command string, then func(said string)) bool {
			w.Lock()
			inbox.unsure[uid] = true
			w.Unlock()
			said, ok := q.do(command)
			if !ok {
				return false
			}
			w.Lock()
			defer w.Unlock()
			delete(inbox.unsure, uid)
			w.hear(t, said)
			w.acts++
			then(said)
			return true
		}
		if !act(fmt.Sprintf(`UID STORE %d +FLAGS (\Flagged)`, uid), func(string) { inbox.flagged[uid] = true }) {
			return
		}
		switch i % 3 {
		case 0:
			if !act(fmt.Sprintf("UID MOVE %d Archives", uid), func(said string) {
				m := saidCopy.FindStringSubmatch(said)
				if m == nil {
					t.Errorf("no COPYUID: %s", said)
					return
				}
				to := uint32(number(t, m[3]))
				if was, given := archive.mails[to]; given {
					t.Errorf("UID %d of %s was given again, to %s", to, was, id)
				}
				inbox.gone[uid] = true
				archive.mails[to], archive.flagged[to], archive.uid = id, true, max(archive.uid, to)
			}) {
				return
			}
		case 1:
			if !act(fmt.Sprintf(`UID STORE %d +FLAGS.SILENT (\Deleted)`, uid), func(string) {}) ||
				!act(fmt.Sprintf("UID EXPUNGE %d", uid), func(string) { inbox.gone[uid] = true }) {
				return
			}
		}
	}
}

// storm lets some programs live until they did n things more, and then kills the server.
func (w *told) storm(t *testing.T, p *world.Process, name string, n int) {
	t.Helper()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for k := range 3 {
		wg.Go(func() { w.live(t, p, fmt.Sprintf("%s.%d", name, k), stop) })
	}
	l := &ledger{acked: map[string]bool{}}
	wg.Go(func() { sendUntil(p, l, name+".s", stop) })
	for target, end := w.done()+n, time.Now().Add(30*time.Second); w.done() < target; time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: only %d of %d things were done\n%s", name, w.done(), target, p.Log())
		}
	}
	p.Kill()
	close(stop)
	wg.Wait()
}

// check compares the server with what programs were told. After a restore, the
// mailboxes are older than that, but may not deny it.
func (w *told) check(t *testing.T, p *world.Process, restored bool) {
	t.Helper()
	for name, box := range w.box {
		since := box.mod
		selects := "SELECT " + name
		if w.validity[name] != "" && since > 0 {
			selects += fmt.Sprintf(" (QRESYNC (%s %d 1:%d))", w.validity[name], since, box.uid)
		}
		q, said := w.visit(t, p, selects)
		if q == nil {
			t.Fatalf("nobody could select %s: %s", name, said)
		}
		validity, next, mod := saidValidity.FindStringSubmatch(said), saidNext.FindStringSubmatch(said), regexp.MustCompile(`HIGHESTMODSEQ (\d+)`).FindStringSubmatch(said)
		if validity == nil || next == nil || mod == nil {
			t.Fatalf("%s lacks a number:\n%s", name, said)
		}
		if w.validity[name] == "" {
			w.validity[name] = validity[1]
		} else if w.validity[name] != validity[1] {
			t.Errorf("UIDVALIDITY of %s is %s, it was %s", name, validity[1], w.validity[name])
		}
		if n := uint32(number(t, next[1])); n <= box.uid {
			t.Errorf("UIDNEXT of %s is %d, and %d was given", name, n, box.uid)
		}
		highest := number(t, mod[1])
		if highest < since || restored && highest == since {
			t.Errorf("HIGHESTMODSEQ of %s is %d, and %d was said", name, highest, since)
		}
		vanished := map[uint32]bool{}
		if m := saidVanished.FindStringSubmatch(said); m != nil {
			for _, r := range strings.Split(m[1], ",") {
				from, to, many := strings.Cut(r, ":")
				if !many {
					to = from
				}
				for u := number(t, from); u <= number(t, to) && u <= uint64(box.uid); u++ {
					vanished[uint32(u)] = true
				}
			}
		}

		all, ok := q.do("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
		if !ok {
			t.Fatalf("%s cannot be read", name)
		}
		q.c.Close()
		here := map[uint32]bool{}
		for _, m := range saidMail.FindAllStringSubmatch(all, -1) {
			uid := uint32(number(t, m[1]))
			here[uid] = true
			if was := box.mails[uid]; was != "" && was != m[3] {
				t.Errorf("%s: UID %d was %s and is %s", name, uid, was, m[3])
			}
			if restored || box.unsure[uid] {
				continue
			}
			if box.gone[uid] {
				t.Errorf("%s: %s was gone and is back", name, m[3])
			}
			if box.flagged[uid] && !strings.Contains(m[2], `\Flagged`) {
				t.Errorf("%s: %s lost its flag", name, m[3])
			}
			if vanished[uid] {
				t.Errorf("%s: %s is said to have vanished, and is here", name, m[3])
			}
		}
		for uid, id := range box.mails {
			if !restored && !here[uid] && !box.gone[uid] && !box.unsure[uid] {
				t.Errorf("%s: %s was acknowledged and is not here", name, id)
			}
			if restored && !here[uid] && !box.gone[uid] && !vanished[uid] && since > 0 {
				t.Errorf("%s: %s was lost in the restore, and a program that shows it is not told", name, id)
			}
			if !here[uid] { // now they know
				box.gone[uid] = true
			}
		}
		clear(box.unsure)
		box.mod = max(box.mod, highest)
		box.uid = max(box.uid, uint32(number(t, next[1]))-1)
	}
}

func TestProgramsAreNotContradictedAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			var p *world.Process
			if engine == "SQLite" {
				p = world.Setup(t, data)
			} else {
				// Of its own: others restart the shared one.
				p = world.Setup(t, data, `url\s*=\s*"sqlite"`, fmt.Sprintf("url = %q", storetest.NewServer(t).Database(t)))
				p.Start()
				p.Run("domain", "add", "home.test", "--config", p.Config)
				p.Kill()
			}
			p.Member("ann@home.test", "storm pass")
			w := newTold()
			n := max(rounds()/5, 3)
			for round := range n {
				p.Start()
				w.check(t, p, false)
				w.storm(t, p, fmt.Sprint(round), 40+rand.IntN(120))
			}
			p.Start()
			w.check(t, p, false)
			t.Logf("%d rounds: %d things done, %d mails in the inbox known, %d of them gone", n, w.acts, len(w.box["INBOX"].mails), len(w.box["INBOX"].gone))
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
			p.Start() // and after an orderly end
			w.check(t, p, false)
			if strings.Contains(p.Log(), "panic") {
				t.Errorf("a panic in the log:\n%s", p.Log())
			}
		})
	}
}

func TestProgramsAreNotContradictedAfterARestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := world.Setup(t, filepath.Join(dir, "data"))
	p.Member("ann@home.test", "storm pass")
	w := newTold()
	p.Start()
	w.check(t, p, false)
	w.storm(t, p, "before", 150)
	saved, key := filepath.Join(dir, "saved"), filepath.Join(dir, "key")
	p.Run("backup", saved, "--config", p.Config)
	p.Start()
	w.check(t, p, false)
	w.storm(t, p, "after", 150)
	p.Start()
	w.check(t, p, false) // programs have seen it all
	p.Kill()
	if err := os.Rename(filepath.Join(p.Data, "key"), key); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(p.Data); err != nil {
		t.Fatal(err)
	}
	p.Run("restore", saved, "--data", p.Data, "--key", key)
	p.Start()
	w.check(t, p, true)
	w.storm(t, p, "again", 60) // live says so when a UID is given twice
}

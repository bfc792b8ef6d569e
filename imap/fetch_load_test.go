package imap

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// heapGrowth is how much more heap is in use at the worst moment of f.
func heapGrowth(f func()) int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, worst := m.HeapInuse, m.HeapInuse
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				worst = max(worst, m.HeapInuse)
			}
		}
	}()
	f()
	close(stop)
	<-done
	return int64(worst) - int64(before)
}

// Not parallel: the heap is everybody's.
func TestALongMessageIsNeverInMemory(t *testing.T) {
	h := newHost(t)
	line := strings.Repeat("QUJD", 19) + "\r\n"
	raw := []byte("Subject: long\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat(line, 48<<20/len(line)))
	h.putOctets("INBOX", raw)
	want, size := sha256.Sum256(raw), len(raw)
	decoded := 48 << 20 / len(line) * 57
	raw = nil
	c := h.login("ann")
	c.SetDeadline(time.Now().Add(time.Minute))
	c.ok("EXAMINE INBOX")
	read := func(head string, n int) []byte {
		if got := c.line(); got != fmt.Sprintf("* 1 FETCH (%s{%d}", head, n) {
			t.Fatal(got)
		}
		sum := sha256.New()
		if _, err := io.CopyN(sum, c.br, int64(n)); err != nil {
			t.Fatal(err)
		}
		if l := c.line(); l != ")" {
			t.Fatal(l)
		}
		c.line()
		return sum.Sum(nil)
	}
	grew := heapGrowth(func() {
		c.send("a FETCH 1 BODY.PEEK[]\r\n")
		if got := read("BODY[] ", size); !bytes.Equal(got, want[:]) {
			t.Error("other octets")
		}
		c.send("b FETCH 1 BINARY.PEEK[1]\r\n")
		sum := sha256.New()
		io.Copy(sum, io.LimitReader(repeat("ABC"), int64(decoded)))
		if got := read("BINARY[1] ~", decoded); !bytes.Equal(got, sum.Sum(nil)) {
			t.Error("other decoded octets")
		}
	})
	if grew > 12<<20 {
		t.Errorf("the heap grew by %d MiB", grew>>20)
	}
}

type repeater struct {
	s string
	i int
}

func repeat(s string) io.Reader { return &repeater{s: s} }

func (r *repeater) Read(p []byte) (int, error) {
	n := copy(p, r.s[r.i:])
	r.i = (r.i + n) % len(r.s)
	return n, nil
}

// Fifty clients ask for everything and read nothing; one more is served.
func TestClientsThatReadNothingCostLittle(t *testing.T) {
	h := newHost(t, func(s *Server) { s.PerIP, s.PerMember = 200, 200 })
	mail := []byte("Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 200<<10/78))
	for range 50 {
		h.putOctets("INBOX", mail)
	}
	var slow []*raw
	for range 50 {
		c := h.login("ann")
		c.ok("EXAMINE INBOX")
		slow = append(slow, c)
	}
	c := h.login("ann")
	c.ok("EXAMINE INBOX")
	grew := heapGrowth(func() {
		for _, s := range slow {
			s.send("a FETCH 1:* (UID BODY.PEEK[])\r\n")
			s.line() // it has begun
		}
		for n := range 50 {
			if got := c.one(fmt.Sprintf("FETCH %d BODY.PEEK[]", n+1), "BODY[]"); got != text(mail) {
				t.Error("other octets")
			}
		}
	})
	if grew > 100<<20 {
		t.Errorf("the heap grew by %d MiB", grew>>20)
	}
	t.Logf("the heap grew by %d MiB", grew>>20)
}

func TestADamagedMailDoesNotKeepTheOthersFromBeingRead(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	long := strings.Repeat("0123456789\r\n", 3000)
	for i := range 3 {
		h.put("INBOX", fmt.Sprintf("Subject: %d\n\n%s", i+1, long))
	}
	c := h.login("ann")
	c.ok("EXAMINE INBOX")
	var files []string
	filepath.WalkDir(h.files.blobs.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return nil
	})
	if len(files) != 3 {
		t.Fatalf("%d files", len(files))
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	all, tagged := c.asked("FETCH 1:* (UID BODY.PEEK[TEXT])")
	if len(all) != 2 || !strings.HasPrefix(tagged, "NO [SERVERBUG]") {
		t.Errorf("%d answers, %s", len(all), tagged)
	}
	for _, a := range all {
		if got := pairs(a[3])["BODY[TEXT]"]; got != text(long) {
			t.Errorf("other octets: %.100q", got)
		}
	}
	if got := c.ok("FETCH 1:* ENVELOPE"); len(got) != 3 {
		t.Errorf("envelopes: %q", got)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if all, tagged := c.asked("FETCH 1:* (UID BODY.PEEK[TEXT])"); len(all) != 2 || !strings.HasPrefix(tagged, "NO [SERVERBUG]") {
		t.Errorf("without the file: %d answers, %s", len(all), tagged)
	}
}

// A mail program that hangs up in the middle of a FETCH leaves nothing running.
// Not parallel: it looks at everybody's goroutines.
func TestWhoHangsUpEndsTheFetch(t *testing.T) {
	h := newHost(t)
	raw := []byte("Subject: x\r\n\r\n" + strings.Repeat("x", 150<<10) + "\r\n")
	for range 40 {
		h.putOctets("INBOX", raw)
	}
	for range 5 {
		c := h.login("ann")
		c.ok("EXAMINE INBOX")
		c.send("a FETCH 1:* BODY.PEEK[]\r\n")
		c.line()
		c.Close()
	}
	h.end() // waits for every session; goroutines that stay are found by it
	if n := openReads(); n != 0 {
		t.Errorf("%d readers go on", n)
	}
}

// openReads counts goroutines that read messages ahead.
func openReads() (n int) {
	buf := make([]byte, 1<<20)
	for range 100 {
		all := string(buf[:runtime.Stack(buf, true)])
		if n = strings.Count(all, "imap.(*fetch).readAhead"); n == 0 {
			return 0
		}
		runtime.Gosched()
	}
	return n
}

func TestWhatVanishedIsToldByAFetch(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var last int64
	for range 6 {
		last = int64(h.put("INBOX", "Subject: x\n\nBonjour\n").ModSeq)
	}
	a := h.login("ann")
	a.ok("SELECT INBOX")
	a.ok(`STORE 2,4 +FLAGS.SILENT (\Deleted)`)
	a.ok("EXPUNGE")
	a.ok(`UID STORE 6 +FLAGS.SILENT (\Flagged)`)
	b := h.login("ann")
	b.ok("ENABLE QRESYNC")
	b.ok("SELECT INBOX")
	got := b.ok(fmt.Sprintf("UID FETCH 1:* FLAGS (CHANGEDSINCE %d VANISHED)", last))
	if len(got) != 2 || got[0] != "* VANISHED (EARLIER) 2,4" || !strings.HasPrefix(got[1], `* 4 FETCH (UID 6 FLAGS (\Flagged) MODSEQ (`) {
		t.Errorf("%q", got)
	}
	if got := b.ok(fmt.Sprintf("UID FETCH 3:4 FLAGS (CHANGEDSINCE %d VANISHED)", last)); !slices.Equal(got, []string{"* VANISHED (EARLIER) 4"}) {
		t.Errorf("%q", got)
	}
}

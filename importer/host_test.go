package importer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/store/mailbox"
)

// otherHost is a small IMAP server whose every answer can be spoiled.
type otherHost struct {
	ln       net.Listener
	mu       sync.Mutex
	list     []string            // untagged LIST answers
	boxes    map[string][]string // mails by folder; UIDs are 10, 20, …
	validity int
	dials    atomic.Int32
	gone     map[int]bool // UIDs that were expunged after they were listed

	date  string                                           // of every mail, quoted
	fetch func(w io.Writer, folder string, uid int) string // what to answer to FETCH BODY[] of one mail instead; "cut" closes; "" is as usual
	dial  func(n int) bool                                 // whether the n-th connection is served; nil: all are
}

func newHost(t *testing.T, boxes map[string][]string) *otherHost {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &otherHost{ln: ln, boxes: boxes, validity: 7, date: `"01-Feb-2003 04:05:06 +0100"`}
	for name := range boxes {
		h.list = append(h.list, fmt.Sprintf(`() "/" %q`, name))
	}
	slices.Sort(h.list)
	t.Cleanup(func() { ln.Close() })
	return h
}

func (h *otherHost) run() {
	for {
		c, err := h.ln.Accept()
		if err != nil {
			return
		}
		if n := h.dials.Add(1); h.dial != nil && !h.dial(int(n)) {
			c.Close()
			continue
		}
		go h.serve(c)
	}
}

var line = regexp.MustCompile(`^(\S+) (UID FETCH|\S+) ?(.*)\r\n$`)

func (h *otherHost) serve(c net.Conn) {
	defer c.Close()
	r, w := bufio.NewReader(c), bufio.NewWriter(c)
	say := func(format string, args ...any) { fmt.Fprintf(w, format+"\r\n", args...) }
	say("* OK [CAPABILITY IMAP4rev1] hello")
	folder := ""
	for {
		w.Flush()
		l, err := r.ReadString('\n')
		m := line.FindStringSubmatch(l)
		if err != nil || m == nil {
			return
		}
		tag, args := m[1], m[3]
		switch m[2] {
		case "LOGIN":
			if !strings.Contains(args, "right") {
				say("%s NO [AUTHENTICATIONFAILED] go away", tag)
				continue
			}
		case "LIST":
			for _, l := range h.list {
				say("* LIST %s", l)
			}
		case "EXAMINE":
			folder = strings.Trim(args, `"`)
			mails, ok := h.boxes[folder]
			if !ok {
				say("%s NO [NONEXISTENT] no such folder", tag)
				continue
			}
			say("* %d EXISTS", len(mails))
			h.mu.Lock()
			say("* OK [UIDVALIDITY %d] so", h.validity)
			h.mu.Unlock()
		case "FETCH":
			for i, m := range h.boxes[folder] {
				date := ""
				if strings.Contains(args, "INTERNALDATE") {
					date = " INTERNALDATE " + h.date
				}
				say(`* %d FETCH (UID %d FLAGS (\Seen $x%d)%s RFC822.SIZE %d)`, i+1, 10*(i+1), i%3, date, len(m))
			}
		case "UID FETCH":
			set, _, _ := strings.Cut(args, " ")
			for s := range strings.SplitSeq(set, ",") {
				from, to, isRange := strings.Cut(s, ":")
				a, _ := strconv.Atoi(from)
				b := a
				if isRange {
					b, _ = strconv.Atoi(to)
				}
				for uid := a; uid <= b; uid++ {
					if uid%10 != 0 || uid/10 > len(h.boxes[folder]) {
						continue
					}
					said := ""
					if !strings.Contains(args, "BODY") {
						if !h.gone[uid] {
							say("* %d FETCH (UID %d)", uid/10, uid)
						}
						continue
					}
					if h.fetch != nil {
						said = h.fetch(w, folder, uid)
					}
					if said == "cut" {
						w.Flush()
						return
					}
					if said == "" {
						body := h.boxes[folder][uid/10-1]
						said = fmt.Sprintf("* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", uid/10, uid, len(body), body)
					}
					if said == "NO" {
						say("%s NO [SERVERBUG] this mail is damaged", tag)
						goto answered
					}
					io.WriteString(w, said)
				}
			}
		case "CAPABILITY", "LOGOUT", "NOOP":
		default:
			say("%s BAD what?", tag)
			continue
		}
		say("%s OK done", tag)
	answered:
	}
}

// keeper is a Target in memory.
type keeper struct {
	mu      sync.Mutex
	mails   map[string][]string // what was kept, by folder there
	have    map[string][]mailbox.UIDRange
	names   []string
	batches []int
	refuse  error
}

func (k *keeper) Open(_ context.Context, f delivery.ImportFolder, look bool) (delivery.ImportPlace, error) {
	k.names = append(k.names, f.Name)
	return delivery.ImportPlace{ID: int64(len(k.names)), Mailbox: f.Path, Have: k.have[f.Name]}, nil
}

func (k *keeper) Keep(_ context.Context, place int64, mails []delivery.ImportMail) ([]Outcome, error) {
	if k.refuse != nil {
		return nil, k.refuse
	}
	var read []string
	for _, m := range mails {
		b, err := io.ReadAll(m.Body)
		if err != nil {
			return nil, err
		}
		read = append(read, fmt.Sprintf("%d %s %d %s", m.UID, strings.Join(m.Flags, " "), m.Date.Unix(), b))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mails == nil {
		k.mails = map[string][]string{}
	}
	name := k.names[place-1]
	k.mails[name] = append(k.mails[name], read...)
	k.batches = append(k.batches, len(mails))
	return make([]Outcome, len(mails)), nil
}

// notes is a Report that writes everything down.
type notes struct{ plan, failed, folders []string }

func (n *notes) Plan(t Tally)                { n.plan = append(n.plan, fmt.Sprint(t)) }
func (n *notes) Progress(string, int, int64) {}
func (n *notes) Failed(folder string, uid uint32, why string) {
	n.failed = append(n.failed, fmt.Sprintf("%s/%d: %s", folder, uid, why))
}
func (n *notes) Folder(name, to string, t Tally) {
	n.folders = append(n.folders, fmt.Sprintf("%s > %s %d %d %d", name, to, t.New, t.Have, t.Failed))
}

// importer is one for this host, which serves from now on.
func (h *otherHost) importer(spoil ...func(*Importer, *keeper)) (*Importer, *keeper, *notes) {
	k, n := &keeper{}, &notes{}
	im := &Importer{Addr: h.ln.Addr().String(), Mode: Clear, User: "u", Password: "right", Target: k, Report: n,
		Patience: []time.Duration{time.Millisecond, time.Millisecond}}
	for _, f := range spoil {
		f(im, k)
	}
	go h.run()
	return im, k, n
}

// letters are n mails.
func letters(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("Subject: %d\r\n\r\n%s\r\n", i, strings.Repeat("Bonjour ", i%50)))
	}
	return out
}

// wants fails unless every mail of a folder was kept once, in its order, but for those missing.
func (k *keeper) wants(t *testing.T, h *otherHost, folder string, missing ...int) {
	t.Helper()
	var want []string
	for i, m := range h.boxes[folder] {
		if uid := 10 * (i + 1); !slices.Contains(missing, uid) {
			want = append(want, fmt.Sprintf(`%d $x%d \Seen 1044068706 %s`, uid, i%3, m))
		}
	}
	got := k.mails[folder]
	if !slices.Equal(got, want) {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("%s: mail %d is %.100q, want %.100q (%d of %d)", folder, i, got[i], want[i], len(got), len(want))
			}
		}
		t.Fatalf("%s: %d mails, want %d", folder, len(got), len(want))
	}
}

// counter is a Target that reads and forgets.
type counter struct {
	keeper
	n    int64
	heap uint64
}

func (c *counter) Keep(_ context.Context, _ int64, mails []delivery.ImportMail) ([]Outcome, error) {
	for _, m := range mails {
		n, err := io.Copy(io.Discard, m.Body)
		c.n += n
		if err != nil {
			return nil, err
		}
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	c.heap = mem.HeapSys
	return make([]Outcome, len(mails)), nil
}

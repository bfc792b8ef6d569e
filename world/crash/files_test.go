package crash

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"colporteur/world"

	"golang.org/x/sys/unix"
)

// burnt is the processor time of a process, in ticks of 10 ms.
func burnt(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return user + system
}

func TestAServerWithoutFileDescriptorsWaitsQuietly(t *testing.T) {
	p := world.Setup(t, filepath.Join(t.TempDir(), "data"))
	p.Member("ann@home.test", "ann pass word")
	p.Start()
	if err := unix.Prlimit(p.PID(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 100, Max: 100}, nil); err != nil {
		t.Fatal(err)
	}
	// More connections, from several addresses, than it has descriptors.
	var open []net.Conn
	for i := range 300 {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i/20))}, Timeout: 5 * time.Second}
		c, err := d.DialContext(t.Context(), "tcp", p.Ports["imap"])
		if err != nil {
			break // the kernel's own line is full
		}
		defer c.Close()
		open = append(open, c)
	}
	if len(open) < 100 {
		t.Fatalf("only %d connections were made", len(open))
	}
	before := burnt(t, p.PID())
	watch := time.NewTimer(2 * time.Second) // what is measured is time itself
	<-watch.C
	if spent := burnt(t, p.PID()) - before; spent > 60 {
		t.Errorf("%d %% of a processor while it has no descriptors", spent/2)
	}
	for _, c := range open {
		c.Close()
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		c, err := net.DialTimeout("tcp", p.Ports["imap"], time.Second)
		if err == nil {
			c.SetDeadline(time.Now().Add(time.Second))
			l, _ := bufio.NewReader(c).ReadString('\n')
			c.Close()
			if strings.HasPrefix(l, "* OK ") {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not come back: %v\n%s", err, p.Log())
		}
	}
	if strings.Contains(p.Log(), "panic") {
		t.Errorf("a panic in the log:\n%s", p.Log())
	}
}

package crash

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/emersion/go-smtp"

	"colporteur/world"
)

func send(t *testing.T, p *world.Process, raw string) error {
	t.Helper()
	c, err := smtp.Dial(p.Ports["mx"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.SendMail("storm@storm.test", []string{"ann@home.test"}, strings.NewReader(raw))
}

// A data folder on a small disk of its own; needs root, as CI is.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("no disk of its own can be mounted here (%v): run as root", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestAFullDiskIsSaidAndForgottenWhenThereIsRoom(t *testing.T) {
	disk := smallDisk(t)
	p := world.Setup(t, filepath.Join(disk, "data"))
	p.Member("ann@home.test", "storm pass")
	p.Start()
	if err := send(t, p, body("before", 1000)); err != nil {
		t.Fatalf("before: %v", err)
	}
	ballast := filepath.Join(disk, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 64<<10)
	for {
		if _, err := f.Write(chunk); err != nil {
			break // full
		}
	}
	f.Close()

	// Large bytes fail in the spool, small ones in the commit.
	for _, size := range []int{300_000, 4_000_000} {
		code, text := refusal(send(t, p, body("full", size)))
		if code != 452 || !strings.Contains(text, "room") && !strings.Contains(text, "place") {
			t.Errorf("a mail of %d on a full disk: %d %q, want 452 in words", size, code, text)
		}
	}
	var code int
	var text string
	for i := range 400 { // until the database's own file must grow
		if code, text = refusal(send(t, p, body("small", 9000+i))); code != 0 {
			break
		}
	}
	if code != 452 {
		t.Errorf("small mails on a full disk: %d %q, want 452", code, text)
	}
	if have := fetchAll(t, p); !whole(have["before"]) {
		t.Error("reading does not work while the disk is full")
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1000, 300_000} {
		if err := send(t, p, body("after", size)); err != nil {
			t.Fatalf("a mail of %d after there is room again: %v\n%s", size, err, p.Log())
		}
	}
	have := fetchAll(t, p)
	if _, ok := have["full"]; ok {
		t.Error("a mail that was refused is in the mailbox")
	}
	if !whole(have["after"]) {
		t.Error("the mail after is not whole")
	}
}

func TestASecondServerOnTheSameFolderRefusesToStart(t *testing.T) {
	p := world.Setup(t, filepath.Join(t.TempDir(), "data"))
	p.Start()
	out, err := p.Try("", "serve", "--config", p.Config)
	if err == nil || !strings.Contains(out, p.Data) {
		t.Errorf("the second server: %v, %q; want a refusal that names the folder", err, out)
	}
	if c := p.Dial("mx"); c != nil {
		c.Close()
	}
}

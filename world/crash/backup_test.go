package crash

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"colporteur/world"
)

// sentSome waits until n more mails are acknowledged.
func sentSome(t *testing.T, l *ledger, n int) {
	t.Helper()
	for target, end := l.size()+n, time.Now().Add(30*time.Second); l.size() < target; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("only %d of %d mails were taken", l.size(), target)
		}
	}
}

// uidNext of ann's INBOX, and its highest modseq.
func uidNext(t *testing.T, p *world.Process) uint32 {
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
	return uint32(sel.UIDNext)
}

// files are the blobs' files below a folder.
func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "blobs", "[0-9a-f][0-9a-f]", "*"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no files in %s (%v)", dir, err)
	}
	return all
}

func TestABackupUnderLoadRestoresEverythingAcknowledgedBeforeIt(t *testing.T) {
	dir := t.TempDir()
	p := world.Setup(t, filepath.Join(dir, "data"))
	p.Member("ann@home.test", "storm pass")
	p.Start()
	l := &ledger{acked: map[string]bool{}}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for k := range 3 {
		wg.Go(func() { sendUntil(p, l, fmt.Sprintf("s%d", k), stop) })
	}
	wg.Go(func() { appendUntil(p, l, "a", stop) })
	sentSome(t, l, 100)
	l.Lock()
	before := maps.Clone(l.acked)
	l.Unlock()
	saved := filepath.Join(dir, "saved")
	said := p.Run("backup", saved, "--config", p.Config)
	sentSome(t, l, 10) // it did not stand still afterwards
	close(stop)
	wg.Wait()
	if !strings.Contains(said, "The master key is not in it") {
		t.Errorf("it does not say that the key is kept apart: %s", said)
	}
	after := uidNext(t, p)
	if out := p.Run("verify", "--config", p.Config); !strings.Contains(out, "good   Every byte could be read") {
		t.Errorf("verify beside the server: %s", out)
	}
	key := filepath.Join(dir, "key")
	if err := os.Rename(filepath.Join(p.Data, "key"), key); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	err := filepath.WalkDir(saved, func(path string, d os.DirEntry, err error) error {
		info, ierr := d.Info()
		if err != nil || ierr != nil {
			return fmt.Errorf("%w %w", err, ierr)
		}
		if info.Mode().Perm()&0o077 != 0 || strings.HasSuffix(path, ".part") || d.Name() == "key" {
			t.Errorf("%s %v is in the backup", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	// Elsewhere: the old place is gone.
	if err := os.RemoveAll(p.Data); err != nil {
		t.Fatal(err)
	}
	p.Data = filepath.Join(dir, "elsewhere")
	p.Config = filepath.Join(p.Data, "colporteur.toml")
	if out, err := p.Try("", "restore", saved, "--data", p.Data); err == nil || !strings.Contains(out, "name the file with --key") {
		t.Errorf("without a key: %v %s", err, out)
	}
	wrong := filepath.Join(dir, "wrong")
	if err := os.WriteFile(wrong, []byte(strings.Repeat("a", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := p.Try("", "restore", saved, "--data", p.Data, "--key", wrong); err == nil || !strings.Contains(out, "not the one of this backup") {
		t.Errorf("with another key: %v %s", err, out)
	}
	p.Run("restore", saved, "--data", p.Data, "--key", key)
	if out := p.Run("verify", "--config", p.Config); !strings.Contains(out, "good   Every byte could be read") {
		t.Errorf("verify: %s", out)
	}
	p.Start()
	have := fetchAll(t, p)
	for id := range before {
		if raw, ok := have[id]; !ok {
			t.Errorf("%s was acknowledged before the backup and is not in it", id)
		} else if !whole(raw) {
			t.Errorf("%s is not whole", id)
		}
	}
	for id, raw := range have {
		if !whole(raw) {
			t.Errorf("%s is not whole", id)
		}
	}
	if next := uidNext(t, p); next <= after {
		t.Errorf("UIDNEXT is %d, and programs have seen %d already: UIDs are given twice", next, after)
	}
	l.Lock()
	l.acked = map[string]bool{}
	l.Unlock()
	stop = make(chan struct{})
	wg.Go(func() { sendUntil(p, l, "again", stop) })
	sentSome(t, l, 5) // it lives
	close(stop)
	wg.Wait()
	t.Logf("%d mails before the backup, %d in it", len(before), len(have))
	if strings.Contains(p.Log(), "panic") {
		t.Errorf("a panic in the log:\n%s", p.Log())
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if out, err := p.Try("", "restore", saved, "--data", p.Data, "--key", key); err == nil || !strings.Contains(out, "not empty") {
		t.Errorf("over a host that is there: %v %s", err, out)
	}
}

// quiet is a host that does not run, with some mails and a backup of it.
func quiet(t *testing.T) (p *world.Process, saved string) {
	t.Helper()
	dir := t.TempDir()
	p = world.Setup(t, filepath.Join(dir, "data"))
	p.Member("ann@home.test", "storm pass")
	p.Start()
	l := &ledger{acked: map[string]bool{}}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { sendUntil(p, l, "s", stop) })
	sentSome(t, l, 15)
	close(stop)
	wg.Wait()
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	saved = filepath.Join(dir, "saved")
	p.Run("backup", saved, "--config", p.Config)
	return p, saved
}

// flip changes one byte in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		b[len(b)/2] ^= 1
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestOneChangedByteIsFound(t *testing.T) {
	t.Parallel()
	p, saved := quiet(t)
	p.Run("verify", "--config", p.Config)
	all := files(t, p.Data)
	flip(t, all[0])
	if out, err := p.Try("", "verify", "--config", p.Config); err == nil || strings.Count(out, "wrong  ") != 1 || !strings.Contains(out, "damaged") {
		t.Errorf("a changed byte: %v\n%s", err, out)
	}
	if err := os.Remove(all[1]); err != nil {
		t.Fatal(err)
	}
	if out, err := p.Try("", "verify", "--config", p.Config); err == nil || strings.Count(out, "wrong  ") != 2 || !strings.Contains(out, "missing") {
		t.Errorf("and a missing file: %v\n%s", err, out)
	}
	// A backup takes what there is, and says that it is not all.
	again := saved + "2"
	if out, err := p.Try("", "backup", again, "--config", p.Config); err == nil || !strings.Contains(out, "1 blob are missing or damaged") {
		t.Errorf("backup: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(again, "manifest.json")); err != nil {
		t.Error(err)
	}

	// The same in the backup: what changed is found after the restore, a
	// database that changed is not used at all.
	flip(t, files(t, saved)[0])
	there := filepath.Join(filepath.Dir(saved), "there")
	p.Run("restore", saved, "--data", there, "--key", filepath.Join(p.Data, "key"))
	if out, err := p.Try("", "verify", "--config", filepath.Join(there, "colporteur.toml")); err == nil || strings.Count(out, "wrong  ") != 1 {
		t.Errorf("restored: %v\n%s", err, out)
	}
	flip(t, filepath.Join(saved, "colporteur.db"))
	if out, err := p.Try("", "restore", saved, "--data", there+"2", "--key", filepath.Join(p.Data, "key")); err == nil || !strings.Contains(out, "SHA-256") {
		t.Errorf("a changed database: %v\n%s", err, out)
	}
	if _, err := os.Stat(there + "2"); err == nil {
		t.Error("a refused restore leaves something behind")
	}
}

func TestBackupAndRestoreRefuseWhatWouldHarm(t *testing.T) {
	t.Parallel()
	p, saved := quiet(t)
	key := filepath.Join(p.Data, "key")
	there := filepath.Join(filepath.Dir(saved), "there")
	refuses := func(why string, args ...string) {
		t.Helper()
		if out, err := p.Try("", args...); err == nil || !strings.Contains(out, why) || strings.Count(out, "\n") != 1 {
			t.Errorf("%v: want a sentence with %q, got %v:\n%s", args, why, err, out)
		}
	}
	refuses("not empty", "backup", saved, "--config", p.Config)
	refuses("inside the data folder", "backup", filepath.Join(p.Data, "saved"), "--config", p.Config)
	refuses("not empty", "restore", saved, "--config", p.Config)
	refuses("there is no backup at", "restore", there, "--data", there+"2", "--key", key)
	refuses("--key goes with --data", "restore", saved, "--key", key, "--config", p.Config)
	refuses("not built yet", "migrate", "--to", "postgres://x/y", "--blobs", "s3://b", "--config", p.Config)
	if err := os.MkdirAll(there, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(there, "somebody's"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refuses("not empty", "restore", saved, "--data", there, "--key", key)
	if err := os.Rename(filepath.Join(saved, "manifest.json"), filepath.Join(saved, "manifest.json.new")); err != nil {
		t.Fatal(err)
	}
	refuses("is not a finished backup", "restore", saved, "--data", there+"2", "--key", key)
}

func TestARestoreToAConfiguredPlaceKeepsItsConfiguration(t *testing.T) {
	t.Parallel()
	p, saved := quiet(t)
	// The usual case on a new machine: configuration and key are there, the data is not.
	config, err := os.ReadFile(p.Config)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(p.Data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "colporteur.toml" && e.Name() != "key" {
			if err := os.RemoveAll(filepath.Join(p.Data, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.Run("restore", saved, "--config", p.Config)
	if now, _ := os.ReadFile(p.Config); string(now) != string(config) {
		t.Error("the configuration was changed")
	}
	p.Start()
	if have := fetchAll(t, p); len(have) < 15 {
		t.Errorf("%d mails came back", len(have))
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

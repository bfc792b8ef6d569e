package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hashes are the files of a folder, without those of the database, which holds
// its own bookkeeping.
func hashes(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasPrefix(d.Name(), "colporteur.db") || d.Name() == "lock" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v", path, info.Mode())
		if !d.IsDir() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %v %x", info.ModTime(), sha256.Sum256(content))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSetupTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	args := []string{"setup", "--data", data, "--domain", "home.test", "--profile", "dev", "--postmaster", "ann@home.test"}
	directory := func() string {
		config := filepath.Join(data, "colporteur.toml")
		return colporteur(t, "", "domain", "list", "--config", config).ends(0, "home.test").out +
			colporteur(t, "", "alias", "list", "--config", config).ends(0, "postmaster@home.test").out
	}
	colporteur(t, "", args...).ends(0, "Nobody reads mail to postmaster yet", "home.test.", "MX", "10 mail.home.test.", "The master key is in")
	files, names := hashes(t, data), directory()
	again := colporteur(t, "", args...).ends(0, "MX")
	if strings.Contains(again.out, "The master key is in") {
		t.Errorf("the second run speaks of a new key:\n%s", again.out)
	}
	if got := hashes(t, data); got != files {
		t.Errorf("before:\n%s\nafter:\n%s", files, got)
	}
	if got := directory(); got != names {
		t.Errorf("before:\n%s\nafter:\n%s", names, got)
	}
	for path, mode := range map[string]fs.FileMode{data: 0o700, data + "/key": 0o600, data + "/colporteur.toml": 0o600, data + "/colporteur.db": 0o600, data + "/ca-key.pem": 0o600, data + "/blobs": 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: got %v, %v, want %v", path, info, err, mode)
		}
	}
	colporteur(t, "", "setup", "--data", data, "--domain", "home.test", "--profile", "server").ends(exitRefused, "setup never changes it")
}

func TestSetupNeverMakesASecondKey(t *testing.T) {
	t.Parallel()
	p := setup(t)
	key := filepath.Join(p.data, "key")
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	colporteur(t, "", "setup", "--data", p.data, "--domain", "home.test", "--profile", "dev").ends(exitRefused, "put it back")
	p.do("serve").ends(exitRefused, "put it back")
	p.do("check").ends(exitRefused, "wrong  the master key")
	if err := os.WriteFile(key, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.do("serve").ends(exitRefused, "is damaged")
	if err := os.Rename(key+".away", key); err != nil {
		t.Fatal(err)
	}
	p.do("domain", "list").ends(0, "home.test")
}

func TestAServersKeyLiesOutsideItsData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, key := filepath.Join(dir, "data"), filepath.Join(dir, "etc", "key")
	colporteur(t, "", "setup", "--data", data, "--domain", "asso.test", "--key", filepath.Join(data, "key")).ends(exitRefused, "secrets.key: lies inside data")
	if _, err := os.Stat(data); err == nil {
		t.Error("a refused setup left a folder behind")
	}
	colporteur(t, "", "setup", "--data", data, "--domain", "asso.test", "--hostname", "mx.asso.test", "--key", key).
		ends(0, "10 mx.asso.test.", "PTR", "_domainkey.asso.test. IN TXT", "_mta-sts.asso.test.", key)
	if b, err := os.ReadFile(key); err != nil || len(b) != 65 {
		t.Errorf("the key file has %d bytes, %v", len(b), err)
	}
	colporteur(t, "", "config", "check", "--config", filepath.Join(data, "colporteur.toml")).ends(0, "is in order")
	colporteur(t, "", "config", "show", "--config", filepath.Join(data, "colporteur.toml")).ends(0, `web.url = "https://mx.asso.test"`, `smtp.mx = [":25"]`)
}

func TestAServersCertificateIsFetchedUnlessSetupIsToldOtherwise(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := func(name string, more ...string) []string {
		return append([]string{"setup", "--data", filepath.Join(dir, name), "--domain", "asso.test", "--key", filepath.Join(dir, name+"-key")}, more...)
	}
	conf := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name, "colporteur.toml"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	// Nobody agrees to terms they were not told of.
	colporteur(t, "", args("acme", "--profile", "server")...).ends(0, "is to agree to the subscriber agreement of Let's Encrypt: https://letsencrypt.org/repository/")
	if c := conf("acme"); !strings.Contains(c, `mode = "acme"`) {
		t.Errorf("a server's file:\n%s", c)
	}
	colporteur(t, "", args("acme", "--tls", "selfsigned")...).ends(exitRefused, "tls.mode acme; setup never changes it")
	own := colporteur(t, "", args("own", "--tls", "selfsigned")...).ends(0, "of our own making")
	if strings.Contains(own.out, "agree") {
		t.Errorf("terms of nobody:\n%s", own.out)
	}
	colporteur(t, "", args("files", "--tls", "files")...).ends(exitRefused, "tls.cert: is missing", "tls.key: is missing")
	colporteur(t, "", args("files", "--tls", "files", "--tls-cert", filepath.Join(dir, "c.pem"), "--tls-key", filepath.Join(dir, "k.pem"))...).ends(0)
	if c := conf("files"); !strings.Contains(c, filepath.Join(dir, "c.pem")) || !strings.Contains(c, filepath.Join(dir, "k.pem")) {
		t.Errorf("a server with files:\n%s", c)
	}
}

func TestSetupRefusesWhatIsNoDomain(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	colporteur(t, "", "setup", "--data", data, "--domain", "home test").ends(exitRefused, "not a valid domain")
	colporteur(t, "", "setup", "--data", data, "--domain", "home.test", "--hostname", "x_y").ends(exitRefused, "hostname: ")
	if _, err := os.Stat(data); err == nil {
		t.Error("a refused setup left a folder behind")
	}
}

func TestWhoeverSetsUpLearnsWhoOpensTheOffice(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	config := filepath.Join(data, "colporteur.toml")
	const said = "colporteur alias add postmaster@home.test"
	setup := func() string {
		return colporteur(t, "", "setup", "--data", data, "--domain", "home.test", "--profile", "dev").ends(0).out
	}
	check := func() string { return colporteur(t, "", "check", "--config", config).out }
	if out := setup(); !strings.Contains(out, said) {
		t.Errorf("nobody is named, and setup says:\n%s", out)
	}
	colporteur(t, "a password of ann\n", "member", "add", "ann@home.test", "--password-stdin", "--config", config).ends(0)
	if out := check(); !strings.Contains(out, said) {
		t.Errorf("nobody is named, and check says:\n%s", out)
	}
	colporteur(t, "", "alias", "add", "postmaster@home.test", "ann@home.test", "--config", config).ends(0)
	if out := setup() + check(); strings.Contains(out, said) {
		t.Errorf("ann is named, and they say:\n%s", out)
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"colporteur/config"
	"colporteur/host"
)

// Backup and verify do not ask the running server: they open the store beside
// it and only read. What they need of memory and time is theirs, and they work
// just as well when no server runs.

type backupCommand struct {
	Dest string `arg:"" help:"An empty folder, on another disk." type:"path"`
}

func (b backupCommand) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := own(cfg); err != nil {
		return err
	}
	key, err := masterKey(cfg.Secrets.Key)
	if err != nil {
		return err
	}
	m, err := host.Backup(c.ctx, cfg, key, b.Dest, version)
	if err != nil {
		return err
	}
	c.printf("%s holds %s as it was at %s: %s, %s, %s (%s).\n", b.Dest, m.Hostname,
		m.Made.Local().Format("15:04:05 on 2 January 2006"), count(m.Members, "member"), count(m.Emails, "mail"), count(int64(m.Files), "file"), volume(m.Bytes))
	c.printf("The master key is not in it: whoever finds the backup cannot open a mail, but can read names, subjects and first words, so lock it away.\n")
	c.printf("Keep a copy of %s apart from it: without the key nothing can be restored. The TLS certificate is not in it either.\n", cfg.Secrets.Key)
	if n := len(m.Incomplete); n > 0 {
		return refused{fmt.Sprintf("the backup is made, but the bytes of %s are missing or damaged on this host: see `colporteur verify`", count(int64(n), "blob"))}
	}
	return nil
}

type restoreCommand struct {
	Src  string `arg:"" help:"The folder of a backup." type:"path"`
	Data string `help:"An empty folder to restore to; its colporteur.toml is made from the backup's. Without it, the data folder that --config names." placeholder:"DIR" type:"path"`
	Key  string `help:"Where the master key lies; with --data only." placeholder:"FILE" type:"path"`
}

func (r restoreCommand) Run(c *cli) error {
	if r.Key != "" && r.Data == "" {
		return usage("--key goes with --data; with --config the key is where secrets.key of the file says")
	}
	if _, err := host.ReadManifest(r.Src); err != nil {
		return err
	}
	cfg, err := r.target(c)
	if err != nil {
		return err
	}
	key, err := masterKey(cfg.Secrets.Key)
	if err != nil {
		if r.Data != "" && r.Key == "" {
			return fmt.Errorf("the master key is not in a backup, and it is not at %s: name the file with --key", cfg.Secrets.Key)
		}
		return err
	}
	made, err := makeFolder(cfg.Data)
	if err != nil {
		return err
	}
	unlock, err := lock(cfg)
	if err != nil {
		return err
	}
	defer unlock()
	done, err := host.Restore(c.ctx, r.Src, cfg, key, filepath.Join(cfg.Data, "lock"), cfg.Path, cfg.Secrets.Key)
	if err == nil && r.Data != "" {
		err = config.Write(cfg.Path, cfg)
	}
	if err != nil {
		if made {
			os.RemoveAll(cfg.Data)
		}
		return err
	}
	c.printf("%s is %s again, as it was at %s: %s, %s, %s.\n", cfg.Data, done.Hostname,
		done.Made.Local().Format("15:04:05 on 2 January 2006"), count(done.Members, "member"), count(done.Emails, "mail"), count(int64(done.Files), "file"))
	if done.Waiting > 0 {
		c.printf("On their way out then: %s. They are tried again when the server starts, so what went out since is sent twice: see `colporteur queue list` first.\n", count(done.Waiting, "mail"))
	}
	c.printf("Its master key is %s; keep a copy elsewhere.\n", cfg.Secrets.Key)
	c.printf("Next: colporteur verify --config %s\nThen: colporteur serve --config %s\n", cfg.Path, cfg.Path)
	if n := len(done.Missing) + len(done.Incomplete); n > 0 {
		return refused{fmt.Sprintf("everything else is restored, but the bytes of %s are not whole in the backup: `colporteur verify` names them", count(int64(n), "blob"))}
	}
	return nil
}

// target is the configuration of the host to be: the backup's, moved to
// another folder, or one that is there.
func (r restoreCommand) target(c *cli) (*config.Config, error) {
	if r.Data == "" {
		return c.load()
	}
	cfg, err := host.ConfigOf(r.Src)
	if err != nil {
		return nil, err
	}
	cfg.Data, cfg.Path = r.Data, filepath.Join(r.Data, "colporteur.toml")
	if r.Key != "" {
		cfg.Secrets.Key = r.Key
	}
	if _, err := os.Lstat(cfg.Path); err == nil {
		return nil, fmt.Errorf("%s is not empty (there is colporteur.toml in it): choose an empty folder", r.Data)
	}
	return cfg, nil
}

// makeFolder says whether it was missing.
func makeFolder(dir string) (made bool, err error) {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	return true, os.MkdirAll(dir, 0o700)
}

type verifyCommand struct{}

func (verifyCommand) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := own(cfg); err != nil {
		return err
	}
	key, err := masterKey(cfg.Secrets.Key)
	if err != nil {
		return err
	}
	f := &findings{c: c}
	v, err := host.Verify(c.ctx, cfg, key, func(sentence string) { f.bad("%s", sentence) })
	if err != nil {
		return err
	}
	if f.wrong == 0 {
		f.good("Every byte could be read: %s, %s.", count(int64(v.Blobs), "blob"), volume(v.Bytes))
	} else {
		f.note("Looked at: %s; %s could be read. Restore what is damaged from a backup.", count(int64(v.Blobs), "blob"), volume(v.Bytes))
	}
	if v.Unnamed > 0 {
		f.note("Belonging to nothing: %s, left by mail that was broken off or has just come. The server removes what is left over within a day or two.", count(int64(v.Unnamed), "file"))
	}
	return f.verdict()
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// volume is amount, where nothing is nothing.
func volume(n int64) string {
	if n == 0 {
		return "0 B"
	}
	return amount(n)
}

type migrateCommand struct {
	To    string `help:"Where the database shall be." placeholder:"postgres://…"`
	Blobs string `help:"Where the bytes shall be." placeholder:"s3://…"`
}

func (migrateCommand) Run(*cli) error {
	return refused{"moving a host to another kind of store is not built yet; to begin on PostgreSQL, give a new host its address with `colporteur setup --database postgres://…`, and to move to another machine use `colporteur backup` and `colporteur restore`"}
}

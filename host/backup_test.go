package host

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colporteur/accounts"
	"colporteur/config"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/storetest"
)

var testKey = bytes.Repeat([]byte{42}, 32)

// configured is the configuration of a host at dir, written to a file.
func configured(t *testing.T, dir, database string) *config.Config {
	t.Helper()
	cfg := config.Defaults(config.Dev)
	cfg.Hostname, cfg.Data, cfg.Database.URL = "mail.home.test", dir, database
	cfg.Path = filepath.Join(t.TempDir(), "colporteur.toml")
	if err := config.Write(cfg.Path, &cfg); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &cfg
}

// take has the Door take a mail of a member.
func take(t *testing.T, h *Host, from mail.User, to string, size int) {
	t.Helper()
	rcpt, err := mail.ParseAddress(to)
	if err != nil {
		t.Fatal(err)
	}
	env := &mail.Envelope{ID: fmt.Sprint("m", store.NewID()), Origin: mail.FromMember, From: from.Address, User: from}
	if err := h.Door.Recipient(t.Context(), env, mail.Recipient{Address: rcpt}); err != nil {
		t.Fatal(err)
	}
	text := "Subject: x\r\n\r\n" + strings.Repeat("0123456789abcdef\r\n", size/18)
	if err := h.Door.Accept(t.Context(), env, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

func TestABackupIsTheHostOnBothDatabases(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			from, to := "sqlite", "sqlite"
			if engine == "postgres" {
				server := storetest.NewServer(t)
				from, to = server.Database(t), server.Empty(t)
			}
			dir := t.TempDir()
			cfg := configured(t, filepath.Join(dir, "data"), from)
			h, err := New(t.Context(), cfg, Options{Key: testKey})
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Accounts.AddDomain(t.Context(), "home.test"); err != nil {
				t.Fatal(err)
			}
			address := mail.Address{Local: "ann", Domain: "home.test"}
			m, err := h.Accounts.AddMember(t.Context(), accounts.NewMember{Address: address, Password: "a good pass word"})
			if err != nil {
				t.Fatal(err)
			}
			ann := mail.User{ID: m.ID, Account: m.Account, Address: address}
			take(t, h, ann, "ann@home.test", 1000)
			take(t, h, ann, "ann@home.test", 100_000)
			take(t, h, ann, "bob@far.test", 1000)

			saved := filepath.Join(dir, "saved")
			made, err := Backup(t.Context(), cfg, testKey, saved, "test")
			if err != nil {
				t.Fatal(err)
			}
			if made.Members != 1 || made.Emails != 2 || made.Blobs != 3 || made.Files != 1 || made.Incomplete != nil {
				t.Errorf("the manifest: %+v", made)
			}
			if at, err := h.Office.LastBackup(t.Context()); err != nil || at.IsZero() {
				t.Errorf("the host does not know of its backup: %v", err)
			}
			take(t, h, ann, "ann@home.test", 100_000) // later than the backup
			if err := h.DB.Close(); err != nil {
				t.Fatal(err)
			}

			there := configured(t, filepath.Join(dir, "there"), to)
			done, err := Restore(t.Context(), saved, there, testKey)
			if err != nil {
				t.Fatal(err)
			}
			if done.Waiting != 1 || done.Missing != nil {
				t.Errorf("the restore: %+v", done)
			}
			v, err := Verify(t.Context(), there, testKey, func(s string) { t.Error(s) })
			if err != nil || v.Blobs != 3 || v.Unnamed != 0 || v.Engine != engine {
				t.Errorf("verified: %+v, %v", v, err)
			}
			h, err = New(t.Context(), there, Options{Key: testKey})
			if err != nil {
				t.Fatal(err)
			}
			defer h.DB.Close()
			stories, _, err := h.Trace.Find(t.Context(), "ann@home.test", 10)
			if err != nil || len(stories) != 3 {
				t.Errorf("the restored host traces %d mails (%v), want 3", len(stories), err)
			}
			err = h.DB.Read(t.Context(), func(tx *store.Tx) error {
				var below int
				if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM mailbox WHERE uidnext < 1048576 OR highest < 1048576`).Scan(&below); err != nil || below > 0 {
					return fmt.Errorf("%d mailboxes have not leapt: %w", below, err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if _, err := Restore(t.Context(), saved, there, testKey); err == nil || !strings.Contains(err.Error(), "not empty") {
				t.Errorf("over what is there: %v", err)
			}
			if engine == "postgres" {
				other := configured(t, filepath.Join(dir, "other"), to)
				if _, err := Restore(t.Context(), saved, other, testKey); err == nil || !strings.Contains(err.Error(), "tables already") {
					t.Errorf("into a database that is in use: %v", err)
				}
			}
			other := configured(t, filepath.Join(dir, "wrong"), map[string]string{"sqlite": "postgres://x@127.0.0.1:1/y", "postgres": "sqlite"}[engine])
			if _, err := Restore(t.Context(), saved, other, testKey); err == nil || !strings.Contains(err.Error(), "database.url") {
				t.Errorf("to the other engine: %v", err)
			}
		})
	}
}

func TestADatabasePageThatChangedIsFound(t *testing.T) {
	t.Parallel()
	cfg := configured(t, filepath.Join(t.TempDir(), "data"), "sqlite")
	h, err := New(t.Context(), cfg, Options{Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Accounts.AddDomain(t.Context(), "home.test"); err != nil {
		t.Fatal(err)
	}
	var page int64
	err = h.DB.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT rootpage FROM sqlite_master WHERE name = 'domain'`).Scan(&page)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.DB.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(cfg.Data, "colporteur.db"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 64), (page-1)*4096); err != nil {
		t.Fatal(err)
	}
	f.Close()
	var said []string
	if _, err := Verify(t.Context(), cfg, testKey, func(s string) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	if len(said) == 0 || !strings.Contains(said[0], "database is damaged") {
		t.Errorf("got %q", said)
	}
}

func TestEveryoneWhoNamesABlobIsAsked(t *testing.T) {
	t.Parallel()
	cfg := configured(t, filepath.Join(t.TempDir(), "data"), "sqlite")
	h, err := New(t.Context(), cfg, Options{Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	defer h.DB.Close()
	if err := h.Blobs.Dangling(t.Context(), func(table string, id blob.ID) { t.Errorf("%s %d", table, id) }); err != nil {
		t.Errorf("a query of Named is not of the form that verify turns round: %v", err)
	}
}

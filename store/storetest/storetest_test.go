package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"colporteur/store"
)

func TestEachGivesFreshMigratedDatabases(t *testing.T) {
	skip(t)
	engines := map[string]int{}
	for range 2 { // the second must not see what the first did
		Each(t, func(t *testing.T, db *store.DB) {
			engines[db.Engine()]++
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), `INSERT INTO domain (name, created) VALUES ($1, $2)`, "home.test", 1)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	if engines["sqlite"] != 2 || engines["postgres"] != 2 {
		t.Fatalf("ran on %v, want each engine twice", engines)
	}
}

func TestDatabaseSurvivesARestart(t *testing.T) {
	db := Open(t, Postgres(t))
	insert := func(name string) error {
		return db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO domain (name, created) VALUES ($1, $2)`, name, 1)
			return err
		})
	}
	if err := insert("before.test"); err != nil {
		t.Fatal(err)
	}
	Restart(t)
	for n := 0; ; n++ {
		err := insert("after.test")
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrUnavailable) || n > 30 {
			t.Fatalf("after the restart: %v", err)
		}
	}
	var n int
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT count(*) FROM domain`).Scan(&n)
	})
	if err != nil || n != 2 {
		t.Fatalf("got %d rows, %v; want 2", n, err)
	}
}

// The helper process of the next test: it starts a server and waits to be killed.
func TestMain(m *testing.M) {
	if os.Getenv("STORETEST_VICTIM") == "1" {
		s, err := start()
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(s.dir)
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

func TestKilledTestsLeaveNoServerBehind(t *testing.T) {
	skip(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "STORETEST_VICTIM=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	dir := strings.TrimSpace(line)
	if err != nil || !strings.HasPrefix(dir, "/") {
		t.Fatalf("the victim says %q, %v", line, err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for { // the keeper removes the folder last, after the server has ended
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s is still there", dir)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

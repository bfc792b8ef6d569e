package share_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/workflow/workflowtest"
)

// counter stands between a program and PostgreSQL and counts what is asked.
type counter struct {
	to    string // the server's socket
	asked atomic.Int64
}

const socket = ".s.PGSQL.5432"

// count is the address of a database by way of a counter.
func count(t *testing.T, address string) (*counter, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q, dir := u.Query(), t.TempDir()
	c := &counter{to: filepath.Join(q.Get("host"), socket)}
	in, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	go func() {
		for {
			conn, err := in.Accept()
			if err != nil {
				return
			}
			go c.carry(conn)
		}
	}()
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	return c, u.String()
}

// carry passes one connection on. Messages to the server begin with a letter and
// their length, all but the first, which has no letter; Execute is E (PostgreSQL,
// Message Formats).
func (c *counter) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", c.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(client, server)
		client.Close()
	}()
	r := bufio.NewReader(client)
	for letters := 0; ; letters = 1 {
		head, err := r.Peek(letters + 4)
		if err != nil {
			return
		}
		if letters == 1 && head[0] == 'E' {
			c.asked.Add(1)
		}
		if _, err := io.CopyN(server, r, int64(letters)+int64(binary.BigEndian.Uint32(head[letters:]))); err != nil {
			return
		}
	}
}

func TestPhotosAndWordsCostNoQueries(t *testing.T) {
	address := storetest.Postgres(t)
	s := open(t, storetest.Open(t, address))
	guest, owner := s.album("Vacances", 10)
	s.Settle()
	c, counted := count(t, address)
	s.Albums.DB = storetest.Open(t, counted) // the queue asks on its own, elsewhere
	cost := func(path string) int64 {
		if a := s.get(path); a.status != http.StatusOK { // statements are prepared now
			t.Fatalf("%s answers %d", path, a.status)
		}
		before := c.asked.Load()
		s.get(path)
		return c.asked.Load() - before
	}
	pages := map[string]func() string{
		"guest": func() string { return guest }, "owner": func() string { return owner },
		"paper": func() string { return guest + "/print" }, "photo": func() string { return s.photos(guest)[0] },
	}
	few := map[string]int64{}
	fill(t, s.House, 1)
	for name, path := range pages {
		few[name] = cost(path())
	}
	fill(t, s.House, 500)
	talk(t, s.House, 1000)
	for name, path := range pages {
		if n := cost(path()); n != few[name] || n == 0 || n > 8 {
			t.Errorf("the page of the %s costs %d queries with 500 photos and %d with one", name, n, few[name])
		}
	}
	s.get(guest).sees(t, "2 mots<")
	t.Logf("queries: %v", few)
}

// talk leaves n words on the photos of the album, as rows alone.
func talk(tb testing.TB, h *workflowtest.House, n int) {
	tb.Helper()
	err := h.DB.Write(tb.Context(), func(tx *store.Tx) error {
		var album int64
		if err := tx.QueryRow(tb.Context(), `SELECT id FROM album ORDER BY id DESC LIMIT 1`).Scan(&album); err != nil {
			return err
		}
		var photos []int64
		rows, err := tx.Query(tb.Context(), `SELECT id FROM photo WHERE album = $1`, album)
		if err := store.Each(rows, err, func(f func(...any) error) error {
			var id int64
			err := f(&id)
			photos = append(photos, id)
			return err
		}); err != nil {
			return err
		}
		for i := range n {
			if _, err := tx.Exec(tb.Context(), `INSERT INTO photo_comment (id, album, photo, link, key, name, text, created) VALUES ($1, $2, $3, 1, $4, 'Mamie', $5, $6)`,
				store.NewID(), album, photos[i%len(photos)], fmt.Sprint("talk ", i), strings.Repeat("Quelle lumière ce matin-là. ", 10), i+1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkAlbumPage is the server's time for the first page of an album of 500
// photos, to the last byte: with the thousand words that a family leaves on them.
func BenchmarkAlbumPage(b *testing.B) {
	for engine, db := range map[string]func() *store.DB{
		"sqlite": func() *store.DB { return storetest.SQLite(b) }, "postgres": func() *store.DB { return storetest.Open(b, storetest.Postgres(b)) },
	} {
		s := open(b, db())
		s.Send(workflowtest.Mail{To: []string{"album+vacances@home.test", mamie.String()}, Subject: "x",
			Files: []workflowtest.File{{Name: "x.jpg", Type: "image/jpeg", Bytes: photo(b, 77)}}})
		guest := "/a/" + string(s.One(mamie).Tokens()[0])
		fill(b, s.House, 500)
		talk(b, s.House, 1000)
		b.Run(engine, func(b *testing.B) {
			var times []time.Duration
			for b.Loop() {
				begun := time.Now()
				if a := s.get(guest, "Accept-Encoding", "gzip"); a.status != http.StatusOK {
					b.Fatal(a.status)
				}
				times = append(times, time.Since(begun))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "median-ms")
			b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}

package store_test

import (
	"testing"

	"colporteur/store"
	"colporteur/store/storetest"
)

// BenchmarkDurableWrites is 8 KiB rows from ten clients, each on the disk
// before the next begins.
func BenchmarkDurableWrites(b *testing.B) {
	run := func(b *testing.B, db *store.DB, clients int) {
		row := make([]byte, 8<<10)
		b.SetParallelism(clients) // times GOMAXPROCS, which -cpu 1 makes plain
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				err := db.Write(b.Context(), func(tx *store.Tx) error {
					_, err := tx.Exec(b.Context(), `INSERT INTO blob (id, size, key, master, inline, created) VALUES ($1, $2, $3, $4, $5, $6)`,
						store.NewID(), len(row), row[:60], 1, row, 0)
					return err
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
	}
	b.Run("sqlite/1", func(b *testing.B) { run(b, storetest.SQLite(b), 1) })
	b.Run("sqlite/10", func(b *testing.B) { run(b, storetest.SQLite(b), 10) })
	server := storetest.NewServer(b, "fsync=on", "full_page_writes=on", "autovacuum=on")
	b.Run("postgres/1", func(b *testing.B) { run(b, storetest.Open(b, server.Database(b)), 1) })
	b.Run("postgres/10", func(b *testing.B) { run(b, storetest.Open(b, server.Database(b)), 10) })
}

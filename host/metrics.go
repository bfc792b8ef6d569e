package host

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"time"
)

// metrics is for the operator's Prometheus, on a listener that is not public.
// It writes the text format itself: for five numbers the client library would
// be a sixth of the time a first build takes.
func (h *Host) metrics() http.Handler {
	started := time.Now()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		gauge := func(name, help string, v any) {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n%s %v\n", name, help, name, name, v)
		}
		up := 1
		if err := h.Healthy(r.Context()); err != nil {
			up = 0
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		gauge("colporteur_up", "Whether the host takes work: the database answers.", up)
		gauge("process_start_time_seconds", "When the server was started, in Unix time.", started.Unix())
		gauge("process_resident_memory_bytes", "Memory held, as the kernel counts it.", resident())
		gauge("go_goroutines", "Goroutines that exist.", runtime.NumGoroutine())
		gauge("go_memstats_heap_inuse_bytes", "Heap in use.", m.HeapInuse)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(b.Bytes())
	})
	return mux
}

// resident is the process's resident memory in bytes, 0 where it cannot be read.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	var size, pages int64
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

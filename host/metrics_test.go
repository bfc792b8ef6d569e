package host

import (
	"net/http/httptest"
	"regexp"
	"testing"

	"colporteur/store/storetest"
)

func TestMetricsAreInPrometheusText(t *testing.T) {
	t.Parallel()
	h := &Host{DB: storetest.SQLite(t)}
	w := httptest.NewRecorder()
	h.metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{`(?m)^colporteur_up [01]$`, `(?m)^process_resident_memory_bytes [1-9]\d+$`, `(?m)^# TYPE go_goroutines gauge$`} {
		if !regexp.MustCompile(want).MatchString(w.Body.String()) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}

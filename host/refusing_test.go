package host

import (
	"log/slog"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/office"
	"colporteur/store"
	"colporteur/store/storetest"
)

func TestAMailThatAProviderTakesEndsWhatIsSaidOfItsRefusal(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &Host{opt: Options{Log: slog.New(slog.DiscardHandler), Now: time.Now}, Office: &office.Service{DB: db}, Trace: &delivery.Trace{DB: db}}
		for _, r := range []office.Refusing{{Who: "Orange", Scope: "ip", Server: "smtp-in.orange.fr"}, {Who: "Orange", Scope: "domain", Server: "smtp-in.orange.fr"}, {Who: "Free", Scope: "ip", Server: "mx1.free.fr"}} {
			h.refused(t.Context(), r)
		}
		if err := h.traced(t.Context(), delivery.Event{Mail: "x", What: delivery.Relayed, Host: "smtp-in2.orange.fr"}); err != nil {
			t.Fatal(err)
		}
		all, err := h.Office.Refusals(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v, %v", all, err)
		}
		for _, r := range all {
			if r.Who == "Orange" && r.Scope == "ip" {
				t.Error("Orange took a mail, and is still said to refuse our address")
			}
		}
	})
}

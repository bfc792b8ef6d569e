package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/store"
	"colporteur/store/storetest"
)

// note writes an accepted mail of a minute, as the Door would.
func note(t *testing.T, tr *delivery.Trace, id, from, to, messageID string, at time.Time) {
	t.Helper()
	e := delivery.Event{Mail: id, At: at, What: delivery.Accepted, From: from, MessageID: messageID, To: []delivery.Stop{{Addr: to, Where: 1}}}
	if err := tr.Add(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func ids(t *testing.T, tr *delivery.Trace, what string, limit int) string {
	t.Helper()
	stories, more, err := tr.Find(t.Context(), what, limit)
	if err != nil {
		t.Fatalf("find %q: %v", what, err)
	}
	var out []string
	for _, s := range stories {
		out = append(out, fmt.Sprintf("%s/%d", s[0].Mail, len(s)))
	}
	if more {
		out = append(out, "more")
	}
	return strings.Join(out, " ")
}

func TestAMailIsFoundByWhoSentItWhoGetsItAndItsMessageID(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		start := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
		tr := &delivery.Trace{DB: db, Now: func() time.Time { return start.Add(time.Hour) }}
		note(t, tr, "m1", "ann@home.test", "bob_x@far.test", "one@home.test", start)
		note(t, tr, "m2", "carl@far.test", "ann@home.test", `odd"\%_id@far.test`, start.Add(time.Minute))
		note(t, tr, "m3", "", "bobyx@far.test", "", start.Add(2*time.Minute))
		note(t, tr, "m4", "joann@home.test", "é%@far.test", "ONE@home.test", start.Add(3*time.Minute))
		if err := tr.Add(t.Context(), delivery.Event{Mail: "m1", What: delivery.Relayed, Host: "mx.far.test", Reply: "250 ok"}); err != nil {
			t.Fatal(err)
		}
		for what, want := range map[string]string{
			"ann@home.test":       "m1/2 m2/1", // and not joann
			"Ann@HOME.test":       "m1/2 m2/1",
			"<ann@home.test>":     "m1/2 m2/1",
			"bob_x@far.test":      "m1/2", // _ and % mean themselves
			"%@far.test":          "",
			"é%@far.test":         "m4/1",
			"<one@home.test>":     "m1/2", // a Message-ID keeps its case
			`odd"\%_id@far.test`:  "m2/1",
			"m3":                  "m3/1",
			"nobody@nowhere.test": "",
			"":                    "",
			"\x00\xff":            "",
		} {
			if got := ids(t, tr, what, 10); got != want {
				t.Errorf("%q: got %q, want %q", what, got, want)
			}
		}
		if got := ids(t, tr, "ann@home.test", 1); got != "m2/1 more" {
			t.Errorf("the newest one: got %q", got)
		}
	})
}

func TestTheTraceForgetsAfterItsTime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
		tr := &delivery.Trace{DB: db, Now: func() time.Time { return now }}
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			for i := range 2500 { // more than one step of the sweep
				if err := tr.Note(context.Background(), tx, delivery.Event{Mail: fmt.Sprint("old", i), What: delivery.Accepted, From: "ann@home.test", At: now.AddDate(0, 0, -31)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		note(t, tr, "young", "ann@home.test", "bob@far.test", "", now.AddDate(0, 0, -29))
		n, err := tr.Sweep(t.Context(), 30*24*time.Hour)
		if err != nil || n != 2500 {
			t.Fatalf("swept %d, %v; want 2500", n, err)
		}
		if got := ids(t, tr, "ann@home.test", 10); got != "young/1" {
			t.Errorf("left: %q", got)
		}
	})
}

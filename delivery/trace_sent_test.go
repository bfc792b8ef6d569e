package delivery_test

import (
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
)

func TestAMemberFindsTheMailsTheySentAndNoOthers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		start := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
		tr := &delivery.Trace{DB: db, Now: func() time.Time { return start.Add(time.Hour) }}
		ann, bob := mail.MustAddress("ann@home.test"), mail.MustAddress("bob@home.test")
		copied := store.NewID()
		sent := func(id, member, messageID string, at, until time.Time) {
			t.Helper()
			if err := tr.Add(t.Context(), delivery.Event{Mail: id, At: at, What: delivery.Accepted, From: "ann@home.test", Member: member, MessageID: messageID,
				Until: until, To: []delivery.Stop{{Addr: "bob@home.test", Where: 1}}}); err != nil {
				t.Fatal(err)
			}
		}
		sent("m1", "ann@home.test", "one_@home.test", start, start.Add(time.Minute))
		sent("m2", "bob@home.test", "one_@home.test", start, time.Time{}) // somebody else's, who used the same Message-ID
		sent("m3", "", "one_@home.test", start, time.Time{})              // from outside, as whoever
		sent("m4", "ann@home.test", "oneX@home.test", start, time.Time{})
		sent("m1", "ann@home.test", "one_@home.test", start.Add(time.Minute), time.Time{}) // at its hour
		for _, near := range []int64{0, copied} {
			rows, err := tr.Sent(t.Context(), ann, "<one_@home.test>", near)
			if err != nil || len(rows) != 1 {
				t.Fatalf("near %d: %v, %v", near, rows, err)
			}
			s, err := tr.StoryOf(t.Context(), ann, rows[0])
			if err != nil || len(s) != 2 || s[0].Mail != "m1" || s[0].Until.IsZero() {
				t.Errorf("the story: %+v, %v", s, err)
			}
			if _, err := tr.StoryOf(t.Context(), bob, rows[0]); !mail.Is(err, mail.NotFound) {
				t.Errorf("bob reads it: %v", err)
			}
			if _, err := tr.StoryOf(t.Context(), ann, rows[0]+1); !mail.Is(err, mail.NotFound) {
				t.Errorf("a row that is none: %v", err)
			}
		}
		// A copy that is younger by days leads to nothing older.
		if rows, err := tr.Sent(t.Context(), ann, "one_@home.test", copied+(48*time.Hour).Microseconds()<<12); err != nil || len(rows) != 0 {
			t.Errorf("by a later copy: %v, %v", rows, err)
		}
		for _, what := range []string{"", "<>", "%", "one%"} {
			if rows, err := tr.Sent(t.Context(), ann, what, 0); err != nil || len(rows) != 0 {
				t.Errorf("%q: %v, %v", what, rows, err)
			}
		}
	})
}

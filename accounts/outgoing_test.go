package accounts_test

import (
	"testing"

	"colporteur/accounts"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
)

func TestAMembersAnswerAboutLargeMailIsKept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := &accounts.Service{DB: db}
		if err := s.AddDomain(t.Context(), "home.test"); err != nil {
			t.Fatal(err)
		}
		m, err := s.AddMember(t.Context(), accounts.NewMember{Address: mail.MustAddress("ann@home.test")})
		if err != nil {
			t.Fatal(err)
		}
		want := func(answer string, limit int64) {
			t.Helper()
			if err := db.Read(t.Context(), func(tx *store.Tx) error {
				a, l, err := s.Outgoing(t.Context(), tx, m.ID)
				if a != answer || l != limit {
					t.Errorf("%s %d, want %s %d", a, l, answer, limit)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		}
		set := func(u mail.UserID, answer string, limit int64) error {
			return db.Write(t.Context(), func(tx *store.Tx) error { return s.SetOutgoing(t.Context(), tx, u, answer, limit) })
		}
		want(accounts.OutgoingAsk, 0)
		if err := set(m.ID, accounts.OutgoingYes, 5<<30); err != nil {
			t.Fatal(err)
		}
		want(accounts.OutgoingYes, 5<<30)
		if err := set(m.ID, "", -1); err != nil {
			t.Fatal(err)
		}
		want(accounts.OutgoingYes, 5<<30)
		if err := set(m.ID, "perhaps", -1); !mail.Is(err, mail.BadContent) {
			t.Errorf("an answer that is none: %v", err)
		}
		if err := set(m.ID+1, "no", -1); !mail.Is(err, mail.NotFound) {
			t.Errorf("nobody's answer: %v", err)
		}
	})
}

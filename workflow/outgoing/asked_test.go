package outgoing_test

import (
	"strings"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/store"
	"colporteur/store/queue"
	"colporteur/store/storetest"
	"colporteur/workflow/outgoing"
	"colporteur/workflow/workflowtest"
)

// reply is Ann's answer to a mail of ours.
func reply(h *workflowtest.House, m workflowtest.Sent, text string) {
	h.Send(workflowtest.Mail{To: []string{strings.Trim(m.Header.Get("Reply-To"), "<>")}, Subject: "Re: " + m.Subject, Text: text})
}

func TestTheFirstLargeMailWaitsForTheMembersYes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := workflowtest.New(t, db)
		movie := film(3_000_000)
		for range 2 { // the second waits for the same answer
			if err := submit(t, h, thunderbird(movie), "bob@far.test"); err != nil {
				t.Fatal(err)
			}
		}
		question := h.One(workflowtest.Ann.Address)
		for _, s := range []string{"Le film", "Noël.mp4", "OUI", "48 heures"} {
			if !strings.Contains(question.Text, s) {
				t.Errorf("the question lacks %q:\n%s", s, question.Text)
			}
		}
		if n := len(sent(t, h)); n != 0 {
			t.Fatalf("%d mails left unasked", n)
		}
		h.Move(time.Hour)
		if _, err := h.Messages.Sweep(t.Context(), 0); err != nil { // what waits is not swept
			t.Fatal(err)
		}
		reply(h, question, "Oui, merci")
		mails := sent(t, h)
		if len(mails) != 2 || len(mails[0].raw) > 40_000 || mails[0].raw == mails[1].raw {
			t.Fatalf("%d mails left after the yes", len(mails))
		}
		if n := h.Count(`SELECT count(*) FROM blob WHERE size > 1000000`); n != 1 {
			t.Errorf("%d large blobs: the same file twice is one", n)
		}
		h.Mails(workflowtest.Ann.Address)
		if err := submit(t, h, thunderbird(film(3_100_000)), "bob@far.test"); err != nil {
			t.Fatal(err)
		}
		if n := len(sent(t, h)); n != 3 {
			t.Errorf("%d mails left: the next one must not ask again", n)
		}
		reply(h, question, "Non")
		if n := h.Count(`SELECT count(*) FROM outgoing_held`); n != 0 || len(sent(t, h)) != 3 {
			t.Error("a second answer did something")
		}
	})
}

func TestNoAndSilenceReturnTheMailInWords(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := workflowtest.New(t, db)
		raw := thunderbird(film(3_000_000))
		if err := submit(t, h, raw, "bob@far.test"); err != nil {
			t.Fatal(err)
		}
		h.One(workflowtest.Ann.Address)
		h.Move(47 * time.Hour)
		if err := h.Questions.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.None()
		h.Move(2 * time.Hour)
		if err := h.Questions.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.Settle()
		late := h.One(workflowtest.Ann.Address)
		if !strings.Contains(late.Text, "48 heures") || !strings.Contains(late.Text, "bob@far.test") || late.Header.Get("In-Reply-To") != "<1@phone.test>" {
			t.Errorf("returned with:\n%s", late.Text)
		}

		if err := submit(t, h, raw, "bob@far.test"); err != nil { // silence is no answer: asked again
			t.Fatal(err)
		}
		reply(h, h.One(workflowtest.Ann.Address), "NON")
		var words string
		for _, m := range h.Mails(workflowtest.Ann.Address) {
			words += m.Text
		}
		if !strings.Contains(words, "envoi@home.test") || !strings.Contains(words, "pas parti") {
			t.Errorf("after no:\n%s", words)
		}
		if n := len(sent(t, h)); n != 0 {
			t.Errorf("%d mails left", n)
		}
		if n := h.Count(`SELECT count(*) FROM outgoing_held`) + h.Count(`SELECT count(*) FROM blob WHERE size > 1000000`); n != 0 {
			t.Errorf("%d rows are left of mails that were returned", n)
		}
	})
}

func TestTheOperatorsYesSendsWhatWaits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := workflowtest.New(t, db)
		if err := submit(t, h, thunderbird(film(3_000_000)), "bob@far.test"); err != nil {
			t.Fatal(err)
		}
		if err := h.Outgoing.Set(t.Context(), workflowtest.Ann.ID, outgoing.Yes, -1); err != nil {
			t.Fatal(err)
		}
		h.Settle()
		if n := len(sent(t, h)); n != 1 {
			t.Errorf("%d mails left", n)
		}
	})
}

func TestAJobThatIsKilledBeforeItsEndLeavesNothingAndSendsOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := workflowtest.New(t, db)
		if err := submit(t, h, thunderbird(film(3_000_000)), "bob@far.test", "claire@loin.test"); err != nil {
			t.Fatal(err)
		}
		h.Mails(workflowtest.Ann.Address)
		j := &queue.Job{ID: 1, Kind: delivery.JobOutgoing, Attempts: 1}
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT payload FROM outgoing_held`).Scan(&j.Payload)
		}); err != nil {
			t.Fatal(err)
		}
		if err := h.Outgoing.Settings.SetOutgoing(t.Context(), nil, workflowtest.Ann.ID, outgoing.Yes, -1); err != nil {
			t.Fatal(err)
		}
		for range 3 { // its effects are in the transaction that ends it, which these never reach
			h.Outgoing.Work(t.Context(), j)
		}
		if n := len(sent(t, h)) + h.Count(`SELECT count(*) FROM transfer`) + h.Count(`SELECT count(*) FROM link WHERE kind = 'transfer'`); n != 0 {
			t.Errorf("%d things of jobs that did not end", n)
		}
		h.None()
		if err := h.Outgoing.Set(t.Context(), workflowtest.Ann.ID, outgoing.Yes, -1); err != nil {
			t.Fatal(err)
		}
		h.Settle()
		if n := len(sent(t, h)); n != 2 {
			t.Errorf("%d mails left, want one for each recipient", n)
		}
		if n := h.Count(`SELECT count(*) FROM transfer`); n != 1 {
			t.Errorf("%d transfers", n)
		}
	})
}

func TestARemovedMembersHeldMailIsForgotten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := workflowtest.New(t, db)
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO member (id, account, address, name, lang, plan, password, salt, suspended, created)
				VALUES ($1, $2, 'ann@home.test', '', 'fr', '', '', $3, 0, 0)`, int64(workflowtest.Ann.ID), int64(workflowtest.Ann.Account), []byte{1})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := submit(t, h, thunderbird(film(3_000_000)), "bob@far.test"); err != nil {
			t.Fatal(err)
		}
		if err := db.Write(t.Context(), func(tx *store.Tx) error { return h.Outgoing.Removed(t.Context(), tx, workflowtest.Ann.Account) }); err != nil {
			t.Fatal(err)
		}
		if n := h.Count(`SELECT count(*) FROM outgoing_held`) + h.Count(`SELECT count(*) FROM message`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

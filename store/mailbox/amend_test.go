package mailbox_test

import (
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

func TestAMailThatIsAmendedKeepsItsPlaceDateAndFlags(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		p := h.deliver("INBOX", letter, flagged(`\Seen`, "$garde"))
		was := h.entries("INBOX")[0]
		amend := func(email mailbox.EmailID) (got mailbox.Placed, err error) {
			d, in, err := h.prepare(ctx, mime("Subject: anders", "less"))
			h.must(err)
			err = h.DB.Write(ctx, func(tx *store.Tx) error {
				fresh := *d
				if err := h.Messages.Insert(ctx, tx, &fresh); err != nil {
					return err
				}
				in.Message = fresh.ID
				got, err = h.Amend(ctx, tx, h.account, email, *in, mailbox.Spot{Mailbox: p.Mailbox, UID: p.UID})
				return err
			})
			return got, err
		}
		_, err := amend(was.Email + 1)
		h.wantKind(err, mail.Gone, "another mail there")
		got, err := amend(was.Email)
		h.must(err)
		list := h.entries("INBOX")
		if len(list) != 1 || list[0].UID != got.UID || got.UID == was.UID || !list[0].Date.Equal(was.Date) || brief(list)[1:] == "" || len(list[0].Flags) != 2 {
			t.Errorf("%s, was %s", brief(list), brief([]mailbox.Entry{was}))
		}
		if n := h.usage(); n != list[0].Size {
			t.Errorf("%d octets are used, the one mail has %d", n, list[0].Size)
		}
		_, err = amend(was.Email)
		h.wantKind(err, mail.Gone, "no mail there any more")
	})
}

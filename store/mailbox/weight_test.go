package mailbox_test

import (
	"testing"

	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

func shows(in *mailbox.Incoming) { in.Shows = true }

func TestWhatAProgramShowsTakesNoRoomUntilItIsPutAmongTheMails(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		hire(h)
		ctx := t.Context()
		want := func(when string, n int64) {
			t.Helper()
			if got := h.usage(); got != n {
				t.Errorf("%s: %d octets are used, want %d", when, got, n)
			}
		}
		mail := h.deliver("INBOX", letter)
		one := h.usage()
		photo := h.deliver("Desk", letter, shows)
		want("shown", one)
		desk, inbox, low, trash := h.box("Desk").ID, h.box("INBOX").ID, h.box("Shelf/Low").ID, h.box("Trash").ID

		_, dst, _, err := h.Copy(ctx, desk, []mailbox.UID{photo.UID}, low)
		h.must(err)
		want("copied to another program's", one)
		_, err = h.Expunge(ctx, low, dst, false)
		h.must(err)
		want("and away from there", one)

		_, dst, _, err = h.Copy(ctx, desk, []mailbox.UID{photo.UID}, inbox)
		h.must(err)
		want("copied among the mails", 2*one)
		_, dst, _, err = h.Move(ctx, inbox, dst, trash)
		h.must(err)
		want("moved there", 2*one)
		_, dst, _, err = h.Move(ctx, trash, dst, desk)
		h.must(err)
		want("put back", one)
		_, dst, _, err = h.Move(ctx, desk, []mailbox.UID{photo.UID}, trash)
		h.must(err)
		want("one of two moved away", 2*one)
		_, err = h.Expunge(ctx, trash, dst, false)
		h.must(err)
		want("and expunged, while the program's mailbox has it", 2*one)
		_, err = h.Expunge(ctx, desk, nil, false) // none is marked
		h.must(err)
		var left []mailbox.UID
		for _, e := range h.entries("Desk") {
			left = append(left, e.UID)
		}
		_, err = h.Expunge(ctx, desk, left, false)
		h.must(err)
		want("gone", one)

		// A mail that goes through a program's mailbox is a mail all the time.
		_, dst, _, err = h.Move(ctx, inbox, []mailbox.UID{mail.UID}, desk)
		h.must(err)
		want("a mail in the program's mailbox", one)
		_, err = h.Expunge(ctx, desk, dst, false)
		h.must(err)
		want("and gone from there", 0)

		again := h.deliver("Desk", letter, shows)
		_, err = h.Expunge(ctx, desk, []mailbox.UID{again.UID}, false)
		h.must(err)
		want("shown, and taken off", 0)
	})
}

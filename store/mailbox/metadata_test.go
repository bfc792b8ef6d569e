package mailbox_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

func (v *village) note(box mailbox.ID, viewer mail.AccountID, entry, value string) error {
	return v.SetNotes(v.Context(), box, viewer, 7, []mailbox.SetNote{{Entry: entry, Value: &value}})
}

func (v *village) notes(box mailbox.ID, viewer mail.AccountID, depth mailbox.NoteDepth, entries ...string) string {
	v.Helper()
	list, err := v.Notes(v.Context(), box, viewer, entries, depth)
	v.must(err)
	var out []string
	for _, n := range list {
		out = append(out, n.Entry+"="+n.Value)
	}
	return strings.Join(out, " ")
}

func TestPrivateNotesAreTheirWritersAndSharedOnesAreAllReaders(t *testing.T) {
	inVillage(t, func(v *village) {
		box := v.box("INBOX").ID
		v.must(v.note(box, 7, "/private/comment", "ann's"))
		v.must(v.note(box, 8, "/private/comment", "bob's"))
		v.must(v.note(box, 8, "/shared/comment", "\x00\xff octets"))
		v.must(v.note(box, 8, "/private/vendor/x/colour", "red"))
		for _, c := range []struct {
			viewer mail.AccountID
			depth  mailbox.NoteDepth
			entry  string
			want   string
		}{
			{7, mailbox.DepthZero, "/private/comment", "/private/comment=ann's"},
			{8, mailbox.DepthZero, "/private/comment", "/private/comment=bob's"},
			{9, mailbox.DepthZero, "/private/comment", ""},
			{9, mailbox.DepthZero, "/shared/comment", "/shared/comment=\x00\xff octets"},
			{8, mailbox.DepthZero, "/private/vendor", ""},
			{8, mailbox.DepthOne, "/private/vendor", ""},
			{8, mailbox.DepthOne, "/private", "/private/comment=bob's"},
			{8, mailbox.DepthAll, "/private", "/private/comment=bob's /private/vendor/x/colour=red"},
			{8, mailbox.DepthAll, "/private/vend", ""},
		} {
			if got := v.notes(box, c.viewer, c.depth, c.entry); got != c.want {
				v.Errorf("%d asks for %s: %q, want %q", c.viewer, c.entry, got, c.want)
			}
		}
		v.must(v.SetNotes(v.Context(), box, 8, 7, []mailbox.SetNote{{Entry: "/private/comment"}}))
		if got := v.notes(box, 8, mailbox.DepthAll, "/private", "/shared"); got != "/private/vendor/x/colour=red /shared/comment=\x00\xff octets" {
			v.Errorf("left %q", got)
		}
		if got := v.notes(0, 8, mailbox.DepthAll, "/private", "/shared"); got != "" {
			v.Errorf("the server has %q", got)
		}
	})
}

func TestNotesTakeBoundedSpaceAndAreSetAllOrNone(t *testing.T) {
	inVillage(t, func(v *village) {
		box := v.box("INBOX").ID
		if err := v.note(box, 7, "/private/x", strings.Repeat("x", mailbox.MaxNote+1)); !errors.Is(err, mailbox.ErrBigNote) {
			v.Errorf("a large one: %v", err)
		}
		var many []mailbox.SetNote
		small := "x"
		for i := range 201 {
			many = append(many, mailbox.SetNote{Entry: fmt.Sprint("/private/", i), Value: &small})
		}
		if err := v.SetNotes(v.Context(), box, 7, 7, many); !errors.Is(err, mailbox.ErrManyNotes) {
			v.Errorf("many: %v", err)
		}
		if got := v.notes(box, 7, mailbox.DepthAll, "/private"); got != "" {
			v.Errorf("some were set: %.40q", got)
		}
		v.must(v.SetNotes(v.Context(), box, 7, 7, many[:200]))
		var err error
		big := strings.Repeat("x", mailbox.MaxNote)
		for i := 0; err == nil && i < 1000; i++ {
			err = v.note(v.create(fmt.Sprint("b", i)).ID, 8, "/shared/x", big)
		}
		if !errors.Is(err, mailbox.ErrManyNotes) {
			v.Errorf("the space has no end: %v", err)
		}
		v.wantKind(v.note(99, 7, "/private/x", "x"), mail.NotFound, "a mailbox that is not there")
	})
}

func TestNamesOfEntriesHaveOneSpelling(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/Private/Comment": "/private/comment", "/shared": "/shared", "/private": "/private", "comment": "", "/other/x": "", "/privatex": "",
		"/private//x": "", "/private/x/": "", "/private/*": "", "/private/%": "", "/private/é": "", "/private/\x00": "",
		"/private/" + strings.Repeat("x", 300): "",
	} {
		if got := mailbox.EntryName(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

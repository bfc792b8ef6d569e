package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
)

// clerk is a program that writes down what it is told, in the database, and
// does what a test wants of it. It is set up before the commands begin.
type clerk struct {
	fail  string // the beginning of the notes after which it says with
	with  error
	react func(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, what string, mails []mailbox.Entry) error
}

var _ mailbox.Program = (*clerk)(nil)

func (c *clerk) note(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, mails []mailbox.Entry, what string) error {
	line := fmt.Sprintf("%s: %s", box.Name, what)
	if mails != nil {
		line += " " + brief(mails)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO clerk (n, line) SELECT count(*), $1 FROM clerk`, line); err != nil {
		return err
	}
	if c.fail != "" && strings.HasPrefix(line, c.fail) {
		return c.with
	}
	if c.react != nil {
		return c.react(ctx, tx, box, what, mails)
	}
	return nil
}

var hows = []string{"appended", "copied", "moved", "expunged", "removed"}

func (c *clerk) Arrive(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, how mailbox.How, mails []mailbox.Entry) error {
	return c.note(ctx, tx, box, mails, "arrive "+hows[how])
}

func (c *clerk) Leave(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, how mailbox.How, mails []mailbox.Entry, to mailbox.ID) error {
	what := "leave " + hows[how]
	if to != 0 {
		var name string
		if err := tx.QueryRow(ctx, `SELECT name FROM mailbox WHERE id = $1`, int64(to)).Scan(&name); err != nil {
			return err
		}
		what += " to " + name
	}
	return c.note(ctx, tx, box, mails, what)
}

func (c *clerk) Mark(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, mails []mailbox.Entry, deleted bool) error {
	return c.note(ctx, tx, box, mails, fmt.Sprint("mark ", deleted))
}

func (c *clerk) Rename(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, from string) error {
	return c.note(ctx, tx, box, nil, "renamed from "+from)
}

func (c *clerk) Delete(ctx context.Context, tx *store.Tx, box mailbox.Mailbox) error {
	return c.note(ctx, tx, box, nil, fmt.Sprintf("delete %d mails", box.Total))
}

// hire puts a clerk behind "Desk" and "Shelf/Low".
func hire(h *house) *clerk {
	h.Helper()
	c := &clerk{}
	h.Programs = map[string]mailbox.Program{"clerk": c}
	h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(h.Context(), `CREATE TABLE clerk (n BIGINT NOT NULL, line TEXT NOT NULL)`)
		return err
	}))
	h.program("Desk", "clerk", 41)
	h.program("Shelf/Low", "clerk", 42)
	return c
}

func (h *house) program(name, program string, ref int64) (id mailbox.ID) {
	h.Helper()
	h.must(h.DB.Write(h.Context(), func(tx *store.Tx) (err error) {
		id, err = h.CreateProgram(h.Context(), tx, h.account, name, program, ref)
		return err
	}))
	return id
}

// noted is what the clerk wrote since the last time.
func (h *house) noted() (lines []string) {
	h.Helper()
	h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error {
		lines = nil
		rows, err := tx.Query(h.Context(), `SELECT line FROM clerk ORDER BY n`)
		if err := store.Each(rows, err, func(scan func(...any) error) error {
			var l string
			err := scan(&l)
			lines = append(lines, l)
			return err
		}); err != nil {
			return err
		}
		_, err = tx.Exec(h.Context(), `DELETE FROM clerk`)
		return err
	}))
	return lines
}

func (h *house) wantNoted(want ...string) {
	h.Helper()
	if got := h.noted(); !slices.Equal(got, want) {
		h.Errorf("the program was told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// everything is all rows that a command may touch.
func (h *house) everything() string {
	h.Helper()
	var b strings.Builder
	h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error {
		for _, q := range []string{
			`clerk ORDER BY n`, `mailbox ORDER BY id`, `mailbox_account ORDER BY account`, `placement ORDER BY mailbox, uid`,
			`tombstone ORDER BY mailbox, uid`, `email ORDER BY id`, `subscription ORDER BY account, name`, `message ORDER BY id`,
		} {
			rows, err := tx.Query(h.Context(), `SELECT * FROM `+q)
			if err != nil {
				return err
			}
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			row := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range row {
				into[i] = &row[i]
			}
			if err := store.Each(rows, nil, func(scan func(...any) error) error {
				err := scan(into...)
				fmt.Fprintf(&b, "%s %v\n", strings.Fields(q)[0], row)
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	}))
	return b.String()
}

// route is one way to change a program's mailbox. before makes what it needs
// and is over when do begins.
type route struct {
	name   string
	before func(h *house)
	do     func(h *house) error
	told   []string
}

func full(name string, flags ...string) func(*house) {
	return func(h *house) { h.Helper(); h.deliver(name, letter, flagged(flags...)); h.deliver(name, letter) }
}

func transfer(f func(h *house) copyFunc, from, to string) func(*house) error {
	return func(h *house) error {
		_, _, _, err := f(h)(h.Context(), h.box(from).ID, []mailbox.UID{1, 2}, h.box(to).ID)
		return err
	}
}

func copying(h *house) copyFunc { return h.Copy }
func moving(h *house) copyFunc  { return h.Move }

func marking(flag string, op mailbox.FlagOp) func(*house) error {
	return func(h *house) error {
		_, _, err := h.SetFlags(h.Context(), h.box("Desk").ID, []mailbox.UID{1, 2}, op, []string{flag}, 0)
		return err
	}
}

var routes = []route{
	{"mail", nil, func(h *house) error {
		_, err := h.tryDeliver(h.Context(), h.account, h.box("Desk").ID, letter, flagged(`\Seen`))
		return err
	}, []string{`Desk: arrive appended 1[\Seen]`}},
	{"copy in", full("INBOX", `\Seen`), transfer(copying, "INBOX", "Desk"), []string{`Desk: arrive copied 1[\Seen] 2[]`}},
	{"move in", full("INBOX", `\Seen`), transfer(moving, "INBOX", "Desk"), []string{`Desk: arrive moved 1[\Seen] 2[]`}},
	{"move out", full("Desk", `\Seen`), transfer(moving, "Desk", "Trash"), []string{`Desk: leave moved to Trash 1[\Seen] 2[]`}},
	{"move across", full("Desk"), transfer(moving, "Desk", "Shelf/Low"),
		[]string{"Desk: leave moved to Shelf/Low 1[] 2[]", "Shelf/Low: arrive moved 1[] 2[]"}},
	{"move within", full("Desk"), transfer(moving, "Desk", "Desk"), []string{"Desk: leave moved to Desk 1[] 2[]", "Desk: arrive moved 3[] 4[]"}},
	{"expunge", full("Desk", `\Deleted`), func(h *house) error {
		_, err := h.Expunge(h.Context(), h.box("Desk").ID, nil, true)
		return err
	}, []string{`Desk: leave expunged 1[\Deleted]`}},
	{"delete", full("Desk", `\Deleted`), marking(`\Deleted`, mailbox.AddFlags), []string{`Desk: mark true 2[\Deleted]`}},
	{"undelete", full("Desk", `\Deleted`), marking(`\Deleted`, mailbox.RemoveFlags), []string{`Desk: mark false 1[]`}},
	{"replace flags", full("Desk", `\Deleted`), marking(`\Seen`, mailbox.ReplaceFlags), []string{`Desk: mark false 1[\Seen]`}},
	{"rename", nil, func(h *house) error { return h.Rename(h.Context(), h.account, "Desk", "Table") }, []string{"Table: renamed from Desk"}},
	{"rename above", nil, func(h *house) error { return h.Rename(h.Context(), h.account, "Shelf", "A/B") },
		[]string{"A/B/Low: renamed from Shelf/Low"}},
	{"remove", full("Desk"), func(h *house) error { return h.Remove(h.Context(), h.account, "Desk") },
		[]string{"Desk: leave removed 1[] 2[]", "Desk: delete 0 mails"}},
}

func (r route) begin(h *house) *clerk {
	h.Helper()
	c := hire(h)
	if r.before != nil {
		r.before(h)
		h.noted()
	}
	return c
}

func TestAProgramIsToldOfEachWayInAndOut(t *testing.T) {
	for _, r := range routes {
		t.Run(r.name, func(t *testing.T) {
			each(t, func(h *house) {
				r.begin(h)
				h.must(r.do(h))
				h.wantNoted(r.told...)
			})
		})
	}
}

func TestARefusalLeavesAllAsItWas(t *testing.T) {
	no := mail.Refuse(mail.Policy, "mailbox-inbox-stays")
	for _, r := range routes {
		t.Run(r.name, func(t *testing.T) {
			each(t, func(h *house) {
				c := r.begin(h)
				before := h.everything()
				same := func(what string) {
					h.Helper()
					if after := h.everything(); after != before {
						h.Errorf("after %s there is\n%s\nbefore there was\n%s", what, after, before)
					}
				}
				for _, told := range r.told { // each of them may be the one that is refused
					c.fail, c.with = told, no
					err := r.do(h)
					h.wantKind(err, mail.Policy, "refused "+told)
					if e := (*mail.Error)(nil); !errors.As(err, &e) || e.Text.ID != "mailbox-inbox-stays" {
						h.Errorf("the sentence is lost: %v", err)
					}
					same("a refusal of " + told)
					c.with = errors.New("broken")
					if err := r.do(h); err == nil || mail.KindOf(err) != mail.Internal {
						h.Errorf("a failure at %s: %v", told, err)
					}
					same("a failure at " + told)
				}
				h.Programs = nil
				err := r.do(h)
				h.wantKind(err, mail.Unavailable, "no program")
				if e := (*mail.Error)(nil); !errors.As(err, &e) || e.Text.ID != "mailbox-program-away" {
					h.Errorf("without the program there is no sentence: %v", err)
				}
				same("a change without its program")
				// What was refused can be done later.
				h.Programs, c.fail = map[string]mailbox.Program{"clerk": c}, ""
				h.must(r.do(h))
				h.wantNoted(r.told...)
			})
		})
	}
}

// TestAProgramReplacesWhatCame is an album: a mail is filed under the UID that
// the client is told of, and gives way to one for each photo.
func TestAProgramReplacesWhatCame(t *testing.T) {
	each(t, func(h *house) {
		c := hire(h)
		c.react = func(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, what string, mails []mailbox.Entry) error {
			for _, m := range mails {
				if err := h.Withdraw(ctx, tx, box.ID, []mailbox.UID{m.UID}); err != nil {
					return err
				}
				for range 3 {
					if _, err := h.Append(ctx, tx, box.Account, box.ID, &mailbox.Incoming{Message: m.Message, Size: 10, Date: m.Date}); err != nil {
						return err
					}
				}
			}
			return nil
		}
		seen, err := h.Snapshot(h.Context(), h.box("Desk").ID)
		h.must(err)
		p := h.deliver("Desk", letter)
		if p.UID != 1 {
			h.Errorf("the mail was filed as %d", p.UID)
		}
		h.wantNoted("Desk: arrive appended 1[]")
		if got := brief(h.entries("Desk")); got != "2[] 3[] 4[]" {
			h.Errorf("there is %s", got)
		}
		if m := h.box("Desk"); m.Total != 3 || m.Unseen != 3 || m.Size != 30 || h.usage() != 30 {
			h.Errorf("counted as %+v, %d octets used", m, h.usage())
		}
		changed, vanished, _, err := h.Changed(h.Context(), h.box("Desk").ID, seen.Mailbox().HighestMod)
		h.must(err)
		if brief(changed) != "2[] 3[] 4[]" || !slices.Equal(vanished, []mailbox.UID{1}) {
			h.Errorf("a session is told of %v and without %v", changed, vanished)
		}
		now, err := h.Snapshot(h.Context(), h.box("Desk").ID)
		h.must(err)
		if now.Len() != 3 {
			h.Errorf("a session sees %d mails", now.Len())
		}
		gone, err := h.Expunged(h.Context(), h.box("Desk").ID, []mailbox.UID{1})
		h.must(err)
		if len(gone) != 1 || gone[0].Email != p.Email {
			h.Errorf("the mail that gave way is %v", gone)
		}
	})
}

// TestAProgramKnowsAgainWhatItLost is a transfer: its mail is thrown away, which
// revokes it, and is taken out of the trash again.
func TestAProgramKnowsAgainWhatItLost(t *testing.T) {
	each(t, func(h *house) {
		c := hire(h)
		p := h.deliver("Desk", letter)
		var met []mailbox.Entry
		var ref int64
		c.react = func(_ context.Context, _ *store.Tx, box mailbox.Mailbox, what string, mails []mailbox.Entry) error {
			if ref = box.Ref; strings.HasPrefix(what, "leave") {
				met = nil
			}
			met = append(met, mails...)
			return nil
		}
		h.must(transfer(moving, "Desk", "Trash")(h))
		h.must(transfer(moving, "Trash", "Desk")(h))
		if len(met) != 2 || met[0].Email != p.Email || met[1].Email != p.Email || met[0].Message != met[1].Message || ref != 41 {
			h.Errorf("mail %d of %d left and came back as %+v", p.Email, ref, met)
		}
	})
}

func TestProgramsThatUseEachOtherDoNotGoInCircles(t *testing.T) {
	each(t, func(h *house) {
		c := hire(h)
		other := map[string]mailbox.ID{"Desk": h.box("Shelf/Low").ID, "Shelf/Low": h.box("Desk").ID}
		c.react = func(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, _ string, mails []mailbox.Entry) error {
			_, err := h.Append(ctx, tx, box.Account, other[box.Name], &mailbox.Incoming{Message: mails[0].Message, Size: 10})
			return err
		}
		h.deliver("Desk", letter)
		h.wantNoted("Desk: arrive appended 1[]", "Shelf/Low: arrive appended 1[]")
		if got := brief(h.entries("Desk")); got != "1[] 2[]" {
			h.Errorf("on the desk: %s", got)
		}
	})
}

func TestAMailToSeveralIsFiledWhereAllTakeItOrNowhere(t *testing.T) {
	each(t, func(h *house) {
		c := hire(h)
		c.fail, c.with = "Desk: arrive", mail.Refuse(mail.Policy, "mailbox-inbox-stays")
		d, in, err := h.prepare(h.Context(), letter)
		h.must(err)
		before := h.everything()
		boxes := []mailbox.ID{h.box("INBOX").ID, h.box("Desk").ID, h.box("Junk").ID}
		file := func() error {
			return h.DB.Write(h.Context(), func(tx *store.Tx) error {
				if err := h.Messages.Insert(h.Context(), tx, d); err != nil {
					return err
				}
				in.Message = d.ID
				for _, box := range boxes {
					if _, err := h.Append(h.Context(), tx, h.account, box, in); err != nil {
						return err
					}
				}
				return nil
			})
		}
		h.wantKind(file(), mail.Policy, "a mail to several")
		if after := h.everything(); after != before {
			h.Errorf("there is\n%s\nthere was\n%s", after, before)
		}
		c.fail = ""
		h.must(file())
		h.wantNoted("Desk: arrive appended 1[]")
	})
}

func TestWhatAProgramBeginsItselfIsNotToldToIt(t *testing.T) {
	each(t, func(h *house) {
		hire(h)
		desk := h.box("Desk").ID
		ctx := mailbox.Acting(h.Context(), desk)
		p, err := h.tryDeliver(ctx, h.account, desk, letter)
		h.must(err)
		_, _, err = h.SetFlags(ctx, desk, []mailbox.UID{p.UID}, mailbox.AddFlags, []string{`\Deleted`}, 0)
		h.must(err)
		withdraw := func(ctx context.Context, uid mailbox.UID) {
			h.must(h.DB.Write(ctx, func(tx *store.Tx) error { return h.Withdraw(ctx, tx, desk, []mailbox.UID{uid, 99}) }))
		}
		withdraw(ctx, p.UID)
		withdraw(ctx, p.UID) // it is gone already
		h.must(h.Rename(ctx, h.account, "Desk", "Table"))
		h.must(h.Rename(ctx, h.account, "Table", "Desk"))
		h.wantNoted()
		// Others are: a program acts for its own mailbox alone.
		_, err = h.tryDeliver(ctx, h.account, h.box("Shelf/Low").ID, letter)
		h.must(err)
		p = h.deliver("Desk", letter)
		withdraw(h.Context(), p.UID)
		h.wantNoted("Shelf/Low: arrive appended 1[]", "Desk: arrive appended 2[]", "Desk: leave expunged 2[]")
	})
}

func TestAProgramIsNotToldOfWhatChangesNothing(t *testing.T) {
	each(t, func(h *house) {
		hire(h)
		full("Desk", `\Deleted`)(h)
		h.noted()
		desk := h.box("Desk").ID
		_, _, err := h.SetFlags(h.Context(), desk, []mailbox.UID{1, 2}, mailbox.AddFlags, []string{`\Seen`}, 0)
		h.must(err)
		_, _, err = h.SetFlags(h.Context(), desk, []mailbox.UID{1}, mailbox.AddFlags, []string{`\Deleted`}, 0)
		h.must(err)
		_, err = h.Expunge(h.Context(), desk, []mailbox.UID{2}, true)
		h.must(err)
		_, _, _, err = h.Move(h.Context(), desk, []mailbox.UID{77}, h.box("Shelf/Low").ID)
		h.must(err)
		_, _, _, err = h.Copy(h.Context(), desk, []mailbox.UID{1}, h.box("Trash").ID)
		h.must(err)
		h.wantNoted()
	})
}

// TestWordsOfAProgramAreAboutTheProgram: NotFound would make clients create the
// mailbox and try again.
func TestWordsOfAProgramAreAboutTheProgram(t *testing.T) {
	each(t, func(h *house) {
		c := hire(h)
		for from, to := range map[mail.Kind]mail.Kind{
			mail.NotFound: mail.Policy, mail.Forbidden: mail.Policy, mail.Conflict: mail.Policy, mail.Gone: mail.Policy,
			mail.NoSuchUser: mail.Policy, mail.Policy: mail.Policy, mail.OverQuota: mail.OverQuota, mail.TooBig: mail.TooBig,
			mail.Unavailable: mail.Unavailable,
		} {
			c.fail, c.with = "Desk", mail.Refuse(from, "mailbox-inbox-stays")
			_, err := h.tryDeliver(h.Context(), h.account, h.box("Desk").ID, letter)
			h.wantKind(err, to, fmt.Sprintf("kind %d", from))
		}
	})
}

func TestAProgramsMailboxIsMadeOnceUnderAName(t *testing.T) {
	each(t, func(h *house) {
		hire(h)
		if m := h.box("Shelf/Low"); m.Program != "clerk" || m.Ref != 42 || h.box("Shelf").Program != "" {
			h.Errorf("made as %+v in %+v", m, h.box("Shelf"))
		}
		before := h.everything()
		for name, kind := range map[string]mail.Kind{"Desk": mail.Conflict, "inbox": mail.Conflict, "a//b": mail.BadSyntax, "": mail.BadSyntax} {
			h.wantKind(h.DB.Write(h.Context(), func(tx *store.Tx) error {
				_, err := h.CreateProgram(h.Context(), tx, h.account, name, "clerk", 1)
				return err
			}), kind, name)
		}
		if h.everything() != before {
			h.Error("a refused name left something")
		}
		// A mailbox that a member makes inside is a plain one.
		if m := h.create("Desk/Mine"); m.Program != "" || m.Ref != 0 {
			h.Errorf("made as %+v", m)
		}
		h.wantNoted()
	})
}

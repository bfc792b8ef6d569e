// Package office keeps what the volunteers who run a host decide, with a record
// of each thing they do.
package office

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"colporteur/mail"
	"colporteur/store"
)

// Service is the office of one host. Every node reads the same.
type Service struct {
	DB  *store.DB
	Now func() time.Time // nil is time.Now
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Settings are what can change while the host runs.
type Settings struct {
	Name    string // of the association
	Contact string // one line: whom to ask, and how
	Front   Words  // shown at /
	Help    Words  // shown to members, at / too
	Lang    string // of new members: "fr" or "en"
	Quota   int64  // of new members, bytes; 0 is no limit
	Step    int    // of the guided set-up that comes next; Steps+1 when it is over
}

// Words are a text in both languages; where one is empty the other serves.
type Words struct{ FR, EN string }

// In is the text for a reader of lang.
func (w Words) In(lang string) string {
	if lang == "en" && w.EN != "" || w.FR == "" {
		return w.EN
	}
	return w.FR
}

// Steps is how many the guided set-up has.
const Steps = 4

const (
	maxLine  = 200  // runes
	maxWords = 4000 // runes of one text: a form is 64 KiB at most
)

// keys are the rows of the table, each with its place in Settings.
func (c *Settings) keys() map[string]*string {
	return map[string]*string{"name": &c.Name, "contact": &c.Contact, "front.fr": &c.Front.FR, "front.en": &c.Front.EN,
		"help.fr": &c.Help.FR, "help.en": &c.Help.EN, "lang": &c.Lang}
}

// Settings reads them.
func (s *Service) Settings(ctx context.Context) (Settings, error) {
	c := Settings{Lang: "fr", Step: 1}
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT key, value FROM site`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var key, value string
			if err := scan(&key, &value); err != nil {
				return err
			}
			switch at := c.keys()[key]; {
			case at != nil:
				*at = value
			case key == "quota":
				c.Quota, err = strconv.ParseInt(value, 10, 64)
			case key == "step":
				c.Step, err = strconv.Atoi(value)
			}
			return err
		})
	})
	return c, err
}

// Change lets f change the settings, in one transaction with the act that says
// who did it. Kind BadContent: something is too long.
func (s *Service) Change(ctx context.Context, a Act, f func(*Settings)) error {
	c, err := s.Settings(ctx)
	if err != nil {
		return err
	}
	before := c
	f(&c)
	if c.Lang != "en" {
		c.Lang = "fr"
	}
	c.Name, c.Contact = strings.Join(strings.Fields(c.Name), " "), strings.Join(strings.Fields(c.Contact), " ")
	for _, line := range []string{c.Name, c.Contact} {
		if utf8.RuneCountInString(line) > maxLine {
			return mail.Refuse(mail.BadContent, "office-too-long", "Max", maxLine)
		}
	}
	for _, text := range []string{c.Front.FR, c.Front.EN, c.Help.FR, c.Help.EN} {
		if utf8.RuneCountInString(text) > maxWords {
			return mail.Refuse(mail.BadContent, "office-too-long", "Max", maxWords)
		}
	}
	if c.Quota < 0 || c.Step < 1 || c.Step > Steps+1 {
		return mail.Refuse(mail.BadContent, "office-bad-number")
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		set := func(key, value string) error {
			_, err := tx.Exec(ctx, `INSERT INTO site (key, value, changed) VALUES ($1, $2, $3)
				ON CONFLICT (key) DO UPDATE SET value = excluded.value, changed = excluded.changed`, key, store.Clean(value), store.Micros(s.now()))
			return err
		}
		was := before.keys()
		for key, now := range c.keys() {
			if *now == *was[key] { // two who change different things do not undo each other
				continue
			}
			if err := set(key, *now); err != nil {
				return err
			}
		}
		if c.Quota != before.Quota {
			if err := set("quota", strconv.FormatInt(c.Quota, 10)); err != nil {
				return err
			}
		}
		if c.Step != before.Step {
			if err := set("step", strconv.Itoa(c.Step)); err != nil {
				return err
			}
		}
		return s.note(ctx, tx, a)
	})
}

// BackedUp remembers that a backup was finished.
func (s *Service) BackedUp(ctx context.Context) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO site (key, value, changed) VALUES ('backup', '', $1)
			ON CONFLICT (key) DO UPDATE SET changed = excluded.changed`, store.Micros(s.now()))
		return err
	})
}

// LastBackup is when one was finished; zero: never.
func (s *Service) LastBackup(ctx context.Context) (time.Time, error) {
	var at int64
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT coalesce(max(changed), 0) FROM site WHERE key = 'backup'`).Scan(&at)
	})
	return store.Time(at), err
}

package transfer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
)

// All stands for every file in one, where a number of one is asked for.
const All = -1

// grantTime is how long a grant can be used: a large file over a slow line, with
// nights between.
const grantTime = 3 * 24 * time.Hour

// Grant is one press of the button: the right to take one file, or all in one.
type Grant struct {
	ID   int64
	File int // seq, or All
	Link link.Link
	View *View
}

var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Grant makes a grant. Kinds: NotFound; Policy, in words, when as many downloads
// as the owner allows were begun.
func (s *Service) Grant(ctx context.Context, by link.Visit, file int) (token string, err error) {
	raw := make([]byte, 16)
	rand.Read(raw)
	token = lower.EncodeToString(raw)
	h := sha256.Sum256([]byte(token))
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		l, err := s.Links.OpenIn(ctx, tx, by)
		if err != nil {
			return err
		}
		// Locked, so that two presses at once are counted one after the other.
		t, err := get(ctx, tx, ID(l.Thing), true)
		if err == nil {
			t, err = s.allowed(ctx, tx, link.Holder(l), link.Read, t.ID)
		}
		if errors.Is(err, store.ErrNoRows) {
			return mail.Wrap(mail.NotFound, err)
		}
		if err != nil {
			return err
		}
		fs, err := files(ctx, tx, t.ID)
		if err != nil {
			return err
		}
		if file != All && !slices.ContainsFunc(fs, func(f File) bool { return f.Seq == file }) {
			return mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d has no file %d", t.ID, file))
		}
		if most := l.Rules.Downloads; most > 0 && !l.Manage {
			n, err := s.begun(ctx, tx, t.ID)
			if err != nil {
				return err
			}
			if n >= most {
				return mail.Refuse(mail.Policy, "transfer-used-up", "Count", most)
			}
		}
		_, err = tx.Exec(ctx, `INSERT INTO transfer_grant (id, token, transfer, link, file, taken, created, counted) VALUES ($1, $2, $3, $4, $5, '', $6, 0)`,
			store.NewID(), h[:], int64(t.ID), int64(l.ID), file, store.Micros(s.now()))
		return err
	})
	return token, err
}

// begun is how many downloads guests have made. One that has not ended may still:
// it holds its place for a day.
func (s *Service) begun(ctx context.Context, tx *store.Tx, id ID) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FROM transfer_grant g JOIN link l ON l.id = g.link WHERE g.transfer = $1 AND l.manage = 0 AND (g.counted > 0 OR g.created > $2)`,
		int64(id), store.Micros(s.now().Add(-24*time.Hour))).Scan(&n)
	return n, err
}

// Granted finds a grant of a visit's own link; kind NotFound.
func (s *Service) Granted(ctx context.Context, by link.Visit, token string) (*Grant, error) {
	v, err := s.Open(ctx, by)
	if err != nil {
		return nil, err
	}
	h := sha256.Sum256([]byte(token))
	g := &Grant{Link: v.Link, View: v}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT id, file FROM transfer_grant WHERE token = $1 AND link = $2 AND created > $3`,
			h[:], int64(v.Link.ID), store.Micros(s.now().Add(-grantTime))).Scan(&g.ID, &g.File)
		if errors.Is(err, store.ErrNoRows) {
			return mail.Wrap(mail.NotFound, err)
		}
		return err
	})
	return g, err
}

// Taken notes that bytes from one to before another of size were taken under a
// grant. When all were, the download counts, once, and the owner hears of who has
// everything.
func (s *Service) Taken(ctx context.Context, g *Grant, from, to, size int64) error {
	if from >= to && size > 0 {
		return nil
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		var taken string
		var counted int64
		err := tx.QueryRow(ctx, `SELECT taken, counted FROM transfer_grant WHERE id = $1 FOR UPDATE`, g.ID).Scan(&taken, &counted)
		if errors.Is(err, store.ErrNoRows) || err == nil && counted != 0 {
			return nil // it went meanwhile, or had counted
		}
		if err != nil {
			return err
		}
		rs := merge(append(parseRanges(taken), span{from, to}))
		whole := len(rs) == 1 && rs[0] == span{0, size} || size == 0
		now := int64(0)
		if whole {
			now = store.Micros(s.now())
		}
		if _, err := tx.Exec(ctx, `UPDATE transfer_grant SET taken = $1, counted = $2 WHERE id = $3`, writeRanges(rs), now, g.ID); err != nil || !whole {
			return err
		}
		return s.fetched(ctx, tx, g)
	})
}

// fetched notes which files the holder of a link has by now.
func (s *Service) fetched(ctx context.Context, tx *store.Tx, g *Grant) error {
	t := g.View
	s.changed(tx, t.Account)
	for _, f := range t.Files {
		if g.File != All && g.File != f.Seq {
			continue
		}
		if _, err := tx.Exec(ctx, `INSERT INTO transfer_fetched (link, file, transfer, at) VALUES ($1, $2, $3, $4) ON CONFLICT (link, file) DO NOTHING`,
			int64(g.Link.ID), f.Seq, int64(t.ID), store.Micros(s.now())); err != nil {
			return err
		}
	}
	if g.Link.Manage {
		return nil // their own
	}
	var has, all int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM transfer_fetched WHERE link = $1`, int64(g.Link.ID)).Scan(&has); err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM transfer_file WHERE transfer = $1`, int64(t.ID)).Scan(&all); err != nil || has < all {
		return err
	}
	manage, err := s.manageLink(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	p := locale.For(manage.Lang)
	who := g.Link.Called()
	if g.Link.Public {
		who = p.T("transfer-somebody")
	}
	return s.Notify.Tell(ctx, tx, notify.Note{Kind: notify.Receipt, Key: name(t.ID) + "/" + strconv.FormatInt(int64(g.Link.ID), 10), Member: t.Member,
		To: manage.Person, Lang: p.Lang, From: mail.Address{Local: "envoi", Domain: manage.Person.Domain}, Link: manage.ID,
		Letter: hasAll(p, &t.Transfer, who, manage), Line: p.T("transfer-has-all", "Subject", t.Subject, "Name", who)})
}

// span is bytes from one to before another.
type span struct{ from, to int64 }

// most is how many pieces of a download are remembered: somebody who takes every
// other byte has a download that never counts.
const most = 200

func merge(rs []span) []span {
	slices.SortFunc(rs, func(a, b span) int { return int(min(max(a.from-b.from, -1), 1)) })
	var out []span
	for _, r := range rs {
		if n := len(out); n > 0 && r.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, r.to)
			continue
		}
		out = append(out, r)
	}
	return out[:min(len(out), most)]
}

func parseRanges(s string) (rs []span) {
	for part := range strings.SplitSeq(s, ",") {
		a, b, ok := strings.Cut(part, "-")
		from, err1 := strconv.ParseInt(a, 10, 64)
		to, err2 := strconv.ParseInt(b, 10, 64)
		if ok && err1 == nil && err2 == nil {
			rs = append(rs, span{from, to})
		}
	}
	return rs
}

func writeRanges(rs []span) string {
	var parts []string
	for _, r := range rs {
		parts = append(parts, strconv.FormatInt(r.from, 10)+"-"+strconv.FormatInt(r.to, 10))
	}
	return strings.Join(parts, ",")
}

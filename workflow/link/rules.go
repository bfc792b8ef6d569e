package link

import (
	"context"
	"time"

	"colporteur/store"
)

// Rules are what the owner of a thing lets others do with it.
type Rules struct {
	Password  string    // argon2id of the password that guests type; "" asks for none
	Code      bool      // guests type a code that was mailed to the link's person
	Downloads int       // how many in all; 0 is any number
	Comment   bool      // guests may leave words
	Add       bool      // guests may add photos or files
	Place     bool      // guests get photos with what the camera wrote: where it was, and whose it is
	Frozen    time.Time // since when nobody but the owner sees it; zero: not
}

// Defaults are the rules of a thing whose owner set none.
func Defaults(kind string) Rules {
	if kind == Album {
		return Rules{Comment: true, Add: true}
	}
	return Rules{}
}

// Rules reads the rules of a thing.
func (s *Service) Rules(ctx context.Context, tx *store.Tx, kind string, thing int64) (Rules, error) {
	r := Defaults(kind)
	var code, downloads, comment, adding, place, frozen int64
	err := tx.QueryRow(ctx, `SELECT password, code, downloads, comment, adding, place, frozen FROM link_rules WHERE kind = $1 AND thing = $2`,
		kind, thing).Scan(&r.Password, &code, &downloads, &comment, &adding, &place, &frozen)
	if err == store.ErrNoRows {
		return r, nil
	}
	r.Code, r.Downloads, r.Comment, r.Add, r.Place, r.Frozen = code != 0, int(downloads), comment != 0, adding != 0, place != 0, store.Time(frozen)
	return r, err
}

// SetRules replaces the rules of a thing; they hold from the next request on. What
// is frozen stays so: an owner's form that was read before does not end it.
func (s *Service) SetRules(ctx context.Context, tx *store.Tx, kind string, thing int64, r Rules) error {
	_, err := tx.Exec(ctx, `INSERT INTO link_rules (kind, thing, password, code, downloads, comment, adding, place, frozen)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0) ON CONFLICT (kind, thing) DO UPDATE SET password = excluded.password, code = excluded.code,
		downloads = excluded.downloads, comment = excluded.comment, adding = excluded.adding, place = excluded.place`,
		kind, thing, r.Password, flag(r.Code), r.Downloads, flag(r.Comment), flag(r.Add), flag(r.Place))
	return err
}

// Thing names what links lead to.
type Thing struct {
	Kind string
	ID   int64
}

// Freeze hides a thing from everybody but its owner, or ends that; its other
// rules stay as they are. Twice is once.
func (s *Service) Freeze(ctx context.Context, tx *store.Tx, kind string, thing int64, on bool) error {
	r, err := s.Rules(ctx, tx, kind, thing)
	if err != nil || r.Frozen.IsZero() != on {
		return err
	}
	if err := s.SetRules(ctx, tx, kind, thing, r); err != nil { // there is a row then
		return err
	}
	var since int64
	if on {
		since = store.Micros(s.now())
	}
	_, err = tx.Exec(ctx, `UPDATE link_rules SET frozen = $1 WHERE kind = $2 AND thing = $3`, since, kind, thing)
	return err
}

// Frozen are the things that only their owners see, and since when.
func (s *Service) Frozen(ctx context.Context) (all map[Thing]time.Time, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		all = map[Thing]time.Time{}
		rows, err := tx.Query(ctx, `SELECT kind, thing, frozen FROM link_rules WHERE frozen > 0`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var t Thing
			var at int64
			err := scan(&t.Kind, &t.ID, &at)
			all[t] = store.Time(at)
			return err
		})
	})
	return all, err
}

// RevokeOne ends one person's link, at once.
func (s *Service) RevokeOne(ctx context.Context, tx *store.Tx, id ID) error {
	_, err := tx.Exec(ctx, `UPDATE link SET revoked = $1 WHERE id = $2 AND revoked = 0`, store.Micros(s.now()), int64(id))
	return err
}

// Silence says whether the person of a link wants no mails about its thing.
func (s *Service) Silence(ctx context.Context, tx *store.Tx, id ID, quiet bool) error {
	var at int64
	if quiet {
		at = store.Micros(s.now())
	}
	_, err := tx.Exec(ctx, `UPDATE link SET quiet = $1 WHERE id = $2`, at, int64(id))
	return err
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

package album

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

var _ workflow.Processor = (*Service)(nil)

// incoming is what one mail brings to an album.
type incoming struct {
	*taken
	name   string // of the album, as it is shown
	text   string // what the sender wrote
	away   string // where the photos are instead of in the mail, "" when nowhere
	guests []guest
}

type guest struct {
	addr mail.Address
	name string
	lang string
}

// called is the guest's name, "" when it says no more than the address.
func (g guest) called() string {
	if g.name == g.addr.String() {
		return ""
	}
	return g.name
}

// Process adds the photos of a mail to an album of its sender.
func (s *Service) Process(ctx context.Context, in *workflow.Inbound) error {
	name := albumName(in)
	if name == "" {
		return workflow.Refuse("album-no-name", "At", "@"+in.Address.Domain)
	}
	seen, err := s.seen(ctx, in, name)
	if err != nil {
		return err
	}
	inc := &incoming{name: name, guests: s.guests(ctx, in), taken: &taken{}}
	if !seen {
		if inc.text, err = in.Text(ctx, 4000); err != nil {
			return err
		}
		files, err := s.offered(ctx, in, inc.text)
		if err != nil {
			return err
		}
		if inc.taken, err = s.take(ctx, files); err != nil {
			return err
		}
		if len(inc.photos) == 0 {
			html, err := in.Source(ctx, "text/html")
			if err != nil {
				return err
			}
			inc.away = elsewhere(inc.text + "\n" + html)
		}
	}
	// ErrUnique here means that somebody else makes the same album or takes in the
	// same mail at this moment: it is tried again, and finds it there.
	return s.DB.Write(ctx, func(tx *store.Tx) error { return s.receive(ctx, tx, in, inc) })
}

// offered makes the files of a mail durable, where they are not yet.
func (s *Service) offered(ctx context.Context, in *workflow.Inbound, text string) (files []offered, err error) {
	attached := in.Files()
	said := captions(text, attached)
	for i, a := range attached {
		k, damaged, err := in.Keep(ctx, a)
		if err != nil {
			return nil, err
		}
		if k.Ref != nil {
			// What reads it is not the transaction that will name it: it has a row now,
			// and goes with the next sweep if nothing names it then.
			if err := s.DB.Write(ctx, func(tx *store.Tx) error { return s.Blobs.Insert(ctx, tx, *k.Ref) }); err != nil {
				return nil, err
			}
			k.Ref = nil
		}
		files = append(files, offered{part: a.Seq, name: a.Name, kept: k, says: a.Type, damaged: damaged || a.Damaged, caption: said[i]})
	}
	return files, nil
}

// albumName is the name as the sender wrote it, with its first letter large.
func albumName(in *workflow.Inbound) string {
	local, want := in.Address.Local, in.Vars["name"]
	name := want
	// The variable is folded; the address still has the sender's capitals.
	if i := len(local) - len(want); i > 0 && mail.FoldLocal(local[i:]) == want {
		name = local[i:]
	}
	return proper(strings.ReplaceAll(name, "_", " "))
}

// proper is an album's name as it is shown; "" when it is none.
func proper(name string) string {
	name = strings.TrimSpace(norm.NFC.String(store.Clean(name)))
	r, n := utf8.DecodeRuneInString(name)
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(r)) + name[n:]
}

func key(name string) string { return mail.FoldLocal(strings.ReplaceAll(name, " ", "_")) }

func (s *Service) guests(ctx context.Context, in *workflow.Inbound) []guest {
	var gs []guest
	for _, a := range in.Guests {
		gs = append(gs, s.guest(ctx, a, in.NameOf(a), in.Lang()))
	}
	return gs
}

func (s *Service) guest(ctx context.Context, a mail.Address, name, lang string) guest {
	g := guest{addr: a, name: name, lang: lang}
	if s.LangOf != nil {
		if lang := s.LangOf(ctx, a); lang != "" {
			g.lang = locale.For(lang).Lang
		}
	}
	return g
}

// seen says whether the album has this mail already.
func (s *Service) seen(ctx context.Context, in *workflow.Inbound, name string) (yes bool, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		id, err := s.find(ctx, tx, in.Sender, name)
		if err == nil {
			yes, err = took(ctx, tx, id, in.Key())
		}
		if err == store.ErrNoRows {
			return nil
		}
		return err
	})
	return yes, err
}

// find is the album that a member means by a name: their own, else the newest
// one of that name that they may add to, because its owner invited them.
func (s *Service) find(ctx context.Context, tx *store.Tx, u mail.User, name string) (id ID, err error) {
	now := store.Micros(s.now())
	err = tx.QueryRow(ctx, `SELECT id FROM album WHERE member = $1 AND key = $2 AND ended = 0 AND (expires = 0 OR expires > $3)`,
		int64(u.ID), key(name), now).Scan(&id)
	if err != store.ErrNoRows {
		return id, err
	}
	var found []link.Link
	rows, err := tx.Query(ctx, `SELECT l.id, a.id FROM link l JOIN album a ON a.id = l.thing WHERE l.kind = 'album' AND LOWER(l.person) = LOWER($1) AND l.revoked = 0
		AND l.manage = 0 AND l.public = 0 AND a.key = $2 AND a.ended = 0 AND (a.expires = 0 OR a.expires > $3) ORDER BY a.id DESC`,
		u.Address.String(), key(name), now)
	if err := store.Each(rows, err, func(f func(...any) error) error {
		var l link.Link
		err := f(&l.ID, &l.Thing)
		found = append(found, l)
		return err
	}); err != nil {
		return 0, err
	}
	for _, f := range found {
		l, err := s.Links.GetIn(ctx, tx, f.ID)
		if mail.Is(err, mail.NotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if link.Holder(l).May(link.Add, link.Album, l.Thing, l.Owner) && l.Rules.Frozen.IsZero() {
			return ID(l.Thing), nil
		}
	}
	return 0, store.ErrNoRows
}

func took(ctx context.Context, tx *store.Tx, id ID, mailKey string) (bool, error) {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM album_mail WHERE album = $1 AND key = $2`, int64(id), mailKey).Scan(&one)
	if err == store.ErrNoRows {
		return false, nil
	}
	return err == nil, err
}

// receive is the one transaction: album, photos, links, notices, and the end of
// the mail itself.
func (s *Service) receive(ctx context.Context, tx *store.Tx, in *workflow.Inbound, inc *incoming) error {
	p := locale.For(in.Lang())
	id, err := s.find(ctx, tx, in.Sender, inc.name)
	fresh := err == store.ErrNoRows
	if err != nil && !fresh {
		return err
	}
	again := false
	if !fresh {
		if again, err = took(ctx, tx, id, in.Key()); err != nil {
			return err
		}
	}
	if len(inc.photos) == 0 && len(inc.guests) == 0 && !again || len(inc.photos) == 0 && fresh && !again {
		return s.without(ctx, tx, in, inc, id)
	}
	a := &Album{ID: id}
	if fresh {
		if a, err = s.new(ctx, tx, in.Sender, in.SenderName(), inc.name); err != nil {
			return err
		}
	} else if a, err = s.lock(ctx, tx, id); err != nil {
		return err
	}
	if a.Member != in.Sender.ID {
		return s.contribute(ctx, tx, in, inc, a, again)
	}
	var added []Photo
	if !again {
		if added, err = s.first(ctx, tx, in, inc, a, link.Link{}); err != nil {
			return err
		}
	}
	share, manage, err := s.ownLinks(ctx, tx, a, in.Sender, in.Lang())
	if err != nil {
		return err
	}
	invited, err := s.invite(ctx, tx, in, inc.guests, len(added), a)
	if err != nil {
		return err
	}
	if !again {
		if err := s.tellGuests(ctx, tx, a, in.Key(), a.From, "", added, inc.guests); err != nil {
			return err
		}
		if err := in.ReplyIn(ctx, tx, receipt(p, a, inc, len(added), share, manage, invited), int64(manage.ID)); err != nil {
			return err
		}
	}
	in.Forget()
	return nil
}

// first takes in what a mail brings, unless the album has it.
func (s *Service) first(ctx context.Context, tx *store.Tx, in *workflow.Inbound, inc *incoming, a *Album, by link.Link) ([]Photo, error) {
	// One mail may come by two addresses: the album's own, and the one of a reply.
	n, err := tx.Exec(ctx, `INSERT INTO album_mail (album, key, created, link, notice) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (album, key) DO NOTHING`,
		int64(a.ID), in.Key(), store.Micros(s.now()), int64(by.ID), in.AnswerName())
	if err != nil || n == 0 {
		return nil, err
	}
	var have int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM photo WHERE album = $1`, int64(a.ID)).Scan(&have); err != nil {
		return nil, err
	}
	if room := max(MaxAlbum-have, 0); len(inc.photos) > room {
		for _, m := range inc.photos[room:] {
			inc.problems = append(inc.problems, problem{m.Name, "album-problem-full"})
		}
		inc.photos = inc.photos[:room]
	}
	return s.add(ctx, tx, a, in.Key(), by, inc.photos)
}

// without answers a mail that brings no photo: it says why, and, when the photos
// lie elsewhere, offers a page to hand them in.
func (s *Service) without(ctx context.Context, tx *store.Tx, in *workflow.Inbound, inc *incoming, id ID) error {
	p := locale.For(in.Lang())
	l := nothing(p, in, inc)
	if inc.away != "" && s.Hand != nil {
		if id == 0 {
			a, err := s.new(ctx, tx, in.Sender, in.SenderName(), inc.name)
			if err != nil {
				return err
			}
			if _, _, err := s.ownLinks(ctx, tx, a, in.Sender, in.Lang()); err != nil {
				return err
			}
			id = a.ID
		}
		hand, err := s.Hand(ctx, tx, id, inc.name, in.Sender)
		if err != nil {
			return err
		}
		l = away(p, in, inc, hand)
	}
	if err := in.ReplyIn(ctx, tx, l, 0); err != nil {
		return err
	}
	in.Forget()
	return nil
}

// contribute is a member's mail to an album of somebody else, who invited them.
func (s *Service) contribute(ctx context.Context, tx *store.Tx, in *workflow.Inbound, inc *incoming, a *Album, again bool) error {
	if again {
		in.Forget()
		return nil
	}
	mine, err := s.linkOf(ctx, tx, a.ID, in.Sender.Address)
	if err != nil {
		return err
	}
	added, err := s.first(ctx, tx, in, inc, a, mine)
	if err != nil {
		return err
	}
	if len(added) > 0 {
		if err := s.tellOwner(ctx, tx, a, in.Key(), mine.Called(), "", added); err != nil {
			return err
		}
	}
	if err := s.tellGuests(ctx, tx, a, in.Key(), shownAs(mine), "", added, []guest{{addr: in.Sender.Address}}); err != nil {
		return err
	}
	in.Forget()
	return in.ReplyIn(ctx, tx, joined(locale.For(in.Lang()), a, inc, len(added), mine), int64(mine.ID))
}

// new makes an album.
func (s *Service) new(ctx context.Context, tx *store.Tx, u mail.User, from, name string) (*Album, error) {
	a := &Album{ID: ID(store.NewID()), Member: u.ID, Account: u.Account, From: from, Name: name, Created: s.now()}
	_, err := tx.Exec(ctx, `INSERT INTO album (id, account, member, sender, key, name, created, expires, ended) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)`,
		int64(a.ID), int64(a.Account), int64(a.Member), a.From, key(a.Name), a.Name, store.Micros(a.Created))
	return a, err
}

// lock reads an album that this transaction changes.
func (s *Service) lock(ctx context.Context, tx *store.Tx, id ID) (*Album, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM album WHERE id = $1 FOR UPDATE`, int64(id)).Scan)
}

package album

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"bufio"

	"golang.org/x/text/unicode/norm"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow"
	"colporteur/workflow/link"
	"colporteur/workflow/picture"
)

var _ workflow.Processor = (*Service)(nil)

// incoming is what one mail brings to an album.
type incoming struct {
	name     string // of the album, as it is shown
	photos   []made
	problems []problem
	ignored  []string // names of files that are no pictures
	guests   []guest
}

// made is one photo, its bytes durable.
type made struct {
	Photo
	part                   int
	original, large, thumb blob.Ref
}

// problem is a picture that could not be taken in.
type problem struct{ file, id string }

type guest struct {
	addr mail.Address
	name string
	lang string
}

// MaxPhotos is how many pictures one mail may bring.
const MaxPhotos = 500

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
	inc := &incoming{name: name, guests: s.guests(ctx, in)}
	if !seen {
		if err := s.read(ctx, in, inc); err != nil {
			return err
		}
	}
	// ErrUnique here means that somebody else makes the same album or takes in the
	// same mail at this moment: it is tried again, and finds it there.
	return s.DB.Write(ctx, func(tx *store.Tx) error { return s.add(ctx, tx, in, inc) })
}

// albumName is the name as the sender wrote it, with its first letter large.
func albumName(in *workflow.Inbound) string {
	local, want := in.Address.Local, in.Vars["name"]
	name := want
	// The variable is folded; the address still has the sender's capitals.
	if i := len(local) - len(want); i > 0 && mail.FoldLocal(local[i:]) == want {
		name = local[i:]
	}
	name = strings.TrimSpace(strings.ReplaceAll(norm.NFC.String(store.Clean(name)), "_", " "))
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
		g := guest{addr: a, name: in.NameOf(a), lang: in.Lang()}
		if s.LangOf != nil {
			if lang := s.LangOf(ctx, a); lang != "" {
				g.lang = locale.For(lang).Lang
			}
		}
		gs = append(gs, g)
	}
	return gs
}

// seen says whether the album has this mail already.
func (s *Service) seen(ctx context.Context, in *workflow.Inbound, name string) (yes bool, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		id, err := find(ctx, tx, in.Sender.ID, name)
		if err == nil {
			yes, err = taken(ctx, tx, id, in.Key())
		}
		if err == store.ErrNoRows {
			return nil
		}
		return err
	})
	return yes, err
}

func find(ctx context.Context, tx *store.Tx, u mail.UserID, name string) (id ID, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM album WHERE member = $1 AND key = $2 AND ended = 0`, int64(u), key(name)).Scan(&id)
	return id, err
}

func taken(ctx context.Context, tx *store.Tx, id ID, mailKey string) (bool, error) {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM album_mail WHERE album = $1 AND key = $2`, int64(id), mailKey).Scan(&one)
	if err == store.ErrNoRows {
		return false, nil
	}
	return err == nil, err
}

// read makes pictures of the mail's attachments, one after the other: a mail of
// hundreds must not crowd out the next member's three.
func (s *Service) read(ctx context.Context, in *workflow.Inbound, inc *incoming) error {
	return in.Attachments(ctx, func(a workflow.File, r io.Reader) error {
		br := bufio.NewReaderSize(r, 64<<10)
		head, err := br.Peek(picture.SniffLength)
		if err != nil && err != io.EOF {
			return err
		}
		switch {
		case !picture.IsPicture(head):
			if strings.HasPrefix(a.Type, "image/") {
				inc.problems = append(inc.problems, problem{a.Name, "album-problem-kind"})
			} else {
				inc.ignored = append(inc.ignored, a.Name)
			}
			return nil
		case a.Damaged:
			inc.problems = append(inc.problems, problem{a.Name, "album-problem-damaged"})
			return nil
		case len(inc.photos) == MaxPhotos:
			inc.problems = append(inc.problems, problem{a.Name, "album-problem-many"})
			return nil
		}
		p, err := s.Pictures.Make(ctx, br)
		switch {
		case errors.Is(err, picture.ErrTooBig):
			inc.problems = append(inc.problems, problem{a.Name, "album-problem-big"})
		case errors.Is(err, picture.ErrUnreadable), errors.Is(err, picture.ErrKind):
			inc.problems = append(inc.problems, problem{a.Name, "album-problem-unreadable"})
		case err != nil:
			return err
		default:
			defer p.Close()
			m, err := s.keep(ctx, a, p)
			if err != nil {
				return err
			}
			inc.photos = append(inc.photos, m)
		}
		return nil
	})
}

func (s *Service) keep(ctx context.Context, a workflow.File, p *picture.Picture) (m made, err error) {
	m = made{part: a.Seq, Photo: Photo{Name: photoName(a.Name, p.MediaType), MediaType: p.MediaType,
		Width: p.Width, Height: p.Height, Taken: p.Taken}}
	for _, f := range []struct {
		path string
		ref  *blob.Ref
	}{{p.Original, &m.original}, {p.Large, &m.large}, {p.Thumb, &m.thumb}} {
		if *f.ref, err = s.store(ctx, f.path); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (s *Service) store(ctx context.Context, path string) (blob.Ref, error) {
	f, err := os.Open(path)
	if err != nil {
		return blob.Ref{}, err
	}
	defer f.Close()
	w := s.Blobs.Create()
	defer w.Abort()
	if _, err := io.Copy(w, f); err != nil {
		return blob.Ref{}, err
	}
	return w.Commit(ctx)
}

// photoName is the file's name with the ending of what we made of it.
func photoName(name, mediaType string) string {
	ext := ".jpg"
	if mediaType == picture.PNG {
		ext = ".png"
	}
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		if have := strings.ToLower(name[i:]); have == ext || have == ".jpeg" && ext == ".jpg" {
			return name
		}
		name = name[:i]
	}
	return name + ext
}

// add is the one transaction: album, photos, links, notices, and the end of the
// mail itself.
func (s *Service) add(ctx context.Context, tx *store.Tx, in *workflow.Inbound, inc *incoming) error {
	p := locale.For(in.Lang())
	id, err := find(ctx, tx, in.Sender.ID, inc.name)
	fresh := err == store.ErrNoRows
	if err != nil && !fresh {
		return err
	}
	again := false
	if !fresh {
		if again, err = taken(ctx, tx, id, in.Key()); err != nil {
			return err
		}
	}
	if len(inc.photos) == 0 && !again {
		if err := in.ReplyIn(ctx, tx, nothing(p, in, inc), 0); err != nil {
			return err
		}
		in.Forget()
		return nil
	}
	a := &Album{ID: id, Member: in.Sender.ID, Account: in.Sender.Account, From: in.SenderName(), Name: inc.name, Created: s.now()}
	if fresh {
		a.ID = ID(store.NewID())
		if _, err := tx.Exec(ctx, `INSERT INTO album (id, account, member, sender, key, name, created, ended) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`,
			int64(a.ID), int64(a.Account), int64(a.Member), a.From, key(a.Name), a.Name, store.Micros(a.Created)); err != nil {
			return err
		}
	} else if a, err = s.allowed(ctx, tx, link.Member(in.Sender.ID), link.Manage, id); err != nil {
		return err
	}
	if !again {
		if err := s.addPhotos(ctx, tx, in, inc, a); err != nil {
			return err
		}
	}
	share, manage, err := s.ownLinks(ctx, tx, in, a)
	if err != nil {
		return err
	}
	invited, err := s.invite(ctx, tx, in, inc, a)
	if err != nil {
		return err
	}
	if !again {
		if err := in.ReplyIn(ctx, tx, receipt(p, a, inc, share, manage, invited), int64(manage.ID)); err != nil {
			return err
		}
	}
	in.Forget()
	return nil
}

func (s *Service) addPhotos(ctx context.Context, tx *store.Tx, in *workflow.Inbound, inc *incoming, a *Album) error {
	now := store.Micros(s.now())
	if _, err := tx.Exec(ctx, `INSERT INTO album_mail (album, key, created) VALUES ($1, $2, $3)`, int64(a.ID), in.Key(), now); err != nil {
		return err
	}
	for _, m := range inc.photos {
		for _, ref := range []blob.Ref{m.original, m.large, m.thumb} {
			if err := s.Blobs.Insert(ctx, tx, ref); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `INSERT INTO photo (id, album, key, part, name, media_type, taken, width, height, original, large, thumb, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`, store.NewID(), int64(a.ID), in.Key(), m.part, m.Name,
			m.MediaType, store.Micros(m.Taken), m.Width, m.Height, int64(m.original.ID), int64(m.large.ID), int64(m.thumb.ID), now); err != nil {
			return err
		}
	}
	return nil
}

// ownLinks are the owner's: one to pass on, one to manage; made with the album.
func (s *Service) ownLinks(ctx context.Context, tx *store.Tx, in *workflow.Inbound, a *Album) (share, manage link.Link, err error) {
	have, err := s.Links.In(ctx, tx, link.Album, int64(a.ID))
	if err != nil {
		return share, manage, err
	}
	for _, l := range have {
		switch {
		case l.Manage && manage.ID == 0:
			manage = l
		case l.Public && share.ID == 0:
			share = l
		}
	}
	own := link.Link{Kind: link.Album, Thing: int64(a.ID), Owner: a.Member, Person: in.Sender.Address, Lang: in.Lang()}
	if share.ID == 0 {
		own.Public = true
		if share, _, err = s.Links.Add(ctx, tx, own); err != nil {
			return share, manage, err
		}
	}
	if manage.ID == 0 {
		own.Public, own.Manage = false, true
		manage, _, err = s.Links.Add(ctx, tx, own)
	}
	return share, manage, err
}

// invite writes to each guest, with the link they have or a new one of their own.
func (s *Service) invite(ctx context.Context, tx *store.Tx, in *workflow.Inbound, inc *incoming, a *Album) ([]guest, error) {
	have, err := s.Links.In(ctx, tx, link.Album, int64(a.ID))
	if err != nil {
		return nil, err
	}
	theirs := map[string]link.Link{}
	for _, l := range have {
		if !l.Manage && !l.Public {
			theirs[l.Person.Key()] = l
		}
	}
	var invited []guest
	for _, g := range inc.guests {
		l, known := theirs[g.addr.Key()]
		if !known {
			if l, _, err = s.Links.Add(ctx, tx, link.Link{Kind: link.Album, Thing: int64(a.ID), Owner: a.Member, Person: g.addr, Name: g.called(), Lang: g.lang}); err != nil {
				return nil, err
			}
		}
		p, from := locale.For(g.lang), in.From
		sent, err := s.Post.Send(ctx, tx, workflow.Notice{Mail: name(a.ID) + " " + in.Key(), What: "invitation", To: g.addr,
			From: in.Address, FromName: p.T("workflow-on-behalf", "Name", a.From), ReplyTo: &from,
			Lang: g.lang, Letter: invitation(p, a, len(inc.photos), known, l)})
		if err != nil {
			return nil, err
		}
		if sent {
			invited = append(invited, g)
		}
	}
	return invited, nil
}

// called is the guest's name, "" when it says no more than the address.
func (g guest) called() string {
	if g.name == g.addr.String() {
		return ""
	}
	return g.name
}

package upload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
	"colporteur/workflow/transfer"
)

// Gift is what somebody hands in with one form.
type Gift struct {
	Once    string // names the form: sent twice it is handed in once
	Giver   string // how they call themselves; the owner's own name when it is the owner
	Message string
	Uploads []Secret // whole ones, in order
	Files   []Given  // and those that came with the form, without rows yet

	// The owner's own uploads only.
	Title  string
	Guests []mail.Address
	Days   int
}

// Given is a file that is handed in.
type Given struct {
	Name   string
	Type   string
	Size   int64
	SHA256 string
	Blob   blob.ID
	Ref    *blob.Ref // its row is still to be inserted; nil: it is there
	Seal   string
}

// Done is what became of a gift.
type Done struct {
	Files  int
	Sealed bool
	Share  link.Token // of the transfer that was made; the owner's own uploads only
	Manage link.Token
	Guests int // how many got a link by mail
}

// Bounds of what a giver writes.
const (
	maxGiver   = 60
	maxMessage = 2000
	maxTitle   = 150
	maxGuests  = 50
)

// Give hands files in, in one transaction: they become a transfer, or join the
// album, and the owner is told. Kinds: NotFound (the place, or an upload),
// BadContent (nothing is handed in, or something is not whole), OverQuota.
func (s *Service) Give(ctx context.Context, by link.Visit, g *Gift) (*Done, error) {
	v, err := s.Open(ctx, by)
	if err != nil {
		return nil, err
	}
	left, err := s.left(ctx, by)
	if err != nil {
		return nil, err
	}
	if len(g.Uploads)+len(g.Files) > maxFiles || len(g.Guests) > maxGuests {
		return nil, mail.Refuse(mail.TooMany, "upload-too-many")
	}
	key := g.key()
	var d *Done
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		_, p, err := s.open(ctx, tx, by, ` FOR UPDATE`)
		if err != nil {
			return err
		}
		if d, err = s.given(ctx, tx, v, key); err != nil || d != nil {
			return err
		}
		files, err := s.gather(ctx, tx, p, g, left)
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return mail.Refuse(mail.BadContent, "upload-nothing")
		}
		d, err = s.hand(ctx, tx, v, key, g, files)
		return err
	})
	return d, err
}

func (g *Gift) key() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", g.Once)
	if g.Once == "" {
		fmt.Fprintf(h, "%q", g.Uploads)
		for _, f := range g.Files {
			fmt.Fprintf(h, "%d", f.Blob)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// given is what became of a form that came before; nil when it did not.
func (s *Service) given(ctx context.Context, tx *store.Tx, v *View, key string) (*Done, error) {
	var d Done
	var thing int64
	err := tx.QueryRow(ctx, `SELECT files, thing FROM handed WHERE place = $1 AND key = $2`, int64(v.Place.ID), key).Scan(&d.Files, &thing)
	if err == store.ErrNoRows {
		return nil, nil
	}
	if err != nil || !v.Manage || v.Album != 0 {
		return &d, err
	}
	ls, err := s.Links.In(ctx, tx, link.Transfer, thing)
	for _, l := range ls {
		switch {
		case l.Manage:
			d.Manage = s.Links.Token(l)
		case l.Public:
			d.Share = s.Links.Token(l)
		default:
			d.Guests++
		}
	}
	return &d, err
}

// gather takes the files of g out of the uploads and gives all of them names.
func (s *Service) gather(ctx context.Context, tx *store.Tx, p *Place, g *Gift, left int64) ([]Given, error) {
	var fs []Given
	var sum int64
	for _, k := range g.Uploads {
		u, err := s.of(ctx, tx, p, k, ` FOR UPDATE`)
		if err != nil {
			return nil, err
		}
		if u.Blob == 0 {
			return nil, mail.Refuse(mail.BadContent, "upload-not-whole", "Name", u.Name)
		}
		if err := s.forget(ctx, tx, u.ID); err != nil {
			return nil, err
		}
		fs = append(fs, Given{Name: u.Name, Type: u.Type, Size: u.Length, SHA256: u.SHA256, Blob: u.Blob, Seal: u.Seal})
		sum += u.Length
	}
	var came int64
	for _, f := range g.Files {
		came += f.Size
	}
	// What was announced has left the queue of the place, and has not entered its sum yet.
	if err := s.room(ctx, tx, p, left, sum+came, 0); err != nil {
		return nil, err
	}
	for _, f := range g.Files {
		if f.Ref != nil {
			if err := s.Blobs.Insert(ctx, tx, *f.Ref); err != nil {
				return nil, err
			}
		}
		fs = append(fs, f)
	}
	parts := make([]*mail.Part, len(fs))
	for i, f := range fs {
		parts[i] = &mail.Part{Filename: store.Clean(f.Name), Type: f.Type}
	}
	for i, n := range workflow.Names(parts, locale.For("")) {
		fs[i].Name = n
	}
	_, err := tx.Exec(ctx, `UPDATE place SET taken = taken + $1 WHERE id = $2`, sum+came, int64(p.ID))
	return fs, err
}

// hand gives the files to what the place feeds, and tells the owner.
func (s *Service) hand(ctx context.Context, tx *store.Tx, v *View, key string, g *Gift, files []Given) (*Done, error) {
	giver, message := line(g.Giver, maxGiver), lines(g.Message, maxMessage)
	d := &Done{Files: len(files)}
	thing := v.Album
	var size int64
	for _, f := range files {
		size += f.Size
		d.Sealed = d.Sealed || f.Seal != ""
	}
	if d.Sealed && !v.Manage {
		return nil, mail.Refuse(mail.BadContent, "upload-malformed") // the owner would get files without their key
	}
	if v.Album != 0 {
		if d.Sealed {
			return nil, mail.Refuse(mail.BadContent, "upload-no-album")
		}
		if err := s.album(ctx, tx, v, key, giver, message, files); err != nil {
			return nil, err
		}
	} else {
		t, err := s.transfer(ctx, tx, v, key, giver, message, g, files, d.Sealed)
		if err != nil {
			return nil, err
		}
		if thing = int64(t.ID); v.Manage {
			d.Share, d.Manage = s.Links.Token(t.Share), s.Links.Token(t.Manage)
			if !d.Sealed {
				d.Guests = len(g.Guests)
			}
		} else if err := s.tell(ctx, tx, v, key, giver, message, files, t.Manage); err != nil {
			return nil, err
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO handed (id, place, key, giver, message, files, size, thing, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		store.NewID(), int64(v.Place.ID), key, giver, message, len(files), size, thing, store.Micros(s.now()))
	if err == nil {
		s.log().InfoContext(ctx, "handed in", "user", v.Place.Member, "files", len(files), "size", size)
	}
	return d, err
}

// album has the files join the album that the place feeds; the album's owner is
// told when they are photos.
func (s *Service) album(ctx context.Context, tx *store.Tx, v *View, key, giver, message string, files []Given) error {
	h := album.Handed{Key: fmt.Sprintf("%d/%s", v.Place.ID, key)}
	if !v.Manage {
		if h.Giver, h.By, h.Words = giver, v.Link.ID, message; giver == "" {
			h.Giver = locale.For(v.Owner.Lang).T("upload-somebody")
		}
	}
	for _, f := range files {
		h.Files = append(h.Files, album.HandedFile{Name: f.Name, Type: f.Type, Kept: workflow.Kept{Blob: f.Blob, Size: f.Size, SHA256: f.SHA256}})
	}
	return s.Albums.AddFiles(ctx, tx, album.ID(v.Album), h)
}

func (s *Service) transfer(ctx context.Context, tx *store.Tx, v *View, key, giver, message string, g *Gift, files []Given, sealed bool) (*transfer.Taken, error) {
	h := &transfer.HandIn{Key: transfer.HandKey(int64(v.Place.ID), key, !v.Manage), Owner: v.Owner, Domain: v.Domain, Note: message,
		Subject: line(g.Title, maxTitle), Guests: g.Guests, Days: g.Days, Sealed: sealed}
	if !v.Manage {
		h.From, h.Subject, h.Guests, h.Days, h.Quiet = giver, v.Title, nil, 0, true
		if h.From == "" {
			h.From = locale.For(v.Owner.Lang).T("upload-somebody")
		}
	}
	for _, f := range files {
		h.Files = append(h.Files, transfer.File{Name: f.Name, MediaType: store.Clean(f.Type), Size: f.Size, SHA256: f.SHA256, Blob: f.Blob, Seal: f.Seal})
	}
	return s.Transfers.Take(ctx, tx, h)
}

// listed is how many files a letter names.
const listed = 30

// tell says to the owner what somebody handed in; to is where it is to be had.
func (s *Service) tell(ctx context.Context, tx *store.Tx, v *View, key, giver, message string, files []Given, to link.Link) error {
	p := locale.For(v.Owner.Lang)
	if giver == "" {
		giver = p.T("upload-somebody")
	}
	l := letter.Letter{
		Subject: p.T("upload-came-subject", "Title", v.Title, "Name", giver),
		Heading: p.T("upload-came", "Count", len(files), "Name", giver, "Title", v.Title),
	}
	l.Quote(message)
	var its []letter.Item
	for _, f := range files[:min(len(files), listed)] {
		its = append(its, letter.Item{Name: f.Name, Detail: p.Size(f.Size)})
	}
	l.Items(its)
	if n := len(files) - listed; n > 0 {
		l.Small(p.T("transfer-more", "Count", n))
	}
	note := notify.Note{Kind: notify.Receipt, Key: fmt.Sprintf("hand/%d/%s", v.Place.ID, key), Member: v.Owner.ID, To: v.Owner.Address,
		ToName: v.Owner.Name, Lang: v.Owner.Lang, From: mail.Address{Local: "depot", Domain: v.Domain},
		Line: p.T("upload-came", "Count", len(files), "Name", giver, "Title", v.Title), Link: to.ID}
	l.LinkTo(p.T("upload-came-link"), int64(to.ID))
	l.Small(p.T("upload-came-unproven"))
	note.Letter = l
	return s.Notify.Tell(ctx, tx, note)
}

// line is what somebody typed, as one bounded line.
func line(s string, n int) string {
	// Not strings.Fields: French has spaces that must not break.
	words := strings.FieldsFunc(clean(s), func(r rune) bool { return r == ' ' || r == '\n' || r == '\r' || r == '\t' })
	return cut(strings.Join(words, " "), n)
}

// lines is what somebody typed, bounded.
func lines(s string, n int) string {
	return cut(strings.TrimSpace(strings.ReplaceAll(clean(s), "\r\n", "\n")), n)
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return r
		case r < ' ' || r == 0x7f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, store.Clean(s))
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return strings.TrimSpace(string(r[:n-1])) + "…"
	}
	return s
}

// Discard forgets the bytes of a gift that was refused before anything of it
// was committed. Without it they stay until the sweep.
func (s *Service) Discard(g *Gift) {
	for _, f := range g.Files {
		if f.Ref != nil {
			s.Blobs.Discard(*f.Ref)
		}
	}
}

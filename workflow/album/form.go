package album

import (
	"context"
	"errors"
	"slices"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow/link"
)

// Form is one of the shapes a photo is kept in, and the last element of its
// address.
type Form string

const (
	Small   Form = "400.jpg" // the longer side, in pixels
	Medium  Form = "1024.jpg"
	Large   Form = "2048.jpg"
	SmallW  Form = "400.webp"
	MediumW Form = "1024.webp"
	LargeW  Form = "2048.webp"
	Clean   Form = "clean"  // full size, upright, without what the camera wrote
	FilmMP4 Form = "film"   // of a film: as every browser plays it
	Source  Form = "source" // as it came: the owner's, and guests' when the owner says so
	moving  Form = "moving" // the film that came with a still; nobody is given it as it is
)

// instead is what is shown while a form is not made yet, or was never.
var instead = map[Form][]Form{
	Small: {Medium, Large}, Medium: {Large, Small}, Large: {Medium, Small}, Clean: {Large, Medium, Small}, FilmMP4: {Clean},
}

// Photo is one photo, without its bytes.
type Photo struct {
	ID            PhotoID
	Name          string // of the file, one path element
	MediaType     string // of the full size
	Width, Height int    // of the full size, upright
	Taken         time.Time
	Created       time.Time
	Caption       string
	Hash          []byte        // thumbhash, may be nil
	Film          time.Duration // how long; 0 is a picture
	By            string        // who added it; "" is the owner
	ByLink        link.ID       // by what link; 0: by mail or by the owner
	Finished      bool          // the forms that come later are there
	Plays         bool          // FilmMP4 is there: of a film, or of a still that moves
	Comments      []Comment
}

// File is one form of one photo.
type File struct {
	Blob      blob.ID
	Form      Form // the one that is given, perhaps instead of another
	Name      string
	MediaType string
	Size      int64
}

const photoColumns = `id, name, media_type, width, height, taken, created, caption, hash, film, by_name, by_link, finished,
	(SELECT count(*) FROM photo_form f WHERE f.photo = photo.id AND f.form = 'film')`

// order is how photos stand: by the hour they were taken; those without an hour,
// in the order they came, stand where they were sent.
const order = ` ORDER BY CASE WHEN taken = 0 THEN created ELSE taken END, id`

func scanPhoto(f func(...any) error) (p Photo, err error) {
	var taken, created, film, finished, plays int64
	err = f(&p.ID, &p.Name, &p.MediaType, &p.Width, &p.Height, &taken, &created, &p.Caption, &p.Hash, &film, &p.By, &p.ByLink, &finished, &plays)
	p.Taken, p.Created, p.Film, p.Finished = store.Time(taken), store.Time(created), time.Duration(film)*time.Millisecond, finished != 0
	p.Plays = plays > 0 || p.Film > 0 && p.Finished
	return p, err
}

// Page is n photos of an album, after the first from, with what was said about them.
func (s *Service) Page(ctx context.Context, v *View, from, n int) (ps []Photo, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+photoColumns+` FROM photo WHERE album = $1 AND hidden = 0`+order+` LIMIT $2 OFFSET $3`, int64(v.ID), n, from)
		err = store.Each(rows, err, func(f func(...any) error) error {
			p, err := scanPhoto(f)
			ps = append(ps, p)
			return err
		})
		if err != nil || len(ps) == 0 {
			return err
		}
		first, last := ps[0].ID, ps[0].ID
		for _, p := range ps {
			first, last = min(first, p.ID), max(last, p.ID)
		}
		said, err := comments(ctx, tx, v.ID, first, last)
		for i := range ps {
			ps[i].Comments = said[ps[i].ID]
		}
		return err
	})
	return ps, err
}

// At says which photo of the page order a photo is, from 0; kind NotFound.
func (s *Service) At(ctx context.Context, v *View, id PhotoID) (n int, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		n = -1
		i := 0
		rows, err := tx.Query(ctx, `SELECT id FROM photo WHERE album = $1 AND hidden = 0`+order, int64(v.ID))
		return store.Each(rows, err, func(f func(...any) error) error {
			var have PhotoID
			err := f(&have)
			if have == id {
				n = i
			}
			i++
			return err
		})
	})
	if err == nil && n < 0 {
		err = mail.Wrap(mail.NotFound, store.ErrNoRows)
	}
	return n, err
}

// Photo finds one form of one photo of a visit's album; kind NotFound. It is
// asked again for every request, so that what is taken off is gone at the next.
func (s *Service) Photo(ctx context.Context, by link.Visit, id PhotoID, want Form) (f File, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		l, a, err := s.open(ctx, tx, by)
		if err != nil {
			return err
		}
		manage := link.Holder(l).May(link.Manage, link.Album, l.Thing, a.Member)
		switch {
		case want == moving, want == Source && !manage:
			return mail.Wrap(mail.NotFound, errors.New("the source is the owner's"))
		case want == Clean && l.Rules.Place:
			want = Source
		}
		f, err = form(ctx, tx, a.ID, id, want, manage)
		return err
	})
	return f, err
}

// form reads the form of a photo that is wanted, or what stands for it.
func form(ctx context.Context, tx *store.Tx, a ID, id PhotoID, want Form, manage bool) (f File, err error) {
	have := map[Form]File{}
	hidden := ` AND p.hidden = 0`
	if manage {
		hidden = "" // the owner looks at what can be brought back
	}
	rows, err := tx.Query(ctx, `SELECT f.form, f.media_type, f.size, f.blob, p.name FROM photo_form f JOIN photo p ON p.id = f.photo
		WHERE p.id = $1 AND p.album = $2`+hidden, int64(id), int64(a))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var g File
		err := scan(&g.Form, &g.MediaType, &g.Size, &g.Blob, &g.Name)
		have[g.Form] = g
		return err
	})
	if err != nil {
		return f, err
	}
	choices := append([]Form{want}, instead[want]...)
	if want == Source {
		choices = append(choices, Clean) // of photos from before sources were kept
	}
	for _, c := range choices {
		if g, ok := have[c]; ok {
			if c == Clean || c == Source {
				g.Name = named(g.Name, g.MediaType)
			} else if slices.Contains(instead[Clean], c) {
				g.Name = named(g.Name, "image/jpeg")
			}
			return g, nil
		}
	}
	return f, mail.Wrap(mail.NotFound, store.ErrNoRows)
}

// Still says nil while a visit may see a photo, or the whole album when id is 0:
// long answers ask it once a second.
func (s *Service) Still(ctx context.Context, by link.Visit, id PhotoID) error {
	return s.DB.Read(ctx, func(tx *store.Tx) error {
		_, a, err := s.open(ctx, tx, by)
		if err != nil || id == 0 {
			return err
		}
		var one int
		err = tx.QueryRow(ctx, `SELECT 1 FROM photo WHERE id = $1 AND album = $2 AND hidden = 0`, int64(id), int64(a.ID)).Scan(&one)
		if errors.Is(err, store.ErrNoRows) {
			return mail.Wrap(mail.NotFound, err)
		}
		return err
	})
}

// All is one file of every photo for who wants the whole album: the full size.
func (s *Service) All(ctx context.Context, by link.Visit) (fs []File, when []time.Time, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		fs, when = nil, nil
		l, a, err := s.open(ctx, tx, by)
		if err != nil {
			return err
		}
		manage := link.Holder(l).May(link.Manage, link.Album, l.Thing, a.Member)
		want := Clean
		if manage || l.Rules.Place {
			want = Source
		}
		var ps []Photo
		rows, err := tx.Query(ctx, `SELECT `+photoColumns+` FROM photo WHERE album = $1 AND hidden = 0`+order, int64(a.ID))
		if err := store.Each(rows, err, func(f func(...any) error) error {
			p, err := scanPhoto(f)
			ps = append(ps, p)
			return err
		}); err != nil {
			return err
		}
		for _, p := range ps {
			f, err := form(ctx, tx, a.ID, p.ID, want, manage)
			if err != nil {
				return err
			}
			at := p.Taken
			if at.IsZero() {
				at = p.Created
			}
			fs, when = append(fs, f), append(when, at)
		}
		return nil
	})
	return fs, when, err
}

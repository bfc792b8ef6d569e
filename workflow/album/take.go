package album

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"sync"

	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow"
	"colporteur/workflow/link"
	"colporteur/workflow/picture"
)

// MaxPhotos is how many pictures one mail may bring, MaxAlbum how many an album has.
const (
	MaxPhotos = 500
	MaxAlbum  = 5000
)

// atOnce is how many pictures of one mail are made side by side. picture.Maker
// bounds how many of all mails are.
const atOnce = 2

// offered is a file that may be a picture, its bytes durable.
type offered struct {
	part    int // which one of the mail
	name    string
	kept    workflow.Kept
	says    string // the media type that the sender said
	damaged bool
	caption string // that the mail gives it
}

// taken is what came of the files of one mail.
type taken struct {
	photos   []made
	problems []problem
	ignored  []string // names of files that are no pictures
}

// made is one photo with its first forms, all bytes durable.
type made struct {
	Photo
	offered
	source string // media type
	place  bool
	forms  map[Form]kept
	moving *made // the film of a still that moves
}

type kept struct {
	ref       blob.Ref
	mediaType string
}

// problem is a picture that could not be taken in.
type problem struct{ file, id string }

// take makes pictures of files, two at a time.
func (s *Service) take(ctx context.Context, files []offered) (*taken, error) {
	results := make([]struct {
		m   *made
		p   *problem
		no  bool
		err error
	}, len(files))
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pictures := 0
	for i, f := range files {
		r := &results[i]
		head, err := s.head(ctx, f)
		switch {
		case err != nil:
			r.err = err
			cancel()
		case !picture.IsPicture(head):
			if strings.HasPrefix(f.says, "image/") || strings.HasPrefix(f.says, "video/") {
				r.p = &problem{f.name, "album-problem-kind"}
			} else {
				r.no = true
			}
		case f.damaged:
			r.p = &problem{f.name, "album-problem-damaged"}
		case pictures == MaxPhotos:
			r.p = &problem{f.name, "album-problem-many"}
		default:
			pictures++
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				if r.m, r.p, r.err = s.make(ctx, f); r.err != nil {
					cancel()
				}
			})
		}
	}
	wg.Wait()
	out := &taken{}
	for i, r := range results {
		switch {
		case r.err != nil && !errors.Is(r.err, context.Canceled):
			return nil, r.err
		case r.m != nil:
			out.photos = append(out.photos, *r.m)
		case r.p != nil:
			out.problems = append(out.problems, *r.p)
		case r.no:
			out.ignored = append(out.ignored, files[i].name)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out.pair()
	return out, nil
}

func (s *Service) head(ctx context.Context, f offered) ([]byte, error) {
	r, err := s.Blobs.Open(ctx, f.kept.Blob, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	head := make([]byte, picture.SniffLength)
	n, err := io.ReadFull(r, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}

// make makes the forms of one picture that pages show at once.
func (s *Service) make(ctx context.Context, f offered) (*made, *problem, error) {
	r, err := s.Blobs.Open(ctx, f.kept.Blob, 0)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	p, err := s.Pictures.Make(ctx, bufio.NewReaderSize(r, 64<<10))
	switch {
	case errors.Is(err, picture.ErrTooBig):
		return nil, &problem{f.name, "album-problem-big"}, nil
	case errors.Is(err, picture.ErrUnreadable), errors.Is(err, picture.ErrKind):
		return nil, &problem{f.name, "album-problem-unreadable"}, nil
	case err != nil:
		return nil, nil, err
	}
	defer p.Close()
	m := &made{offered: f, source: p.Source, place: p.Place, forms: map[Form]kept{}, Photo: Photo{Name: f.name, MediaType: p.Source,
		Width: p.Width, Height: p.Height, Taken: p.Taken, Caption: p.Caption, Hash: p.Hash}}
	if p.Video {
		m.Film = max(p.Duration, 1)
	}
	if f.caption != "" {
		m.Caption = f.caption
	}
	for i, form := range []Form{Small, Medium, Large} {
		if err := s.keep(ctx, m.forms, form, p.JPEG[i], picture.JPEG); err != nil {
			return nil, nil, err
		}
	}
	return m, nil, nil
}

// keep makes the bytes of one form durable.
func (s *Service) keep(ctx context.Context, forms map[Form]kept, form Form, path, mediaType string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := s.Blobs.Create()
	defer w.Abort()
	if _, err := io.Copy(w, f); err != nil {
		return err
	}
	ref, err := w.Commit(ctx)
	forms[form] = kept{ref, mediaType}
	return err
}

// pair puts the film of a Live Photo with its still: an iPhone mails IMG_1.HEIC
// and IMG_1.MOV. The still is shown, the film is kept with it.
func (t *taken) pair() {
	stills := map[string]int{}
	for i, m := range t.photos {
		if m.Film == 0 {
			stills[stem(m.Name)] = i
		}
	}
	const live = 4 // seconds; the telephone films three
	films := map[int]bool{}
	for i, m := range t.photos {
		still, ok := stills[stem(m.Name)]
		if ok && m.Film != 0 && m.Film.Seconds() <= live && t.photos[still].moving == nil {
			t.photos[still].moving = &m
			films[i] = true
		}
	}
	var out []made
	for i, m := range t.photos {
		if !films[i] {
			out = append(out, m)
		}
	}
	t.photos = out
}

func stem(name string) string { return strings.ToLower(strings.TrimSuffix(name, path.Ext(name))) }

// add puts photos into an album, and returns those that it did not have. Bytes
// of the others are left to the sweeper.
func (s *Service) add(ctx context.Context, tx *store.Tx, a *Album, key string, by link.Link, photos []made) ([]Photo, error) {
	var added []Photo
	now := s.now()
	var have int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM photo WHERE album = $1`, int64(a.ID)).Scan(&have); err != nil {
		return nil, err
	}
	for _, m := range photos {
		if have+len(added) >= MaxAlbum {
			break
		}
		var one int
		err := tx.QueryRow(ctx, `SELECT 1 FROM photo WHERE album = $1 AND sha256 = $2 AND hidden = 0 LIMIT 1`, int64(a.ID), m.kept.SHA256).Scan(&one)
		if err == nil {
			continue // the same picture, by another mail or twice in this one
		}
		if !errors.Is(err, store.ErrNoRows) {
			return nil, err
		}
		m.ID, m.Created = PhotoID(store.NewID()), now
		if !by.Manage && by.ID != 0 {
			m.By, m.ByLink = shownAs(by), by.ID
		}
		place, byLink := 0, int64(m.ByLink)
		if m.place {
			place = 1
		}
		if _, err := tx.Exec(ctx, `INSERT INTO photo (id, album, key, part, name, media_type, taken, width, height, created, caption, hash, sha256, place, film, by_link, by_name, hidden, finished)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, 0)`,
			int64(m.ID), int64(a.ID), key, m.part, m.Name, m.MediaType, store.Micros(m.Taken), m.Width, m.Height, store.Micros(now),
			store.Clean(m.Caption), m.Hash, m.kept.SHA256, place, m.Film.Milliseconds(), byLink, store.Clean(m.By)); err != nil {
			return nil, err
		}
		if err := s.source(ctx, tx, m.ID, Source, m); err != nil {
			return nil, err
		}
		if m.moving != nil {
			if err := s.source(ctx, tx, m.ID, moving, *m.moving); err != nil {
				return nil, err
			}
		}
		if err := s.insert(ctx, tx, m.ID, m.forms); err != nil {
			return nil, err
		}
		if err := s.later(ctx, tx, m.ID); err != nil {
			return nil, err
		}
		added = append(added, m.Photo)
	}
	s.changed(tx, a.Account)
	if len(added) == 0 || s.Shelf == nil {
		return added, nil
	}
	return added, s.Shelf.Added(ctx, tx, a, added)
}

// source names the bytes as they came.
func (s *Service) source(ctx context.Context, tx *store.Tx, id PhotoID, f Form, m made) error {
	if m.kept.Ref != nil {
		if err := s.Blobs.Insert(ctx, tx, *m.kept.Ref); err != nil {
			return err
		}
	} else if err := s.Blobs.Keep(ctx, tx, m.kept.Blob); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO photo_form (photo, form, media_type, size, blob) VALUES ($1, $2, $3, $4, $5)`,
		int64(id), string(f), m.source, m.kept.Size, int64(m.kept.Blob))
	return err
}

func (s *Service) insert(ctx context.Context, tx *store.Tx, id PhotoID, forms map[Form]kept) error {
	for form, k := range forms {
		if err := s.Blobs.Insert(ctx, tx, k.ref); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO photo_form (photo, form, media_type, size, blob) VALUES ($1, $2, $3, $4, $5)`,
			int64(id), string(form), k.mediaType, k.ref.Size, int64(k.ref.ID)); err != nil {
			return err
		}
	}
	return nil
}

// extensions of what we make and keep.
var extensions = map[string]string{"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif", "image/heic": ".heic",
	"image/avif": ".avif", "image/tiff": ".tif", "video/mp4": ".mp4", "video/quicktime": ".mov", "video/webm": ".webm"}

// named is a file's name with the ending of what we give.
func named(name, mediaType string) string {
	ext := extensions[mediaType]
	have := strings.ToLower(path.Ext(name))
	if ext == "" || have == ext || have == ".jpeg" && ext == ".jpg" || have == ".tiff" && ext == ".tif" {
		return name
	}
	if len(have) > 1 && len(have) < len(name) {
		name = name[:len(name)-len(have)]
	}
	return name + ext
}

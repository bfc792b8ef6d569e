package jmap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/webgateway/page"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
)

var photoType = &sharedType{
	name: "Photo",
	properties: []string{"id", "albumId", "name", "takenAt", "addedAt", "caption", "by", "width", "height", "thumbUrl", "url", "filmUrl",
		"blobId", "kind", "hidden"},
	state:    stateOf(func(m marks) string { return m.Photos }),
	query:    queryPhotos,
	objects:  photoObjects,
	create:   createPhoto,
	change:   changePhoto,
	changing: []string{"caption", "hidden"},
	destroy: func(ctx context.Context, c *Call, id string) error {
		return changePhoto(ctx, c, id, "hidden", jsontext.Value("true"))
	},
	sort: "takenAt",
}

const photoKind = 'P'

func photoOf(id string) (album.PhotoID, error) {
	n, ok := number[album.PhotoID](photoKind, id)
	if !ok {
		return 0, &setError{Type: "notFound"}
	}
	return n, nil
}

// photoURL is where a form of a photo is, for whoever is signed in.
func (c *Call) photoURL(id album.PhotoID, form album.Form) string {
	return c.srv.URL + "/jmap/photo/" + accountID(c.User.Account) + "/" + mailbox.ObjectID(photoKind, int64(id)) + "/" + string(form)
}

func queryPhotos(ctx context.Context, c *Call, raw jsontext.Value) ([]string, error) {
	var f struct {
		AlbumID string `json:"albumId"`
		Hidden  bool   `json:"hidden"`
	}
	if err := filter(raw, &f); err != nil {
		return nil, err
	}
	id, err := albumOf(c.idOf(f.AlbumID))
	var ps []album.Photo
	if err == nil {
		ps, err = c.srv.Albums.Photos(ctx, id, c.caller(), f.Hidden)
	}
	if absent(err) {
		return nil, &failure{Type: "unsupportedFilter", Description: "photos are of an album of the member's: albumId"}
	}
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = mailbox.ObjectID(photoKind, int64(p.ID))
	}
	return out, err
}

// photoObjects reads whole albums: whoever asks for a photo asks for its neighbours.
func photoObjects(ctx context.Context, c *Call, ids []string) (map[string]object, error) {
	all, out := map[string]object{}, map[string]object{}
	for _, id := range ids {
		n, err := photoOf(id)
		if err == nil && all[id] == nil {
			var a album.ID
			if a, err = c.srv.Albums.Of(ctx, n, c.caller()); err == nil {
				err = c.photosOf(ctx, a, all)
			}
		}
		if err != nil && !absent(err) {
			return nil, err
		}
		if all[id] != nil {
			out[id] = all[id]
		}
	}
	return out, nil
}

func (c *Call) photosOf(ctx context.Context, a album.ID, into map[string]object) error {
	for _, hidden := range []bool{false, true} {
		ps, err := c.srv.Albums.Photos(ctx, a, c.caller(), hidden)
		if err != nil {
			return err
		}
		for _, p := range ps {
			id := mailbox.ObjectID(photoKind, int64(p.ID))
			o := object{"id": id, "albumId": mailbox.ObjectID(albumKind, int64(a)), "name": p.Name, "takenAt": dateOrNull(p.Taken), "addedAt": utcDate(p.Created),
				"caption": p.Caption, "by": p.By, "width": p.Width, "height": p.Height, "thumbUrl": c.photoURL(p.ID, album.Small), "url": c.photoURL(p.ID, album.Large),
				"filmUrl": nil, "blobId": id, "kind": "photo", "hidden": hidden}
			if p.Film > 0 {
				o["kind"] = "film"
			}
			if p.Plays {
				o["filmUrl"] = c.photoURL(p.ID, album.FilmMP4)
			}
			into[id] = o
		}
	}
	return nil
}

func createPhoto(ctx context.Context, c *Call, raw jsontext.Value) (string, error) {
	var q struct {
		AlbumID string  `json:"albumId"`
		BlobID  string  `json:"blobId"`
		Name    *string `json:"name"`
		Caption string  `json:"caption"`
	}
	if err := json.Unmarshal(raw, &q, json.RejectUnknownMembers(true)); err != nil {
		return "", invalidProperties(why(err), where(err)...)
	}
	a, err := c.album(ctx, c.idOf(q.AlbumID))
	if absent(err) {
		return "", invalidProperties("there is no such album", "albumId")
	}
	if err != nil {
		return "", err
	}
	room, err := c.room(ctx)
	if err != nil {
		return "", err
	}
	own, err := c.loose(ctx, q.BlobID, room)
	if err != nil {
		return "", err
	}
	k, mediaType, err := c.held(ctx, own, &room)
	if err != nil {
		return "", err
	}
	name := ""
	if q.Name != nil {
		name = *q.Name
	}
	f := album.HandedFile{Name: fileNames([]string{name}, []string{mediaType})[0], Type: mediaType, Kept: k}
	id, err := c.srv.Albums.Put(ctx, a.ID, c.caller(), f, q.Caption)
	if err != nil {
		c.let(k)
		if mail.Is(err, mail.BadContent) {
			err = &setError{Type: "invalidProperties", Description: c.sentence(err), Properties: []string{"blobId"}}
		}
		return "", err
	}
	return mailbox.ObjectID(photoKind, int64(id)), nil
}

func changePhoto(ctx context.Context, c *Call, id, name string, v jsontext.Value) error {
	n, err := photoOf(id)
	if err != nil {
		return err
	}
	a, err := c.srv.Albums.Of(ctx, n, c.caller())
	if err != nil {
		return err
	}
	if name == "caption" {
		s, ok := textOf(v)
		if !ok {
			return invalidProperties("it is text", name)
		}
		return c.srv.Albums.SetCaption(ctx, a, n, c.caller(), s)
	}
	on, err := truth(name, v)
	switch {
	case err != nil:
		return err
	case on:
		return c.srv.Albums.RemovePhoto(ctx, a, n, c.caller())
	}
	return c.srv.Albums.RestorePhoto(ctx, a, n, c.caller())
}

// shownPhoto is the visit that may see a photo, while its album is not over: what
// was taken back is gone for its owner's programs too, until they bring it back.
func (c *Call) shownPhoto(ctx context.Context, id album.PhotoID) (v link.Visit, err error) {
	of, err := c.srv.Albums.Of(ctx, id, c.caller())
	if err != nil {
		return v, err
	}
	if v, err = c.srv.Albums.Visit(ctx, of, c.caller()); err != nil {
		return v, err
	}
	a, err := c.srv.Albums.Open(ctx, v)
	if err == nil && a.Over {
		err = mail.Refuse(mail.Gone, "sharing-recalled")
	}
	return v, err
}

// photo serves the forms of photos to whoever is signed in and has them. It is
// asked at every request, and once a second while a long answer goes out.
func (s *Server) photo(w http.ResponseWriter, r *http.Request) {
	u, ok := s.member(w, r)
	if !ok {
		return
	}
	c := &Call{User: u, srv: s, ctx: r.Context(), name: "photo"}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-cache") // kept, and asked about each time
	handler := page.Handler(func(w http.ResponseWriter, r *http.Request) error {
		if _, err := c.ownAccount(r.Context(), r.PathValue("account")); err != nil {
			return noBlob(r.PathValue("photo"))
		}
		id, err := photoOf(r.PathValue("photo"))
		if err != nil {
			return noBlob(r.PathValue("photo"))
		}
		v, err := c.shownPhoto(r.Context(), id)
		if err != nil {
			return err
		}
		return s.Photo(w, r, v, id, r.PathValue("form"), func() error {
			_, err := c.shownPhoto(r.Context(), id)
			return err
		})
	})
	(&page.Pages{Log: s.Log}).Handle(plain(c, handler)).ServeHTTP(w, r)
}

// plain answers what fails before the first byte without a page: nobody reads it.
func plain(c *Call, h page.Handler) page.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		if err == nil || errors.Is(err, http.ErrAbortHandler) || ours(mail.KindOf(err)) {
			return err
		}
		for _, name := range []string{"ETag", "Content-Disposition", "Content-Length", "Accept-Ranges"} {
			w.Header().Del(name)
		}
		(&problem{Type: "about:blank", Status: kinds[mail.KindOf(err)].status, Detail: c.sentence(err)}).write(w)
		return nil
	}
}

// photoBlob is the file of a photo as it came: "P…".
func (c *Call) photoBlob(ctx context.Context, id string) (*stream, error) {
	n, err := photoOf(strings.TrimSpace(id))
	if err != nil {
		return nil, noBlob(id)
	}
	v, err := c.shownPhoto(ctx, n)
	if mail.Is(err, mail.NotFound) {
		return nil, noBlob(id)
	}
	if err != nil {
		return nil, err
	}
	f, err := c.srv.Albums.Photo(ctx, v, n, album.Source)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", quoted(id), err)
	}
	return c.stored(id, f.MediaType, f.Size, f.Blob), nil
}

// stored is a blob of what a member shares. It is copied when it is to be part of
// something else: it goes with what it is of.
func (c *Call) stored(id, mediaType string, size int64, b blob.ID) *stream {
	return &stream{id: id, mediaType: mediaType, size: size, open: c.opener(b)}
}
